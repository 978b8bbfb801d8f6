"""Networks that declare what they do not hold, or more than there is: one line, and quickly."""

import json
import re
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

import hand_made_networks as hand_made
from boltmod.cli.app import app
from boltmod.cli.strangers import is_own
from boltmod.cost.inference_cost import count
from boltmod.errors import BoltmodError, ModelFormatError
from boltmod.model import onnx_file
from boltmod.model.shipped import path_of


def weight(proto, name="fc.weight"):
    return next(tensor for tensor in proto.graph.initializer if tensor.name == name)


def refusal(proto):
    with pytest.raises(ModelFormatError) as error:
        onnx_file.from_proto(proto)
    return str(error.value)


def test_bytes_that_do_not_fill_the_shape():
    proto = hand_made.dense()
    weight(proto).dims[0] += 1
    rows, columns = weight(proto).dims
    assert refusal(proto) == (
        f"constant 'fc.weight' of the model must hold the {rows * columns:,} values of its shape, "
        f"in {4 * rows * columns:,} bytes, not {4 * (rows - 1) * columns:,}: export it again"
    )


@pytest.mark.parametrize("kind", ["int64_data", "float_data", "int32_data", "double_data"])
def test_entries_that_do_not_fill_the_shape(kind):
    kinds = {
        "int64_data": TensorProto.INT64, "float_data": TensorProto.FLOAT,
        "int32_data": TensorProto.INT8, "double_data": TensorProto.DOUBLE,
    }  # fmt: skip
    proto = hand_made.dense()
    tensor = TensorProto(name="extra", dims=[4], data_type=kinds[kind])
    getattr(tensor, kind).extend([1, 2, 3, 4])
    proto.graph.initializer.append(tensor)
    onnx_file.from_proto(proto)
    getattr(proto.graph.initializer[-1], kind).append(5)
    assert "must hold the 4 values of its shape, in 4 entries, not 5" in refusal(proto)


def test_values_of_four_bits_are_two_to_a_byte():
    proto = hand_made.dense()
    proto.graph.initializer.append(
        helper.make_tensor("four", TensorProto.INT4, [3], np.array([1, 2, 3]))
    )
    onnx_file.from_proto(proto)


@pytest.mark.parametrize("size", [-1, 2**40, 2**62])
def test_shapes_that_nothing_fills(size):
    proto = hand_made.dense()
    weight(proto).dims[0] = size
    assert re.search("sizes of 0 or more|at most 33,554,432 constant values", refusal(proto))


def test_a_type_that_there_is_not():
    proto = hand_made.dense()
    weight(proto).data_type = 99
    assert "must have a type that ONNX knows, not 99" in refusal(proto)


def test_a_sparse_constant_counts_as_what_it_is_unpacked_to():
    proto = hand_made.dense()
    sparse = proto.graph.sparse_initializer.add(dims=[2**20, 2**20])
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "s"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64), "i"))
    assert "at most 33,554,432 constant values" in refusal(proto)


def test_a_constant_in_another_file_within_a_function():
    proto = hand_made.dense()
    tensor = TensorProto(name="t", dims=[1], data_type=TensorProto.FLOAT)
    tensor.data_location = TensorProto.EXTERNAL
    function = proto.functions.add(name="f", domain="d")
    function.node.add(op_type="Constant", output=["y"]).attribute.add(
        name="value", type=onnx.AttributeProto.TENSOR
    ).t.CopyFrom(tensor)
    assert "must hold its own weights, not name another file for 't'" in refusal(proto)


def test_loops_are_no_part_of_a_classifier():
    proto = hand_made.dense()
    proto.graph.node[0].op_type = "Loop"
    assert refusal(proto) == (
        "the model must take every frame alike, without Loop, which may never end: "
        "export it unrolled"
    )


@pytest.mark.parametrize(("name", "value"), [("strides", [0]), ("group", 0), ("dilations", [-1])])
def test_what_libraries_divide_by(name, value):
    proto = hand_made.convolutional()
    convolution = next(node for node in proto.graph.node if node.op_type == "Conv")
    kept = [each for each in convolution.attribute if each.name != name]
    del convolution.attribute[:]
    convolution.attribute.extend([*kept, helper.make_attribute(name, value)])
    assert f"{name} of Conv in the model must be from 1 to 16,777,216, not " in refusal(proto)


