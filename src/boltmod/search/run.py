"""`boltmod search`: a space searched by several workers, and what came of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.study import Study

from boltmod.errors import ConfigError
from boltmod.search.folder import SearchFolder
from boltmod.search.results import write_results
from boltmod.search.space import RecipeSpace, read_space
from boltmod.search.storage import free_trials_of_the_dead, open_study
from boltmod.search.trials import TrialRecord, front, trials_of
from boltmod.search.worker import Order
from boltmod.search.workers import Workers

_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Settings:
    """How a search is run.

    Args:
        workers: Processes at work.
        trials: Trained trials in all, those of earlier runs included; None for no end.
        hours: Time; None for no end.
        storage: The database's URL; None for a file in the search folder.
    """

    workers: int = 1
    trials: int | None = None
    hours: float | None = None
    storage: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a search came to.

    Args:
        folder: The search folder.
        trials: All of them.
        front: Those that no other beats, cheapest first.
        ending: Why it ended.
        picture: Accuracy over score.
        page: Picture and table.
        recipes: The best trials' recipes, in the order of `front`.
    """

    folder: Path
    trials: tuple[TrialRecord, ...]
    front: tuple[TrialRecord, ...]
    ending: str
    picture: Path
    page: Path
    recipes: tuple[Path, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """The outcome in plain values."""
        best = [
            {**trial.as_dict(), "recipe": str(recipe)}
            for trial, recipe in zip(self.front, self.recipes, strict=True)
        ]
        return {
            "folder": str(self.folder),
            "ending": self.ending,
            "picture": str(self.picture),
            "page": str(self.page),
            "front": best,
            "trials": [trial.as_dict() for trial in self.trials],
        }


@dataclass(frozen=True)
class View:
    """Where a search stands.

    Args:
        trials: All of them.
        strict: Whether the strict score is searched for, not the official one.
        said: What has happened to workers.
    """

    trials: tuple[TrialRecord, ...]
    strict: bool
    said: tuple[str, ...] = ()

    @property
    def front(self) -> tuple[TrialRecord, ...]:
        """The trials that no other beats by the score that is searched for, cheapest first."""
        return front(self.trials, strict=self.strict)


Watch = Callable[[View], None]
"""Told every second where the search stands."""


def search(
    space_path: Path,
    folder: Path,
    settings: Settings,
    watch: Watch,
    interrupted: Callable[[], bool],
) -> Outcome:
    """Search a space, going on where an earlier search of it was.

    Args:
        space_path: The space.
        folder: The search folder, made if it does not exist.
        settings: How.
        watch: Who watches.
        interrupted: Asked every second; the search ends, gently, once it says so.

    Raises:
        ConfigError: The space or a setting is wrong, the storage holds another space's search, or
            every trial fails.
    """
    _check(settings)
    opened = read_space(space_path)
    files = SearchFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    storage = settings.storage or files.storage
    study = open_study(opened, storage)
    freed = free_trials_of_the_dead(study, files)

    def look(said: Sequence[str]) -> None:
        if said:
            free_trials_of_the_dead(study, files)
        watch(View(trials_of(study), opened.space.score == "strict", tuple(said)))

    look([f"trial {number} was interrupted and is taken up again" for number in freed])
    ending = "enough trials"
    if settings.trials is None or _n_trained(study) < settings.trials:
        order = Order(
            space=space_path.absolute(),
            folder=folder.absolute(),
            storage=storage,
            trials=settings.trials,
            threads=max(1, (os.cpu_count() or 1) // settings.workers),
            parent=os.getpid(),
        )
        ending = _supervise(Workers(order, settings.workers), settings, look, interrupted)
    trials = trials_of(study)
    return _outcome(opened, files, trials, ending)


def _supervise(
    workers: Workers,
    settings: Settings,
    look: Callable[[Sequence[str]], None],
    interrupted: Callable[[], bool],
) -> str:
    """Watch over the workers until the last one has ended; return why they did."""
    ending = "enough trials"
    end = None if settings.hours is None else time.monotonic() + 3600 * settings.hours
    while workers.n_processes:
        if interrupted():
            ending = "interrupted"
            workers.stop()
        elif end is not None and time.monotonic() > end:
            ending = "time is over"
            workers.stop()
        look(workers.poll())
        time.sleep(_LOOK_SECONDS)
    if ending == "enough trials" and workers.exhausted:
        ending = "nothing new is proposed that is worth training"
    return ending


def _outcome(
    opened: RecipeSpace, files: SearchFolder, trials: tuple[TrialRecord, ...], ending: str
) -> Outcome:
    best = front(trials, strict=opened.space.score == "strict")
    recipes = write_results(opened, files, trials, best)
    return Outcome(
        folder=files.path,
        trials=trials,
        front=best,
        ending=ending,
        picture=files.picture,
        page=files.page,
        recipes=recipes,
    )


def _n_trained(study: Study) -> int:
    return sum(trial.was_trained for trial in trials_of(study))


def _check(settings: Settings) -> None:
    if settings.workers < 1:
        raise ConfigError(f"workers must be at least 1, not {settings.workers}")
    if settings.trials is not None and settings.trials < 0:
        raise ConfigError(f"trials must be at least 0, not {settings.trials}")
    if settings.hours is not None and settings.hours <= 0:
        raise ConfigError(f"hours must be above 0, not {settings.hours:g}")
