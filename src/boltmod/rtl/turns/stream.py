"""Instructions one after the other, with every write in a clock in which it is right."""

from __future__ import annotations

from dataclasses import dataclass, field

from boltmod.errors import UnsupportedOperatorError
from boltmod.rtl.turns.code import STORING, WHOLE, Group, Instruction, Op

_RESULT_AFTER = 4
"""Clocks from what makes a result until it can be written."""

_MOST_REPEATS = 511

_MAKE = {Op.SCALE, Op.ONCE, Op.ONCE_STORE, Op.BYTE}
_KEEP = {Op.KEEP: 3, Op.KEEP_LARGER: 3, Op.LOOK_UP: 4}
"""Clocks until what is kept can be written."""
_CARRY = {
    Op.LOW: Op.LOW_STORE, Op.LOW_AGAIN: Op.LOW_AGAIN_STORE, Op.ONCE: Op.ONCE_STORE,
}  # fmt: skip
"""Operations that use no memory and no address: they can write beside."""


@dataclass
class _Store:
    instruction: Instruction
    earliest: int
    latest: int | None = None


@dataclass
class Stream:
    """A program as it grows.

    Args:
        code: Its instructions.
        groups: Constants, in the order in which they are used.
    """

    code: list[Instruction] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    _pending: list[_Store] = field(default_factory=list)

    def emit(self, instruction: Instruction) -> None:
        """Append an instruction, and before it what must be written by now."""
        while self._pending and self._is_due(instruction):
            self._write()
        at = len(self.code)
        if instruction.op in _CARRY and self._pending:
            first = self._pending[0]
            if first.earliest <= at and first.instruction.op == Op.STORE:
                self._pending.pop(0)
                op, address = _CARRY[Op(instruction.op)], first.instruction.address
                instruction = Instruction(op, address, instruction.value)
        if instruction.op in _MAKE:
            self._limit(lambda op: op != Op.STORE_KEPT, at + _RESULT_AFTER - 1)
        if instruction.op in _KEEP:
            self._limit(lambda op: op == Op.STORE_KEPT, at + _KEEP[Op(instruction.op)] - 1)
        self.code.append(instruction)

    def _is_due(self, instruction: Instruction) -> bool:
        first, at = self._pending[0], len(self.code)
        if first.earliest > at:
            return False
        carried = instruction.op in _CARRY and first.instruction.op == Op.STORE
        return first.latest is not None and first.latest <= at and not carried

    def _limit(self, concerns: object, latest: int) -> None:
        assert callable(concerns)
        for store in self._pending:
            if concerns(store.instruction.op) and store.latest is None:
                store.latest = latest

    def add_group(self, group: Group) -> None:
        """Append the constants of a sum, which must have 16 bits where it begins."""
        if not -(2**15) <= group.bias < 2**15:
            raise UnsupportedOperatorError(
                f"what a sum begins with must have 16 bits to be done in turns, not {group.bias}"
            )
        self.groups.append(group)

    def store(self, instruction: Instruction) -> None:
        """Write the last instruction's result as soon as it is there."""
        assert instruction.op in STORING
        after = _KEEP.get(Op(self.code[-1].op), _RESULT_AFTER)
        self._pending.append(_Store(instruction, len(self.code) - 1 + after))

    def flush(self) -> None:
        """Wait until everything is written."""
        while self._pending:
            if self._pending[0].earliest <= len(self.code):
                self._write()
            else:
                self.code.append(Instruction(Op.NOTHING))

    def _write(self) -> None:
        first = self._pending.pop(0)
        assert first.latest is None or len(self.code) <= first.latest, "written too late"
        self.code.append(first.instruction)

    def wait(self, clocks: int) -> None:
        """Do nothing for some clocks."""
        self.code += [Instruction(Op.NOTHING)] * clocks

    def begin(self, repeats: int, stride: int, n_words: int | None) -> None:
        """Begin a section: address + stride · m for every m, within rows of words, if any."""
        if repeats > _MOST_REPEATS or stride & (stride - 1):
            raise UnsupportedOperatorError(
                f"a section must be repeated {_MOST_REPEATS} times at most, with a stride that is "
                f"a power of two, to be done in turns, not {repeats} times with {stride}"
            )
        scale = stride.bit_length() - 1
        row = WHOLE if n_words is None else n_words.bit_length() - 1
        self.code.append(Instruction(Op.SECTION, repeats, scale | row << 3))

    def end(self, repeats: int) -> None:
        """End a section."""
        self.flush()
        if repeats > 1:
            self.code.append(Instruction(Op.AGAIN))
