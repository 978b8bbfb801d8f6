"""Where a run stands, on standard error: bars on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from boltmod.cli.terminal import stderr

_MOST_SILENT_S = 30.0
"""Seconds without a line before the next one; looked at twice as often, so that a minute never
passes in silence."""

_MINUTE_S = 60
_MINUTES = 60
"""An hour's."""


class RunWatcher:
    """Shows a run, and ends it between two steps once asked to.

    Args:
        console: Where its words go.
        clock: Seconds from any beginning.
    """

    def __init__(
        self, console: Console = stderr, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.stop = False
        self._console, self._clock = console, clock
        self._task: TaskID | None = None
        self._said = ""
        self._standing = ""
        self._frames_after: int | None = None
        self._spoke_at = clock()
        self._ended = threading.Event()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )

    def __enter__(self) -> RunWatcher:
        if self._console.is_terminal:
            self._progress.start()
        else:
            # A thread, for minutes may lie between two steps: choosing bits, measuring accuracy.
            threading.Thread(target=self._keep_talking, name="run watcher", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._console.is_terminal:
            self._progress.stop()

    def ask_to_stop(self) -> None:
        """End the run after the running step, so that its checkpoint can be written."""
        self.stop = True
        self._console.print("stopping after this step; the same command goes on from here")

    def phase_begins(self, name: str, total_frames: int, frames_after: int | None) -> None:
        """Show a phase's bar, or remember what there is to say of it."""
        self._frames_after = frames_after
        self._standing = f"{name:<12} has begun, no step yet"
        self._bar(name, total_frames)

    def step(self, record: Mapping[str, Any]) -> None:
        """Move the bar on, or remember where the run stands."""
        if self.stop:
            raise KeyboardInterrupt
        self._standing = standing(record, self._frames_after)
        if self._task is not None:
            self._progress.update(
                self._task,
                description=f"{record['phase']}, epoch {record['epoch']}",
                completed=record["done"],
                figures=f"loss {record['loss']:.3f}  accuracy {record['accuracy']:.3f}"
                f"  {record['frames_per_s']:,.0f} frames/s",
            )

    def epoch(self, record: Mapping[str, Any]) -> None:
        """Print an epoch's figures."""
        self._print(
            f"{record['phase']:<12} epoch {record['epoch']:>3}  loss {record['loss']:.3f}  "
            f"accuracy {record['accuracy']:.3f}  validation {record['validation_accuracy']:.3f}  "
            f"{record['frames_per_s']:,.0f} frames/s"
        )

    def phase_ends(self, record: Mapping[str, Any]) -> None:
        """Print a phase's figures."""
        cost = f", score {record['score']:.4f}" if "score" in record else ""
        self._print(
            f"{record['phase']:<12} done: validation {record['validation_accuracy']:.3f}, "
            f"{record['sparsity']:.0%} of the weights zero{cost}",
            style="bold",
        )
        self._standing = f"{record['phase']:<12} is done, what comes next is being prepared"
        self._drop()

    def notify(self, what: str, done: int, total: int) -> None:
        """Print what is being done now, and show how far it is."""
        self._standing = f"{what}: {done:,} of {total:,}" if total else what
        if what != self._said:
            self._said = what
            self._drop()
            self._print(what)
            if total:
                self._bar(what, total)
        if self._task is not None and total:
            self._progress.update(self._task, completed=done, figures=f"{done:,} of {total:,}")

    def speak(self) -> None:
        """Say where the run stands, if nothing was said for a while and there is no bar."""
        silent_s = self._clock() - self._spoke_at
        if self._standing and silent_s >= _MOST_SILENT_S and not self._console.is_terminal:
            self._print(self._standing)

    def _keep_talking(self) -> None:
        while not self._ended.wait(_MOST_SILENT_S / 2):
            self.speak()

    def _print(self, words: str, style: str | None = None) -> None:
        self._spoke_at = self._clock()
        self._console.print(words, style=style, soft_wrap=True)

    def _bar(self, description: str, total: int) -> None:
        self._drop()
        self._task = self._progress.add_task(description, total=total, figures="")

    def _drop(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


def standing(record: Mapping[str, Any], frames_after: int | None) -> str:
    """Return a line on where a phase stands.

    Args:
        record: A step's record, as observers see it.
        frames_after: Frames that the phases after this one train on; None if nobody knows. The
            time they take is reckoned at this phase's rate.
    """
    rate = max(record["frames_per_s"], 1e-9)
    of_phase = record["total"] - record["done"]
    left = f"{duration(of_phase / rate)} left of the phase"
    if frames_after is not None:
        left += f", about {duration((of_phase + frames_after) / rate)} of the training"
    return (
        f"{record['phase']:<12} epoch {record['epoch']:>3} of {record['epochs']}, "
        f"{record['done'] / record['total']:.1%} done  loss {record['loss']:.3f}  "
        f"accuracy {record['accuracy']:.3f}  {record['frames_per_s']:,.0f} frames/s  {left}"
    )


def duration(seconds: float) -> str:
    """Return a time span in words: seconds below a minute, hours from an hour up."""
    if round(seconds) < _MINUTE_S:
        return f"{seconds:.0f} s"
    minutes = round(seconds / _MINUTE_S)
    if minutes < _MINUTES:
        return f"{minutes} min"
    return f"{minutes // _MINUTES} h {minutes % _MINUTES:02d} min"
