"""Thresholds in exact arithmetic: where an integer begins to be worth a level, and no rounding.

A network's numbers are float32, each of which is a fraction. Between two quantisers an accumulator
n becomes (g·n + m) / √v + b by scales, batch normalisation and its bias; a quantiser of step S
gives level k or more from (k − ½)·S on, ties going to the even level. Everything but √v is a
fraction, and √v is decided by squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, gcd, isqrt, lcm

import numpy as np

from boltmod.integer.form import Floats, Integers

_ROOT_BITS = 256
"""Bits behind the point of a root's first estimate; what it leaves open, squares decide."""
_ONE = 1 << 24
"""One, with the bits behind the point that all levels are estimated with."""
_MOST = 1 << 30
"""What such an estimate may be in a word of 64 bits, with room for sums."""


@dataclass(frozen=True)
class Affine:
    """What an accumulator n is worth: (gain·n + shift) / √root + offset."""

    gain: Fraction
    shift: Fraction = Fraction(0)
    root: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)


def fraction(value: float | np.floating) -> Fraction:
    """Return the fraction that a float is."""
    return Fraction(float(value))


def common(gains: list[Fraction]) -> tuple[Fraction, list[int]]:
    """Return the largest fraction that all are multiples of, and which multiples they are.

    Where all are zero, so is the fraction.
    """
    denominator = lcm(*(each.denominator for each in gains))
    wholes = [each.numerator * (denominator // each.denominator) for each in gains]
    divisor = gcd(*wholes)
    return Fraction(divisor, denominator), [whole // (divisor or 1) for whole in wholes]


def is_tie_up(level: int) -> bool:
    """Whether a value halfway below a level belongs to it: ties go to the even one."""
    return level % 2 == 0


def first_integers(affine: Affine, step: Fraction, levels: range) -> list[int]:
    """Return, for each level, the smallest integer that is worth it or more.

    All levels are estimated at once with 24 bits behind the point; those that lie nearer to an
    integer than the estimate may be off are decided by fractions.

    Args:
        affine: What an integer is worth; its gain is positive.
        step: The quantiser's step.
        levels: Ascending levels.
    """
    lines = [_line(affine, step, _root(affine.root, above)) for above in (0, 1)]
    largest = max(abs(levels.start), abs(levels.stop))
    if any(abs(slope) * largest + abs(start) >= _MOST for slope, start in lines):
        return _exactly(affine, step, levels)
    k = np.arange(levels.start, levels.stop)
    slopes, starts = ([floor(each * _ONE) for each in part] for part in zip(*lines, strict=True))
    estimates = k * np.array(slopes)[:, np.newaxis] + np.array(starts)[:, np.newaxis]
    off = np.abs(k) + 1
    low, high = estimates.min(0) - off, estimates.max(0) + off
    firsts = np.asarray(low // _ONE + 1, np.int64)
    unsure = np.flatnonzero((low // _ONE != high // _ONE) | (low % _ONE == 0))
    if len(unsure):
        firsts[unsure] = _exactly(affine, step, k[unsure].tolist())
    found: list[int] = firsts.tolist()
    return found


def _exactly(affine: Affine, step: Fraction, levels: Sequence[int]) -> list[int]:
    """As `first_integers`, by fractions alone."""
    low = _estimates(affine, step, levels, _root(affine.root, 0))
    high = _estimates(affine, step, levels, _root(affine.root, 1))
    return [
        first if first == other else _decided(affine, step, level, min(first, other))
        for level, first, other in zip(levels, low, high, strict=True)
    ]


def first_squares(affine: Affine, step: Fraction, levels: range) -> list[int]:
    """As `first_integers` for the square root of what an integer is worth, which is never negative.

    Args:
        affine: What an integer is worth, a gain and an offset.
        step: The quantiser's step.
        levels: Ascending levels; those up to 0 every integer reaches.
    """
    found = []
    for level in levels:
        bound = ((level - Fraction(1, 2)) * step) ** 2 if level > 0 else Fraction(0)
        edge = (bound - affine.offset) / affine.gain
        whole = ceil(edge)
        found.append(whole if level <= 0 or is_tie_up(level) or whole != edge else whole + 1)
    return found


def _root(value: Fraction, above: int) -> Fraction:
    """Return √value rounded down or, unless it is exact, up."""
    scaled = (value.numerator << 2 * _ROOT_BITS) // value.denominator
    root = isqrt(scaled)
    estimate = Fraction(root, 1 << _ROOT_BITS)
    return estimate if estimate**2 == value else estimate + Fraction(above, 1 << _ROOT_BITS)


def _line(affine: Affine, step: Fraction, root: Fraction) -> tuple[Fraction, Fraction]:
    """Return slope and start, for a given root: level k begins at k · slope + start."""
    slope = step * root / affine.gain
    return slope, ((-step / 2 - affine.offset) * root - affine.shift) / affine.gain


def _estimates(affine: Affine, step: Fraction, levels: Sequence[int], root: Fraction) -> list[int]:
    """As `first_integers`, for a given root."""
    slope, start = _line(affine, step, root)
    denominator = lcm(slope.denominator, start.denominator)
    a = slope.numerator * (denominator // slope.denominator)
    b = start.numerator * (denominator // start.denominator)
    return [
        -((-k * a - b) // denominator) if is_tie_up(k) else (k * a + b) // denominator + 1
        for k in levels
    ]


def _decided(affine: Affine, step: Fraction, level: int, first: int) -> int:
    while not _reaches(affine, step, level, first):
        first += 1
    return first


def _reaches(affine: Affine, step: Fraction, level: int, n: int) -> bool:
    """Whether n is worth a level: g·n + m >= c·√v, or > for odd levels, by squares."""
    c = (level - Fraction(1, 2)) * step - affine.offset
    left = affine.gain * n + affine.shift
    right_square, left_square = c * c * affine.root, left * left
    if is_tie_up(level):
        return (
            left >= 0 and left_square >= right_square
            if c >= 0
            else (left >= 0 or left_square <= right_square)
        )
    return (
        left > 0 and left_square > right_square
        if c >= 0
        else (left >= 0 or left_square < right_square)
    )


def float_thresholds(step: Fraction, levels: range) -> Floats:
    """Return the smallest float32 that is worth each level or more."""
    found = [_first_float((k - Fraction(1, 2)) * step, is_tie_up(k)) for k in levels]
    return np.array(found, np.float32)


def _first_float(bound: Fraction, inclusive: bool) -> np.float32:
    value = np.float32(float(bound))
    while fraction(value) > bound or (inclusive and fraction(value) == bound):
        value = np.nextafter(value, np.float32(-np.inf))
    while fraction(value) < bound or (not inclusive and fraction(value) == bound):
        value = np.nextafter(value, np.float32(np.inf))
    return value


def clipped(firsts: Sequence[int], low: int, high: int) -> Integers:
    """Return thresholds within the reachable range: low where always, high + 1 where never.

    Args:
        firsts: Ascending.
        low: The least sum.
        high: The greatest sum.
    """
    fit = not firsts or max(-firsts[0], firsts[-1]) < 2**63
    values = np.array(firsts, np.int64 if fit else object)
    return np.asarray(np.clip(values, low, high + 1), np.int64)
