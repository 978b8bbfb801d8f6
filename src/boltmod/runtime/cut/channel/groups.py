"""Which boxes are of one signal: those of one band, tones that take turns, splatter."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from boltmod.runtime.cut.band import Band
from boltmod.runtime.cut.channel import boxes
from boltmod.runtime.cut.channel.boxes import Box, Piece, excerpt_of
from boltmod.runtime.cut.channel.detection import Detection, Found, Span
from boltmod.runtime.cut.channel.humps import are_one, take_turns
from boltmod.runtime.cut.channel.spectrogram import Spectrogram

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Thresholds:
    """Which boxes are of one signal.

    Args:
        short_part: Time of a part beside a signal over the signal's, at most (ratio).
        amid_part: The same of one amid it (ratio).
        passes: Times that parts are looked for anew (count).
        part_power: Power of a part over the signal's, at least (ratio).
        splatter: So weak beside a signal (ratio of powers), and on with it, is splatter.
        beside: Rows between a part and its signal, at most (count).
        turns: Changes from one tone to the other, at least (count).
        turn_widths: Distance of two tones, at most (widths of the wider one).
        far_widths: The same of two that are as strong as each other and never on together (widths).
        alike: Powers of tones over each other, at most (ratio).
        cells: Time times bandwidth, at least (cells): 16 symbols.
    """

    short_part: float = 0.25
    amid_part: float = 0.15
    passes: int = 3
    part_power: float = 0.1
    splatter: float = 0.02
    beside: int = 3
    turns: int = 6
    turn_widths: int = 4
    far_widths: int = 16
    alike: float = 40.0
    cells: float = 16.0


THRESHOLDS = Thresholds()


def grouped(piece: Piece, boxes: list[Box]) -> list[Found]:
    """Boxes of the same band are one signal that comes and goes."""
    groups: list[_Group] = []
    for box in sorted(boxes, key=lambda box: -box.power * box.active.sum()):
        group = next((g for g in groups if _is_alike(g, box) or _is_part(g, box)), None)
        if group is None:
            groups.append(_Group([box]))
        else:
            group.boxes.append(box)
    groups = _absorbed(_joined(piece, groups))
    found = [_as_detection(piece, group) for group in groups]
    return [pair for pair in found if _longest(pair[0]) * pair[0].band.width >= THRESHOLDS.cells]


@dataclass
class _Group:
    """Boxes of one signal, the one with the most energy first."""

    boxes: list[Box]

    @property
    def bins(self) -> tuple[int, int]:
        return self.boxes[0].bins

    @property
    def n_rows(self) -> int:
        return sum(int(box.active.sum()) for box in self.boxes)

    def rows_on(self, n: int) -> Flags:
        on = np.zeros(n, np.bool_)
        for box in self.boxes:
            on[slice(*box.rows)] |= box.active
        return on


def _longest(detection: Detection) -> int:
    return max(end - start for start, end in detection.spans)


def _is_alike(group: _Group, box: Box) -> bool:
    return Band.of_bins(group.bins).is_same(Band.of_bins(box.bins))


def _is_part(group: _Group, box: Box) -> bool:
    """Whether a box is a click, or a run of one tone, beside a much longer part of a signal."""
    (a, b), (c, d) = group.bins, box.bins
    common = min(b, d) - max(a, c)
    if common < 0.5 * min(b - a, d - c) or box.active.sum() > THRESHOLDS.short_part * group.n_rows:
        return False
    if box.power < THRESHOLDS.part_power * group.boxes[0].power:
        return False
    first = min(other.rows[0] for other in group.boxes)
    last = max(other.rows[1] for other in group.boxes)
    is_amid = first <= box.rows[0] and box.rows[1] <= last
    return (is_amid and box.active.sum() < THRESHOLDS.amid_part * group.n_rows) or any(
        box.rows[0] <= other.rows[1] + THRESHOLDS.beside
        and other.rows[0] <= box.rows[1] + THRESHOLDS.beside
        for other in group.boxes
    )


def _joined(piece: Piece, groups: list[_Group]) -> list[_Group]:
    """Groups near each other that depend on each other are one signal.

    The tones of a slow frequency-shift keyed signal take turns again and again. Powers that come
    and go together are those of a signal and its splatter, which does not widen its band.
    """
    joined: list[_Group] = []
    n_rows = len(piece.seen.power)
    for group in groups:
        for place, other in enumerate(joined):
            (a, b), (c, d) = group.bins, other.bins
            is_far = max(a, c) - min(b, d) > THRESHOLDS.turn_widths * max(b - a, d - c)
            if is_far and not _are_far_tones(piece, group, other):
                continue
            on, their = group.rows_on(n_rows), other.rows_on(n_rows)
            is_splatter = (
                group.boxes[0].power < THRESHOLDS.splatter * other.boxes[0].power
                and max(a, c) - min(b, d) <= d - c
                and (on & their).sum() > boxes.THRESHOLDS.mostly * on.sum()
            )
            are_tones = is_far or _take_turns(on, their) or _are_tones(piece, group, other)
            if are_tones or is_splatter or _vary_together(piece, group, other, on & their):
                first = other.boxes[0]
                is_strong = group.boxes[0].power > THRESHOLDS.part_power * first.power
                if are_tones or is_strong:
                    first = replace(first, bins=(min(a, c), max(b, d)))
                    joined[place] = _Group([first, *other.boxes[1:], *group.boxes])
                break
        else:
            joined.append(group)
    return joined


def _are_far_tones(piece: Piece, one: _Group, other: _Group) -> bool:
    """Whether two humps far apart are tones that take turns."""
    (a, b), (c, d) = sorted((one.bins, other.bins))
    narrow, wide = sorted((b - a, d - c))
    is_near = c - b <= THRESHOLDS.far_widths * wide and wide <= 2 * narrow
    return is_near and _are_tones(piece, one, other)


def _are_tones(piece: Piece, one: _Group, other: _Group) -> bool:
    """Whether one of two humps is on while the other is off, within the same packets.

    A transmitter, or the slope of a receiver's filter, makes one of two tones the stronger.
    """
    (a, b), (c, d) = sorted((one.bins, other.bins))
    weak, strong = sorted((one.boxes[0].power, other.boxes[0].power))
    n_rows = len(piece.seen.power)
    common = one.rows_on(n_rows) & other.rows_on(n_rows)
    if strong > THRESHOLDS.alike * weak or common.sum() < 0.5 * max(one.n_rows, other.n_rows):
        return False
    excerpt = excerpt_of(piece, np.flatnonzero(common), (a, d))
    return take_turns(excerpt, (0, b - a), (c - a, d - a))


def _absorbed(groups: list[_Group]) -> list[_Group]:
    """Groups without the boxes that turn out to be parts of a stronger group, now it is joined."""
    for _ in range(THRESHOLDS.passes):
        for place, group in enumerate(groups):
            left: list[Box] = []
            for box in group.boxes:
                whole = next((g for g in groups[:place] if g.boxes and _is_part(g, box)), None)
                (left if whole is None else whole.boxes).append(box)
            group.boxes = left
    return [group for group in groups if group.boxes]


def _take_turns(on: Flags, their: Flags) -> bool:
    order = np.where(on, 1, -1)[on != their]
    turns = int((np.diff(order) != 0).sum())
    return turns >= THRESHOLDS.turns and bool(
        (on & their).sum() < 0.25 * min(on.sum(), their.sum())
    )


def _vary_together(piece: Piece, group: _Group, other: _Group, common: Flags) -> bool:
    if common.sum() < 0.5 * group.n_rows:
        return False
    low, high = min(group.bins[0], other.bins[0]), max(group.bins[1], other.bins[1])
    excerpt = excerpt_of(piece, np.flatnonzero(common), (low, high))
    bands = [(each.bins[0] - low, each.bins[1] - low) for each in (group, other)]
    return are_one(excerpt, bands[0], bands[1])


def _as_detection(piece: Piece, group: _Group) -> tuple[Detection, float]:
    on = group.rows_on(len(piece.seen.power))
    first = group.boxes[0]
    detection = Detection(
        Band.of_bins(group.bins),
        _spans(on, piece.seen),
        float(10 * np.log10(first.snr)),
    )
    return detection, max(box.power for box in group.boxes)


def _spans(on: Flags, seen: Spectrogram) -> tuple[Span, ...]:
    labels, _ = ndimage.label(ndimage.binary_closing(np.pad(on, 4), np.ones(5))[4:-4])
    n = len(on)
    return tuple(
        (
            seen.sample_of(part[0].start),
            seen.n_samples if part[0].stop == n else seen.sample_of(part[0].stop),
        )
        for part in ndimage.find_objects(labels)
    )
