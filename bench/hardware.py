r"""Networks as hardware: bit-exact or not, what they take of a part, clock, frames a second.

    pip install 'boltmod[hardware]'
    python bench/hardware.py boltnet:8:ecp5-85k
    python bench/hardware.py boltnet:8:ecp5-85k boltnet:4:ecp5-85k MODEL.onnx:1:ecp5-85k --place
    python bench/hardware.py boltnet:8:ecp5-85k boltnet:4:ecp5-85k --describe

Each design is a network, the received samples that it takes a clock, and a part. It is written,
streamed through Verilator in every way that `boltmod compile --verify` knows, and synthesised by
Yosys; with `--place` nextpnr places and routes it, which takes up to an hour a design on one core.
A design that does not fit, or that a tool gives up on, keeps its line, and the reason follows.
`--describe` runs no tool and says what the description alone says; `--read` prints again what an
earlier run left in `--out`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from boltmod.errors import BoltmodError
from boltmod.integer.build import build
from boltmod.model import onnx_file
from boltmod.rtl import folder
from boltmod.rtl.design import designed
from boltmod.rtl.device import DEVICES

COLUMNS = (
    "network", "samples a clock", "part", "bit-exact", "clocks a frame", "latency, clocks",
    "register bits", "LUT", "FF", "DSP", "BRAM", "MHz", "frames/s", "latency, µs", "minutes",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("designs", nargs="+", metavar="MODEL:SAMPLES:PART")
    parser.add_argument("--frames", type=int, default=200, help="frames compared")
    parser.add_argument("--place", action="store_true", help="place and route as well")
    parser.add_argument("--describe", action="store_true", help="run no tool")
    parser.add_argument("--read", action="store_true", help="print what lies in --out")
    parser.add_argument("--out", type=Path, help="folder that keeps what was made")
    arguments = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    placed, reasons = {}, []
    for design in arguments.designs:
        report = measure(design, arguments)
        print("| " + " | ".join(row(design, report)) + " |", flush=True)
        if "reason" in report:
            reasons.append(f"{design}: {report['reason']}")
        if "placement" in report:
            placed[design] = report["placement"]["frames_per_second"]
    print("\n".join(["", *reasons, ""]) if reasons else "")
    fastest = max(placed, key=lambda design: placed[design], default="")
    print(f"{fastest}: {placed[fastest]:,} frames/s, placed" if placed else "nothing was placed")


def measure(design: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return a design's report, with how long it took and, if it came to nothing, why."""
    model, samples, part = design.rsplit(":", 2)
    place_for = arguments.out or Path(tempfile.mkdtemp(prefix="boltmod-hardware-"))
    out = place_for / design.replace(":", "_").replace("/", "_")
    if arguments.read:
        return folder.read_report(out)
    wanted = folder.Wanted(
        DEVICES[part], float(samples), arguments.frames, is_synthesised=True,
        is_placed=arguments.place,
    )  # fmt: skip
    begun = time.perf_counter()
    try:
        program = build(onnx_file.load(Path(model)))
        if arguments.describe:
            return designed(program, float(samples), DEVICES[part]).facts
        report = folder.write(program, out, wanted)
    except BoltmodError as error:
        report = folder.read_report(out) | {"reason": str(error)}
    return report | {"minutes": round((time.perf_counter() - begun) / 60)}


def row(design: str, report: dict[str, Any]) -> list[str]:
    """Return a design's cells."""
    model, samples, part = design.rsplit(":", 2)
    verified = set(report.get("verified", {}).values())
    taken, placed = report.get("synthesis", {}), report.get("placement", {})
    cells = [Path(model).stem, samples, part, ", ".join(verified)]
    cells += [str(report.get(key, "")) for key in ("clocks_per_frame", "latency_clocks")]
    cells.append(f"{report['register_bits']:,}" if "register_bits" in report else "")
    cells += [f"{taken[kind]:,}" if taken else "" for kind in ("lut", "ff", "dsp", "bram")]
    rate = f"{placed['frames_per_second']:,}" if placed else ""
    cells += [str(placed.get("fmax_mhz", "")), rate, str(placed.get("latency_us", ""))]
    return [*cells, str(report.get("minutes", ""))]


if __name__ == "__main__":
    main()
