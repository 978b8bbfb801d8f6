"""Parts of the plane of time and frequency in which there is more than noise.

Source: Urkowitz, "Energy detection of unknown deterministic signals", Proc. IEEE 55 (1967) 523-531.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.band import N_BINS, occupied
from boltmod.runtime.cut.channel.humps import MEASURED_SAMPLES, Excerpt, apart
from boltmod.runtime.cut.channel.noise import SMOOTH_BINS, Noise
from boltmod.runtime.cut.channel.spectra import mean_exceeded
from boltmod.runtime.cut.channel.spectrogram import Spectrogram

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MIN_BINS = 3
MOST = 256


@dataclass(frozen=True)
class Thresholds:
    """When there is more than noise, and where it ends.

    Args:
        false_alarm: Probability that a cell of noise is taken for a signal. Source: Urkowitz,
            above.
        burst_db: A burst stands out at least so far (dB), however long it is.
        rows_together: Rows that are averaged to look for short and long bursts (count).
        far_below_db: A signal so far (dB) below another that is on with it is a spur or a splatter
            of that: receivers of 8 bits have spurs up to there.
        far_below_all_db: What is so far (dB) below the strongest is one whenever it is on.
        mostly: Share of its time that a signal is on with another, at least, to depend on it
            (ratio).
        change_rows: Rows before and after a change of the spectrum (independent rows).
        change_full_db: Level over the noise (dB) above which a bin counts no more.
        change: A spectrum, in dB above the noise, that differs by this share from what it was is
            another signal's (ratio).
        certain: Deviations of the noise's power that a burst stands out by, all of it taken
            together (count).
        wide_bins: Narrower boxes hold too little beside a signal to tell a pedestal (bins).
        peak: Power of a signal's strongest bin over the pedestal's that it stands on (ratio).
        over_pedestal: What is taken away of the pedestal (ratio): its bins vary.
        off: A signal is off in rows that have less than that of its power (ratio).
        packet: Samples of a packet that is looked at by itself, at least (count).
    """

    false_alarm: float = 1e-8
    burst_db: float = 2.5
    rows_together: tuple[int, ...] = (3, 15, 63)
    far_below_db: float = 25.0
    far_below_all_db: float = 40.0
    mostly: float = 0.8
    change_rows: float = 6
    change_full_db: float = 20.0
    change: float = 0.5
    certain: float = 15.0
    wide_bins: int = 64
    peak: float = 300.0
    over_pedestal: float = 2.0
    off: float = 0.01
    packet: int = 1024


THRESHOLDS = Thresholds()


@dataclass(frozen=True)
class Piece:
    """A piece of a recording that signals are looked for in.

    Args:
        samples: The piece.
        seen: Its power over time and frequency.
        noise: Its noise.
    """

    samples: Samples
    seen: Spectrogram
    noise: Noise

    @cached_property
    def level(self) -> Floats:
        """Power of the noise."""
        return self.noise.level

    @cached_property
    def ratio(self) -> Floats:
        """Power over noise, 0 beyond the receiver's filters and where there was no reception."""
        ratio = np.where(self.noise.filled, self.seen.power / self.level, 0.0)
        if self.seen.is_blank is not None:
            ratio[self.seen.is_blank] = 0.0
        return ratio


@dataclass(frozen=True)
class Box:
    """Rows and bins that one signal fills, and the spectrum of its power above the noise."""

    rows: tuple[int, int]
    bins: tuple[int, int]
    active: Flags
    power: float
    snr: float


def bursts_in(piece: Piece) -> list[Box]:
    """Boxes of what comes and goes above the noise, the loudest first."""
    labels, _ = ndimage.label(_over(piece))
    parts = []
    for number, (rows, bins) in enumerate(ndimage.find_objects(labels), 1):
        if bins.stop - bins.start >= MIN_BINS:
            active = (labels[rows, bins] == number).any(axis=1)
            numbers = np.flatnonzero(active) + rows.start
            power = float(_excess(piece, numbers, (bins.start, bins.stop)).sum())
            parts.append((power, rows.start, active, (bins.start, bins.stop)))
    parts.sort(key=lambda part: -part[0])
    loudest = np.zeros(len(piece.seen.power))
    near = N_BINS // piece.seen.samples_per_row
    boxes = []
    for power, first_row, active, band in parts[: 8 * MOST]:
        # A spur or splatter is there only while what makes it is.
        rows = np.flatnonzero(active) + first_row
        weakest = parts[0][0] * 10 ** (-THRESHOLDS.far_below_all_db / 10)
        weakest = max(
            weakest,
            float(np.quantile(loudest[rows], 1 - THRESHOLDS.mostly))
            * 10 ** (-THRESHOLDS.far_below_db / 10),
        )
        loudest = np.maximum(loudest, _on(rows, near, len(loudest)) * power)
        if power >= weakest:
            boxes += _described(piece, first_row, active, band, weakest)
    return boxes


