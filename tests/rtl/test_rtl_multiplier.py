# amaranth: UnusedElaboratable=no
"""Multipliers in Amaranth's simulator, and an ECP5's cells beside how they are to behave."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("amaranth", reason="needs boltmod[hardware]")

from amaranth import Signal, signed, unsigned
from amaranth.sim import Simulator

from boltmod.errors import ToolNotFoundError
from boltmod.rtl import multiplier
from boltmod.rtl.multiplier import OPERAND_BITS, Multiplier, takes
from boltmod.rtl.tools import yosys


def test_a_product_comes_two_clocks_later() -> None:
    a, b = Signal(signed(OPERAND_BITS)), Signal(unsigned(OPERAND_BITS - 1))
    circuit = Multiplier(a, b)
    rng = np.random.default_rng(1)
    pairs = [(-(2**17), 2**17 - 1), (2**17 - 1, 0), (-(2**17), 0)]
    pairs += [(int(rng.integers(-(2**17), 2**17)), int(rng.integers(0, 2**17))) for _ in range(20)]
    found = []

    async def bench(context: Any) -> None:
        for one, other in pairs:
            context.set(a, one)
            context.set(b, other)
            await context.tick()
            found.append(context.get(circuit.product))

    simulator = Simulator(circuit)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    assert found[1:] == [one * other for one, other in pairs[:-1]]


def test_operands_have_room_for_their_sign() -> None:
    assert takes(Signal(signed(18)))
    assert takes(Signal(unsigned(17)))
    assert not takes(Signal(unsigned(18)))
    assert not takes(Signal(signed(19)))


def cell() -> str:
    """An ECP5's multiplier as its handbook describes it, with the registers that are asked for."""
    bits = [f"{port}{n}" for port in "ABC" for n in range(18)]
    joined = {p: ", ".join(f"{p}{n}" for n in reversed(range(18))) for p in "AB"}
    kept = {"A": "REG_INPUTA_CLK", "B": "REG_INPUTB_CLK", "P": "REG_OUTPUT_CLK"}
    parameters = ", ".join(
        f'parameter {name}_{what} = "{default}"'
        for name in ("REG_INPUTA", "REG_INPUTB", "REG_OUTPUT")
        for what, default in (("CLK", "NONE"), ("CE", "CE0"), ("RST", "RST0"))
    )
    stages = "".join(
        f"""
    reg signed [{n - 1}:0] {name}_kept = 0;
    always @(posedge CLK0) if (RST0) {name}_kept <= 0; else if (CE0) {name}_kept <= {value};
    wire signed [{n - 1}:0] {name} = {kept[name]} == "CLK0" ? {name}_kept : {value};"""
        for name, n, value in (
            ("A", 18, f"{{{joined['A']}}}"), ("B", 18, f"{{{joined['B']}}}"), ("P", 36, "A * B"),
        )
    )  # fmt: skip
    outputs = ", ".join(f"P{n}" for n in range(36))
    backwards = ", ".join(f"P{n}" for n in reversed(range(36)))
    return f"""
module MULT18X18D #({parameters}) (
    input {", ".join(bits)}, input CLK0, CE0, RST0, SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
    output {outputs}
);{stages}
    assign {{{backwards}}} = SIGNEDA && SIGNEDB && !SOURCEA && !SOURCEB ? P : 36'bx;
endmodule
"""


BOTH = """
module both (input clk, input signed [3:0] a, input signed [2:0] b, output differs);
    wire signed [6:0] x, y;
    multiplier #(.A_BITS(4), .B_BITS(3)) one (.clk(clk), .a(a), .b(b), .product(x));
    own #(.A_BITS(4), .B_BITS(3)) other (.clk(clk), .a(a), .b(b), .product(y));
    assign differs = x != y;
endmodule
"""


@pytest.mark.skipif(not find_spec("pyosys"), reason="needs boltmod[hardware]")
def test_an_ecp5s_cell_is_what_it_stands_for(tmp_path: Path) -> None:
    own = multiplier.ECP5.replace("module multiplier", "module own")
    (tmp_path / "both.v").write_text(multiplier.BEHAVIOUR + own + cell() + BOTH)
    yosys(
        tmp_path, "read_verilog both.v", "hierarchy -top both", "proc", "flatten", "opt",
        "sat -verify -prove differs 0 -tempinduct -set-init-undef -set-def-inputs -seq 3",
    )  # fmt: skip
    wrong = own.replace('REG_OUTPUT_CLK("CLK0")', 'REG_OUTPUT_CLK("NONE")')
    (tmp_path / "both.v").write_text(multiplier.BEHAVIOUR + wrong + cell() + BOTH)
    with pytest.raises(ToolNotFoundError, match="proof did fail"):
        yosys(
            tmp_path, "read_verilog both.v", "hierarchy -top both", "proc", "flatten", "opt",
            "sat -verify -prove differs 0 -tempinduct -set-init-undef -set-def-inputs -seq 3",
        )  # fmt: skip
