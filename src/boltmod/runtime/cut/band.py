"""A band of frequencies, and the bins of a spectrum that it is made of.

Bin k of the 512, lowest frequency first, has its middle at k / 512 - 1/2 cycles a sample, so that
its edges lie half a bin below and above. Source: the discrete Fourier transform; occupied bandwidth
as in ITU-R SM.443 (99 % of the power).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_BINS = 512
"""Bins that a band is divided into wherever power is measured over time and frequency."""
_OCCUPIED = 0.99
_ALIKE = 1.9
"""Widths that differ more are those of two signals."""

Bins = tuple[int, int]
"""First bin and end."""


@dataclass(frozen=True)
class Band:
    """Frequencies in cycles a sample.

    Args:
        centre: Its middle, -1/2 to 1/2.
        width: From its lower to its upper edge, above 0.
    """

    centre: float
    width: float

    @classmethod
    def of_bins(cls, bins: Bins) -> Band:
        """The band from the lower edge of the first bin to the upper edge of the last."""
        low, high = bins
        return cls((low + (high - low) / 2 - 0.5) / N_BINS - 0.5, (high - low) / N_BINS)

    @property
    def bins(self) -> Bins:
        """The bins whose edges lie nearest to the band's: the inverse of `of_bins`."""
        low, high = (round((edge + 0.5) * N_BINS + 0.5) for edge in (self.lower, self.upper))
        return low, high

    @property
    def lower(self) -> float:
        """Its lower edge."""
        return self.centre - self.width / 2

    @property
    def upper(self) -> float:
        """Its upper edge."""
        return self.centre + self.width / 2

    def overlap(self, other: Band) -> float:
        """How far they reach into each other; below 0, how far they are apart."""
        return (self.width + other.width) / 2 - abs(self.centre - other.centre)

    def is_same(self, other: Band) -> bool:
        """Whether both are of one signal, as far as bins tell."""
        narrow, wide = sorted((self.width, other.width))
        shift = abs(self.centre - other.centre)
        return wide <= _ALIKE * narrow + 2 / N_BINS and shift <= narrow / 4 + 1 / N_BINS


def occupied(power: NDArray[np.float64]) -> Bins:
    """First bin and end of the band that holds 99 % of a power, above 0."""
    summed = np.cumsum(power / power.sum())
    first = int(np.searchsorted(summed, (1 - _OCCUPIED) / 2))
    last = int(np.searchsorted(summed, 1 - (1 - _OCCUPIED) / 2))
    return first, min(last, len(power) - 1) + 1
