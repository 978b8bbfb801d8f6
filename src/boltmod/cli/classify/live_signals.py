"""The signals of a stream, as a table that is drawn anew while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from boltmod.cli.classify.live_table import si
from boltmod.cli.classify.signal_table import signal_table

if TYPE_CHECKING:
    from boltmod.cli.classify.job import Job
    from boltmod.recording.live.buffer import LiveRecording
    from boltmod.runtime.labels import Labels
    from boltmod.runtime.window import Windows

_DRAWN_EVERY_S = 0.5
_SPARE_LINES = 6
"""Lines of the terminal that are not rows: the state, the heading, what the shell says."""
_SILENCE_S = 1.0


class LiveSignals:
    """A row a signal; those heard last, if the terminal does not hold all.

    What it ends with is left to whoever says how it went: the table itself goes.

    Args:
        console: The terminal.
        job: What is being done.
        live: The stream.
        clock: Seconds that pass.
    """

    def __init__(
        self,
        console: Console,
        job: Job,
        live: LiveRecording,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job, self._live, self._clock = job, live, clock
        self._n_rows = max(1, console.height - _SPARE_LINES)
        self._drawn_at = clock()
        self._screen = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> LiveSignals:
        self._screen.start()
        self._draw()
        return self

    def __exit__(self, *ended: object) -> None:
        self._screen.stop()

    def add(self, windows: Windows, labels: Labels) -> None:
        """Draw if it is time; the job has taken the labels in."""
        if self._clock() - self._drawn_at >= _DRAWN_EVERY_S:
            self._draw()

    def _draw(self) -> None:
        self._drawn_at = self._clock()
        self._screen.update(self.drawing(), refresh=True)

    def drawing(self) -> Group:
        """The table as it stands."""
        rows = self._job.rows
        shown = sorted(rows, key=lambda row: row.end_sample or 0)[-self._n_rows :]
        shown.sort(key=lambda row: row.signal or 0)
        heading = self._heading(len(rows), len(shown))
        return Group(heading, signal_table(shown)) if shown else Group(heading)

    def _heading(self, n_signals: int, n_shown: int) -> Text:
        live = self._live
        parts = [live.name]
        if live.rate_hz is not None and not self._job.is_in_samples:
            parts.append(f"{si(live.rate_hz)}S/s")
        if live.centre_hz is not None:
            parts.append(f"at {si(live.centre_hz, 6)}Hz")
        heading = Text(" · ".join(parts), style="bold")
        seen = f"\n{n_signals:,} signals in {live.n_samples_read:,} samples"
        heading.append(seen, style="not bold")
        if n_shown < n_signals:
            heading.append(f", the last {n_shown:,} of them", style="not bold")
        if live.n_dropped:
            share = live.n_dropped / live.n_seen
            heading.append(f" · {live.n_dropped:,} windows dropped ({share:.0%})", style="red")
        if not live.is_ended and (not live.n_samples_read or live.silence_s > _SILENCE_S):
            waiting = f" · waiting for {live.name}: {live.source.state}"
            heading.append(waiting, style="not bold yellow")
        return heading
