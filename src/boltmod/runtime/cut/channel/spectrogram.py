"""Power over time and frequency: of a piece of a recording, and of one of any length."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.band import N_BINS
from boltmod.runtime.cut.channel.spectra import blackman_harris

_FEW_ROWS = 256
"""A piece of fewer whole rows is measured in overlapping ones, so that its times are finer."""
_OVERLAP = 4
_ROWS_AT_ONCE = 256
_WATERFALL_ROWS = 1024

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spectrogram:
    """Power of each stretch of time and each bin of frequency.

    Args:
        power: (n_rows, N_BINS), lowest frequency first.
        samples_per_row: Samples from a row to the next.
        n_samples: Samples looked at.
        is_blank: Rows in which there was no reception, (n_rows,); none if not given.
    """

    power: Floats
    samples_per_row: int
    n_samples: int
    is_blank: NDArray[np.bool_] | None = None

    @property
    def heard(self) -> Spectrogram:
        """The rows in which there was reception, one after the other."""
        if self.is_blank is None or not self.is_blank.any():
            return self
        return replace(self, power=self.power[~self.is_blank], is_blank=None)

    @property
    def frequencies(self) -> Floats:
        """Middle of each bin, in cycles a sample, from -1/2."""
        return np.asarray(np.fft.fftshift(np.fft.fftfreq(N_BINS)), np.float64)

    @property
    def rows_alone(self) -> float:
        """Share of the rows that would be independent of each other."""
        return min(1.0, 2 * self.samples_per_row / N_BINS)

    def sample_of(self, row: int) -> int:
        """First sample that row tells about more than the one before it does."""
        middle = (N_BINS - self.samples_per_row) // 2
        return 0 if row <= 0 else min(row * self.samples_per_row + middle, self.n_samples)


def spectrogram(samples: Samples, is_constant: NDArray[np.bool_] | None = None) -> Spectrogram:
    """Measure a piece of a recording.

    Args:
        samples: The piece.
        is_constant: Samples that were no reception; none if not given.

    Returns:
        A row every 512 samples, every 128 if there would be few; none if there are fewer than 512.
    """
    n = len(samples)
    step = N_BINS if n >= _FEW_ROWS * N_BINS else N_BINS // _OVERLAP
    power = np.empty((max(0, (n - N_BINS) // step + 1), N_BINS))
    if len(power):
        frames = np.lib.stride_tricks.sliding_window_view(samples, N_BINS)[::step]
        for start in range(0, len(power), _ROWS_AT_ONCE):
            power[start : start + _ROWS_AT_ONCE] = _power(frames[start : start + _ROWS_AT_ONCE])
    if is_constant is None or not is_constant.any():
        return Spectrogram(power, step, n)
    sums = np.concatenate([[0], np.cumsum(is_constant)])
    starts = np.arange(len(power)) * step
    return Spectrogram(power, step, n, sums[starts + N_BINS] > sums[starts])


class Waterfall:
    """Mean power over time and frequency of a recording of any length, in bounded memory.

    Rows are merged in pairs whenever they become 1024.
    """

    def __init__(self) -> None:
        self._rows: list[Floats] = []
        self._pending: list[Floats] = []
        self._held = np.empty(0, np.complex64)
        self._merged = 1
        self._n_samples = 0

    def add(self, block: Samples) -> None:
        """Take what comes next."""
        self._n_samples += len(block)
        held = np.concatenate([self._held, block])
        n_new = len(held) // N_BINS
        for start in range(0, n_new, _ROWS_AT_ONCE):
            part = held[start * N_BINS : min(n_new, start + _ROWS_AT_ONCE) * N_BINS]
            self._pending.extend(_power(part.reshape(-1, N_BINS)))
            while len(self._pending) >= self._merged:
                self._rows.append(np.mean(self._pending[: self._merged], axis=0))
                del self._pending[: self._merged]
                if len(self._rows) == _WATERFALL_ROWS:
                    pairs = zip(self._rows[::2], self._rows[1::2], strict=True)
                    self._rows = [(a + b) / 2 for a, b in pairs]
                    self._merged *= 2
        self._held = held[n_new * N_BINS :].copy()

    def measured(self) -> Spectrogram:
        """What came so far; the last row may be the mean of fewer samples than the others."""
        last = [np.mean(self._pending, axis=0)] if self._pending else []
        power = np.array([*self._rows, *last]).reshape(-1, N_BINS)
        return Spectrogram(power, self._merged * N_BINS, self._n_samples)


def _power(frames: Samples) -> Floats:
    window = blackman_harris(N_BINS)
    window = window / np.sqrt((window**2).sum() * N_BINS)
    spectrum = np.fft.fftshift(np.fft.fft(frames * window, axis=1), axes=1)
    return np.asarray(np.abs(spectrum) ** 2, np.float64)
