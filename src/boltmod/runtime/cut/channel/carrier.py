"""Where in its band a signal's carrier is, from the lines in the spectrum of its powers.

On-off keying and amplitude modulation have a line themselves, BPSK and real amplitudes in the
square, QPSK and square QAM in the fourth power, at as many times the carrier's offset.

Source: Gardner, "Exploitation of spectral redundancy in cyclostationary signals", IEEE Signal
Processing Magazine 8 (1991) 14-36; Viterbi, Viterbi, "Nonlinear estimation of PSK-modulated carrier
phase", IEEE Trans. Information Theory 29 (1983) 543-551 (powers of the phase alone).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.channel.spectra import hann, mean_exceeded, mean_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds:
    """When a line is a carrier's.

    Args:
        segment: Samples over which a carrier is taken to stand still (count), some 800 symbols.
        segments: Segments that are averaged, at most (count).
        reach: How far from the middle of its band a carrier is looked for (bandwidths).
        far_reach: The same where nothing is found so near: a box is lopsided if a receiver is
            overloaded.
        chance: Probability that noise gives a line.
        margin: A line's power over what noise gives so often (ratio).
        least_share: Share of the power that a line of the signal itself must have (ratio).
        on: Power of a segment over the mean (ratio), from which on the signal is on in it.
        steady_share: Share of the power that a line has in three quarters of the segments, at least
            (ratio).
        near: Half bins that a line may move from segment to segment (count).
        drift: What is left of a window's offset, at most (cycles a sample).
        clear: A window's line over the level of its neighbours (ratio of powers).
        balance: How unequal the sidebands of a carrier may be (ratio).
    """

    segment: int = 4096
    segments: int = 32
    reach: float = 0.15
    far_reach: float = 0.4
    chance: float = 1e-6
    margin: float = 3.0
    least_share: float = 0.15
    on: float = 0.25
    steady_share: float = 0.05
    near: int = 6
    drift: float = 0.02
    clear: float = 40.0
    balance: float = 4.0


THRESHOLDS = Thresholds()

_LINE_BINS = 8
"""How far a smoothed line of one frequency reaches to both sides, in bins of a segment."""

_SMOOTHED = 9
"""Bins over which a spectrum is averaged before its halves are compared."""


@dataclass(frozen=True)
class Carrier:
    """An estimate.

    Args:
        offset: From 0 Hz, in cycles a sample.
        order: In which power of the signal the line is: 1, 2 or 4.
    """

    offset: float
    order: int


def find(samples: Samples, bandwidth: float) -> Carrier | None:
    """Find the carrier of a signal near 0 Hz.

    Args:
        samples: The signal alone.
        bandwidth: Its occupied bandwidth, in cycles a sample.

    Returns:
        None if there is no line that chance would hardly give.
    """
    n = min(THRESHOLDS.segment, len(samples))
    if n < 256 or not np.any(samples):
        return None
    count = min(THRESHOLDS.segments, len(samples) // n)
    segments = samples[: count * n].reshape(count, n).astype(np.complex128)
    for reach in (THRESHOLDS.reach, THRESHOLDS.far_reach):
        for order in (1, 2, 4) if reach == THRESHOLDS.reach else (2,):
            offset = _line(segments, order, bandwidth, reach)
            if offset is None:
                continue
            if order == 1 or _is_even(segments, offset / order, bandwidth):
                return Carrier(offset / order, order)
    return None


def steadied(windows: Samples, order: int) -> Samples:
    """Take out what is left of a carrier's offset in each window, as it drifts from one to another.

    Args:
        windows: (n, 1024), around their carrier.
        order: In which power of the signal its line is.

    Returns:
        The windows; those without a clear line within 0.02 cycles a sample as they were.
    """
    n = windows.shape[1]
    magnitude = np.abs(windows)
    powered = magnitude * np.exp(1j * order * np.angle(windows.astype(np.complex128)))
    n_fft = 4 * n
    spectrum = np.abs(np.fft.fft(powered * hann(n), n_fft, axis=1)) ** 2
    frequency = np.fft.fftfreq(n_fft)
    near = np.flatnonzero(np.abs(frequency) <= order * THRESHOLDS.drift)
    best = spectrum[:, near].argmax(axis=1)
    line = spectrum[np.arange(len(windows)), near[best]]
    is_clear = line > THRESHOLDS.clear * np.median(spectrum[:, near], axis=1)
    offset = np.where(is_clear, frequency[near[best]] / order, 0.0)
    turn = np.exp(-2j * np.pi * offset[:, np.newaxis] * np.arange(n))
    return np.asarray(windows * turn, np.complex64)


def _line(
    segments: NDArray[np.complex128], power: int, bandwidth: float, reach: float
) -> float | None:
    """Frequency of the strongest line of a power of the signal, if there is one."""
    count, n = segments.shape
    magnitude = np.abs(segments)
    powered = segments if power == 1 else magnitude * np.exp(1j * power * np.angle(segments))
    n_fft = 2 * n
    window = hann(n)
    spectra = np.abs(np.fft.fftshift(np.fft.fft(powered * window, n_fft, axis=1), axes=1)) ** 2
    spectrum = spectra.mean(axis=0)
    frequency = np.fft.fftshift(np.fft.fftfreq(n_fft))
    near = np.flatnonzero(np.abs(frequency) <= min(0.49, power * reach * bandwidth))
    around = np.abs(frequency) <= min(0.5, power * bandwidth / 2)
    if len(near) < 8:
        return None
    level = float(np.median(spectrum[around])) / mean_quantile(0.5, count)
    best = int(near[spectrum[near].argmax()])
    chance = mean_exceeded(THRESHOLDS.chance, count)
    if spectrum[best] < THRESHOLDS.margin * chance * level:
        return None
    if power == 1 and not _is_carrier(spectrum, best, around, (magnitude**2).mean(), window):
        return None
    line = (
        spectra[:, max(0, best - THRESHOLDS.near) : best + THRESHOLDS.near + 1].max(axis=1)
        / window.sum() ** 2
    )
    if power == 1 and not _is_steady(line, (magnitude**2).mean(axis=1)):
        return None
    a, b, c = np.log(np.maximum(spectrum[best - 1 : best + 2], 1e-300))
    bend = a - 2 * b + c
    shift = float(np.clip(0.5 * (a - c) / bend, -0.5, 0.5)) if bend < 0 else 0.0
    return float(frequency[best] + shift / n_fft)


def _is_even(segments: NDArray[np.complex128], carrier: float, bandwidth: float) -> bool:
    """Whether what is below a carrier is as strong as what is above: keyed carriers have it so.

    The lines in the powers of a voice in one sideband are those of its own tones.
    """
    n = segments.shape[1]
    spectrum = (np.abs(np.fft.fft(segments * hann(n), axis=1)) ** 2).mean(axis=0)
    smooth = np.convolve(np.concatenate([spectrum] * 3), np.ones(_SMOOTHED), "same")[n : 2 * n]
    off = np.arange(_LINE_BINS, max(_LINE_BINS + 1, round(bandwidth * n / 4)))
    middle = round(carrier * n)
    below, above = smooth[(middle - off) % n], smooth[(middle + off) % n]
    ratio = np.abs(np.log(np.maximum(above, 1e-300) / np.maximum(below, 1e-300)))
    return bool(np.median(ratio) < np.log(THRESHOLDS.balance))


def _is_steady(line: Floats, power: Floats) -> bool:
    """Whether a line is there whenever the signal is: those of a voice are not."""
    is_on = power > THRESHOLDS.on * power.mean()
    return bool(np.quantile(line[is_on] / power[is_on], 0.25) > THRESHOLDS.steady_share)


def _is_carrier(
    spectrum: Floats, best: int, around: NDArray[np.bool_], mean_power: float, window: Floats
) -> bool:
    """Whether a line of the signal itself is strong, and in the middle of what is around it."""
    if spectrum[best] < THRESHOLDS.least_share * mean_power * window.sum() ** 2:
        return False
    places = np.flatnonzero(around)
    below = float(spectrum[places[0] : best - 4].sum())
    above = float(spectrum[best + 5 : places[-1] + 1].sum())
    beside = min(below, above) * THRESHOLDS.balance > max(below, above)
    return beside or max(below, above) < 0.1 * float(spectrum[best - 4 : best + 5].sum())
