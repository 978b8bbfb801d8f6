"""Which of the signals found depend on others: moments, spurs, splatter, products and leaks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from boltmod.runtime.cut.band import N_BINS, Band
from boltmod.runtime.cut.channel import boxes, groups
from boltmod.runtime.cut.channel.boxes import Piece
from boltmod.runtime.cut.channel.detection import Detection, Found, Span
from boltmod.runtime.cut.channel.humps import MEASURED_SAMPLES, Excerpt, are_one
from boltmod.runtime.cut.channel.noise import is_noise
from boltmod.runtime.cut.channel.select import Channel, select
from boltmod.runtime.cut.channel.spectrogram import Spectrogram

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

NOTHING = 1e-60
"""Power too small for arithmetic with it."""


@dataclass(frozen=True)
class Thresholds:
    """When a signal depends on another.

    Args:
        lasting: Samples that a burst is on for, at least, to have spurs (count): an impulse is not.
        spur_db: A steady line so far (dB) below a burst in its band does not hide it.
        above: Power of a burst over what is always there (ratio), too short a gap to judge that.
        judged: Samples whose amplitudes are looked at, at most (count).
        judged_least: The same, at least (count).
        overlap: Share of the narrower of two bands that both have (ratio).
        product_db: An image or harmonic is at least so far (dB) below what makes it.
        near_product: Distance from there, at most (cycles a sample).
        sidelobes: Powers of two sidelobes over each other, at most (ratio).
        products: Multiples of an offset at which an overloaded receiver has them (orders).
    """

    lasting: int = 4 * N_BINS
    spur_db: float = 10.0
    judged_least: int = 1000
    above: float = 4.0
    judged: int = 1 << 15
    overlap: float = 0.2
    product_db: float = 10.0
    near_product: float = 1 / 512
    sidelobes: float = 4.0
    products: tuple[int, ...] = (-1, 2, -2, 3, -3, 5, -5)


THRESHOLDS = Thresholds()


def distinct(piece: Piece, bursts: list[Found], always: list[Found]) -> list[Found]:
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
    lasting = [power for burst, power in bursts if _time_on(burst) >= THRESHOLDS.lasting]
    strongest = max(lasting, default=0.0)
    heard = [
        e
        for e in found[:n_always]
        if e[1] > strongest * 10 ** (-boxes.THRESHOLDS.far_below_db / 10)
    ]
    apart = [_between(each, found[n_always:]) for each in heard]
    found = [*(each for each in apart if each is not None), *found[n_always:]]
    return sorted(found, key=lambda pair: -pair[1])


def _is_within(burst: Found, other: Found) -> bool:
    """Whether a burst is but a moment of a signal in its band; a far weaker line is none."""
    if not (_overlap(burst[0], other[0]) and _covers(other[0], burst[0])):
        return False
    return burst[0].band.is_same(other[0].band) or not _is_spur(other, burst)


def _time_on(detection: Detection) -> int:
    return sum(end - start for start, end in detection.spans)


def _is_spur(always: Found, burst: Found) -> bool:
    return always[1] < burst[1] * 10 ** (-THRESHOLDS.spur_db / 10)


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
    blank = runs(piece.seen, piece.seen.is_blank)
    busy = sorted([*blank, *(span for burst in over for span in burst[0].spans)])
    ends = [0, *np.maximum.accumulate([end for _, end in busy]).tolist()]
    starts = [*(start for start, _ in busy), piece.seen.n_samples]
    gaps = [(b - a, a) for a, b in zip(ends, starts, strict=True)]
    length, first = max(gaps)
    band = always[0].band
    rate = min(1.0, 1.5 * band.width)
    if length * rate < THRESHOLDS.judged_least:
        return max(power for _, power in over) > THRESHOLDS.above * always[1]
    part = piece.samples[first : first + min(length, int(THRESHOLDS.judged / rate))]
    channel = Channel(band.centre, band.width / 1.25, rate)
    return is_noise(np.concatenate(list(select([part], channel))))


def _is_beside(piece: Piece, found: Found, all_the_time: Found) -> bool:
    """Whether a burst next to a signal's band is splatter, or a wider moment, of that signal."""
    (burst, power), (always, whole_power) = found, all_the_time
    gap = -burst.band.overlap(always.band)
    if gap <= always.band.width and power < groups.THRESHOLDS.splatter * whole_power:
        return True
    if gap > burst.band.width / 2:
        return False
    start, end = max(burst.spans, key=lambda span: span[1] - span[0])
    excerpt = Excerpt(piece.samples[start : min(end, start + MEASURED_SAMPLES)], 0)
    return are_one(excerpt, burst.band.bins, always.band.bins)


