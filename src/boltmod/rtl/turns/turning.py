"""What is known of an instruction in its `turn` clock, found the clock before."""

from __future__ import annotations

from amaranth import Module, Mux, Signal, Value

from boltmod.rtl.turns.code import Form, Op
from boltmod.rtl.turns.fetch import Decoded


class Turning:
    """An instruction's flags and numbers, a clock behind its `read`.

    Args:
        m: Where the registers are.
        now: The instruction in its `read` clock.
    """

    def __init__(self, m: Module, now: Decoded) -> None:
        def later(value: Value) -> Signal:
            signal = Signal.like(value)
            m.d.sync += signal.eq(value)
            return signal

        once = now.has(Form.ONCE, Form.ONCE_STORE)
        again = now.does(Op.LOW_AGAIN, Op.LOW_AGAIN_STORE) | (once & now.argument[5])
        low = now.does(Op.LOW, Op.LOW_STORE) | again | once
        scales = now.has(Form.SCALE)
        self.reads, self.low, self.again, self.scales = map(later, (now.reads, low, again, scales))
        self.makes = later(scales | once)
        self.first = later(_is_first(now))
        self.by_kept = later(now.has(Form.BY_KEPT, Form.BY_INVERTED))
        self.inverted = later(now.has(Form.BY_INVERTED))
        self.by_itself = later(now.has(Form.BY_ITSELF))
        self.by_instant = later(now.has(Form.BY_INSTANT))
        self.factor = later(_factor(now))
        self.has_no_sign = later(now.has(Form.UNSIGNED) | (now.has(Form.UNIT) & now.argument[5]))
        self.keeps = later(now.has(Form.KEEP))
        self.keeps_larger = later(now.has(Form.KEEP_LARGER))
        self.looks = later(now.has(Form.LOOK_UP))
        self.byte = later(now.does(Op.BYTE))
        self.begins = later(now.has(Form.SECTION))
        self.passes_group = later(scales | once | now.does(Op.SCORE, Op.COMPARE_SCALAR))
        self.scores = later(now.does(Op.SCORE))
        self.levels = later(now.does(Op.LEVELS))
        self.writes = later(now.does(Op.WRITE_SCALAR))
        self.loads = later(now.does(Op.LOAD_SCALAR))
        self.adds = later(now.does(Op.ADD_SCALAR))
        self.subtracts = later(now.does(Op.SUBTRACT_SCALAR))
        self.stores = later(now.does(Op.STORE_SCALAR))
        self.compares = later(now.does(Op.COMPARE_SCALAR))
        self.allows = later(now.does(Op.INSTANTS))
        self.code = later(now.argument[:5])
        self.number = later(now.address[:5])


def _is_first(now: Decoded) -> Value:
    bit = now.has(Form.BY_INSTANT, Form.UNSIGNED, Form.HIGH) & now.argument[5]
    other = now.has(Form.BY_KEPT, Form.BY_INVERTED, Form.BY_ITSELF, Form.UNIT)
    weight = now.is_weight & now.word[21]
    return weight | bit | (other & now.argument[4]) | now.does(Op.CONSTANT)


def _factor(now: Decoded) -> Value:
    """Return what the instruction itself says to multiply by, 16 bits."""
    short = now.argument[:3].as_signed()
    factor = Mux(now.has(Form.SCALE), now.address.as_signed(), 0)
    factor = Mux(now.has(Form.UNIT), 1, factor)
    factor = Mux(now.has(Form.HIGH), short << 8, factor)
    factor = Mux(now.has(Form.UNSIGNED), short, factor)
    factor = Mux(now.is_weight, now.word[13:21].as_signed(), factor)
    return Mux(now.has(Form.BY_KEPT, Form.BY_INVERTED, Form.BY_ITSELF), 0, factor)
