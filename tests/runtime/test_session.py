import subprocess
import sys

import numpy as np
import pytest

import hand_made_networks as hand_made
from boltmod.errors import ShapeError
from boltmod.model import onnx_file
from boltmod.modulation import CLASSES
from boltmod.runtime.session import Classifier


@pytest.fixture(scope="module")
def classifier():
    return Classifier(onnx_file.from_proto(hand_made.convolutional()), threads=2)


def test_rows_do_not_depend_on_their_neighbours(classifier):
    frames = np.random.default_rng(0).standard_normal((37, 2, 1024)).astype(np.float32)
    whole = classifier.logits(frames)
    assert whole.shape == (37, 24)
    assert whole.dtype == np.float32
    assert np.array_equal(classifier.logits(frames[20:21])[0], whole[20])
    one_thread = Classifier(classifier.model, threads=1)
    assert np.array_equal(one_thread.logits(frames), whole)


def test_probabilities_are_the_softmax(classifier):
    frames = np.random.default_rng(1).standard_normal((5, 2, 1024)).astype(np.float32)
    logits, shares = classifier.logits(frames), classifier.probabilities(frames)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(
        np.log(shares[:, 1:] / shares[:, :1]), logits[:, 1:] - logits[:, :1], atol=1e-4
    )


def test_no_frames_give_no_rows(classifier):
    assert classifier.logits(np.empty((0, 2, 1024), np.float32)).shape == (0, 24)


def test_a_path_will_do(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(hand_made.dense().SerializeToString())
    assert Classifier(path).classes == CLASSES


@pytest.mark.parametrize("shape", [(2, 1024), (3, 1024, 2), (3, 2, 1023)])
def test_wrong_shapes_are_refused(classifier, shape):
    with pytest.raises(ShapeError) as error:
        classifier.logits(np.zeros(shape, np.float32))
    assert str(error.value) == (
        f"iq_planes must have shape (n, 2, 1024), not {shape}: plane 0 is I, plane 1 is Q"
    )


def test_wrong_types_are_refused(classifier):
    with pytest.raises(ShapeError) as error:
        classifier.logits(np.zeros((1, 2, 1024)), scale=False)
    assert str(error.value) == (
        "iq_planes must be float32, not float64: convert with .astype(np.float32)"
    )


def test_running_and_costing_need_no_training_packages():
    code = (
        "import sys; import boltmod.runtime.session, boltmod.cost.inference_cost, boltmod.cli.app\n"
        "print(sorted({'torch', 'brevitas', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
