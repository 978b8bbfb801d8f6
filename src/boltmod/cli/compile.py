"""`boltmod compile`: a quantised network as C or as hardware, exact to the bit."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from boltmod.cli.terminal import ForceOption, JsonOption, emit
from boltmod.errors import ConfigError

if TYPE_CHECKING:
    from boltmod.integer.form import Program


class Target(StrEnum):
    """What a network can be compiled to."""

    C = "c"
    VERILOG = "verilog"


class Part(StrEnum):
    """What hardware can be placed on."""

    ECP5_85K = "ecp5-85k"
    ECP5_25K = "ecp5-25k"
    UP5K = "up5k"


def compile_model(  # noqa: PLR0913
    model: Annotated[
        Path,
        typer.Argument(
            help="ONNX file, or a name: boltnet, boltnet60, bacalhaunet_v1.", metavar="MODEL"
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for what is written.")],
    target: Annotated[Target, typer.Option("--target", help="What to write.")] = Target.C,
    steps: Annotated[
        bool, typer.Option("--steps", help="Print the integer program, step by step.")
    ] = False,
    samples_per_clock: Annotated[
        float,
        typer.Option(
            "--samples-per-clock",
            help="Hardware: received samples at once; below one, a small circuit that takes turns.",
        ),
    ] = 1,
    device: Annotated[Part, typer.Option("--device", help="Hardware: part.")] = Part.ECP5_85K,
    verify: Annotated[
        int,
        typer.Option("--verify", min=0, metavar="N", help="Hardware: compare N simulated frames."),
    ] = 0,
    synthesise: Annotated[
        bool, typer.Option("--synthesise", help="Hardware: what it takes of the part (minutes).")
    ] = False,
    place: Annotated[
        bool, typer.Option("--place", help="Hardware: place and route (up to an hour).")
    ] = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write MODEL as an exact integer program in C99 or Verilog, with golden vectors."""
    from boltmod.files import refuse_existing
    from boltmod.integer.build import build
    from boltmod.model import onnx_file

    if target is Target.C and (verify or synthesise or place or samples_per_clock != 1):
        raise ConfigError(
            "--verify, --synthesise, --place and --samples-per-clock are of hardware: "
            "add --target verilog"
        )
    refuse_existing(out / ("net.c" if target is Target.C else "top.v"), force)
    program = build(onnx_file.load(model))
    rows = program.as_rows() if steps else []
    if target is Target.C:
        from boltmod.integer.c import folder

        report = folder.write(program, out)
        show = _say_c
    else:
        settings = {
            "samples_per_clock": samples_per_clock, "n_verified": verify,
            "is_synthesised": synthesise, "is_placed": place,
        }  # fmt: skip
        report = _hardware(program, out, str(device), settings)
        show = _say_verilog
    report = report | {"target": str(target), "out": str(out)}
    document = report | ({"steps": rows} if steps else {})
    emit(document, as_json, lambda console: _show(console, show(report), rows))


def _hardware(program: Program, out: Path, device: str, settings: dict[str, Any]) -> dict[str, Any]:
    from boltmod import extras

    with extras.named("--target verilog"):
        from boltmod.rtl import folder
        from boltmod.rtl.device import DEVICES
    return folder.write(program, out, folder.Wanted(DEVICES[device], **settings))


def _say_c(report: dict[str, Any]) -> str:
    return (
        f"{report['model']}: {report['multiply_accumulates']:,} multiply-accumulates a frame, "
        f"{report['constant_bytes']:,} bytes of constants, {report['workspace_bytes']:,} of "
        f"workspace; in {report['out']}: make check"
    )


def _say_verilog(report: dict[str, Any]) -> str:
    lines = [f"{case}: {line}" for case, line in report.get("verified", {}).items()]
    if lines:
        lines.append(next(reversed(report["verified"].values())))
    taken = report.get("synthesis")
    if taken:
        cells = ", ".join(
            f"{taken[kind]:,} {kind.upper()}"
            for kind in ("lut", "ff", "dsp", "bram", "spram")
            if taken[kind] or kind != "spram"
        )
        lines.append(f"{taken['device']}: {cells}")
    placed = report.get("placement")
    if placed:
        lines.append(
            f"placed: {placed['fmax_mhz']} MHz, {placed['frames_per_second']:,} frames/s, "
            f"{placed['latency_us']} µs from a frame's last sample to its label"
        )
    lines.append(
        f"{report['model']}: {report['samples_per_clock']} samples a clock, a frame every "
        f"{report['clocks_per_frame']} clocks; in {report['out']}: make simulate, make"
    )
    return "\n".join(lines)


def _show(console: Console, text: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        table = Table(*rows[0], box=None)
        for row in rows:
            table.add_row(*(str(value) for value in row.values()))
        console.print(table)
    console.print(text, markup=False, soft_wrap=True)
