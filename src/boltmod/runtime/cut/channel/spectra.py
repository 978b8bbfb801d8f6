"""Windows, spectra and quantiles, without the time that importing scipy.signal and .stats takes.

Source: Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform",
Proc. IEEE 66 (1978) 51-83; Welch, "The use of fast Fourier transform for the estimation of power
spectra", IEEE Trans. Audio Electroacoust. 15 (1967) 70-73; Kaiser, "Nonrecursive digital filter
design using the I0-sinh window function", ISCAS (1974) 20-23.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from boltmod.recording.analytic import Samples

_HANN = (0.5, 0.5)
_BLACKMAN_HARRIS = (0.35875, 0.48829, 0.14128, 0.01168)

Floats = NDArray[np.float64]


@lru_cache(maxsize=8)
def hann(n: int) -> Floats:
    """Hann's window, (n,), one period of it."""
    return _cosines(n, _HANN)


@lru_cache(maxsize=2)
def blackman_harris(n: int) -> Floats:
    """The minimum four-term Blackman-Harris window, (n,), one period of it: sidelobes -92 dB."""
    return _cosines(n, _BLACKMAN_HARRIS)


def _cosines(n: int, terms: tuple[float, ...]) -> Floats:
    angle = np.linspace(-np.pi, np.pi, n + 1)[:-1]
    return np.asarray(sum(a * np.cos(k * angle) for k, a in enumerate(terms)), np.float64)


def welch(
    samples: Samples, length: int, n_fft: int | None = None, of_most: bool = False
) -> tuple[Floats, Floats]:
    """Mean power spectrum of segments that overlap by half.

    Args:
        samples: At least that long.
        length: Samples a segment.
        n_fft: Bins of the spectrum; as many as samples if not given.
        of_most: Whether the median of the segments is taken, which short bursts do not change.

    Returns:
        Frequencies in cycles a sample, 0 first, and the power density there.
    """
    n_fft = n_fft or length
    window = hann(length)
    segments = np.lib.stride_tricks.sliding_window_view(samples, length)[:: max(1, length // 2)]
    if of_most and len(segments) > 2:
        power = np.abs(np.fft.fft(segments * window, n_fft, axis=1)) ** 2
        return np.asarray(np.fft.fftfreq(n_fft)), np.median(power, axis=0) / (window**2).sum()
    total = np.zeros(n_fft)
    for segment in segments:
        total += np.abs(np.fft.fft(segment * window, n_fft)) ** 2
    return np.asarray(np.fft.fftfreq(n_fft)), total / (len(segments) * (window**2).sum())


def fast_length(n: int) -> int:
    """The least length that is no less, and a product of twos, threes and fives."""
    best = 1 << max(0, n - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            best = min(best, three << max(0, (-(-n // three)) - 1).bit_length())
            three *= 3
        five *= 5
    return best


def low_pass(n: int, cut_off: float, beta: float) -> Floats:
    """A low-pass filter, (n,), n odd, by Kaiser's window; cut_off in half the sample rate."""
    times = np.arange(n) - (n - 1) / 2
    shape = np.sqrt(np.maximum(1 - (2 * times / (n - 1)) ** 2, 0))
    taps = cut_off * np.sinc(cut_off * times) * special.i0(beta * shape) / special.i0(beta)
    return np.asarray(taps / taps.sum(), np.float64)


def mean_exceeded(chance: float, freedom: float) -> float:
    """What the mean of so many exponential powers of mean 1 exceeds with that probability."""
    return float(special.gammainccinv(freedom, chance)) / freedom


def mean_quantile(share: float, freedom: float) -> float:
    """What the mean of so many exponential powers of mean 1 stays below with that probability."""
    return float(special.gammaincinv(freedom, share)) / freedom
