# amaranth: UnusedElaboratable=no
"""A part's multipliers with the registers that they have of their own.

In Amaranth's simulator they are described as they behave; in Verilog they are modules of their own,
which `blocks.v` describes and a part's file makes of its cells.
"""

from __future__ import annotations

from amaranth import ClockSignal, Elaboratable, Instance, Module, Shape, Signal, Value, signed

OPERAND_BITS = 18
"""Of a part's multipliers, with the sign. Source: Lattice, FPGA-TN-02205, ECP5 sysDSP."""

APART = object()
"""The platform for which multipliers are modules of their own."""


def takes(value: Value) -> bool:
    """Whether a multiplier takes a value as an operand."""
    return signed_bits(value.shape()) <= OPERAND_BITS


def signed_bits(shape: Shape) -> int:
    """Return the width of a shape's integers with a sign."""
    return int(shape.width) + (not shape.signed)


class Multiplier(Elaboratable):  # type: ignore[misc]
    """The product of two integers, two clocks later.

    Args:
        a: An operand that it takes.
        b: The other one.
    """

    def __init__(self, a: Value, b: Value) -> None:
        self.a, self.b = (
            Signal(signed(max(signed_bits(each.shape()), 1)), reset_less=True) for each in (a, b)
        )
        self.product = Signal(signed(len(self.a) + len(self.b)), reset_less=True)
        self._operands = a, b

    def elaborate(self, platform: object) -> Module:
        """Return the circuit."""
        m = Module()
        if platform is APART:
            m.d.comb += [self.a.eq(self._operands[0]), self.b.eq(self._operands[1])]
            m.submodules.multiplier = Instance(
                "multiplier", p_A_BITS=len(self.a), p_B_BITS=len(self.b),
                i_clk=ClockSignal(), i_a=self.a, i_b=self.b, o_product=self.product,
            )  # fmt: skip
            return m
        m.d.sync += [
            self.a.eq(self._operands[0]),
            self.b.eq(self._operands[1]),
            self.product.eq(self.a * self.b),
        ]
        return m


_PORTS = """\
module multiplier #(parameter A_BITS = 18, parameter B_BITS = 18) (
    input clk, input signed [A_BITS-1:0] a, input signed [B_BITS-1:0] b,
    output{kept} signed [A_BITS+B_BITS-1:0] product
);
"""

BEHAVIOUR = (
    "// As multipliers behave.\n"
    + _PORTS.format(kept=" reg")
    + """\
    reg signed [A_BITS-1:0] a_kept;
    reg signed [B_BITS-1:0] b_kept;
    initial begin
        a_kept = 0;
        b_kept = 0;
        product = 0;
    end
    always @(posedge clk) begin
        a_kept <= a;
        b_kept <= b;
        product <= a_kept * b_kept;
    end
endmodule
"""
)
"""For simulation, and for parts whose tools find their multipliers by themselves."""


def _bits(port: str, value: str, n_bits: int) -> str:
    return ", ".join(f".{port}{n}({value}[{n}])" for n in range(n_bits))


ECP5 = (
    "// The multipliers of an ECP5.\n"
    + _PORTS.format(kept="")
    + f"""\
    wire signed [{OPERAND_BITS - 1}:0] x = a, y = b;
    wire signed [{2 * OPERAND_BITS - 1}:0] p;
    assign product = p;
    MULT18X18D #(
        .REG_INPUTA_CLK("CLK0"), .REG_INPUTA_CE("CE0"), .REG_INPUTA_RST("RST0"),
        .REG_INPUTB_CLK("CLK0"), .REG_INPUTB_CE("CE0"), .REG_INPUTB_RST("RST0"),
        .REG_OUTPUT_CLK("CLK0"), .REG_OUTPUT_CE("CE0"), .REG_OUTPUT_RST("RST0")
    ) cell_ (
        .CLK0(clk), .CE0(1'b1), .RST0(1'b0),
        .SIGNEDA(1'b1), .SIGNEDB(1'b1), .SOURCEA(1'b0), .SOURCEB(1'b0),
        {_bits("A", "x", OPERAND_BITS)},
        {_bits("B", "y", OPERAND_BITS)},
        {", ".join(f".C{n}(1'b0)" for n in range(OPERAND_BITS))},
        {_bits("P", "p", 2 * OPERAND_BITS)}
    );
endmodule
"""
)
"""Source: Lattice, FPGA-TN-02205, ECP5 sysDSP; Yosys' blackbox of `MULT18X18D` for the names."""
