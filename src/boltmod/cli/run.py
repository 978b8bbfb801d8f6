"""`boltmod run`: a recipe's whole way."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from boltmod.cli.terminal import JsonOption, emit, stderr


def run(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a TOML file.")],
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
    as_json: JsonOption = False,
) -> None:
    """Train, prune, export, verify, count, evaluate and report, as a recipe says.

    Interrupted and started again, it goes on where it was.
    """
    from boltmod.pipeline.processes import is_first
    from boltmod.pipeline.run import run as run_recipe

    folder = out or Path("runs") / recipe.stem
    stderr.quiet = not is_first()
    with _Watcher() as watcher, _gentle_interrupt(watcher):
        outcome = run_recipe(recipe, folder, watcher, watcher.notify, scale, processes)

    def show(console: Console) -> None:
        table = Table(show_header=False, box=None)
        table.add_row("accuracy", f"{outcome.accuracy:.2%} over all classes and SNRs")
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


class _Watcher:
    """Shows a run on standard error: bars on a terminal, a line an epoch elsewhere."""

    def __init__(self) -> None:
        self.stop = False
        self._task: TaskID | None = None
        self._said = ""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=stderr,
            transient=True,
        )

    def __enter__(self) -> _Watcher:
        if stderr.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if stderr.is_terminal:
            self._progress.stop()

    def phase_begins(self, name: str, total_frames: int) -> None:
        self._bar(name, total_frames)

    def step(self, record: Mapping[str, Any]) -> None:
        if self.stop:
            raise KeyboardInterrupt
        if self._task is not None:
            self._progress.update(
                self._task,
                description=f"{record['phase']}, epoch {record['epoch']}",
                completed=record["done"],
                figures=f"loss {record['loss']:.3f}  accuracy {record['accuracy']:.3f}"
                f"  {record['frames_per_s']:,.0f} frames/s",
            )

    def epoch(self, record: Mapping[str, Any]) -> None:
        stderr.print(
            f"{record['phase']:<12} epoch {record['epoch']:>3}  loss {record['loss']:.3f}  "
            f"accuracy {record['accuracy']:.3f}  validation {record['validation_accuracy']:.3f}  "
            f"{record['frames_per_s']:,.0f} frames/s"
        )

    def phase_ends(self, record: Mapping[str, Any]) -> None:
        cost = f", score {record['score']:.4f}" if "score" in record else ""
        stderr.print(
            f"{record['phase']:<12} done: validation {record['validation_accuracy']:.3f}, "
            f"{record['sparsity']:.0%} of the weights zero{cost}",
            style="bold",
        )
        self._drop()

    def notify(self, what: str, done: int, total: int) -> None:
        if what != self._said:
            self._said = what
            self._drop()
            stderr.print(what)
            if total:
                self._bar(what, total)
        if self._task is not None and total:
            self._progress.update(self._task, completed=done, figures=f"{done:,} of {total:,}")

    def _bar(self, description: str, total: int) -> None:
        self._drop()
        self._task = self._progress.add_task(description, total=total, figures="")

    def _drop(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


@contextmanager
def _gentle_interrupt(watcher: _Watcher) -> Iterator[None]:
    """Let the first Ctrl-C end the running step, so that its checkpoint can be written."""

    def request(*_: object) -> None:
        if watcher.stop:
            raise KeyboardInterrupt
        watcher.stop = True
        stderr.print("stopping after this step; the same command goes on from here")

    before = signal.signal(signal.SIGINT, request)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