def _overlap(one: Detection, other: Detection) -> bool:
    least = THRESHOLDS.overlap * min(one.band.width, other.band.width)
    return one.band.overlap(other.band) > least


def _covers(one: Detection, other: Detection) -> bool:
    """Whether one is on most of the time that the other is."""
    common = sum(max(0, min(b, d) - max(a, c)) for a, b in one.spans for c, d in other.spans)
    return common > boxes.THRESHOLDS.mostly * sum(d - c for c, d in other.spans)


def is_far_below(found: Found, other: Found) -> bool:
    """Whether a signal is so weak beside another that it depends on it."""
    below_db = 10 * np.log10(other[1] / max(found[1], NOTHING))
    if below_db > THRESHOLDS.product_db and _is_product(found[0].band, other[0].band):
        return _covers(other[0], found[0])
    if below_db < boxes.THRESHOLDS.far_below_db:
        return False
    return below_db > boxes.THRESHOLDS.far_below_all_db or _covers(other[0], found[0])


def is_tail(found: Found, all_found: list[Found]) -> bool:
    """Whether it comes right before or after what is far stronger in its band, as a leak."""
    tail, least = found[0], found[1] * 10 ** (boxes.THRESHOLDS.far_below_db / 10)
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


def is_sidelobe(found: Found, all_found: list[Found]) -> bool:
    """Whether it is one of two, as far from a burst to either side and as strong as each other.

    They come and go with it: the sidelobes of hard keying.
    """
    least = found[1] * 10 ** (THRESHOLDS.product_db / 10)
    for whole, power in all_found:
        if power < least or not _come_together(found[0], whole):
            continue
        place = 2 * whole.band.centre - found[0].band.centre
        for other, its in all_found:
            reach = (other.band.width + found[0].band.width) / 4 + THRESHOLDS.near_product
            is_like = max(its, found[1]) < THRESHOLDS.sidelobes * min(its, found[1])
            if other is found[0] or other is whole or not is_like:
                continue
            if abs(other.band.centre - place) < reach and _come_together(other, whole):
                return True
    return False


def _come_together(one: Detection, other: Detection) -> bool:
    """Whether one begins and ends when another does, and not with the recording."""
    begins, ends = ([span[place] for span in other.spans] for place in (0, 1))
    first, end = one.spans[0][0], one.spans[-1][1]
    is_near = all(
        min(abs(edge - each) for each in edges) < N_BINS
        for edge, edges in ((first, begins), (end, ends))
    )
    return first > 0 and is_near and _covers(other, one)


def _is_product(band: Band, of: Band) -> bool:
    """Whether a band is where an overloaded receiver puts an image or a harmonic of another."""
    reach = (band.width + of.width) / 4 + THRESHOLDS.near_product
    places = (order * of.centre for order in THRESHOLDS.products)
    return any(abs((band.centre - place + 0.5) % 1 - 0.5) < reach for place in places)


def runs(seen: Spectrogram, rows: Flags | None) -> tuple[Span, ...]:
    """Samples of the rows that are marked."""
    if rows is None:
        return ()
    labels, _ = ndimage.label(rows)
    return tuple(
        (seen.sample_of(part[0].start), seen.sample_of(part[0].stop))
        for part in ndimage.find_objects(labels)
    )
