"""A requantisation as one or two products of 16 bits, checked for every sum that can come.

y = clip(f · x + a, shifted by 28 bits). f is low + 2^16 · high; with a = f · bias + addend, the
sum starts with the bias, so that the addend stays small; where f were too large, x is doubled:

    low product   p = (x + bias) · low + addend
    high product  y = ((x + bias) · high + (p >> 16)) >> 12

Where a factor of 16 bits says the same, there is the low product alone: y = p >> 12, or >> 16.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boltmod.errors import UnsupportedOperatorError
from boltmod.integer.form import Integers, Requantise
from boltmod.integer.multiply import Found, find_at
from boltmod.rtl.turns.code import FACTOR_SHIFT, FAR_SHIFT, LEVEL_SHIFT, Group

_SHIFT = FACTOR_SHIFT + LEVEL_SHIFT
_HALF = 2**15
_MOST_DOUBLINGS = 6
_UNSIGNED = 8
"""In the code of a range: no value below zero."""


@dataclass(frozen=True)
class Rescale:
    """Constants of a channel's requantisation.

    Args:
        group: Bias, low factor and addend.
        high: High factor, 13 bits.
        shift: Bits dropped behind the low product where it is the only one.
        saturation: Bits of the largest result, plus 8 if none is negative.
        doublings: How often the sum is to be doubled.
        is_constant: Whether it is of the bias alone.
    """

    group: Group
    high: int
    saturation: int
    doublings: int = 0
    is_constant: bool = False
    shift: int | None = None

    def of(self, x: Integers) -> Integers:
        """Return what the machine makes of sums."""
        moved = x + self.group.bias
        product = moved * self.group.factor + self.group.addend
        if self.shift is not None:
            return saturated(product >> self.shift, self.saturation)
        low = product >> FACTOR_SHIFT
        return saturated((moved * self.high + low) >> LEVEL_SHIFT, self.saturation)


def saturated(x: Integers, code: int) -> Integers:
    """Return integers within the range of a code."""
    largest = (1 << (code & 7)) - 1
    return np.clip(x, 0 if code & _UNSIGNED else -largest - 1, largest)


def rescale(step: Requantise, channel: int, ends: tuple[int, int],
            bias: int | None = None, sign: int = 1) -> Rescale | None:  # fmt: skip
    """Return a channel's requantisation; None if there is none.

    Args:
        step: The requantisation.
        channel: Which one.
        ends: Smallest and largest sum.
        bias: What the sum begins with; as it suits if None.
        sign: −1 if the sum that is there is the negative one.
    """
    low, high = int(step.low[channel]), int(step.high[channel])
    saturation = max((-low - 1).bit_length() if low < 0 else 0, high.bit_length())
    saturation |= 0 if low < 0 else _UNSIGNED
    if (saturation & 7) != saturation & ~_UNSIGNED:
        return None
    thresholds = step.thresholds[channel]
    if low == high:
        group = Group(addend=low << LEVEL_SHIFT)
        return Rescale(group, 0, saturation, is_constant=True, shift=LEVEL_SHIFT)
    for shift in (FAR_SHIFT, LEVEL_SHIFT):
        found = find_at(thresholds, step.lowest, ends, shift)
        if found is not None and 0 < abs(found.factors[0]) < _HALF:
            made = _once(found, saturation, _Sum(ends, sign, bias))
            if _fits(made, ends, sign) and _agrees(made, step, channel, ends, sign):
                return made
    for doublings in range(_MOST_DOUBLINGS + 1):
        found = find_at(thresholds, step.lowest, ends, _SHIFT - doublings)
        if found is None or not found.factors[0]:
            continue
        made = _split(found, saturation, doublings, _Sum(ends, sign, bias))
        if _fits(made, ends, sign) and _agrees(made, step, channel, ends, sign):
            return made
    return None


@dataclass(frozen=True)
class _Sum:
    """What is there: its ends as the step sees it, its sign, and with which bias it began."""

    ends: tuple[int, int]
    sign: int
    bias: int | None


def _split(found: Found, saturation: int, doublings: int, total: _Sum) -> Rescale:
    factor, addend = total.sign * found.factors[0], found.addend << doublings
    bias = _bias(factor, addend, total, doublings)
    least = (factor + _HALF) % (2 * _HALF) - _HALF
    group = Group(bias, least, addend - factor * bias)
    return Rescale(group, (factor - least) >> FACTOR_SHIFT, saturation, doublings)


def _once(found: Found, saturation: int, total: _Sum) -> Rescale:
    factor = total.sign * found.factors[0]
    bias = _bias(factor, found.addend, total, 0)
    group = Group(bias, factor, found.addend - factor * bias)
    return Rescale(group, 0, saturation, shift=found.shift)


def _bias(factor: int, addend: int, total: _Sum, doublings: int) -> int:
    """Return what the sum begins with, so that the addend is small."""
    if total.bias is not None:
        return total.bias
    low, high = sorted(total.sign * end << doublings for end in total.ends)
    return min(max(round(addend / factor), -_HALF - low), _HALF - 1 - high)


def _fits(made: Rescale, ends: tuple[int, int], sign: int) -> bool:
    group = made.group
    sums = [(sign * end << made.doublings) + group.bias for end in ends]
    return (
        all(-_HALF <= each < _HALF for each in (*sums, group.bias))
        and abs(group.addend) < 2**30
        and -(2**12) <= made.high < 2**12
    )


def _agrees(made: Rescale, step: Requantise, channel: int, ends: tuple[int, int],
            sign: int) -> bool:  # fmt: skip
    x = np.arange(ends[0], ends[1] + 1)
    wanted = step.lowest + np.searchsorted(step.thresholds[channel], x, side="right")
    return bool((made.of(sign * x << made.doublings) == wanted).all())


def needed(step: Requantise, channel: int, made: Rescale | None) -> Rescale:
    """Return a requantisation that must be there.

    Raises:
        UnsupportedOperatorError: It is not.
    """
    if made is None:
        raise UnsupportedOperatorError(
            f"{step.name}, channel {channel}, must be a multiplication of a sum "
            "of 16 to be done in turns: compile with --samples-per-clock 1 or more"
        )
    return made
