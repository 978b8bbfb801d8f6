"""Multicarrier signals, by the cyclic prefix of their symbols.

The end of each symbol is sent before it once more, so that samples one over the subcarriers'
spacing apart are alike, again and again at the rate of the symbols. Noise of any shape is like
itself over the length of the receiver's filters alone, so that this tells OFDM from noise even
where it fills the whole band.

Source: J. van de Beek, M. Sandell, P. O. Börjesson, "ML estimation of time and frequency offset in
OFDM systems", IEEE Trans. Signal Process. 45(7), 1997 (the correlation with what comes a symbol's
useful part later); Gardner, "Exploitation of spectral redundancy in cyclostationary signals", IEEE
Signal Processing Magazine 8 (1991) 14-36 (its period).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.channel.spectra import fast_length

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds:
    """When samples are a cyclic prefix's.

    Args:
        samples: Samples that are looked at, at most (count).
        subcarriers: Number of them, at least (count).
        symbols: Symbols in what is looked at, at least (count).
        height: Correlation over that of other lags (ratio): the highest of 10^5 of noise is 4.1.
        shortest: Length of a whole symbol over its useful part, at least (ratio).
        longest: The same, at most.
        line: Height of the symbols' line over its neighbours (ratio).
        of_mean: The same over the correlation (ratio): 0.9 for a prefix of a quarter.
        varying: Deviation of the amplitude over its mean, at most (ratio): many subcarriers have
            0.52, as noise; pulses that are repeated have more.
    """

    samples: int = 1 << 17
    subcarriers: float = 20.0
    symbols: float = 8.0
    height: float = 6.0
    shortest: float = 1.02
    longest: float = 1.6
    line: float = 5.0
    of_mean: float = 0.5
    varying: float = 0.65


THRESHOLDS = Thresholds()
_PARTS = 16
"""A receiver's gain may step between them."""


@dataclass(frozen=True)
class Prefix:
    """What is known of the symbols.

    Args:
        useful: Length of their useful part, one over the subcarriers' spacing (samples).
        period: Length of a whole symbol (samples).
    """

    useful: float
    period: float


def find(samples: Samples, bandwidth: float) -> Prefix | None:
    """Find the cyclic prefix of a multicarrier signal.

    Args:
        samples: The signal.
        bandwidth: Its width, in cycles a sample.

    Returns:
        None if there is none.
    """
    x = samples[: THRESHOLDS.samples].astype(np.complex64)
    least = int(THRESHOLDS.subcarriers / bandwidth)
    most = int(len(x) / THRESHOLDS.symbols)
    if most < 2 * least or not np.any(x) or not _is_even(x):
        return None
    spectrum = np.fft.fft(x, fast_length(len(x) + most))
    alike = np.abs(np.fft.ifft(np.abs(spectrum) ** 2)[least:most])
    lag = int(alike.argmax()) + least
    if alike.max() < THRESHOLDS.height * np.median(alike):
        return None
    period = _period(x[:-lag] * x[lag:].conj(), lag)
    return None if period is None else Prefix(lag, period)


def _is_even(x: Samples) -> bool:
    """Whether amplitudes vary as little as those of many subcarriers, in most parts of it."""
    parts = [np.abs(part) for part in np.array_split(x, _PARTS)]
    varying = [float(part.std() / part.mean()) for part in parts if part.any()]
    return float(np.median(varying)) < THRESHOLDS.varying


def _period(product: NDArray[np.complexfloating], lag: int) -> float | None:
    """How often samples are like those a lag later; None if not again and again."""
    n = fast_length(len(product))
    spectrum = np.abs(np.fft.fft(product, n))
    first = int(n / (THRESHOLDS.longest * lag))
    end = int(np.ceil(n / (THRESHOLDS.shortest * lag))) + 1
    own = spectrum[first:end]
    if len(own) < 3:
        return None
    level = float(np.median(spectrum[: 4 * end]))
    best = int(own.argmax())
    if own[best] < max(THRESHOLDS.line * level, THRESHOLDS.of_mean * spectrum[0]):
        return None
    below, peak, above = np.log(np.maximum(spectrum[first + best - 1 : first + best + 2], 1e-300))
    bend = below - 2 * peak + above
    shift = 0.5 * (below - above) / bend if bend < 0 else 0.0
    return float(n / (first + best + np.clip(shift, -0.5, 0.5)))
