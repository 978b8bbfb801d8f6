"""More gain for a while, of all of the band: it is no signal, whatever it is louder by."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.band import Band, Bins
from boltmod.runtime.cut.channel.boxes import Box, Piece
from boltmod.runtime.cut.channel.noise import is_noise
from boltmod.runtime.cut.channel.select import Channel, select

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Thresholds:
    """What is more gain.

    Args:
        settling: Share of a piece that a loud start may last (ratio).
        quiet_bins: Quantile of the bins that tells how loud all of the band is (ratio).
        loud: Power at a loud start over the noise, at least (ratio).
        flat_share: The quiet bins' power over the mean at a loud start (ratio): nothing stands out.
        beyond: Power of bins over the noise's (ratio) that are beyond the receiver's filters.
        wide: Bins of more gain, at least (count).
        flat: Greatest over least power of more gain, over the noise (ratio).
        weak: SNR of a box that may be more gain, at most (ratio).
        stands_out: Power of a signal's strongest bin over the others' (ratio), beside which
            amplitudes are looked at by halves.
        raised: How much louder the rest of the band is, over a box (ratio), if both have more gain.
        whole_band: Share of the filled band that is all of it (ratio).
        judged: Samples whose amplitudes are looked at, at most (count).
    """

    settling: float = 0.15
    quiet_bins: float = 0.15
    loud: float = 4.0
    flat_share: float = 0.1
    beyond: float = 0.01
    wide: int = 12
    flat: float = 4.0
    weak: float = 10.0
    stands_out: float = 4.0
    raised: float = 0.4
    whole_band: float = 0.8
    judged: int = 1 << 15


THRESHOLDS = Thresholds()


def settled(piece: Piece) -> Piece:
    """Without the time that a receiver's gain takes to settle, at the beginning.

    Then all of the band is far louder than afterwards, and nothing in it stands out.
    """
    seen = piece.seen
    heard = (
        np.flatnonzero(~seen.is_blank) if seen.is_blank is not None else np.arange(len(seen.power))
    )
    heard = heard[: max(2, int(THRESHOLDS.settling * len(heard))) + 1]
    ratio = piece.ratio[heard][:, piece.noise.filled]
    floor = np.quantile(ratio, THRESHOLDS.quiet_bins, axis=1)
    is_loud = (floor > THRESHOLDS.loud) & (floor > THRESHOLDS.flat_share * ratio.mean(axis=1))
    if is_loud.all() or not is_loud[0]:
        return piece
    is_blank = (
        np.zeros(len(seen.power), np.bool_) if seen.is_blank is None else seen.is_blank.copy()
    )
    is_blank[heard[: int(is_loud.argmin()) + 1]] = True
    return Piece(piece.samples, replace(seen, is_blank=is_blank), piece.noise)


def is_gain(piece: Piece, box: Box) -> bool:
    """Whether a box is but louder noise: as wide as the receiver's filters, of the same shape."""
    low, high = box.bins
    shape = piece.noise.shape
    filled = shape > float(np.median(shape[low:high])) * THRESHOLDS.beyond
    if (
        high - low < THRESHOLDS.wide
        or filled[low:high].sum() < THRESHOLDS.whole_band * filled.sum()
    ):
        return False
    rows = np.flatnonzero(box.active) + box.rows[0]
    ratio = piece.ratio[rows, low:high].mean(axis=0)
    least, most = np.quantile(ratio, [0.1, 0.9])
    if most > THRESHOLDS.flat * least:
        return False
    first, last = piece.seen.sample_of(int(rows[0])), piece.seen.sample_of(int(rows[-1]) + 1)
    middle = (first + last) // 2
    part = piece.samples[
        max(first, middle - THRESHOLDS.judged) : min(last, middle + THRESHOLDS.judged)
    ]
    return is_noise(part) or _is_noise_beside(part, (low, high), piece.ratio[rows, low:high])


def _is_noise_beside(part: Samples, bins: Bins, ratio: Floats) -> bool:
    """Whether what is beside a signal that is on with it, in the other half of a box, is noise."""
    low, high = bins
    mean = ratio.mean(axis=0)
    middle = len(mean) // 2
    halves = ((low, low + middle), (low + middle, high))
    strongest = [float(each.max()) for each in (mean[:middle], mean[middle:])]
    if max(strongest) < THRESHOLDS.stands_out * float(np.median(mean)):
        return False
    band = Band.of_bins(halves[int(np.argmin(strongest))])
    channel = Channel(band.centre, band.width / 1.25, min(1.0, 1.5 * band.width))
    return is_noise(np.concatenate(list(select([part], channel))))


def is_raised(piece: Piece, box: Box) -> bool:
    """Whether the rest of the band is louder as well while a box is on: more gain, not a signal."""
    if box.snr > THRESHOLDS.weak:
        return False
    low, high = box.bins
    rest = piece.noise.filled.copy()
    rest[low:high] = False
    if rest.sum() < (1 - THRESHOLDS.whole_band) * piece.noise.filled.sum():
        return False
    rows = np.flatnonzero(box.active) + box.rows[0]
    ratio = piece.ratio[rows].mean(axis=0)
    own, others = float(np.median(ratio[low:high])), float(np.median(ratio[rest]))
    return others - 1 > THRESHOLDS.raised * (own - 1)
