# amaranth: UnusedElaboratable=no
"""The folder that `boltmod compile --target verilog` writes."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from boltmod.errors import ExportMismatchError
from boltmod.files import write_json, write_text
from boltmod.integer.c.folder import keyed_frames
from boltmod.integer.document import to_document
from boltmod.integer.execute import run_from, trace
from boltmod.integer.form import Integers, Program, Quantise
from boltmod.rtl import place, simulate
from boltmod.rtl.design import Design, designed, first_difference
from boltmod.rtl.device import Device
from boltmod.rtl.testbench import write_testbench
from boltmod.rtl.turns.top import TurnsTop
from boltmod.rtl.verilog import write_verilog

_N_GOLDEN = 16


@dataclass(frozen=True)
class Wanted:
    """What is to be made of a program.

    Args:
        device: The part that constraints and commands are for.
        samples_per_clock: Received samples that come at once; below one, how many come a clock at
            least.
        n_verified: Frames to stream through the result in every way of `simulate.CASES`.
        is_synthesised: Whether Yosys says what it takes.
        is_placed: Whether nextpnr places and routes it as well.
    """

    device: Device
    samples_per_clock: float = 1
    n_verified: int = 0
    is_synthesised: bool = False
    is_placed: bool = False


def write(
    program: Program, folder: Path, wanted: Wanted, levels: Integers | None = None
) -> dict[str, Any]:
    """Write a program as Verilog, and find out about it what is asked for.

    Args:
        program: The network.
        folder: Where the files go; made where there is none.
        wanted: What is to be made.
        levels: Quantised frames of the golden vectors, (n, 2, samples), at least as many as are
            verified; keyed signals and extremes by default.

    Returns:
        The report, which is written too.

    Raises:
        UnsupportedOperatorError: A step has no hardware, or not at that pace.
        ExportMismatchError: The hardware says something else than the program.
        ConfigError: It does not fit the device.
        ToolNotFoundError: A tool is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    design = designed(program, wanted.samples_per_clock, wanted.device)
    top = design.top
    if levels is None:
        levels = quantised_frames(program, max(_N_GOLDEN, wanted.n_verified))
    write_testbench(top, levels, run_from(program, levels), folder)
    report = design.facts | {"device": wanted.device.name}
    write_verilog(top, folder, wanted.device)
    _write_commands(folder, wanted.device, isinstance(top, TurnsTop))
    write_text(folder / "README.md", _readme(report))
    write_json(folder / "program.json", to_document(design.program))
    write_json(folder / "report.json", report)
    if wanted.n_verified:
        report = report | _verified(design, folder, wanted, levels)
        write_json(folder / "report.json", report)
    return _found(report, design, folder, wanted)


def _verified(design: Design, folder: Path, wanted: Wanted, levels: Integers) -> dict[str, Any]:
    """Return what Verilator says of every way of streaming."""
    n = wanted.n_verified
    built = simulate.build(folder)
    outcomes = []
    for case in simulate.CASES:
        outcome = simulate.run(built, case, simulate.told(case, n, design.top.middle))
        if not outcome.is_exact:
            where: object = outcome.line
            if outcome.wrong_frame is not None:
                where = first_difference(design, wanted.device, levels, outcome)
            raise ExportMismatchError(
                f"the hardware must say what the program says; {case}: {where or outcome.line}"
            )
        outcomes.append(outcome)
    return {
        "verified": {each.case: each.line for each in outcomes},
        "latency_clocks": outcomes[0].latency,
        "clocks_per_frame": outcomes[0].interval,
    }


def _found(report: dict[str, Any], design: Design, folder: Path,
           wanted: Wanted) -> dict[str, Any]:  # fmt: skip
    """Return the report with what synthesis and placement say; written each time."""
    if wanted.is_synthesised or wanted.is_placed:
        taken = place.synthesise(folder, wanted.device)
        report = report | {"synthesis": taken}
        write_json(folder / "report.json", report)
        place.check_fit(taken, wanted.device, design.by_step, wanted.samples_per_clock)
    if wanted.is_placed:
        report = report | {"placement": _timed(place.place(folder, wanted.device), report)}
        write_json(folder / "report.json", report)
    return report


