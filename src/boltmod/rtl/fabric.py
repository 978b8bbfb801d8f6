# amaranth: UnusedElaboratable=no
"""Registers on a common schedule: delays, captures, marks of a frame's passing, masks.

A frame may start only in a clock whose number is a multiple of `slot_unit`; what comes every p
clocks can therefore be caught by a counter that runs by itself, whatever frame it belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import lcm

from amaranth import Cat, Const, Module, Shape, Signal, Value
from amaranth.lib.memory import Memory

from boltmod.rtl.adders import width
from boltmod.rtl.multiplier import OPERAND_BITS, Multiplier, takes
from boltmod.rtl.wire import ONCE, Wire

_LONG_DELAY = 24
"""Clocks from which on a delay is a memory instead of a chain of registers."""


class Fabric:
    """The hardware while it is composed.

    Args:
        n_clocks: Clocks in which a frame's samples come.
        additions: How many follow each other within a clock.
    """

    def __init__(self, n_clocks: int, additions: int = 1) -> None:
        self.n_clocks, self.additions = n_clocks, additions
        self.module = Module()
        self.start = Signal()
        self.gap = 0
        self.register_bits = 0
        self.n_multipliers = 0
        self._marks: list[Signal] = [self.start]
        self._periods = {1}
        self._during: dict[tuple[int, int], Signal] = {}
        self._ticks: dict[tuple[int, int], list[Signal]] = {}
        self._delays: dict[int, list[Wire]] = {}
        self._captures: dict[int, list[Wire]] = {}
        self._kept: list[object] = []

    # Time -----------------------------------------------------------------------------------

    def mark(self, time: int) -> Signal:
        """Return what is 1 in the clock `time` after a frame's start, and 0 otherwise."""
        while len(self._marks) <= time:
            following = Signal(name=f"mark_{len(self._marks)}")
            self.module.d.sync += following.eq(self._marks[-1])
            self._marks.append(following)
        return self._marks[time]

    def during(self, begin: int, end: int) -> Signal:
        """Return what is 1 from clock `begin` of a frame up to clock `end`, without it."""
        key = (begin, end)
        if key not in self._during:
            begins, ends = self.mark(begin - 1), self.mark(end - 1)
            self._during[key] = passing = Signal(name=f"during_{begin}")
            with self.module.If(begins):
                self.module.d.sync += passing.eq(1)
            with self.module.Elif(ends):
                self.module.d.sync += passing.eq(0)
        return self._during[key]

    def tick(self, time: int, period: int) -> Value:
        """Return what is 1 in every clock that is `time`, modulo `period`.

        Each call gives another register, so that no net has too many readers.
        """
        if period == 1:
            return Const(1)
        self._periods.add(period)
        copy = Signal(name=f"tick_{period}")
        self._ticks.setdefault((period, time % period), []).append(copy)
        return copy

    def enable(self, time: int, period: int) -> Value:
        """Return what is 1 where a wire of this time and period has a new sample."""
        return self.mark(time) if period == ONCE else self.tick(time, period)

    @property
    def slot_unit(self) -> int:
        """Clocks of which the distance of two frames is a multiple."""
        return lcm(*self._periods)

    @property
    def slot(self) -> int:
        """Clocks from one frame's start to the next one's, at least."""
        return -(-(self.n_clocks + self.gap) // self.slot_unit) * self.slot_unit

    @property
    def latency(self) -> int:
        """Clocks after its start in which something of a frame is still on the way."""
        return len(self._marks)

    def reach_beyond(self, clocks: int) -> None:
        """Ask for so many clocks of zeros before and after each frame."""
        self.gap = max(self.gap, clocks)

    # Registers ------------------------------------------------------------------------------

    def register(self, value: Value, like: Wire, extra: int = 1) -> Wire:
        """Return a value one clock later.

        Args:
            value: What is kept.
            like: Range, and the time and hold of the operands.
            extra: Clocks that have passed.
        """
        kept = self.signal(like.low, like.high)
        self.module.d.sync += kept.eq(value)
        return Wire(kept, like.low, like.high, like.time + extra, like.period, like.hold)

    def signal(self, low: int, high: int) -> Signal:
        """Return a register for integers of a range; reset does not touch it."""
        kept = Signal(shape_of(low, high), reset_less=True)
        self.register_bits += len(kept)
        return kept

    def sum(self, value: Value, like: Wire, depth: int) -> Wire:
        """Return a sum, behind a register if as many additions as fit into a clock end in it."""
        if depth >= self.additions:
            return self.register(value, like)
        kept = Signal(shape_of(like.low, like.high))
        self.module.d.comb += kept.eq(value)
        return replace(like, value=kept, depth=depth)

    def product(self, a: Wire, b: Wire, low: int, high: int) -> Wire:
        """Return the product of two wires that are there together, two clocks later.

        Operands and product are kept in the multiplier's own registers where it takes them.
        """
        self.n_multipliers += -(-a.n_bits // OPERAND_BITS) * -(-b.n_bits // OPERAND_BITS)
        like = Wire(a.value, low, high, a.time, a.period, min(a.hold, b.hold))
        if not (takes(a.value) and takes(b.value)):
            held = [self.register(w.value, replace(w, hold=like.hold)) for w in (a, b)]
            return self.register(held[0].value * held[1].value, like, 2)
        multiplier = Multiplier(a.value, b.value)
        self.module.submodules += multiplier
        bits = multiplier.product[: shape_of(low, high).width]
        value = bits.as_signed() if low < 0 else bits
        return replace(like, value=value, time=a.time + 2, depth=0)

    def captured(self, wire: Wire, period: int, time: int | None = None) -> Wire:
        """Return a wire caught every `period` clocks (`ONCE` a frame) and held until the next.

        Args:
            wire: What is caught.
            period: Of the result.
            time: When the first one is caught; as soon as it is there where None.
        """
        time = wire.time if time is None else time
        if wire.is_constant:
            return wire
        assert wire.time <= time < wire.end
        kept = self.signal(wire.low, wire.high)
        with self.module.If(self.enable(time, period)):
            self.module.d.sync += kept.eq(wire.value)
        hold = self.n_clocks if period == ONCE else period
        return Wire(kept, wire.low, wire.high, time + 1, period, hold)

    def late(self, wire: Wire, n_beats: int) -> Wire:
        """Return a wire's samples so many beats later."""
        if wire.is_constant:
            return wire
        if wire.period == 1:
            return self._chain(wire, n_beats)
        return self._shifted(wire, n_beats) if n_beats else wire

    def _shifted(self, wire: Wire, n_beats: int) -> Wire:
        """Return a wire caught as soon as it is there, so many beats later."""
        chain = self._captures.get(id(wire))
        if chain is None:
            self._kept.append(wire)
            chain = self._captures[id(wire)] = [self.captured(wire, wire.period)]
        if len(chain) <= n_beats:
            enable = self.tick(wire.time, wire.period)
        while len(chain) <= n_beats:
            kept = self.signal(wire.low, wire.high)
            with self.module.If(enable):
                self.module.d.sync += kept.eq(chain[-1].value)
            time = chain[-1].time + wire.period
            chain.append(Wire(kept, wire.low, wire.high, time, wire.period, wire.period))
        return chain[n_beats]

    def _chain(self, wire: Wire, clocks: int) -> Wire:
        if id(wire) not in self._delays:
            self._kept.append(wire)
            self._delays[id(wire)] = [wire]
        chain = self._delays[id(wire)]
        while len(chain) <= clocks:
            chain.append(self.register(chain[-1].value, chain[-1]))
        return chain[clocks]

    def until(self, wire: Wire, time: int) -> Wire:
        """Return a wire, delayed if it must be so that its first sample is there at `time`."""
        while wire.end <= time:
            if wire.period == ONCE:
                wire = self.captured(wire, ONCE, min(time, wire.end) - 1)
            elif wire.period == 1 and time - wire.time >= _LONG_DELAY:
                (wire,) = self.recalled([wire], time - wire.time)
            elif wire.period == 1:
                wire = self._chain(wire, time - wire.time)
            else:
                wire = self._shifted(wire, (time - wire.time - 1) // wire.period)
        return wire

    def aligned(self, wires: Sequence[Wire]) -> tuple[list[Wire], Wire]:
        """Return wires whose first samples are there together, and when that is.

        The second result has time, period and hold of what they have in common.
        """
        begin = max(wire.time for wire in wires)
        ready = [self.until(wire, begin) for wire in wires]
        end = min(wire.end for wire in ready)
        period = max(wire.period for wire in ready)
        common = Wire(ready[0].value, 0, 0, begin, period, min(end - begin, self._hold(period)))
        return ready, common

    def _hold(self, period: int) -> int:
        return self.n_clocks if period == ONCE else period

    def recalled(self, wires: Sequence[Wire], clocks: int) -> list[Wire]:
        """Return wires, all of them so many clocks later, out of one memory."""
        memory = Memory(shape=sum(w.n_bits for w in wires), depth=clocks - 1, init=[])
        self.module.submodules += memory
        write, read = memory.write_port(), memory.read_port()
        place = Signal(range(clocks - 1))
        following = Signal.like(place)
        self.module.d.comb += [
            following.eq(place + 1),
            write.en.eq(1),
            write.addr.eq(place),
            read.addr.eq(following),
            write.data.eq(Cat(wire.value for wire in wires)),
        ]
        with self.module.If(place == clocks - 2):
            self.module.d.comb += following.eq(0)
        self.module.d.sync += place.eq(following)
        found, first = [], 0
        for wire in wires:
            bits = read.data[first : first + wire.n_bits]
            first += wire.n_bits
            value = bits.as_signed() if wire.low < 0 else bits
            later = Wire(value, wire.low, wire.high, wire.time, wire.period, wire.hold)
            found.append(self.register(value, later, clocks))
        return found

    def register_within(self, value: Value, like: Wire, passing: Value) -> Wire:
        """Return a value one clock later, zero where `passing` is not 1."""
        kept = self.signal(min(like.low, 0), max(like.high, 0))
        with self.module.If(passing):
            self.module.d.sync += kept.eq(value)
        with self.module.Else():
            self.module.d.sync += kept.eq(0)
        low, high = min(like.low, 0), max(like.high, 0)
        return Wire(kept, low, high, like.time + 1, like.period, like.hold)

    # The end --------------------------------------------------------------------------------

    def finish(self) -> Value:
        """Add the counter behind all ticks; what is 1 where a frame may start in the next clock."""
        unit = self.slot_unit
        count = Signal(range(max(unit, 2)))
        if unit == 1:
            return Const(1)
        self.module.d.sync += count.eq(count + 1)
        with self.module.If(count == unit - 1):
            self.module.d.sync += count.eq(0)
        for (period, phase), copies in self._ticks.items():
            self._spread(count, period, phase, copies)
        may = Signal()
        self.module.d.comb += may.eq(count == unit - 1)
        return may

    def _spread(self, count: Signal, period: int, phase: int, copies: list[Signal]) -> None:
        """Drive copies of a tick, each from the one before and a whole period later."""
        module = self.module
        first = copies[0]
        before = (phase - 1) % period
        hits = [n for n in range(self.slot_unit) if n % period == before]
        module.d.sync += first.eq(count.matches(*hits))
        for previous, copy in pairwise(copies):
            for _ in range(period - 1):
                between = Signal()
                module.d.sync += between.eq(previous)
                previous = between
            module.d.sync += copy.eq(previous)


def shape_of(low: int, high: int) -> Shape:
    """Return the narrowest shape for integers of a range."""
    return Shape(max(width(low, high), 1), signed=low < 0)
