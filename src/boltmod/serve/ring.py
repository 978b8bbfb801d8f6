"""The newest samples of a stream, and when each of them came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from boltmod.recording.analytic import Samples
from boltmod.recording.stretch import Stretch

_LEAST, _MOST = 1 << 19, 1 << 22
_HELD_S = 1.5
_OUT_OF_STEP_S = 0.5
"""A receiver's clock that is further from the computer's is set anew."""


class Ring:
    """The newest samples, in memory that does not grow.

    Args:
        rate_hz: Samples a second.
    """

    def __init__(self, rate_hz: float) -> None:
        n = 1 << int(np.ceil(np.log2(max(1.0, rate_hz * _HELD_S))))
        self._samples = np.zeros(min(max(n, _LEAST), _MOST), np.complex64)
        self._begin = 0
        self.end = 0

    @property
    def first(self) -> int:
        """Number of the oldest sample that is held."""
        return max(self._begin, self.end - len(self._samples))

    @property
    def longest(self) -> int:
        """Samples that it can hold."""
        return len(self._samples)

    def add(self, stretch: Stretch) -> None:
        """Take what has come; after a gap, what came before it is let go."""
        if stretch.first_sample != self.end:
            self._begin = stretch.first_sample
        kept = stretch.samples[-len(self._samples) :]
        start = (stretch.end - len(kept)) % len(self._samples)
        n_first = min(len(kept), len(self._samples) - start)
        self._samples[start : start + n_first] = kept[:n_first]
        self._samples[: len(kept) - n_first] = kept[n_first:]
        self.end = stretch.end

    def part(self, first: int, end: int) -> Samples:
        """Samples from one number to another, a copy; both must lie within what is held."""
        start, n = first % len(self._samples), end - first
        whole = self._samples[start : start + n]
        if len(whole) < n:
            return np.concatenate([whole, self._samples[: n - len(whole)]])
        return whole.copy()


class Clock:
    """Coordinated universal time of a stream's samples.

    Args:
        rate_hz: Samples a second.
        zero: When sample number 0 was taken, if the recording says so; else the samples' coming
            tells.
    """

    def __init__(self, rate_hz: float, zero: datetime | None = None) -> None:
        self._rate_hz = rate_hz
        self._beginning, self._is_told = zero, zero is not None

    def note(self, end: int, now: datetime | None = None) -> None:
        """Take note that the samples up to a number are there now."""
        if self._is_told:
            return
        began = (now or datetime.now(UTC)) - timedelta(seconds=end / self._rate_hz)
        known = self._beginning
        if known is None or abs((began - known).total_seconds()) > _OUT_OF_STEP_S:
            self._beginning = began

    def utc(self, sample: int) -> datetime:
        """When a sample came."""
        beginning = self._beginning or datetime.now(UTC)
        return beginning + timedelta(seconds=sample / self._rate_hz)


def written(moment: datetime) -> str:
    """A time as ISO 8601 in UTC, to the millisecond, ending in Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
