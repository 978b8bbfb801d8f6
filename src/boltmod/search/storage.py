"""A search's memory: an Optuna study in a database that several processes and machines share."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, ProgrammingError, SQLAlchemyError

from boltmod.errors import ConfigError, ToolNotFoundError
from boltmod.search.folder import SearchFolder, is_free, locked
from boltmod.search.space import RecipeSpace, Space

HEARTBEAT_SECONDS = 30
"""How often a worker says that it lives; on other machines it counts as dead after three times."""

MOST_DEATHS = 5
"""A trial is taken up again this often after its worker died: it may be what kills them."""

_LOCK_SECONDS = 120
"""How long an SQLite file may be busy."""

REMARK = "remark"
"""The name under which a trial says why it ended as it did."""

_SPACE, _WORKER, _NUMBERING = "space", "worker", "numbering"

_PROPOSALS = "proposals"
"""How trials are numbered since an attempt at one no longer takes a number of its own."""

_RETRIED, _DEATHS = "failed_trial", "retry_history"
"""Where Optuna's own way of taking trials up again keeps the first attempt and the failed ones."""


def open_study(opened: RecipeSpace, storage: str) -> Study:
    """Open the search in a storage, or begin it there.

    Args:
        opened: The space; its name is the search's.
        storage: The database's URL: `sqlite:///...`, `postgresql://...`.

    Raises:
        ConfigError: The storage cannot be opened, or holds another space's search.
        ToolNotFoundError: The database's driver is not installed.
    """
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    space = opened.space
    with _unannounced():
        study = optuna.create_study(
            storage=_database(storage),
            study_name=space.name,
            directions=["maximize", "minimize"],
            sampler=_PerTrial(space),
            load_if_exists=True,
        )
    known = study.user_attrs.get(_SPACE)
    if known is None:
        study.set_user_attr(_NUMBERING, _PROPOSALS)
        study.set_user_attr(_SPACE, opened.signature)
    elif known == opened.signature:
        _refuse_old_numbers(study, space)
    else:
        raise ConfigError(
            f"{space.name} in this storage is the search of another base, of other choices or for "
            "another score; give the space another name, or name another folder with --out"
        )
    return study


def _refuse_old_numbers(study: Study, space: Space) -> None:
    """A search that was interrupted before attempts were told from proposals has other numbers."""
    if study.user_attrs.get(_NUMBERING) == _PROPOSALS:
        return
    if any(_RETRIED in trial.system_attrs for trial in study.get_trials(deepcopy=False)):
        raise ConfigError(
            f"{space.name} in this storage was begun and interrupted by an earlier boltmod, which "
            "numbered its trials otherwise; name another folder with --out"
        )
    study.set_user_attr(_NUMBERING, _PROPOSALS)


def own_number(study: Study, trial: FrozenTrial) -> int:
    """Return a trial's number: the how manieth proposal it is, from 0, whichever attempt at it."""
    first = _first_attempt(trial)
    found = study.get_trials(deepcopy=False)
    return sum(each.number < first and _RETRIED not in each.system_attrs for each in found)


def _first_attempt(trial: FrozenTrial) -> int:
    return int(trial.system_attrs.get(_RETRIED, trial.number))


def frozen(trial: optuna.Trial) -> FrozenTrial:
    """Return a running trial as its storage has it."""
    return trial.study.get_trials(deepcopy=False)[trial.number]


def latest_attempts(study: Study) -> dict[int, FrozenTrial]:
    """Return every trial by its number, each as its latest attempt left it."""
    found = sorted(study.get_trials(deepcopy=False), key=lambda trial: trial.number)
    latest = {_first_attempt(trial): trial for trial in found}
    return dict(enumerate(latest[first] for first in sorted(latest)))


def deaths(trial: FrozenTrial) -> int:
    """Return how many workers have died of a trial before this attempt."""
    return len(trial.system_attrs.get(_DEATHS, ()))


def is_deadly(trial: FrozenTrial) -> bool:
    """Whether a trial is not taken up again because too many workers died of it."""
    return deaths(trial) >= MOST_DEATHS


def sign(trial: optuna.Trial, worker: str) -> None:
    """Write down who works on a trial."""
    trial.set_user_attr(_WORKER, worker)


def take_up_again(study: Study, trial: FrozenTrial) -> None:
    """Put an interrupted trial back into the queue; its folder's checkpoints are gone on from."""
    study.add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs=trial.user_attrs,
            system_attrs={_RETRIED: trial.number, **trial.system_attrs},
        )
    )


