# amaranth: UnusedElaboratable=no
"""The machine with its surroundings: frames in and labels out by valid and ready."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal

from boltmod.rtl.fabric import shape_of
from boltmod.rtl.turns.assemble import Machine
from boltmod.rtl.turns.code import LANES
from boltmod.rtl.turns.core import Core

_ENDING = 7
"""Clocks from a program's end until its last score has been compared."""


def interval(machine: Machine) -> int:
    """Return the clocks from one frame's label to the next one's."""
    return machine.n_clocks + _ENDING + 2


class TurnsTop(Elaboratable):  # type: ignore[misc]
    """A network's circuit that takes turns.

    Samples are written into one half of their place while the machine reads the other, in clocks
    in which no instruction uses the memory.

    Args:
        machine: The network's program.
        with_scores: Whether all scores come out beside the label.
    """

    def __init__(self, machine: Machine, with_scores: bool = False) -> None:
        self.machine, self.with_scores = machine, with_scores
        first, last = machine.program.steps[0], machine.program.steps[-1]
        self.n_beats, self.n_classes, self.lanes = first.shape[1], last.shape[0], 1
        self.score_shape = shape_of(*last.range)
        self.core = Core(machine, self.score_shape.width, with_scores)
        n_bits = shape_of(*first.range).width
        self.in_valid = Signal()
        self.in_ready = Signal()
        self.in_first = Signal()
        self.in_i = Signal(n_bits)
        self.in_q = Signal(n_bits)
        self.out_valid = Signal()
        self.out_ready = Signal()
        self.out_label = Signal(range(max(self.n_classes, 2)))
        self.out_score = Signal(self.score_shape)
        self.out_scores = Signal(self.n_classes * self.score_shape.width)

    @property
    def ports(self) -> list[Signal]:
        """What the circuit is connected by, beside clk and rst."""
        result = [self.out_valid, self.out_ready, self.out_label, self.out_score]
        scores = [self.out_scores] if self.with_scores else []
        return [self.in_valid, self.in_ready, self.in_first, self.in_i, self.in_q, *result, *scores]

    @property
    def interval(self) -> int:
        """Clocks from one frame's label to the next one's, where samples come without a pause."""
        return interval(self.machine)

    @property
    def middle(self) -> int:
        """A clock within a frame, some frames after the first."""
        return 2 * self.interval + self.interval // 2

    @property
    def flush(self) -> int:
        """Clocks behind a reset until nothing is left of the frames before it."""
        return 0

    @property
    def latency(self) -> int:
        """Most clocks from a frame's last sample to its label, nothing else being on the way."""
        return self.machine.n_clocks + _ENDING + 12

    def elaborate(self, _: object) -> Module:
        """Return the circuit."""
        m = Module()
        m.submodules.core = self.core
        filled = self._samples(m)
        self._frames(m, filled)
        return m

    def _samples(self, m: Module) -> Signal:
        """Write what comes in byte by byte; whether a frame has been filled by that."""
        core = self.core
        place = core.machine.layout.places[core.machine.program.steps[0].name]
        n_planes, n_words = place.n_planes, place.n_words
        size = 1 << (place.end - 1).bit_length()
        n_bytes = 2 * n_planes
        self.half_in, self.is_full = Signal(), Signal(2)
        at, of = Signal(range(self.n_beats)), Signal(range(self.n_beats))
        held, number = Signal(8 * n_bytes), Signal(range(n_bytes + 1))
        word_bits = n_words.bit_length() - 1
        row, filled, writes = Signal(range(n_bytes)), Signal(), Signal()
        m.d.comb += [
            self.in_ready.eq((number == 0) & ~self.is_full.bit_select(self.half_in, 1)),
            writes.eq(core.is_free & (number != 0)),
            row.eq(n_bytes - number),
            core.outside.eq(
                Cat(of[:word_bits], row if n_bytes > 1 else Cat())
                | Mux(self.half_in, size, 0)
            ),
            core.outside_word.eq(held[:8]),
            filled.eq(writes & (number == 1) & (of == self.n_beats - 1)),
        ]  # fmt: skip
        lane = of[word_bits:]
        with m.If(writes):
            m.d.comb += core.outside_writes.eq(1 << lane)
            m.d.sync += [number.eq(number - 1), held.eq(held >> 8)]
        with m.Elif(self.in_valid & self.in_ready):
            now = Mux(self.in_first, 0, at)
            planes = [
                each.as_signed()[8 * plane :].as_signed()
                for plane in range(n_planes)
                for each in (self.in_i, self.in_q)
            ]
            whole = [Signal(8, name=f"byte_{k}") for k in range(n_bytes)]
            m.d.comb += [one.eq(part) for one, part in zip(whole, planes, strict=True)]
            m.d.sync += [
                held.eq(Cat(whole)), number.eq(n_bytes), of.eq(now),
                at.eq(Mux(now == self.n_beats - 1, 0, now + 1)),
            ]  # fmt: skip
        return filled

    def _frames(self, m: Module, filled: Signal) -> None:
        """Start the machine when a frame is there and the result before has been taken."""
        core, fetch = self.core, self.core.fetch
        ending, starts = Signal(_ENDING), Signal()
        idle = ~fetch.running & (ending == 0) & ~self.out_valid
        m.d.comb += [
            starts.eq(idle & self.is_full.bit_select(fetch.half, 1)),
            core.best.begins.eq(starts),
        ]
        m.d.sync += [
            ending.eq(Cat(fetch.ends, ending)), fetch.half.eq(fetch.half ^ fetch.ends),
            self.half_in.eq(self.half_in ^ filled),
        ]  # fmt: skip
        with m.If(starts):
            m.d.sync += fetch.running.eq(1)
        with m.Elif(fetch.ends):
            m.d.sync += fetch.running.eq(0)
        for half in range(2):
            with m.If(filled & (self.half_in == half)):
                m.d.sync += self.is_full[half].eq(1)
            with m.Elif(fetch.ends & (fetch.half == half)):
                m.d.sync += self.is_full[half].eq(0)
        with m.If(ending[-1]):
            m.d.sync += [
                self.out_valid.eq(1), self.out_label.eq(core.best.label),
                self.out_score.eq(core.best.best),
            ]  # fmt: skip
            if self.with_scores:
                m.d.sync += self.out_scores.eq(core.best.all)
        with m.Elif(self.out_ready):
            m.d.sync += self.out_valid.eq(0)


assert LANES == 8
