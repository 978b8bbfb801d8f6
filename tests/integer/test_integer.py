"""The integer program: its thresholds, its steps, its document."""

import json
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boltmod.errors import DataFormatError, UnsupportedOperatorError
from boltmod.integer import execute as execute_module
from boltmod.integer.build import build
from boltmod.integer.c import emit, folder
from boltmod.integer.c.folder import keyed_frames
from boltmod.integer.document import from_document, to_document
from boltmod.integer.engine import tables
from boltmod.integer.exact import Affine, first_integers, first_squares, float_thresholds
from boltmod.integer.execute import execute, trace
from boltmod.integer.form import STEPS, Formula, Quantise, Reshape
from boltmod.model import onnx_file
from boltmod.model.lowering import lower
from boltmod.runtime.session import Classifier
from hand_made_networks import Network, convolutional, dense, magnitudes, statistics

small = st.fractions(min_value=-8, max_value=8, max_denominator=64)
positive = st.fractions(min_value=Fraction(1, 64), max_value=8, max_denominator=64)


def test_a_formula_is_the_same_in_a_document_and_is_refused_elsewhere(tmp_path: Path) -> None:
    program = build(onnx_file.from_proto(statistics()))
    frames = keyed_frames(6, seed=3)
    again = from_document(json.loads(json.dumps(to_document(program))))
    assert (execute(again, frames) == execute(program, frames)).all()
    formulas = [step for step in program.steps if isinstance(step, Formula)]
    assert [step.shape for step in formulas] == [(2, 512), (2, 512), (5, 1)]
    with pytest.raises(UnsupportedOperatorError) as error:
        folder.write(program, tmp_path / "c")
    assert str(error.value) == (
        "hand_made must be integers throughout to become C, and formula_1 is a formula of 2 "
        "operations in float64: run it with --engine integer, or quantise what it is made of"
    )
    assert not (tmp_path / "c").exists()


def test_formulas_say_what_onnx_runtime_says() -> None:
    model = onnx_file.from_proto(statistics())
    frames = keyed_frames(40, seed=4)
    program = build(model)
    scores = execute(program, frames) * float(program.scale)
    logits = Classifier(model, engine="onnxruntime").logits(frames, scale=False)
    assert (np.abs(scores - logits) < 1e-4).all(1).mean() > 0.9  # the rest: float32's rounding


@given(gain=positive, shift=small, root=positive, offset=small, step=positive)
def test_thresholds_say_what_rounding_says(
    gain: Fraction, shift: Fraction, root: Fraction, offset: Fraction, step: Fraction
) -> None:
    levels = range(-3, 5)
    firsts = first_integers(Affine(gain, shift, root, offset), step, levels)
    assert firsts == sorted(firsts)
    for level, first in zip(levels, firsts, strict=True):
        for n in (first - 1, first):
            value = (float(gain) * n + float(shift)) / float(root) ** 0.5 + float(offset)
            edge = value / float(step) - (level - 0.5)
            if abs(edge) > 1e-9:
                assert (edge > 0) == (n >= first)


def test_ties_go_to_the_even_level() -> None:
    assert first_integers(Affine(Fraction(1, 2)), Fraction(1), range(0, 4)) == [-1, 2, 3, 6]
    x = np.arange(-3, 8, dtype=np.float32) / 2
    thresholds = float_thresholds(Fraction(1), range(-1, 5))
    assert (-2 + np.searchsorted(thresholds, x, side="right") == np.rint(x)).all()


def test_a_root_that_is_a_fraction_is_exact() -> None:
    # (n − 3) / √(9/4) >= k − ½ from n = 3 + 3/2·(k − ½) on; k = 0: 2.25, 1: 3.75, 2: 5.25
    affine = Affine(Fraction(1), Fraction(-3), Fraction(9, 4))
    assert first_integers(affine, Fraction(1), range(0, 3)) == [3, 4, 6]
    tie = Affine(Fraction(3, 4), Fraction(0), Fraction(9, 4))  # n / 2
    assert first_integers(tie, Fraction(1), range(0, 4)) == [-1, 2, 3, 6]


