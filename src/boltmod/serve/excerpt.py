"""Windows of several signals out of one excerpt of a band, whose spectrum is taken once.

Source: fast convolution as a filter bank, Crochiere, Rabiner, "Multirate Digital Signal Processing"
(1983), 7.2: a part of the spectrum, transformed back, is the signal of that part at a lower rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import fft

from boltmod.modulation import FRAME_LENGTH
from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.channel.select import Channel, select

_REACH = 14
"""Samples beside a window that are filtered with it, in periods of the filter's bandwidth."""
_ROOM = 3.0
"""Part of the spectrum that is taken, over the channel's passband."""


@dataclass(frozen=True)
class Excerpt:
    """Consecutive samples of a band.

    Args:
        samples: (n,) complex64, n a power of two.
        first: Number of the first one.
    """

    samples: Samples
    first: int

    @property
    def end(self) -> int:
        """Number of the sample after the last one."""
        return self.first + len(self.samples)

    @cached_property
    def _spectrum(self) -> Samples:
        return np.asarray(fft.fft(self.samples), np.complex64)

    def windows(self, channel: Channel, starts: list[int]) -> Samples:
        """Windows of a channel.

        Args:
            channel: The channel.
            starts: Where each window begins, at least a margin after the excerpt's beginning, and
                its end as much before the excerpt's.

        Returns:
            (n, 1024) complex64.
        """
        narrow, ratio, left = self._decimated(channel)
        inner = Channel(left * ratio, channel.bandwidth * ratio, channel.samples_out * ratio)
        cut = []
        margin = margin_of(channel)
        length = length_of(channel)
        for start in starts:
            low = max(0, int((start - margin - self.first) / ratio))
            high = int(np.ceil((start + length + margin - self.first) / ratio)) + 1
            alone = np.concatenate(list(select([narrow[low:high]], inner)))
            skipped = round((start - self.first - low * ratio) * channel.samples_out)
            window = alone[skipped : skipped + FRAME_LENGTH]
            cut.append(np.pad(window, (0, FRAME_LENGTH - len(window))))
        return np.asarray(np.stack(cut), np.complex64)

    def _decimated(self, channel: Channel) -> tuple[Samples, int, float]:
        """The channel and some room beside it, samples a sample of it, and its centre there."""
        n = len(self.samples)
        kept = n
        while kept > 64 and kept / 2 >= _ROOM * channel.cut_off * n:
            kept //= 2
        if kept == n:
            return self.samples, 1, channel.centre
        middle = round(channel.centre * n)
        bins = np.arange(middle - kept // 2, middle + kept // 2)
        part = fft.ifftshift(np.take(self._spectrum, bins, mode="wrap"))
        narrow = np.asarray(fft.ifft(part) * np.float32(kept / n), np.complex64)
        return narrow, n // kept, channel.centre - middle / n


def length_of(channel: Channel) -> int:
    """Samples of the band that a window of a channel is of."""
    return int(np.ceil(FRAME_LENGTH / channel.samples_out))


def margin_of(channel: Channel) -> int:
    """Samples of the band beside a window that are filtered with it."""
    return int(np.ceil(_REACH / channel.cut_off))
