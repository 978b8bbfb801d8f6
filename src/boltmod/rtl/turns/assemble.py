"""From the integer program to the machine's: what is stored, step by step, each in its section."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from boltmod.errors import UnsupportedOperatorError
from boltmod.integer import form
from boltmod.integer.form import Program, Step
from boltmod.rtl.turns.code import AGAIN, FAR, FAR_SHIFT, FIRST, LANES, Group, Instruction, Op
from boltmod.rtl.turns.layout import Layout, Place, words
from boltmod.rtl.turns.rescale import Rescale, needed, rescale
from boltmod.rtl.turns.scalar import Scalars
from boltmod.rtl.turns.stream import Stream
from boltmod.rtl.turns.sums import Sums
from boltmod.rtl.turns.terms import Term, Terms


@dataclass(frozen=True, eq=False)
class Machine:
    """A program in instructions.

    Args:
        program: The network.
        code: Instructions, the first one at address 0.
        groups: Constants in the order of their use.
        layout: Where the tensors are.
        level: The gain control, if there is one.
        sections: Where each step's instructions begin.
    """

    program: Program
    code: tuple[Instruction, ...]
    groups: tuple[Group, ...]
    layout: Layout
    level: form.Level | None
    sections: dict[str, int]

    @property
    def instructions_by_step(self) -> dict[str, int]:
        """How many instructions each step has that has any."""
        ends = [*list(self.sections.values())[1:], len(self.code)]
        found = {
            name: end - begin
            for (name, begin), end in zip(self.sections.items(), ends, strict=True)
        }
        return {name: n for name, n in found.items() if n}

    @property
    def n_clocks(self) -> int:
        """Clocks from a frame's first instruction to its last."""
        clocks, at, repeats = 0, 0, 1
        for number, instruction in enumerate(self.code):
            clocks += 1
            if instruction.op == Op.SECTION:
                at, repeats = number + 1, instruction.address
            if instruction.op == Op.AGAIN:
                clocks += (repeats - 1) * (number + 1 - at + 1)
        return clocks


def assemble(program: Program) -> Machine:
    """Return the machine's program.

    Raises:
        UnsupportedOperatorError: A step cannot be done in turns.
    """
    program.integers_alone("hardware")
    return _Assembler(program).machine()


