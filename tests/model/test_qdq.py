"""Networks quantised by QuantizeLinear and DequantizeLinear, and those that end in numbers."""

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import hand_made_networks as hand_made
from boltmod.cost.inference_cost import count
from boltmod.errors import ModelFormatError, UnsupportedOperatorError
from boltmod.model import onnx_file
from boltmod.model.metadata import Metadata
from boltmod.model.qdq import as_quant
from boltmod.runtime.session import Classifier

WEIGHTS = np.random.default_rng(3).integers(-7, 8, (24, 2048))
FRAMES = np.random.default_rng(4).standard_normal((3, 2, 1024)).astype(np.float32)


def dense(opset, act_zero=0, by_channel=False, folded=True, clip=(-7, 7)):
    """`hand_made.dense` as Brevitas writes QCDQ: activations of 8 bits, weights of 4 by a Clip."""
    net = hand_made.Network(opset=opset, domain="")
    scale = net.constant("act_scale", 0.125)
    zero = net.constant("act_zero", act_zero, np.uint8 if act_zero else np.int8)
    x = net.add("QuantizeLinear", net.input, scale, zero, output="x_int")
    x = net.add("DequantizeLinear", x, scale, zero, output="x")
    w_scale = net.constant("w_scale", np.full(24, 1.0) if by_channel else 1.0)
    w_zero = net.constant("w_zero", np.zeros(24) if by_channel else 0, np.int8)
    axis = {"axis": 0} if by_channel else {}
    if folded:
        w = net.constant("w_int", WEIGHTS, np.int8)
    else:
        w = net.constant("w_float", WEIGHTS)
        w = net.add("QuantizeLinear", w, w_scale, w_zero, output="w_int", **axis)
    if clip:
        bounds = [net.constant(f"w_{bound}", bound, np.int8) for bound in clip]
        w = net.add("Clip", w, *bounds, output="w_clipped")
    w = net.add("DequantizeLinear", w, w_scale, w_zero, output="w", **axis)
    flat = net.add("Flatten", x, output="flat", axis=1)
    bias = net.constant("bias", np.zeros(24))
    return net.finish(net.add("Gemm", flat, w, bias, output="logits", transB=1))


@pytest.mark.parametrize("opset", [13, 18, 19, 21])
@pytest.mark.parametrize(
    "options",
    [{}, {"act_zero": 128}, {"by_channel": True}, {"folded": False},
     {"folded": False, "by_channel": True}],
)  # fmt: skip
def test_scores_are_those_of_onnx_runtime(opset, options):
    proto = dense(opset, **options)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    expected = [session.run(None, {"frames": frame[np.newaxis]})[0][0] for frame in FRAMES]
    found = Classifier(onnx_file.from_proto(proto), threads=1).logits(FRAMES, scale=False)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"by_channel": True}])
def test_a_clip_to_4_bits_counts_as_4_bits(options):
    expected = count(onnx_file.from_proto(hand_made.dense(WEIGHTS)))
    found = count(onnx_file.from_proto(dense(13, **options)))
    assert (found.bops, found.weight_bits) == (expected.bops, expected.weight_bits)
    assert found.weight_bits == 4 * np.count_nonzero(WEIGHTS)
    whole = count(onnx_file.from_proto(dense(13, clip=None, **options)))
    assert whole.weight_bits == 2 * expected.weight_bits


@pytest.mark.parametrize(
    ("clip", "n_bits", "signed", "narrow"),
    [((-7, 7), 4, 1, 1), ((-8, 7), 4, 1, 0), ((-5, 3), 4, 1, 0), ((0, 15), 4, 0, 0),
     ((-1, 1), 2, 1, 1), (None, 8, 1, 0)],
)  # fmt: skip
def test_how_many_bits_a_clip_leaves(clip, n_bits, signed, narrow):
    proto = as_quant(dense(13, clip=clip))
    values = {each.name: onnx.numpy_helper.to_array(each) for each in proto.graph.initializer}
    (quant,) = (node for node in proto.graph.node if node.output[0] == "w")
    attributes = {each.name: helper.get_attribute_value(each) for each in quant.attribute}
    assert values[quant.input[3]] == n_bits
    assert (attributes["signed"], attributes["narrow"]) == (signed, narrow)
    kept = WEIGHTS if clip is None else WEIGHTS.clip(*clip)
    np.testing.assert_array_equal(values[quant.input[0]], kept)


def test_a_zero_point_is_left_as_it_is():
    kinds = [node.op_type for node in as_quant(dense(13, act_zero=128)).graph.node]
    assert kinds == ["QuantizeLinear", "DequantizeLinear", "Quant", "Flatten", "Gemm"]


