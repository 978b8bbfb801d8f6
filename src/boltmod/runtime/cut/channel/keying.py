"""How long the symbols of a keyed carrier are, from the instants at which it is switched.

A carrier that is hard keyed, on and off or from one frequency to another, gives itself away by two
levels with little between. Its spectrum is far wider than its symbol rate, and lines at the rate's
multiples can be stronger than the one at the rate itself: the switching instants tell more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from boltmod.recording.analytic import Samples

_TWO_LEVELS = 0.86
"""Share of the variance that lies between the two levels; 0.81 for a sine, 0.75 for noise."""
_LEAST_SHARE = 0.25
"""Share of the time at the rarer level; what only dips from symbol to symbol is not keyed."""
_MIN_EDGES = 8
_SHORT_RUNS = 0.2
_COHERENT = 0.5

Floats = NDArray[np.float64]


def symbol_period(samples: Samples) -> tuple[float, bool] | None:
    """Samples a symbol of a hard keyed signal, and whether all its edges keep that clock.

    Args:
        samples: The signal alone, with gaps of silence or without.

    Returns:
        None if it is not hard keyed, or has fewer than eight edges.
    """
    magnitude = np.abs(samples).astype(np.float64)
    for smoothing in (1, 4):
        level = ndimage.uniform_filter1d(magnitude, smoothing)
        edges = _edges(_flattened(level))
        if edges is None:
            turn = samples[1:] * samples[:-1].conj()
            frequency = np.angle(ndimage.uniform_filter1d(turn, smoothing))
            edges = _edges(frequency[magnitude[1:] > 0.3 * np.quantile(magnitude, 0.9)])
        if edges is not None and len(edges) >= _MIN_EDGES:
            return _clock(edges)
    return None


def _flattened(level: Floats) -> Floats:
    """A level whose variations far above its middle are made small, those of fading for one."""
    level = np.maximum(level, 0)  # a moving mean may end a little below
    middle = (level.min() + np.quantile(level, 0.9)) / 2
    return np.asarray(level / (level + middle) if middle > 0 else level, np.float64)


def _edges(level: Floats) -> Floats | None:
    """Instants at which a quantity goes from one of its two levels to the other."""
    if len(level) < 4 * _MIN_EDGES:
        return None
    low, high = _two_levels(level)
    if high <= low:
        return None
    third = (high - low) / 3
    state = np.where(level > high - third, 1, np.where(level < low + third, -1, 0))
    known = np.flatnonzero(state)
    flips = np.flatnonzero(np.diff(state[known]))
    return np.asarray((known[flips] + known[flips + 1]) / 2, np.float64)


def _two_levels(level: Floats) -> tuple[float, float]:
    """The two levels that a quantity keeps to; equal if it does not.

    Source: Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9
    (1979) 62-66, equation 12.
    """
    ordered = np.sort(level[:: max(1, len(level) // 4096)])
    n = len(ordered)
    count = np.arange(1, n)
    sums = np.cumsum(ordered)[:-1]
    low, high = sums / count, (sums[-1] + ordered[-1] - sums) / (n - count)
    between = count / n * (1 - count / n) * (high - low) ** 2
    best = int(between.argmax())
    share = (best + 1) / n
    if between[best] < _TWO_LEVELS * ordered.var() or not _LEAST_SHARE < share < 1 - _LEAST_SHARE:
        return 0.0, 0.0
    return float(low[best]), float(high[best])


def _clock(edges: Floats) -> tuple[float, bool]:
    runs = np.diff(edges)
    runs = runs[runs > 0.25 * np.median(runs)]
    shortest = float(np.quantile(runs, _SHORT_RUNS))
    near = runs[runs < 1.4 * shortest]
    unit = float(near.mean())
    # Within a stretch of edges the clock is tried at steps that the last edge would notice.
    part = edges[:200] - edges[0]
    step = unit * min(0.02, 0.2 * unit / max(part[-1], unit))
    periods = np.arange(0.8 * unit, 1.25 * unit, step)
    fit = np.abs(np.exp(2j * np.pi * part / periods[:, np.newaxis]).mean(axis=1))
    best = int(fit.argmax())
    if fit[best] < _COHERENT:
        return unit, False
    return float(periods[best]), True