def free_trials_of_the_dead(study: Study, folder: SearchFolder) -> list[int]:
    """Put back into the queue what workers of this folder left when they were killed.

    Workers of other folders are left to Optuna's heartbeats.

    Returns:
        The trials' numbers.
    """
    freed = []
    # A trial just taken up again still bears the dead worker's name.
    with locked(folder.gate):
        for number, trial in latest_attempts(study).items():
            worker = trial.user_attrs.get(_WORKER)
            if worker is None or not is_free(folder.life(worker)):
                continue
            if trial.state is TrialState.RUNNING and _failed(study, trial):
                _again_unless_deadly(study, trial)
                freed.append(number)
            # Killed after it had let go of its trial, and before it had put it back.
            if trial.state is TrialState.FAIL and REMARK not in trial.user_attrs:
                _again_unless_deadly(study, trial)
    return freed


def give_up_stale_trials(study: Study) -> None:
    """Put back into the queue what workers left that have not been heard of for long.

    One that was killed before it had signed its trial has not begun to say that it lives.
    """
    with _unannounced():
        optuna.storages.fail_stale_trials(study)
    latest = datetime.now() - timedelta(seconds=3 * HEARTBEAT_SECONDS)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        is_unsigned = _WORKER not in trial.user_attrs
        is_stale = trial.datetime_start is not None and trial.datetime_start < latest
        if is_unsigned and is_stale and _failed(study, trial):
            _again_unless_deadly(study, trial)


def _failed(study: Study, trial: FrozenTrial) -> bool:
    """Call a running trial failed; whether nobody else had done so."""
    try:
        study.tell(trial.number, state=TrialState.FAIL)
    except (ValueError, UpdateFinishedTrialError):
        return False
    return True


def _again_unless_deadly(study: Study, trial: FrozenTrial) -> None:
    with _unannounced():
        RetryHeartbeatStaleTrialCallback(max_retry=MOST_DEATHS)(study, trial)


def _database(url: str, attempts: int = 3) -> RDBStorage:
    """Open a database; several processes may find it empty at once, and one of them fills it."""
    try:
        if url.startswith("sqlite"):
            _make_file(make_url(url).database)
        return RDBStorage(
            url,
            engine_kwargs=_patience(url),
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=3 * HEARTBEAT_SECONDS,
            heartbeat_stale_trial_callback=_again_unless_deadly,
        )
    except ImportError:
        raise ToolNotFoundError(
            f"{_shown(url)} needs its database's driver; install it, for PostgreSQL with: "
            "pip install 'psycopg[binary]'"
        ) from None
    except SQLAlchemyError as error:
        if attempts > 1 and isinstance(error, IntegrityError | ProgrammingError):
            time.sleep(1)
            return _database(url, attempts - 1)
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"storage must be a database that can be opened, not {_shown(url)} ({reason})"
        ) from None


def _patience(url: str) -> dict[str, Any]:
    return {"connect_args": {"timeout": _LOCK_SECONDS}} if url.startswith("sqlite") else {}


def _make_file(name: str | None) -> None:
    """Make a new file's tables beside it and put it there whole: whoever is killed leaves no half.

    Where a file cannot be in two folders at once, the tables are made in place.
    """
    if not name or name == ":memory:" or Path(name).exists() or not Path(name).parent.is_dir():
        return
    with TemporaryDirectory(dir=Path(name).parent, prefix=".making-") as place:
        made = Path(place) / "new.sqlite3"
        url = f"sqlite:///{made}"
        RDBStorage(url, engine_kwargs=_patience(url)).engine.dispose()
        with suppress(OSError):  # it is there already, made by another, or links are not known
            os.link(made, name)


def _shown(url: str) -> str:
    """Return a URL without its password."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


@contextmanager
def _unannounced() -> Iterator[None]:
    """Keep Optuna from announcing that heartbeats may change one day."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


class _PerTrial(BaseSampler):
    """A sampler whose chance is the space's seed and the trial's number, whoever runs it."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._sampler: BaseSampler = RandomSampler(seed=space.seed)
        self._drawn: set[str] = set()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        number = own_number(study, trial)
        seed = int(np.random.SeedSequence([self._space.seed, number]).generate_state(1)[0])
        self._sampler = self._made(seed)
        self._sampler.before_trial(study, trial)
        self._drawn = set()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        found = self._sampler.infer_relative_search_space(study, trial)
        self._drawn.update(found)
        return found

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        # What an attempt that was killed had drawn is drawn again, so that the rest is what it
        # would have been.
        before = {name: each for name, each in trial.distributions.items()
                  if name not in self._drawn}  # fmt: skip
        for name, distribution in before.items():
            self._sampler.sample_independent(study, trial, name, distribution)
        self._drawn.update(before, [param_name])
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._sampler.after_trial(study, trial, state, values)

    def _made(self, seed: int) -> BaseSampler:
        if self._space.sampler == "tpe":
            return TPESampler(seed=seed, n_startup_trials=self._space.first_trials)
        if self._space.sampler == "nsga2":
            return NSGAIISampler(seed=seed, population_size=max(2, self._space.first_trials))
        return RandomSampler(seed=seed)
