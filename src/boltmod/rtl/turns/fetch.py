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
        return self.is_weight | (self.form >= Form.BY_KEPT)

    @property
    def reads(self) -> Value:
        """Whether it reads."""
        return self.multiplies | self.has(Form.KEEP, Form.KEEP_LARGER, Form.LOOK_UP)

    @property
    def stores(self) -> Value:
        """Whether it writes."""
        return self.does(Op.STORE, Op.STORE_KEPT, Op.LOW_STORE, Op.LOW_AGAIN_STORE)

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
    """The instruction in its `read` clock.

    Args:
        code: All instructions.
    """

    def __init__(self, code: Sequence[Instruction]) -> None:
        self.code = [instruction.word for instruction in code]
        self.running = Signal()
        self.word = Signal(24)
        """The instruction; nothing while the machine does not run."""
        self.now = Decoded(self.word)
        self.address = Signal(ADDRESS_BITS)
        self.lane = Signal(signed(4))
        self.place = Signal(_REPEATS_BITS)
        """How often the section was repeated."""
        self.goes_back = Signal()
        self.ends = Signal()

    def elaborate(self, _: object) -> Module:
        """Return the circuit."""
        m = Module()
        rom = Memory(shape=24, depth=len(self.code), init=self.code)
        m.submodules.rom = rom
        read = rom.read_port()
        at, following, begin = (Signal(range(len(self.code))) for _ in range(3))
        repeats, again = Signal(_REPEATS_BITS), Signal(_REPEATS_BITS)
        now = self.now
        m.d.comb += [
            self.word.eq(Mux(self.running, read.data, 0)),
            again.eq(self.place + 1),
            self.goes_back.eq(now.does(Op.AGAIN) & (again != repeats)),
            self.ends.eq(now.does(Op.END)),
            following.eq(Mux(self.goes_back, begin, at + 1)),
            read.addr.eq(Mux(self.running & ~self.ends, following, 0)),
        ]
        m.d.sync += at.eq(read.addr)
        begins = now.has(Form.SECTION)
        scale, row = Signal(3), Signal(ADDRESS_BITS)
        moved = Signal(ADDRESS_BITS)
        with m.If(begins):
            code = Cat(now.argument[3:6], now.address[9])
            m.d.sync += [
                begin.eq(following), repeats.eq(now.address[:9]), self.place.eq(0), moved.eq(0),
                scale.eq(now.argument[:3]),
                row.eq(Mux(code[3], -1, ~(-1 << code[:3]))),
            ]  # fmt: skip
        with m.Elif(self.goes_back):
            m.d.sync += [self.place.eq(again), moved.eq(moved + (1 << scale))]
        self._where(m, moved, row)
        return m

    def _where(self, m: Module, moved: Signal, row: Signal) -> None:
        """Add the address, and the lane one further where a row's end is passed."""
        now, stores = self.now, self.now.stores
        within, total = Signal(ADDRESS_BITS), Signal(ADDRESS_BITS + 1)
        m.d.comb += [
            within.eq(Mux(stores, -1, row)),
            total.eq((now.address & within) + Mux(stores, self.place, moved)),
            self.address.eq((now.address & ~within) | (total & within)),
            self.lane.eq(now.lane + (~stores & (total & ~within)[:ADDRESS_BITS].any())),
        ]


assert WHOLE == 8
