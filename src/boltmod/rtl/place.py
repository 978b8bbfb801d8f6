"""Synthesis, placement and routing with Yosys and nextpnr, and what they found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from boltmod.errors import ConfigError, ToolNotFoundError
from boltmod.rtl.device import Device, counted
from boltmod.rtl.tools import nextpnr, yosys

GOAL_MHZ = 100
"""What nextpnr tries to reach."""


MAC16_NS = {
    "A": (7.91, 8.14, 8.15, 8.21, 8.38, 8.61, 8.38, 8.43, 7.04, 7.30, 7.23, 7.21, 7.43, 7.46, 7.49,
          7.99),
    "B": (8.56, 8.82, 8.68, 8.76, 8.55, 8.63, 8.11, 8.31, 7.42, 7.74, 7.58, 7.73, 7.48, 7.53, 7.22,
          7.66),
    "C": (2.95,) * 16,
    "D": (3.87,) * 16,
}  # fmt: skip
"""From each bit of an iCE40's multiplier to its sum, which nextpnr takes for nothing.

Source: Project IceStorm, icefuzz/timings_up5k.txt, SB_MAC16, the slowest IOPATH of each input to
any of O[0] to O[31]; of C and D that of their slowest bit. They end at the outputs. What counts
ends at the register before those, for which the table has no time from a factor: these are longer.
"""


_ADDER = """\
(* techmap_celltype = "$NAME" *)
module NAME_apart (A, B, Y);
parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
input [A_WIDTH-1:0] A;
input [B_WIDTH-1:0] B;
output [Y_WIDTH-1:0] Y;
wire [Y_WIDTH-1:0] X, CO;
generate
if (A_WIDTH == 0 || B_WIDTH == 0) wire _TECHMAP_FAIL_ = 1;
else \\$alu #(
    .A_SIGNED(A_SIGNED), .B_SIGNED(B_SIGNED),
    .A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)
) _TECHMAP_REPLACE_ (.A(A), .B(B), .CI(1'bCARRY), .BI(1'bCARRY), .Y(Y), .X(X), .CO(CO));
endgenerate
endmodule
"""

ADDERS = "".join(
    _ADDER.replace("NAME", name).replace("CARRY", carry)
    for name, carry in (("add", "0"), ("sub", "1"))
)
"""What makes a carry chain of each addition.

