"""The written Verilog, run by Verilator against what the integer program says."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from boltmod.errors import ToolNotFoundError
from boltmod.rtl.tools import verilator

CASES: dict[str, tuple[str, ...]] = {
    "back to back": (),
    "gaps and stalls": ("+gaps=96", "+stalls=160", "+seed=3"),
    "rare results": ("+stalls=255", "+seed=5"),
    "a reset within a frame": ("+reset_at={middle}", "+gaps=32", "+seed=7"),
    "frames broken off": ("+cut=1", "+gaps=16", "+seed=9"),
}
"""How frames are streamed, by name, and what the testbench is told."""


OPTIONS = (
    "--binary", "-Wno-fatal", "-Wno-lint", "-Wno-style", "--timescale", "1ns/1ps", "--top-module",
    "tb", "-O3", "--output-split", "20000", "-CFLAGS", "-O0 -std=c++20",
    "-MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include",
)  # fmt: skip
"""What Verilator is told; its C++ is not optimised, which would take longer than the frames."""


@dataclass(frozen=True)
class Outcome:
    """What a simulation said.

    Args:
        case: How frames were streamed.
        told: What the testbench was told.
        line: Its last line.
        wrong_frame: The first frame whose result differs; None if none does, or none came.
        latency: Clocks from a frame's last sample to its label; only if nothing stalled.
        interval: Clocks from one label to the next.
    """

    case: str
    told: tuple[str, ...]
    line: str
    wrong_frame: int | None
    latency: int | None
    interval: float | None

    @property
    def is_exact(self) -> bool:
        """Whether all results were the program's."""
        return self.line.startswith("bit-exact")


def build(folder: Path) -> Path:
    """Compile `tb.v` and `top.v` of a folder.

    Returns:
        The program, which must run in that folder.

    Raises:
        ToolNotFoundError: Verilator is not there, or could not compile them.
    """
    objects = folder / "obj"
    command = [
        verilator(), *OPTIONS, "--Mdir", str(objects), "-o", "tb",
        str(folder / "tb.v"), str(folder / "top.v"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise ToolNotFoundError(f"Verilator could not compile top.v: {' | '.join(last)}")
    return objects / "tb"


def told(case: str, n_frames: int, middle: int) -> tuple[str, ...]:
    """Return what the testbench is told to stream frames in one way.

    Args:
        case: One of `CASES`.
        n_frames: How many.
        middle: A clock within a frame.
    """
    return (f"+frames={n_frames}", *(each.format(middle=middle) for each in CASES[case]))


def run(program: Path, case: str, options: tuple[str, ...], watched: int | None = None) -> Outcome:
    """Stream frames in one way.

    Args:
        program: What was compiled, in a folder beside the frames.
        case: One of `CASES`.
        options: What the testbench is told.
        watched: A frame whose steps are written, if the testbench can.
    """
    watching = () if watched is None else (f"+watched={watched}",)
    done = subprocess.run(
        [str(program), *options, *watching],
        cwd=program.parent.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if not line.startswith("- ")]
    last = lines[-1] if lines else f"nothing: {done.stderr.strip()[-200:]}"
    numbers = {line.split(":")[0]: line.split() for line in lines}
    interval, wrong = numbers.get("interval"), numbers.get("differs")
    is_free = not CASES[case] and "latency" in numbers
    return Outcome(
        case,
        options,
        last,
        int(wrong[2].rstrip(",")) if wrong else None,
        int(numbers["latency"][1]) if is_free else None,
        _a_frame(int(interval[1]), int(interval[4])) if interval and is_free else None,
    )


def _a_frame(n_clocks: int, n_frames: int) -> float:
    """Return clocks a frame, an integer where they are all the same."""
    return n_clocks / n_frames if n_clocks % n_frames else n_clocks // n_frames
