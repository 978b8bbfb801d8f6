"""The written Verilog, run by Verilator against what the integer program says."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from boltmod.errors import ExportMismatchError, ToolNotFoundError
from boltmod.rtl.tools import verilator

CASES: dict[str, tuple[str, ...]] = {
    "back to back": (),
    "gaps and stalls": ("+gaps=96", "+stalls=160", "+seed=3"),
    "rare results": ("+stalls=255", "+seed=5"),
    "a reset within a frame": ("+reset_at={middle}", "+gaps=32", "+seed=7"),
    "frames broken off": ("+cut=1", "+gaps=16", "+seed=9"),
}
"""How frames are streamed, by name, and what the testbench is told."""


@dataclass(frozen=True)
class Outcome:
    """What a simulation said.

    Args:
        case: How frames were streamed.
        line: Its last line.
        latency: Clocks from a frame's last sample to its label; only if nothing stalled.
        interval: Clocks from one label to the next.
    """

    case: str
    line: str
    latency: int | None
    interval: float | None


def build(folder: Path) -> Path:
    """Compile `tb.v` and `top.v` of a folder.

    Returns:
        The program, which must run in that folder.

    Raises:
        ToolNotFoundError: Verilator is not there, or could not compile them.
    """
    objects = folder / "obj"
    command = [
        verilator(), "--binary", "-Wno-fatal", "-Wno-lint", "-Wno-style", "--timescale",
        "1ns/1ps", "--top-module", "tb", "-O3", "--output-split", "20000",
        "-CFLAGS", "-O0 -std=c++20", "-MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include",
        "--Mdir", str(objects), "-o", "tb", str(folder / "tb.v"), str(folder / "top.v"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise ToolNotFoundError(f"Verilator could not compile top.v: {' | '.join(last)}")
    return objects / "tb"


def run(program: Path, case: str, n_frames: int, middle: int) -> Outcome:
    """Stream frames in one way.

    Args:
        program: What was compiled, in a folder beside the frames.
        case: One of `CASES`.
        n_frames: How many.
        middle: A clock within a frame.

    Raises:
        ExportMismatchError: A result differs from the program's.
    """
    told = [each.format(middle=middle) for each in CASES[case]]
    done = subprocess.run(
        [str(program), f"+frames={n_frames}", *told],
        cwd=program.parent.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if not line.startswith("- ")]
    last = lines[-1] if lines else f"nothing: {done.stderr.strip()[-200:]}"
    if not last.startswith("bit-exact"):
        raise ExportMismatchError(f"the hardware must say what the program says; {case}: {last}")
    numbers = {line.split(":")[0]: line.split() for line in lines}
    interval = numbers.get("interval")
    return Outcome(
        case,
        last,
        int(numbers["latency"][1]) if not told else None,
        int(interval[1]) / int(interval[4]) if interval and not told else None,
    )
