"""Signals in a band: where they are in frequency and when in time, by their energy.

Two things give a signal away: power that comes and goes above the noise of the same bins
(bursts, on whatever noise the receiver's filters have shaped), and power that stands out of the
whole band's quiet level all the time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.band import N_BINS, Band, Bins, occupied
from boltmod.runtime.cut.channel import noise
from boltmod.runtime.cut.channel.boxes import (
    MIN_BINS,
    MOST,
    Piece,
    bursts_in,
    excerpt_of,
)
from boltmod.runtime.cut.channel.detection import Detection, Found
from boltmod.runtime.cut.channel.distinct import (
    NOTHING,
    distinct,
    is_far_below,
    is_sidelobe,
    is_tail,
    runs,
)
from boltmod.runtime.cut.channel.front_end import Cleaned, clean
from boltmod.runtime.cut.channel.gain import is_gain, is_raised, settled
from boltmod.runtime.cut.channel.groups import grouped
from boltmod.runtime.cut.channel.humps import apart, take_turns
from boltmod.runtime.cut.channel.spectrogram import spectrogram

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Thresholds:
    """What is a signal, and what a receiver's own.

    Args:
        continuous_db: What is always there stands so far (dB) above the floor: filters ripple by
            less.
        line_bins: Bins to either side that the window spreads a line over. Source: Harris, figure
            23.
        line_share: Share of a band's power in one line (ratio) that makes it a carrier and its
            sidebands.
        alike_sides: Powers of two sidebands, or two tones, over each other, at most (ratio).
        snr_db: SNR, at least (dB).
        whole_band: Share of the filled band that is all of it (ratio).
        doubtful_db: SNR (dB) below which a burst may be gain that was not taken out.
        half_band: Share of the band from which on noise may be the signal (ratio).
        floor: Quantile of the bins that is taken for the floor that continuous signals stand on
            (ratio).
    """

    continuous_db: float = 8.0
    line_bins: int = 4
    line_share: float = 0.8
    alike_sides: float = 4.0
    snr_db: float = 1.0
    whole_band: float = 0.8
    doubtful_db: float = 6.0
    half_band: float = 0.5
    floor: float = 0.3


THRESHOLDS = Thresholds()


def detect(samples: Samples, remembered: Floats | None = None) -> list[Detection]:
    """Find the signals in a piece of a recording, the strongest first.

    Args:
        samples: The piece.
        remembered: Shape of the noise in what came before, if anything did.
    """
    return look(clean(samples), remembered)[0]


def look(
    cleaned: Cleaned, remembered: Floats | None = None
) -> tuple[list[Detection], Floats | None]:
    """As `detect`, and the shape of the noise, to be remembered for the next piece."""
    samples = cleaned.samples
    seen = spectrogram(samples, cleaned.is_constant)
    if len(seen.heard.power) < 2 or seen.heard.power.max() < NOTHING:
        return [], remembered
    piece = settled(Piece(samples, seen, noise.measure(seen, remembered, steady=True)))
    boxes = bursts_in(piece)
    has_gain = any(is_gain(piece, box) for box in boxes)
    if has_gain:
        piece = Piece(samples, piece.seen, noise.measure(piece.seen, remembered))
        boxes = bursts_in(piece)
    boxes = [box for box in boxes if not is_raised(piece, box)]
    bursts, always = grouped(piece, boxes), _continuous(piece, not boxes)
    if has_gain:
        bursts = [
            (replace(e, is_doubtful=e.snr_db < THRESHOLDS.doubtful_db), power)
            for e, power in bursts
        ]
    found = distinct(piece, bursts, always)
    kept = [
        each[0]
        for each in found[:MOST]
        if each[0].snr_db >= THRESHOLDS.snr_db
        and not any(is_far_below(each, o) for o in found)
        and not is_tail(each, found)
        and not is_sidelobe(each, found)
    ]
    return kept, piece.noise.shape


def _continuous(piece: Piece, is_alone: bool) -> list[Found]:
    """What stands out of the floor all the time.

    The whole band within a receiver's filters, where nothing else stands out, is doubtful.
    """
    shape, filled = piece.noise.shape, piece.noise.filled
    floor = float(np.quantile(shape[filled], THRESHOLDS.floor))
    found = []
    bands = [(band, False) for band in _bands(shape / floor * filled, THRESHOLDS.continuous_db)]
    if not bands and is_alone and filled.mean() < THRESHOLDS.whole_band:
        bands = [(band, True) for band in _bands(filled * 2.0, 0.0)]
    blank = piece.seen.is_blank
    heard = np.ones(len(piece.seen.power), np.bool_) if blank is None else ~blank
    everywhere = ((0, piece.seen.n_samples),) if heard.all() else runs(piece.seen, heard)
    for (low, high), is_doubtful in bands:
        excess = np.maximum(shape[low:high] - (0.0 if is_doubtful else floor), 0)
        excerpt = excerpt_of(piece, np.flatnonzero(heard), (low, high))
        freedom = len(piece.seen.power) * piece.seen.rows_alone * 1.5
        around = _around_line(excess)
        for a, b in [(0, len(excess))] if around else apart(excerpt, excess, freedom):
            total = float(excess[a:b].sum())
            first, end = around or occupied(excess[a:b])
            noise_power = max(floor * (end - first), total * 1e-10)
            detection = Detection(
                Band.of_bins((low + a + first, low + a + end)),
                everywhere,
                float(10 * np.log10(total / noise_power)),
                is_doubtful or end - first > THRESHOLDS.half_band * len(shape),
            )
            found.append((detection, total))
    return _tones_joined(piece, found, np.flatnonzero(heard))


def _tones_joined(piece: Piece, found: list[Found], rows: NDArray[np.intp]) -> list[Found]:
    """Two lines as strong as each other that take turns are the tones of one signal."""
    for one in found:
        for other in found:
            if one[0].band.centre >= other[0].band.centre or not _are_tones(
                piece, one, other, rows
            ):
                continue
            low, high = one[0].band.bins[0], other[0].band.bins[1]
            weaker_db = min(one[0].snr_db, other[0].snr_db)
            apart_db = 10 * np.log10((high - low) / (2 * N_BINS * one[0].band.width))
            joined = replace(one[0], band=Band.of_bins((low, high)), snr_db=weaker_db - apart_db)
            return [(joined, one[1] + other[1]), *(e for e in found if e not in (one, other))]
    return found


def _are_tones(piece: Piece, one: Found, other: Found, rows: NDArray[np.intp]) -> bool:
    weak, strong = sorted((one[1], other[1]))
    narrow, wide = sorted((one[0].band.width, other[0].band.width))
    if strong > THRESHOLDS.alike_sides * weak or wide > 2 * narrow + 4 / N_BINS:
        return False
    low = one[0].band.bins[0]
    excerpt = excerpt_of(piece, rows, (low, other[0].band.bins[1]))
    bands = [tuple(edge - low for edge in each[0].band.bins) for each in (one, other)]
    return take_turns(excerpt, (bands[0][0], bands[0][1]), (bands[1][0], bands[1][1]))


def _around_line(excess: Floats) -> Bins | None:
    """What a carrier and its sidebands fill, if a line is most of the power and they are alike."""
    line = int(excess.argmax())
    low, high = (
        max(0, line - THRESHOLDS.line_bins),
        min(len(excess), line + THRESHOLDS.line_bins + 1),
    )
    below, above = excess[:low], excess[high:]
    if (
        excess[low:high].sum() < THRESHOLDS.line_share * excess.sum()
        or min(len(below), len(above)) < MIN_BINS
    ):
        return None
    sides = sorted((float(below.sum()), float(above.sum())))
    if sides[0] * THRESHOLDS.alike_sides < sides[1]:
        return None
    rest = excess.copy()
    rest[low:high] = 0
    return occupied(rest)


def _bands(ratio: NDArray[np.floating], threshold_db: float) -> list[tuple[int, int]]:
    """Runs of bins over the threshold, small gaps closed."""
    over = ratio > 10 ** (threshold_db / 10)
    over = ndimage.binary_closing(np.pad(over, 8), np.ones(5))[8:-8]
    labels, _ = ndimage.label(over)
    return [
        (part[0].start, part[0].stop)
        for part in ndimage.find_objects(labels)
        if part[0].stop - part[0].start >= MIN_BINS
    ]
