"""Frames in memory: any level, complex or in planes, and what is refused."""

import numpy as np
import pytest
import torch

import hand_made_networks as hand_made
from boltmod.errors import DataFormatError, ShapeError
from boltmod.evaluation.evaluate import evaluate
from boltmod.model import metadata, onnx_file
from boltmod.model.metadata import InputScaling, Metadata
from boltmod.modulation import CLASSES, N_CLASSES
from boltmod.runtime.session import Classifier
from boltmod.signal.generator import generate


@pytest.fixture(scope="module")
def classifier():
    return Classifier("field", threads=1)


@pytest.fixture(scope="module")
def frames():
    """One of each class, and complex."""
    class_ids = torch.arange(N_CLASSES)
    planes = generate(class_ids, torch.full((N_CLASSES,), 20), seed=4).numpy()
    return planes, planes[:, 0] + 1j * planes[:, 1]


@pytest.mark.parametrize("gain", [100.0, 0.01, 3e4])
def test_the_level_of_frames_does_not_matter(classifier, frames, gain):
    planes, _ = frames
    wanted = classifier.probabilities(planes)
    found = classifier.probabilities(planes * np.float32(gain))
    np.testing.assert_allclose(found, wanted, atol=0.02)
    assert (found.argmax(1) == wanted.argmax(1)).all()
    as_they_stand = classifier.probabilities(planes * np.float32(gain), scale=False)
    assert (as_they_stand.argmax(1) == wanted.argmax(1)).sum() < 20


def test_scaled_frames_stand_at_unit_deviation(classifier, frames):
    planes, _ = frames
    centred = planes.astype(np.float64) - planes.mean(axis=2, keepdims=True, dtype=np.float64)
    deviation = np.sqrt((centred**2).sum(axis=(1, 2)) / 1024)
    scaled = (planes / deviation[:, None, None]).astype(np.float32)
    wanted = classifier.logits(scaled, scale=False)
    assert np.array_equal(classifier.logits(planes), wanted)


def test_complex_frames_and_samples_are_planes(classifier, frames):
    planes, complex_frames = frames
    wanted = classifier.logits(planes)
    for given in (complex_frames, complex_frames.astype(np.complex64), planes.astype(np.float64)):
        assert np.array_equal(classifier.logits(given), wanted)
    samples = np.concatenate([complex_frames.ravel(), np.ones(700)])
    assert np.array_equal(classifier.logits(samples), wanted)
    assert np.array_equal(classifier.logits(torch.from_numpy(planes)), wanted)
    counts = np.round(planes[:2] * 500).astype(np.int16)
    assert (classifier.logits(counts).argmax(1) == wanted[:2].argmax(1)).all()


def test_frames_stay_as_they_were(classifier, frames):
    planes, _ = frames
    before = planes.copy()
    classifier.logits(planes)
    assert np.array_equal(planes, before)


def test_a_model_may_ask_for_the_level_that_frames_have(frames):
    told = metadata.write(hand_made.convolutional(), Metadata(CLASSES, InputScaling.NONE))
    classifier = Classifier(onnx_file.from_proto(told), threads=1)
    planes, _ = frames
    assert np.array_equal(classifier.logits(planes), classifier.logits(planes, scale=False))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            np.zeros(1023, np.complex64),
            "samples must be at least 1024, one frame, not 1023: give more",
        ),
        (
            np.zeros((3, 512), np.complex64),
            "complex frames must have shape (n, 1024), or (n,) for samples that follow each other, "
            "not (3, 512): cut or reshape them",
        ),
        (
            np.zeros(2048, np.float32),
            "iq_planes must have shape (n, 2, 1024), not (2048,): plane 0 is I, plane 1 is Q",
        ),
        (
            np.full((1, 2, 1024), "x"),
            "iq_planes must be numbers, not <U1: give float32 or complex64",
        ),
    ],
)
def test_wrong_frames_are_refused(classifier, given, message):
    with pytest.raises(ShapeError) as error:
        classifier.probabilities(given)
    assert str(error.value) == message


@pytest.mark.parametrize("scale", [True, False])
def test_what_is_no_number_is_refused(classifier, frames, scale):
    planes = frames[0].copy()
    planes[3, 1, 7] = np.nan
    with pytest.raises(DataFormatError) as error:
        classifier.logits(planes, scale=scale)
    assert str(error.value) == (
        "frames must hold finite samples, not nan in frame 3: leave that one out"
    )


def test_evaluation_of_arrays(classifier, frames):
    planes, complex_frames = frames
    right = (classifier.logits(planes).argmax(1) == np.arange(N_CLASSES)).mean()
    for given in (planes, complex_frames, complex_frames * 100):
        found = evaluate(classifier, (given, np.arange(N_CLASSES), np.full(N_CLASSES, 20)))
        assert found.accuracy == right
        assert found.by_snr == {20: right}
    named = evaluate("field", (complex_frames / 100, list(CLASSES)), threads=1)
    assert named.accuracy == right
    assert (named.model, named.data, named.n_frames) == ("field", "arrays", 24)
    wrong = evaluate(classifier, (planes * 100, list(CLASSES)), scale=False)
    assert wrong.accuracy < right


def test_evaluation_of_arrays_knows_a_models_own_classes():
    names = tuple("abcdefghijklmnopqrstuvwx")
    told = metadata.write(hand_made.convolutional(), Metadata(names))
    classifier = Classifier(onnx_file.from_proto(told), threads=1)
    frames = np.random.default_rng(2).standard_normal((5, 2, 1024))
    answers = classifier.logits(frames).argmax(1)
    assert evaluate(classifier, (frames, [names[i] for i in answers])).accuracy == 1
    assert evaluate(classifier, (frames, (answers + 1) % 24)).accuracy == 0


def test_labels_that_do_not_fit_are_refused(classifier, frames):
    planes, _ = frames
    with pytest.raises(DataFormatError, match=r"^classes must be OOK, .* not 'WFM': name the mod"):
        evaluate(classifier, (planes[:2], ["OOK", "WFM"]))
    with pytest.raises(DataFormatError, match=r"or numbers from 0 to 31, not 32: "):
        evaluate(classifier, (planes[:2], [3, 32]))
    with pytest.raises(ShapeError) as error:
        evaluate(classifier, (planes, [1, 2]))
    assert str(error.value) == (
        "classes and SNR labels must be (24,), one a frame, not (2,) and (24,): "
        "give as many labels as frames"
    )
