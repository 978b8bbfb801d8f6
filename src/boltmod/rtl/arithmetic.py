"""Sums of products with constants as shifts and additions, registers where the fabric wants them.

What comes first is added first, so that as little as possible has to wait.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import count

from amaranth import Const, Mux, Value

from boltmod.rtl.adders import Summand, Sums, sharing
from boltmod.rtl.fabric import Fabric
from boltmod.rtl.wire import Wire, constant


@dataclass(frozen=True, eq=False)
class Term:
    """sign · wire · 2^shift."""

    wire: Wire
    shift: int
    sign: int

    @property
    def range(self) -> tuple[int, int]:
        """Smallest and largest value."""
        ends = [self.sign * (end << self.shift) for end in (self.wire.low, self.wire.high)]
        return min(ends), max(ends)


class Arithmetic:
    """Additions on a fabric.

    Args:
        fabric: Where registers are made.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric

    def dot(self, factors: Iterable[tuple[Wire, int]], addend: int = 0) -> Wire:
        """Return Σ factor · wire + addend."""
        return self.dots([factors], [addend])[0]

    def dots(
        self, rows: Iterable[Iterable[tuple[Wire, int]]], addends: Iterable[int]
    ) -> list[Wire]:
        """Return Σ factor · wire + addend of each row; what rows have in common is built once."""
        wires: dict[int, Wire] = {}
        sums, known = [], []
        for row, addend in zip(rows, addends, strict=True):
            factors: Counter[int] = Counter()
            for wire, factor in row:
                # What is a number counts with the addend.
                if wire.is_constant or wire.low == wire.high == 0:
                    addend += factor * wire.low
                else:
                    wires[id(wire)] = wire
                    factors[id(wire)] += factor
            sums.append(factors)
            known.append(addend)
        numbers = {each: number for number, each in enumerate(wires)}
        rows_by_number = [{numbers[each]: f for each, f in row.items()} for row in sums]
        inputs = list(wires.values())
        return self._built(inputs, self._shared(inputs, rows_by_number), known)

    def _shared(self, wires: list[Wire], rows: list[dict[int, int]]) -> Sums:
        k = self.fabric.additions
        known = [Summand(w.low, w.high, w.time * k + w.depth, w.hold) for w in wires]
        return sharing(known, rows, k)

    def _built(self, inputs: list[Wire], sums: Sums, addends: list[int]) -> list[Wire]:
        wires = list(inputs)
        for pair in sums.pairs:
            first, second = pair.shifts
            a, b = Term(wires[pair.a], first, 1), Term(wires[pair.b], second, pair.sign)
            wires.append(self._added(a, b).wire)
        return [
            self.plain(
                self._sum(
                    [Term(wires[number], shift, sign) for (number, shift), sign in digits.items()]
                    + self._constants(addend)
                )
            )
            for digits, addend in zip(sums.outputs, addends, strict=True)
        ]

    def total(self, wires: Iterable[Wire]) -> Wire:
        """Return the sum of wires."""
        return self.dot((wire, 1) for wire in wires)

    def plain(self, term: Term) -> Wire:
        """Return a term as a wire: its sign costs a subtraction, its shift nothing."""
        wire = term.wire
        if wire.is_constant:
            return constant(term.sign * (wire.low << term.shift))
        if term.sign < 0:
            wire = self._added(Term(constant(0), 0, 1), Term(wire, 0, -1)).wire
        low, high = wire.low << term.shift, wire.high << term.shift
        value = wire.value << term.shift if term.shift else wire.value
        return replace(wire, value=value, low=low, high=high)

    def extreme(self, wires: Iterable[Wire]) -> Wire:
        """Return the largest of wires."""
        every = list(wires)
        ready = [wire for wire in every if not wire.is_constant]
        numbers = [wire.low for wire in every if wire.is_constant]
        # A number that no wire goes below changes nothing.
        if numbers and (not ready or max(numbers) > max(wire.low for wire in ready)):
            ready.append(constant(max(numbers)))
        while len(ready) > 1:
            ready.sort(key=lambda wire: -wire.time)
            (a, b), common = self.fabric.aligned([ready.pop(), ready.pop()])
            like = Wire(
                common.value,
                max(a.low, b.low),
                max(a.high, b.high),
                common.time,
                common.period,
                common.hold,
            )
            ready.append(self.fabric.register(Mux(a.value < b.value, b.value, a.value), like))
        return ready[0]

    def product(self, a: Wire, b: Wire, low: int, high: int) -> Wire:
        """Return the product of two wires."""
        (a, b), common = self.fabric.aligned([a, b])
        a, b = (replace(self._like(w.low, w.high, common), value=w.value) for w in (a, b))
        return self.fabric.product(a, b, low, high)

    @staticmethod
    def _like(low: int, high: int, when: Wire) -> Wire:
        return Wire(when.value, low, high, when.time, when.period, when.hold)

    def _constants(self, addend: int) -> list[Term]:
        if not addend:
            return []
        shift = (addend & -addend).bit_length() - 1
        return [Term(constant(abs(addend) >> shift), shift, 1 if addend > 0 else -1)]

    def _sum(self, terms: list[Term]) -> Term:
        if not terms:
            return Term(constant(0), 0, 1)
        numbers = count()
        heap = [(t.wire.time, t.wire.depth, t.wire.n_bits, next(numbers), t) for t in terms]
        heapq.heapify(heap)
        while len(heap) > 1:
            a, b = heapq.heappop(heap)[-1], heapq.heappop(heap)[-1]
            t = self._added(a, b)
            order = (t.wire.time, t.wire.depth, t.wire.n_bits, next(numbers), t)
            heapq.heappush(heap, order)
        return heap[0][-1]

    def _added(self, a: Term, b: Term) -> Term:
        """Return the sum of two terms, of which at most one is subtracted."""
        (one, other), common = self.fabric.aligned([a.wire, b.wire])
        sign = -1 if a.sign < 0 and b.sign < 0 else 1
        shift = min(a.shift, b.shift)
        a = Term(one, a.shift - shift, a.sign * sign)
        b = Term(other, b.shift - shift, b.sign * sign)
        if a.sign < 0:
            a, b = b, a
        low, high = (x + y for x, y in zip(a.range, b.range, strict=True))
        value = _moved(a) + _moved(b) if b.sign > 0 else _moved(a) - _moved(b)
        depth = 1 + max(one.depth, other.depth)
        kept = self.fabric.sum(value, self._like(low, high, common), depth)
        return Term(kept, shift, sign)


def _moved(term: Term) -> Value:
    return term.wire.value << term.shift if term.shift else term.wire.value


def clipped(wire: Wire, shift: int, low: int, high: int) -> Value:
    """Return min(max(wire >> shift, low), high), without the comparisons that its range spares."""
    value = wire.value >> shift if shift else wire.value
    if wire.high >> shift > high:
        value = Mux(value > high, Const(high), value)
    if wire.low >> shift < low:
        below = (wire.value >> shift if shift else wire.value) < low
        value = Mux(below, Const(low), value)
    return value
