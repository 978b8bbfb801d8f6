"""Models written for other tools: the same network, its integers, and a sheet of its interface."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from typer.testing import CliRunner

from boltmod.cli.app import app
from boltmod.cost.normalisation import normalisation_cost
from boltmod.errors import UnsupportedOperatorError
from boltmod.export import formats, interface
from boltmod.export.formats import Format
from boltmod.export.weights import as_hex, write_weights
from boltmod.integer.build import build
from boltmod.integer.c.folder import keyed_frames
from boltmod.integer.form import Convolve
from boltmod.model import onnx_file
from boltmod.model.onnx_file import Model
from boltmod.runtime.session import Classifier
from hand_made_networks import Network, convolutional, dense, floating, magnitudes, products

MADE = {"convolutional": convolutional, "dense": dense, "magnitudes": magnitudes,
        "products": products}  # fmt: skip


def model_of(name: str) -> Model:
    return onnx_file.from_proto(MADE[name]()) if name in MADE else onnx_file.load(Path(name))


@pytest.mark.parametrize("kind", list(Format))
@pytest.mark.parametrize("name", ["boltnet", *MADE])
def test_every_form_gives_the_same_scores(name: str, kind: Format, tmp_path: Path) -> None:
    model, path = model_of(name), tmp_path / "model.onnx"
    agreement = formats.write(model, kind, path)
    assert agreement.frames == 256
    assert agreement.same_class >= 254  # ONNX Runtime has kernels of its own for QCDQ
    again = onnx_file.load(path)
    assert again.metadata == model.metadata
    frames = keyed_frames(16, seed=3)
    wanted, got = (
        Classifier(each, threads=1, engine="onnxruntime").logits(frames) for each in (model, again)
    )
    assert (wanted == got).all()
    assert not list(tmp_path.glob("*.tmp*"))


@pytest.mark.parametrize("kind", [Format.ONNX, Format.QCDQ])
def test_gnu_radio_4_is_told_how_a_frame_goes_in(kind: Format, tmp_path: Path) -> None:
    """Its `OnnxInference` binds (1, history_depth, input_size), a data set a row."""
    path = tmp_path / "model.onnx"
    onnx.save(formats.convert(model_of("boltnet"), kind), path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    told = session.get_modelmeta().custom_metadata_map
    assert told["normalise_mode"] == "None"
    shape = (1, int(told["history_depth"]), int(told["input_size"]))
    (scores,) = session.run(None, {session.get_inputs()[0].name: np.zeros(shape, np.float32)})
    assert scores.shape == (1, len(onnx_file.load(path).metadata.classes))


def test_only_standard_operators_but_in_qonnx() -> None:
    model = model_of("boltnet")
    for kind in (Format.ONNX, Format.QCDQ):
        assert {node.domain for node in formats.convert(model, kind).graph.node} == {""}
    qcdq = formats.convert(model, Format.QCDQ)
    found = {node.op_type for node in qcdq.graph.node}
    assert {"QuantizeLinear", "Clip", "DequantizeLinear"} <= found
    stored = {t.name: t.data_type for t in qcdq.graph.initializer}
    makers = {node.output[0]: node for node in qcdq.graph.node}
    for node in qcdq.graph.node:
        if node.op_type == "Conv":
            weights = makers[node.input[1]].input[0]
            assert stored[weights] == onnx.TensorProto.INT8
    again = formats.convert(onnx_file.from_proto(qcdq), Format.QONNX)
    assert "QuantizeLinear" not in {node.op_type for node in again.graph.node}


def test_qonnx_says_what_is_a_default_elsewhere() -> None:
    net = Network()
    x = net.quant(net.input, 0.125, 8)
    x = net.add("MaxPool", x, output="pool", kernel_shape=[4])
    w = net.quant(net.constant("w", np.ones((24, 2 * 1021))), 1.0, 4)
    flat = net.add("Flatten", x, output="flat", axis=1)
    proto = net.finish(net.add("Gemm", flat, w, output="logits", transB=1))
    for node in proto.graph.node:
        if node.op_type == "Quant":
            kept = [each for each in node.attribute if each.name == "signed"]
            del node.attribute[:]
            node.attribute.extend(kept)
    written = formats.convert(onnx_file.from_proto(proto), Format.QONNX)
    said = {node.op_type: {a.name for a in node.attribute} for node in written.graph.node}
    assert {"rounding_mode", "signed", "narrow"} <= said["Quant"]
    assert {"pads", "strides"} <= said["MaxPool"]


def test_the_integers_are_those_of_the_program(tmp_path: Path) -> None:
    model = model_of("boltnet")
    rows = write_weights(model, tmp_path)
    assert json.loads((tmp_path / "index.json").read_text()) == rows
    layers = [step for step in build(model).steps if isinstance(step, Convolve)]
    weights = [row for row in rows if row["role"] == "weight"]
    wanted = sorted(
        (step.weights.shape[0], int(np.count_nonzero(step.weights)), int(step.weights.sum()))
        for step in layers
    )
    found = []
    for row in weights:
        integers = np.load(tmp_path / row["file"])
        assert list(integers.shape) == row["shape"]
        scale = np.load(tmp_path / row["file"].replace(".npy", ".scale.npy"))
        assert np.ravel(scale).tolist() == np.ravel(row["scale"]).tolist()
        lines = (tmp_path / row["file"].replace(".npy", ".hex")).read_text().split()
        values = np.array([int(line, 16) for line in lines])
        if row["signed"]:
            values[values >= 2 ** (row["bits"] - 1)] -= 2 ** row["bits"]
        assert (values == integers.ravel()).all()
        found.append((integers.shape[0], row["non_zero"], int(integers.sum())))
    assert sorted(found) == wanted


def test_hexadecimal_is_in_twos_complement() -> None:
    assert as_hex(np.array([[0, 1], [-1, -8]]), 4) == "0\n1\nf\n8\n"
    assert as_hex(np.array([-1, 5]), 6) == "3f\n05\n"


def test_weights_in_floating_point_have_no_integers(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperatorError) as error:
        write_weights(onnx_file.from_proto(floating()), tmp_path)
    assert str(error.value) == (
        "Gemm logits must have quantised weights to be written as integers, and has weights in "
        "floating point: leave --weights out, or quantise them"
    )


def test_wide_activations_are_rounded_in_floating_point(tmp_path: Path) -> None:
    model = onnx_file.from_proto(dense(act_bits=12))
    assert "Round" in {node.op_type for node in formats.convert(model, Format.QCDQ).graph.node}
    assert formats.write(model, Format.QCDQ, tmp_path / "model.onnx").same_class == 256


def test_a_zero_point_is_no_qcdq() -> None:
    net = Network()
    x = net.quant(net.input, 0.125, 8, zero_point=3.0)
    w = net.quant(net.constant("w", np.ones((24, 2048))), 1.0, 4)
    flat = net.add("Flatten", x, output="flat", axis=1)
    proto = net.finish(net.add("Gemm", flat, w, output="logits", transB=1))
    with pytest.raises(UnsupportedOperatorError, match="must have zero point 0"):
        formats.convert(onnx_file.from_proto(proto), Format.QCDQ)


def test_what_normalising_costs() -> None:
    # 2048 squares, two squared means of 32 bits, a root's slope, 2048 quotients by 32 bits.
    bops = 2048 * 8 * 8 + 2 * 32 * 32 + 32 * 32 + 2048 * 8 * 32
    assert normalisation_cost(8).bops == bops
    assert normalisation_cost(8).strict_score == pytest.approx(0.5 * bops / 807_699_904)
    assert normalisation_cost(16).bops == 2048 * 16 * 16 + 3 * 32 * 32 + 2048 * 16 * 32


def test_the_sheet_says_what_the_first_quantiser_does() -> None:
    sheet = interface.interface(model_of("boltnet"), None)
    taken = sheet["input"]
    assert (taken["bits"], taken["signed"], taken["lowest"], taken["highest"]) == (
        10,
        True,
        -512,
        511,
    )
    assert taken["scale"] == float(build(model_of("boltnet")).steps[0].scale)  # type: ignore[attr-defined]
    unquantised = interface.interface(onnx_file.from_proto(floating()), None)["input"]
    assert unquantised == {
        "scaling": "unit_std", "bits": 32, "first_operators": ["GlobalAveragePool"],
    }  # fmt: skip


def test_the_command(tmp_path: Path) -> None:
    out, weights = tmp_path / "out", tmp_path / "weights"
    done = CliRunner().invoke(
        app,
        ["export", "boltnet", "--format", "qcdq", "--out", str(out), "--weights", str(weights),
         "--json"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["path"] == str(out / "boltnet.qcdq.onnx")
    assert document["agreement"]["same_class"] == 256
    assert len(document["tensors"]) == len(list(weights.glob("*.hex")))
    sheet = json.loads((out / "interface.json").read_text())
    costs = sheet["normalisation"]
    page = (out / "interface.md").read_text()
    assert [each["sample_bits"] for each in costs["by_sample_bits"]] == [8, 12, 16]
    assert f"| 8 | {costs['by_sample_bits'][0]['bops']:,} |" in page
    for name in sheet["output"]["classes"]:
        assert name in page
