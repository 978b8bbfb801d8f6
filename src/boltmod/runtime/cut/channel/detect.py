"""Signals in a band: where they are in frequency and when in time, by their energy.

Two things give a signal away: power that comes and goes above the noise of the same bins
(bursts, on whatever noise the receiver's filters have shaped), and power that stands out of the
whole band's quiet level all the time.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.band import N_BINS, Band, Bins, occupied
from boltmod.runtime.cut.channel import noise
from boltmod.runtime.cut.channel.boxes import (
    FAR_BELOW_ALL_DB,
    FAR_BELOW_DB,
    MIN_BINS,
    MOST,
    MOSTLY,
    Box,
    Piece,
    bursts_in,
    excerpt_of,
)
from boltmod.runtime.cut.channel.detection import Detection, Found, Span
from boltmod.runtime.cut.channel.front_end import Cleaned, clean
from boltmod.runtime.cut.channel.groups import SPLATTER, grouped
from boltmod.runtime.cut.channel.humps import MEASURED_SAMPLES, Excerpt, apart, are_one, take_turns
from boltmod.runtime.cut.channel.noise import is_noise
from boltmod.runtime.cut.channel.select import Channel, select
from boltmod.runtime.cut.channel.spectrogram import Spectrogram, spectrogram

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_NOTHING = 1e-60
"""Power too small for arithmetic with it."""
_CONTINUOUS_DB = 8.0
_QUIET_BINS = 0.15
_LOUD = 4.0
_FLAT_SHARE = 0.1
_SETTLING = 0.15
_SPUR_DB = 10.0
_LINE_BINS = 4
"""Bins to either side that the window spreads a line over."""
_LINE_SHARE = 0.8
_ALIKE_SIDES = 4.0
_PRODUCT_DB = 10.0
_PRODUCTS = (-1, 2, -2, 3, -3, 5, -5)
_NEAR_PRODUCT = 1 / 512
_MIN_SNR_DB = 1.0
_WHOLE_BAND = 0.8
_WIDE = 12
_BEYOND = 0.01
_FLAT = 4.0
_RAISED = 0.4
_LASTING = 4 * N_BINS
"""Samples that a burst is on for, at least, to have spurs: an impulse is not."""
_WEAK = 10.0
_DOUBTFUL_DB = 6.0
_HALF_BAND = 0.5
_JUDGED = 1 << 15
_JUDGED_LEAST = 1000
_ABOVE = 4.0
_OVERLAP = 0.2
_FLOOR = 0.3
"""Quantile of the bins that is taken for the floor that continuous signals stand on."""


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
    if len(seen.heard.power) < 2 or seen.heard.power.max() < _NOTHING:
        return [], remembered
    piece = _settled(Piece(samples, seen, noise.measure(seen, remembered, steady=True)))
    boxes = bursts_in(piece)
    has_gain = any(_is_gain(piece, box) for box in boxes)
    if has_gain:
        piece = Piece(samples, piece.seen, noise.measure(piece.seen, remembered))
        boxes = bursts_in(piece)
    boxes = [box for box in boxes if not _is_raised(piece, box)]
    bursts, always = grouped(piece, boxes), _continuous(piece, not boxes)
    if has_gain:
        bursts = [(replace(e, is_doubtful=e.snr_db < _DOUBTFUL_DB), power) for e, power in bursts]
    found = _distinct(piece, bursts, always)
    kept = [
        each[0]
        for each in found[:MOST]
        if each[0].snr_db >= _MIN_SNR_DB
        and not any(_is_far_below(each, o) for o in found)
        and not _is_tail(each, found)
    ]
    return kept, piece.noise.shape


def _is_far_below(found: Found, other: Found) -> bool:
    """Whether a signal is so weak beside another that it depends on it."""
    below_db = 10 * np.log10(other[1] / max(found[1], _NOTHING))
    if below_db > _PRODUCT_DB and _is_product(found[0].band, other[0].band):
        return _covers(other[0], found[0])
    if below_db < FAR_BELOW_DB:
        return False
    return below_db > FAR_BELOW_ALL_DB or _covers(other[0], found[0])


def _is_tail(found: Found, all_found: list[Found]) -> bool:
    """Whether it comes right before or after what is far stronger in its band, as a leak."""
    tail, least = found[0], found[1] * 10 ** (FAR_BELOW_DB / 10)
    ends = [
        edge
        for other, power in all_found
        if power >= least and _overlap(other, tail)
        for span in other.spans
        for edge in span
    ]
    return all(
        any(abs(edge - e) < 2 * N_BINS for edge in span for e in ends) for span in tail.spans
    )


def _is_product(band: Band, of: Band) -> bool:
    """Whether a band is where an overloaded receiver puts an image or a harmonic of another."""
    reach = (band.width + of.width) / 4 + _NEAR_PRODUCT
    places = (order * of.centre for order in _PRODUCTS)
    return any(abs((band.centre - place + 0.5) % 1 - 0.5) < reach for place in places)


def _settled(piece: Piece) -> Piece:
    """Without the time that a receiver's gain takes to settle, at the beginning.

    Then all of the band is far louder than afterwards, and nothing in it stands out.
    """
    seen = piece.seen
    heard = (
        np.flatnonzero(~seen.is_blank) if seen.is_blank is not None else np.arange(len(seen.power))
    )
    heard = heard[: max(2, int(_SETTLING * len(heard))) + 1]
    ratio = piece.ratio[heard][:, piece.noise.filled]
    floor = np.quantile(ratio, _QUIET_BINS, axis=1)
    is_loud = (floor > _LOUD) & (floor > _FLAT_SHARE * ratio.mean(axis=1))
    if is_loud.all() or not is_loud[0]:
        return piece
    is_blank = (
        np.zeros(len(seen.power), np.bool_) if seen.is_blank is None else seen.is_blank.copy()
    )
    is_blank[heard[: int(is_loud.argmin()) + 1]] = True
    return Piece(piece.samples, replace(seen, is_blank=is_blank), piece.noise)


def _distinct(piece: Piece, bursts: list[Found], always: list[Found]) -> list[Found]:
    """The signals without what is but a part of another, the strongest first.

    What is always there may be the noise that bursts stand on; else bursts in its band and beside
    it are its own fluctuations.
    """
    found = [each for each in always if not _is_floor(piece, each, bursts)]
    n_always = len(found)
    for each in sorted(bursts, key=lambda pair: -pair[1]):
        if any(_is_within(each, other) for other in found):
            continue
        steady = [other for other in found[:n_always] if not _is_spur(other, each)]
        if any(_is_beside(piece, each, other) for other in steady):
            continue
        found.append(each)
    lasting = [power for burst, power in bursts if _time_on(burst) >= _LASTING]
    strongest = max(lasting, default=0.0)
    heard = [e for e in found[:n_always] if e[1] > strongest * 10 ** (-FAR_BELOW_DB / 10)]
    apart = [_between(each, found[n_always:]) for each in heard]
    found = [*(each for each in apart if each is not None), *found[n_always:]]
    return sorted(found, key=lambda pair: -pair[1])


def _time_on(detection: Detection) -> int:
    return sum(end - start for start, end in detection.spans)


def _is_within(burst: Found, other: Found) -> bool:
    """Whether a burst is but a moment of a signal in its band; a far weaker line is none."""
    if not (_overlap(burst[0], other[0]) and _covers(other[0], burst[0])):
        return False
    return burst[0].band.is_same(other[0].band) or not _is_spur(other, burst)


def _is_spur(always: Found, burst: Found) -> bool:
    return always[1] < burst[1] * 10 ** (-_SPUR_DB / 10)


def _between(always: Found, bursts: list[Found]) -> Found | None:
    """What is always there, at the times when no far stronger burst is on in its band."""
    stronger = [each[0] for each in bursts if _is_spur(always, each)]
    over = [each for each in stronger if _overlap(always[0], each)]
    spans = _without(always[0].spans, over)
    if not spans:
        return None
    return replace(always[0], spans=spans, clear=_without(spans, stronger)), always[1]


def _without(spans: tuple[Span, ...], others: list[Detection]) -> tuple[Span, ...]:
    """What is left of spans when others are off."""
    for start, end in sorted(span for each in others for span in each.spans):
        spans = tuple(
            part
            for a, b in spans
            for part in ((a, min(b, start)), (max(a, end), b))
            if part[0] < part[1]
        )
    return spans


def _is_floor(piece: Piece, always: Found, bursts: list[Found]) -> bool:
    """Whether what is always there is noise wherever no burst is on in its band."""
    over = [burst for burst in bursts if _overlap(always[0], burst[0])]
    if not over:
        return False
    blank = _runs(piece.seen, piece.seen.is_blank)
    busy = sorted([*blank, *(span for burst in over for span in burst[0].spans)])
    ends = [0, *np.maximum.accumulate([end for _, end in busy]).tolist()]
    starts = [*(start for start, _ in busy), piece.seen.n_samples]
    gaps = [(b - a, a) for a, b in zip(ends, starts, strict=True)]
    length, first = max(gaps)
    band = always[0].band
    rate = min(1.0, 1.5 * band.width)
    if length * rate < _JUDGED_LEAST:
        return max(power for _, power in over) > _ABOVE * always[1]
    part = piece.samples[first : first + min(length, int(_JUDGED / rate))]
    channel = Channel(band.centre, band.width / 1.25, rate)
    return is_noise(np.concatenate(list(select([part], channel))))


def _is_beside(piece: Piece, found: Found, all_the_time: Found) -> bool:
    """Whether a burst next to a signal's band is splatter, or a wider moment, of that signal."""
    (burst, power), (always, whole_power) = found, all_the_time
    gap = -burst.band.overlap(always.band)
    if gap <= always.band.width and power < SPLATTER * whole_power:
        return True
    if gap > burst.band.width / 2:
        return False
    start, end = max(burst.spans, key=lambda span: span[1] - span[0])
    excerpt = Excerpt(piece.samples[start : min(end, start + MEASURED_SAMPLES)], 0)
    return are_one(excerpt, burst.band.bins, always.band.bins)