def _on(rows: NDArray[np.intp], near: int, n_rows: int) -> Flags:
    """Rows that are these, or so near to one that both have samples in common."""
    on = np.zeros(n_rows, np.bool_)
    on[rows] = True
    return np.asarray(ndimage.binary_dilation(on, np.ones(2 * near + 1)), np.bool_)


def _over(piece: Piece) -> Flags:
    """Cells in which there is more than noise, small gaps closed."""
    ratio = piece.ratio
    over = np.zeros(ratio.shape, np.bool_)
    for n_rows in THRESHOLDS.rows_together:
        n = round(n_rows / piece.seen.rows_alone)
        if n > len(ratio) // 2:
            break
        freedom = max(1.0, n * piece.seen.rows_alone) * SMOOTH_BINS / 2
        least = max(
            mean_exceeded(THRESHOLDS.false_alarm, freedom), 10 ** (THRESHOLDS.burst_db / 10)
        )
        mean = ndimage.uniform_filter(ratio, (n, SMOOTH_BINS), mode=("nearest", "wrap"))
        over |= mean > least
    padded = np.pad(over & piece.noise.filled, ((4, 4), (4, 4)))
    closed = ndimage.binary_closing(padded, np.ones((5, 5)))[4:-4, 4:-4]
    if piece.seen.is_blank is not None:
        closed[piece.seen.is_blank] = False
    return np.asarray(closed, np.bool_)


def _described(
    piece: Piece, first_row: int, active: Flags, bins: tuple[int, int], weakest: float
) -> list[Box]:
    """The signals in a connected part of the plane of time and frequency."""
    boxes = []
    parts = []
    for start, end in _steady_parts(piece, first_row, active, bins):
        rows = np.flatnonzero(active[start - first_row : end - first_row]) + start
        if len(rows):
            parts.append((start, end, rows, _excess(piece, _inner(rows), bins)))
    loudest = max(float(excess.sum()) for *_, excess in parts)
    weakest = max(weakest, loudest * 10 ** (-THRESHOLDS.far_below_all_db / 10))
    for start, end, rows, excess in parts:
        if excess.sum() < weakest:
            continue
        freedom = len(rows) * piece.seen.rows_alone * 1.5
        for low, high in apart(excerpt_of(piece, rows, bins), excess, freedom):
            box = _box(piece, (start, end), (bins[0] + low, bins[0] + high), excess[low:high])
            if box is not None:
                boxes.append(box)
    return boxes


def excerpt_of(piece: Piece, rows: NDArray[np.intp], bins: tuple[int, int]) -> Excerpt:
    """Samples around the middle of the rows that have most of the power.

    Of packets the longest: a pause between them would make all powers go up and down together.
    """
    power = piece.seen.power[rows, slice(*bins)].sum(axis=1)
    loud = rows[power >= np.quantile(power, 0.95) / 2]
    longest = max(np.split(loud, np.flatnonzero(np.diff(loud) > 1) + 1), key=len)
    if len(longest) * piece.seen.samples_per_row >= THRESHOLDS.packet:
        loud = longest
    first, last = piece.seen.sample_of(int(loud[0])), piece.seen.sample_of(int(loud[-1]) + 1)
    spare = max(0, last - first - MEASURED_SAMPLES) // 2
    return Excerpt(piece.samples[first + spare : last - spare], bins[0])


