"""Rows of a waterfall: the mean power of each bin over a twentieth of a second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from boltmod.recording.analytic import Samples
from boltmod.recording.stretch import Stretch
from boltmod.runtime.cut.channel.spectra import blackman_harris

N_BINS = 2048
_ROWS_A_SECOND = 20
_STEP_DB = 0.01
_LEAST_POWER = 1e-20


@dataclass(frozen=True)
class Row:
    """A line of a waterfall.

    Args:
        first_sample: Where it begins.
        n_samples: How many samples it is of.
        level: (n_bins,) int16, hundredths of a dB over full scale, lowest frequency first; a tone
            of amplitude 1 has 0 dB.
        peak: (n_bins,) int16, the same of the loudest of the spectra that `level` is the mean of.
    """

    first_sample: int
    n_samples: int
    level: NDArray[np.int16]
    peak: NDArray[np.int16]


class Rows:
    """Makes rows of what comes; what a gap leaves unfinished is left out.

    Args:
        rate_hz: Samples a second.
        is_real: Whether nothing lies below 0 Hz; those bins are left out then.
    """

    def __init__(self, rate_hz: float, is_real: bool) -> None:
        self.samples_per_row = N_BINS * max(1, round(rate_hz / _ROWS_A_SECOND / N_BINS))
        self._first_bin = N_BINS // 2 if is_real else 0
        window = blackman_harris(N_BINS)
        self._window = (window / window.sum()).astype(np.float32)
        self._held = np.empty(0, np.complex64)
        self._power, self._peak = np.zeros(N_BINS), np.zeros(N_BINS, np.float32)
        self._n_added = 0
        self._end = 0

    def add(self, stretch: Stretch) -> Iterator[Row]:
        """Take what has come.

        Yields:
            The rows that it completes.
        """
        if stretch.first_sample != self._end:
            self._held = np.empty(0, np.complex64)
            self._begin()
        self._end = stretch.end
        held = np.concatenate([self._held, stretch.samples])
        n_frames = len(held) // N_BINS
        frames = held[: n_frames * N_BINS].reshape(n_frames, N_BINS)
        self._held = held[n_frames * N_BINS :]
        first = stretch.end - len(held)
        n_row = self.samples_per_row // N_BINS
        while len(frames):
            taken = frames[: n_row - self._n_added]
            frames = frames[len(taken) :]
            power = _power(taken * self._window)
            self._power += power.sum(axis=0)
            np.maximum(self._peak, power.max(axis=0), out=self._peak)
            self._n_added += len(taken)
            first += taken.size
            if self._n_added == n_row:
                level, peak = self._level(self._power / self._n_added), self._level(self._peak)
                self._begin()
                yield Row(first - self.samples_per_row, self.samples_per_row, level, peak)

    def _begin(self) -> None:
        self._power[:], self._peak[:] = 0, 0
        self._n_added = 0

    def _level(self, power: NDArray[np.floating]) -> NDArray[np.int16]:
        kept = np.fft.fftshift(power)[self._first_bin :]
        level_db = 10 * np.log10(np.maximum(kept, _LEAST_POWER))
        return np.asarray(np.clip(level_db / _STEP_DB, -32768, 32767), np.int16)


def _power(frames: Samples) -> NDArray[np.float32]:
    """Power of each bin of each frame, (n, 2048)."""
    spectra = fft.fft(frames, axis=1)
    return np.asarray(spectra.real**2 + spectra.imag**2, np.float32)