class _Assembler:
    def __init__(self, program: Program) -> None:
        self.program, self.terms = program, Terms(program)
        self.steps = self.terms.steps
        self.stream, self.layout = Stream(), Layout()
        self.sums = Sums(self.stream, self.layout)
        self.scalars = Scalars(self.terms, self.sums)
        self.level_step: form.Level | None = None
        self.inside = cache(self.terms.inside)
        self.done: set[tuple[str, int]] = set()
        self.opened: tuple[int, int] | None = None
        self.written: set[str] = set()
        self.needed = self._needed()

    def machine(self) -> Machine:
        """Return everything."""
        sections = {}
        for step in self.program.steps:
            if type(step) in _MAKE:
                sections[step.name] = len(self.stream.code)
                _MAKE[type(step)](self, step)
        last = self.program.steps[-1]
        sections[last.name] = len(self.stream.code)
        self._scores(last)
        self.stream.code.append(Instruction(Op.END))
        return Machine(
            self.program, tuple(self.stream.code), tuple(self.stream.groups), self.layout,
            self.level_step, sections,
        )  # fmt: skip

    def _needed(self) -> set[tuple[str, int]]:
        """Return the stored channels that something is made of."""
        last, found = self.program.steps[-1], set()
        for channel in range(last.shape[0]):
            found |= self._reads(self.terms.of(last.name, channel, 1))
        for step in reversed(self.program.steps):
            if isinstance(step, form.Instant):
                found |= self._reads(self.scalars.terms_of(step.sources[0]))
            for channel in range(step.shape[0]):
                if (step.name, channel) in found and not isinstance(step, form.Quantise):
                    found |= self._reads(self._made_of(step, channel))
        return found

    def _reads(self, terms: list[Term]) -> set[tuple[str, int]]:
        samples = [term.sample for term in terms] + [term.other for term in terms if term.other]
        return {(sample.tensor, sample.channel) for sample in samples if sample.tensor}

    def _made_of(self, step: Step, channel: int) -> list[Term]:
        if isinstance(step, form.Requantise):
            return self.inside(step.name, channel)
        if isinstance(step, form.Level):
            power = self.scalars.terms_of(step.sources[1])
            return power + self.terms.of(step.sources[0], channel, step.shape[1])
        assert isinstance(step, (form.Maximum, form.Total))
        return self.terms.of(step.sources[0], channel, step.shape[1], step.stride)

    # Steps ------------------------------------------------------------------------------------

    def quantise(self, step: form.Quantise) -> None:
        """Give both halves of the received samples their place."""
        place = self.layout.add(step, range(step.shape[0]))
        self.layout.used = 2 << (place.end - 1).bit_length()
        if place.first or step.name != self.program.steps[0].name:
            raise UnsupportedOperatorError(f"{step.name} must come first to be done in turns")

    def _place(self, step: Step) -> Place:
        """Give the channels that are needed their place; returns it."""
        if step.name not in self.layout.places:
            channels = [c for c in range(step.shape[0]) if (step.name, c) in self.needed]
            self.layout.add(step, channels)
        return self.layout.places[step.name]

    def _open(self, n: int, stride: int, reads: set[str]) -> None:
        """Begin a section unless the one that is open is like it and writes nothing it reads."""
        if self.opened != (n, stride) or reads & self.written:
            self._close()
            self.stream.begin(n, stride, stride * n)
            self.opened = (n, stride)

    def _close(self) -> None:
        if self.opened is not None:
            self.stream.end(self.opened[0])
        self.opened, self.written = None, set()

    def requantise(self, step: form.Requantise) -> None:
        """Sum up and requantise, the channels of one stride in one section."""
        n, is_once = words(step.shape[1]), step.shape[1] == 1
        todo: dict[int, list[int]] = {}
        for channel in range(step.shape[0]):
            if (step.name, channel) in self.needed - self.done:
                terms = self.inside(step.name, channel)
                stride = 1 if is_once else self.sums.stride(step.name, terms, n)
                todo.setdefault(stride, []).append(channel)
        self._place(step)
        for stride, channels in todo.items():
            terms = [term for channel in channels for term in self.inside(step.name, channel)]
            self._open(n, stride, {name for name, _ in self._reads(terms)})
            for channel in channels:
                if (step.name, channel) not in self.done:
                    self._channel(step, channel, self.inside(step.name, channel))

    def total(self, step: form.Total) -> None:
        """Sum up whole rows, where such sums are kept, one row after the other."""
        if step.name not in self.terms.stored:
            return
        source = self.layout.places[step.sources[0]]
        place = self.layout.add(step, source.channels)
        self._close()
        self.stream.begin(len(source.channels), source.n_words, None)
        for k in range(source.n_words * LANES):
            lane, word = divmod(k, source.n_words)
            op = Op.MULTIPLY if k else Op.MULTIPLY | FIRST
            self.stream.emit(Instruction(op, source.first + word, 1, lane))
        for plane in range(place.n_planes):
            self.stream.emit(Instruction(Op.BYTE, 0, plane))
            self.stream.store(Instruction(Op.STORE, place.row(place.channels[0], plane)))
        self.stream.groups.append(Group())
        self.stream.end(len(source.channels))
        self.scalars.pass_group()

    def _channel(self, step: form.Requantise, channel: int, terms: list[Term]) -> None:
        ends = _ends(step, self.steps, channel)
        made = needed(step, channel, rescale(step, channel, ends))
        constant = self.sums.emit([] if made.is_constant else _doubled(terms, made.doublings))
        group = replace(made.group, bias=made.group.bias + constant)
        self._finish(step, channel, replace(made, group=group))
        if made.is_constant:
            return
        for other in self.program.steps:
            if not isinstance(other, form.Requantise) or other.shape[1] != step.shape[1]:
                continue
            for number in range(other.shape[0]):
                if (other.name, number) in self.needed - self.done:
                    self._partner(other, number, terms, made)

    def _partner(self, step: form.Requantise, channel: int, terms: list[Term],
                 first: Rescale) -> None:  # fmt: skip
        """Requantise the same sum for another step, or the negative one."""
        if step.low[channel] == step.high[channel] or any(
            not self._is_there(name) for name, _ in self._reads(terms)
        ):
            return
        own = set(self.inside(step.name, channel))
        sign = 1 if own == set(terms) else -1
        if own != {Term(sign * t.weight, t.sample, t.other, t.instant) for t in terms}:
            return
        made = rescale(step, channel, _ends(step, self.steps, channel), first.group.bias, sign)
        if made is not None and made.doublings == first.doublings:
            self._finish(step, channel, made, AGAIN)

    def _is_there(self, name: str) -> bool:
        return name in self.layout.places

    def _finish(self, step: form.Requantise, channel: int, made: Rescale, again: int = 0) -> None:
        self.done.add((step.name, channel))
        self.written.add(step.name)
        self._rescale(made, self._place(step).row(channel), again)

    def _rescale(self, made: Rescale, address: int, again: int) -> None:
        self.stream.add_group(made.group)
        if made.shift is None:
            self.stream.emit(Instruction(Op.LOW_AGAIN if again else Op.LOW))
            self.stream.emit(Instruction(Op.SCALE, made.high, made.saturation))
        else:
            far = FAR if made.shift == FAR_SHIFT else 0
            self.stream.emit(Instruction(Op.ONCE, 0, made.saturation | far | again))
        self.stream.store(Instruction(Op.STORE, address))

    def maximum(self, step: form.Maximum) -> None:
        """Keep the largest; of a whole frame first in each lane, then of all lanes."""
        self._close()
        place, length = self._place(step), step.shape[1]
        source = self.steps[step.sources[0]]
        n_words = words(source.shape[1])
        is_whole = length == 1 and step.kernel == source.shape[1] > LANES
        kept = self.layout.rows(place.channels, 1) if is_whole else place
        n, stride = words(length), step.stride if length > 1 else 1
        if length > 1 and n_words != stride * n:
            raise UnsupportedOperatorError(f"{step.name} must be as long as what it is made of")
        self._bytes_alone(step)
        self.stream.begin(n, stride, n_words if length > 1 else 1)
        for channel in place.channels:
            n_read = n_words if is_whole else step.kernel
            reads = [self._single(step, channel, k) for k in range(n_read)]
            self._larger(reads, kept.row(channel))
            if is_whole:
                self.stream.flush()
                reads = [(kept.row(channel), lane) for lane in range(LANES)]
                self._larger(reads, place.row(channel))
        self.stream.end(n)

    def _bytes_alone(self, step: Step) -> None:
        """Refuse a step whose result, or what it is made of, is wider than a byte."""
        wide = [
            name
            for name in (step.name, step.sources[0])
            if name in self.layout.places and self.layout.places[name].n_planes > 1
        ]
        if wide:
            raise UnsupportedOperatorError(f"{wide[0]} must have 8 bits for {step.name} in turns")

    def _single(self, step: Step, channel: int, offset: int) -> tuple[int, int]:
        assert isinstance(step, form.Maximum)
        terms = self.terms.of(step.sources[0], channel, step.shape[1], step.stride, offset)
        (sample,) = [self.sums.single(step.name, term) for term in terms]
        return self.layout.places[sample.tensor].at(sample)

    def _larger(self, reads: list[tuple[int, int]], address: int) -> None:
        for number, (where, lane) in enumerate(reads):
            op = Op.KEEP_LARGER if number else Op.KEEP
            self.stream.emit(Instruction(op, where, 0, lane))
        self.stream.store(Instruction(Op.STORE_KEPT, address))

    def instant(self, step: form.Instant) -> None:
        """Compare every score with every other one."""
        self._close()
        self.scalars.instant(step)

    def level(self, step: form.Level) -> None:
        """Make the table of levels, then look every sample up."""
        if self.level_step is not None:
            raise UnsupportedOperatorError("one gain control at most can be done in turns")
        self.level_step = step
        self._close()
        place, n = self._place(step), words(step.shape[1])
        self._bytes_alone(step)
        self.scalars.power(step)
        self.stream.begin(n, 1, n)
        for channel in place.channels:
            (term,) = self.terms.of(step.sources[0], channel, step.shape[1])
            sample = self.sums.single(step.name, term)
            where, _ = self.layout.places[sample.tensor].at(sample)
            for lane in range(LANES):
                self.stream.emit(Instruction(Op.LOOK_UP, where, 0, lane))
            self.stream.store(Instruction(Op.STORE_KEPT, place.row(channel)))
        self.stream.end(n)

    def _scores(self, last: Step) -> None:
        if last.shape[1] != 1:
            raise UnsupportedOperatorError(f"{last.name} must give its scores once a frame")
        self._close()
        self.stream.begin(1, 1, 1)
        for channel in range(last.shape[0]):
            bias = self.sums.emit(self.terms.of(last.name, channel, 1))
            self.stream.add_group(Group(bias))
            self.stream.emit(Instruction(Op.SCORE))


def _doubled(terms: list[Term], times: int) -> list[Term]:
    return [replace(term, weight=term.weight << times) for term in terms]


def _ends(step: form.Requantise, steps: dict[str, Step], channel: int) -> tuple[int, int]:
    """Smallest and largest sum of a requantisation."""
    low = high = 0
    for name, factor in zip(step.sources, step.coefficients[:, channel].tolist(), strict=True):
        ends = factor * int(steps[name].low[channel]), factor * int(steps[name].high[channel])
        low, high = low + min(ends), high + max(ends)
    return low, high


_MAKE: dict[type[Step], Callable[..., None]] = {
    form.Quantise: _Assembler.quantise,
    form.Requantise: _Assembler.requantise,
    form.Total: _Assembler.total,
    form.Maximum: _Assembler.maximum,
    form.Instant: _Assembler.instant,
    form.Level: _Assembler.level,
}
"""Who makes what is stored, and the choice of an instant."""
