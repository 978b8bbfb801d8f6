"""`boltmod leaderboard`: what others published, and where one's own runs stand."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from boltmod.cli.terminal import ForceOption, JsonOption, emit, stderr

if TYPE_CHECKING:
    from boltmod.cost.published import Result


def leaderboard(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="[RUN]...", help="Run folders to add.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Write accuracy over score to this PNG file.")
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show published results of the challenge by score, one's own RUNS, unplaced, among them.

    Apart from them stand the networks that come with boltmod, measured on other frames.
    """
    from boltmod.cost.published import PUBLISHED, ranked
    from boltmod.cost.trained import TRAINED

    results = PUBLISHED
    if runs:
        from boltmod.evaluation.pareto import own_result

        results += tuple(own_result(run) for run in runs)
    if picture is not None:
        from boltmod.evaluation.pareto import accuracy_over_score
        from boltmod.evaluation.plots import save
        from boltmod.files import refuse_existing

        refuse_existing(picture, force)
        save(accuracy_over_score(results), picture)
        stderr.print(f"wrote {picture}", markup=False)
    order, trained = ranked(results), ranked(TRAINED)

    def show(console: Console) -> None:
        _show(console, order)
        console.print("\n[bold]Networks that come with boltmod[/], measured on other frames:\n")
        _show(console, trained)

    emit([each.as_dict() for each in (*order, *trained)], as_json, show)


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