@given(
    gain=st.integers(1, 2**24),
    shift=st.integers(-(2**30), 2**30),
    root=st.integers(1, 2**20),
    step=st.integers(1, 2**10),
    lowest=st.integers(-200, 0),
)
def test_an_integer_is_worth_its_level_and_the_one_before_it_is_not(
    gain: int, shift: int, root: int, step: int, lowest: int
) -> None:
    affine = Affine(Fraction(gain, 2**20), Fraction(shift, 2**20), Fraction(root, 2**10))
    levels = range(lowest, lowest + 20)
    quantum = Fraction(step, 2**6)
    for level, first in zip(levels, first_integers(affine, quantum, levels), strict=True):
        edge = (level - Fraction(1, 2)) * quantum  # (g·n + m) / √v against it, by squares
        above, below = ((affine.gain * n + affine.shift) for n in (first, first - 1))
        signed = edge * abs(edge) * affine.root
        is_tie_up = level % 2 == 0
        assert above * abs(above) >= signed if is_tie_up else above * abs(above) > signed
        assert below * abs(below) < signed if is_tie_up else below * abs(below) <= signed


@given(gain=positive, offset=small.map(abs), step=positive)
def test_a_magnitude_is_a_comparison_of_squares(
    gain: Fraction, offset: Fraction, step: Fraction
) -> None:
    levels = range(-2, 6)
    firsts = first_squares(Affine(gain, offset=offset), step, levels)
    for n in range(200):
        level = np.rint(float(np.sqrt(float(gain * n + offset)) / float(step)))
        edge = np.sqrt(float(gain * n + offset)) / float(step) - np.floor(
            np.sqrt(float(gain * n + offset)) / float(step)
        )
        if abs(edge - 0.5) > 1e-9:
            wanted = min(level, levels.stop - 1) - levels.start + 1
            assert sum(first <= n for first in firsts) == wanted
    # √n / 2 is 1½ for 9, which goes to the even level 2, and ½ for 1, which goes to 0
    assert first_squares(Affine(Fraction(1, 4)), Fraction(1), range(1, 3)) == [2, 9]


@pytest.mark.parametrize("make", [dense, convolutional, magnitudes])
def test_hand_made_networks_agree_with_onnx_runtime(make) -> None:
    model = onnx_file.from_proto(make())
    program = build(model)
    frames = np.random.default_rng(1).normal(0, 1, (64, 2, 1024)).astype(np.float32)
    wanted = Classifier(model, threads=1, engine="onnxruntime").logits(frames, scale=False)
    got = execute(program, frames) * float(program.scale)
    np.testing.assert_allclose(got, wanted, atol=2e-3)


@pytest.mark.parametrize("name", ["boltnet", "boltnet60"])
def test_boltnet_agrees_with_onnx_runtime(name: str) -> None:
    model = onnx_file.load(Path(name))
    program = build(model)
    rng = np.random.default_rng(2)
    frames = rng.choice([-1, 1], (48, 2, 128)).repeat(8, axis=2) + rng.normal(0, 0.2, (48, 2, 1024))
    frames = (frames / np.sqrt(2.0)).astype(np.float32)
    wanted = Classifier(model, threads=1, engine="onnxruntime").logits(frames, scale=False)
    scores = execute(program, frames)
    differing = np.abs(scores * float(program.scale) - wanted).max(1) > 1e-4
    assert differing.mean() <= 0.05
    best = wanted.argmax(1)[:, np.newaxis]
    ties = np.take_along_axis(scores, best, 1)[:, 0] == scores.max(1)
    assert ties[~differing].all()


def test_ranges_hold() -> None:
    program = build(onnx_file.load(Path("boltnet")))
    frames = 3 * np.random.default_rng(3).standard_normal((8, 2, 1024)).astype(np.float32)
    for name, tensor in trace(program, frames).items():
        if name != "frames":
            step = program[name]
            assert tensor.shape == (8, *step.shape)
            assert (tensor.min((0, 2)) >= step.low).all()
            assert (tensor.max((0, 2)) <= step.high).all()


