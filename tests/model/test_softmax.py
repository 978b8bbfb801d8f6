"""Networks that end in a softmax give the probabilities that they give, not their softmax."""

import json

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

import hand_made_networks as hand_made
from boltmod.cli.app import app
from boltmod.evaluation.evaluate import evaluate
from boltmod.model import onnx_file
from boltmod.model.lowering import lower
from boltmod.model.onnx_file import Model
from boltmod.modulation import CLASSES
from boltmod.runtime.session import Classifier

FRAMES = np.random.default_rng(3).standard_normal((40, 2, 1024)).astype(np.float32)


def ending_in(*nodes, opset=13, **attributes):
    """A dense network whose scores, made large, go through operators of one input each."""
    net = hand_made.Network(opset=opset)
    weights = np.random.default_rng(4).normal(0, 0.3, (24, 2048))
    flat = net.add("Flatten", net.input, output="flat", axis=1)
    inputs = (net.constant("w", weights), net.constant("b", np.zeros(24)))
    x = net.add("Gemm", flat, *inputs, output="scores", transB=1)
    for number, node in enumerate(nodes):
        shape = [net.constant("shape", [1, 1, 24], np.int64)] if node == "Reshape" else []
        how = attributes if "Softmax" in node else {"to": 1} if node == "Cast" else {}
        x = net.add(node, x, *shape, output=f"{node}_{number}".lower(), **how)
    return net.finish(x)


def runs_as_it_is(proto):
    """What ONNX Runtime makes of the file, nothing taken off."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    lowered = lower(Model(proto, onnx_file.from_proto(proto).metadata))
    session = onnxruntime.InferenceSession(lowered.SerializeToString(), options)
    return session.run(None, {"frames": FRAMES})[0]


@pytest.mark.parametrize(
    ("nodes", "opset", "attributes"),
    [
        (("Softmax",), 13, {}),
        (("Softmax",), 13, {"axis": -1}),
        (("Softmax",), 13, {"axis": 1}),
        (("Softmax",), 11, {}),
        (("Softmax", "Identity"), 13, {}),
        (("Identity", "Softmax", "Cast", "Identity"), 13, {}),
        (("Reshape", "Softmax", "Flatten"), 13, {"axis": 2}),
        (("Softmax", "Flatten"), 11, {"axis": 1}),
    ],
)
def test_probabilities_are_those_of_the_network(nodes, opset, attributes):
    proto = ending_in(*nodes, opset=opset, **attributes)
    onnx.checker.check_model(proto)
    wanted = runs_as_it_is(proto)
    assert wanted.max() > 0.99
    classifier = Classifier(onnx_file.from_proto(proto), threads=1)
    found = classifier.probabilities(FRAMES, scale=False)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_log_softmax_is_taken_off_too():
    proto = ending_in("LogSoftmax")
    wanted = np.exp(runs_as_it_is(proto))
    found = Classifier(onnx_file.from_proto(proto), threads=1).probabilities(FRAMES, scale=False)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("nodes", "attributes"),
    [
        (("Softmax",), {"axis": 0}),
        (("Softmax", "Relu"), {}),
        (("Reshape", "Softmax", "Flatten"), {"axis": 1}),
    ],
)
def test_other_softmaxes_stay(nodes, attributes):
    kept = onnx_file.from_proto(ending_in(*nodes, **attributes)).proto
    assert "Softmax" in [node.op_type for node in kept.graph.node]


def test_the_last_softmax_alone_is_taken_off():
    found = onnx_file.from_proto(ending_in("Softmax", "Relu", "Softmax")).proto
    assert [node.op_type for node in found.graph.node][2:] == ["Softmax", "Relu"]


def test_every_way_says_the_same(tmp_path):
    proto = ending_in("Softmax")
    path = tmp_path / "net.onnx"
    onnx.save(proto, path)
    samples = (FRAMES[:, 0] + 1j * FRAMES[:, 1]).astype(np.complex64)
    recording = tmp_path / "r.cf32"
    recording.write_bytes(samples.tobytes())
    answers = Classifier(path, threads=1).probabilities(samples)
    printed = CliRunner().invoke(app, ["classify", str(recording), "-m", str(path), "--json"])
    windows = json.loads(printed.stdout)["windows"]
    assert [each["probability"] for each in windows] == pytest.approx(answers.max(1).tolist())
    assert answers.max() > 0.99
    evaluation = evaluate(path, (samples, answers.argmax(1)), threads=1)
    assert evaluation.accuracy == 1
    confidence = np.array(evaluation.calibration.confidence)
    sure = np.array(evaluation.calibration.n_frames) @ confidence / len(samples)
    assert sure == pytest.approx(answers.max(1).mean(), abs=1e-4)
    assert len(CLASSES) == answers.shape[1]
