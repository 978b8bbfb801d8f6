"""Whether the humps of a spectrum are one signal or several.

The tones of a frequency-shift keyed signal take turns, and the sidelobes of a keyed carrier come
and go with it: their powers depend on each other. Those of two stations do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.band import N_BINS, Band, Bins
from boltmod.runtime.cut.channel.select import Channel, select

MEASURED_SAMPLES = 1 << 14

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds:
    """When humps are told apart.

    Args:
        valley_db: A valley is at least that much lower (dB) than both humps beside it.
        weak: Humps of less than that of the strongest one's power are part of it (ratio).
        most: Humps that are told apart, at most (count).
        bins: Width of a band whose power is measured, at least (bins).
        dependent: Correlation of two powers of one signal, at least.
        alternate: The same of two tones that take turns, below 0: -1 without transitions.
        powers: Powers that tell a correlation (count).
        unsure: Deviations of the correlation of independent powers that are put down to chance
            (count).
    """

    valley_db: float = 5.5
    weak: float = 0.03
    most: int = 8
    bins: int = 3
    dependent: float = 0.15
    alternate: float = 0.4
    powers: int = 64
    unsure: float = 5.0


THRESHOLDS = Thresholds()


@dataclass(frozen=True)
class Excerpt:
    """Samples in which a signal is on, and how the bins of its spectrum are counted."""

    samples: Samples
    first_bin: int


def apart(excerpt: Excerpt, excess: Floats, freedom: float) -> list[Bins]:
    """Cut a spectrum into the bands of independent signals.

    Args:
        excerpt: Where it was measured.
        excess: Power above the noise, at least 0.
        freedom: Independent measurements that a bin's power is the mean of.

    Returns:
        First bin and end of each, of `excess`.
    """
    bands = _humps(excess, THRESHOLDS.valley_db + 15 / np.sqrt(max(1.0, freedom)))
    if len(bands) == 1:
        return bands
    rate = min(1.0, 2 * max(band[1] - band[0] for band in bands) / N_BINS)
    joined: list[tuple[Bins, list[Floats]]] = []
    for band in bands:
        power = _power(excerpt, band, rate)
        like = (i for i, (_, own) in enumerate(joined) if any(_depend(power, p) for p in own))
        first = next(like, len(joined))
        # One signal has all that lies between two of its humps.
        between = joined[first:]
        start = between[0][0][0] if between else band[0]
        joined[first:] = [((start, band[1]), [p for _, own in between for p in own] + [power])]
    return [band for band, _ in joined]


def are_one(excerpt: Excerpt, one: Bins, other: Bins) -> bool:
    """Whether two bands are of one signal."""
    rate = min(1.0, 2 * max(one[1] - one[0], other[1] - other[0]) / N_BINS)
    return _depend(_power(excerpt, one, rate), _power(excerpt, other, rate))


def take_turns(excerpt: Excerpt, one: Bins, other: Bins) -> bool:
    """Whether one of two bands is on while the other is off: tones of one signal."""
    rate = min(1.0, 2 * max(one[1] - one[0], other[1] - other[0]) / N_BINS)
    first, second = _power(excerpt, one, rate), _power(excerpt, other, rate)
    if len(first) < THRESHOLDS.powers or not first.std() or not second.std():
        return False
    chance = THRESHOLDS.unsure / np.sqrt(len(first) / 4)
    return bool(np.corrcoef(first, second)[0, 1] < -max(THRESHOLDS.alternate, chance))


def _humps(excess: Floats, valley_db: float) -> list[Bins]:
    """Bands of the humps of a spectrum; together they are all of it."""
    smooth = ndimage.uniform_filter1d(excess, 3, mode="nearest")
    depth = 10 ** (-valley_db / 10)
    cuts, peak, lowest, place = [], 0.0, np.inf, 0
    for i, value in enumerate(smooth):
        if value < lowest:
            lowest, place = value, i
        if lowest < depth * min(peak, value):
            # Down from a hump and up again as far: the valley between is a border.
            cuts.append(place)
            peak, lowest = value, np.inf
        if value > peak:
            peak, lowest = value, np.inf
    return _strongest(smooth, [0, *cuts, len(excess)])


def _strongest(smooth: Floats, edges: list[int]) -> list[Bins]:
    """The strongest humps, each with the weaker ones up to the next."""
    powers = np.add.reduceat(smooth, edges[:-1])
    least = max(powers.max() * THRESHOLDS.weak, np.sort(powers)[-THRESHOLDS.most :][0])
    strong = [i for i, power in enumerate(powers) if power >= least]
    starts = [0, *(edges[i] for i in strong[1:])]
    return list(zip(starts, [*starts[1:], edges[-1]], strict=True))


def _power(excerpt: Excerpt, band: Bins, rate: float) -> Floats:
    """Power of a band over time."""
    own = Band.of_bins((excerpt.first_bin + band[0], excerpt.first_bin + band[1]))
    channel = Channel(own.centre, max(own.width, THRESHOLDS.bins / N_BINS), rate)
    parts = [np.abs(part) ** 2 for part in select([excerpt.samples], channel)]
    return np.concatenate(parts).astype(np.float64) if parts else np.empty(0)


def _depend(one: Floats, other: Floats) -> bool:
    if len(one) < 16 or not one.std() or not other.std():
        return True
    chance = THRESHOLDS.unsure / np.sqrt(len(one) / 4)
    return bool(abs(np.corrcoef(one, other)[0, 1]) > max(THRESHOLDS.dependent, chance))
