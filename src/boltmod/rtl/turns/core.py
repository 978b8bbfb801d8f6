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
        self.fetch = Fetch(machine.code)
        self.words = Words(is_apart)
        self.control = Control()
        self.lanes = [Lane(self.control, number, is_apart) for number in range(LANES)]
        self.scalars = Scalars()
        n_classes = len(machine.program.classes)
        self.best = Best(n_classes, n_score_bits, with_scores)
        level = machine.level
        strongest = 0 if level is None else machine.program[level.sources[1]].range[1]
        self.walk = None if level is None else Walk(level, strongest)
        self.bank = Signal()
        """Which half of the received samples is read."""
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
        lane, goes_back = Signal(signed(4)), Signal(2)
        m.d.sync += [
            turning.word.eq(self.fetch.word), lane.eq(self.fetch.lane),
            goes_back.eq(Cat(self.fetch.goes_back, goes_back[0])),
        ]  # fmt: skip
        self._turn(m, turning, lane)
        self._do(m, turning, goes_back[1])
        return m

    # read -------------------------------------------------------------------------------------

    def _memory(self, m: Module) -> None:
        fetch, words = self.fetch, self.words
        now = fetch.now
        uses, stores, place = Signal(), Signal(), Signal.like(words.address)
        samples = self.machine.layout.places[self.machine.program.steps[0].name]
        half = (samples.end - 1).bit_length()
        in_samples = fetch.address[half + 1 :] == 0
        kept = now.stores_kept
        m.d.comb += [
            stores.eq(now.stores), uses.eq(now.reads | stores), self.is_free.eq(~uses),
            place.eq(fetch.address ^ ((self.bank & in_samples) << half)),
            words.address.eq(Mux(uses, place, self.outside)),
            words.writes.eq(Mux(uses, stores.replicate(LANES), self.outside_writes)),
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
            byte = turned.word_select(number, 8)
            m.d.sync += [
                lane.read.eq(Mux(inside, byte, 0)), lane.sign.eq(inside & byte[7] & ~signless)
            ]

    # do ---------------------------------------------------------------------------------------

    def _do(self, m: Module, turning: Decoded, goes_back: Value) -> None:
        c = self.control
        flags: dict[str, Signal] = {}

        def later(name: str, value: Value) -> Signal:
            flags[name] = signal = Signal(len(value), name=name)
            m.d.sync += signal.eq(value)
            return signal

        low = later("low", turning.does(Op.LOW, Op.LOW_STORE, Op.LOW_AGAIN, Op.LOW_AGAIN_STORE))
        again = later("again", turning.does(Op.LOW_AGAIN, Op.LOW_AGAIN_STORE))
        scales = later("scales", turning.has(Form.SCALE))
        first = later("first", self._is_first(turning))
        byte = later("byte", turning.does(Op.BYTE))
        number = later("number", turning.address[:5])
        looks = later("looks", turning.has(Form.LOOK_UP))
        code = later("code", turning.argument[:4])
        factor = Signal(signed(16))
        m.d.sync += factor.eq(self._factor(turning))
        bias, low_factor, addend, scored, compared = self._groups(m, turning, goes_back, scales)
        m.d.comb += [
            c.by_sum.eq(low & ~again), c.by_aside.eq(scales | again), c.sets_aside.eq(low & ~again),
            c.by_kept.eq(later("by_kept", turning.has(Form.BY_KEPT, Form.BY_INVERTED))),
            c.inverted.eq(later("inverted", turning.has(Form.BY_INVERTED))),
            c.by_itself.eq(later("by_itself", turning.has(Form.BY_ITSELF))),
            c.factor.eq(Mux(low, low_factor, factor)),
            c.adds_sum.eq(~(first | low | scales)), c.adds_high.eq(scales),
            c.addend.eq(Mux(first, bias, Mux(low, addend, 0))),
            c.keeps.eq(later("keeps", turning.has(Form.KEEP))),
            c.keeps_larger.eq(later("keeps_larger", turning.has(Form.KEEP_LARGER))),
        ]  # fmt: skip
        m.d.sync += [
            c.late_look.eq(Mux(looks, 1 << code[:3], 0)), c.late_result.eq(scales | byte),
            c.late_byte.eq(Mux(byte, number + 1, 0)), c.unsigned.eq(code[3]),
            c.mask.eq(-1 << code[:3]),
        ]  # fmt: skip
        self._numbers(m, turning, number, addend, compared)
        total = self.lanes[0].mac.total
        m.d.comb += [self.best.comes.eq(scored), self.best.score.eq(total)]
        if self.walk is not None:
            walk = self.walk
            m.d.comb += [
                walk.begins.eq(later("levels", turning.does(Op.LEVELS))), walk.power.eq(total),
                walk.sample.eq(self.lanes[0].read), c.level.eq(walk.level),
            ]  # fmt: skip

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

    def _groups(self, m: Module, turning: Decoded, goes_back: Value,
                scales: Value) -> tuple[Value, ...]:  # fmt: skip
        """Add the constants, and what goes on to the next ones."""
        groups = [group.word for group in self.machine.groups]
        rom = Memory(shape=64, depth=len(groups) + 1, init=groups)
        m.submodules.groups = rom
        read = rom.read_port()
        at, base = Signal(range(len(groups) + 1)), Signal(range(len(groups) + 1))
        begins, scored, compared = Signal(), Signal(), Signal()
        m.d.sync += [
            begins.eq(turning.has(Form.SECTION)), scored.eq(turning.does(Op.SCORE)),
            compared.eq(turning.does(Op.COMPARE_SCALAR)), at.eq(read.addr),
        ]  # fmt: skip
        following = at + (scales | scored | compared)
        m.d.comb += read.addr.eq(
            Mux(self.fetch.running, Mux(goes_back, base, following), 0)
        )
        with m.If(begins):
            m.d.sync += base.eq(at)
        data = read.data
        return data[:16].as_signed(), data[16:32].as_signed(), data[32:].as_signed(), scored, compared

    def _numbers(self, m: Module, turning: Decoded, number: Value, bound: Value,
                 compared: Value) -> None:  # fmt: skip
        s = self.scalars
        writes = Signal()
        m.d.sync += [
            writes.eq(turning.does(Op.WRITE_SCALAR)), s.loads.eq(turning.does(Op.LOAD_SCALAR)),
            s.adds.eq(turning.does(Op.ADD_SCALAR)),
            s.subtracts.eq(turning.does(Op.SUBTRACT_SCALAR)),
            s.stores.eq(turning.does(Op.STORE_SCALAR)), s.allows.eq(turning.does(Op.INSTANTS)),
        ]  # fmt: skip
        m.d.comb += [
            s.read_address.eq(turning.address), s.writes.eq(writes), s.compares.eq(compared),
            s.address.eq(number + Mux(writes, self.fetch.place, 0)),
            s.total.eq(self.lanes[0].mac.total), s.bound.eq(bound), s.number.eq(number),
        ]  # fmt: skip
