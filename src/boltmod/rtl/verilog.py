"""A circuit as Verilog, by way of Yosys' own intermediate language."""

from __future__ import annotations

import os
from pathlib import Path

from amaranth.back import rtlil

from boltmod.files import write_text
from boltmod.rtl import multiplier
from boltmod.rtl.device import Device
from boltmod.rtl.testbench import Circuit
from boltmod.rtl.tools import yosys
from boltmod.rtl.turns import blocks
from boltmod.rtl.turns.top import TurnsTop


def write_verilog(top: Circuit, folder: Path, device: Device | None = None) -> None:
    """Write a circuit as `top.il` and `top.v`, and `chip.v`, which has no ports for tests.

    A part's blocks are modules: `blocks.v` makes them of the part's cells, and `top.v` has them as
    they behave.

    Args:
        top: The circuit; it can be written once.
        folder: Where the files go.
        device: The part; one of pins enough if None.

    Raises:
        ToolNotFoundError: Yosys is not there.
    """
    text = rtlil.convert(
        top, ports=top.ports, name="top", platform=multiplier.APART, emit_src=False
    )
    write_text(folder / "top.il", text)
    written = folder / "top.v.part"
    yosys(
        folder, "read_rtlil top.il", "proc", "opt_clean", "memory_collect",
        f"write_verilog -norename -noattr {written.name}",
    )  # fmt: skip
    if isinstance(top, TurnsTop):
        behaviour, own = blocks.BEHAVIOUR, {"ice40": blocks.ICE40}
    else:
        behaviour, own = multiplier.BEHAVIOUR, {"ecp5": multiplier.ECP5}
    write_text(folder / "blocks.v", own.get(device.family if device else "", behaviour))
    with written.open("a", encoding="utf-8") as file:
        file.write(behaviour)
    os.replace(written, folder / "top.v")
    (folder / "yosys.log").unlink()
    write_text(folder / "chip.v", chip(top, device.pins if device else None))


def chip(top: Circuit, n_pins: int | None = None) -> str:
    """Return the module whose ports are the chip's pins.

    Args:
        top: The circuit.
        n_pins: How many there are; where they are too few, the label's score has none.
    """
    inputs = [top.in_valid, top.in_first, top.in_i, top.in_q, top.out_ready]
    outputs = [top.in_ready, top.out_valid, top.out_label, top.out_score]
    absent = ["out_scores"]
    if n_pins is not None and 2 + sum(len(each) for each in (*inputs, *outputs)) > n_pins:
        absent.append(outputs.pop().name)
    ports = ["    input clk", "    input rst"]
    ports += [f"    input [{len(each) - 1}:0] {each.name}" for each in inputs]
    ports += [f"    output [{len(each) - 1}:0] {each.name}" for each in outputs]
    names = ["clk", "rst", *(each.name for each in (*inputs, *outputs))]
    connected = ", ".join([f".{n}({n})" for n in names] + [f".{n}()" for n in absent])
    return (
        f"// The circuit as it is placed: without {' and '.join(absent)}.\n"
        "module chip (\n" + ",\n".join(ports) + "\n);\n"
        f"    top top ({connected});\nendmodule\n"
    )
