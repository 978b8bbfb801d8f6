"""What a stream holds, as a table that is drawn anew while it runs."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from statistics import median
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from boltmod.recording.live.buffer import LiveRecording
    from boltmod.runtime.label import Label
    from boltmod.runtime.labels import Labels
    from boltmod.runtime.window import Windows

_ROW_S = 0.5
_SPARE_LINES = 7
"""Lines of the terminal that are not rows: the state, the heading, what the shell says."""
_COLUMNS = ("time", "class", "probability", "SNR", "centre", "bandwidth", "windows", "dropped")
_WIDTHS = (14, 11, 11, 9, 16, 11, 9, 9)


class LiveTable:
    """A row each half second: the class that most of its windows were given.

    Args:
        console: The terminal.
        live: The stream.
        clock: Seconds that pass.
    """

    def __init__(
        self,
        console: Console,
        live: LiveRecording,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._live = live
        self._clock = clock
        self._rows: deque[list[str]] = deque(maxlen=max(1, console.height - _SPARE_LINES))
        self._labels: list[Label] = []
        self._n_windows = 0
        self._n_dropped_before = 0
        self._row_began = clock()
        self._screen = Live(console=console, auto_refresh=False, transient=False)

    def __enter__(self) -> LiveTable:
        self._screen.start()
        self._screen.update(self.drawing(), refresh=True)
        return self

    def __exit__(self, *ended: object) -> None:
        if self._labels:
            self._end_row()
        self._screen.update(self.drawing(), refresh=True)
        self._screen.stop()

    def add(self, windows: Windows, labels: Labels) -> None:
        """Take in labels, none if nothing came, and draw if it is time."""
        self._labels.extend(labels)
        self._n_windows += len(labels)
        if self._clock() - self._row_began < _ROW_S and self._n_windows > len(labels):
            return
        if self._labels:
            self._end_row()
        self._row_began = self._clock()
        self._screen.update(self.drawing(), refresh=True)

    def drawing(self) -> Group:
        """The table as it stands."""
        table = Table(box=None, pad_edge=False)
        for name, width in zip(_COLUMNS, _WIDTHS, strict=True):
            left = name == "class"
            table.add_column(name, justify="left" if left else "right", min_width=width)
        for row in self._rows:
            unsure = row[1].startswith("(") or not row[2] or float(row[2]) < 0.5
            table.add_row(*row, style="dim" if unsure else None)
        return Group(self._heading(), table)

    def _heading(self) -> Text:
        live = self._live
        parts = [live.name]
        if live.rate_hz is not None:
            parts.append(f"{si(live.rate_hz)}S/s")
        if live.centre_hz is not None:
            parts.append(f"at {si(live.centre_hz, 6)}Hz")
        heading = Text(" · ".join(parts), style="bold")
        heading.append(f"\n{self._n_windows:,} windows", style="not bold")
        if live.n_dropped:
            share = live.n_dropped / live.n_seen
            heading.append(f" · {live.n_dropped:,} dropped ({share:.0%})", style="red")
        if not live.is_ended and live.silence_s > 1:
            waiting = f" · nothing for {live.silence_s:.0f} s: {live.source.state}"
            heading.append(waiting, style="not bold yellow")
        return heading

    def _end_row(self) -> None:
        labels, first = self._labels, self._labels[0]
        seen = Counter(label.class_name for label in labels)
        name, n = seen.most_common(1)[0]
        sure = [label.probability for label in labels if label.class_name == name]
        probability = sum(each or 0.0 for each in sure) / n
        start = f"{first.sample_start:,}" if first.time_s is None else f"{first.time_s:,.3f} s"
        dropped = self._live.n_dropped - self._n_dropped_before
        centre = _middle([label.centre_hz for label in labels])
        bandwidth = _middle([label.bandwidth_hz for label in labels])
        snr_db = _middle([label.snr_db for label in labels])
        self._rows.append(
            [
                start,
                name or "(no signal)",
                "" if name is None else f"{probability:.3f}",
                "" if snr_db is None else f"{snr_db:.1f} dB",
                "" if centre is None else f"{si(centre, 6)}Hz",
                "" if bandwidth is None else f"{si(bandwidth, 3)}Hz",
                f"{len(labels):,}",
                f"{dropped:,}" if dropped else "",
            ]
        )
        self._labels = []
        self._n_dropped_before += dropped


def _middle(values: Sequence[float | None]) -> float | None:
    """The median of what could be measured; None if most of it could not."""
    known = [value for value in values if value is not None]
    return median(known) if 2 * len(known) >= len(values) and known else None


def si(value: float, n_digits: int = 4) -> str:
    """A quantity with the letter of its multiple, the unit to follow: 433.92 M."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.{n_digits}g} {letter}"
    return f"{value:.{n_digits}g} "
