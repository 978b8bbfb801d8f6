"""A testbench that checks itself, in plain Verilog: Verilator and Icarus both run it."""

from __future__ import annotations

from pathlib import Path

from boltmod.files import write_text
from boltmod.integer.form import Integers
from boltmod.rtl.schedule import Schedule
from boltmod.rtl.stepwise import packed
from boltmod.rtl.top import Top
from boltmod.rtl.turns.top import TurnsTop

Circuit = Top | TurnsTop
"""What can be written."""

WATCHED = "steps.hex"
"""Every step's values, clock by clock from one frame's start on, if they are asked for."""


def write_testbench(top: Circuit, levels: Integers, scores: Integers, folder: Path) -> None:
    """Write `tb.v`, the frames and what must come of them.

    Args:
        top: The circuit, with all scores.
        levels: Quantised frames, (n, 2, samples).
        scores: What the program says of them, (n, classes).
        folder: Where the files go.
    """
    lanes = top.lanes
    n_bits = len(top.in_i) // lanes
    n, _, length = levels.shape
    beats = levels.reshape(n, 2, length // lanes, lanes).transpose(0, 2, 1, 3).reshape(-1, 2, lanes)
    write_text(folder / "frames.hex", "".join(f"{packed(beat, n_bits):x}\n" for beat in beats))
    width = top.score_shape.width
    rows = [f"{packed(row, width):x} {int(row.argmax()):x}\n" for row in scores]
    write_text(folder / "scores.hex", "".join(row.split()[0] + "\n" for row in rows))
    write_text(folder / "labels.hex", "".join(row.split()[1] + "\n" for row in rows))
    write_text(folder / "tb.v", source(top, n))


def source(top: Circuit, n_frames: int) -> str:
    """Return the testbench."""
    facts = {
        "LANE": len(top.in_i) // top.lanes,
        "WIDTH": len(top.in_i),
        "BEATS": top.n_beats,
        "FRAMES": n_frames,
        "CLASSES": top.n_classes,
        "SCORE": top.score_shape.width,
        "LABEL": len(top.out_label),
        "WARM": top.flush + 16,
        "PATIENCE": 20 * (top.latency + top.interval + 1000),
    }
    parameters = "".join(f"    localparam {name} = {value};\n" for name, value in facts.items())
    text = _SOURCE.replace("    // facts\n", parameters)
    if not isinstance(top, Top) or not top.with_steps:
        return text
    facts = {"STEPS": len(top.out_steps), "LAST": Schedule(top.composition).last}
    parameters = "".join(f"    localparam {name} = {value};\n" for name, value in facts.items())
    ports = ", .out_scores(out_scores),\n        .out_start(out_start), .out_steps(out_steps)"
    text = text.replace(", .out_scores(out_scores)", ports)
    return text.replace("    reg [2*WIDTH", parameters + _WATCH + "\n    reg [2*WIDTH", 1)


_WATCH = """\
    wire out_start;
    wire [STEPS-1:0] out_steps;
    integer watched, started = 0, watching = -1, steps;
    initial if (!$value$plusargs("watched=%d", watched)) watched = -1;
    always @(posedge clk) begin
        if (rst) begin
            started = 0;
            watching = -1;
        end else if (out_start) begin
            if (started == watched) begin
                steps = $fopen("steps.hex", "w");
                watching = 0;
            end
            started = started + 1;
        end
        if (watching >= 0 && watching <= LAST) begin
            $fdisplay(steps, "%h", out_steps);
            watching = watching + 1;
            if (watching > LAST) $fclose(steps);
        end
    end
"""

_SOURCE = """\
// Streams frames.hex into top and compares what comes out with scores.hex and labels.hex.
//   +frames=N        how many frames (all)
//   +gaps=P          chance, of 256, that no sample is offered in a clock (0)
//   +stalls=P        chance, of 256, that no result is taken in a clock (0)
//   +reset_at=CLOCK  reset once more in that clock, and begin again with the first frame (never)
//   +cut=1           before each fourth frame, a part of another one that is broken off (never)
//   +seed=S          of the chances (1)
`timescale 1ns / 1ps
module tb;
    // facts

    reg clk = 0, rst = 1;
    always #5 clk = ~clk;

    reg in_valid = 0, in_first = 0, out_ready = 0;
    reg [WIDTH-1:0] in_i = 0, in_q = 0;
    wire in_ready, out_valid;
    wire [LABEL-1:0] out_label;
    wire [SCORE-1:0] out_score;
    wire [CLASSES*SCORE-1:0] out_scores;

    top dut (
        .clk(clk), .rst(rst), .in_valid(in_valid), .in_ready(in_ready), .in_first(in_first),
        .in_i(in_i), .in_q(in_q), .out_valid(out_valid), .out_ready(out_ready),
        .out_label(out_label), .out_score(out_score), .out_scores(out_scores)
    );

    reg [2*WIDTH-1:0] frames [0:FRAMES*BEATS-1];
    reg [CLASSES*SCORE-1:0] scores [0:FRAMES-1];
    reg [LABEL-1:0] labels [0:FRAMES-1];
    initial begin
        $readmemh("frames.hex", frames);
        $readmemh("scores.hex", scores);
        $readmemh("labels.hex", labels);
    end

    integer n_frames, gaps, stalls, reset_at, cut, seed;
    integer clocks = 0, sent = 0, broken = 0, received = 0, silent = 0;
    integer first_in = 0, last_in = 0, first_out = 0, last_out = 0, k;
    reg was_reset = 0;
    reg [31:0] chance;
    initial begin
        if (!$value$plusargs("frames=%d", n_frames)) n_frames = FRAMES;
        if (!$value$plusargs("gaps=%d", gaps)) gaps = 0;
        if (!$value$plusargs("stalls=%d", stalls)) stalls = 0;
        if (!$value$plusargs("reset_at=%d", reset_at)) reset_at = -1;
        if (!$value$plusargs("cut=%d", cut)) cut = 0;
        if (!$value$plusargs("seed=%d", seed)) seed = 1;
        chance = seed * 32'h9e3779b9 | 1;
    end

    // Signals change at the falling edge, the circuit looks at the rising one.
    always @(negedge clk) begin
        chance = chance ^ (chance << 13);
        chance = chance ^ (chance >> 17);
        chance = chance ^ (chance << 5);
        clocks = clocks + 1;
        rst <= clocks < 5 || (clocks >= reset_at && clocks < reset_at + 3 && reset_at >= 0);
        out_ready <= chance[15:8] >= stalls;
    end

    wire resetting = rst;
    integer at = 0;
    always @(negedge clk) begin
        if (clocks < 5 || clocks == reset_at) begin
            in_valid <= 0;
            in_first <= 0;
            at = 0;
            sent = 0;
            broken = 0;
        end else if (clocks > WARM && sent < n_frames && chance[7:0] >= gaps) begin
            in_valid <= 1;
            in_first <= at == 0;
            {in_q, in_i} <= frames[sent*BEATS+at];
        end else begin
            in_valid <= 0;
            in_first <= 0;
        end
    end

    always @(posedge clk) begin
        if (!rst && in_valid && in_ready) begin
            if (sent == 0 && at == 0) first_in = clocks;
            last_in = clocks;
            at = at + 1;
            if (cut != 0 && sent % 4 == 3 && broken != sent && at == BEATS / 3) begin
                broken = sent;
                at = 0;
            end
            if (at == BEATS) begin
                if (sent == 0) last_in = clocks;
                at = 0;
                sent = sent + 1;
            end
        end
    end

    integer first_done = -1;
    always @(posedge clk) begin
        if (clocks == reset_at) begin
            received = 0;
            was_reset <= 1;
        end
        silent = silent + 1;
        if (sent == 1 && first_done < 0) first_done = clocks;
        if (!rst && out_valid && out_ready) begin
            silent = 0;
            if (received == 0) first_out = clocks;
            last_out = clocks;
            for (k = 0; k < CLASSES; k = k + 1)
                if (out_scores[k*SCORE+:SCORE] !== scores[received][k*SCORE+:SCORE]) begin
                    $display("differs: frame %0d, class %0d: %0d, not %0d", received, k,
                             $signed(out_scores[k*SCORE+:SCORE]),
                             $signed(scores[received][k*SCORE+:SCORE]));
                    $finish;
                end
            if (out_label !== labels[received]
                || out_score !== scores[received][out_label*SCORE+:SCORE]) begin
                $display("differs: frame %0d, label %0d of score %0d, not %0d", received, out_label,
                         $signed(out_score), labels[received]);
                $finish;
            end
            received = received + 1;
            if (received == n_frames) begin
                $display("latency: %0d clocks", first_out - first_done);
                if (n_frames > 1)
                    $display("interval: %0d clocks in %0d frames", last_out - first_out,
                             n_frames - 1);
                $display("bit-exact: %0d of %0d frames", received, n_frames);
                $finish;
            end
        end
        if (silent > PATIENCE) begin
            $display("silent: no result behind frame %0d", received);
            $finish;
        end
    end
endmodule
"""
