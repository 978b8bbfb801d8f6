# amaranth: UnusedElaboratable=no
"""The machine: instructions through `read`, `turn` and `do`, eight lanes, and what they share."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.lib.memory import Memory

from boltmod.rtl.turns.assemble import Machine
from boltmod.rtl.turns.blocks import Words
from boltmod.rtl.turns.code import LANES
from boltmod.rtl.turns.fetch import Fetch
from boltmod.rtl.turns.lane import Control, Lane
from boltmod.rtl.turns.scores import Best, Scalars
from boltmod.rtl.turns.turning import Turning
from boltmod.rtl.turns.walk import Walk


class Core(Elaboratable):  # type: ignore[misc]
    """The machine without its surroundings.

    Args:
        machine: Its program.
        n_score_bits: Bits of a score.
        with_scores: Whether all scores are kept.
    """

    def __init__(self, machine: Machine, n_score_bits: int, with_scores: bool) -> None:
        self.machine = machine
        samples = machine.layout.places[machine.program.steps[0].name]
        self.fetch = Fetch(machine.code, (samples.end - 1).bit_length())
        self.words = Words()
        self.control = Control()
        self.lanes = [Lane(self.control, number) for number in range(LANES)]
        self.scalars = Scalars()
        n_classes = len(machine.program.classes)
        self.best = Best(n_classes, n_score_bits, with_scores)
        level = machine.level
        strongest = 0 if level is None else machine.program[level.sources[1]].range[1]
        self.walk = None if level is None else Walk(level, strongest)
        self.outside = Signal(len(self.words.address))
        """Where samples are written in clocks in which no instruction uses the memory."""
        self.outside_writes = Signal(LANES)
        self.outside_word = Signal(8)
        self.is_free = Signal()

    def elaborate(self, _: object) -> Module:
        """Return the circuit."""
        m = Module()
        m.submodules += [self.fetch, self.words, self.scalars, self.best, *self.lanes]
        if self.walk is not None:
            m.submodules.walk = self.walk
        self._memory(m)
        turning = Turning(m, self.fetch.now)
        lane, goes_back = Signal(signed(4)), Signal()
        m.d.sync += [lane.eq(self.fetch.lane), goes_back.eq(self.fetch.goes_back)]
        self._turn(m, turning, lane)
        self._do(m, turning, goes_back)
        return m

    # read -------------------------------------------------------------------------------------

    def _memory(self, m: Module) -> None:
        fetch, words = self.fetch, self.words
        uses, kept = Signal(), Signal()
        m.d.comb += [
            uses.eq(fetch.reads | fetch.stores), self.is_free.eq(~uses),
            kept.eq(fetch.now.stores_kept),
            words.address.eq(Mux(uses, fetch.address, self.outside)),
            words.writes.eq(Mux(uses, fetch.stores.replicate(LANES), self.outside_writes)),
        ]  # fmt: skip
        for number, lane in enumerate(self.lanes):
            m.d.comb += words.write.word_select(number, 8).eq(
                Mux(uses, Mux(kept, lane.kept, lane.result), self.outside_word)
            )

    # turn -------------------------------------------------------------------------------------

    def _turn(self, m: Module, turning: Turning, by: Value) -> None:
        """Move what was read by some lanes, zeros beyond the ends."""
        read = self.words.read
        moved = read
        for stage in range(3):
            bits = 8 << stage
            moved = Mux(by[stage], Cat(moved[bits:], moved[:bits]), moved)
        turned = Signal(8 * LANES)
        m.d.comb += turned.eq(moved)
        for number, lane in enumerate(self.lanes):
            inside = turning.reads & (number + by >= 0) & (number + by < LANES)
            m.d.comb += [
                lane.reads.eq(Mux(inside, turned.word_select(number, 8), 0)),
                lane.has_sign.eq(~turning.has_no_sign),
            ]

    # do ---------------------------------------------------------------------------------------

    def _do(self, m: Module, turning: Turning, goes_back: Value) -> None:
        """Say a clock later what the lanes do, and another clock later what becomes of it."""
        c, total, t = self.control, self.lanes[0].mac.total, turning
        bias, low_factor, addend = self._groups(m, t, goes_back)
        instant = self.scalars.instants.bit_select(t.code[:3], 1)
        byte, looks, makes, code = Signal(), Signal(), Signal(), Signal(5)
        m.d.comb += [
            c.by_itself.eq(t.by_itself), c.by_aside.eq(t.scales | t.again),
            c.factor.eq(Mux(t.low, low_factor, Mux(t.by_instant, instant, t.factor))),
        ]  # fmt: skip
        m.d.sync += [
            c.by_sum.eq(t.low & ~t.again), c.by_kept.eq(t.by_kept), c.inverted.eq(t.inverted),
            c.adds_sum.eq(~(t.first | t.low | t.scales)), c.adds_high.eq(t.scales),
            c.addend.eq(Mux(t.first, bias, Mux(t.low, addend, 0))),
            c.keeps.eq(t.keeps), c.keeps_larger.eq(t.keeps_larger),
            byte.eq(t.byte), looks.eq(t.looks), makes.eq(t.makes), code.eq(t.code),
        ]  # fmt: skip
        number = Signal(5)
        m.d.sync += [
            number.eq(t.number),
            c.late_look.eq(Mux(looks, 1 << code[:3], 0)), c.late_result.eq(makes | byte),
            c.late_byte.eq(Mux(byte, number[:2] + 1, 0)), c.unsigned.eq(code[3]),
            c.mask.eq(-1 << code[:3]), c.late_far.eq(code[4]),
        ]  # fmt: skip
        self._numbers(m, t, number)
        m.d.sync += [
            self.scalars.bound.eq(addend), self.scalars.compares.eq(t.compares),
            self.best.comes.eq(t.scores),
        ]  # fmt: skip
        m.d.comb += self.best.score.eq(total)
        if self.walk is not None:
            walk = self.walk
            m.d.sync += walk.begins.eq(t.levels)
            m.d.comb += [
                walk.power.eq(total),
                walk.sample.eq(self.lanes[0].operand),
                c.level.eq(walk.level),
            ]

    def _groups(self, m: Module, turning: Turning, goes_back: Value) -> tuple[Value, ...]:
        """Add the constants, and what goes on to the next ones."""
        groups = [group.word for group in self.machine.groups]
        rom = Memory(shape=64, depth=len(groups) + 1, init=groups)
        m.submodules.groups = rom
        read = rom.read_port()
        at, base = Signal(range(len(groups) + 1)), Signal(range(len(groups) + 1))
        next_at = Signal.like(at)
        following = Mux(turning.passes_group, next_at, at)
        m.d.comb += read.addr.eq(Mux(self.fetch.running, Mux(goes_back, base, following), 0))
        m.d.sync += [at.eq(read.addr), next_at.eq(read.addr + 1)]
        with m.If(turning.begins):
            m.d.sync += base.eq(at)
        data = read.data
        return data[:16].as_signed(), data[16:32].as_signed(), data[32:].as_signed()

    def _numbers(self, m: Module, turning: Turning, number: Value) -> None:
        s = self.scalars
        m.d.sync += [
            s.writes.eq(turning.writes), s.loads.eq(turning.loads), s.adds.eq(turning.adds),
            s.subtracts.eq(turning.subtracts), s.stores.eq(turning.stores),
            s.allows.eq(turning.allows),
        ]  # fmt: skip
        m.d.comb += [
            s.read_address.eq(turning.number),
            s.address.eq(number + Mux(s.writes, self.fetch.place, 0)),
            s.total.eq(self.lanes[0].mac.total), s.number.eq(number),
        ]  # fmt: skip
