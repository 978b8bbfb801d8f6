"""Instructions of the machine: what one is made of, and how it is put into 24 bits.

An instruction has one clock in each of the stages *read* (memory), *turn* (lanes are moved) and
*do*; the next one follows a clock later. `do` comes two clocks behind `read`.

| bit 23 | bits 22–13 | bits 12–0 |
|---|---|---|
| 1: multiply by a weight | lane −1 (bit 22), first (21), weight (20–13) | address |
| 0 | form (22–19), argument (18–13) | address, or what the operation has beside |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from boltmod.errors import UnsupportedOperatorError

LANES = 8
"""Samples side by side in a word of the memory: lane l holds the l-th eighth of a frame."""

ADDRESS_BITS = 13
FACTOR_SHIFT = 16
"""Bits dropped between the low and the high product of a requantisation."""
LEVEL_SHIFT = 12
"""Bits dropped behind the high product, or behind the only one."""
FAR_SHIFT = 16
"""Bits dropped behind the only product where `FAR` says so."""


class Op(IntEnum):
    """Operations; those from `MULTIPLY` on have flags."""

    NOTHING = 0
    STORE = 1
    """Write the result of the lanes."""
    STORE_KEPT = 2
    """Write what is kept."""
    CONSTANT = 3
    """Sum = the group's bias."""
    LOW = 4
    """Sum = sum · low factor + addend; the sum itself is set aside."""
    LOW_STORE = 5
    """The same, and write the result of the lanes."""
    LOW_AGAIN = 6
    """Sum = what was set aside · low factor + addend."""
    LOW_AGAIN_STORE = 7
    """The same, and write the result of the lanes."""
    BYTE = 8
    """The result is a byte of the sum."""
    WRITE_SCALAR = 9
    """A scalar is lane 0's sum."""
    LOAD_SCALAR = 10
    ADD_SCALAR = 11
    SUBTRACT_SCALAR = 12
    STORE_SCALAR = 13
    COMPARE_SCALAR = 14
    """The instant is not `value` if the scalar sum is above the group's addend."""
    INSTANTS = 15
    """Every instant may be the one."""
    LEVELS = 16
    """Make the table of levels for the power in lane 0's sum."""
    SCORE = 17
    """Lane 0's sum is the next class's score."""
    AGAIN = 18
    """Go back to the section's begin unless it was repeated enough."""
    END = 19
    SCALE = 32
    """Sum = (sum >> 16) + set aside · high factor; the result is that >> 12, saturated."""
    KEEP = 33
    """Keep what is read."""
    KEEP_LARGER = 34
    """Keep what is read where it is larger than what is kept."""
    LOOK_UP = 35
    """Keep the level of what a lane reads; the other lanes keep what they have."""
    SECTION = 36
    """What follows is repeated; the address says how often."""
    ONCE = 37
    """Sum = sum · low factor + addend, and the result is that >> 12 or 16, saturated."""
    ONCE_STORE = 38
    """The same, and write the result of the lanes that was there."""
    MULTIPLY = 64
    """Sum += what is read times a factor."""


FAR, AGAIN = 16, 32
"""Flags of the value of `ONCE`: shifted by 16; of what was set aside instead of the sum."""
FIRST, HIGH, UNSIGNED = 1, 2, 4
"""Flags of `MULTIPLY`: instead of the sum, the group's bias; the weight times 256; no sign."""


class By(IntEnum):
    """The factor of `MULTIPLY`, bits 3 to 5 of the operation."""

    WEIGHT = 0
    KEPT = 1
    INVERTED = 2
    """−1 less what is kept."""
    ITSELF = 3
    INSTANT = 4
    """1 where `value` is the instant, 0 elsewhere."""


class Form(IntEnum):
    """How the bits from 13 on are to be read where bit 23 is 0."""

    PLAIN = 0
    """argument: the operation."""
    SCALE = 1
    """argument: the code of the range; address: the high factor."""
    KEEP = 2
    """argument: bits 0–3 the lane, signed."""
    KEEP_LARGER = 3
    LOOK_UP = 4
    SECTION = 5
    """argument and bits 9–12: 3 bits of shift, 4 of the row's length; bits 0–8: repeats."""
    BY_KEPT = 6
    """argument: bits 0–3 the lane, bit 4 first."""
    BY_INVERTED = 7
    BY_ITSELF = 8
    BY_INSTANT = 9
    """argument: bits 0–2 the instant, bits 3 and 4 the lane, bit 5 first."""
    UNSIGNED = 10
    """argument: bits 0–2 the weight, signed, bits 3 and 4 the lane, bit 5 first."""
    HIGH = 11
    UNIT = 12
    """weight 1; argument: bits 0–3 the lane, bit 4 first, bit 5 unsigned."""
    ONCE = 13
    """argument: bits 0–3 the code of the range, bits 4 and 5 `FAR` and `AGAIN`."""
    ONCE_STORE = 14


