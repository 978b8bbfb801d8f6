"""What of a band a single window's signal occupies, and how far it stands above the noise.

Source: Welch, "The use of fast Fourier transform for the estimation of power spectra", IEEE Trans.
Audio Electroacoust. 15 (1967) 70-73; occupied bandwidth as in ITU-R SM.443 (99 % of the power).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boltmod.recording.analytic import Samples

_N_BINS = 128
_QUIET = 0.25
"""Share of the bins that are taken to hold noise alone, as those of the lowest power do."""
_OVER_QUIET_DB = 3.0
_QUIET_BIAS = 0.77
"""What the quiet quarter of white noise measures, of its mean."""
_OCCUPIED = 0.99

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """Where a window's signal is on the air.

    Args:
        snr_db: Its power over the noise's in its band; None if the band shows no noise beside it.
        centre_hz: Middle of its band; None if the sample rate is unknown.
        bandwidth_hz: Its width; None with the centre.
    """

    snr_db: float | None
    centre_hz: float | None
    bandwidth_hz: float | None


@dataclass(frozen=True)
class Occupancy:
    """Where a window's signal is.

    Args:
        centre: Middle of its band, -1/2 to 1/2 cycles a sample.
        bandwidth: Width that holds 99 % of its power, in cycles a sample.
        snr_db: Its power over the noise's in that width; None if the band shows no noise beside it.
    """

    centre: float
    bandwidth: float
    snr_db: float | None

    def place(self, rate_hz: float | None, centre_hz: float | None) -> Place:
        """The same in hertz: around the receiver's frequency if it is known, else around 0 Hz."""
        snr_db = None if self.snr_db is None else round(self.snr_db, 1)
        if rate_hz is None:
            return Place(snr_db, None, None)
        middle_hz = (centre_hz or 0.0) + self.centre * rate_hz
        return Place(snr_db, middle_hz, self.bandwidth * rate_hz)


def occupancy(windows: Samples) -> list[Occupancy | None]:
    """Measure each window by itself.

    Args:
        windows: (n, time) complex64.

    Returns:
        One entry a window; None where nothing stands 3 dB above the quiet quarter of the band.
    """
    if windows.shape[1] < _N_BINS:
        return [None for _ in windows]
    power = _spectra(windows)
    smooth = (power + np.roll(power, 1, axis=1) + np.roll(power, -1, axis=1)) / 3
    n_quiet = int(_N_BINS * _QUIET)
    quiet = np.partition(smooth, n_quiet, axis=1)[:, :n_quiet]
    floor = quiet.mean(axis=1, keepdims=True) / _QUIET_BIAS
    over = smooth > floor * 10 ** (_OVER_QUIET_DB / 10)
    excess = np.where(over, np.maximum(power - floor, 0), 0)
    total = excess.sum(axis=1)
    share = np.cumsum(excess, axis=1) / np.where(total > 0, total, 1)[:, np.newaxis]
    first = (share < (1 - _OCCUPIED) / 2).sum(axis=1)
    last = (share < 1 - (1 - _OCCUPIED) / 2).sum(axis=1)
    rows = zip(first.tolist(), last.tolist(), total.tolist(), floor[:, 0].tolist(), strict=True)
    return [_occupancy(*row) for row in rows]


def _occupancy(first: int, last: int, total: float, floor: float) -> Occupancy | None:
    if total <= 0:
        return None
    low, high = first - _N_BINS / 2 - 0.5, last - _N_BINS / 2 + 0.5
    noise = floor * (high - low)
    snr_db = 10 * math.log10(total / noise) if noise > total * 1e-10 else None
    return Occupancy((low + high) / 2 / _N_BINS, (high - low) / _N_BINS, snr_db)


def _spectra(windows: Samples) -> Floats:
    """Mean power of each bin, lowest frequency first: (n, 128); segments overlap by half."""
    starts = np.arange(0, windows.shape[1] - _N_BINS + 1, _N_BINS // 2)
    segments = windows[:, starts[:, np.newaxis] + np.arange(_N_BINS)]
    taper = np.hanning(_N_BINS + 1)[:-1].astype(np.float32)
    spectra = np.fft.fft(segments * taper, axis=2)
    power = spectra.real**2 + spectra.imag**2
    return np.asarray(np.fft.fftshift(power.mean(axis=1), axes=1), np.float64)
