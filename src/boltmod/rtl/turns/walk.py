"""Gain control's table: the level of every magnitude, for the power of one frame."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Mux, Signal, signed
from amaranth.lib.memory import Memory

from boltmod.integer import form
from boltmod.rtl.fabric import shape_of

MAGNITUDES = 129
"""From 0 to that of the smallest integer of 8 bits."""


class Walk(Elaboratable):  # type: ignore[misc]
    """Makes the table by one walk, and looks levels up.

    Level k belongs to magnitude n if n² · 2^shift >= (2 k − 1)² · (factor · power + addend). Both
    sides grow, so a walk that raises k where the difference of the two is not negative, and n where
    it is, meets every edge once.

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
        bound, part = Signal(shape_of(0, most)), Signal(shape_of(0, step.factor << len(self.power)))
        left, walking = Signal.like(self.power), Signal()
        difference = Signal(shape_of(-reach, reach))
        rise = Signal(shape_of(0, 8 * (largest + 1) * most))
        number, k = Signal(range(MAGNITUDES)), Signal(range(largest + 1))
        raises, waiting = Signal(), Signal()
        m.d.comb += raises.eq((difference >= 0) & (k != largest))
        with m.If(self.begins):
            m.d.sync += [
                left.eq(self.power), part.eq(step.factor), bound.eq(step.addend), waiting.eq(1)
            ]
        with m.Elif(waiting):
            m.d.sync += [left.eq(left >> 1), part.eq(part << 1)]
            with m.If(left[0]):
                m.d.sync += bound.eq(bound + part)
            with m.If(left == 0):
                m.d.sync += [
                    waiting.eq(0), walking.eq(1), number.eq(0), k.eq(0),
                    difference.eq(-bound), rise.eq(bound << 3),
                ]  # fmt: skip
        with m.Elif(walking):
            odd = (number << 1 | 1) << step.shift
            m.d.sync += difference.eq(difference + Mux(raises, -rise, odd))
            with m.If(raises):
                m.d.sync += [k.eq(k + 1), rise.eq(rise + (bound << 3))]
            with m.Else():
                m.d.sync += number.eq(number + 1)
                m.d.sync += walking.eq(number != MAGNITUDES - 1)
        self._table(m, walking & ~raises, number, k)
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