FLOATS = {
    "e4m3": (TensorProto.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn),
    "e5m2": (TensorProto.FLOAT8E5M2, ml_dtypes.float8_e5m2),
}


def stored(kind, content, scale, opset=21, frames="frames"):
    """A dense layer whose weights lie in a file in few bits."""
    weight = onnx.TensorProto(name="w_stored", data_type=kind, dims=(24, 2048), raw_data=content)
    constants = {"w_scale": np.float32(scale), "bias": np.zeros(24, np.float32)}
    nodes = [
        helper.make_node("Flatten", [frames], ["flat"], axis=1),
        helper.make_node("DequantizeLinear", ["w_stored", "w_scale"], ["w"]),
        helper.make_node("Gemm", ["flat", "w", "bias"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "stored",
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, (1, 2, 1024))],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, 24))],
        [weight, *(onnx.numpy_helper.from_array(v, name) for name, v in constants.items())],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def as_onnx_runtime(proto):
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    expected = [session.run(None, {"frames": frame[np.newaxis]})[0][0] for frame in FRAMES]
    found = Classifier(onnx_file.from_proto(proto), threads=1).logits(FRAMES, scale=False)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-4)


@pytest.mark.parametrize("kind", FLOATS)
def test_floats_of_8_bits_are_not_called_unquantised(kind):
    number, dtype = FLOATS[kind]
    proto = stored(number, (WEIGHTS / 8).astype(dtype).tobytes(), 0.5, 19)
    as_onnx_runtime(proto)
    found = {each.name: each.message for each in count(onnx_file.from_proto(proto)).findings}
    assert found["weights of 8 bits"] == (
        "Gemm logits has weights of 8 bit floats, which the official tool counts at 32 bits each "
        "unless their scale is 1"
    )
    assert "weights of 32 bits" not in found
    alone = count(
        onnx_file.from_proto(stored(number, (WEIGHTS / 8).astype(dtype).tobytes(), 1.0, 19))
    )
    assert alone.weight_bits == 8 * np.count_nonzero(WEIGHTS)


def test_activations_of_8_bit_floats():
    proto = stored(FLOATS["e4m3"][0], (WEIGHTS / 8).astype(FLOATS["e4m3"][1]).tobytes(), 1.0, 19)
    proto.graph.node[0].input[0] = "x"
    zero = onnx.TensorProto(name="zero", data_type=FLOATS["e4m3"][0], raw_data=b"\0")
    proto.graph.initializer.extend([zero, onnx.numpy_helper.from_array(np.float32(0.02), "scale")])
    for place, (name, takes, gives) in enumerate(
        [("QuantizeLinear", "frames", "x_float8"), ("DequantizeLinear", "x_float8", "x")]
    ):
        node = helper.make_node(name, [takes, "scale", "zero"], [gives])
        proto.graph.node.insert(place, node)
    as_onnx_runtime(proto)
    assert count(onnx_file.from_proto(proto)).weight_bits == 8 * np.count_nonzero(WEIGHTS)


def test_weights_stored_in_4_bits():
    flat = WEIGHTS.reshape(-1) & 15
    proto = stored(TensorProto.INT4, (flat[::2] | flat[1::2] << 4).astype(np.uint8).tobytes(), 0.5)
    as_onnx_runtime(proto)
    found = count(onnx_file.from_proto(proto))
    assert found.weight_bits == 4 * np.count_nonzero(WEIGHTS)
    assert found.bops == 4 * 32 * np.count_nonzero(WEIGHTS)


@pytest.mark.parametrize("opset", [13, 21])
@pytest.mark.parametrize(
    ("clip", "dtype", "zero", "n_bits"),
    [((-8, 7), np.int8, 0, 4), ((0, 15), np.uint8, 0, 4), ((0, 15), np.uint8, 8, 4),
     ((-8, 7), np.int8, -3, 5), (None, np.uint8, 128, 8)],
)  # fmt: skip
def test_how_many_bits_an_activation_has(opset, clip, dtype, zero, n_bits):
    net = hand_made.Network(opset=opset, domain="")
    scale, offset = net.constant("scale", 0.3), net.constant("zero", zero, dtype)
    x = net.add("QuantizeLinear", net.input, scale, offset, output="x_int")
    if clip:
        x = net.add("Clip", x, *(net.constant(f"x_{b}", b, dtype) for b in clip), output="x_clip")
    x = net.add("DequantizeLinear", x, scale, offset, output="x")
    stored_as = [net.constant("w_int", WEIGHTS, np.int8), net.constant("w_scale", 1.0)]
    w = net.add("DequantizeLinear", *stored_as, output="w")
    flat = net.add("Flatten", x, output="flat", axis=1)
    bias = net.constant("bias", np.zeros(24))
    proto = net.finish(net.add("Gemm", flat, w, bias, output="logits", transB=1))
    as_onnx_runtime(proto)
    found = count(onnx_file.from_proto(proto))
    assert found.bops == n_bits * 8 * np.count_nonzero(WEIGHTS)


