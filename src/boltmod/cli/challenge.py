"""`boltmod challenge`: making a submission, and holding one against the rules."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from boltmod.cli.strangers import LimitOption, limits_of
from boltmod.cli.terminal import ForceOption, JsonOption, emit

if TYPE_CHECKING:
    from boltmod.challenge.criterion import Criterion

app = typer.Typer(
    help="Submissions to the Lightning-Fast Modulation Classification challenge.",
    no_args_is_help=True,
)

_MEASURING_S = 3600.0
"""Time for all frames of the data set, where they are given."""

_VERDICTS = {True: "[green]pass[/]", False: "[red]FAIL[/]", None: "[yellow]open[/]"}


@app.command()
def pack(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The zip file; RUN.zip if not.")
    ] = None,
    repository: Annotated[
        str, typer.Option(help="Where the sources are published, for the form.")
    ] = "the sources are in this archive",
    comments: Annotated[str, typer.Option(help="Anything else, for the form.")] = "",
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Pack the submission of RUN: form, model, checkpoint, sources, Dockerfile, instructions."""
    from boltmod.challenge.pack import Notes
    from boltmod.challenge.pack import pack as pack_run
    from boltmod.files import refuse_existing

    path = out or run.with_name(f"{run.resolve().name}.zip")
    refuse_existing(path, force)
    filled = pack_run(run, path, Notes(repository, comments))

    def show(console: Console) -> None:
        console.print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)", markup=False)
        console.print(f"accuracy {filled.accuracy}", markup=False, soft_wrap=True)
        console.print(f"score    {filled.score}", markup=False)
        console.print(f"next: boltmod challenge check {path}", markup=False, soft_wrap=True)

    emit({"path": path, "bytes": path.stat().st_size, "form": asdict(filled)}, as_json, show)


@app.command()
def check(
    archive: Annotated[Path, typer.Argument(metavar="ZIP", help="Anybody's submission.")],
    data: Annotated[
        Path | None, typer.Option(help="RadioML 2018.01A itself, to measure the accuracy on.")
    ] = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold ZIP against every rule of the challenge; exit code 1 if it breaks one."""
    from boltmod.challenge.criterion import Criterion
    from boltmod.cli.progress import frames_progress
    from boltmod.confined import confined

    seconds = _MEASURING_S if limit is None and data is not None else limit
    with frames_progress("classifying") as progress:
        found = confined(
            "boltmod.challenge.check:check_documents", str(archive), data and str(data),
            about=archive, limits=limits_of(seconds), progress=progress,
        )  # fmt: skip
    criteria = tuple(Criterion(**each) for each in found)
    broken = any(criterion.passed is False for criterion in criteria)
    document = {
        "path": archive,
        "valid": None if not broken and any(c.passed is None for c in criteria) else not broken,
        "criteria": [asdict(criterion) for criterion in criteria],
    }
    emit(document, as_json, lambda console: _show(console, criteria))
    if broken:
        raise typer.Exit(1)


def _show(console: Console, criteria: tuple[Criterion, ...]) -> None:
    for criterion in criteria:
        console.print(f"{_VERDICTS[criterion.passed]}  {criterion.name}: ", end="")
        console.print(criterion.reason, markup=False, soft_wrap=True)
    counts = [sum(c.passed is verdict for c in criteria) for verdict in (True, False, None)]
    console.print(f"{counts[0]} kept, {counts[1]} broken, {counts[2]} not checked")
