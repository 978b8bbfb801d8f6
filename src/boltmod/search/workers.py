"""The workers of one machine: started, watched, replaced when they are killed, ended."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from typing import Any

from boltmod.errors import ConfigError
from boltmod.search.folder import SearchFolder
from boltmod.search.worker import ALL_FAIL, NOTHING_LEFT, Order, work

MOST_REPLACED = 20
"""Workers that are replaced in all: where more are killed, something is wrong with the machine."""


@dataclass
class Workers:
    """Workers as processes of their own.

    Args:
        order: What they are to do.
        size: How many.
    """

    order: Order
    size: int
    exhausted: bool = field(default=False, init=False)
    _processes: dict[int, BaseProcess] = field(default_factory=dict, init=False)
    _n_replaced: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Start every worker."""
        self._context = multiprocessing.get_context("spawn")
        self._stop: Any = self._context.Event()
        for number in range(1, self.size + 1):
            self._start(number)

    @property
    def n_processes(self) -> int:
        """Workers at work, and those whose end has not been looked at yet."""
        return len(self._processes)

    def stop(self) -> None:
        """Tell every worker to end after this step, leaving a checkpoint."""
        self._stop.set()

    def poll(self) -> list[str]:
        """Replace the killed.

        Returns:
            What happened, in words.

        Raises:
            ConfigError: Every trial fails, a worker fails, or too many are killed.
        """
        said = []
        for number, process in list(self._processes.items()):
            code = process.exitcode
            if code is None:
                continue
            del self._processes[number]
            if code < 0 and not self._stop.is_set():
                said.append(f"worker {number} was killed (signal {-code}); another takes its place")
                self._replace(number)
            elif code == NOTHING_LEFT:
                self.exhausted = True
            elif code > 0:
                self.stop()
                raise ConfigError(self._why(number, code))
        return said

    def _replace(self, number: int) -> None:
        self._n_replaced += 1
        if self._n_replaced > MOST_REPLACED:
            self.stop()
            raise ConfigError(
                f"workers must live, and {self._n_replaced} were killed: there may be too little "
                "memory for so many; name fewer with --workers"
            )
        self._start(number)

    def _start(self, number: int) -> None:
        log = SearchFolder(self.order.folder).log(number)
        log.parent.mkdir(parents=True, exist_ok=True)
        process = self._context.Process(
            target=work, args=(self.order, number, self._stop), name=f"worker-{number}", daemon=True
        )
        process.start()
        self._processes[number] = process

    def _why(self, number: int, code: int) -> str:
        log = SearchFolder(self.order.folder).log(number)
        lines = log.read_text(encoding="utf-8").strip().splitlines() or ["nothing"]
        what = "every trial fails" if code == ALL_FAIL else f"worker {number} failed"
        return f"{what}; the last words in {log} are: {lines[-1]}"
