"""`boltmod compile`: a quantised network as C, exact to the bit."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from boltmod.cli.terminal import ForceOption, JsonOption, emit


class Target(StrEnum):
    """What a network can be compiled to."""

    C = "c"


def compile_model(
    model: Annotated[
        Path, typer.Argument(help="ONNX file, or a name: boltnet, boltnet60.", metavar="MODEL")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for what is written.")],
    target: Annotated[Target, typer.Option("--target", help="What to write.")] = Target.C,
    steps: Annotated[
        bool, typer.Option("--steps", help="Print the integer program, step by step.")
    ] = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write MODEL as an exact integer program in C99, with golden vectors and a report."""
    from boltmod.files import refuse_existing
    from boltmod.integer.build import build
    from boltmod.integer.c import folder
    from boltmod.model import onnx_file

    refuse_existing(out / "net.c", force)
    program = build(onnx_file.load(model))
    rows = program.as_rows() if steps else []
    report = folder.write(program, out) | {"target": str(target), "out": str(out)}
    document = report | ({"steps": rows} if steps else {})
    emit(document, as_json, lambda console: _show(console, report, rows))


def _show(console: Console, report: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    if rows:
        table = Table(*rows[0], box=None)
        for row in rows:
            table.add_row(*(str(value) for value in row.values()))
        console.print(table)
    console.print(
        f"{report['model']}: {report['multiply_accumulates']:,} multiply-accumulates a frame, "
        f"{report['constant_bytes']:,} bytes of constants, {report['workspace_bytes']:,} of "
        f"workspace; in {report['out']}: make check",
        markup=False,
        soft_wrap=True,
    )
