"""`boltmod report`: writing a run's report again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from boltmod.cli.terminal import JsonOption, emit


def report(
    run: Annotated[Path, typer.Argument(help="A run folder that `boltmod run` left behind.")],
    as_json: JsonOption = False,
) -> None:
    """Write the report of RUN again: one HTML file that opens offline."""
    from boltmod.evaluation.report import write_report
    from boltmod.run_folder import RunFolder

    path = write_report(RunFolder(run))
    emit({"report": path}, as_json, lambda console: console.print(str(path), markup=False))
