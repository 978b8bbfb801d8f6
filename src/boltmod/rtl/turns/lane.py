# amaranth: UnusedElaboratable=no
"""One lane: its operand, its multiplier, what it keeps and its result."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal, signed

from boltmod.rtl.turns.blocks import Mac
from boltmod.rtl.turns.code import FACTOR_SHIFT, FAR_SHIFT, LANES, LEVEL_SHIFT


class Control(Elaboratable):  # type: ignore[misc]
    """What all lanes are told in their `do` clock, and a clock later (`late_…`)."""

    def __init__(self) -> None:
        self.by_sum = Signal()
        """One factor is the sum, which is set aside."""
        self.by_aside = Signal()
        """A clock before: one factor is what was set aside; otherwise what is read."""
        self.by_kept = Signal()
        """The other one is what is kept,"""
        self.inverted = Signal()
        """or −1 less that,"""
        self.by_itself = Signal()
        """A clock before: or what is read; otherwise `factor`."""
        self.factor = Signal(signed(16))
        """A clock before."""
        self.adds_sum = Signal()
        self.adds_high = Signal()
        self.addend = Signal(signed(32))
        """What is added beside."""
        self.keeps = Signal()
        self.keeps_larger = Signal()
        self.late_look = Signal(LANES)
        """Which lane keeps the level."""
        self.level = Signal(8)
        self.late_result = Signal()
        self.late_byte = Signal(2)
        """0 for a level, or a byte's number + 1."""
        self.late_far = Signal()
        """Whether a level is shifted by more bits."""
        self.mask = Signal(8)
        """Bits beyond a level's range."""
        self.unsigned = Signal()


class Lane(Elaboratable):  # type: ignore[misc]
    """A lane.

    Args:
        control: What all are told.
        number: Which lane it is.
    """

    def __init__(self, control: Control, number: int) -> None:
        self.control, self.number, self.mac = control, number, Mac()
        self.reads = Signal(8)
        """What is read and moved, a clock before `do`."""
        self.has_sign = Signal()
        """Whether that is signed."""
        self.operand = Signal(16)
        """That with its sign, or what was set aside."""
        self.kept = Signal(signed(8))
        self.result = Signal(8)

    def elaborate(self, _: object) -> Module:
        """Return the circuit."""
        m, c, mac = Module(), self.control, self.mac
        m.submodules.mac = mac
        total = mac.total
        aside, factor = Signal(signed(16)), Signal(signed(16))
        latest = Signal(signed(16))
        m.d.comb += latest.eq(Mux(c.by_sum, total[:16], aside))
        sign = self.reads[7] & self.has_sign
        m.d.sync += [
            aside.eq(latest),
            self.operand.eq(Mux(c.by_aside, latest, Cat(self.reads, sign.replicate(8)))),
            factor.eq(Mux(c.by_itself, self.reads.as_signed(), c.factor)),
        ]
        base = Mux(c.adds_sum, total, 0) | Mux(c.adds_high, total >> FACTOR_SHIFT, 0) | c.addend
        m.d.comb += [
            mac.a.eq(Mux(c.by_sum, total[:16], self.operand)),
            mac.b.eq(Mux(c.by_kept, self.kept ^ c.inverted.replicate(9).as_signed(), factor)),
            mac.base.eq(base),
        ]
        read, larger = self.operand[:8].as_signed(), Signal()
        m.d.comb += larger.eq(read > self.kept)
        looked = c.late_look[self.number]
        with m.If(c.keeps | (c.keeps_larger & larger) | looked):
            m.d.sync += self.kept.eq(Mux(looked, c.level, read))
        self._result(m, total)
        return m

    def _result(self, m: Module, total: Signal) -> None:
        """Cut the sum to a level, or take one of its bytes."""
        c = self.control
        near, far = total[LEVEL_SHIFT:].as_signed(), total[FAR_SHIFT:].as_signed()
        level = Signal(signed(len(near)))
        m.d.comb += level.eq(Mux(c.late_far, far, near))
        sign = total[-1]
        beyond = Signal()
        low = (level[:7] ^ sign.replicate(7)) & c.mask[:7]
        m.d.comb += beyond.eq((level[7:-1] ^ sign.replicate(len(level) - 8)).any() | low.any())
        cut = Mux(beyond, ~(c.mask ^ sign.replicate(8)), level[:8])
        cut = Mux(sign & c.unsigned, 0, cut)
        with m.If(c.late_result), m.Switch(c.late_byte):
            for number in range(3):
                with m.Case(number + 1):
                    m.d.sync += self.result.eq(total.word_select(number, 8))
            with m.Default():
                m.d.sync += self.result.eq(cut)
