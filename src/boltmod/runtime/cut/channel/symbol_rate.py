"""How fast a signal's symbols come, from the periodicity they leave in its magnitude.

Source: Gardner, "Exploitation of spectral redundancy in cyclostationary signals", IEEE Signal
Processing Magazine 8 (1991) 14-36: the spectrum of |x|^2 of a pulse-shaped signal has a line at the
symbol rate; so has that of |dx| for pulses without excess bandwidth, on-off keying for instance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, signal

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.channel import keying

_MIN_SAMPLES = 256
_LOWEST = 0.02
_SURE = 4.5
"""A line must stand out of its neighbours by this many times their level, by itself."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SymbolRate:
    """An estimate.

    Args:
        rate: Symbols a sample.
        prominence: The line's height over the level of its neighbours; above 4.5 it is a line.
        is_keyed: Whether it was told from the instants at which a carrier is switched.
    """

    rate: float
    prominence: float
    is_keyed: bool = False

    @property
    def is_sure(self) -> bool:
        """Whether noise alone would hardly give such a line."""
        return self.prominence >= _SURE


def estimate(samples: Samples, bandwidth: float) -> SymbolRate | None:
    """Find the symbol rate of a signal at 0 Hz.

    Args:
        samples: The signal alone, some hundred symbols of it or more.
        bandwidth: Its occupied bandwidth, in cycles a sample: symbols do not come faster.

    Returns:
        The strongest line between a fiftieth of the bandwidth and 1.2 times it; None if the
        signal is too short or has no power.
    """
    if len(samples) < _MIN_SAMPLES or not np.any(samples):
        return None
    keyed = keying.measure(samples)
    if keyed is not None:
        return SymbolRate(1 / keyed.period, 2 * _SURE if keyed.is_clocked else 0.0, True)
    first, end = keying.bursts(samples)[0]
    if end - first >= _MIN_SAMPLES:
        samples = samples[first:end]
    magnitude = np.abs(samples.astype(np.complex128))
    candidates = []
    for feature in (magnitude**2, np.abs(np.diff(magnitude)) ** 2, np.abs(np.diff(samples)) ** 2):
        line = _strongest_line(feature, _LOWEST * bandwidth, min(1.2 * bandwidth, 0.48))
        if line is not None:
            candidates.append(line)
    return max(candidates, key=lambda each: each.prominence, default=None)


def _strongest_line(feature: Floats, lowest: float, highest: float) -> SymbolRate | None:
    n = len(feature)
    feature = np.minimum(feature, np.quantile(feature, 0.98))
    n_fft = fft.next_fast_len(4 * n)
    window = signal.windows.hann(n, sym=False)
    spectrum = np.abs(fft.rfft((feature - feature.mean()) * window, n_fft))
    level = ndimage.percentile_filter(spectrum[::4], 50, size=min(401, max(9, n // 16)))
    level = np.repeat(level, 4)[: len(spectrum)]
    first = max(int(np.ceil(lowest * n_fft)), 24)
    last = min(int(highest * n_fft), len(spectrum) - 2)
    if last <= first or not spectrum.any():
        return None
    ratio = spectrum[first:last] / np.maximum(level[first:last], spectrum.max() * 1e-9)
    best = first + int(ratio.argmax())
    a, b, c = np.log(np.maximum(spectrum[best - 1 : best + 2], 1e-300))
    bend = a - 2 * b + c
    shift = 0.5 * (a - c) / bend if bend < 0 else 0.0
    return SymbolRate((best + float(np.clip(shift, -0.5, 0.5))) / n_fft, float(ratio.max()))