def _timed(placed: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    """Return a placement with what its clock means for frames."""
    hertz = placed["fmax_mhz"] * 1e6
    clocks = report["clocks_per_frame"]
    return placed | {
        "frames_per_second": round(hertz / clocks),
        "samples_per_second": round(hertz / clocks * report["samples_per_frame"]),
        "latency_us": round(report["latency_clocks"] / hertz * 1e6, 3),
    }


def read_report(folder: Path) -> dict[str, Any]:
    """Return the report of a folder as far as it came; nothing where there is none."""
    path = folder / "report.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def quantised_frames(program: Program, n_frames: int) -> Integers:
    """Return frames for golden vectors, (n, 2, samples): keyed signals, and all that is extreme.

    Args:
        program: The network, whose first step quantises.
        n_frames: How many; every eighth one is saturated, constant or silent.
    """
    first = program.steps[0]
    assert isinstance(first, Quantise)
    only = replace(program, steps=program.steps[:1])
    levels = np.array(
        trace(only, keyed_frames(n_frames, length=first.shape[1]))[first.name], np.int64
    )
    low, high = first.range
    swing = np.where(np.arange(first.shape[1]) % 2, low, high)
    extremes = [np.zeros_like(swing), np.full_like(swing, high), np.full_like(swing, low), swing]
    for number, at in enumerate(range(3, n_frames, 8)):
        levels[at] = extremes[number % len(extremes)]
    return levels


def _write_commands(folder: Path, device: Device, has_cells: bool) -> None:
    name = "chip.lpf" if device.family == "ecp5" else "chip.pcf"
    constraints = (
        f'FREQUENCY PORT "clk" {place.GOAL_MHZ} MHZ;\n'
        if device.family == "ecp5"
        else "# set_io clk 35\n"
    )
    write_text(folder / name, constraints)
    if device.family == "ecp5":
        write_text(folder / "adders.v", place.ADDERS)
    write_text(folder / "chip.ys", place.synthesis_script(device, has_cells))
    facts = {
        "$OPTIONS": " ".join(place.placement_options(device)),
        "$SIMULATION": shlex.join(simulate.OPTIONS),
        "$FAMILY": device.family,
    }
    text = _MAKEFILE
    for name, value in facts.items():
        text = text.replace(name, value)
    write_text(folder / "Makefile", text)


_MAKEFILE = """\
# make            synthesises, places and routes for the device
#                 (OPTIONS="--seed 7": another placement; its log is nextpnr.log)
# make simulate   compares top.v with scores.hex by Verilator; make icarus by Icarus
PYTHON    ?= python3
YOSYS     ?= $(PYTHON) -c "import sys; from pyosys import libyosys as y; \\
             y.run_pass('script ' + sys.argv[1], y.Design())"
NEXTPNR   ?= $(shell command -v nextpnr-$FAMILY || echo yowasp-nextpnr-$FAMILY)
VERILATOR ?= $(shell command -v verilator || echo verilator-cli)

chip.config: chip.json
	$(NEXTPNR) $OPTIONS --log nextpnr.log $(OPTIONS)

chip.json: top.il chip.v blocks.v chip.ys
	$(YOSYS) chip.ys

simulate: obj/tb
	./obj/tb +gaps=96 +stalls=160

obj/tb: top.v tb.v
	$(VERILATOR) $SIMULATION --Mdir obj -o tb tb.v top.v

icarus: top.v tb.v
	iverilog -g2005-sv -o tb.vvp tb.v top.v
	vvp tb.vvp +gaps=96 +stalls=160

.PHONY: simulate icarus
"""


def _readme(report: dict[str, Any]) -> str:
    lanes = max(report["samples_per_clock"], 1)
    n = report["samples_per_frame"]
    blocks = "`mac` and `words`" if report["samples_per_clock"] < 1 else "`multiplier`"
    return f"""\
# {report["model"]} as hardware
`top.v` takes {lanes} samples at once: `in_i` and `in_q` hold them side by side, the first lowest,
as the integers of the network's first quantiser (a frame of unit deviation divided by its step).
A frame is {n // lanes} transfers (`in_valid` and `in_ready`), the first marked by `in_first`, which
always begins a new frame. `out_valid`, `out_ready`: `out_label`, its `out_score`; `out_scores` are
those of all classes, class 0 lowest. One frame every {report["clocks_per_frame"]} clocks.
`make simulate` (or `make icarus`) streams golden frames; `make` places for {report["device"]}.
`chip.v` leaves `out_scores` out. Made by `boltmod compile --target verilog`.
`blocks.v` makes the part's cells of what `top.v` describes as {blocks}.
"""
