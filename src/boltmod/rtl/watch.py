# amaranth: UnusedElaboratable=no
"""The step, channel and sample in which a circuit that Verilator runs first parts from the program.

The circuit is written again with every step's values as a port; the testbench writes them clock by
clock while one frame passes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from boltmod.integer.execute import steps_from
from boltmod.integer.form import Integers
from boltmod.rtl import simulate
from boltmod.rtl.compose import Composition
from boltmod.rtl.schedule import Difference, Schedule, compared
from boltmod.rtl.testbench import WATCHED, write_testbench
from boltmod.rtl.top import Top
from boltmod.rtl.verilog import write_verilog
from boltmod.rtl.wire import Wire


def first_difference(
    compose_again: Callable[[], Composition], levels: Integers, outcome: simulate.Outcome
) -> Difference | None:
    """Return where the hardware first differs in the frame whose result was wrong.

    Args:
        compose_again: What composes the circuit anew, which can be written once.
        levels: Quantised frames, (n, 2, samples), up to that frame at least.
        outcome: What the simulation said of it.

    Returns:
        The first difference; None if all steps are right, so that the fault lies behind them.
    """
    composition = compose_again()
    program = composition.program
    top = Top(composition, with_scores=True, with_steps=True)
    schedule = Schedule(composition)
    wanted = steps_from(program, levels)
    scores = wanted[program.steps[-1].name][:, :, 0]
    with tempfile.TemporaryDirectory(prefix="boltmod-steps-") as kept:
        folder = Path(kept)
        write_testbench(top, levels, scores, folder)
        write_verilog(top, folder)
        built = simulate.build(folder)
        simulate.run(built, outcome.case, outcome.told, watched=outcome.wrong_frame)
        rows = (folder / WATCHED).read_text(encoding="ascii").split()
    return schedule.first(list(_differences(schedule, rows, outcome.wrong_frame or 0, wanted)))


def _differences(schedule: Schedule, rows: list[str], frame: int,
                 wanted: dict[str, Integers]) -> Iterator[Difference]:  # fmt: skip
    places: dict[int, int] = {}
    first = 0
    for wire in schedule.wires:
        places[id(wire)] = first
        first += len(wire.value)
    for clock, row in enumerate(rows):
        number = int(row, 16)
        for look in schedule.looks.get(clock, ()):
            value = _unpacked(number >> places[id(look.wire)], look.wire)
            difference = compared(look, clock, value, frame, wanted)
            if difference:
                yield difference


def _unpacked(number: int, wire: Wire) -> int:
    size = 1 << len(wire.value)
    value = number % size
    return value - size if wire.value.shape().signed and value >= size // 2 else value
