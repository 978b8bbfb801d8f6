"""`boltmod search`: many recipes tried, accuracy against score."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from boltmod.cli.stopping import asked_to_stop
from boltmod.cli.terminal import JsonOption, emit, stderr

if TYPE_CHECKING:
    from boltmod.search.run import Outcome, View
    from boltmod.search.trials import TrialRecord

_NO_NEWS = ("repeated", "too dear", "waiting")
"""What happens to trials so often that it is only counted."""

_MOST_SHOWN = 20
"""Rows of the live table."""


def search(
    space: Annotated[Path, typer.Argument(help="What may be tried, a TOML file.")],
    out: Annotated[
        Path | None,
        typer.Option(help="The search folder; runs/search/<space's file name> if not given."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Database of the trials, such as postgresql://user@host/name, for workers on many "
            "machines; an SQLite file in the search folder if not given."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that train at the same time.")] = 1,
    trials: Annotated[
        int | None,
        typer.Option(help="End when so many trials have been trained, earlier ones included."),
    ] = None,
    hours: Annotated[float | None, typer.Option(help="End after so many hours.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Try recipes of a SPACE: most accuracy on the validation frames for the least score.

    Interrupted, killed or at its end, started again it goes on where it was.
    """
    from boltmod.search.run import Settings
    from boltmod.search.run import search as search_space

    folder = out or Path("runs") / "search" / space.stem
    settings = Settings(workers=workers, trials=trials, hours=hours, storage=storage)
    with _Watcher() as watcher, asked_to_stop(watcher.ask_to_stop):
        outcome = search_space(space, folder, settings, watcher.watch, lambda: watcher.stop)
    emit(outcome.as_dict(), as_json, lambda console: _show(console, outcome))
    if outcome.ending == "interrupted":
        raise typer.Exit(130)


class _Watcher:
    """Shows a search on standard error: a live table on a terminal, lines elsewhere."""

    def __init__(self) -> None:
        self.stop = False
        self._known: dict[int, str] = {}
        self._epochs: dict[int, int] = {}
        self._begun = time.monotonic()
        self._live = Live(console=stderr, transient=True, auto_refresh=False)

    def __enter__(self) -> _Watcher:
        if stderr.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if stderr.is_terminal:
            self._live.stop()

    def watch(self, view: View) -> None:
        trials = view.trials
        for line in view.said:
            stderr.print(line, markup=False)
        first_look = not self._known
        for trial in trials:
            # A trial is news when its values are drawn and its cost is counted.
            if trial.standing != "running" or trial.untrained_score is not None:
                if not first_look or trial.standing == "running":
                    self._say(trial)
                self._known[trial.number] = trial.standing
        if stderr.is_terminal:
            self._live.update(_live_table(view, time.monotonic() - self._begun), refresh=True)

    def _say(self, trial: TrialRecord) -> None:
        """Print what is new about a trial."""
        before = self._known.get(trial.number)
        if trial.standing != before and trial.standing not in _NO_NEWS:
            stderr.print(f"trial {trial.number}: {_words(trial)}", markup=False, soft_wrap=True)
        n_epochs = len(trial.accuracies or {})
        is_new = n_epochs > self._epochs.get(trial.number, 0) and trial.standing == "running"
        if is_new and not stderr.is_terminal:
            epoch, accuracy = list((trial.accuracies or {}).items())[-1]
            stderr.print(f"trial {trial.number}: {epoch}, validation {accuracy:.3f}")
        self._epochs[trial.number] = n_epochs

    def ask_to_stop(self) -> None:
        """End the running steps, so that their checkpoints can be written."""
        self.stop = True
        stderr.print("stopping after this step; the same command goes on from here")


def _words(trial: TrialRecord) -> str:
    from boltmod.search.trials import shown

    if trial.standing == "running":
        return f"score {trial.untrained_score:.6f} untrained  {shown(trial.values)}"
    if trial.standing == "trained":
        return f"trained: {trial.accuracy:.2%} at score {trial.score:.6f}"
    return f"{trial.standing}: {trial.remark}"


def _live_table(view: View, seconds: float) -> Group:
    trials = view.trials
    running = [trial for trial in trials if trial.standing == "running"]
    n_trained = sum(trial.was_trained for trial in trials)
    best_table = _table(f"the best of {n_trained} trained", view.front[-_MOST_SHOWN:])
    table = Table("trial", title="running", title_justify="left", box=None)
    for heading in ("epoch", "validation", "score untrained", "tried"):
        table.add_column(heading, justify="left" if heading in ("epoch", "tried") else "right")
    for trial in running:
        table.add_row(*_running_row(trial))
    n_rejected = sum(trial.standing in ("too dear", "repeated", "impossible") for trial in trials)
    foot = f"{n_rejected} proposals not worth training, {seconds / 60:.0f} minutes"
    return Group(best_table, "", table, "", foot)


def _running_row(trial: TrialRecord) -> tuple[str, ...]:
    from boltmod.search.trials import shown

    epochs = list((trial.accuracies or {}).items())
    epoch, accuracy = epochs[-1] if epochs else ("", None)
    return (
        str(trial.number),
        epoch,
        "–" if accuracy is None else f"{accuracy:.3f}",
        "–" if trial.untrained_score is None else f"{trial.untrained_score:.6f}",
        shown(trial.values),
    )


def _table(title: str, trials: tuple[TrialRecord, ...]) -> Table:
    from boltmod.search.trials import shown

    table = Table("trial", title=title, title_justify="left", box=None)
    for heading in ("validation", "score", "strict"):
        table.add_column(heading, justify="right")
    table.add_column("tried", overflow="fold")
    for trial in trials:
        table.add_row(
            str(trial.number),
            f"{trial.accuracy:.2%}",
            f"{trial.score:.6f}",
            "–" if trial.strict_score is None else f"{trial.strict_score:.6f}",
            shown(trial.values),
        )
    return table


def _show(console: Console, outcome: Outcome) -> None:
    n_trained = sum(trial.was_trained for trial in outcome.trials)
    console.print(_table(f"the best of {n_trained} trained trials", outcome.front))
    console.print()
    console.print(f"ended: {outcome.ending}", markup=False)
    for what, path in (("picture", outcome.picture), ("page", outcome.page)):
        console.print(f"{what}: {path}", markup=False, soft_wrap=True)
    if outcome.recipes:
        console.print(f"recipes: {outcome.recipes[0].parent}", markup=False, soft_wrap=True)
