"""From the integer program to hardware: each step by its kind, in the program's own order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from boltmod.errors import ConfigError, UnsupportedOperatorError
from boltmod.integer import form
from boltmod.integer.form import Program, Step
from boltmod.integer.multiply import HARDWARE, with_multiplications
from boltmod.rtl.fabric import Fabric
from boltmod.rtl.receiver import Receiver
from boltmod.rtl.requantise import Requantiser
from boltmod.rtl.shared import Turns
from boltmod.rtl.windows import Windows
from boltmod.rtl.wire import ONCE, Pace, Stream, View, Wire, whole

_ARRIVAL = 2
"""Clocks from a frame's start until its first samples are out of the memory."""

_GATHERED_BITS = 1 << 16
"""Most bits that a reshape may collect before it goes on."""

_FEWEST_TURNS = (2, 3, 5, 9, 17, 33)
"""Wires that take turns at a multiplier at least: as few as there are multipliers for."""


@dataclass(frozen=True, eq=False)
class Composition:
    """A program in hardware.

    Args:
        program: What was composed, with multiplications.
        fabric: Its registers and its schedule.
        samples: What comes in, (2, lanes); to be driven from the clock after a frame's start on.
        streams: Every step that is more than another way to look at one, by its name.
        scores: What the last step gives.
        register_bits: How many each step takes, by its name.
    """

    program: Program
    fabric: Fabric
    samples: tuple[tuple[Wire, ...], ...]
    streams: dict[str, Stream]
    scores: tuple[Wire, ...]
    register_bits: dict[str, int]


def compose(
    program: Program,
    samples_per_clock: int,
    n_multipliers: int | None = None,
    additions: int = 1,
) -> Composition:
    """Return the hardware of a program.

    Args:
        program: The network.
        samples_per_clock: Received samples that come at once; divides the frame.
        n_multipliers: How many there are. Where they are too few, those go that fewest channels
            take turns at; those that are left are for channels by themselves. One for each group of
            channels that can take turns if None.
        additions: How many follow each other within a clock: more take fewer registers, and the
            clock is slower.

    Raises:
        UnsupportedOperatorError: A step cannot keep that pace.
    """
    complete = with_multiplications(program, HARDWARE)

    def composed(turns: Turns) -> Composition:
        return _Composer(complete, samples_per_clock, turns, additions).composition()

    for least, fewest in pairwise((1, *_FEWEST_TURNS)):
        composition = composed(Turns(fewest))
        if n_multipliers is None:
            return composition
        spare = n_multipliers - composition.fabric.n_multipliers
        if spare >= 0:
            return composed(Turns(fewest, spare, least)) if spare else composition
    return composition


