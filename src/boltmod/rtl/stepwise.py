"""The circuit in Amaranth's own simulator, compared with the program step by step.

Slow beside Verilator, but it looks at every wire, so that it says where a difference begins.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from amaranth.sim import Simulator

from boltmod.integer.execute import Tensors, steps_from
from boltmod.integer.form import Integers
from boltmod.rtl.top import Top
from boltmod.rtl.wire import ONCE, Stream, Wire


@dataclass(frozen=True)
class Difference:
    """Where hardware and program part.

    Args:
        frame: Number of the frame.
        step: The step's name.
        channel: Its channel.
        sample: The sample of that channel.
        found: What the hardware has.
        wanted: What the program has.
    """

    frame: int
    step: str
    channel: int
    sample: int
    found: int
    wanted: int

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"frame {self.frame}, {self.step}, channel {self.channel}, sample {self.sample}: "
            f"{self.found}, not {self.wanted}"
        )


@dataclass(frozen=True, eq=False)
class _Look:
    step: str
    channel: int
    sample: int
    wire: Wire


class _Reader:
    """Everything that is looked at, by the clock of the frame in which it is there."""

    def __init__(self, top: Top) -> None:
        self.looks: dict[int, list[_Look]] = defaultdict(list)
        for stream in top.composition.streams.values():
            self._add(stream)

    def _add(self, stream: Stream) -> None:
        pace = stream.pace
        for channel, row in enumerate(stream.wires):
            for sample in range(stream.n_samples):
                beat, lane = divmod(sample, pace.lanes)
                wire = row[lane]
                if not wire.is_constant:
                    clock = wire.time + (0 if pace.period == ONCE else beat * pace.period)
                    self.looks[clock].append(_Look(stream.name, channel, sample, wire))

    @property
    def last(self) -> int:
        return max(self.looks)


def first_difference(top: Top, levels: Integers) -> Difference | None:
    """Return where the hardware first differs from the program; None if it nowhere does.

    Args:
        top: The circuit, of which nothing has been written.
        levels: Quantised frames, (n, 2, samples); they are streamed back to back.
    """
    program = top.composition.program
    wanted = steps_from(program, levels)
    order = {step.name: number for number, step in enumerate(program.steps)}
    found: list[Difference] = []
    starts: list[int] = []
    reader = _Reader(top)
    simulator = Simulator(top)
    simulator.add_clock(1e-8)
    fabric = top.composition.fabric

    async def bench(context: Any) -> None:
        feeding = _Feeder(top, levels)
        context.set(top.out_ready, 1)
        clock = 0
        while len(starts) < len(levels) or clock <= starts[-1] + reader.last:
            feeding.drive(context)
            if context.get(fabric.start):
                starts.append(clock)
            for frame, start in enumerate(starts):
                for look in reader.looks.get(clock - start, ()):
                    _compare(context, look, frame, wanted, found)
            feeding.observe(context)
            await context.tick()
            clock += 1

    simulator.add_testbench(bench)
    simulator.run()
    return min(found, key=lambda each: (each.frame, order[each.step]), default=None)


class _Feeder:
    """Streams frames into a circuit back to back."""

    def __init__(self, top: Top, levels: Integers) -> None:
        lanes = len(top.composition.samples[0])
        n, _, length = levels.shape
        self.top, self.at, self.beats_a_frame = top, 0, length // lanes
        beats = levels.reshape(n, 2, length // lanes, lanes).transpose(0, 2, 1, 3)
        self.beats = beats.reshape(-1, 2, lanes)
        self.n_bits = len(top.in_i) // lanes

    def drive(self, context: Any) -> None:
        offered = self.at < len(self.beats)
        context.set(self.top.in_valid, offered)
        if not offered:
            return
        context.set(self.top.in_first, self.at % self.beats_a_frame == 0)
        for port, row in ((self.top.in_i, 0), (self.top.in_q, 1)):
            context.set(port, packed(self.beats[self.at, row], self.n_bits))

    def observe(self, context: Any) -> None:
        if self.at < len(self.beats) and context.get(self.top.in_ready):
            self.at += 1


def packed(values: Integers, n_bits: int) -> int:
    """Return integers side by side as one number, the first lowest."""
    number = 0
    for value in reversed(values.ravel().tolist()):
        number = number << n_bits | (value & ((1 << n_bits) - 1))
    return number


def _compare(context: Any, look: _Look, frame: int, wanted: Tensors,
             found: list[Difference]) -> None:  # fmt: skip
    value = context.get(look.wire.value)
    right = int(wanted[look.step][frame, look.channel, look.sample])
    if value != right:
        found.append(Difference(frame, look.step, look.channel, look.sample, value, right))