READING = frozenset({Op.KEEP, Op.KEEP_LARGER, Op.LOOK_UP})
STORING = frozenset({Op.STORE, Op.STORE_KEPT, Op.LOW_STORE, Op.LOW_AGAIN_STORE, Op.ONCE_STORE})
WHOLE = 8
"""Code of a row's length that is never passed."""


@dataclass(frozen=True)
class Instruction:
    """One clock's work.

    Args:
        op: The operation, with its flags.
        address: A word of the memory; a signed factor; repeats; a scalar.
        value: A weight, an instant, a lane, a code.
        lane: By how many lanes what is read is moved.
    """

    op: int
    address: int = 0
    value: int = 0
    lane: int = 0

    @property
    def word(self) -> int:
        """The instruction's 24 bits.

        Raises:
            UnsupportedOperatorError: It has not enough bits.
        """
        if self.is_multiply:
            return self._multiply()
        if self.op < Op.SCALE:
            return _form(Form.PLAIN, self.op, self.address | self.value)
        if self.op == Op.SECTION:
            row = self.value >> 3
            argument = self.value & 7 | (row & 7) << 3
            return _form(Form.SECTION, argument, self.address | row >> 3 << 9)
        if self.op >= Op.ONCE:
            return _form(Form(self.op - Op.ONCE + Form.ONCE), self.value, self.address)
        form = Form(self.op - Op.SCALE + Form.SCALE)
        return _form(form, self.value | self.lane & 15, self.address)

    def _multiply(self) -> int:
        by, first = By(self.op >> 3 & 7), self.op & FIRST
        address, lane, weight = self.address, self.lane, self.value
        if by in (By.KEPT, By.INVERTED, By.ITSELF):
            return _form(Form(by - By.KEPT + Form.BY_KEPT), lane & 15 | first << 4, address)
        short = (lane & 3) << 3 | first << 5
        if by == By.INSTANT:
            self._check(-2 <= lane < 2)
            return _form(Form.BY_INSTANT, weight | short, address)
        special = self.op & (HIGH | UNSIGNED)
        if not special and -1 <= lane <= 0:
            return 1 << 23 | (lane & 1) << 22 | first << 21 | (weight & 255) << 13 | address
        if weight == 1 and not self.op & HIGH:
            unsigned = bool(self.op & UNSIGNED) << 5
            return _form(Form.UNIT, lane & 15 | first << 4 | unsigned, address)
        self._check(-4 <= weight < 4 and -2 <= lane < 2 and special in (HIGH, UNSIGNED))
        form = Form.HIGH if special == HIGH else Form.UNSIGNED
        return _form(form, weight & 7 | short, address)

    def _check(self, fits: bool) -> None:
        if not fits:
            raise UnsupportedOperatorError(
                "a sample must be read from the same or a neighbouring lane, and one of more than "
                f"8 bits with a weight of 3, to be done in turns: not {self.value} times a sample "
                f"{self.lane} lanes away"
            )

    @property
    def is_multiply(self) -> bool:
        """Whether something is multiplied."""
        return self.op >= Op.MULTIPLY


def _form(form: Form, argument: int, address: int) -> int:
    return form << 19 | argument << 13 | address & (1 << ADDRESS_BITS) - 1


@dataclass(frozen=True)
class Group:
    """Constants of what is summed up together.

    Args:
        bias: What a sum begins with, 16 bits.
        factor: Low factor, 16 bits.
        addend: What is added to the low product, 32 bits; or a bound of a scalar.
    """

    bias: int = 0
    factor: int = 0
    addend: int = 0

    @property
    def word(self) -> int:
        """The constants' 64 bits."""
        return self.bias & 0xFFFF | (self.factor & 0xFFFF) << 16 | (self.addend & 0xFFFFFFFF) << 32
