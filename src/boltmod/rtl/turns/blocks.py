# amaranth: UnusedElaboratable=no
"""What a part has as blocks of its own: multipliers that add, and the large memory.

In Amaranth's simulator they are described as they behave; in Verilog they are modules of their own,
which `blocks.v` describes and a part's file makes of its cells.
"""

from __future__ import annotations

from amaranth import ClockSignal, Elaboratable, Instance, Module, Signal, signed
from amaranth.lib.memory import Memory

from boltmod.rtl.multiplier import APART
from boltmod.rtl.turns.code import ADDRESS_BITS, LANES


class Mac(Elaboratable):  # type: ignore[misc]
    """total = base + a · b, a clock later."""

    def __init__(self) -> None:
        self.a, self.b = Signal(signed(16)), Signal(signed(16))
        self.base, self.total = Signal(signed(32)), Signal(signed(32))

    def elaborate(self, platform: object) -> Module:
        """Return the circuit."""
        m = Module()
        if platform is APART:
            m.submodules.mac = Instance(
                "mac", i_clk=ClockSignal(), i_a=self.a, i_b=self.b, i_base=self.base,
                o_total=self.total,
            )  # fmt: skip
        else:
            m.d.sync += self.total.eq(self.base + self.a * self.b)
        return m


class Words(Elaboratable):  # type: ignore[misc]
    """The memory: words of a byte for each lane, one access a clock."""

    def __init__(self) -> None:
        self.address = Signal(ADDRESS_BITS)
        self.writes = Signal(LANES)
        self.write = Signal(8 * LANES)
        self.read = Signal(8 * LANES)

    def elaborate(self, platform: object) -> Module:
        """Return the circuit."""
        m = Module()
        if platform is APART:
            m.submodules.words = Instance(
                "words", i_clk=ClockSignal(), i_address=self.address, i_writes=self.writes,
                i_write=self.write, o_read=self.read,
            )  # fmt: skip
            return m
        memory = Memory(shape=8 * LANES, depth=1 << ADDRESS_BITS, init=[])
        m.submodules.memory = memory
        write, read = memory.write_port(granularity=8), memory.read_port()
        m.d.comb += [
            write.addr.eq(self.address), write.data.eq(self.write), write.en.eq(self.writes),
            read.addr.eq(self.address), read.en.eq(self.writes == 0), self.read.eq(read.data),
        ]  # fmt: skip
        return m


BEHAVIOUR = """\
// As the blocks behave.
module mac (
    input clk, input signed [15:0] a, input signed [15:0] b, input signed [31:0] base,
    output reg signed [31:0] total
);
    initial total = 0;
    always @(posedge clk) total <= base + a * b;
endmodule

module words (
    input clk, input [12:0] address, input [7:0] writes, input [63:0] write,
    output reg [63:0] read
);
    reg [63:0] memory [0:8191];
    integer lane;
    always @(posedge clk) begin
        for (lane = 0; lane < 8; lane = lane + 1)
            if (writes[lane]) memory[address][8*lane+:8] <= write[8*lane+:8];
        if (writes == 0) read <= memory[address];
    end
endmodule
"""
"""For simulation, and for parts whose tools find their blocks by themselves."""

ICE40 = """\
// The blocks of an iCE40 UltraPlus.
module mac (
    input clk, input signed [15:0] a, input signed [15:0] b, input signed [31:0] base,
    output signed [31:0] total
);
    SB_MAC16 #(
        .NEG_TRIGGER(1'b0), .C_REG(1'b0), .A_REG(1'b0), .B_REG(1'b0), .D_REG(1'b0),
        .TOP_8x8_MULT_REG(1'b0), .BOT_8x8_MULT_REG(1'b0),
        .PIPELINE_16x16_MULT_REG1(1'b0), .PIPELINE_16x16_MULT_REG2(1'b0),
        .TOPOUTPUT_SELECT(2'b01), .TOPADDSUB_LOWERINPUT(2'b10), .TOPADDSUB_UPPERINPUT(1'b1),
        .TOPADDSUB_CARRYSELECT(2'b11), .BOTOUTPUT_SELECT(2'b01),
        .BOTADDSUB_LOWERINPUT(2'b10), .BOTADDSUB_UPPERINPUT(1'b1),
        .BOTADDSUB_CARRYSELECT(2'b00), .MODE_8x8(1'b0), .A_SIGNED(1'b1), .B_SIGNED(1'b1)
    ) cell_ (
        .CLK(clk), .CE(1'b1), .A(a), .B(b), .C(base[31:16]), .D(base[15:0]), .O(total),
        .AHOLD(1'b0), .BHOLD(1'b0), .CHOLD(1'b0), .DHOLD(1'b0),
        .IRSTTOP(1'b0), .IRSTBOT(1'b0), .ORSTTOP(1'b0), .ORSTBOT(1'b0),
        .OLOADTOP(1'b0), .OLOADBOT(1'b0), .ADDSUBTOP(1'b0), .ADDSUBBOT(1'b0),
        .OHOLDTOP(1'b0), .OHOLDBOT(1'b0), .CI(1'b0), .ACCUMCI(1'b0), .SIGNEXTIN(1'b0),
        .CO(), .ACCUMCO(), .SIGNEXTOUT()
    );
endmodule

module words (
    input clk, input [12:0] address, input [7:0] writes, input [63:0] write, output [63:0] read
);
    genvar k;
    generate
        for (k = 0; k < 4; k = k + 1) begin : pair
            SB_SPRAM256KA cell_ (
                .ADDRESS({1'b0, address}), .DATAIN(write[16*k+:16]),
                .MASKWREN({{2{writes[2*k+1]}}, {2{writes[2*k]}}}), .WREN(|writes[2*k+:2]),
                .CHIPSELECT(1'b1), .CLOCK(clk), .STANDBY(1'b0), .SLEEP(1'b0), .POWEROFF(1'b1),
                .DATAOUT(read[16*k+:16])
            );
        end
    endgenerate
endmodule
"""
"""Source: Lattice, iCE40 UltraPlus data sheet FPGA-DS-02008; DSP function usage guide TN1295."""