def _overlap(one: Detection, other: Detection) -> bool:
    least = _OVERLAP * min(one.band.width, other.band.width)
    return one.band.overlap(other.band) > least


def _covers(one: Detection, other: Detection) -> bool:
    """Whether one is on most of the time that the other is."""
    common = sum(max(0, min(b, d) - max(a, c)) for a, b in one.spans for c, d in other.spans)
    return common > MOSTLY * sum(d - c for c, d in other.spans)


def _is_gain(piece: Piece, box: Box) -> bool:
    """Whether a box is but louder noise: as wide as the receiver's filters, of the same shape."""
    low, high = box.bins
    shape = piece.noise.shape
    filled = shape > float(np.median(shape[low:high])) * _BEYOND
    if high - low < _WIDE or filled[low:high].sum() < _WHOLE_BAND * filled.sum():
        return False
    rows = np.flatnonzero(box.active) + box.rows[0]
    ratio = piece.ratio[rows, low:high].mean(axis=0)
    least, most = np.quantile(ratio, [0.1, 0.9])
    if most > _FLAT * least:
        return False
    first, last = piece.seen.sample_of(int(rows[0])), piece.seen.sample_of(int(rows[-1]) + 1)
    middle = (first + last) // 2
    part = piece.samples[max(first, middle - _JUDGED) : min(last, middle + _JUDGED)]
    return is_noise(part)


