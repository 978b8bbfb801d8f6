"""Power over time and frequency of a recording of any length, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from boltmod.data.analytic import Samples

N_BINS = 512
_MAX_ROWS = 4096
_ROWS_AT_ONCE = 256

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spectrogram:
    """Mean power of each stretch of time and each bin of frequency.

    Args:
        power: (n_rows, N_BINS), lowest frequency first.
        samples_per_row: Samples that a row is the mean of.
        n_samples: Samples looked at.
    """

    power: Floats
    samples_per_row: int
    n_samples: int

    @property
    def frequencies(self) -> Floats:
        """Middle of each bin, in cycles a sample, from -1/2."""
        return np.asarray(fft.fftshift(fft.fftfreq(N_BINS)), np.float64)


def spectrogram(blocks: Iterable[Samples]) -> Spectrogram:
    """Measure a recording; rows are merged in pairs whenever they become too many.

    Args:
        blocks: The samples; they need not fit into memory.

    Returns:
        At most 4096 rows; none if there are fewer than 512 samples. It does not depend on the
        blocks.
    """
    rows: list[Floats] = []
    pending: list[Floats] = []
    merged, n_samples = 1, 0
    held = np.empty(0, np.complex64)
    for block in blocks:
        n_samples += len(block)
        held = np.concatenate([held, block])
        n_new = len(held) // N_BINS
        for start in range(0, n_new, _ROWS_AT_ONCE):
            part = held[start * N_BINS : min(n_new, start + _ROWS_AT_ONCE) * N_BINS]
            pending.extend(_power(part.reshape(-1, N_BINS)))
            while len(pending) >= merged:
                rows.append(np.mean(pending[:merged], axis=0))
                del pending[:merged]
                if len(rows) == _MAX_ROWS:
                    rows = [(a + b) / 2 for a, b in zip(rows[::2], rows[1::2], strict=True)]
                    merged *= 2
        held = held[n_new * N_BINS :]
    if pending:
        rows.append(np.mean(pending, axis=0))
    power = np.array(rows).reshape(-1, N_BINS)
    return Spectrogram(power, merged * N_BINS, n_samples)


def _power(frames: Samples) -> Floats:
    window = signal.windows.blackmanharris(N_BINS, sym=False)
    window = window / np.sqrt((window**2).sum() * N_BINS)
    spectrum = fft.fftshift(fft.fft(frames * window, axis=1), axes=1)
    return np.asarray(np.abs(spectrum) ** 2, np.float64)
