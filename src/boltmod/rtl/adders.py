"""Sums of products with constants that share what they have in common.

Each constant is written in signed digits. Of all pairs of digits that stand in the sums with the
same distance and relative sign, the one that spares most bits of adders is built once and takes
their place, again and again. A pair of digits of one value makes a multiple of it, a pair of two
values a part of a sum.

Source: R. I. Hartley, "Subexpression Sharing in Filters Using Canonic Signed Digit Multipliers",
IEEE Transactions on Circuits and Systems II 43 (1996), 677; for sums of several values and with the
clocks in which they are there, C. Sun et al., "da4ml: Distributed Arithmetic for Real-time Neural
Networks on FPGAs", arXiv:2507.04535.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations


def width(low: int, high: int) -> int:
    """Return how many bits integers of a range take, with a sign where one is negative."""
    return max(high, -low - 1, 0).bit_length() + (low < 0)


@dataclass(frozen=True)
class Summand:
    """What is known of a value before it is built.

    Args:
        low: Its smallest integer.
        high: Its largest one.
        ready: When it is there, counted in additions.
        hold: For how many clocks it stays.
    """

    low: int
    high: int
    ready: int = 0
    hold: int = 1

    @property
    def n_bits(self) -> int:
        """Width of its integers."""
        return width(self.low, self.high)


@dataclass(frozen=True, order=True)
class Pair:
    """One addition: 2^-shift · a + sign · b if the shift is negative, a + sign · 2^shift · b else.

    Args:
        a: Number of the first value.
        b: Number of the second one.
        shift: How much more a digit of the second counts.
        sign: Of the second.
    """

    a: int
    b: int
    shift: int
    sign: int

    @property
    def shifts(self) -> tuple[int, int]:
        """Of the first and of the second."""
        return max(-self.shift, 0), max(self.shift, 0)


Digits = dict[tuple[int, int], int]
"""Signs by value and shift."""


@dataclass(frozen=True)
class Sums:
    """Sums with common parts.

    Args:
        pairs: Common parts; they are numbered after the inputs, and each is made of earlier ones.
        outputs: Of each sum its digits.
    """

    pairs: tuple[Pair, ...]
    outputs: tuple[Mapping[tuple[int, int], int], ...]

    def of(self, inputs: Sequence[int]) -> list[int]:
        """Return the sums of inputs."""
        values = list(inputs)
        for pair in self.pairs:
            first, second = pair.shifts
            values.append((values[pair.a] << first) + pair.sign * (values[pair.b] << second))
        return [
            sum(sign * (values[number] << shift) for (number, shift), sign in digits.items())
            for digits in self.outputs
        ]

    @property
    def n_additions(self) -> int:
        """How many there are."""
        return len(self.pairs) + sum(max(len(digits) - 1, 0) for digits in self.outputs)


def signed_digits(number: int) -> list[tuple[int, int]]:
    """Return the powers of two and their signs that a number is the sum of, fewest of them.

    Source: canonical signed digits, A. Avizienis, "Signed-Digit Number Representations for Fast
    Parallel Arithmetic", IRE Transactions on Electronic Computers 10 (1961).
    """
    digits, power = [], 0
    while number:
        if number & 1:
            sign = 2 - (number & 3)
            digits.append((power, sign))
            number -= sign
        number >>= 1
        power += 1
    return digits


def sharing(
    inputs: Sequence[Summand], rows: Iterable[Mapping[int, int]], additions: int = 1
) -> Sums:
    """Return sums that share what is worth it.

    Args:
        inputs: What is added up.
        rows: Of each sum its factors, by the input's number.
        additions: How many follow each other within a clock.
    """
    digits = [
        {
            (number, shift): sign
            for number, factor in row.items()
            for shift, sign in signed_digits(factor)
        }
        for row in rows
    ]
    return _Search(list(inputs), digits, additions).sums()


class _Search:
    def __init__(self, values: list[Summand], rows: list[Digits], additions: int) -> None:
        self.values, self.rows, self.additions = values, rows, additions
        self.pairs: list[Pair] = []
        self.found: list[Counter[Pair]] = [Counter() for _ in rows]
        self.total: Counter[Pair] = Counter()
        self.readers: dict[int, set[int]] = defaultdict(set)
        self.order: list[tuple[int, Pair]] = []
        for number in range(len(rows)):
            self._count(number)

    def sums(self) -> Sums:
        while self.order:
            gain, pair = heapq.heappop(self.order)
            if self._gain(pair) == -gain:
                self._take(pair)
        return Sums(tuple(self.pairs), tuple(self.rows))

    def _gain(self, pair: Pair) -> int:
        """Return the bits of adders that a pair spares, less those of the registers it waits in."""
        first, second = sorted((self.values[pair.a], self.values[pair.b]), key=lambda v: v.ready)
        clocks = second.ready // self.additions - first.ready // self.additions
        waits = max(clocks - first.hold + 1, 0)
        return (self.total[pair] - 1) * self._sum(pair).n_bits - waits * first.n_bits

    def _sum(self, pair: Pair) -> Summand:
        a, b = self.values[pair.a], self.values[pair.b]
        first, second = pair.shifts
        ends = sorted((pair.sign * (b.low << second), pair.sign * (b.high << second)))
        return Summand(
            (a.low << first) + ends[0],
            (a.high << first) + ends[1],
            max(a.ready, b.ready) + 1,
            min(a.hold, b.hold),
        )

    def _take(self, pair: Pair) -> None:
        """Build a pair and put it where its digits stand."""
        number = len(self.values)
        self.values.append(self._sum(pair))
        self.pairs.append(pair)
        for row in sorted(self.readers[pair.a] & self.readers[pair.b]):
            digits = self.rows[row]
            places = _places(digits, pair)
            for place in places:
                sign = digits.pop((pair.a, place))
                del digits[pair.b, place + pair.shift]
                digits[number, place - pair.shifts[0]] = sign
            if places:
                self._count(row)

    def _count(self, row: int) -> None:
        """Count a row's pairs anew."""
        digits, before = self.rows[row], self.found[row]
        now = _pairs(digits)
        self.found[row] = now
        for number, _ in digits:
            self.readers[number].add(row)
        for pair in before.keys() | now.keys():
            change = now[pair] - before[pair]
            if change:
                self.total[pair] += change
                gain = self._gain(pair) if self.total[pair] > 1 else 0
                if gain > 0:
                    heapq.heappush(self.order, (-gain, pair))


def _pairs(digits: Digits) -> Counter[Pair]:
    """Return how often each pair stands in a sum."""
    found: Counter[Pair] = Counter()
    alone = set()
    for ((a, low), sign_a), ((b, high), sign_b) in combinations(sorted(digits.items()), 2):
        pair = Pair(a, b, high - low, sign_a * sign_b)
        if a != b:
            found[pair] += 1
        elif pair not in alone:
            # Digits of one value can be in two pairs of the same distance.
            alone.add(pair)
            found[pair] = len(_places(digits, pair))
    return found


def _places(digits: Digits, pair: Pair) -> list[int]:
    """Return where a pair's first digits are, no digit in two pairs."""
    taken: set[tuple[int, int]] = set()
    places = []
    for (number, shift), sign in sorted(digits.items()):
        one, other = (number, shift), (pair.b, shift + pair.shift)
        if number != pair.a or one in taken or other in taken:
            continue
        if digits.get(other) == sign * pair.sign:
            taken |= {one, other}
            places.append(shift)
    return places
