"""Two tones that take turns, told by a filter for each, however much stronger one of them is.

The frequency of a sample is noise where tones lie far apart and the signal is weak, and the weaker
of two unequal tones looks like a carrier that is off. A filter as wide as the tones are apart, with
its zero on the other one, sees each alone.

Source: Proakis, "Digital Communications" (4th edition), 5.4 (noncoherent detection of orthogonal
tones).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.channel.spectra import welch

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Thresholds:
    """When two humps of a spectrum are tones that take turns.

    Args:
        bins: Bins of the spectrum that shows them (count).
        smooth: Bins that are averaged (count).
        over_noise: Power of a tone over the quietest quarter of the bins, at least (ratio).
        valley: Power between two tones over the weaker one's, at most (ratio).
        lengths: Lengths of the filters, over the least with a zero on the other tone (count), in
            turn.
        loud: Quantile of a tone's amplitude that is its level (ratio): each is on for a tenth of
            the time or more.
        on: Amplitude over its level from which on a tone is on (ratio).
        neither: Share of the time between the first tone and the last, in which the signal is loud
            and neither tone is on, at most (ratio): four tones have half.
        contrast: Amplitude of a tone while it is on over that while the other one is, at least
            (ratio): of a keyed carrier's noise it is 1.
        least: Share of the time at the rarer tone, at least (ratio).
        pause: Time between two tones that is a pause (lengths of the filter).
        pauses: Share of the changes that are pauses, at most (ratio): a keyed carrier that pulls
            has one at every second.
    """

    bins: int = 256
    smooth: int = 3
    over_noise: float = 4.0
    valley: float = 0.4
    lengths: tuple[int, ...] = (1, 2)
    loud: float = 0.9
    on: float = 0.45
    neither: float = 0.15
    contrast: float = 2.2
    least: float = 0.15
    pause: float = 3.0
    pauses: float = 0.25


THRESHOLDS = Thresholds()


@dataclass(frozen=True)
class Shift:
    """Two tones that take turns.

    Args:
        tones: The lower and the upper, cycles a sample.
        edges: Instants at which one gives way to the other, in samples.
        balance: How much more of the upper tone there is than of the lower one, -1 to 1, while
            either is on, (n,).
        on_share: Share of the time that either is on.
    """

    tones: tuple[float, float]
    edges: Floats
    balance: Floats
    on_share: float


def measure(samples: Samples, thresholds: Thresholds = THRESHOLDS) -> Shift | None:
    """Tell two tones that take turns; None if a signal has no two that do.

    Args:
        samples: The signal alone.
        thresholds: When they do.
    """
    if len(samples) < 2 * thresholds.bins:
        return None
    tones = _humps(samples, thresholds)
    if tones is None:
        return None
    for length in thresholds.lengths:
        found = _turns(samples, tones, length, thresholds)
        if found is not None:
            return found
    return None


def _humps(samples: Samples, thresholds: Thresholds) -> tuple[float, float] | None:
    """The strongest hump of a spectrum, and the next one beyond a valley; the lower first."""
    frequency, power = welch(samples, thresholds.bins)
    power = np.fft.fftshift(ndimage.uniform_filter1d(power, thresholds.smooth, mode="wrap"))
    frequency = np.fft.fftshift(frequency)
    first = int(power.argmax())
    least = thresholds.over_noise * float(np.quantile(power, 0.25))
    best, strongest = -1, least
    for step in (1, -1):
        side = power[first::step]
        # What rises again beyond the lowest place so far is another hump.
        is_hump = np.minimum.accumulate(side) < thresholds.valley * side
        place = int(np.where(is_hump, side, 0.0).argmax())
        if is_hump[place] and side[place] > strongest:
            best, strongest = first + step * place, float(side[place])
    if best < 0:
        return None
    low, high = sorted((float(frequency[first]), float(frequency[best])))
    return low, high


def _turns(
    samples: Samples, tones: tuple[float, float], length: int, thresholds: Thresholds
) -> Shift | None:
    """Whether a filter for each tone sees it while the other is off."""
    n = round(length / (tones[1] - tones[0]))
    waves = [_around(samples, tone, n) for tone in tones]
    amplitudes = [np.abs(wave) for wave in waves]
    low, high = (
        each / max(float(np.quantile(each, thresholds.loud)), 1e-30) for each in amplitudes
    )
    is_on = np.maximum(low, high) > thresholds.on
    known = np.flatnonzero(is_on)
    if len(known) < 2 * thresholds.bins:
        return None
    loud = np.abs(samples) > thresholds.on * np.quantile(np.abs(samples), thresholds.loud)
    if (loud & ~is_on).sum() > thresholds.neither * loud.sum():
        return None
    is_high = high > low
    share = float(is_high[known].mean())
    if not thresholds.least < share < 1 - thresholds.least:
        return None
    upper, lower = is_on & is_high, is_on & ~is_high
    for amplitude, own, other in (
        (amplitudes[0], lower, upper),
        (amplitudes[1], upper, lower),
    ):
        if np.median(amplitude[own]) < thresholds.contrast * np.median(amplitude[other]):
            return None
    flips = np.flatnonzero(np.diff(is_high[known].astype(np.int8)))
    is_pause = known[flips + 1] - known[flips] > thresholds.pause * n
    if not len(flips) or is_pause.mean() > thresholds.pauses:
        return None
    edges = np.asarray((known[flips] + known[flips + 1]) / 2, np.float64)
    exact = [
        tone + _frequency(wave, own)
        for tone, wave, own in zip(tones, waves, (lower, upper), strict=True)
    ]
    balance = ((high - low) / np.maximum(high + low, 1e-30))[known]
    return Shift((exact[0], exact[1]), edges, balance, float(is_on.mean()))


def _around(samples: Samples, tone: float, n: int) -> NDArray[np.complex128]:
    """What a filter of n samples around a tone lets through."""
    turned = samples * np.exp(-2j * np.pi * tone * np.arange(len(samples)))
    return np.asarray(ndimage.uniform_filter1d(turned.astype(np.complex128), n), np.complex128)


def _frequency(wave: NDArray[np.complex128], own: Flags) -> float:
    """Mean frequency of a wave where a tone is on."""
    turn = (wave[1:] * wave[:-1].conj())[own[1:] & own[:-1]]
    return float(np.angle(turn.sum())) / (2 * np.pi)
