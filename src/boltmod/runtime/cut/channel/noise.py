"""What a receiver hears when nothing is sent: the shape of its noise, and its gain over time.

A receiver's filters shape its noise, and its gain control or squelch change the level of all of it
at once. Power over noise is what is left to look for signals in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.channel.spectra import mean_quantile
from boltmod.runtime.cut.channel.spectrogram import Spectrogram

SMOOTH_BINS = 5
"""Bins that are averaged; they count as half as many, for the window spreads each over two."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Thresholds:
    """What is taken for a receiver's noise.

    Args:
        quiet_rows: Quantile of the rows that is taken for noise (ratio): a burst may last most of a
            recording.
        quiet_bins: Quantile of the bins that tells the gain (ratio): signals may fill the rest of
            the band.
        rows: Rows that are averaged before the quantile (count).
        filled_db: Bins further below the noise (dB) are beyond the receiver's filters.
        line_bins: Width of a median that a line, spread by window and mean over 13, does not
            change (bins): a strong carrier is no receiver's passband.
        narrow_bins: Width of the median where there is nothing but a line (bins).
        steady_db: Less gain (dB) is the uncertainty of the measurement.
        broad_bins: Width of a median that lines do not change (bins).
        kurtosis: Distance of the fourth moment from 2, that of Gaussian noise, at most (ratio); its
            own deviation is 0.02 for 2^15 samples.
        parts: Parts whose median fourth moment counts where gain may step (count).
        rise: How much the noise may rise from piece to piece (ratio) before it is believed.
    """

    quiet_rows: float = 0.15
    quiet_bins: float = 0.15
    rows: int = 5
    filled_db: float = 55.0
    line_bins: int = 27
    narrow_bins: int = 9
    steady_db: float = 2.0
    broad_bins: int = 15
    kurtosis: float = 0.15
    parts: int = 16
    rise: float = 1.25


THRESHOLDS = Thresholds()
_ROUNDING = 1e-10
"""Power of what is but rounding, over a line's."""


@dataclass(frozen=True)
class Noise:
    """The noise of a piece of a recording.

    Args:
        shape: Power of each bin at gain 1, (N_BINS,).
        gain: Of each row, (n_rows,).
        filled: Bins within the receiver's filters, (N_BINS,).
    """

    shape: Floats
    gain: Floats
    filled: Flags

    @property
    def level(self) -> Floats:
        """Power of the noise in each row and bin, (n_rows, N_BINS).

        Lines that are always there do not grow with the rest, for more gain is mostly splatter.
        """
        gain = self.gain[:, np.newaxis]
        broad = np.minimum(
            ndimage.median_filter(self.shape, THRESHOLDS.broad_bins, mode="wrap"), self.shape
        )
        return np.where(gain > 1, self.shape + (gain - 1) * broad, gain * self.shape)


def measure(seen: Spectrogram, remembered: Floats | None = None, steady: bool = False) -> Noise:
    """Tell the noise of a piece from what is in it.

    Args:
        seen: The piece, not empty and not all zero.
        remembered: The noise's shape as it was before; what is louder now may be a signal.
        steady: Whether the gain is known not to change.
    """
    if seen.heard is not seen and seen.is_blank is not None:
        noise = measure(seen.heard, remembered, steady)
        gain = np.ones(len(seen.power))
        gain[~seen.is_blank] = noise.gain
        return replace(noise, gain=gain)
    power = seen.power + seen.power.max() * 1e-12
    n_rows = max(1, min(THRESHOLDS.rows, len(power) // 8))
    mean = ndimage.uniform_filter(power, (n_rows, SMOOTH_BINS), mode=("nearest", "wrap"))
    shape = _quiet(mean, n_rows, seen)
    filled = _filled(shape)
    gain = np.ones(len(power))
    if not steady:
        # Few bins tell the gain of a row badly: more rows then tell it together.
        n_short = int(np.clip(300 // filled.sum(), 3, 15))
        short = ndimage.uniform_filter(power, (n_short, SMOOTH_BINS), mode="nearest")
        for reference in (np.ones(len(shape)), None):
            reference = shape if reference is None else reference
            gain = _gain(short, reference, filled)
            shape = _quiet(mean / gain[:, np.newaxis], n_rows, seen)
        gain = _gain(short, shape, filled)
    if remembered is not None:
        change = float(np.quantile((shape / remembered)[filled], THRESHOLDS.quiet_bins))
        shape = np.minimum(shape, THRESHOLDS.rise * change * remembered)
    return Noise(shape, gain, filled)


def _quiet(mean: Floats, n_rows: int, seen: Spectrogram) -> Floats:
    """A low quantile of a mean over rows and bins, and what it would be the mean of."""
    freedom = max(1.0, n_rows * seen.rows_alone) * SMOOTH_BINS / 2
    below = mean_quantile(THRESHOLDS.quiet_rows, freedom)
    return np.asarray(np.quantile(mean, THRESHOLDS.quiet_rows, axis=0) / below, np.float64)


def _filled(shape: Floats) -> Flags:
    broad, narrow = (
        float(ndimage.median_filter(shape, width, mode="wrap").max())
        for width in (THRESHOLDS.line_bins, THRESHOLDS.narrow_bins)
    )
    # Where a line is all that there is, what is left of it is arithmetic's own error.
    loudest = broad if broad > narrow * _ROUNDING else narrow
    return np.asarray(shape > loudest * 10 ** (-THRESHOLDS.filled_db / 10), np.bool_)


def _gain(power: Floats, shape: Floats, filled: Flags) -> Floats:
    """How far the quietest bins of each row lie above their noise, 1 for most rows."""
    ratio = np.quantile((power / shape)[:, filled], THRESHOLDS.quiet_bins, axis=1)
    gain = ndimage.median_filter(ratio / max(np.quantile(ratio, THRESHOLDS.quiet_rows), 1e-300), 5)
    gain[np.abs(10 * np.log10(np.maximum(gain, 1e-30))) < THRESHOLDS.steady_db] = 1.0
    return np.asarray(gain, np.float64)


def is_noise(samples: Samples) -> bool:
    """Whether amplitudes are distributed as those of Gaussian noise, by their fourth moment."""
    return bool(np.any(samples)) and abs(_fourth_moment(samples) - 2) < THRESHOLDS.kurtosis


def _fourth_moment(samples: Samples) -> float:
    """Mean fourth power of the amplitude over the square of the second's: 2 for Gaussian noise."""
    power = np.abs(samples.astype(np.complex128)) ** 2
    return float((power**2).mean() / power.mean() ** 2)


def is_mostly_noise(samples: Samples) -> bool:
    """The same of most of it, while a receiver's gain steps from one level to another."""
    parts = np.array_split(samples, THRESHOLDS.parts)
    fourth = [_fourth_moment(part) for part in parts if len(part) and np.any(part)]
    return bool(fourth) and abs(float(np.median(fourth)) - 2) < THRESHOLDS.kurtosis
