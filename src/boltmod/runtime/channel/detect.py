"""Signals in a band: where they are in frequency and when in time, by their energy.

Two things give a signal away: power that comes and goes above the quiet level of the same bins
(bursts, on whatever noise the receiver's filters have shaped), and power that stands out of the
whole band's quiet level all the time.

Source: Urkowitz, "Energy detection of unknown deterministic signals", Proc. IEEE 55 (1967) 523-531;
occupied bandwidth as in ITU-R SM.443 (99 % of the power).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from boltmod.runtime.channel.spectrogram import N_BINS, Spectrogram

_BURST_DB = 2.5
_SHORT_DB = 6.0
_CONTINUOUS_DB = 8.0
_LEVEL_OF_QUIET = 0.15
"""Quantile of the rows that is taken for noise; a burst may last most of a recording."""
_SMOOTH_BINS = 5
_OCCUPIED = 0.99
_MIN_SNR_DB = 0.0
_MIN_BINS = 3
_FAR_BELOW_DB = 25.0
"""A signal so far below the strongest is a spur or a splatter of it."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Detection:
    """One signal found; frequencies in cycles a sample, times in samples.

    Args:
        centre: Middle of its band, -1/2 to 1/2.
        bandwidth: Width of the band that holds 99 % of its power.
        spans: When it is on: (first sample, end).
        snr_db: Its power over that of the noise in its band, while it is on.
    """

    centre: float
    bandwidth: float
    spans: tuple[tuple[int, int], ...]
    snr_db: float


def detect(seen: Spectrogram) -> list[Detection]:
    """Find the signals of a recording, the strongest first.

    Bursts come before what is always there: a continuous box that overlaps a burst's band is the
    floor it stands on, the receiver's own noise for instance, and not a signal of its own.
    """
    if len(seen.power) < 2 or not seen.power.any():
        return []
    power = seen.power + seen.power.max() * 1e-12
    quiet = _quiet_level(power)
    loud = _smooth(_loud_rows(power))
    # A short recording's levels are uncertain: more is asked of a burst in it.
    boxes = _bands(loud / quiet, _BURST_DB + _SHORT_DB * max(0.0, 1 - len(power) / 100))
    floor = np.full(N_BINS, _floor(quiet))
    for low, high in _bands(quiet / floor, _CONTINUOUS_DB):
        if not any(low < other_high and other_low < high for other_low, other_high in boxes):
            boxes.append((low, high))
    found = [each for box in boxes if (each := _describe(seen, power, quiet, floor, box))]
    found.sort(key=lambda pair: -pair[1])
    if not found:
        return []
    weakest = found[0][1] * 10 ** (-_FAR_BELOW_DB / 10)
    return [
        detection
        for detection, strength in found
        if strength >= weakest and detection.snr_db >= _MIN_SNR_DB
    ]


def _quiet_level(power: Floats) -> Floats:
    """What each bin holds when nothing is sent: a low quantile of a mean over some rows and bins.

    Without the mean the quantile of noise, whose power is exponentially distributed, would lie far
    below its mean.
    """
    n_rows = max(1, min(16, len(power) // 8))
    mean = ndimage.uniform_filter(power, (n_rows, _SMOOTH_BINS), mode=("nearest", "wrap"))
    return np.asarray(np.quantile(mean, _LEVEL_OF_QUIET, axis=0), np.float64)


def _loud_rows(power: Floats) -> Floats:
    """Mean spectrum of the rows above the middle between the quietest and the loudest."""
    level = ndimage.uniform_filter1d(power.sum(axis=1), min(5, len(power)))
    low, high = np.quantile(level, [_LEVEL_OF_QUIET, 0.99])
    rows = level >= np.sqrt(low * high)
    return np.asarray(power[rows].mean(axis=0), np.float64)


def _smooth(spectrum: Floats) -> Floats:
    return np.asarray(ndimage.uniform_filter1d(spectrum, _SMOOTH_BINS, mode="wrap"), np.float64)


def _floor(quiet: Floats) -> float:
    """The band's noise: the quiet level that most bins have; unfilled halves do not count."""
    filled = quiet[quiet > quiet.max() * 1e-9]
    return float(np.quantile(filled, 0.3))


def _bands(ratio: Floats, threshold_db: float) -> list[tuple[int, int]]:
    """Runs of bins over the threshold, small gaps closed."""
    over = ratio > 10 ** (threshold_db / 10)
    over = ndimage.binary_closing(np.pad(over, 16), np.ones(13))[16:-16]
    labels, _ = ndimage.label(over)
    return [
        (part[0].start, part[0].stop)
        for part in ndimage.find_objects(labels)
        if part[0].stop - part[0].start >= _MIN_BINS
    ]


def _describe(
    seen: Spectrogram, power: Floats, quiet: Floats, floor: Floats, box: tuple[int, int]
) -> tuple[Detection, float] | None:
    low, high = box
    level = power[:, low:high].sum(axis=1)
    noise = min(float(quiet[low:high].sum()), float(np.quantile(level, _LEVEL_OF_QUIET)))
    active = _active_rows(level, noise)
    spectrum = power[active, low:high].mean(axis=0)
    if active.all():
        noise = float(floor[low:high].sum())
        excess = np.maximum(spectrum - floor[low:high], 0)
    else:
        excess = np.maximum(spectrum - quiet[low:high], 0)
    total = float(excess.sum())
    if total <= 0:
        return None
    share = np.cumsum(excess) / total
    first = int(np.searchsorted(share, (1 - _OCCUPIED) / 2))
    last = int(np.searchsorted(share, 1 - (1 - _OCCUPIED) / 2))
    edges = (low + first - N_BINS / 2 - 0.5, low + last - N_BINS / 2 + 0.5)
    snr_db = 10 * np.log10(total / max(noise, total * 1e-10))
    detection = Detection(
        (edges[0] + edges[1]) / 2 / N_BINS,
        (edges[1] - edges[0]) / N_BINS,
        _spans(active, seen),
        float(snr_db),
    )
    return detection, total


def _active_rows(level: Floats, noise: float) -> Flags:
    """Rows in which a signal is on: hysteresis between two levels; all if it never goes off."""
    loud = float(np.quantile(level, 0.95))
    if loud < 2 * noise:
        return np.ones(len(level), np.bool_)
    high, low = noise * (loud / noise) ** 0.5, noise * (loud / noise) ** 0.25
    labels, n = ndimage.label(ndimage.binary_closing(np.pad(level > low, 4), np.ones(5))[4:-4])
    keep = np.zeros(n + 1, np.bool_)
    keep[np.unique(labels[level > high])] = True
    keep[0] = False
    return np.asarray(keep[labels], np.bool_)


def _spans(active: Flags, seen: Spectrogram) -> tuple[tuple[int, int], ...]:
    labels, _ = ndimage.label(active)
    return tuple(
        (
            part[0].start * seen.samples_per_row,
            min(part[0].stop * seen.samples_per_row, seen.n_samples),
        )
        for part in ndimage.find_objects(labels)
    )