def test_the_document_says_the_same() -> None:
    program = build(onnx_file.load(Path("boltnet")))
    document = json.loads(json.dumps(to_document(program)))
    again = from_document(document)
    assert to_document(again) == document
    frames = np.random.default_rng(4).standard_normal((4, 2, 1024)).astype(np.float32)
    assert (execute(again, frames) == execute(program, frames)).all()


def test_a_damaged_document_is_refused() -> None:
    with pytest.raises(DataFormatError) as error:
        from_document({"format": "something"})
    assert str(error.value) == (
        "the document must be a boltmod integer program of version 1, and is another: "
        "make it again from the model"
    )
    with pytest.raises(DataFormatError, match="must be whole, and is damaged"):
        from_document({"format": "boltmod integer program", "version": 1})


def refusal(net: Network, result: str) -> str:
    with pytest.raises(UnsupportedOperatorError) as error:
        build(onnx_file.from_proto(net.finish(result)))
    return str(error.value)


def test_weights_in_floating_point_are_refused() -> None:
    net = Network()
    x = net.add("Flatten", net.quant(net.input, 0.125, 8), output="flat", axis=1)
    w = net.constant("w", np.ones((24, 2048)))
    result = net.add("Gemm", x, w, net.constant("b", np.zeros(24)), output="logits", transB=1)
    assert refusal(net, result) == (
        "Gemm logits must have quantised weights to have a meaning in integers, not weights in "
        "floating point: run the model with --engine onnxruntime, or quantise what it takes"
    )


def test_inputs_in_floating_point_are_refused() -> None:
    net = Network()
    w = net.quant(net.constant("w", np.ones((4, 2, 3))), 1.0, 4)
    y = net.add("Conv", net.input, w, output="conv", kernel_shape=[3], pads=[1, 1])
    shape = net.constant("shape", [1, 4096], np.int64)
    w = net.quant(net.constant("fc", np.ones((4096, 24))), 1.0, 4)
    result = net.add("MatMul", net.add("Reshape", y, shape, output="flat"), w, output="logits")
    assert refusal(net, result) == (
        "Conv conv must take quantised values to have a meaning in integers, not what no quantiser "
        "made: run the model with --engine onnxruntime, or quantise what it takes"
    )


def test_what_does_not_fit_32_bits_is_refused() -> None:
    proto = dense(np.full((24, 2048), 2**19 - 1), weight_bits=20, act_bits=8)
    with pytest.raises(UnsupportedOperatorError) as error:
        build(onnx_file.from_proto(proto))
    assert str(error.value) == (
        "convolve_1 must fit 32 bits, not reach from -137438691328 to 136364951552: "
        "give the network narrower weights or activations"
    )


def test_a_scale_of_zero_is_refused() -> None:
    net = Network()
    x = net.add("Flatten", net.quant(net.input, 0.0, 8), output="flat", axis=1)
    w = net.quant(net.constant("w", np.ones((24, 2048))), 1.0, 4)
    result = net.add("Gemm", x, w, net.constant("b", np.zeros(24)), output="logits", transB=1)
    assert refusal(net, result) == (
        "Quant frames_q must have a scale above zero to have a meaning in integers, not 0: "
        "run the model with --engine onnxruntime, or quantise what it takes"
    )


def test_lowered_networks_are_not_needed() -> None:
    """A model in standard operators has lost its quantisers, and the reader says so."""
    proto = lower(onnx_file.from_proto(convolutional()))
    with pytest.raises(UnsupportedOperatorError, match="to have a meaning in integers"):
        build(onnx_file.from_proto(proto))


def test_every_reader_of_the_program_knows_every_step() -> None:
    steps = set(STEPS.values())
    assert set(execute_module._RUN) == steps
    assert set(tables._WRITERS) == steps
    # C reads samples at its entry points, another shape is another way to count, and formulas are
    # refused.
    assert set(emit._BODIES) | {Quantise, Reshape, Formula} == steps
    kernel = (Path(tables.__file__).parent / "vectors.h").read_text()
    (named,) = re.findall(r"enum \{ (QUANTISE[^}]*) \}", kernel)
    words = [word.strip().lower() for word in named.split(",")]
    assert words == sorted(tables.KINDS, key=tables.KINDS.__getitem__)
