"""Requantisation as multiply, add, shift, wherever that says the same as the thresholds.

Both are staircases that never fall, so they are the same for every value if they are at both sides
of each threshold: at T_k the product must have reached level k, at T_k − 1 not yet. For a given
factor each side bounds the addend, and an addend exists if the largest lower bound is not above the
smallest upper one. With two sources the same is asked for every value of the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from boltmod.integer.form import Integers, MultiplyShift, Program, Requantise, Step

_FEW = 48
"""Values of a first source that a pair of factors is tried on before all of them are."""


_BEYOND = 2**62
"""A bound of the addend where nothing bounds it."""

_FEWEST_STEPS = 3
"""Thresholds from which on their distance says by how much a sum is shifted."""

_MORE_SHIFTS = 3
"""Shifts beyond the smallest one among which the cheapest factor is looked for."""


@dataclass(frozen=True)
class Limits:
    """What a multiplication may be.

    Args:
        factor_bits: Bits of a factor without its sign.
        most_shift: Bits dropped in the end.
        sum_bits: Bits of the sum before, without its sign.
        is_of_digits: Whether a factor costs an addition for each of its signed digits, so that the
            one of fewest is wanted.
    """

    factor_bits: int
    most_shift: int
    sum_bits: int
    is_of_digits: bool = False


SOFTWARE = Limits(23, 26, 31)
"""What a processor of 32 bits multiplies and adds at once."""

HARDWARE = Limits(34, 54, 60, is_of_digits=True)
"""What is made of adders: as wide as it must be."""


@dataclass(frozen=True, eq=False)
class _Channel:
    """One channel's staircase: level lowest + k from thresholds[k − 1] on.

    Args:
        coefficients: Of the sources.
        thresholds: Ascending.
        lowest: Value below all.
        reach: Smallest and largest value of each source, (sources, 2).
    """

    coefficients: Integers
    thresholds: Integers
    lowest: int
    reach: Integers

    @property
    def levels(self) -> Integers:
        return self.lowest + np.arange(1, len(self.thresholds) + 1)

    @property
    def total_reach(self) -> tuple[int, int]:
        ends = self.coefficients[:, np.newaxis] * self.reach
        return int(ends.min(1).sum()), int(ends.max(1).sum())


@dataclass(frozen=True)
class Found:
    """y = (Σ factors · sources + addend) >> shift, clipped."""

    factors: tuple[int, ...]
    addend: int
    shift: int


def with_multiplications(program: Program, limits: Limits = SOFTWARE) -> Program:
    """Return the program with multiply, add, shift beside the thresholds of each requantisation.

    Args:
        program: The network.
        limits: What a multiplication may be.
    """
    sources = {step.name: step for step in program.steps}
    steps = tuple(
        _with_multiplication(step, [sources[name] for name in step.sources], limits)
        if isinstance(step, Requantise)
        else step
        for step in program.steps
    )
    return replace(program, steps=steps)


def _with_multiplication(step: Requantise, sources: list[Step], limits: Limits) -> Requantise:
    found = [_search(_channel(step, sources, number), limits) for number in range(step.shape[0])]
    nothing = Found((0,) * len(sources), 0, 0)
    each = [one or nothing for one in found]
    multiply = MultiplyShift(
        np.array([one.factors for one in each], np.int64).T,
        np.array([one.addend for one in each], np.int64),
        np.array([one.shift for one in each], np.int64),
        np.array([one is not None for one in found]),
    )
    return replace(step, multiply=multiply)


def find_one(step: Requantise, channel: int, reach: Integers) -> Found | None:
    """Return one channel's multiply, add, shift; None where only thresholds say it.

    Args:
        step: The requantisation.
        channel: Which one.
        reach: Smallest and largest value of each source, (sources, 2).
    """
    thresholds = step.thresholds[channel]
    return _search(
        _Channel(step.coefficients[:, channel], thresholds, step.lowest, reach), SOFTWARE
    )


def find_at(thresholds: Integers, lowest: int, ends: tuple[int, int], shift: int) -> Found | None:
    """Return a multiplication whose sum is shifted by so many bits; None where there is none.

    Args:
        thresholds: Ascending; level lowest + k from thresholds[k − 1] on.
        lowest: Level below all.
        ends: Smallest and largest sum.
        shift: Bits dropped.
    """
    channel = _Channel(np.ones(1, np.int64), thresholds, lowest, np.array([ends], np.int64))
    low, high = ends
    if not ((thresholds > low) & (thresholds <= high)).any():
        return Found((0,), (lowest + int((thresholds <= low).sum())) << shift, shift)
    slopes = _slopes(channel)
    tried = _factors(channel, slopes, shift, HARDWARE) if slopes else iter(())
    found = (_with_addend(channel, factors, shift, [], HARDWARE) for factors in tried)
    return next((each for each in found if each), None)


def even_shift(thresholds: Integers, lowest: int, ends: tuple[int, int]) -> int | None:
    """Return by how much a sum is shifted if that, rounded to the nearest, gives its level.

    Ties go to the even level, which no straight line does: products of two scales that are powers
    of two have them.

    Args:
        thresholds: Ascending; level lowest + k from thresholds[k − 1] on.
        lowest: Level below all.
        ends: Smallest and largest sum.

    Returns:
        Bits, at least 1; None where the thresholds are others.
    """
    if len(thresholds) < _FEWEST_STEPS:
        return None
    shift = int(np.diff(thresholds).max() - 1).bit_length() - 1
    if shift < 1:
        return None
    levels = lowest + np.arange(1, len(thresholds) + 1)
    edges = levels * 2**shift - 2 ** (shift - 1) + levels % 2
    low, high = ends
    same = np.clip(edges, low, high + 1) == np.clip(thresholds, low, high + 1)
    return shift if same.all() else None


def _channel(step: Requantise, sources: list[Step], number: int) -> _Channel:
    reach = np.array([[each.low[number], each.high[number]] for each in sources], np.int64)
    return _Channel(step.coefficients[:, number], step.thresholds[number], step.lowest, reach)


def _search(channel: _Channel, limits: Limits) -> Found | None:
    """Find the factors with the fewest bits dropped in the end; None where there are none."""
    low, high = channel.total_reach
    inner = (channel.thresholds > low) & (channel.thresholds <= high)
    if not inner.any():
        level = channel.lowest + int((channel.thresholds <= low).sum())
        return Found((0,) * len(channel.reach), level, 0)
    if len(channel.reach) > 2 or (len(channel.reach) == 2 and np.prod(channel.coefficients) <= 0):
        return None
    slopes = _slopes(channel)
    if slopes is None:
        return None
    first, last = channel.reach[0].tolist()
    hard: list[int] = np.linspace(first, last, _FEW).astype(np.int64).tolist()
    best: tuple[tuple[int, int], Found] | None = None
    for shift in range(limits.most_shift):
        for factors in _factors(channel, slopes, shift, limits):
            found = _with_addend(channel, factors, shift, hard, limits)
            if found is None:
                continue
            if not limits.is_of_digits or len(factors) > 1:
                return found
            cost = (sum(_n_digits(each) for each in factors) + (found.addend != 0), shift)
            best = min(best or (cost, found), (cost, found), key=lambda each: each[0])
        if best and shift >= best[1].shift + _MORE_SHIFTS:
            break
    return best[1] if best else None


def _n_digits(factor: int) -> int:
    """Number of signed digits that are not zero: those of 3 f that 1 f has otherwise."""
    return ((3 * abs(factor)) ^ abs(factor)).bit_count()


def _slopes(channel: _Channel) -> tuple[float, float] | None:
    """Bounds of levels a unit of the sum, from every pair of thresholds."""
    low, high = channel.total_reach
    t, k = channel.thresholds, channel.levels
    reached, ended = t <= high, t > low
    rise = np.subtract.outer(k[reached], k[ended]).astype(np.float64)
    run = np.subtract.outer(t[reached] + 1, t[ended]).astype(np.float64)
    # Thresholds ascend, so that nothing rises where a run is 0.
    slope = np.divide(rise, run, out=np.zeros_like(rise), where=run != 0)
    least = np.max(slope, where=run > 0, initial=0.0)
    most = np.min(slope, where=run < 0, initial=np.inf)
    if not np.isfinite(most):
        most = max(2 * least, 1.0)
    return (float(least), float(most)) if least <= most * (1 + 1e-9) else None


def _factors(
    channel: _Channel, slopes: tuple[float, float], shift: int, limits: Limits
) -> Iterator[tuple[int, ...]]:
    """Yields the factors worth trying: those whose slopes lie within the bounds."""
    scale = 2.0**shift
    if len(channel.reach) == 1:
        sign = int(channel.coefficients[0])
        first = int(np.ceil(slopes[0] * scale * (1 - 1e-12)))
        last = int(np.floor(slopes[1] * scale * (1 + 1e-12)))
        middle = (first + last) // 2
        for factor in sorted(range(max(first, 1), min(last, first + 64) + 1),
                             key=lambda f: abs(f - middle)):  # fmt: skip
            if factor < 2**limits.factor_bits:
                yield (sign * factor,)
        return
    one, other = (float(each) * scale * sum(slopes) / 2 for each in channel.coefficients)
    for a in (round(one), round(one) - 1, round(one) + 1):
        for b in (round(other), round(other) - 1, round(other) + 1):
            if a * b > 0 and max(abs(a), abs(b)) < 2**limits.factor_bits:
                yield (a, b)


def _with_addend(
    channel: _Channel, factors: tuple[int, ...], shift: int, hard: list[int], limits: Limits
) -> Found | None:
    """Return the factors with an addend that makes the staircases the same, if there is one.

    Args:
        channel: The staircase.
        factors: One a source.
        shift: Bits dropped.
        hard: Values of the first of two sources to try before all; those that refuse are added.
        limits: What a multiplication may be.
    """
    largest = sum(
        abs(f) * int(np.abs(r).max()) for f, r in zip(factors, channel.reach, strict=True)
    )
    if largest >= 2**limits.sum_bits:
        return None
    if len(factors) == 1:
        bounds = _addends(channel, abs(factors[0]), shift)
    else:
        bounds = _pair_addends(channel, factors, shift, hard)
        if bounds[0] <= bounds[1]:
            low, high = channel.reach[0]
            bounds = _pair_addends(channel, factors, shift, np.arange(low, high + 1), hard)
    if bounds[0] > bounds[1]:
        return None
    addend = _roundest(*bounds)
    if largest + abs(addend) >= 2**limits.sum_bits:
        return None
    return Found(factors, addend, shift)


def _addends(channel: _Channel, factor: int, shift: int) -> tuple[int, int]:
    """Smallest and largest addend for one source."""
    low, high = channel.total_reach
    t, edges = channel.thresholds, channel.levels << shift
    reached, ended = t <= high, t > low
    least = (edges - factor * t)[reached]
    most = (edges - 1 - factor * (t - 1))[ended]
    return int(least.max(initial=-_BEYOND)), int(most.min(initial=_BEYOND))


def _pair_addends(
    channel: _Channel, factors: tuple[int, ...], shift: int, values: ArrayLike,
    hard: list[int] | None = None,
) -> tuple[int, int]:  # fmt: skip
    """Smallest and largest addend for two sources, for some values of the first one.

    The values that bound the addend are added to `hard`.
    """
    first = np.asarray(values, np.int64)
    sign = 1 if channel.coefficients[1] > 0 else -1
    coefficients, (m, n) = sign * channel.coefficients, (sign * each for each in factors)
    low, high = sorted(sign * channel.reach[1])
    a = sign * first[:, np.newaxis]
    edges = channel.levels << shift
    # The smallest value of the second source that reaches each level.
    begin = -((coefficients[0] * a - channel.thresholds) // coefficients[1])
    begin = np.maximum(begin, low)
    least = np.where(begin <= high, edges - m * a - n * begin, -_BEYOND)
    before = np.minimum(begin - 1, high)
    most = np.where(before >= low, edges - 1 - m * a - n * before, _BEYOND)
    if hard is not None:
        hard += [int(first[least.max(1).argmax()]), int(first[most.min(1).argmin()])]
    return int(least.max()), int(most.min())


def _roundest(low: int, high: int) -> int:
    """Return the number between two that ends in the most zero bits."""
    for bits in range(60, -1, -1):
        number = -(-low >> bits) << bits
        if low <= number <= high:
            return number
    return low
