import json
from typing import Any

import numpy as np
import pytest

from boltmod.errors import DataFormatError, ShapeError
from boltmod.evaluation.metrics import Evaluation, evaluate

# One frame of class 0 at 0 dB answered rightly, three of class 1 at 10 dB, one of them as class 2.
TRUE = np.array([0, 1, 1, 1])
SNR = np.array([0, 10, 10, 10])
ANSWERS = np.array([0, 1, 2, 1])


def batches() -> list[Any]:
    iq_planes = np.zeros((4, 2, 1024), np.float32)
    iq_planes[:, 0, 0] = ANSWERS
    return [(iq_planes[i : i + 3], TRUE[i : i + 3], SNR[i : i + 3]) for i in (0, 3)]


def logits(iq_planes: np.ndarray) -> np.ndarray:
    """Says what the first sample tells it to say, with probability 0.9 or so."""
    return 5.32 * np.eye(24, dtype=np.float32)[iq_planes[:, 0, 0].astype(int)]


def test_answers_are_counted() -> None:
    steps: list[int] = []
    result = evaluate(
        logits, batches(), data="four frames", model="a parrot", progress=steps.append
    )
    assert steps == [3, 1]
    assert result.snr_labels == (0, 10)
    assert result.n_frames == 4
    assert result.accuracy == 0.75
    assert result.by_snr == {0: 1.0, 10: pytest.approx(2 / 3)}
    assert result.by_class == {"OOK": 1.0, "4ASK": pytest.approx(2 / 3)}
    assert result.by_class_from(10) == {"4ASK": pytest.approx(2 / 3)}
    assert result.accuracy_from(10) == pytest.approx(2 / 3)
    assert np.isnan(result.accuracy_from(12))
    assert result.confusion[1, 1, 2] == 1
    assert (result.data, result.model) == ("four frames", "a parrot")


def test_calibration_is_measured() -> None:
    result = evaluate(logits, batches(), data="four frames")
    assert result.calibration is not None
    confidence = float(np.exp(5.32) / (np.exp(5.32) + 23))
    assert sum(result.calibration.n_frames) == 4
    assert result.calibration.expected_error == pytest.approx(confidence - 0.75, abs=1e-6)


def test_an_evaluation_survives_json() -> None:
    result = evaluate(logits, batches(), data="four frames", model="a parrot")
    again = Evaluation.from_dict(json.loads(json.dumps(result.as_dict(), allow_nan=False)))
    np.testing.assert_array_equal(again.confusion, result.confusion)
    assert again.as_dict() == result.as_dict()


def test_no_frames() -> None:
    with pytest.raises(DataFormatError) as error:
        evaluate(logits, [], data="nothing")
    assert str(error.value) == (
        "an evaluation must have at least one frame, not 0; choose more data"
    )


def test_logits_of_another_shape() -> None:
    with pytest.raises(ShapeError) as error:
        evaluate(lambda iq: np.zeros((len(iq), 11)), batches(), data="four frames")
    assert str(error.value) == "logits must be (3, 24), not (3, 11); use a model of the 24 classes"


def test_a_document_that_is_no_evaluation() -> None:
    with pytest.raises(DataFormatError) as error:
        Evaluation.from_dict({"accuracy": 1.0})
    assert str(error.value) == (
        "an evaluation must hold model, data, classes, snr_labels and confusion: "
        "KeyError('snr_labels'); write it again with `boltmod evaluate --json`"
    )
    document = evaluate(logits, batches(), data="four frames").as_dict()
    with pytest.raises(DataFormatError) as error:
        Evaluation.from_dict({**document, "confusion": [[1]]})
    assert str(error.value) == (
        "confusion must be (2, 24, 24), not (1, 1); "
        "write the evaluation again with `boltmod evaluate --json`"
    )
