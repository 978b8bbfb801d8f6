r"""Networks as hardware: bit-exact or not, what they take of a part, clock, frames a second.

    pip install 'boltmod[hardware]'
    python bench/hardware.py boltnet:8:ecp5-85k
    python bench/hardware.py boltnet:8:ecp5-85k boltnet:4:ecp5-85k MODEL.onnx:1:ecp5-85k --place

Each design is a network, the received samples that it takes a clock, and a part. It is written,
streamed through Verilator in every way that `boltmod compile --verify` knows, and synthesised by
Yosys; with `--place` nextpnr places and routes it, which takes up to an hour a design on one core.
A design that does not fit, or that a tool gives up on, keeps its line, with the reason.
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
from boltmod.rtl.device import DEVICES

COLUMNS = (
    "network", "samples a clock", "part", "bit-exact", "clocks a frame", "latency, clocks", "LUT",
    "FF", "DSP", "BRAM", "MHz", "frames/s", "minutes",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("designs", nargs="+", metavar="MODEL:SAMPLES:PART")
    parser.add_argument("--frames", type=int, default=200, help="frames compared")
    parser.add_argument("--place", action="store_true", help="place and route as well")
    parser.add_argument("--out", type=Path, help="folder that keeps what was made")
    arguments = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    fastest = ""
    for design in arguments.designs:
        report = measure(design, arguments)
        print("| " + " | ".join(row(design, report)) + " |", flush=True)
        if "reason" in report:
            print(f"\n{design}: {report['reason']}\n")
        rate = report.get("placement", {}).get("frames_per_second")
        fastest = f"{design}: {rate:,} frames/s, placed" if rate else fastest
    print(fastest or "nothing was placed")


def measure(design: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return a design's report, with how long it took and, if it came to nothing, why."""
    model, samples, part = design.rsplit(":", 2)
    place_for = arguments.out or Path(tempfile.mkdtemp(prefix="boltmod-hardware-"))
    out = place_for / design.replace(":", "_").replace("/", "_")
    wanted = folder.Wanted(
        DEVICES[part], int(samples), arguments.frames, is_synthesised=True,
        is_placed=arguments.place,
    )  # fmt: skip
    begun = time.perf_counter()
    try:
        report = folder.write(build(onnx_file.load(Path(model))), out, wanted)
    except BoltmodError as error:
        report = folder.read_report(out) | {"reason": str(error)}
    return report | {"minutes": (time.perf_counter() - begun) / 60}


def row(design: str, report: dict[str, Any]) -> list[str]:
    """Return a design's cells."""
    model, samples, part = design.rsplit(":", 2)
    verified = set(report.get("verified", {}).values())
    taken, placed = report.get("synthesis", {}), report.get("placement", {})
    cells = [Path(model).stem, samples, part, ", ".join(verified)]
    cells += [str(report.get(key, "")) for key in ("clocks_per_frame", "latency_clocks")]
    cells += [f"{taken[kind]:,}" if taken else "" for kind in ("lut", "ff", "dsp", "bram")]
    cells += [str(placed.get("fmax_mhz", "")), f"{placed.get('frames_per_second', 0):,}"]
    return [*cells, f"{report['minutes']:.0f}"]


if __name__ == "__main__":
    main()
