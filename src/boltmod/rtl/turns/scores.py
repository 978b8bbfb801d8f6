"""The largest score, and symbol timing's numbers."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal, signed
from amaranth.lib.memory import Memory

from boltmod.rtl.turns.code import LANES
from boltmod.rtl.turns.scalar import SCALARS


class Best(Elaboratable):  # type: ignore[misc]
    """Which of the scores that come one after the other is the largest; of equal ones the first.

    Args:
        n_classes: How many come.
        n_bits: Bits of a score.
        with_all: Whether all are kept.
    """

    def __init__(self, n_classes: int, n_bits: int, with_all: bool) -> None:
        self.n_classes, self.with_all = n_classes, with_all
        self.begins, self.comes = Signal(), Signal()
        self.score = Signal(signed(n_bits))
        self.label = Signal(range(max(n_classes, 2)))
        self.best = Signal(signed(n_bits))
        self.all = Signal(n_bits * n_classes)

    def elaborate(self, _: object) -> Module:
        """Return the circuit."""
        m = Module()
        came, score = Signal(), Signal.like(self.score)
        number = Signal(range(self.n_classes + 1))
        m.d.sync += [came.eq(self.comes), score.eq(self.score)]
        with m.If(self.begins):
            m.d.sync += number.eq(0)
        with m.Elif(came):
            m.d.sync += number.eq(number + 1)
            if self.with_all:
                m.d.sync += self.all.eq(Cat(self.all[len(score) :], score))
            with m.If((number == 0) | (score > self.best)):
                m.d.sync += [self.best.eq(score), self.label.eq(number)]
        return m


class Scalars(Elaboratable):  # type: ignore[misc]
    """A few numbers of 32 bits with their adder, and the instants that they choose."""

    def __init__(self) -> None:
        self.read_address = Signal(range(SCALARS))
        """A clock before `do`."""
        self.address = Signal(range(SCALARS))
        self.total = Signal(signed(32))
        self.writes, self.stores = Signal(), Signal()
        self.loads, self.adds, self.subtracts = Signal(), Signal(), Signal()
        self.compares, self.allows = Signal(), Signal()
        self.bound = Signal(signed(32))
        self.number = Signal(4)
        """Which instant is compared."""
        self.instants = Signal(LANES)
        """A clock later than scalars."""

    def elaborate(self, _: object) -> Module:
        """Return the circuit."""
        m = Module()
        memory = Memory(shape=signed(32), depth=SCALARS, init=[])
        m.submodules.memory = memory
        write, read = memory.write_port(), memory.read_port()
        scalar = Signal(signed(32))
        m.d.comb += [
            read.addr.eq(self.read_address), write.addr.eq(self.address),
            write.en.eq(self.writes | self.stores),
            write.data.eq(Mux(self.writes, self.total, scalar)),
        ]  # fmt: skip
        with m.If(self.loads):
            m.d.sync += scalar.eq(read.data)
        with m.Elif(self.adds | self.subtracts):
            minus = self.subtracts.replicate(32).as_signed()
            m.d.sync += scalar.eq(scalar + (read.data ^ minus) + self.subtracts)
        is_above, compared = Signal(), Signal.like(self.number)
        m.d.sync += [
            is_above.eq(self.compares & (scalar > self.bound)), compared.eq(self.number),
        ]  # fmt: skip
        with m.If(self.allows):
            m.d.sync += self.instants.eq(-1)
        with m.Elif(is_above):
            for number in range(LANES):
                with m.If(compared == number):
                    m.d.sync += self.instants[number].eq(0)
        return m
