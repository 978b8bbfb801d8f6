# amaranth: UnusedElaboratable=no
"""The whole circuit: frames in by valid and ready, labels out by valid and ready."""

from __future__ import annotations

from amaranth import Array, Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.memory import Memory

from boltmod.errors import UnsupportedOperatorError
from boltmod.rtl.compose import Composition
from boltmod.rtl.fabric import shape_of
from boltmod.rtl.schedule import Schedule

_AFTER_SCORES = 5
"""Clocks that finding the largest score takes beside one for each class."""


class Top(Elaboratable):  # type: ignore[misc]
    """A network's circuit.

    A frame is written into one half of a memory while the one before is read from the other at a
    pace of its own; from there on nothing can stop, so a frame is read only when there is room for
    its result.

    Args:
        composition: The network.
        with_scores: Whether all scores come out beside the label.
        with_steps: Whether every step's values come out, in the order of the schedule's wires, to
            look for a fault.
    """

    def __init__(
        self, composition: Composition, with_scores: bool = False, with_steps: bool = False
    ) -> None:
        self.composition, self.with_scores, self.with_steps = composition, with_scores, with_steps
        lanes = len(composition.samples[0])
        n_bits = len(composition.samples[0][0].value)
        self.in_valid = Signal()
        self.in_ready = Signal()
        self.in_first = Signal()
        self.in_i = Signal(lanes * n_bits)
        self.in_q = Signal(lanes * n_bits)
        self.out_valid = Signal()
        self.out_ready = Signal()
        n_classes = len(composition.scores)
        low = min(wire.low for wire in composition.scores)
        high = max(wire.high for wire in composition.scores)
        self.score_shape = shape_of(low, high)
        self.out_label = Signal(range(max(n_classes, 2)))
        self.out_score = Signal(self.score_shape)
        self.out_scores = Signal(n_classes * self.score_shape.width)
        self.steps = (
            Cat(wire.value for wire in Schedule(composition).wires) if with_steps else Cat()
        )
        self.out_start = Signal()
        self.out_steps = Signal(len(self.steps))
        self.time = max(wire.time for wire in composition.scores)
        # What the handshake counts, for a proof that it counts right.
        self.place_in = Signal(range(composition.fabric.n_clocks))
        self.n_full = Signal(range(3))
        self.room = Signal(range(self.depth + 1), init=self.depth)
        self.n_queued = Signal(range(self.depth + 1))
        self.busy = Signal(range(self.flush + 1), init=self.flush)
        self.found = Signal()
        if n_classes + _AFTER_SCORES + 4 > composition.fabric.n_clocks:
            raise UnsupportedOperatorError(
                f"{composition.program.name} has {n_classes} classes to compare in the "
                f"{composition.fabric.n_clocks} clocks of a frame: "
                "compile with fewer --samples-per-clock"
            )

    @property
    def ports(self) -> list[Signal]:
        """What the circuit is connected by, beside clk and rst."""
        result = [self.out_valid, self.out_ready, self.out_label, self.out_score]
        scores = [self.out_scores] if self.with_scores else []
        steps = [self.out_start, self.out_steps] if self.with_steps else []
        taken = [self.in_valid, self.in_ready, self.in_first, self.in_i, self.in_q]
        return [*taken, *result, *scores, *steps]

    @property
    def lanes(self) -> int:
        """Samples that come at once."""
        return len(self.composition.samples[0])

    @property
    def n_beats(self) -> int:
        """Transfers of a frame."""
        return self.composition.fabric.n_clocks

    @property
    def n_classes(self) -> int:
        """Scores of a frame."""
        return len(self.composition.scores)

    @property
    def interval(self) -> int:
        """Clocks from one frame's start to the next one's."""
        return self.composition.fabric.slot

    @property
    def middle(self) -> int:
        """A clock within a frame, some frames after the first."""
        fabric = self.composition.fabric
        return fabric.latency + fabric.n_clocks * 9 // 2

    @property
    def latency(self) -> int:
        """Most clocks from a frame's last samples to its label, nothing else being on the way."""
        start = self.composition.fabric.slot_unit + 3
        return start + self.time + len(self.composition.scores) + _AFTER_SCORES

    def elaborate(self, _: object) -> Module:
        """Return the circuit."""
        fabric = self.composition.fabric
        m = fabric.module
        done = self._results(m)
        may_start = fabric.finish()
        has_frame, taken = self._memory(m)
        self._starting(m, may_start & has_frame, done)
        m.d.comb += taken.eq(fabric.mark(fabric.n_clocks - 2))
        if self.with_steps:
            m.d.comb += [self.out_start.eq(fabric.start), self.out_steps.eq(self.steps)]
        return m

    def _memory(self, m: Module) -> tuple[Value, Signal]:
        """Add the two halves of the memory; whether one is full, and what empties it."""
        fabric, samples = self.composition.fabric, self.composition.samples
        n = fabric.n_clocks
        memory = Memory(shape=len(self.in_i) + len(self.in_q), depth=2 * n, init=[])
        m.submodules.frames = memory
        write, read = memory.write_port(), memory.read_port()
        n_full, taken = self.n_full, Signal()
        half_in, half_out = Signal(), Signal()
        place_in, place_out = self.place_in, Signal(range(n))
        at = Mux(self.in_first, 0, place_in)
        given, filled = Signal(), Signal()
        m.d.comb += [
            self.in_ready.eq(n_full != 2),
            given.eq(self.in_valid & self.in_ready),
            filled.eq(given & (at == n - 1)),
            write.en.eq(given),
            write.addr.eq(Cat(at[: len(place_in)], half_in)),
            write.data.eq(Cat(self.in_i, self.in_q)),
            read.addr.eq(Cat(place_out, half_out)),
        ]
        m.d.sync += [
            n_full.eq(n_full + filled - taken),
            half_in.eq(half_in ^ filled),
            half_out.eq(half_out ^ (place_out == n - 1)),
        ]
        with m.If(given):
            m.d.sync += place_in.eq(Mux(at == n - 1, 0, at + 1))
        with m.If(fabric.start | (place_out != 0)):
            m.d.sync += place_out.eq(Mux(place_out == n - 1, 0, place_out + 1))
        flat = [wire.value for row in samples for wire in row]
        m.d.comb += Cat(flat).eq(read.data)
        return n_full != 0, taken

    def _starting(self, m: Module, may: Value, done: Signal) -> None:
        """Start a frame when one is there, the one before is past and its result has room."""
        fabric = self.composition.fabric
        busy, room = self.busy, self.room
        starts = Signal()
        m.d.comb += starts.eq(may & (busy == 0) & (room != 0))
        m.d.sync += [fabric.start.eq(starts), room.eq(room - starts + done)]
        with m.If(starts):
            m.d.sync += busy.eq(fabric.slot - 1)
        with m.Elif(busy != 0):
            m.d.sync += busy.eq(busy - 1)

    @property
    def depth(self) -> int:
        """Frames that may be on the way or wait for their reader."""
        fabric = self.composition.fabric
        return -(-self.latency // fabric.slot) + 2

    @property
    def flush(self) -> int:
        """Clocks behind a reset until nothing is left of the frames before it."""
        return self.latency + self.composition.fabric.slot

    def _results(self, m: Module) -> Signal:
        """Add the search for the largest score and the queue of results; what says one is taken."""
        fabric, scores = self.composition.fabric, self.composition.scores
        ready, when = fabric.aligned(scores)
        n = len(scores)
        k, later_k = Signal(range(n + 1)), Signal(range(n + 1))
        score = Signal(self.score_shape)
        best, label = Signal(self.score_shape), Signal(range(max(n, 2)))
        with m.If(fabric.mark(when.time)):
            m.d.sync += k.eq(0)
        with m.Elif(k != n):
            m.d.sync += k.eq(k + 1)
        m.d.sync += [score.eq(Array(wire.value for wire in ready)[k]), later_k.eq(k)]
        with m.If((later_k != n) & ((later_k == 0) | (score > best))):
            m.d.sync += [best.eq(score), label.eq(later_k)]
        parts = [label, best]
        if self.with_scores:
            for wire in ready:
                whole = Signal(self.score_shape)
                m.d.comb += whole.eq(wire.value)
                parts.append(whole)
        return self._queue(m, parts, fabric.mark(when.time + n + _AFTER_SCORES - 1))

    def _queue(self, m: Module, parts: list[Value], found: Signal) -> Signal:
        word = Cat(parts)
        m.submodules.results = queue = SyncFIFOBuffered(width=len(word), depth=self.depth)
        outs = [self.out_label, self.out_score, *([self.out_scores] if self.with_scores else [])]
        taken = Signal()
        m.d.comb += [
            self.found.eq(found),
            self.n_queued.eq(queue.level),
            queue.w_en.eq(found),
            queue.w_data.eq(word),
            self.out_valid.eq(queue.r_rdy),
            queue.r_en.eq(self.out_ready),
            Cat(outs).eq(queue.r_data),
            taken.eq(self.out_valid & self.out_ready),
        ]
        return taken
