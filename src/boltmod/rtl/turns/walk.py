"""Gain control's table: the level of every magnitude, for the power of one frame."""

from __future__ import annotations

from amaranth import Cat, Const, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.lib.memory import Memory

from boltmod.integer import form
from boltmod.rtl.fabric import shape_of
from boltmod.rtl.turns.scalar import MAGNITUDES


class Walk(Elaboratable):  # type: ignore[misc]
    """Makes the table by one walk, and looks levels up.

    Level k belongs to magnitude n if n² · 2^shift >= (2 k − 1)² · (factor · power + addend). Both
    sides grow, so a walk that raises k where the difference of the two is not negative, and n where
    it is, meets every edge once. A step takes three clocks:
    what is added, the lower half, the upper one.

    Args:
        step: The gain control.
        strongest: Largest power.
    """

    def __init__(self, step: form.Level, strongest: int) -> None:
        self.step, self.strongest = step, strongest
        self.begins = Signal()
        self.power = Signal(strongest.bit_length())
        self.sample = Signal(signed(8))
        self.level = Signal(8)
        """A clock after its sample."""

    def elaborate(self, _: object) -> Module:
        """Return the circuit."""
        m, step = Module(), self.step
        largest, most = step.most + 1, step.factor * self.strongest + step.addend
        reach = max((2 * largest + 1) ** 2 * most, MAGNITUDES**2 << step.shift)
        bound = Signal(shape_of(0, most), reset_less=True)
        part = Signal(shape_of(0, step.factor << len(self.power)), reset_less=True)
        left, walking, waiting = Signal.like(self.power), Signal(), Signal()
        difference = _Halves(m, shape_of(-reach, reach).width)
        rise = _Halves(m, len(difference.value))
        number, k = Signal(range(MAGNITUDES)), Signal(range(largest + 1))
        starts, raises, phase = Signal(), Signal(), Signal(2)
        is_low, is_high = phase == 1, phase == 2
        m.d.comb += raises.eq(~starts & ~difference.value[-1] & (k != largest))
        with m.If(self.begins | (waiting & left[0])):
            m.d.sync += bound.eq(Mux(self.begins, step.addend, bound) + Mux(waiting, part, 0))
        with m.If(self.begins):
            m.d.sync += [left.eq(self.power), part.eq(step.factor), waiting.eq(1)]
        with m.Elif(waiting):
            m.d.sync += [left.eq(left >> 1), part.eq(part << 1)]
            with m.If(left == 0):
                m.d.sync += [
                    waiting.eq(0),
                    walking.eq(1),
                    starts.eq(1),
                    number.eq(0),
                    k.eq(0),
                    phase.eq(0),
                ]
        with m.Elif(walking):
            m.d.sync += phase.eq(Mux(is_high, 0, phase + 1))
            with m.If(is_high):
                m.d.sync += starts.eq(0)
                with m.If(raises):
                    m.d.sync += k.eq(k + 1)
                with m.Elif(~starts):
                    m.d.sync += [number.eq(number + 1), walking.eq(number != MAGNITUDES - 1)]
        odd = (number << 1 | 1) << step.shift
        first, later = Signal.like(difference.value), Signal.like(difference.value)
        minus = ~Cat(bound, Const(0, len(first) - len(bound)))
        m.d.comb += [first.eq(minus), later.eq(Mux(raises, ~rise.value, odd))]
        addend, one = Signal.like(difference.value), Signal(reset_less=True)
        with m.If(phase == 0):
            m.d.sync += [addend.eq(Mux(starts, first, later)), one.eq(starts | raises)]
        difference.add(walking & is_low, walking & is_high, starts, addend, one)
        rises = walking & (starts | raises)
        rise.add(rises & is_low, rises & is_high, starts, bound << 3, 0)
        self._table(m, walking & is_high & ~raises & ~starts, number, k)
        return m

    def _table(self, m: Module, writes: object, number: Signal, k: Signal) -> None:
        table = Memory(shape=8, depth=256, init=[])
        m.submodules.table = table
        write, read = table.write_port(), table.read_port()
        negative = Signal()
        sample, step = self.sample, self.step
        m.d.sync += negative.eq(sample < 0)
        m.d.comb += [
            write.en.eq(writes), write.addr.eq(number), write.data.eq(k),
            read.addr.eq(Mux(sample < 0, -sample, sample)),
            self.level.eq(
                Mux(negative, -read.data, Mux(read.data > step.most, step.most, read.data))
            ),
        ]  # fmt: skip


class _Halves:
    """A wide number whose halves are added to in two clocks, the lower one first.

    Args:
        m: Where it is.
        n_bits: How wide it is.
    """

    def __init__(self, m: Module, n_bits: int) -> None:
        self.m, self.half = m, n_bits // 2
        self.value, self.carry = Signal(n_bits, reset_less=True), Signal(reset_less=True)

    def add(self, is_low: Value, is_high: Value, starts: Value, addend: Value,
            one: Value | int) -> None:  # fmt: skip
        """Add to one of the halves, and one more to the lower one; to nothing if it starts.

        What is loaded is added too: registers that are cleared apart would break the carry's chain.
        """
        m, half, value = self.m, self.half, self.value
        base, wide = Signal(len(value)), Signal(len(value))
        m.d.comb += [base.eq(Mux(starts, 0, value)), wide.eq(addend)]
        with m.If(is_high):
            m.d.sync += value[half:].eq(base[half:] + wide[half:] + self.carry)
        with m.If(is_low):
            m.d.sync += Cat(value[:half], self.carry).eq(base[:half] + wide[:half] + one)
