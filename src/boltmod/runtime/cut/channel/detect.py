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
from boltmod.runtime.cut.channel import front_end, noise, prefix
from boltmod.runtime.cut.channel.boxes import (
    MIN_BINS,
    MOST,
    Box,
    Piece,
    bursts_in,
    excerpt_of,
)
from boltmod.runtime.cut.channel.detection import Detection, Found, Span
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
from boltmod.runtime.cut.channel.noise import is_mostly_noise
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
        narrow: Signals that leave most of the band to others (ratio).
        of_whole: Power of lines and bursts over all that there is, at most, beside what fills most
            of the band (ratio).
        quietest: Quantile of the bins that tells the floor beside what fills most of the band
            (ratio).
        step_db: How far (dB) such a thing stands out of that floor, at least.
        pieces: Spans from which on silence between them is a keyed carrier's (count).
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
    narrow: float = 0.1
    of_whole: float = 0.03
    quietest: float = 0.02
    step_db: float = 4.0
    floor: float = 0.3
    pieces: int = 8


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
    kept, noise = _look(cleaned, remembered)
    is_pieces = all(len(each.spans) >= THRESHOLDS.pieces for each in kept)
    silent = front_end.with_floor(cleaned) if is_pieces else None
    if silent is None:
        return kept, noise
    again = _look(silent, remembered)
    return again if again[0] else (kept, noise)


def _look(cleaned: Cleaned, remembered: Floats | None) -> tuple[list[Detection], Floats | None]:
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
    bursts, always = grouped(piece, boxes), _continuous(piece, boxes)
    if has_gain:
        bursts = [
            (replace(e, is_doubtful=e.snr_db < THRESHOLDS.doubtful_db), power)
            for e, power in bursts
        ]
    found = distinct(piece, bursts, always)
    kept = [
        each[0]
        for each in found[:MOST]
        if not each[0].snr_db < THRESHOLDS.snr_db
        and not any(is_far_below(each, o) for o in found)
        and not is_tail(each, found)
        and not is_sidelobe(each, found)
    ]
    return kept, piece.noise.shape


def _continuous(piece: Piece, boxes: list[Box]) -> list[Found]:
    """What stands out of the floor all the time."""
    shape, filled = piece.noise.shape, piece.noise.filled
    floor = float(np.quantile(shape[filled], THRESHOLDS.floor))
    bands = _bands(shape / floor * filled, THRESHOLDS.continuous_db)
    blank = piece.seen.is_blank
    heard = np.ones(len(piece.seen.power), np.bool_) if blank is None else ~blank
    rows = np.flatnonzero(heard)
    found = [each for band in bands for each in _stands_out(piece, rows, band, floor)]
    for low, high in bands:
        if high - low > THRESHOLDS.half_band * len(shape):
            # It may be what a receiver's filter lets through, with signals in it.
            level = float(np.quantile(shape[low:high], THRESHOLDS.floor))
            inner = _bands(shape[low:high] / level, THRESHOLDS.continuous_db)
            for a, b in inner:
                found += _stands_out(piece, rows, (low + a, low + b), level)
    found = _tones_joined(piece, found, rows)
    whole = float(shape.sum())
    bursts = sum(box.power * box.active.sum() for box in boxes) / len(rows)
    lines = sum(power for each, power in found if each.band.width < THRESHOLDS.narrow)
    if (
        max(bursts, lines) < THRESHOLDS.of_whole * whole
        and all(each.band.width < THRESHOLDS.narrow for each, _ in found)
    ):  # fmt: skip
        found += _fills_most(piece, rows, not boxes and not found)
    return found


def _stands_out(piece: Piece, rows: NDArray[np.intp], band: Bins, floor: float) -> list[Found]:
    """The signals in a band that stands out of a floor."""
    low, high = band
    shape = piece.noise.shape
    excess = np.maximum(shape[low:high] - floor, 0)
    excerpt = excerpt_of(piece, rows, band)
    freedom = len(piece.seen.power) * piece.seen.rows_alone * 1.5
    around = _around_line(excess)
    found = []
    for a, b in [(0, len(excess))] if around else apart(excerpt, excess, freedom):
        total = float(excess[a:b].sum())
        first, end = around or occupied(excess[a:b])
        noise_power = max(floor * (end - first), total * 1e-10)
        detection = Detection(
            Band.of_bins((low + a + first, low + a + end)),
            _spans(piece, rows),
            float(10 * np.log10(total / noise_power)),
            end - first > THRESHOLDS.half_band * len(shape),
        )
        found.append((detection, total))
    return found


def _spans(piece: Piece, rows: NDArray[np.intp]) -> tuple[Span, ...]:
    if len(rows) == len(piece.seen.power):
        return ((0, piece.seen.n_samples),)
    heard = np.zeros(len(piece.seen.power), np.bool_)
    heard[rows] = True
    return runs(piece.seen, heard)


def _fills_most(piece: Piece, rows: NDArray[np.intp], is_alone: bool) -> list[Found]:
    """A signal over most of the band: what is above the quietest bins, or all of it.

    It is as doubtful as noise that the receiver's filters have shaped, unless it has a cyclic
    prefix. Where lines or bursts are there as well nothing else is believed: a clock might be that
    of their distance.
    """
    symbols = prefix.find(piece.samples, THRESHOLDS.half_band)
    if symbols is None and not is_alone:
        return []
    shape, filled = piece.noise.shape, piece.noise.filled
    quietest, floor, middle = np.quantile(
        shape[filled], [THRESHOLDS.quietest, THRESHOLDS.floor, 0.5]
    )
    below, bands = 0.0, list[Bins]()
    if filled.mean() < THRESHOLDS.whole_band:
        bands = _bands(filled * 2.0, 0.0)
    elif middle > quietest * 10 ** (THRESHOLDS.step_db / 10):
        floor = below = float(quietest)
        bands = _bands(shape / np.sqrt(quietest * middle) * filled, 0.0)
        bands = [band for band in bands if band[1] - band[0] > THRESHOLDS.half_band * len(shape)]
    is_whole = not bands
    if is_whole and symbols is None and is_mostly_noise(piece.samples):
        return []
    found = []
    for low, high in bands or [(0, len(shape))]:
        excess = np.maximum(shape[low:high] - below, 0)
        first, end = occupied(excess)
        total = float(excess.sum())
        snr_db = 10 * np.log10(total / max(floor * (end - first), total * 1e-10))
        detection = Detection(
            Band.of_bins((low + first, low + end)),
            _spans(piece, rows),
            np.nan if is_whole else float(snr_db),
            symbols is None,
        )
        found.append((detection, total))
    return found


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
