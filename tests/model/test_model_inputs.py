"""Models as other people export them: weights in a file beside them, frames in another layout."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import hand_made_networks as hand_made
from boltmod.errors import ModelFormatError
from boltmod.evaluation.metrics import Evaluation
from boltmod.model.onnx_file import from_proto, load
from boltmod.runtime.session import Classifier

FRAMES = np.random.default_rng(0).standard_normal((5, 2, 1024)).astype(np.float32)


def saved_apart(folder, name="net.onnx.data"):
    """As torch.onnx.export writes a network: its weights in a second file."""
    proto = hand_made.dense()
    onnx.save(
        proto, folder / "net.onnx", save_as_external_data=True, location=name, size_threshold=0
    )
    return folder / "net.onnx"


def test_weights_beside_the_model_are_read(tmp_path):
    path = saved_apart(tmp_path)
    assert (tmp_path / "net.onnx.data").stat().st_size > 100_000
    expected = Classifier(from_proto(hand_made.dense()), 1).probabilities(FRAMES)
    np.testing.assert_array_equal(Classifier(path, 1).probabilities(FRAMES), expected)


def test_weights_that_are_not_as_the_model_says(tmp_path):
    path = saved_apart(tmp_path)
    data = tmp_path / "net.onnx.data"
    content = data.read_bytes()
    data.write_bytes(content[:-1])
    with pytest.raises(ModelFormatError) as error:
        load(path)
    assert str(error.value) == (
        f"{data} must hold the weights that net.onnx says, and does not: fetch both again"
    )
    data.unlink()
    with pytest.raises(ModelFormatError) as error:
        load(path)
    assert str(error.value) == (
        f"{data} must lie beside net.onnx, whose weights it holds, and does not: fetch both"
    )
    (tmp_path / "elsewhere").write_bytes(content)
    data.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelFormatError, match="must lie beside"):
        load(path)


def in_layout(shape):
    """The dense network behind an input of another shape."""
    proto = hand_made.dense()
    (value,) = [each for each in proto.graph.input if each.name == "frames"]
    batch = value.type.tensor_type.shape.dim[0].dim_value or 1
    if len(shape) == 2:
        node = helper.make_node("Transpose", ["given"], ["frames"], perm=[0, 2, 1])
    else:
        proto.graph.initializer.append(numpy_helper.from_array(np.array([0, 2, 1024]), "planes"))
        node = helper.make_node("Reshape", ["given", "planes"], ["frames"])
    proto.graph.node.insert(0, node)
    place = list(proto.graph.input).index(value)
    del proto.graph.input[place]
    given = helper.make_tensor_value_info("given", onnx.TensorProto.FLOAT, [batch, *shape])
    proto.graph.input.insert(place, given)
    return proto


@pytest.mark.parametrize("shape", [(1024, 2), (1, 2, 1024)])
def test_other_layouts_of_a_frame_give_the_same(shape):
    model = from_proto(in_layout(shape))
    assert model.input_name == "given_planes"
    expected = Classifier(from_proto(hand_made.dense()), 1).probabilities(FRAMES)
    answers = Classifier(model, 1, "onnxruntime").probabilities(FRAMES)
    np.testing.assert_allclose(answers, expected, atol=1e-6)


def test_another_layout_than_these_is_refused():
    proto = in_layout((1024, 2))
    (value,) = [each for each in proto.graph.input if each.name == "given"]
    dims = value.type.tensor_type.shape.dim
    dims[1].dim_value, dims[2].dim_value = 512, 4
    del proto.graph.node[:2]
    with pytest.raises(ModelFormatError):
        from_proto(proto)


def test_counts_as_a_data_frame():
    pandas = pytest.importorskip("pandas")
    confusion = np.zeros((2, 3, 3), np.int64)
    confusion[0, 0] = (3, 1, 0)
    confusion[1, 2] = (0, 0, 5)
    frame = Evaluation(confusion, (0, 10), "m", "d", ("a", "b", "c")).to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["snr_label", "true_class", "predicted_class", "n_frames"]
    assert frame.n_frames.sum() == 9
    assert set(frame.true_class) == {"a", "c"}
    right = frame[frame.true_class == frame.predicted_class]
    assert dict(zip(right.snr_label, right.n_frames, strict=True)) == {0: 3, 10: 5}