class _Composer:
    def __init__(self, program: Program, lanes: int, turns: Turns, additions: int) -> None:
        program.integers_alone("hardware")
        self.program = program
        first = program.steps[0]
        if lanes < 1 or first.shape[1] % lanes:
            raise ConfigError(
                f"--samples-per-clock must divide a frame of {first.shape[1]} samples, not be "
                f"{lanes}: take 1, 2, 4 or 8"
            )
        if not isinstance(first, form.Quantise):
            raise UnsupportedOperatorError(
                f"{program.name} must begin with the quantiser of its samples to become hardware, "
                f"not with {first.name}"
            )
        n_beats = first.shape[1] // lanes
        self.fabric = Fabric(n_beats, additions)
        self.windows = Windows(self.fabric, turns)
        self.requantiser = Requantiser(self.windows)
        self.receiver = Receiver(self.windows)
        self.streams: dict[str, Stream] = {}
        self.views: dict[str, View] = {}
        self.samples = tuple(
            tuple(Wire(self.fabric.signal(*ends), *ends, _ARRIVAL - 1, 1, 1) for _ in range(lanes))
            for ends in zip(first.low.tolist(), first.high.tolist(), strict=True)
        )
        passing = self.fabric.during(_ARRIVAL - 1, _ARRIVAL - 1 + n_beats)
        wires = tuple(
            tuple(self.fabric.register_within(wire.value, wire, passing) for wire in row)
            for row in self.samples
        )
        self._add(Stream(first.name, first.shape[1], Pace(lanes, 1, n_beats), wires, True))

    def _add(self, stream: Stream) -> None:
        self.streams[stream.name] = stream
        self.views[stream.name] = whole(stream)

    def composition(self) -> Composition:
        taken: dict[str, int] = {}
        for step in self.program.steps[1:]:
            before = self.fabric.register_bits
            views = [self.views[name] for name in step.sources]
            made = _BUILD[type(step)](self, step, *views)
            if isinstance(made, Stream):
                self._add(made)
            else:
                self.views[step.name] = made
            taken[step.name] = self.fabric.register_bits - before
        return Composition(
            self.program, self.fabric, self.samples, self.streams, self._scores(), taken
        )

    def _scores(self) -> tuple[Wire, ...]:
        last = self.program.steps[-1]
        view = self.views[last.name]
        if any(each.stream.pace.period != ONCE for each in view):
            raise UnsupportedOperatorError(
                f"{last.name} must give its scores once a frame to become hardware"
            )
        return tuple(each.wires[each.offset] for each in view)

    # Steps that only look at others otherwise ---------------------------------------------------

    def move(self, step: form.Move, view: View) -> View:
        """Look at some channels, earlier or later."""
        channels = view[step.first_channel : step.first_channel + step.shape[0]]
        return tuple(each.moved(step.first_sample, step.shape[1]) for each in channels)

    def join(self, _: form.Join, *views: View) -> View:
        """Look at the channels of several tensors."""
        return tuple(each for view in views for each in view)

    def reshape(self, step: form.Reshape, view: View) -> Stream | View:
        """Look at what comes once a frame as other channels and samples."""
        n_samples = view[0].stream.n_samples
        wires = [wire for each in view for wire in self._gathered(step, each)]
        if len(wires) != n_samples * len(view):
            raise UnsupportedOperatorError(f"{step.name} must reshape whole tensors")
        length = step.shape[1]
        rows = tuple(tuple(wires[c * length : (c + 1) * length]) for c in range(step.shape[0]))
        return Stream(step.name, length, Pace(length, ONCE, 1), rows, True)

    def _gathered(self, step: form.Reshape, each: Any) -> list[Wire]:
        stream, fabric = each.stream, self.fabric
        if each.offset or (each.first, each.stop) != (0, stream.n_samples):
            raise UnsupportedOperatorError(f"{step.name} must reshape a tensor that is not moved")
        if stream.pace.period == ONCE:
            return list(each.wires)
        n_bits = sum(wire.n_bits for wire in each.wires) * stream.pace.n_beats * stream.n_channels
        if n_bits > _GATHERED_BITS:
            raise UnsupportedOperatorError(
                f"{step.name} must collect at most {_GATHERED_BITS} bits, not {n_bits}"
            )
        last = stream.pace.n_beats - 1
        found = []
        for t in range(stream.n_samples):
            beat, lane = divmod(t, stream.pace.lanes)
            wire = each.wires[lane]
            late = fabric.late(wire, last - beat)
            time = late.time + beat * wire.period
            found.append(fabric.captured(late.at(time, late.hold), ONCE, time))
        return found


_BUILD: dict[type[Step], Callable[..., Stream | View]] = {
    form.Move: _Composer.move,
    form.Join: _Composer.join,
    form.Reshape: _Composer.reshape,
    form.Convolve: lambda c, step, view: c.windows.convolve(step, view),
    form.Total: lambda c, step, view: c.windows.total(step, view),
    form.Maximum: lambda c, step, view: c.windows.maximum(step, view),
    form.Add: lambda c, step, *views: c.windows.add(step, views),
    form.Product: lambda c, step, *views: c.windows.product(step, views),
    form.Requantise: lambda c, step, *views: c.requantiser.build(step, views),
    form.Instant: lambda c, step, view: c.receiver.instant(step, view),
    form.Choose: lambda c, step, view, at: c.receiver.choose(step, view, at),
    form.Level: lambda c, step, view, power: c.receiver.level(step, view, power),
}
"""Who builds each kind of step."""
