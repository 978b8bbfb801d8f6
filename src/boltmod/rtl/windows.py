"""Sums, maxima and products: what every network is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from amaranth import Mux, Value

from boltmod.integer import form
from boltmod.rtl.arithmetic import Arithmetic
from boltmod.rtl.fabric import Fabric
from boltmod.rtl.shared import Shared, Turns
from boltmod.rtl.taps import Taps, Window
from boltmod.rtl.wire import ONCE, Pace, Stream, View, Wire, bounds, constant

_ADDITIONS_A_MULTIPLIER = 12
"""Products with constants that one multiplier and its memory must stand for to be worth it."""

_Tapped = list[tuple[int, Wire]]


class Windows:
    """Builder of the steps that combine neighbouring samples.

    Args:
        fabric: Where registers are made.
        turns: For how many wires a multiplier is made.
    """

    def __init__(self, fabric: Fabric, turns: Turns) -> None:
        self.fabric = fabric
        self.taps = Taps(fabric)
        self.arithmetic = Arithmetic(fabric)
        self.shared = Shared(self.arithmetic, turns)

    def convolve(self, step: form.Convolve, view: View) -> Stream:
        """Build sums of products with constants."""
        n_outputs, n_inputs, n_taps = step.weights.shape
        window = Window(step.name, n_taps, step.stride, 1, step.pad, step.shape[1])
        pace = window.pace(view[0].stream.pace)
        if (pace.period, pace.lanes, step.groups) == (ONCE, 1, 1):
            n_multipliers = self.shared.n_multipliers(n_inputs * n_taps, n_outputs)
            if n_multipliers * _ADDITIONS_A_MULTIPLIER < np.count_nonzero(step.weights):
                return self._in_turn(step, window, view)
        read: dict[int, list[_Tapped]] = {}
        factors: list[list[tuple[Wire, int]]] = []
        for output in range(n_outputs):
            first = output // (n_outputs // step.groups) * n_inputs
            used = [first + int(i) for i in np.flatnonzero(step.weights[output].any(1))]
            for channel in used:
                read.setdefault(channel, self.taps.of(view[channel], window))
            factors += [
                [
                    (wire, int(step.weights[output, channel - first, k]))
                    for channel in used
                    for k, wire in read[channel][lane]
                ]
                for lane in range(pace.lanes)
            ]
        addends = np.repeat(step.bias, pace.lanes).tolist()
        sums = self.arithmetic.dots(factors, addends)
        rows = [tuple(sums[at : at + pace.lanes]) for at in range(0, len(sums), pace.lanes)]
        return self.paced(step, pace, rows, False)

    def _in_turn(self, step: form.Convolve, window: Window, view: View) -> Stream:
        """Build sums of what comes once a frame, a product at a time."""
        taps = [
            (channel, k, wire)
            for channel, each in enumerate(view)
            for k, wire in self.taps.of(each, window)[0]
            if not wire.is_constant and step.weights[:, channel, k].any()
        ]
        columns = [step.weights[:, channel, k] for channel, k, _ in taps]
        # What is constant counts with the addend.
        known = step.bias + sum(
            step.weights[:, channel, k] * wire.low
            for channel, each in enumerate(view)
            for k, wire in self.taps.of(each, window)[0]
            if wire.is_constant
        )
        reach = np.stack([step.low - known, step.high - known], 1)
        sums = self.shared.sums([wire for *_, wire in taps], np.stack(columns, 1), known, reach)
        rows: list[tuple[Wire, ...]] = [(each,) for each in sums]
        return self.paced(step, window.pace(view[0].stream.pace), rows, False)

    def total(self, step: form.Total, view: View) -> Stream:
        """Build sums of neighbours."""
        window = Window(step.name, step.kernel, step.stride, step.spacing, 0, step.shape[1])
        if self._is_folded(window, view):
            return self._folded(step, window, view)
        return self._windowed(step, window, view, lambda ws: self.arithmetic.total(ws))

    def maximum(self, step: form.Maximum, view: View) -> Stream:
        """Build the largest of neighbours."""
        window = Window(step.name, step.kernel, step.stride, 1, 0, step.shape[1])
        if self._is_folded(window, view):
            return self._folded(step, window, view)
        return self._windowed(step, window, view, self.arithmetic.extreme)

    def add(self, step: form.Add, views: Sequence[View]) -> Stream:
        """Build a sum of tensors."""

        def combine(wires: list[Wire]) -> Wire:
            return self.arithmetic.dot(zip(wires, step.signs, strict=True))

        return self.pointwise(step, views, combine)

    def product(self, step: form.Product, views: Sequence[View]) -> Stream:
        """Build products of two tensors."""
        low, high = step.range

        def combine(wires: list[Wire]) -> Wire:
            if any(wire.low == wire.high == 0 for wire in wires):
                return constant(0)
            return self.arithmetic.product(wires[0], wires[1], low, high)

        return self.pointwise(step, views, combine)

    def pointwise(self, step: form.Step, views: Sequence[View],
                  combine: Callable[[list[Wire]], Wire]) -> Stream:  # fmt: skip
        """Build a step that combines one sample of each source."""
        window = Window(step.name, length=step.shape[1])
        pace = window.pace(views[0][0].stream.pace)
        rows = []
        for channel in range(step.shape[0]):
            read = [self.taps.of(view[channel], window) for view in views]
            rows.append(
                tuple(
                    combine([taps[lane][0][1] if taps[lane] else constant(0) for taps in read])
                    for lane in range(pace.lanes)
                )
            )
        zero = all(each.stream.is_zero_outside for view in views for each in view)
        return self.paced(step, pace, rows, zero)

    def paced(self, step: form.Step, pace: Pace, rows: list[tuple[Wire, ...]],
              is_zero_outside: bool) -> Stream:  # fmt: skip
        """Return a stream of wires, each caught at the stream's own pace if it comes faster."""
        wires = tuple(
            tuple(self._slowed(self._ranged(wire, step, c), pace.period) for wire in row)
            for c, row in enumerate(rows)
        )
        return Stream(step.name, step.shape[1], pace, wires, is_zero_outside)

    def _ranged(self, wire: Wire, step: form.Step, channel: int) -> Wire:
        """Return a wire with the step's own range where that is narrower."""
        low, high = bounds(step, channel)
        low, high = max(low, wire.low), min(high, wire.high)
        if wire.low == wire.high or (low, high) == (wire.low, wire.high):
            return wire
        narrow = replace(wire, low=low, high=high)
        if narrow.n_bits == wire.n_bits and (low < 0) == (wire.low < 0):
            return narrow
        bits = wire.value.as_unsigned()[: max(narrow.n_bits, 1)]
        value = bits.as_signed() if low < 0 else bits
        return replace(narrow, value=value)

    def _slowed(self, wire: Wire, period: int) -> Wire:
        if period == wire.period or wire.is_constant:
            return wire
        return self.fabric.captured(wire, period)

    def _windowed(self, step: form.Step, window: Window, view: View,
                  combine: Callable[[list[Wire]], Wire]) -> Stream:  # fmt: skip
        pace = window.pace(view[0].stream.pace)
        rows = [
            tuple(
                combine([wire for _, wire in taps]) if taps else constant(0)
                for taps in self.taps.of(view[channel], window)
            )
            for channel in range(step.shape[0])
        ]
        stream = view[0].stream
        apart = window.stride == window.kernel and window.spacing == 1
        exact = apart and stream.n_samples == window.length * window.kernel
        zero = exact and all(each.stream.is_zero_outside and not each.offset for each in view)
        return self.paced(step, pace, rows, zero)

    # Sums over the whole frame ----------------------------------------------------------------

    @staticmethod
    def _is_folded(window: Window, view: View) -> bool:
        """Whether the sums are as many as the samples between two summands, and use up all."""
        stream = view[0].stream
        if stream.pace.period == ONCE or any(each.offset for each in view):
            return False
        n_apart = window.spacing if window.length > 1 else 1
        whole = window.kernel * n_apart == stream.n_samples
        return whole and window.length == n_apart and (window.length == 1 or window.stride == 1)

    def _folded(self, step: form.Step, window: Window, view: View) -> Stream:
        """Build what is kept of a frame while it passes: one register for each result."""
        rows = []
        for channel, each in enumerate(view):
            lanes = each.wires
            if window.length == 1:
                lanes = (self._reduced(step, lanes),)
            n_turns = max(1, window.length // len(lanes))
            kept = [self._kept(step, channel, wire, n_turns, each.stream.pace) for wire in lanes]
            rows.append(tuple(kept[t % len(lanes)][t // len(lanes)] for t in range(window.length)))
        return Stream(step.name, window.length, Pace(window.length, ONCE, 1), tuple(rows), True)

    def _reduced(self, step: form.Step, lanes: tuple[Wire, ...]) -> Wire:
        if len(lanes) == 1:
            return lanes[0]
        if isinstance(step, form.Maximum):
            return self.arithmetic.extreme(lanes)
        return self.arithmetic.total(lanes)

    def _kept(self, step: form.Step, channel: int, wire: Wire, n_turns: int,
              pace: Pace) -> list[Wire]:  # fmt: skip
        """Return the results of one lane, of which beats `n_turns` apart are combined.

        A ring of registers turns once a beat; in the first turn of a frame it is filled anew.
        """
        fabric, m = self.fabric, self.fabric.module
        low, high = bounds(step, channel)
        if wire.is_constant:
            n_summed = pace.n_beats // n_turns
            number = wire.low * (1 if isinstance(step, form.Maximum) else n_summed)
            return [constant(number)] * n_turns
        ring = [fabric.signal(low, high) for _ in range(n_turns)]
        oldest = ring[-1]
        if isinstance(step, form.Maximum):
            both = _larger(wire.value, oldest)
        else:
            both = wire.value + oldest
        first = fabric.during(wire.time, wire.time + n_turns * wire.period)
        with m.If(fabric.tick(wire.time, wire.period)):
            with m.If(first):
                m.d.sync += ring[0].eq(wire.value)
            with m.Else():
                m.d.sync += ring[0].eq(both)
            m.d.sync += [after.eq(before) for before, after in pairwise(ring)]
        time = wire.time + (pace.n_beats - 1) * pace.period + 1
        done = [Wire(each, low, high, time, ONCE, wire.period) for each in reversed(ring)]
        return [fabric.captured(each, ONCE, time) for each in done]


def _larger(a: Value, b: Value) -> Value:
    return Mux(a < b, b, a)
