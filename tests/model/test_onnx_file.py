import pickle

import numpy as np
import onnx
import pytest

import hand_made_networks as hand_made
from boltmod.errors import ModelFormatError
from boltmod.model import metadata, onnx_file
from boltmod.model.metadata import InputScaling, Metadata
from boltmod.modulation import CLASSES


def save(tmp_path, proto):
    path = tmp_path / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def refusal(path):
    with pytest.raises(ModelFormatError) as error:
        onnx_file.load(path)
    return str(error.value).replace(str(path), "FILE")


def test_a_model_without_description_is_taken_for_one_of_radioml(tmp_path):
    model = onnx_file.load(save(tmp_path, hand_made.dense()))
    assert model.classes == CLASSES
    assert model.metadata.input_scaling == InputScaling.UNIT_STD
    assert (model.name, model.input_name, model.output_name) == ("net", "frames", "logits")


def test_the_description_is_read(tmp_path):
    proto = hand_made.dense(np.ones((24, 2048)))
    told = Metadata(tuple("abcdefghijklmnopqrstuvwx"), InputScaling.NONE, {"seed": "1"})
    proto = metadata.write(proto, told)
    assert onnx_file.load(save(tmp_path, proto)).metadata == told


@pytest.mark.parametrize("domain", ["", "onnx.brevitas", "finn.custom_op.general"])
def test_quantisers_of_older_exports_come_home(domain):
    model = onnx_file.from_proto(hand_made.dense(domain=domain, opset=9))
    homes = {n.domain for n in model.proto.graph.node if n.op_type == "Quant"}
    assert homes == {"qonnx.custom_op.general"}
    versions = {o.domain: o.version for o in model.proto.opset_import}
    assert versions["qonnx.custom_op.general"] == 1


def test_loading_leaves_the_given_network_alone():
    proto = hand_made.dense(domain="", opset=9)
    before = proto.SerializeToString()
    onnx_file.from_proto(proto)
    assert proto.SerializeToString() == before


def test_a_missing_file(tmp_path):
    assert refusal(tmp_path / "no.onnx") == (
        "FILE must be a readable file, which it is not (No such file or directory): check the name "
        "(networks that come with boltmod: bacalhaunet_v1, boltnet, boltnet60, field, "
        "imperial_ipc1)"
    )


@pytest.mark.parametrize(
    "content", [b"\x89HDF\r\n\x1a\n" + bytes(100), pickle.dumps({"weights": [1, 2]}), b"hello\n"]
)
def test_what_is_not_onnx(tmp_path, content):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    assert refusal(path).startswith("FILE must be an ONNX file, and ")


def test_an_empty_file(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"")
    assert refusal(path) == (
        "FILE must be an ONNX file, and holds no network: "
        "give the .onnx file of a network exported with batch 1"
    )


def test_a_truncated_file(tmp_path):
    content = hand_made.dense().SerializeToString()
    path = tmp_path / "net.onnx"
    for kept in np.linspace(1, len(content) - 1, 50).astype(int):
        path.write_bytes(content[:kept])
        assert refusal(path).startswith("FILE must be ")


@pytest.mark.parametrize(
    ("frame", "told"), [((1, 2048), "(1, 1, 2048)"), ((2, 4), "(1, 2, 4)"), ((2,), "(1, 2)")]
)
def test_another_input_shape(tmp_path, frame, told):
    net = hand_made.Network()
    proto = net.finish(net.add("Identity", net.input, output="y"), frame=frame)
    assert refusal(save(tmp_path, proto)) == (
        "FILE must take frames of shape (batch, 2, length), such as (1, 2, 1024), "
        f"not {told}: export it with such an input"
    )


def test_another_output_shape(tmp_path):
    proto = hand_made.dense()
    proto.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 7
    assert refusal(save(tmp_path, proto)) == (
        "FILE must have one output of shape (batch, classes), not (1, 24, 7): "
        "export the network without what follows its logits"
    )


def test_a_name_too_many(tmp_path):
    proto = hand_made.dense()
    proto = metadata.write(proto, Metadata(("A", "B")))
    assert refusal(save(tmp_path, proto)) == (
        "FILE must have one class name an output, not 2 names for 24 outputs: export it again"
    )


def test_weights_in_another_file_are_not_fetched(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(24 * 2048 * 4))
    proto = hand_made.dense()
    tensor = next(t for t in proto.graph.initializer if t.name == "fc.weight")
    onnx.external_data_helper.set_external_data(tensor, "../secret")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    (tmp_path / "deep").mkdir()
    assert refusal(save(tmp_path / "deep", proto)) == (
        "FILE must hold its own weights, not name another file for 'fc.weight': "
        "save it with onnx.save(model, path, save_as_external_data=False)"
    )


def test_constants_in_another_file_are_not_fetched_either(tmp_path):
    tensor = onnx.numpy_helper.from_array(np.zeros(2048, np.float32), "table")
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    proto = hand_made.dense()
    proto.graph.node.add(op_type="Constant", output=["c"]).attribute.add(
        name="value", type=onnx.AttributeProto.TENSOR
    ).t.CopyFrom(tensor)
    assert refusal(save(tmp_path, proto)) == (
        "FILE must hold its own weights, not name another file for 'table': "
        "save it with onnx.save(model, path, save_as_external_data=False)"
    )
