import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

import hand_made_networks as hand_made
from boltmod.errors import ModelFormatError, UnsupportedOperatorError
from boltmod.model import onnx_file
from boltmod.model.lowering import lower
from boltmod.runtime.session import Classifier

SUMMATION = 5e-5
"""What another order of summation may change in float32 logits; quantisers' steps are larger."""

MODES = ["ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN"]


def lowered_result(model, frames):
    """The lowered network frame by frame, by the very kernels that qonnx's executor uses.

    It hands weights over as inputs, which keeps ONNX Runtime from repacking them: repacked
    products sum in another order.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.disable_prepacking", "1")
    session = onnxruntime.InferenceSession(lower(model).SerializeToString(), options)
    rows = [session.run(None, {model.input_name: frames[i : i + 1]})[0] for i in range(len(frames))]
    return np.concatenate(rows)


def qonnx_result(model, frames):
    wrapper = ModelWrapper(model.proto, make_deepcopy=True).transform(InferShapes())
    rows = [
        execute_onnx(wrapper, {model.input_name: frames[i : i + 1]})[model.output_name]
        for i in range(len(frames))
    ]
    return np.concatenate(rows)


def one_operator(operator, inputs, version=1, **attributes):
    """A network that flattens the frame, applies one QONNX operator and keeps 24 values."""
    net = hand_made.Network()
    flat = net.add("Flatten", net.input, output="flat", axis=1)
    names = [net.constant(f"c{i}", value) for i, value in enumerate(inputs)]
    y = net.add(operator, flat, *names, output="y", domain=hand_made.QONNX, **attributes)
    bounds = [net.constant(n, v, np.int64) for n, v in (("a", [0]), ("b", [24]), ("axis", [1]))]
    proto = net.finish(net.add("Slice", y, *bounds, output="kept"))
    proto.opset_import[1].version = version
    return onnx_file.from_proto(proto)


@pytest.fixture
def frames():
    """Noise, and values that lie exactly between two quantiser steps."""
    frames = np.random.default_rng(2).standard_normal((6, 2, 1024)).astype(np.float32)
    frames[0].flat[:] = (np.arange(2048) % 41 - 20) / 16
    return frames


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize(("zero_point", "narrow"), [(0.0, 0), (3.0, 1)])
def test_quant_equals_qonnx(frames, mode, signed, zero_point, narrow):
    model = one_operator(
        "Quant", (0.125, zero_point, 4.0), signed=signed, narrow=narrow, rounding_mode=mode
    )
    ours = Classifier(model, engine="onnxruntime").logits(frames, scale=False)
    assert np.array_equal(ours, qonnx_result(model, frames))
    assert len(np.unique(ours)) > 8


def test_one_bit_quant_equals_qonnx(frames):
    model = one_operator("Quant", (0.5, 0.0, 1.0), signed=1, narrow=0)
    ours = Classifier(model, engine="onnxruntime").logits(frames, scale=False)
    assert np.array_equal(ours, qonnx_result(model, frames))
    assert set(np.unique(ours)) == {-0.5, 0.5}


def test_bipolar_quant_equals_qonnx(frames):
    model = one_operator("BipolarQuant", (0.25,))
    ours = Classifier(model, engine="onnxruntime").logits(frames, scale=False)
    assert np.array_equal(ours, qonnx_result(model, frames))
    assert set(np.unique(ours)) == {-0.25, 0.25}


@pytest.mark.parametrize("mode", ["FLOOR", "ROUND", "CEIL"])
def test_trunc_equals_qonnx(frames, mode):
    model = one_operator("Trunc", (0.0625, 0.0, 8.0, 5.0), rounding_mode=mode)
    ours = Classifier(model, engine="onnxruntime").logits(frames, scale=False)
    assert np.array_equal(ours, qonnx_result(model, frames))
    assert len(np.unique(ours)) > 4


def test_trunc_with_an_output_scale_equals_qonnx(frames):
    model = one_operator(
        "Trunc", (0.0625, 2.0, 8.0, 0.25, 4.0), version=2,
        rounding_mode="FLOOR", signed=1, narrow=0,
    )  # fmt: skip
    ours = Classifier(model, engine="onnxruntime").logits(frames, scale=False)
    assert np.array_equal(ours, qonnx_result(model, frames))
    assert len(np.unique(ours)) > 4


@pytest.mark.parametrize("build", [hand_made.dense, hand_made.convolutional])
@pytest.mark.parametrize(
    ("opset", "domain"), [(9, ""), (13, hand_made.QONNX), (17, "onnx.brevitas")]
)
def test_networks_equal_qonnx_whatever_their_age(frames, build, opset, domain):
    model = onnx_file.from_proto(build(opset=opset, domain=domain))
    classifier = Classifier(model, engine="onnxruntime")
    expected = qonnx_result(model, frames)
    assert np.array_equal(lowered_result(model, frames), expected)
    np.testing.assert_allclose(
        classifier.logits(frames, scale=False), expected, rtol=SUMMATION, atol=SUMMATION
    )
    assert np.ptp(expected) > 1


def test_scales_by_channel_equal_qonnx(frames):
    net = hand_made.Network()
    scales = np.array([0.1, 0.3]).reshape(1, 2, 1)
    flat = net.add("Flatten", net.quant(net.input, scales, 3), output="flat", axis=1)
    matrix = net.constant("w", np.eye(2048)[:, 1000:1048:2])
    model = onnx_file.from_proto(net.finish(net.add("MatMul", flat, matrix, output="y")))
    assert np.array_equal(
        Classifier(model, engine="onnxruntime").logits(frames, scale=False),
        qonnx_result(model, frames),
    )


def test_a_lowered_network_is_standard_and_takes_any_batch():
    proto = lower(onnx_file.from_proto(hand_made.convolutional(opset=9, domain="")))
    onnx.checker.check_model(proto, full_check=True)
    assert {node.domain for node in proto.graph.node} == {""}
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    for n in (1, 3):
        assert session.run(None, {"frames": np.zeros((n, 2, 1024), np.float32)})[0].shape == (n, 24)


def test_quantised_weights_are_constants_of_the_lowered_network():
    weights = np.random.default_rng(1).normal(0, 2, (24, 2048))
    proto = lower(onnx_file.from_proto(hand_made.dense(weights, weight_bits=4, weight_scale=1.0)))
    gemm = next(node for node in proto.graph.node if node.op_type == "Gemm")
    stored = next(t for t in proto.graph.initializer if t.name == gemm.input[1])
    expected = np.clip(np.round(weights.astype(np.float32)), -8, 7)
    assert np.array_equal(numpy_helper.to_array(stored), expected)
    assert "fc.weight" not in {t.name for t in proto.graph.initializer}


def test_a_bit_width_computed_from_constants_is_known():
    proto = hand_made.dense()
    quant = next(n for n in proto.graph.node if n.op_type == "Quant")
    proto.graph.node.insert(0, helper.make_node("Ceil", [quant.input[3]], ["rounded_up"]))
    proto.graph.node[1].input[3] = "rounded_up"
    assert "Ceil" not in {n.op_type for n in lower(onnx_file.from_proto(proto)).graph.node}


def refusal(proto):
    with pytest.raises(UnsupportedOperatorError) as error:
        Classifier(onnx_file.from_proto(proto), engine="onnxruntime")
    return str(error.value)


def test_unknown_operators_are_refused_by_name():
    net = hand_made.Network(domain="some.where")
    flat = net.add("Flatten", net.input, output="flat", axis=1)
    proto = net.finish(net.add("Sparkle", flat, output="logits", domain="some.where"))
    assert refusal(proto) == (
        "operator must be a standard one or one of Quant, IntQuant, BipolarQuant, Trunc, "
        "not some.where::Sparkle (logits): export the network without it"
    )


def test_unknown_rounding_is_refused():
    proto = hand_made.dense()
    for attribute in proto.graph.node[0].attribute:
        if attribute.name == "rounding_mode":
            attribute.s = b"STOCHASTIC"
    assert refusal(proto) == (
        "rounding_mode must be ROUND, HALF_EVEN, CEIL, FLOOR or one of UP, DOWN, HALF_UP, "
        "HALF_DOWN, not STOCHASTIC (Quant frames_q): export with ROUND"
    )


def test_a_bit_width_that_depends_on_the_frame_is_refused():
    proto = hand_made.dense()
    proto.graph.node.insert(0, helper.make_node("ReduceMax", ["frames"], ["loudest"], keepdims=0))
    proto.graph.node[1].input[3] = "loudest"
    assert refusal(proto) == (
        "bit width must be a constant, not computed while the network runs (Quant frames_q): "
        "export it with fixed bit widths"
    )


def test_constants_that_have_no_value_are_refused():
    net = hand_made.Network()
    parts = [net.constant(f"c{n}", np.zeros(n)) for n in (2, 3)]
    total = net.add("Add", *parts, output="total")
    flat = net.add("Flatten", net.input, output="flat", axis=1)
    proto = net.finish(net.add("Add", flat, total, output="logits"))
    told = refusal(proto)
    assert told.startswith("Add total must have a value, its inputs being constant, and has none (")
    assert told.endswith("): export the network without it")


def test_a_network_that_mixes_frames_is_refused():
    net = hand_made.Network()
    flat = net.add("Flatten", net.input, output="flat", axis=1)
    mean = net.add("ReduceMean", flat, output="mean", axes=[0], keepdims=1)
    w = net.constant("w", np.random.default_rng(0).normal(0, 1, (2048, 24)))
    centred = net.add("Sub", flat, mean, output="centred")
    proto = net.finish(net.add("MatMul", centred, w, output="logits"))
    assert refusal(proto) == (
        "hand_made must run on batches of frames, which it does not (frames influence each other): "
        "export it with standard operators that keep the batch dimension first"
    )


def test_types_of_the_frames_input_are_checked():
    proto = hand_made.dense()
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    with pytest.raises(ModelFormatError) as error:
        onnx_file.from_proto(proto)
    assert str(error.value) == (
        "the model must take float32 frames, not DOUBLE: export it with such an input"
    )


@pytest.mark.referee
@pytest.mark.parametrize("name", ["bacalhaunet_v1", "vgg10_baseline"])
def test_published_networks_equal_qonnx_and_an_independent_implementation(
    referees, real_frames, name, monkeypatch
):
    """On noise and on genuine frames (the 128 samples that are there, eight times over)."""
    torch = pytest.importorskip("torch")
    monkeypatch.syspath_prepend(str(referees))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import judge

    noise = np.random.default_rng(4).standard_normal((16, 2, 1024))
    real = np.tile(np.load(real_frames)["X"][:16], (1, 1, 8))
    frames = np.concatenate([noise, real / real.std()]).astype(np.float32)
    model = onnx_file.load(referees / f"{name}.onnx")
    ours = Classifier(model, engine="onnxruntime").logits(frames, scale=False)
    few = slice(8, 24)
    expected = qonnx_result(model, frames[few])
    assert np.array_equal(lowered_result(model, frames[few]), expected)
    np.testing.assert_allclose(ours[few], expected, rtol=SUMMATION, atol=SUMMATION)
    theirs = judge.Referee(str(model.path))(torch.tensor(frames)).numpy()
    assert np.array_equal(ours.argmax(axis=1), theirs.argmax(axis=1))
    equal = np.isclose(ours, theirs, rtol=SUMMATION, atol=SUMMATION).all(axis=1)
    assert equal.mean() > 0.9  # torch sums otherwise: now and then a value crosses a threshold