@pytest.mark.parametrize(
    ("operators", "message"),
    [
        (["QLinearMatMul"], "QLinearMatMul (ONNX Runtime's QOperator format): quantise it again "
         "with quant_format=QuantFormat.QDQ"),
        (["MatMulInteger", "DynamicQuantizeLinear"], "DynamicQuantizeLinear, MatMulInteger "
         "(quantised while it runs): quantise it with quantize_static and "
         "quant_format=QuantFormat.QDQ"),
    ],
)  # fmt: skip
def test_layers_of_integers_are_not_free(operators, message):
    graph = helper.make_graph(
        [helper.make_node(name, ["x"], ["y"]) for name in operators], "integers", [], []
    )
    model = onnx_file.Model(helper.make_model(graph), Metadata())
    with pytest.raises(UnsupportedOperatorError) as error:
        count(model)
    assert str(error.value) == (
        f"integers must have layers that the cost rules know, not {message}"
    )


def test_onnx_runtime_s_own_operators():
    graph = hand_made.dense(WEIGHTS)
    graph.graph.node[-1].domain = "com.microsoft"
    graph.graph.node[-1].op_type = "QGemm"
    graph.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(UnsupportedOperatorError) as error:
        Classifier(onnx_file.from_proto(graph), engine="onnxruntime")
    assert str(error.value) == (
        "operator must be a standard one, not ONNX Runtime's own QGemm (logits): quantise again "
        "with quant_format=QuantFormat.QDQ, or export the network before ONNX Runtime has "
        "optimised it"
    )


def choosing(operator, k=1):
    """A network that ends in class numbers."""
    proto = hand_made.dense(WEIGHTS)
    if operator == "TopK":
        proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([k], np.int64), "k"))
        node = helper.make_node("TopK", ["logits", "k"], ["best", "number"])
    else:
        node = helper.make_node("ArgMax", ["logits"], ["number"], axis=1)
    proto.graph.node.append(node)
    del proto.graph.output[:]
    proto.graph.output.append(helper.make_tensor_value_info("number", TensorProto.INT64, (1, k)))
    return proto


@pytest.mark.parametrize(("operator", "k"), [("TopK", 1), ("TopK", 3), ("ArgMax", 1)])
def test_class_numbers_are_undone(operator, k):
    found = onnx_file.from_proto(choosing(operator, k))
    plain = onnx_file.from_proto(hand_made.dense(WEIGHTS))
    assert len(found.classes) == 24
    np.testing.assert_array_equal(
        Classifier(found, threads=1).logits(FRAMES, scale=False),
        Classifier(plain, threads=1).logits(FRAMES, scale=False),
    )


def test_class_numbers_behind_a_softmax_are_undone():
    proto = choosing("ArgMax")
    proto.graph.node[-1].input[0] = "shares"
    proto.graph.node.insert(
        len(proto.graph.node) - 1, helper.make_node("Softmax", ["logits"], ["shares"], axis=1)
    )
    assert len(onnx_file.from_proto(proto).classes) == 24


def test_class_numbers_as_floats_are_refused():
    proto = choosing("ArgMax")
    proto.graph.node.append(helper.make_node("Cast", ["number"], ["out"], to=TensorProto.FLOAT))
    del proto.graph.output[:]
    proto.graph.output.append(helper.make_tensor_value_info("out", TensorProto.FLOAT, (1, 1)))
    with pytest.raises(ModelFormatError) as error:
        onnx_file.from_proto(proto)
    assert str(error.value) == (
        "the model must give scores, not class numbers or the like (FLOAT): "
        "export the network without what follows its logits"
    )


def test_class_numbers_that_cannot_be_undone_are_refused():
    proto = choosing("ArgMax")
    proto.graph.node.append(helper.make_node("Identity", ["number"], ["out"]))
    proto.graph.output[0].name = "out"
    with pytest.raises(ModelFormatError) as error:
        onnx_file.from_proto(proto)
    assert str(error.value) == (
        "the model must give scores, not class numbers or the like (INT64): "
        "export the network without what follows its logits"
    )
