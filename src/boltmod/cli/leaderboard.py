"""`boltmod leaderboard`: what others published, and where one's own networks stand."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from boltmod.cli.strangers import LimitOption, limits_of, rehearse
from boltmod.cli.terminal import ForceOption, JsonOption, emit, stderr

if TYPE_CHECKING:
    from boltmod.cost.published import Result
    from boltmod.evaluation.standing import Question

_SUBMIT = "submit"
_SCORING_S = 3600.0
"""What a submission may take if nobody says otherwise."""


def leaderboard(  # noqa: PLR0913 (the command's options)
    entrants: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN|MODEL|ENTRY]...",
            help="Run folders, ONNX files, networks that come with boltmod by name, or entry "
            "files to add; or submit ZIP.",
        ),
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            metavar="FILE|PROFILE",
            help="What models are asked about: a generator's profile, or a file's test split.",
        ),
    ] = "twin",
    frames_per_cell: Annotated[
        int | None,
        typer.Option(min=1, help="Frames of each (class, SNR) pair; 40, of a file all, if not."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Of a profile; 2020 if not, of a submission one that is drawn."),
    ] = None,
    real: Annotated[
        Path | None,
        typer.Option(help="RadioML 2018.01A, to hold a submission's claimed accuracy against."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A submission's entry; beside ZIP if not given.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Write accuracy over score to this PNG file.")
    ] = None,
    limit: LimitOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show published results of the challenge by score, one's own, unplaced, among them.

    Apart from them stand the networks that come with boltmod, measured on other frames.

    submit ZIP holds a submission against every rule, counts its cost, asks its model about frames
    that nobody could know beforehand, and writes an entry file that this command takes.
    """
    from boltmod.cost.published import PUBLISHED, ranked
    from boltmod.cost.trained import TRAINED, TWIN_CEILING

    given = entrants or []
    if given and str(given[0]) == _SUBMIT:
        asked = _question(data, frames_per_cell, seed, draws=True)
        given = [_submit(given[1:], asked, real, out, force, limit)]
    results = PUBLISHED + tuple(
        _result(each, lambda: _question(data, frames_per_cell, seed), limit) for each in given
    )
    if picture is not None:
        from boltmod.evaluation.pareto import accuracy_over_score
        from boltmod.evaluation.plots import save
        from boltmod.files import refuse_existing

        refuse_existing(picture, force)
        save(accuracy_over_score(results + TRAINED, ceiling=TWIN_CEILING), picture)
        stderr.print(f"wrote {picture}", markup=False)
    order, trained = ranked(results), ranked(TRAINED)

    def show(console: Console) -> None:
        _show(console, order)
        console.print("\n[bold]Networks that come with boltmod[/], measured on other frames:\n")
        _show(console, trained)

    emit([each.as_dict() for each in (*order, *trained)], as_json, show)


def _question(
    data: str, frames_per_cell: int | None, seed: int | None, draws: bool = False
) -> Question:
    from boltmod.challenge.entry import drawn_seed
    from boltmod.evaluation.standing import SEED, Question
    from boltmod.signal.profile import PROFILES

    if data not in PROFILES:
        return Question(data, frames_per_cell, seed)
    if seed is None:
        seed = drawn_seed() if draws else SEED
    return Question(data, frames_per_cell or 40, seed)


def _result(entrant: Path, question: Callable[[], Question], limit: float | None) -> Result:
    """A run folder's, an entry's or a model's result."""
    if entrant.is_dir():
        from boltmod.evaluation.pareto import own_result

        return own_result(entrant)
    if entrant.suffix == ".json":
        from boltmod.challenge import entry

        return entry.read(entrant)
    from boltmod.cli.progress import frames_progress
    from boltmod.evaluation.standing import standing

    rehearse(entrant, "auto", limit)
    with frames_progress(f"asking {entrant.name}") as progress:
        return standing(entrant, question(), progress)


def _entry_path(archive: Path, out: Path | None) -> Path:
    from boltmod.challenge.entry import SUFFIX

    return archive.with_name(archive.stem + SUFFIX) if out is None else out


def _submit(
    archives: list[Path],
    question: Question,
    real: Path | None,
    out: Path | None,
    force: bool,
    limit: float | None,
) -> Path:
    """Write the entry of a submission, and say where."""
    from boltmod.challenge import entry
    from boltmod.cli.progress import frames_progress
    from boltmod.confined import confined
    from boltmod.errors import ConfigError
    from boltmod.files import check_target, refuse_existing

    if len(archives) != 1:
        raise ConfigError(f"submit must be given one ZIP, not {len(archives)}: one at a time")
    path = _entry_path(archives[0], out)
    check_target(path, (".json",), "entry")
    refuse_existing(path, force)
    with frames_progress("scoring") as progress:
        found = confined(
            "boltmod.challenge.audit:submit_document",
            str(archives[0]), question.data, question.frames_per_cell, question.seed,
            real and str(real),
            about=archives[0], limits=limits_of(_SCORING_S if limit is None else limit),
            progress=progress,
        )  # fmt: skip
    entry.write(path, found, force)
    stderr.print(f"wrote {path}", markup=False, soft_wrap=True)
    return path


def _show(console: Console, results: list[Result]) -> None:
    from boltmod.cost.score import MINIMUM_ACCURACY

    place = itertools.count(1)
    table = Table("", "network", box=None)
    for heading in ("accuracy", "score", "strict", "bit operations", "weight bits"):
        table.add_column(heading, justify="right")
    table.add_column("accuracy measured on", overflow="fold")
    for result in results:
        enough = result.accuracy >= MINIMUM_ACCURACY
        table.add_row(
            "–" if result.is_own else str(next(place)),
            result.name,
            f"{result.accuracy:.2%}" if enough else f"[red]{result.accuracy:.2%}[/]",
            f"{result.score:.6f}",
            "–" if result.strict_score is None else f"{result.strict_score:.6f}",
            _count(result.bops),
            _count(result.weight_bits),
            result.measured_on,
            style="bold" if result.is_own else None,
        )
    console.print(table)
    console.print()
    for result in results:
        remark = f": {result.remarks}" if result.remarks else ""
        console.print(f"{result.name}{remark} ({result.source})", markup=False, soft_wrap=True)


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"
