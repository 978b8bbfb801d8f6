"""The circuit in Amaranth's own simulator, compared with the program step by step.

Slow beside Verilator, but it needs no tool and nothing written.
"""

from __future__ import annotations

from typing import Any

from amaranth.sim import Simulator

from boltmod.integer.execute import steps_from
from boltmod.integer.form import Integers
from boltmod.rtl.schedule import Difference, Schedule, compared
from boltmod.rtl.top import Top


def first_difference(top: Top, levels: Integers) -> Difference | None:
    """Return where the hardware first differs from the program; None if it nowhere does.

    Args:
        top: The circuit, of which nothing has been written.
        levels: Quantised frames, (n, 2, samples); they are streamed back to back.
    """
    wanted = steps_from(top.composition.program, levels)
    found: list[Difference] = []
    starts: list[int] = []
    schedule = Schedule(top.composition)
    simulator = Simulator(top)
    simulator.add_clock(1e-8)
    fabric = top.composition.fabric

    async def bench(context: Any) -> None:
        feeding = _Feeder(top, levels)
        context.set(top.out_ready, 1)
        clock = 0
        while len(starts) < len(levels) or clock <= starts[-1] + schedule.last:
            feeding.drive(context)
            if context.get(fabric.start):
                starts.append(clock)
            for frame, start in enumerate(starts):
                for look in schedule.looks.get(clock - start, ()):
                    value = context.get(look.wire.value)
                    difference = compared(look, clock - start, value, frame, wanted)
                    found.extend([difference] if difference else [])
            feeding.observe(context)
            await context.tick()
            clock += 1

    simulator.add_testbench(bench)
    simulator.run()
    return schedule.first(found)


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