def _steady_parts(
    piece: Piece, first_row: int, active: Flags, bins: tuple[int, int]
) -> list[tuple[int, int]]:
    """Rows from one change of the spectrum to the next, where one signal gives way to another."""
    end = first_row + len(active)
    n = max(2, round(THRESHOLDS.change_rows / piece.seen.rows_alone))
    if len(active) < 4 * n:
        return [(first_row, end)]
    rows = slice(first_row, end)
    ratio = ndimage.uniform_filter1d(piece.ratio[rows, bins[0] : bins[1]], SMOOTH_BINS, axis=1)
    sums = np.cumsum(np.concatenate([np.zeros((1, ratio.shape[1])), ratio]), axis=0)
    mean = (sums[n:] - sums[:-n]) / n
    level_db = np.clip(10 * np.log10(np.maximum(mean, 1e-9)), 0, THRESHOLDS.change_full_db)
    before, after = level_db[:-n], level_db[n:]
    change = np.abs(after - before).sum(axis=1) / np.maximum(
        np.maximum(before, after).sum(axis=1), 1e-9
    )
    peaks = (change == ndimage.maximum_filter1d(change, 2 * n + 1)) & (change > THRESHOLDS.change)
    cuts = [first_row + int(i) + n for i in np.flatnonzero(peaks)]
    edges = [first_row, *cuts, end]
    return [(a, b) for a, b in pairwise(edges) if b > a]


def _inner(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Rows without those at the edges, where keying clicks widen the spectrum, if enough stay."""
    together = np.isin(rows - 1, rows) & np.isin(rows + 1, rows)
    return rows[together] if together.sum() >= max(3, len(rows) // 4) else rows


def _excess(piece: Piece, rows: NDArray[np.intp], bins: tuple[int, int]) -> Floats:
    """Mean power of some rows above their noise."""
    own = slice(*bins)
    above = (piece.seen.power[rows, own] - piece.level[rows, own]).mean(axis=0)
    return np.asarray(np.maximum(above, 0), np.float64)


def _box(piece: Piece, rows: tuple[int, int], bins: tuple[int, int], excess: Floats) -> Box | None:
    total = float(excess.sum())
    if total <= 0:
        return None
    first, end = occupied(_without_pedestal(excess))
    bins = (bins[0] + first, bins[0] + end)
    plane = (slice(*rows), slice(*bins))
    above = (piece.seen.power[plane] - piece.level[plane]).sum(axis=1)
    quiet = piece.level[plane].sum(axis=1)
    freedom = (bins[1] - bins[0]) / 2 * piece.seen.rows_alone
    active = _active_rows(np.maximum(above / quiet + 1, 0), max(1.0, freedom))
    strength, noise_power = float(above[active].mean()), float(quiet[active].mean())
    certainty = strength / noise_power * np.sqrt(active.sum() * max(1.0, freedom))
    if strength <= 0 or certainty < THRESHOLDS.certain:
        return None
    numbers = np.flatnonzero(active)
    start, stop = int(numbers[0]), int(numbers[-1]) + 1
    return Box(
        (rows[0] + start, rows[0] + stop),
        bins,
        active[start:stop],
        strength,
        strength / noise_power,
    )


def _without_pedestal(excess: Floats) -> Floats:
    """Power without what an overloaded receiver, or an oscillator, spreads over the band."""
    pedestal = float(np.median(excess))
    if len(excess) < THRESHOLDS.wide_bins or excess.max() < THRESHOLDS.peak * pedestal:
        return excess
    return np.asarray(np.maximum(excess - THRESHOLDS.over_pedestal * pedestal, 0), np.float64)


def _active_rows(level: Floats, freedom: float) -> Flags:
    """Rows in which a signal is on: hysteresis between two levels; all if it never goes off.

    Args:
        level: Power over the noise's, 1 where there is nothing else.
        freedom: Independent measurements that a level is the mean of.
    """
    n_rows = int(np.clip(np.ceil(40 / freedom), 1, max(1, min(9, len(level) // 3))))
    level = ndimage.uniform_filter1d(level, n_rows, mode="nearest")
    loud = float(np.quantile(level, 0.95))
    if loud < 2:
        return np.ones(len(level), np.bool_)
    chance = 1 + 4 / np.sqrt(n_rows * freedom)
    low = max(min(chance, (1 + loud) / 2), loud**0.25, loud * THRESHOLDS.off)
    high = max(low, loud**0.5)
    labels, n = ndimage.label(ndimage.binary_closing(np.pad(level > low, 4), np.ones(5))[4:-4])
    keep = np.zeros(n + 1, np.bool_)
    keep[np.unique(labels[level > high])] = True
    keep[0] = False
    return np.asarray(keep[labels], np.bool_)
