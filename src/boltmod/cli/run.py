"""`boltmod run`: a recipe's whole way."""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from boltmod.cli.run_watcher import RunWatcher
from boltmod.cli.stopping import asked_to_stop
from boltmod.cli.terminal import JsonOption, emit, stderr

if TYPE_CHECKING:
    from boltmod.pipeline.metrics import RunObserver


def run(
    recipe: Annotated[
        Path, typer.Argument(help="The recipe: a TOML file, or a name of `boltmod recipes list`.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The run folder; runs/<recipe's file name> if not given."),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(
            help="Share of the recipe's frames that an epoch sees, 0 to 1: the same phases, "
            "shortened for a small machine."
        ),
    ] = None,
    processes: Annotated[
        int,
        typer.Option(
            min=1,
            help="Processes that train together, each with its share of every batch: one a GPU, "
            "or several on a CPU of many cores.",
        ),
    ] = 1,
    tensorboard: Annotated[
        Path | None,
        typer.Option(help="Folder of figures for TensorBoard (needs boltmod[tensorboard])."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train, prune, export, verify, count, evaluate and report, as a recipe says.

    Interrupted and started again, it goes on where it was.
    """
    from boltmod.cli.recipes.shipped import found
    from boltmod.pipeline.processes import is_first
    from boltmod.pipeline.run import run as run_recipe

    stderr.quiet = not is_first()
    recipe = found(recipe)
    with ExitStack() as stack:
        watcher = stack.enter_context(RunWatcher())
        stack.enter_context(asked_to_stop(watcher.ask_to_stop))
        observer: RunObserver = watcher
        if tensorboard is not None:
            from boltmod.pipeline.tensorboard import TensorBoard

            observer = stack.enter_context(TensorBoard(tensorboard, watcher))
        outcome = run_recipe(recipe, out, observer, watcher.notify, scale, processes)

    def show(console: Console) -> None:
        table = Table(show_header=False, box=None)
        table.add_row("accuracy", f"{outcome.accuracy:.2%} over all classes and SNRs")
        if not math.isnan(outcome.accuracy_from_10_db):
            table.add_row("", f"{outcome.accuracy_from_10_db:.2%} from +10 dB up")
        table.add_row("", f"measured on {outcome.data}")
        table.add_row(
            "cost", f"{outcome.bops:,.0f} bit operations, {outcome.weight_bits:,.0f} bits"
        )
        table.add_row("score", f"{outcome.score:.6f} (VGG10 baseline 1, lower is better)")
        if outcome.scale != 1:
            table.add_row("scale", f"{outcome.scale:g} of the recipe's frames an epoch")
        table.add_row("report", str(outcome.report))
        console.print(table)

    emit(outcome.as_dict(), as_json, show)
