"""The machine in numpy, clock by clock: what the circuit must do."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from boltmod.integer.form import Integers
from boltmod.rtl.turns.assemble import Machine
from boltmod.rtl.turns.code import (
    ADDRESS_BITS,
    AGAIN,
    FACTOR_SHIFT,
    FAR,
    FAR_SHIFT,
    FIRST,
    HIGH,
    LANES,
    LEVEL_SHIFT,
    READING,
    STORING,
    UNSIGNED,
    WHOLE,
    By,
    Group,
    Instruction,
    Op,
)
from boltmod.rtl.turns.rescale import saturated

_PASSING = frozenset({Op.SCALE, Op.ONCE, Op.ONCE_STORE, Op.SCORE, Op.COMPARE_SCALAR})
"""Go on to the next group."""


def _zeros() -> Integers:
    return np.zeros(LANES, np.int64)


def _wrapped(x: Integers, n_bits: int) -> Integers:
    size = 1 << n_bits
    return (x + size // 2) % size - size // 2


@dataclass
class Model:
    """One machine; `run` puts a frame through it.

    Args:
        machine: Its program.
    """

    machine: Machine
    memory: Integers = field(init=False)

    def __post_init__(self) -> None:
        self.memory = np.zeros((1 << ADDRESS_BITS, LANES), np.int64)

    def run(self, levels: Integers) -> list[int]:
        """Return the scores of one quantised frame, (2, samples)."""
        self._fill(levels)
        self.total, self.aside, self.kept, self.result = (_zeros() for _ in range(4))
        self.group, self.base, self.place, self.step, self.scale, self.row = 0, 0, 0, 1, 1, 1
        self.scalars, self.scalar = [0] * 256, 0
        self.instants = [1] * LANES
        self.table: list[int] = []
        self.scores: list[int] = []
        nothing = (Instruction(Op.NOTHING), _zeros(), 0)
        stages = [nothing, nothing]
        late = nothing
        at, begin, repeats, loops = 0, 0, 1, False
        while True:
            is_there = not loops and at < len(self.machine.code)
            now = self.machine.code[at] if is_there else nothing[0]
            at += not loops
            loops = False
            read = self._read(now)
            if now.op == Op.SECTION:
                begin, repeats, self.place = at, now.address, 0
                self.scale, row = 1 << (now.value & 7), now.value >> 3
                self.row = 1 << (ADDRESS_BITS if row >= WHOLE else row)
            if now.op == Op.AGAIN:
                self.place += 1
                loops = self.place < repeats
                at = begin if loops else at
            result, kept = self._late(late)
            late = stages[1]
            self.result = result
            self._do(*late)
            self.kept = self.kept if kept is None else kept
            tag = int(loops) if now.op == Op.AGAIN else self.place
            stages = [(now, read, tag), stages[0]]
            if stages[1][0].op == Op.END:
                return self.scores

    def _fill(self, levels: Integers) -> None:
        first = self.machine.program.steps[0]
        place = self.machine.layout.places[first.name]
        for channel, row in enumerate(levels):
            lanes = row.reshape(LANES, place.n_words).T
            for plane in range(place.n_planes):
                start = place.row(channel, plane)
                part = _wrapped(lanes >> 8 * plane, 8)
                self.memory[start : start + place.n_words] = part

    def _read(self, now: Instruction) -> Integers:
        """Do the memory's part; returns the lanes as they are moved."""
        if now.op in STORING:
            where = now.address + self.place
            self.memory[where] = self.kept if now.op == Op.STORE_KEPT else self.result
        if not (now.is_multiply or now.op in READING):
            return _zeros()
        word = now.address % self.row + self.place * self.scale
        row = now.address - now.address % self.row
        lane = now.lane + word // self.row
        moved = _zeros()
        from_lanes = np.arange(LANES) + lane
        inside = (from_lanes >= 0) & (from_lanes < LANES)
        moved[inside] = self.memory[row + word % self.row][from_lanes[inside]]
        return moved

    def _late(self, stage: tuple[Instruction, Integers, int]) -> tuple[Integers, Integers | None]:
        """Return the result, and what is to be kept, of an instruction behind `do`."""
        by, read, _ = stage
        if by.op == Op.LOOK_UP:
            levels = np.full(LANES, self._level(int(read[0])))
            return self.result, np.where(np.arange(LANES) == by.lane, levels, self.kept)
        if by.op == Op.BYTE:
            return _wrapped(self.total >> 8 * by.value, 8), None
        if by.op == Op.SCALE:
            return saturated(self.total >> LEVEL_SHIFT, by.value), None
        if by.op in (Op.ONCE, Op.ONCE_STORE):
            shift = FAR_SHIFT if by.value & FAR else LEVEL_SHIFT
            return saturated(self.total >> shift, by.value & 15), None
        return self.result, None

    def _do(self, now: Instruction, read: Integers, place: int) -> None:
        op, group = now.op, self._group
        if now.is_multiply:
            x = read & 255 if op & UNSIGNED else read
            self.total = (group.bias if op & FIRST else self.total) + x * self._factor(now, read)
        elif Op.LOW <= op <= Op.LOW_AGAIN_STORE:
            if op < Op.LOW_AGAIN:
                self.aside = _wrapped(self.total, 16)
            self.total = self.aside * group.factor + group.addend
        elif op in (Op.ONCE, Op.ONCE_STORE):
            if not now.value & AGAIN:
                self.aside = _wrapped(self.total, 16)
            self.total = self.aside * group.factor + group.addend
        elif op == Op.SCALE:
            self.total = self.aside * now.address + (self.total >> FACTOR_SHIFT)
        elif op == Op.CONSTANT:
            self.total = _zeros() + group.bias
        elif op == Op.KEEP:
            self.kept = read
        elif op == Op.KEEP_LARGER:
            self.kept = np.maximum(self.kept, read)
        elif op == Op.SECTION:
            self.base = self.group
        elif op == Op.AGAIN:
            self.group = self.base if place else self.group
        elif op == Op.SCORE:
            self.scores.append(int(self.total[0]))
        elif op == Op.LEVELS:
            self._levels(int(self.total[0]))
        else:
            self._scalar(now, place)
        self.total = _wrapped(self.total, 32)
        self.group += op in _PASSING

    @property
    def _group(self) -> Group:
        groups = self.machine.groups
        return groups[self.group] if self.group < len(groups) else Group()

    def _factor(self, now: Instruction, read: Integers) -> Integers | int:
        by = By(now.op >> 3 & 7)
        if by == By.WEIGHT:
            return now.value << 8 if now.op & HIGH else now.value
        if by == By.INSTANT:
            return self.instants[now.value]
        if by == By.ITSELF:
            return read
        return self.kept if by == By.KEPT else -1 - self.kept

    def _scalar(self, now: Instruction, place: int) -> None:
        if now.op == Op.WRITE_SCALAR:
            self.scalars[now.value + place] = int(self.total[0])
        elif now.op == Op.LOAD_SCALAR:
            self.scalar = self.scalars[now.value]
        elif now.op == Op.ADD_SCALAR:
            self.scalar += self.scalars[now.value]
        elif now.op == Op.SUBTRACT_SCALAR:
            self.scalar -= self.scalars[now.value]
        elif now.op == Op.STORE_SCALAR:
            self.scalars[now.value] = self.scalar
        elif now.op == Op.INSTANTS:
            self.instants = [1] * LANES
        elif now.op == Op.COMPARE_SCALAR:
            is_above = self.scalar > self._group.addend and now.value < LANES
            if is_above:
                self.instants[now.value] = 0

    def _levels(self, power: int) -> None:
        level = self.machine.level
        assert level is not None
        bound, k = level.factor * power + level.addend, 0
        self.table = []
        for magnitude in range(129):
            while k <= level.most and magnitude**2 << level.shift >= (2 * k + 1) ** 2 * bound:
                k += 1
            self.table.append(k)

    def _level(self, x: int) -> int:
        level = self.machine.level
        assert level is not None
        count = self.table[abs(x)]
        return -count if x < 0 else min(count, level.most)
