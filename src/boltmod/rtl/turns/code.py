"""Instructions of the machine: what one is made of, and how it is put into 32 bits.

An instruction has one clock in each of the stages *read* (memory), *turn* (lanes are moved) and
*do*; the next one follows a clock later. `do` comes two clocks behind `read`.

| bits | field | meaning |
|---|---|---|
| 0–7 | value | weight, magnitude of an address of a scalar, … |
| 8–11 | lane | signed: lane l reads lane l + `lane`, zero beyond the ends |
| 12–24 | address | a word of the memory; the high factor of `SCALE` |
| 25–31 | operation | |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

LANES = 8
"""Samples side by side in a word of the memory: lane l holds the l-th eighth of a frame."""

ADDRESS_BITS = 13
FACTOR_SHIFT = 16
"""Bits dropped between the low and the high product of a requantisation."""
LEVEL_SHIFT = 12
"""Bits dropped behind the high product."""


class Op(IntEnum):
    """Operations; those from `MULTIPLY` on have four flags."""

    NOTHING = 0
    STORE = 1
    """Write the result of the lanes."""
    STORE_KEPT = 2
    """Write what is kept."""
    STORE_LANE = 3
    """Write the result in one lane."""
    KEEP = 4
    """Keep what is read."""
    KEEP_LARGER = 5
    """Keep what is read where it is larger than what is kept."""
    CONSTANT = 6
    """Sum = the group's bias."""
    LOW = 7
    """Sum = sum · low factor + addend; the sum itself is set aside. May store too (bit 0 of value)."""
    LOW_AGAIN = 8
    """The same of the sum that was set aside."""
    SCALE = 9
    """Sum = (sum >> 16) + sum set aside · high factor; the result is that >> 12, saturated."""
    BYTE = 10
    """The result is a byte of the sum."""
    LOOK_UP = 11
    """The result is the level of lane 0."""
    WRITE_SCALAR = 12
    """A scalar is lane 0's sum."""
    LOAD_SCALAR = 13
    ADD_SCALAR = 14
    SUBTRACT_SCALAR = 15
    STORE_SCALAR = 16
    COMPARE_SCALAR = 17
    """The instant is not `value` if the scalar sum is above the group's bound."""
    INSTANTS = 18
    """Every instant may be the one."""
    LEVELS = 19
    """Make the table of levels for the power in lane 0's sum."""
    SCORE = 20
    """Lane 0's sum is the next class's score."""
    SECTION = 21
    """What follows is repeated; the address says how often."""
    AGAIN = 22
    """Go back to the section's begin unless it was repeated enough."""
    END = 23
    MULTIPLY = 64
    """Sum += what is read times a factor."""


FIRST, HIGH, UNSIGNED = 1, 2, 4
"""Flags of `MULTIPLY`: instead of the sum, the group's bias; the weight times 256; no sign."""


class By(IntEnum):
    """The factor of `MULTIPLY`, bits 3 and 4 of the operation."""

    WEIGHT = 0
    KEPT = 1
    INVERTED = 2
    """−1 less what is kept."""
    INSTANT = 3
    """1 where `value` is the instant, 0 elsewhere."""


READING = frozenset({Op.KEEP, Op.KEEP_LARGER, Op.LOOK_UP})
STORING = frozenset({Op.STORE, Op.STORE_KEPT, Op.STORE_LANE})


@dataclass(frozen=True)
class Instruction:
    """One clock's work.

    Args:
        op: The operation, with its flags.
        address: A word of the memory, or a signed number of 13 bits.
        value: A signed or unsigned number of 8 bits.
        lane: By how many lanes what is read is moved, −8 to 7.
    """

    op: int
    address: int = 0
    value: int = 0
    lane: int = 0

    @property
    def word(self) -> int:
        """The instruction's 32 bits."""
        return (
            (self.value & 255)
            | (self.lane & 15) << 8
            | (self.address & (1 << ADDRESS_BITS) - 1) << 12
            | self.op << 25
        )

    @property
    def is_multiply(self) -> bool:
        """Whether something is multiplied."""
        return self.op >= Op.MULTIPLY


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
