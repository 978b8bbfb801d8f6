"""Levels estimated by a line, and how far the line may be off: what the kernel needs to be exact.

A requantisation's thresholds lie nearly on a line, for a quantiser's steps are even. Where no
multiply, add, shift says the same, the kernel takes the line's value in float32; what is nearer to
an edge than the line may be off is decided by the thresholds. The bound holds for every value that
can come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boltmod.integer.form import Integers

_FLOAT_ERROR = 2.0**-22
"""Relative error of a sum of three float32 products, generously."""


@dataclass(frozen=True, eq=False)
class Staircase:
    """One channel of a requantisation.

    Args:
        coefficients: Of the sources.
        thresholds: Ascending.
        lowest: Level below all.
        reach: Smallest and largest value of each source, (sources, 2).
    """

    coefficients: Integers
    thresholds: Integers
    lowest: int
    reach: Integers

    @property
    def ends(self) -> tuple[int, int]:
        """Smallest and largest sum."""
        ends = self.coefficients[:, np.newaxis] * self.reach
        return int(ends.min(1).sum()), int(ends.max(1).sum())

    @property
    def only_level(self) -> int | None:
        """The level of every sum, if they all have the same."""
        low, high = self.ends
        if ((self.thresholds > low) & (self.thresholds <= high)).any():
            return None
        return self.lowest + int((self.thresholds <= low).sum())

    @property
    def sizes(self) -> Integers:
        """Largest magnitude of each source."""
        return np.asarray(np.abs(self.reach).max(1))


@dataclass(frozen=True)
class Line:
    """level − lowest ≈ floor(Σ factors · sources + addend), off by less than slack."""

    factors: tuple[float, ...]
    addend: float
    slack: float


def _slope(stairs: Staircase) -> float:
    """Levels a unit of the sum; 0 where the level is always the same."""
    low, high = stairs.ends
    inner = (stairs.thresholds > low) & (stairs.thresholds <= high)
    t, k = stairs.thresholds[inner], np.flatnonzero(inner)
    if not len(t):
        return 0.0
    if t[-1] == t[0]:
        return 1.0 / max(1, high - low)
    # The line through the middles of the steps, by least squares.
    across, up = t - t.mean(), k - k.mean()
    return float(up @ up) / float(up @ across)


def _off(stairs: Staircase, slope: float) -> tuple[float, float]:
    """Addend in the middle of what the thresholds ask for, and how far they are from it."""
    low, high = stairs.ends
    t = stairs.thresholds.astype(np.float64)
    edges = np.arange(1, len(t) + 1)
    # At its threshold a level must be reached, one below it must not, if that can come at all.
    least = (edges - slope * t)[stairs.thresholds <= high]
    most = (edges - slope * (t - 1))[stairs.thresholds > low]
    bottom = float(least.max(initial=-np.inf))
    top = float(most.min(initial=np.inf))
    if not np.isfinite(bottom):
        return top - 1, 1.0
    if not np.isfinite(top):
        return bottom + 1, 1.0
    return (bottom + top) / 2, max(0.0, bottom - top) / 2


def by_floats(stairs: Staircase) -> Line:
    """Return the line in float32, in levels above the lowest."""
    slope = _slope(stairs)
    if stairs.only_level is not None:
        return Line((0.0,) * len(stairs.reach), stairs.only_level - stairs.lowest + 0.5, 0.0)
    factors = (slope * stairs.coefficients).astype(np.float32)
    addend, off = _off(stairs, slope)
    largest = float((np.abs(factors) * stairs.sizes).sum()) + abs(addend) + 2
    largest += len(stairs.thresholds)
    slack = min(off + largest * _FLOAT_ERROR + 1e-9, 0.5)
    return Line(tuple(factors.tolist()), float(np.float32(addend)), slack)
