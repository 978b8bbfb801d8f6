"""What flows through the hardware: integers whose range, time and pace are known beforehand.

Nothing inside stalls: a frame's samples follow each other at a fixed pace from the clock in which
the frame starts, so that a value's whole schedule is the clock in which its first sample is there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from amaranth import Const, Value

from boltmod.integer.form import Step
from boltmod.rtl.adders import width

ONCE = 0
"""Period of what there is once a frame."""


@dataclass(frozen=True, eq=False)
class Wire:
    """One lane of one channel.

    Args:
        value: The signal.
        low: Smallest integer on it.
        high: Largest one.
        time: Clocks from a frame's start until its first sample is there.
        period: Clocks from one sample to the next; `ONCE` a frame.
        hold: Clocks for which a sample stays.
        depth: Additions that it has passed since its last register.
    """

    value: Value
    low: int
    high: int
    time: int
    period: int
    hold: int
    depth: int = 0

    @property
    def end(self) -> int:
        """The first clock in which the first sample is no longer there."""
        return self.time + self.hold

    @property
    def n_bits(self) -> int:
        """Width of its integers."""
        return width(self.low, self.high)

    @property
    def is_constant(self) -> bool:
        """Whether it is a number, there at all times."""
        return isinstance(self.value, Const)

    def at(self, time: int, hold: int) -> Wire:
        """Return the same signal, said to be there from another clock on."""
        return self if self.is_constant else replace(self, time=time, hold=hold)


def constant(number: int) -> Wire:
    """Return a number that is always there."""
    return Wire(Const(number), number, number, 0, ONCE, 1 << 30)


@dataclass(frozen=True)
class Pace:
    """How a tensor's samples follow each other.

    Args:
        lanes: Samples that come at once.
        period: Clocks from one beat of samples to the next; `ONCE` where all come in one beat.
        n_beats: Beats of a frame.
    """

    lanes: int
    period: int
    n_beats: int


@dataclass(frozen=True, eq=False)
class Stream:
    """A tensor in hardware.

    Args:
        name: The program's name for it.
        n_samples: Samples of a frame.
        pace: How they follow each other.
        wires: Of each channel its lanes.
        is_zero_outside: Whether before and after a frame's samples there are zeros.
    """

    name: str
    n_samples: int
    pace: Pace
    wires: tuple[tuple[Wire, ...], ...]
    is_zero_outside: bool

    @property
    def n_channels(self) -> int:
        """Its channels."""
        return len(self.wires)


@dataclass(frozen=True, eq=False)
class ChannelView:
    """A channel of a stream, moved: v[t] = x[t + offset] within [first, stop), zero elsewhere.

    Args:
        stream: What is looked at.
        channel: Its channel.
        offset: The stream's sample that is the view's first one.
        first: The stream's first sample that is seen.
        stop: The one after the last.
    """

    stream: Stream
    channel: int
    offset: int
    first: int
    stop: int

    @property
    def wires(self) -> tuple[Wire, ...]:
        """The channel's lanes."""
        return self.stream.wires[self.channel]

    def moved(self, first_sample: int, length: int) -> ChannelView:
        """Return the view cut to `length` samples from `first_sample` on."""
        begin = self.offset + first_sample
        return replace(
            self,
            offset=begin,
            first=max(self.first, begin),
            stop=min(self.stop, begin + length),
        )


View = tuple[ChannelView, ...]
"""A tensor as its readers see it, channel by channel."""


def whole(stream: Stream) -> View:
    """Return the view that a stream is by itself."""
    return tuple(
        ChannelView(stream, channel, 0, 0, stream.n_samples) for channel in range(stream.n_channels)
    )


def bounds(step: Step, channel: int) -> tuple[int, int]:
    """Return the smallest and largest value of a step's channel."""
    return int(step.low[channel]), int(step.high[channel])