By itself Yosys joins additions within a clock to sums of several numbers, which it builds of tables
that keep carries apart: 106 for four numbers of 16 bits, 54 in chains.
"""


def synthesis_script(device: Device, has_cells: bool = False) -> str:
    """Return what Yosys is told.

    Args:
        device: The part.
        has_cells: Whether `blocks.v` has an iCE40's cells.
    """
    # Yosys' search for multipliers would undo what blocks.v says of its own.
    options = " -dsp" if device.family == "ice40" and not has_cells else ""
    apart = "opt_expr\nopt_clean\nwreduce\nopt_clean\ntechmap -map adders.v\n"
    return (
        # The same circuit as top.v, which takes Yosys a minute to read.
        "read_rtlil top.il\n"
        "read_verilog chip.v\nread_verilog blocks.v\n"
        "hierarchy -top chip\nproc\nflatten\n"
        f"{apart if device.family == 'ecp5' else ''}"
        # It would take the part's cells for modules because of which to read chip.v anew.
        "write_rtlil flat.il\ndesign -reset\nread_rtlil flat.il\n"
        f"synth_{device.family} -top chip{options} -json chip.json\n"
        "tee -q -o cells.json stat -json\n"
    )


def placement_options(device: Device) -> list[str]:
    """Return what nextpnr is told."""
    constraints = "--lpf" if device.family == "ecp5" else "--pcf"
    result = "--textcfg" if device.family == "ecp5" else "--asc"
    loose = "--lpf-allow-unconstrained" if device.family == "ecp5" else "--pcf-allow-unconstrained"
    name = "chip.lpf" if device.family == "ecp5" else "chip.pcf"
    each_net = ["--detailed-timing-report"] if device.family == "ice40" else []
    return [
        *device.options, *each_net, "--json", "chip.json", constraints, name, loose,
        "--freq", str(GOAL_MHZ),
        "--report", "placed.json", result, "chip.config", "--timing-allow-fail",
        "--placer", "heap", "--router", "router2",
    ]  # fmt: skip


def synthesise(folder: Path, device: Device) -> dict[str, Any]:
    """Run Yosys on a written folder.

    Returns:
        What the netlist takes of the device, and which share of it.

    Raises:
        ToolNotFoundError: Yosys is not there.
    """
    yosys(folder, "script chip.ys")
    cells = json.loads((folder / "cells.json").read_text(encoding="utf-8"))
    by_type = cells["design"]["num_cells_by_type"]
    return counted(device.family, by_type) | {"device": device.name}


def check_fit(taken: dict[str, Any], device: Device, steps: dict[str, int], lanes: float) -> None:
    """Refuse a netlist that the device has no room for.

    Args:
        taken: What it takes.
        device: The part.
        steps: Register bits of each step, or instructions.
        lanes: Samples a clock.

    Raises:
        ConfigError: It does not fit; says by how much, why, and what to try.
    """
    short = {kind: n for kind, n in device.capacity.items() if taken.get(kind, 0) > n}
    if not short:
        return
    over = ", ".join(f"{taken[kind]:,} of {n:,} {kind.upper()}" for kind, n in short.items())
    largest = max(steps, key=lambda name: steps[name])
    way_out = f"try --samples-per-clock {lanes // 2:g}" if lanes > 1 else "take a larger --device"
    raise ConfigError(
        f"the network must fit {device.name}, and takes {over}; most of it is {largest}: {way_out}"
    )


def place(folder: Path, device: Device) -> dict[str, Any]:
    """Run nextpnr on a synthesised folder.

    Returns:
        What is used, the fastest clock, and what limits it.

    Raises:
        ToolNotFoundError: nextpnr is not there, or could not place it.
    """
    nextpnr(folder, device.family, *placement_options(device))
    return read_placement(folder / "placed.json")


def read_placement(path: Path) -> dict[str, Any]:
    """Return what nextpnr's report says of the clock."""
    found = json.loads(path.read_text(encoding="utf-8"))
    clocks = found["fmax"]
    if not clocks:
        raise ToolNotFoundError(f"nextpnr must report a clock's frequency, and {path} has none")
    name = min(clocks, key=lambda each: clocks[each]["achieved"])
    period = max(1e3 / clocks[name]["achieved"], _through_multipliers(found))
    path_parts: list[dict[str, Any]] = next(
        (each["path"] for each in found["critical_paths"] if each["from"] == each["to"]
         and name in each["from"]), [],
    )  # fmt: skip
    delays = {"logic": 0.0, "routing": 0.0}
    for part in path_parts:
        delays["routing" if part["type"] == "routing" else "logic"] += part["delay"]
    nets = [part for part in path_parts if part["type"] == "routing"]
    slowest = max(nets, key=lambda part: part["delay"], default=None)
    return {
        "fmax_mhz": round(1e3 / period, 2),
        "utilisation": {cell: n for cell, n in found["utilization"].items() if n["used"]},
        "critical_path_ns": {kind: round(ns, 2) for kind, ns in delays.items()},
        "slowest_net": slowest
        and {"net": slowest.get("net", ""), "delay_ns": round(slowest["delay"], 2)},
        "from": path_parts[0]["from"]["cell"] if path_parts else "",
        "to": path_parts[-1]["to"]["cell"] if path_parts else "",
    }


def _through_multipliers(found: dict[str, Any]) -> float:
    """Return the nanoseconds of the slowest way through an iCE40's multiplier; 0 without one."""
    ways = [
        end["delay"][-1] + _mac16_ns(end["port"])
        for net in found.get("detailed_net_timings", [])
        for end in net["endpoints"]
        if end["cell"].endswith("_DSP")
    ]
    return max(ways, default=0.0)


def _mac16_ns(port: str) -> float:
    name, _, bit = port.partition("_")
    if name in MAC16_NS:
        return MAC16_NS[name][int(bit)]
    return max(max(each) for each in MAC16_NS.values())
