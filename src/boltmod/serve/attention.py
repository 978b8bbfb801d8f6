"""Where a search is worth it: what stands out of the noise and is none of the signals known.

The search sees a part of a fast stream. A burst of a sender that was never heard is in that part
only by chance, unless the waterfall says where to look.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from boltmod.runtime.cut.band import Band
from boltmod.runtime.cut.channel.detection import Span
from boltmod.serve.rows import Row

_STANDS_OUT_DB = 14.0
"""Over the noise's mean, the loudest of some 100,000 bins of noise is 11 dB."""
_DOWN, _UP = 0.3, 0.01
"""How much of a row the noise's level takes over: quickly where it is lower, else in seconds."""
_SETTLED = 10
"""Rows until that level is believed."""
_SKIRT_BINS = 4
_MOST = 200
"""Rows that are remembered: more than the newest samples hold."""


class Attention:
    """Remembers which rows of the waterfall hold something unknown.

    Args:
        is_real: Whether the rows begin at 0 Hz; else in the middle of the band.
    """

    def __init__(self, is_real: bool) -> None:
        self._is_real = is_real
        self._noise: NDArray[np.float64] | None = None
        self._n = 0
        self._unknown: deque[Span] = deque(maxlen=_MOST)

    def note(self, row: Row, known: Sequence[Band]) -> None:
        """Take a row, and what of its band is known."""
        level = row.level / 100
        noise = level if self._noise is None else self._noise
        step = level - noise
        self._noise = noise + np.where(step < 0, _DOWN, _UP) * step
        self._n += 1
        if self._n < _SETTLED:
            return
        stands_out = row.peak / 100 - self._noise > _STANDS_OUT_DB
        for band in known:
            stands_out[self._bins(band, len(level))] = False
        if stands_out.any():
            self._unknown.append((row.first_sample, row.first_sample + row.n_samples))

    def newest(self, first: int) -> Span | None:
        """The newest row with something unknown that begins there or later, once."""
        while self._unknown:
            span = self._unknown.pop()
            if span[0] >= first:
                return span
            self._unknown.clear()
        return None

    def _bins(self, band: Band, n_bins: int) -> slice:
        """Bins of a band and its skirts, as wide again."""
        width = n_bins if not self._is_real else 2 * n_bins
        middle = (band.centre if self._is_real else band.centre + 0.5) * width
        reach = band.width * width + _SKIRT_BINS
        return slice(max(0, int(middle - reach)), max(0, int(middle + reach) + 1))
