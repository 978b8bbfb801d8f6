# amaranth: UnusedElaboratable=no
"""Which instruction comes next, where it reads and writes, and by how many lanes that is moved."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth import Cat, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.lib.memory import Memory

from boltmod.rtl.turns.code import ADDRESS_BITS, WHOLE, Form, Instruction, Op

_REPEATS_BITS = 9


class Decoded:
    """An instruction's fields.

    Args:
        word: Its 24 bits.
    """

    def __init__(self, word: Value) -> None:
        self.word = word
        self.is_weight = word[23]
        self.form, self.argument, self.address = word[19:23], word[13:19], word[:13]

    def has(self, *forms: Form) -> Value:
        """Whether it has one of some forms."""
        return ~self.is_weight & Cat(self.form == form for form in forms).any()

    def does(self, *ops: Op) -> Value:
        """Whether it is one of some operations without a form of their own."""
        same = Cat(self.argument == op for op in ops).any()
        return self.has(Form.PLAIN) & same

    @property
    def multiplies(self) -> Value:
        """Whether what is read is multiplied."""
        beyond = (self.form >= Form.BY_KEPT) & (self.form < Form.ONCE)
        return self.is_weight | beyond

    @property
    def reads(self) -> Value:
        """Whether it reads."""
        return self.multiplies | self.has(Form.KEEP, Form.KEEP_LARGER, Form.LOOK_UP)

    @property
    def stores(self) -> Value:
        """Whether it writes."""
        plain = self.does(Op.STORE, Op.STORE_KEPT, Op.LOW_STORE, Op.LOW_AGAIN_STORE)
        return plain | self.has(Form.ONCE_STORE)

    @property
    def stores_kept(self) -> Value:
        """Whether it writes what is kept."""
        return self.does(Op.STORE_KEPT)

    @property
    def lane(self) -> Value:
        """By how many lanes what is read is moved."""
        short = self.has(Form.BY_INSTANT, Form.UNSIGNED, Form.HIGH)
        few = self.argument[3:5].as_signed()
        far = self.argument[:4].as_signed()
        one = self.word[22].replicate(4).as_signed()
        return Mux(self.is_weight, one, Mux(short, few, far))


class Fetch(Elaboratable):  # type: ignore[misc]
    """The instruction in its `read` clock; which one follows is found the clock before.

    Going back takes a clock in which nothing is done.

    Args:
        code: All instructions.
        samples_bits: Bits of an address within one half of the received samples.
    """

    def __init__(self, code: Sequence[Instruction], samples_bits: int) -> None:
        self.samples_bits = samples_bits
        self.half = Signal()
        """Which half of the received samples is read."""
        self.code = [instruction.word for instruction in code]
        self.running = Signal()
        self.word = Signal(24)
        """The instruction; nothing while the machine does not run."""
        self.now = Decoded(self.word)
        self.reads = Signal()
        self.stores = Signal()
        self.address = Signal(ADDRESS_BITS)
        self.lane = Signal(signed(4))
        self.place = Signal(_REPEATS_BITS)
        """How often the section was repeated."""
        self.goes_back = Signal()
        self.ends = Signal()
        """Whether the instruction that follows is the last one."""

    def elaborate(self, _: object) -> Module:
        """Return the circuit."""
        m = Module()
        rom = Memory(shape=24, depth=len(self.code), init=self.code)
        m.submodules.rom = rom
        read = rom.read_port()
        at, next_at, begin = (Signal(range(len(self.code))) for _ in range(3))
        repeats, place, again = (Signal(_REPEATS_BITS) for _ in range(3))
        raw, coming = Decoded(read.data), Decoded(Signal(24))
        goes_back, is_again, is_last = Signal(), Signal(), Signal()
        passes = self.running & ~self.ends & ~goes_back
        m.d.comb += [
            again.eq(place + 1),
            goes_back.eq(is_again & ~is_last),
            read.addr.eq(Mux(self.running, Mux(goes_back, begin, next_at), 0)),
        ]
        m.d.sync += [
            at.eq(read.addr),
            next_at.eq(read.addr + 1),
            coming.word.eq(Mux(passes, read.data, 0)),
            is_again.eq(passes & raw.does(Op.AGAIN)),
            self.ends.eq(passes & raw.does(Op.END)),
            is_last.eq(again == repeats),
            self.word.eq(coming.word),
            self.goes_back.eq(goes_back),
        ]
        scale, row, moved = Signal(3), Signal(ADDRESS_BITS), Signal(ADDRESS_BITS)
        with m.If(coming.has(Form.SECTION)):
            code = Cat(coming.argument[3:6], coming.address[9])
            m.d.sync += [
                begin.eq(at), repeats.eq(coming.address[:9]), place.eq(0), moved.eq(0),
                scale.eq(coming.argument[:3]),
                row.eq(Mux(code[3], -1, ~(-1 << code[:3]))),
            ]  # fmt: skip
        with m.Elif(goes_back):
            m.d.sync += [place.eq(again), moved.eq(moved + (1 << scale))]
        m.d.sync += self.place.eq(place)
        self._where(m, coming, Mux(coming.stores, place, moved), Mux(coming.stores, -1, row))
        return m

    def _where(self, m: Module, coming: Decoded, moved: Value, row: Value) -> None:
        """Add the address, and the lane one further where a row's end is passed."""
        within, by = Signal(ADDRESS_BITS), Signal(ADDRESS_BITS)
        inner, outer = Signal(ADDRESS_BITS), Signal(ADDRESS_BITS)
        lane, total = Signal(signed(4)), Signal(ADDRESS_BITS + 1)
        n_bits = self.samples_bits
        half = (self.half & (coming.address[n_bits + 1 :] == 0)) << n_bits
        m.d.sync += [
            within.eq(row), by.eq(moved), inner.eq(coming.address & row),
            outer.eq((coming.address & ~row) ^ half), lane.eq(coming.lane),
            self.reads.eq(coming.reads), self.stores.eq(coming.stores),
        ]  # fmt: skip
        m.d.comb += [
            total.eq(inner + by),
            self.address.eq(outer | (total & within)),
            self.lane.eq(lane + (total & ~within)[:ADDRESS_BITS].any()),
        ]


assert WHOLE == 8
