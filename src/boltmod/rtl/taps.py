"""Which samples a step reads in one beat, and when they are there."""

from __future__ import annotations

from dataclasses import dataclass, replace

from boltmod.errors import UnsupportedOperatorError
from boltmod.rtl.fabric import Fabric
from boltmod.rtl.wire import ONCE, ChannelView, Pace, Stream, Wire, constant


@dataclass(frozen=True)
class Window:
    """What a sum reads of its source: sample t · stride + k · spacing − pad for each k.

    Args:
        name: The step's name, for messages.
        kernel: Number of samples.
        stride: Samples from one sum to the next.
        spacing: Samples from one summand to the next.
        pad: Samples before the first one that the first sum reads.
        length: Sums a frame.
    """

    name: str
    kernel: int = 1
    stride: int = 1
    spacing: int = 1
    pad: int = 0
    length: int = 0

    def pace(self, source: Pace) -> Pace:
        """Return how the sums follow each other."""
        if source.period == ONCE:
            return Pace(self.length, ONCE, 1)
        lanes, stride = source.lanes, self.stride
        if lanes % stride == 0 and self.length % (lanes // stride) == 0:
            lanes //= stride
            return Pace(lanes, source.period, self.length // lanes)
        if stride % lanes == 0:
            return Pace(1, source.period * (stride // lanes), self.length)
        raise UnsupportedOperatorError(
            f"{self.name} must have a stride and a length that {lanes} samples a clock divide, not "
            f"{stride} and {self.length}: compile with fewer --samples-per-clock"
        )


class Taps:
    """Readers of views on a fabric.

    Args:
        fabric: Where registers are made.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self._masked: dict[tuple[int, int, int], Stream] = {}
        self._hidden: dict[tuple[int, int, int], Stream] = {}
        self._known: dict[tuple[int, int], tuple[Wire, Wire]] = {}

    def of(self, view: ChannelView, window: Window) -> list[list[tuple[int, Wire]]]:
        """Return for each lane of the sums which of the kernel's samples are what wires.

        The wires' first samples are those of the first beat of sums. Samples that are zero in any
        case are left out.
        """
        view = self._seen(view, window)
        source = view.stream.pace
        lanes = window.pace(source).lanes
        step = lanes * window.stride if source.period != ONCE else 0
        places = [
            [
                divmod(lane * window.stride + k * window.spacing - window.pad + view.offset,
                       source.lanes)
                for k in range(window.kernel)
            ]
            for lane in range(lanes)
        ]  # fmt: skip
        if source.period == ONCE:
            return [
                [(k, view.wires[at]) for k, (beat, at) in enumerate(row) if beat == 0]
                for row in places
            ]
        last = max(beat for row in places for beat, _ in row)
        self._ask_for_zeros(view, window, [beat for row in places for beat, _ in row], step)
        return [
            [(k, self._tap(view.wires[at], beat, last)) for k, (beat, at) in enumerate(row)]
            for row in places
        ]

    def _tap(self, wire: Wire, beat: int, last: int) -> Wire:
        late = self.fabric.late(wire, last - beat)
        key = (id(late), beat)
        if key not in self._known:
            self._known[key] = (late, late.at(late.time + beat * wire.period, late.hold))
        return self._known[key][1]

    def _ask_for_zeros(self, view: ChannelView, window: Window, beats: list[int],
                       step: int) -> None:  # fmt: skip
        source = view.stream.pace
        n_sums = window.length // window.pace(source).lanes
        beyond = max(beats) + (n_sums - 1) * step // source.lanes - (source.n_beats - 1)
        self.fabric.reach_beyond(max(beyond, -min(beats), 0) * source.period)

    def _seen(self, view: ChannelView, window: Window) -> ChannelView:
        """Return the view of a stream that is zero wherever the window looks for zeros."""
        stream = view.stream
        begin = view.offset - window.pad
        end = begin + (window.length - 1) * window.stride + (window.kernel - 1) * window.spacing + 1
        first, stop = max(view.first, 0), min(view.stop, stream.n_samples)
        before = begin < first and (first > 0 or not stream.is_zero_outside)
        after = end > stop and (stop < stream.n_samples or not stream.is_zero_outside)
        if not (before or after):
            return view
        if stream.pace.period == ONCE:
            hidden = self._cut(stream, first, stop)
        else:
            hidden = self.masked(stream, first, stop)
        return ChannelView(hidden, view.channel, view.offset, first, stop)

    def _cut(self, stream: Stream, first: int, stop: int) -> Stream:
        """Return a stream whose samples come at once, with zeros outside `first` to `stop`."""
        key = (id(stream), first, stop)
        if key not in self._hidden:
            wires = tuple(
                tuple(w if first <= t < stop else constant(0) for t, w in enumerate(row))
                for row in stream.wires
            )
            self._hidden[key] = Stream(stream.name, stream.n_samples, stream.pace, wires, True)
        return self._hidden[key]

    def masked(self, stream: Stream, first: int, stop: int) -> Stream:
        """Return a stream that is zero but for its samples from `first` to `stop`, without it."""
        key = (id(stream), first, stop)
        if key not in self._masked:
            lanes, period = stream.pace.lanes, stream.pace.period
            latest = max((w for row in stream.wires for w in row), key=lambda w: w.time)
            wires = tuple(
                tuple(
                    self.fabric.register_within(
                        wire.value,
                        like := replace(
                            latest if wire.is_constant else wire,
                            value=wire.value,
                            low=wire.low,
                            high=wire.high,
                        ),
                        self.fabric.during(
                            like.time + -(-(first - lane) // lanes) * period,
                            like.time + -(-(stop - lane) // lanes) * period,
                        ),
                    )
                    for lane, wire in enumerate(row)
                )
                for row in stream.wires
            )
            self._masked[key] = Stream(stream.name, stream.n_samples, stream.pace, wires, True)
        return self._masked[key]
