"""Thresholds in exact arithmetic: where an integer begins to be worth a level, and no rounding.

A network's numbers are float32, each of which is a fraction. Between two quantisers an accumulator
n becomes (g·n + m) / √v + b by scales, batch normalisation and its bias; a quantiser of step S
gives level k or more from (k − ½)·S on, ties going to the even level. Everything but √v is a
fraction, and √v is decided by squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, gcd, isqrt, lcm

import numpy as np

from boltmod.integer.form import Floats, Integers

_ROOT_BITS = 256
"""Bits behind the point of a root's first estimate; what it leaves open, squares decide."""


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

    Args:
        affine: What an integer is worth; its gain is positive.
        step: The quantiser's step.
        levels: Ascending levels.
    """
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


def _estimates(affine: Affine, step: Fraction, levels: range, root: Fraction) -> list[int]:
    """As `first_integers`, for a given root: level k begins at k · slope + start."""
    slope = step * root / affine.gain
    start = ((-step / 2 - affine.offset) * root - affine.shift) / affine.gain
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


def clipped(firsts: list[int], low: int, high: int) -> Integers:
    """Return thresholds within the reachable range: low where always, high + 1 where never."""
    return np.array([min(max(first, low), high + 1) for first in firsts], np.int64)
