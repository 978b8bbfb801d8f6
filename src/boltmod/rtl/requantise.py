"""Requantisation: multiply, add, shift, clip; a shift that rounds; or a search among thresholds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from amaranth import Array, Cat, Const, Value

from boltmod.integer import form
from boltmod.integer.multiply import even_shift
from boltmod.rtl.arithmetic import clipped
from boltmod.rtl.shared import Scaled
from boltmod.rtl.taps import Window
from boltmod.rtl.windows import Windows
from boltmod.rtl.wire import ONCE, Pace, Stream, View, Wire, bounds, constant


class Requantiser:
    """Builder of requantisations.

    Args:
        windows: Builder of what else the network has.
    """

    def __init__(self, windows: Windows) -> None:
        self.windows, self.fabric = windows, windows.fabric

    def build(self, step: form.Requantise, views: Sequence[View]) -> Stream:
        """Build a step that counts thresholds; outside of a frame its stream is zero."""
        window = Window(step.name, length=step.shape[1])
        pace = window.pace(views[0][0].stream.pace)
        # A channel that is constant passes with the last of the others.
        wires = [w for view in views for each in view for w in each.wires]
        reference = max(wires, key=lambda w: (w.period, w.time))
        lanes = {}
        for channel in range(step.shape[0]):
            read = [self.windows.taps.of(view[channel], window) for view in views]
            for lane in range(pace.lanes):
                taps = [t[lane] for t in read]
                lanes[channel, lane] = [each[0][1] if each else constant(0) for each in taps]
        made = self._in_turn(step, pace, lanes)
        for (channel, lane), sources in lanes.items():
            if (channel, lane) not in made:
                wire = self._lane(step, channel, sources, reference, pace.n_beats)
                made[channel, lane] = wire
        rows = tuple(
            tuple(made[channel, lane] for lane in range(pace.lanes))
            for channel in range(step.shape[0])
        )
        return Stream(step.name, step.shape[1], pace, rows, True)

    def _in_turn(
        self, step: form.Requantise, pace: Pace, lanes: dict[tuple[int, int], list[Wire]]
    ) -> dict[tuple[int, int], Wire]:
        """Build what can take turns at a multiplier."""
        multiply = step.multiply
        if multiply is None:
            return {}
        values = [
            Scaled(
                channel, lane, tuple(sources), tuple(multiply.factors[:, channel].tolist()),
                int(multiply.addend[channel]), int(multiply.shift[channel]),
            )
            for (channel, lane), sources in lanes.items()
            if multiply.found[channel]
            and step.low[channel] != step.high[channel]
            and not all(wire.is_constant for wire in sources)
        ]  # fmt: skip
        return self.windows.shared.requantised(step, pace.period, pace.n_beats, values)

    def _lane(self, step: form.Requantise, channel: int, sources: list[Wire],
              reference: Wire, n_beats: int) -> Wire:  # fmt: skip
        low, high = bounds(step, channel)
        if all(wire.is_constant for wire in sources):
            low = high = _level(step, channel, [wire.low for wire in sources])
        if low == high:
            return self._passing(Const(low), reference, (low, high), n_beats)
        multiply = step.multiply
        if multiply is not None and multiply.found[channel]:
            factors = multiply.factors[:, channel].tolist()
            addend, shift = int(multiply.addend[channel]), int(multiply.shift[channel])
            wire = self.windows.arithmetic.dot(zip(sources, factors, strict=True), addend)
            value = clipped(wire, shift, low, high)
        else:
            factors = step.coefficients[:, channel].tolist()
            total = self.windows.arithmetic.dot(zip(sources, factors, strict=True))
            ends = (total.low, total.high)
            dropped = even_shift(step.thresholds[channel], step.lowest, ends)
            if dropped is None:
                wire, value = self._searched(step, channel, total)
            else:
                wire = self._rounded(total, dropped)
                value = clipped(wire, 0, low, high)
        return self._passing(value, wire, (low, high), n_beats)

    def _passing(self, value: Value, when: Wire, limits: tuple[int, int], n_beats: int) -> Wire:
        """Return a value one clock later, zero outside of the frame."""
        low, high = limits
        if low == high and (low == 0 or when.period == ONCE):
            return constant(low)
        like = Wire(value, low, high, when.time, when.period, when.hold)
        if when.period == ONCE:
            return self.fabric.register(value, like)
        passing = self.fabric.during(when.time, when.time + n_beats * when.period)
        return self.fabric.register_within(value, like, passing)

    def _rounded(self, total: Wire, dropped: int) -> Wire:
        """Return a sum shifted and rounded to the nearest, ties to even, two clocks later."""
        half, rest = total.value[dropped - 1], total.value[: dropped - 1].any()
        is_up = half & (rest | total.value[dropped])
        whole = self._like(total, total.low >> dropped, total.high >> dropped)
        parts = [
            self.fabric.register(total.value >> dropped, whole),
            self.fabric.register(is_up, self._like(total, 0, 1)),
        ]
        return self.windows.arithmetic.total(parts)

    def _searched(self, step: form.Requantise, channel: int, total: Wire) -> tuple[Wire, Value]:
        """Return a sum at the end of a search, and the level found: a bit in two clocks."""
        low, high = bounds(step, channel)
        inner = step.thresholds[channel, low - step.lowest : high - step.lowest]
        n_bits = len(inner).bit_length()
        table = np.full(2**n_bits, total.high + 1, np.int64)
        table[1 : 1 + len(inner)] = inner
        x, found = total, list[Wire]()
        for bit in reversed(range(n_bits)):
            candidates = [int(t) for t in table[2**bit :: 2 ** (bit + 1)]]
            bound = self.fabric.register(
                Array(Const(t) for t in candidates)[_number(found)],
                self._like(x, min(candidates), max(candidates)),
            )
            x, found = self._later(x), [self._later(each) for each in found]
            reached = self.fabric.register(x.value >= bound.value, self._like(x, 0, 1))
            x, found = self._later(x), [self._later(each) for each in found]
            found.append(reached)
        return x, _number(found) + low

    def _later(self, wire: Wire) -> Wire:
        return self.fabric.register(wire.value, wire)

    @staticmethod
    def _like(when: Wire, low: int, high: int) -> Wire:
        return Wire(when.value, low, high, when.time, when.period, when.hold)


def _level(step: form.Requantise, channel: int, numbers: list[int]) -> int:
    """Return what a step makes of one number a source."""
    total = int(step.coefficients[:, channel] @ np.array(numbers, np.int64))
    return step.lowest + int((step.thresholds[channel] <= total).sum())


def _number(bits: list[Wire]) -> Value:
    """Return the number of bits of which the first is worth most."""
    return Cat(bit.value for bit in reversed(bits)) if bits else Const(0)
