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
_LEVEL_OF_QUIET = 0.15
"""Quantile of the rows that is taken for noise; a burst may last most of a recording."""
_SHARE_WITHOUT_SIGNAL = 0.15
"""Quantile of the bins that tells the gain; signals may fill the rest of the band at once."""
_ROWS = 5
_FILLED_DB = 55.0
"""Bins further below the noise are beyond the receiver's filters."""
_STEADY_DB = 2.0
"""Less is the uncertainty of the measurement."""
_BROAD_BINS = 15
_NOISE_KURTOSIS = 0.15
_PARTS = 16
_REMEMBERED = 1.25
"""How much the noise may rise from piece to piece before it is believed."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


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
        broad = np.minimum(ndimage.median_filter(self.shape, _BROAD_BINS, mode="wrap"), self.shape)
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
    n_rows = max(1, min(_ROWS, len(power) // 8))
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
        change = float(np.quantile((shape / remembered)[filled], _SHARE_WITHOUT_SIGNAL))
        shape = np.minimum(shape, _REMEMBERED * change * remembered)
    return Noise(shape, gain, filled)


def _quiet(mean: Floats, n_rows: int, seen: Spectrogram) -> Floats:
    """A low quantile of a mean over rows and bins, and what it would be the mean of."""
    freedom = max(1.0, n_rows * seen.rows_alone) * SMOOTH_BINS / 2
    below = mean_quantile(_LEVEL_OF_QUIET, freedom)
    return np.asarray(np.quantile(mean, _LEVEL_OF_QUIET, axis=0) / below, np.float64)


def _filled(shape: Floats) -> Flags:
    broad = ndimage.median_filter(shape, 9, mode="wrap")
    return np.asarray(shape > broad.max() * 10 ** (-_FILLED_DB / 10), np.bool_)


def _gain(power: Floats, shape: Floats, filled: Flags) -> Floats:
    """How far the quietest bins of each row lie above their noise, 1 for most rows."""
    ratio = np.quantile((power / shape)[:, filled], _SHARE_WITHOUT_SIGNAL, axis=1)
    gain = ndimage.median_filter(ratio / max(np.quantile(ratio, _LEVEL_OF_QUIET), 1e-300), 5)
    gain[np.abs(10 * np.log10(np.maximum(gain, 1e-30))) < _STEADY_DB] = 1.0
    return np.asarray(gain, np.float64)


def is_noise(samples: Samples) -> bool:
    """Whether amplitudes are distributed as those of Gaussian noise, by their fourth moment."""
    return bool(np.any(samples)) and abs(_fourth_moment(samples) - 2) < _NOISE_KURTOSIS


def _fourth_moment(samples: Samples) -> float:
    """Mean fourth power of the amplitude over the square of the second's: 2 for Gaussian noise."""
    power = np.abs(samples.astype(np.complex128)) ** 2
    return float((power**2).mean() / power.mean() ** 2)


def is_mostly_noise(samples: Samples) -> bool:
    """The same of most of it, while a receiver's gain steps from one level to another."""
    parts = np.array_split(samples, _PARTS)
    fourth = [_fourth_moment(part) for part in parts if len(part) and np.any(part)]
    return bool(fourth) and abs(float(np.median(fourth)) - 2) < _NOISE_KURTOSIS
