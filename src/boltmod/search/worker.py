"""A worker: one process that takes trial after trial from the storage."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import time
import traceback
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study

from boltmod.search.folder import SearchFolder, locked
from boltmod.search.objective import run_trial
from boltmod.search.space import RecipeSpace, read_space
from boltmod.search.storage import (
    REMARK,
    give_up_stale_trials,
    open_study,
    own_number,
    sign,
    take_up_again,
)
from boltmod.search.trials import TRAINED, Standing, trials_of

MOST_FAILURES = 3
"""So many trials failing one after the other end a worker: the cause is not in them."""

MOST_REJECTED = 200
"""So many proposals in a row that are not worth training end a worker: there may be none left."""

ALL_FAIL, NOTHING_LEFT = 3, 4
"""Exit codes of a worker."""

_WAIT_SECONDS = 1.0


@dataclass(frozen=True)
class Order:
    """What a worker is to do.

    Args:
        space: The space's file.
        folder: The search folder.
        storage: The database's URL.
        trials: Trained trials after which the search is over; None for no end.
        threads: Processor threads for each worker.
        parent: Process without which a worker ends.
    """

    space: Path
    folder: Path
    storage: str
    trials: int | None
    threads: int
    parent: int


def work(order: Order, number: int, stop: Any) -> None:
    """Work until there is enough, until told to stop, or until the parent is gone.

    Args:
        order: What to do.
        number: The worker's, for its log.
        stop: An event of the multiprocessing module.
    """
    folder = SearchFolder(order.folder)
    # The parent hears Ctrl-C and passes it on, so that checkpoints can be written.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(order.threads)
    with folder.log(number).open("a", encoding="utf-8") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        with locked(folder.life(name)):
            opened = read_space(order.space)
            study = open_study(opened, order.storage)
            sys.exit(_Worker(order, opened, study, name, stop).work())


@dataclass
class _Worker:
    order: Order
    opened: RecipeSpace
    study: Study
    name: str
    stop: Any

    def work(self) -> int:
        """Try one recipe after the other; return the exit code."""
        failed = rejected = 0
        while not self._must_end():
            with ExitStack() as turn:
                # One worker at a time looks whether there is room and takes a trial.
                turn.enter_context(locked(self._folder.gate))
                if self._enough(TRAINED):
                    break
                if not self._enough((*TRAINED, "running")):
                    standing = self._try_one(turn)
                    failed = failed + 1 if standing == "failed" else 0
                    rejected = 0 if standing in TRAINED else rejected + 1
                    if failed == MOST_FAILURES:
                        return ALL_FAIL
                    if rejected == MOST_REJECTED:
                        return NOTHING_LEFT
                    continue
            give_up_stale_trials(self.study)
            time.sleep(_WAIT_SECONDS)
        return 0

    def _try_one(self, turn: ExitStack) -> Standing | None:
        """Try one recipe, and tell how that ended; None if it was interrupted."""
        taken: list[int] = []

        def objective(trial: optuna.Trial) -> tuple[float, float]:
            taken.append(trial.number)
            sign(trial, self.name)
            turn.close()
            try:
                return run_trial(self.opened, self._folder, trial, self._check)
            except optuna.TrialPruned:
                raise
            except Exception as error:
                traceback.print_exc()
                trial.set_user_attr(REMARK, f"{type(error).__name__}: {error}")
                raise

        try:
            self.study.optimize(objective, n_trials=1, catch=(Exception,))
        except KeyboardInterrupt:
            take_up_again(self.study, self.study.get_trials(deepcopy=False)[taken[0]])
            return None
        except (ValueError, UpdateFinishedTrialError):
            # Others thought this worker dead and have taken the trial up; it is theirs now.
            traceback.print_exc()
            return None
        number = own_number(self.study, self.study.get_trials(deepcopy=False)[taken[0]])
        return next(each.standing for each in trials_of(self.study) if each.number == number)

    def _check(self) -> None:
        if self._must_end():
            raise KeyboardInterrupt

    def _must_end(self) -> bool:
        return bool(self.stop.is_set()) or os.getppid() != self.order.parent

    def _enough(self, standings: Collection[str]) -> bool:
        if self.order.trials is None:
            return False
        found = sum(each.standing in standings for each in trials_of(self.study))
        return found >= self.order.trials

    @property
    def _folder(self) -> SearchFolder:
        return SearchFolder(self.order.folder)
