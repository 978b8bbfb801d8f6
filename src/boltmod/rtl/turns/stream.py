"""Instructions one after the other, with every write in a clock in which it is right."""

from __future__ import annotations

from dataclasses import dataclass, field

from boltmod.rtl.turns.code import STORING, Group, Instruction, Op

_RESULT_AFTER = 4
"""Clocks from what makes a result until it can be written."""
_KEPT_AFTER = 3
"""Clocks from keeping until what is kept can be written."""

_MAKE = {Op.SCALE, Op.BYTE}
_KEEP = {Op.KEEP, Op.KEEP_LARGER}
_CARRY = {Op.LOW: Op.LOW_STORE, Op.LOW_AGAIN: Op.LOW_AGAIN_STORE}
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
            self.code.append(self._pending.pop(0).instruction)
        at = len(self.code)
        if instruction.op in _CARRY and self._pending:
            first = self._pending[0]
            if first.earliest <= at and first.instruction.op == Op.STORE:
                self._pending.pop(0)
                instruction = Instruction(_CARRY[Op(instruction.op)], first.instruction.address)
        if instruction.op in _MAKE:
            self._limit(lambda op: op != Op.STORE_KEPT, at + _RESULT_AFTER - 1)
        if instruction.op in _KEEP:
            self._limit(lambda op: op == Op.STORE_KEPT, at + _KEPT_AFTER - 1)
        self.code.append(instruction)

    def _is_due(self, instruction: Instruction) -> bool:
        first, at = self._pending[0], len(self.code)
        if first.earliest > at:
            return False
        carried = instruction.op in _CARRY and first.instruction.op == Op.STORE
        if first.latest is not None and first.latest <= at:
            return not carried
        return len(self._pending) > 1 and not carried

    def _limit(self, concerns: object, latest: int) -> None:
        assert callable(concerns)
        for store in self._pending:
            if concerns(store.instruction.op) and store.latest is None:
                store.latest = latest

    def store(self, instruction: Instruction) -> None:
        """Write the last instruction's result as soon as it is there."""
        assert instruction.op in STORING
        after = _KEPT_AFTER if instruction.op == Op.STORE_KEPT else _RESULT_AFTER
        self._pending.append(_Store(instruction, len(self.code) - 1 + after))

    def flush(self) -> None:
        """Wait until everything is written."""
        while self._pending:
            ready = self._pending[0].earliest <= len(self.code)
            self.code.append(self._pending.pop(0).instruction if ready else Instruction(Op.NOTHING))

    def wait(self, clocks: int) -> None:
        """Do nothing for some clocks."""
        self.code += [Instruction(Op.NOTHING)] * clocks

    def begin(self, repeats: int, stride: int, n_words: int) -> None:
        """Begin a section: address + stride · m within rows of so many words, for every m."""
        scale, row = stride.bit_length() - 1, n_words.bit_length() - 1
        self.code.append(Instruction(Op.SECTION, repeats, scale | row << 3))

    def end(self, repeats: int) -> None:
        """End a section."""
        self.flush()
        if repeats > 1:
            self.code.append(Instruction(Op.AGAIN))
