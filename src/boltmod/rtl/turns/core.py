# amaranth: UnusedElaboratable=no
"""The machine: instructions through `read`, `turn` and `do`, eight lanes, and what they share."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.lib.memory import Memory

from boltmod.rtl.turns.assemble import Machine
from boltmod.rtl.turns.blocks import Words
from boltmod.rtl.turns.code import LANES, Form, Op
from boltmod.rtl.turns.fetch import Decoded, Fetch
from boltmod.rtl.turns.lane import Control, Lane
from boltmod.rtl.turns.scores import Best, Scalars
from boltmod.rtl.turns.walk import Walk


class Core(Elaboratable):  # type: ignore[misc]
    """The machine without its surroundings.

    Args:
        machine: Its program.
        n_score_bits: Bits of a score.
        with_scores: Whether all scores are kept.
        is_apart: Whether a part's blocks are modules of their own.
    """

    def __init__(self, machine: Machine, n_score_bits: int, with_scores: bool,
                 is_apart: bool) -> None:  # fmt: skip
        self.machine = machine
        samples = machine.layout.places[machine.program.steps[0].name]
        self.fetch = Fetch(machine.code, (samples.end - 1).bit_length())
        self.words = Words(is_apart)
        self.control = Control()
        self.lanes = [Lane(self.control, number, is_apart) for number in range(LANES)]
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
        turning = Decoded(Signal(24))
        lane, goes_back = Signal(signed(4)), Signal()
        m.d.sync += [
            turning.word.eq(self.fetch.word), lane.eq(self.fetch.lane),
            goes_back.eq(self.fetch.goes_back),
        ]  # fmt: skip
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

    def _turn(self, m: Module, turning: Decoded, by: Value) -> None:
        """Move what was read by some lanes, zeros beyond the ends."""
        read = self.words.read
        moved = read
        for stage in range(3):
            bits = 8 << stage
            moved = Mux(by[stage], Cat(moved[bits:], moved[:bits]), moved)
        turned = Signal(8 * LANES)
        m.d.comb += turned.eq(moved)
        signless = turning.has(Form.UNSIGNED) | (turning.has(Form.ONCE) & turning.argument[5])
        for number, lane in enumerate(self.lanes):
            inside = turning.reads & (number + by >= 0) & (number + by < LANES)
            m.d.comb += [
                lane.reads.eq(Mux(inside, turned.word_select(number, 8), 0)),
                lane.has_sign.eq(~signless),
            ]

    # do ---------------------------------------------------------------------------------------

    def _do(self, m: Module, turning: Decoded, goes_back: Value) -> None:
        """Say a clock later what the lanes do, and another clock later what becomes of it."""
        c, total = self.control, self.lanes[0].mac.total
        bias, low_factor, addend = self._groups(m, turning, goes_back)
        low = turning.does(Op.LOW, Op.LOW_STORE, Op.LOW_AGAIN, Op.LOW_AGAIN_STORE)
        again = turning.does(Op.LOW_AGAIN, Op.LOW_AGAIN_STORE)
        scales, first = turning.has(Form.SCALE), self._is_first(turning)
        compares = turning.does(Op.COMPARE_SCALAR)
        byte, looks, code = Signal(), Signal(), Signal(4)
        m.d.sync += [
            c.by_sum.eq(low & ~again),
            c.by_kept.eq(turning.has(Form.BY_KEPT, Form.BY_INVERTED)),
            c.inverted.eq(turning.has(Form.BY_INVERTED)),
            c.adds_sum.eq(~(first | low | scales)), c.adds_high.eq(scales),
            c.addend.eq(Mux(first, bias, Mux(low, addend, 0))),
            c.keeps.eq(turning.has(Form.KEEP)), c.keeps_larger.eq(turning.has(Form.KEEP_LARGER)),
            byte.eq(turning.does(Op.BYTE)), looks.eq(turning.has(Form.LOOK_UP)),
            code.eq(turning.argument[:4]),
        ]  # fmt: skip
        m.d.comb += [
            c.by_itself.eq(turning.has(Form.BY_ITSELF)),
            c.by_aside.eq(scales | again),
            c.factor.eq(Mux(low, low_factor, self._factor(turning))),
        ]
        number = Signal(5)
        m.d.sync += [
            number.eq(turning.address),
            c.late_look.eq(Mux(looks, 1 << code[:3], 0)), c.late_result.eq(c.adds_high | byte),
            c.late_byte.eq(Mux(byte, number[:2] + 1, 0)), c.unsigned.eq(code[3]),
            c.mask.eq(-1 << code[:3]),
        ]  # fmt: skip
        self._numbers(m, turning, number)
        m.d.sync += [
            self.scalars.bound.eq(addend), self.scalars.compares.eq(compares),
            self.best.comes.eq(turning.does(Op.SCORE)),
        ]  # fmt: skip
        m.d.comb += self.best.score.eq(total)
        if self.walk is not None:
            walk = self.walk
            m.d.sync += walk.begins.eq(turning.does(Op.LEVELS))
            m.d.comb += [
                walk.power.eq(total),
                walk.sample.eq(self.lanes[0].operand),
                c.level.eq(walk.level),
            ]

    def _is_first(self, turning: Decoded) -> Value:
        bit = turning.has(Form.BY_INSTANT, Form.UNSIGNED, Form.HIGH) & turning.argument[5]
        other = turning.has(Form.BY_KEPT, Form.BY_INVERTED, Form.BY_ITSELF, Form.ONCE)
        other &= turning.argument[4]
        weight = turning.is_weight & turning.word[21]
        return weight | bit | other | turning.does(Op.CONSTANT)

    def _factor(self, turning: Decoded) -> Value:
        short = turning.argument[:3].as_signed()
        instant = self.scalars.instants.bit_select(turning.argument[:3], 1)
        factor = Mux(turning.has(Form.SCALE), turning.address.as_signed(), 0)
        factor = Mux(turning.has(Form.ONCE), 1, factor)
        factor = Mux(turning.has(Form.HIGH), short << 8, factor)
        factor = Mux(turning.has(Form.UNSIGNED), short, factor)
        factor = Mux(turning.has(Form.BY_INSTANT), instant, factor)
        return Mux(turning.is_weight, turning.word[13:21].as_signed(), factor)

    def _groups(self, m: Module, turning: Decoded, goes_back: Value) -> tuple[Value, ...]:
        """Add the constants, and what goes on to the next ones."""
        groups = [group.word for group in self.machine.groups]
        rom = Memory(shape=64, depth=len(groups) + 1, init=groups)
        m.submodules.groups = rom
        read = rom.read_port()
        at, base = Signal(range(len(groups) + 1)), Signal(range(len(groups) + 1))
        goes_on = turning.has(Form.SCALE) | turning.does(Op.SCORE, Op.COMPARE_SCALAR)
        m.d.comb += read.addr.eq(Mux(self.fetch.running, Mux(goes_back, base, at + goes_on), 0))
        m.d.sync += at.eq(read.addr)
        with m.If(turning.has(Form.SECTION)):
            m.d.sync += base.eq(at)
        data = read.data
        return data[:16].as_signed(), data[16:32].as_signed(), data[32:].as_signed()

    def _numbers(self, m: Module, turning: Decoded, number: Value) -> None:
        s = self.scalars
        m.d.sync += [
            s.writes.eq(turning.does(Op.WRITE_SCALAR)), s.loads.eq(turning.does(Op.LOAD_SCALAR)),
            s.adds.eq(turning.does(Op.ADD_SCALAR)),
            s.subtracts.eq(turning.does(Op.SUBTRACT_SCALAR)),
            s.stores.eq(turning.does(Op.STORE_SCALAR)), s.allows.eq(turning.does(Op.INSTANTS)),
        ]  # fmt: skip
        m.d.comb += [
            s.read_address.eq(turning.address),
            s.address.eq(number + Mux(s.writes, self.fetch.place, 0)),
            s.total.eq(self.lanes[0].mac.total), s.number.eq(number),
        ]  # fmt: skip
