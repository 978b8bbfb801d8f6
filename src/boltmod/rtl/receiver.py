# amaranth: UnusedElaboratable=no
"""Symbol timing and gain control: what needs a frame's sums before it can touch its samples."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth import Array, Const, Module, Mux, Signal, Value
from amaranth.lib.memory import Memory

from boltmod.errors import UnsupportedOperatorError
from boltmod.integer import form
from boltmod.rtl.taps import Window
from boltmod.rtl.windows import Windows
from boltmod.rtl.wire import ONCE, Pace, Stream, View, Wire, constant

_MOST_LEVELS = 1024
"""Magnitudes for which gain control keeps a table."""


class Receiver:
    """Builder of symbol timing and gain control.

    Args:
        windows: Builder of what else the network has.
    """

    def __init__(self, windows: Windows) -> None:
        self.windows, self.fabric = windows, windows.fabric

    # Symbol timing ----------------------------------------------------------------------------

    def instant(self, step: form.Instant, view: View) -> Stream:
        """Build the comparison of every score with every other one, one pair a clock."""
        fabric, m = self.fabric, self.fabric.module
        scores = [self._sample(view, t) for t in range(step.shape[1])]
        scores, when = fabric.aligned(scores)
        n = len(scores)
        if n * n + 4 > fabric.n_clocks:
            raise UnsupportedOperatorError(
                f"{step.name} compares {n} scores in {n * n} clocks, and a frame has "
                f"{fabric.n_clocks}: compile with fewer --samples-per-clock"
            )
        i, j = Signal(range(n)), Signal(range(n))
        i_bits = len(i)
        with m.If(fabric.mark(when.time)):
            m.d.sync += [i.eq(0), j.eq(0)]
        with m.Else():
            m.d.sync += i.eq(Mux(i == n - 1, 0, i + 1))
            with m.If((i == n - 1) & (j != n - 1)):
                m.d.sync += j.eq(j + 1)
        values = Array(score.value for score in scores)
        low, high = step_range(scores)
        one, other = fabric.signal(low, high), fabric.signal(low, high)
        limits = [int(limit) for limit in step.limits]
        limit = fabric.signal(min(*limits, 0), max(*limits, 0))
        above = fabric.signal(low - high, high - low)
        later_limit = Signal.like(limit)
        m.d.sync += [
            one.eq(values[i]),
            other.eq(values[j]),
            limit.eq(
                Array(Const(each) for each in limits)[(i - j + n - 1).as_unsigned()[: i_bits + 1]]
            ),
            above.eq(one - other),
            later_limit.eq(limit),
        ]
        return self._instants(step, when, (i, j), above <= later_limit)

    def _instants(self, step: form.Instant, when: Wire, place: tuple[Signal, Signal],
                  holds: Value) -> Stream:  # fmt: skip
        """Return the bits of which no comparison failed, once all have been made."""
        m, n = self.fabric.module, step.shape[1]
        begun = _later(m, place[0] == 0, 2)
        row = _later(m, place[1], 2)
        wires = []
        for j in range(n):
            bit = Signal(reset_less=True)
            with m.If(row == j):
                m.d.sync += bit.eq(holds & (bit | begun))
            # Counted from the mark: a clock for the counters, two for the comparison, one for this.
            time = when.time + n * n + 3
            wires.append(Wire(bit, 0, 1, time, ONCE, 1))
        # The last row is compared again and again until the next frame, with the same result only
        # while its scores are there: it is caught in time.
        caught = tuple(self.fabric.captured(wire, ONCE) for wire in wires)
        return Stream(step.name, n, Pace(n, ONCE, 1), (caught,), True)

    def choose(self, step: form.Choose, view: View, instants: View) -> Stream:
        """Build the choice of the samples at the instants."""
        fabric, n = self.fabric, step.kernel
        window = Window(step.name, n, n, 1, 0, step.shape[1])
        pace = window.pace(view[0].stream.pace)
        read = [self.windows.taps.of(each, window) for each in view]
        at = [self._sample(instants, t) for t in range(n)]
        when = max(wire.time for wire in at)
        late = self._not_before(when, [w for rows in read for row in rows for _, w in row])
        begin = max(wire.time for wire in late.values())
        # Held from the frame's first sample to its last, which is as long as they stay.
        held = [fabric.captured(fabric.until(wire, begin - 1), ONCE, begin - 1) for wire in at]
        rows = []
        for channel in read:
            row = []
            for taps in channel:
                wires = [
                    self._gated(fabric.until(late[id(wire)], begin), held[k].value, begin)
                    for k, wire in taps
                ]
                row.append(self.windows.arithmetic.total(wires))
            rows.append(tuple(row))
        return self.windows.paced(step, pace, rows, True)

    def _gated(self, wire: Wire, bit: Value, begin: int) -> Wire:
        hold = min(wire.end - begin, max(wire.period, 1))
        return self.fabric.register_within(wire.value, wire.at(begin, hold), bit)

    def _not_before(self, time: int, wires: Sequence[Wire]) -> dict[int, Wire]:
        """Return wires by their identity, those that come before a time delayed in one memory."""
        unique = {id(wire): wire for wire in wires}
        clocks = time + 2 - min(wire.time for wire in unique.values())
        if clocks <= 3:
            return unique
        # A memory holds whole clocks of all wires: those that share a signal share its place.
        signals = {(id(w.value), w.time): w for w in unique.values()}
        late = self.fabric.recalled(list(signals.values()), clocks)
        found = dict(zip(signals, late, strict=True))
        return {key: found[id(w.value), w.time] for key, w in unique.items()}

    def _sample(self, view: View, t: int) -> Wire:
        """Return a sample of a one-channel tensor that comes once a frame."""
        (each,) = view
        at = t + each.offset
        if each.stream.pace.period != ONCE:
            raise UnsupportedOperatorError(
                f"{each.stream.name} must come once a frame to be compared, not sample by sample"
            )
        inside = max(each.first, 0) <= at < min(each.stop, each.stream.n_samples)
        return each.wires[at] if inside else constant(0)

    # Gain control -----------------------------------------------------------------------------

    def level(self, step: form.Level, view: View, power: View) -> Stream:
        """Build the division by a root: a table of all magnitudes, made anew for each frame."""
        fabric = self.fabric
        window = Window(step.name, length=step.shape[1])
        pace = window.pace(view[0].stream.pace)
        read = [self.windows.taps.of(each, window) for each in view]
        most = max(max(-each.wires[0].low, each.wires[0].high) for each in view)
        if most >= _MOST_LEVELS or step.addend <= 0 or pace.period == ONCE:
            raise UnsupportedOperatorError(
                f"{step.name} must divide samples of less than {_MOST_LEVELS} by the root of a "
                f"power above zero, not of {most}"
            )
        strength = self.windows.arithmetic.dot([(self._sample(power, 0), step.factor)], step.addend)
        n_steps = most + step.most + 4
        wires = [w for rows in read for row in rows for _, w in row]
        late = self._not_before(strength.time + n_steps, wires)
        begin = max(wire.time for wire in late.values())
        tables = _Tables(self, step, strength, most, begin)
        rows = [
            tuple(tables.look_up(fabric.until(late[id(taps[0][1])], begin)) for taps in channel)
            for channel in read
        ]
        return self.windows.paced(step, pace, rows, True)


class _Tables:
    """Tables of a level for each magnitude, in turn one for each frame on the way.

    Level k belongs to magnitude m if m²·2^shift >= (2 k − 1)²·B. Both grow, so a walk that raises k
    where the difference is not negative, and m where it is, meets every edge once.
    """

    def __init__(self, receiver: Receiver, step: form.Level, strength: Wire, most: int,
                 begin: int) -> None:  # fmt: skip
        self.fabric, self.step, self.most, self.begin = receiver.fabric, step, most, begin
        fabric = receiver.fabric
        fabric.reach_beyond(4)
        busy = begin + fabric.n_clocks + 8 - strength.time
        self.n_tables = -(-busy // fabric.n_clocks)
        self._making = self._turn(strength.time)
        self._writers = [self._walk(strength, number) for number in range(self.n_tables)]
        self._reading = self._turn(begin)

    def _turn(self, time: int) -> Signal:
        """Return which table is a frame's, from clock `time` of the frame on."""
        m = self.fabric.module
        turn = Signal(range(self.n_tables), init=self.n_tables - 1)
        with m.If(self.fabric.mark(time - 1)):
            m.d.sync += turn.eq(Mux(turn == self.n_tables - 1, 0, turn + 1))
        return turn

    def _walk(self, strength: Wire, number: int) -> tuple[Signal, Signal, Signal]:
        """Build a walk; whether it writes, where, and what."""
        fabric, m, step = self.fabric, self.fabric.module, self.step
        most_b = strength.high
        largest = step.most + 1
        m_now, k_now = Signal(range(self.most + 2)), Signal(range(largest + 2))
        reach = (2 * largest + 1) ** 2 * most_b
        difference = fabric.signal(-reach, (self.most + 1) ** 2 << step.shift)
        bound, rise = fabric.signal(0, most_b), fabric.signal(0, 8 * (largest + 1) * most_b)
        running = Signal()
        begins, is_mine = Signal(), Signal()
        m.d.comb += is_mine.eq(fabric.mark(strength.time) & (self._making == number))
        m.d.sync += begins.eq(is_mine)
        with m.If(is_mine):
            m.d.sync += bound.eq(strength.value)
        raises = Signal()
        m.d.comb += raises.eq(running & (difference >= 0) & (k_now != largest))
        with m.If(begins):
            m.d.sync += [
                running.eq(1), m_now.eq(1), k_now.eq(0),
                difference.eq((1 << step.shift) - bound), rise.eq(bound << 3),
            ]  # fmt: skip
        with m.Elif(raises):
            m.d.sync += [
                k_now.eq(k_now + 1), difference.eq(difference - rise), rise.eq(rise + (bound << 3)),
            ]  # fmt: skip
        with m.Elif(running):
            m.d.sync += [
                m_now.eq(m_now + 1),
                difference.eq(difference + (((m_now << 1) | 1) << step.shift)),
            ]
            with m.If(m_now == self.most):
                m.d.sync += running.eq(0)
        writes = Signal()
        m.d.comb += writes.eq(running & ~raises)
        return writes, m_now, k_now

    def look_up(self, wire: Wire) -> Wire:
        """Return the level of a wire's samples."""
        fabric, m, step = self.fabric, self.fabric.module, self.step
        size = fabric.signal(0, self.most)
        m.d.sync += size.eq(Mux(wire.value < 0, -wire.value, wire.value))
        found = []
        for writes, where, what in self._writers:
            table = Memory(shape=len(what), depth=self.most + 1, init=[])
            m.submodules += table
            write, read = table.write_port(), table.read_port()
            m.d.comb += [
                write.en.eq(writes),
                write.addr.eq(where),
                write.data.eq(what),
                read.addr.eq(size),
            ]
            found.append(read.data)
        negative = _later(m, wire.value < 0, 2)
        level = Array(found)[_later(m, self._reading, 2)]
        signed = Mux(negative, -level, Mux(level > step.most, step.most, level))
        like = Wire(wire.value, -step.most - 1, step.most, self.begin, wire.period,
                    wire.end - self.begin)  # fmt: skip
        return fabric.register(signed, like, 3)


def _later(m: Module, value: Value, clocks: int) -> Signal:
    """Return a value so many clocks later."""
    for _ in range(clocks):
        kept = Signal(len(value), reset_less=True)
        m.d.sync += kept.eq(value)
        value = kept
    return value


def step_range(wires: Sequence[Wire]) -> tuple[int, int]:
    """Return the smallest and largest value of several wires."""
    return min(wire.low for wire in wires), max(wire.high for wire in wires)