@pytest.mark.parametrize("bits", [0, -3, float("inf"), float("nan"), 1e9, 2.5, 33])
def test_a_quantiser_without_bits_has_no_score(bits):
    proto = hand_made.dense(weight_bits=bits)
    assert (
        f"must have a whole number of bits from 1 to 32, not {float(bits)}: its cost would be "
        in (refusal(proto))
    )


def test_as_many_outputs_as_there_is_memory_for():
    proto = hand_made.dense()
    proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 200_000_000
    assert refusal(proto) == (
        "the model must tell at most 4,096 classes apart, not 200,000,000: export it again"
    )


@pytest.mark.parametrize("operator", ["ConstantOfShape", "Range", "Expand", "Tile", "Add"])
def test_constants_that_grow_while_they_are_worked_out(operator):
    net = hand_made.Network()
    inputs: Any = {
        "ConstantOfShape": {"shape": [2**20, 2**20]},
        "Range": {"start": 0, "limit": 2**40, "delta": 1},
        "Expand": {"shape": [2**13, 2**30]},
        "Tile": {"repeats": [2**13, 2**30]},
        "Add": {},
    }[operator]
    names = [net.constant(name, value, np.int64) for name, value in inputs.items()]
    if operator in ("Expand", "Tile", "Add"):
        names.insert(0, net.constant("ones", np.ones((2**14, 1))))
    if operator == "Add":
        names.append(net.constant("row", np.ones((1, 2**14))))
    large = net.add(operator, *names, output="large")
    total = net.add("ReduceMax", large, output="total", keepdims=0)
    pooled = net.add("ReduceMean", net.input, output="p", axes=[1], keepdims=0)
    logits = net.add("MatMul", pooled, net.constant("fc", np.ones((1024, 24))), output="l")
    proto = net.finish(net.add("Add", logits, total, output="y"))
    model = onnx_file.from_proto(proto)
    with pytest.raises(BoltmodError, match=r"at most|must fit into memory|which fails"):
        count(model)


def test_descriptions_nested_deep_and_names_that_a_terminal_obeys():
    proto = hand_made.dense()
    helper.set_model_props(proto, {"boltmod.classes": "[" * 100_000})
    assert "must be a JSON list of names" in refusal(proto)
    names = [f"\x1b[3{n % 8}m{n}" for n in range(24)]
    helper.set_model_props(proto, {"boltmod.classes": json.dumps(names)})
    assert onnx_file.from_proto(proto).classes[0] == "\\x1b[30m0"


def test_whose_a_network_is(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(hand_made.dense().SerializeToString())
    assert is_own(path_of("boltnet"))
    assert not is_own(path)
    for name in ("recipe.toml", "environment.json"):
        (tmp_path / name).write_text("")
    assert is_own(path)


def test_the_command_counts_a_strangers_network_as_it_does_ones_own(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(hand_made.dense().SerializeToString())
    printed = CliRunner().invoke(app, ["cost", str(path), "--json"])
    assert json.loads(printed.stdout) == json.loads(json.dumps(count(path).as_dict()))


def test_a_network_that_takes_too_much_is_one_line(tmp_path):
    net = hand_made.Network()
    wide = net.add(
        "Conv", net.input, net.constant("w", np.ones((1, 2, 1))), output="c",
        pads=[2**28, 2**28],
    )  # fmt: skip
    path = tmp_path / "net.onnx"
    pooled = net.add("GlobalMaxPool", wide, output="p")
    flat = net.add("Flatten", pooled, output="f")
    logits = net.add("MatMul", flat, net.constant("fc", np.ones((1, 24))), output="y")
    path.write_bytes(net.finish(logits).SerializeToString())
    for command in (["cost", str(path)], ["evaluate", str(path)]):
        ended = CliRunner().invoke(app, command)
        assert isinstance(ended.exception, BoltmodError), ended.output
        assert "\n" not in str(ended.exception)
