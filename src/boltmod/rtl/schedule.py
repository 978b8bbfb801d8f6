"""Where and when the values of a program's steps are in a circuit."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from boltmod.integer.execute import Tensors
from boltmod.rtl.compose import Composition
from boltmod.rtl.wire import ONCE, Stream, Wire


@dataclass(frozen=True)
class Difference:
    """Where hardware and program part.

    Args:
        frame: Number of the frame.
        step: The step's name.
        channel: Its channel.
        sample: The sample of that channel.
        clock: The clock, counted from the frame's start, in which the sample is there.
        found: What the hardware has.
        wanted: What the program has.
    """

    frame: int
    step: str
    channel: int
    sample: int
    clock: int
    found: int
    wanted: int

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"frame {self.frame}, {self.step}, channel {self.channel}, sample {self.sample} "
            f"(clock {self.clock} of the frame): {self.found}, not {self.wanted}"
        )


@dataclass(frozen=True, eq=False)
class Look:
    """One sample of a step: the wire that it is on in one clock."""

    step: str
    channel: int
    sample: int
    wire: Wire


class Schedule:
    """Every sample of every step, by the clock of the frame in which it is there.

    Args:
        composition: The circuit.
    """

    def __init__(self, composition: Composition) -> None:
        self.looks: dict[int, list[Look]] = defaultdict(list)
        self._order = {step.name: n for n, step in enumerate(composition.program.steps)}
        for stream in composition.streams.values():
            self._add(stream)

    def _add(self, stream: Stream) -> None:
        pace = stream.pace
        for channel, row in enumerate(stream.wires):
            for sample in range(stream.n_samples):
                beat, lane = divmod(sample, pace.lanes)
                wire = row[lane]
                if not wire.is_constant:
                    clock = wire.time + (0 if pace.period == ONCE else beat * pace.period)
                    self.looks[clock].append(Look(stream.name, channel, sample, wire))

    @property
    def last(self) -> int:
        """The last clock of a frame in which there is something to look at."""
        return max(self.looks)

    @property
    def wires(self) -> list[Wire]:
        """All wires that are looked at, each once."""
        every = {id(look.wire): look.wire for looks in self.looks.values() for look in looks}
        return list(every.values())

    def first(self, differences: list[Difference]) -> Difference | None:
        """Return the difference of the earliest frame and step; None where there is none."""
        return min(differences, key=lambda each: (each.frame, self._order[each.step]), default=None)


def compared(look: Look, clock: int, value: int, frame: int, wanted: Tensors) -> Difference | None:
    """Return how a value that was seen differs from the program's; None if it does not."""
    right = int(wanted[look.step][frame, look.channel, look.sample])
    if value == right:
        return None
    return Difference(frame, look.step, look.channel, look.sample, clock, value, right)