def _is_raised(piece: Piece, box: Box) -> bool:
    """Whether the rest of the band is louder as well while a box is on: more gain, not a signal."""
    if box.snr > _WEAK:
        return False
    low, high = box.bins
    rest = piece.noise.filled.copy()
    rest[low:high] = False
    if rest.sum() < (1 - _WHOLE_BAND) * piece.noise.filled.sum():
        return False
    rows = np.flatnonzero(box.active) + box.rows[0]
    ratio = piece.ratio[rows].mean(axis=0)
    own, others = float(np.median(ratio[low:high])), float(np.median(ratio[rest]))
    return others - 1 > _RAISED * (own - 1)


def _continuous(piece: Piece, is_alone: bool) -> list[Found]:
    """What stands out of the floor all the time.

    The whole band within a receiver's filters, where nothing else stands out, is doubtful.
    """
    shape, filled = piece.noise.shape, piece.noise.filled
    floor = float(np.quantile(shape[filled], _FLOOR))
    found = []
    bands = [(band, False) for band in _bands(shape / floor * filled, _CONTINUOUS_DB)]
    if not bands and is_alone and filled.mean() < _WHOLE_BAND:
        bands = [(band, True) for band in _bands(filled * 2.0, 0.0)]
    blank = piece.seen.is_blank
    heard = np.ones(len(piece.seen.power), np.bool_) if blank is None else ~blank
    everywhere = ((0, piece.seen.n_samples),) if heard.all() else _runs(piece.seen, heard)
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
                is_doubtful or end - first > _HALF_BAND * len(shape),
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
    if strong > _ALIKE_SIDES * weak or wide > 2 * narrow + 4 / N_BINS:
        return False
    low = one[0].band.bins[0]
    excerpt = excerpt_of(piece, rows, (low, other[0].band.bins[1]))
    bands = [tuple(edge - low for edge in each[0].band.bins) for each in (one, other)]
    return take_turns(excerpt, (bands[0][0], bands[0][1]), (bands[1][0], bands[1][1]))


def _runs(seen: Spectrogram, rows: Flags | None) -> tuple[Span, ...]:
    """Samples of the rows that are marked."""
    if rows is None:
        return ()
    labels, _ = ndimage.label(rows)
    return tuple(
        (seen.sample_of(part[0].start), seen.sample_of(part[0].stop))
        for part in ndimage.find_objects(labels)
    )


def _around_line(excess: Floats) -> Bins | None:
    """What a carrier and its sidebands fill, if a line is most of the power and they are alike."""
    line = int(excess.argmax())
    low, high = max(0, line - _LINE_BINS), min(len(excess), line + _LINE_BINS + 1)
    below, above = excess[:low], excess[high:]
    if (
        excess[low:high].sum() < _LINE_SHARE * excess.sum()
        or min(len(below), len(above)) < MIN_BINS
    ):
        return None
    sides = sorted((float(below.sum()), float(above.sum())))
    if sides[0] * _ALIKE_SIDES < sides[1]:
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
