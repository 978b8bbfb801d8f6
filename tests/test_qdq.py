"""Networks quantised by QuantizeLinear and DequantizeLinear, and those that end in numbers."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import hand_made_networks as hand_made
from boltmod.cost.inference_cost import count
from boltmod.errors import ModelFormatError
from boltmod.model import onnx_file
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
