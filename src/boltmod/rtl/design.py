# amaranth: UnusedElaboratable=no
"""Which of the two kinds of circuit a program becomes: a stream, or a machine that takes turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from boltmod.errors import ConfigError
from boltmod.integer.form import Integers, Program
from boltmod.rtl import watch
from boltmod.rtl.compose import Composition, compose
from boltmod.rtl.device import Device
from boltmod.rtl.schedule import Difference
from boltmod.rtl.simulate import Outcome
from boltmod.rtl.testbench import Circuit
from boltmod.rtl.top import Top
from boltmod.rtl.turns.assemble import assemble
from boltmod.rtl.turns.top import TurnsTop, interval

_FULLEST = 0.7
"""Register bits for each flip-flop of a part up to which every addition has a register behind it.

Of two networks with 0.87 and 0.88 one was placed but not routed and the other slowed by long wires.
"""


@dataclass(frozen=True, eq=False)
class Design:
    """A program's circuit.

    Args:
        program: The network, with what the circuit has instead of thresholds.
        top: The circuit; it can be written once.
        by_step: What each step takes: register bits, or instructions.
        facts: What is known before any tool has seen it.
    """

    program: Program
    top: Circuit
    by_step: dict[str, int]
    facts: dict[str, Any]


def designed(program: Program, samples_per_clock: float, device: Device) -> Design:
    """Return a program's circuit.

    Args:
        program: The network.
        samples_per_clock: Received samples that come at once; below one, how many come a clock at
            least, and the circuit takes turns.
        device: The part.

    Raises:
        UnsupportedOperatorError: A step has no hardware, or not at that pace.
        ConfigError: It cannot keep that pace.
    """
    if samples_per_clock < 1:
        return _in_turns(program, samples_per_clock)
    if samples_per_clock % 1:
        raise ConfigError(
            "--samples-per-clock must be a whole number, or below one for a circuit that takes "
            f"turns, not {samples_per_clock:g}"
        )
    composition = composed(program, int(samples_per_clock), device)
    top, by_step = Top(composition, with_scores=True), composition.register_bits
    facts = {
        "additions_per_clock": composition.fabric.additions,
        "register_bits": sum(by_step.values()),
        "register_bits_by_step": by_step,
    }
    return Design(composition.program, top, by_step, _facts(program, top, top.lanes) | facts)


def composed(program: Program, samples_per_clock: int, device: Device) -> Composition:
    """Return a program's stream, with so many additions a clock that the device has room for it."""
    for additions in (1, 2):
        composition = compose(program, samples_per_clock, device.dsps, additions)
        if sum(composition.register_bits.values()) <= _FULLEST * device.flip_flops:
            break
    return composition


def _in_turns(program: Program, least: float) -> Design:
    machine = assemble(program)
    pace = program.steps[0].shape[1] / interval(machine)
    if pace < least:
        raise ConfigError(
            f"--samples-per-clock must be {pace:.4f} at most for {program.name} in turns, not "
            f"{least:g}: take a whole number for a circuit that streams"
        )
    top = TurnsTop(machine, with_scores=True)
    facts = {
        "instructions": len(machine.code),
        "constants": len(machine.groups),
        "memory_words": machine.layout.used,
        "instructions_by_step": machine.instructions_by_step,
    }
    by_step = machine.instructions_by_step
    return Design(program, top, by_step, _facts(program, top, round(pace, 5)) | facts)


def _facts(program: Program, top: Circuit, samples_per_clock: float) -> dict[str, Any]:
    return {
        "model": program.name,
        "classes": len(program.classes),
        "samples_per_clock": samples_per_clock,
        "samples_per_frame": top.n_beats * top.lanes,
        "clocks_per_frame": top.interval,
        "latency_clocks": top.latency,
    }


def first_difference(design: Design, device: Device, levels: Integers,
                     outcome: Outcome) -> Difference | None:  # fmt: skip
    """Return where a circuit that streams first differs; None if it does not, or takes turns."""
    if not isinstance(design.top, Top):
        return None
    lanes, program = design.top.lanes, design.program
    return watch.first_difference(lambda: composed(program, lanes, device), levels, outcome)
