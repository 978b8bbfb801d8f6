"""What makes an accuracy doubtful is said beside it."""

import numpy as np
import pytest

from boltmod.evaluation.doubts import Doubts
from boltmod.evaluation.metrics import Evaluation

N = 24


def evaluation(order, n_frames=30, share=0.9):
    counts = np.zeros((1, N, N), np.int64)
    for label in range(N):
        counts[0, label, order[label]] += round(n_frames * share)
        counts[0, label, (order[label] + 1) % N] += n_frames - round(n_frames * share)
    return Evaluation(counts, (20,), "m", "d")


def said(planes, result, **options):
    doubts = Doubts(options.get("scaling", "unit_std"), options.get("is_scaled", False))
    none = np.zeros(len(planes), np.int64)
    for _ in doubts.watched(iter([(planes, none, none)])):
        pass
    return list(doubts.sentences(result))


@pytest.fixture
def planes():
    return np.random.default_rng(1).standard_normal((20, 2, 64)).astype(np.float32) * 0.7


def test_nothing_is_said_of_frames_as_they_should_be(planes):
    assert said(planes, evaluation(np.arange(N))) == []


def test_frames_a_hundredth_as_large(planes):
    (sentence,) = said(planes / 100, evaluation(np.arange(N)))
    assert sentence.startswith("the frames have a mean power of ")
    assert "multiply them by 1" in sentence
    assert said(planes / 100, evaluation(np.arange(N)), is_scaled=True) == []
    assert said(planes / 100, evaluation(np.arange(N)), scaling="none") == []


def test_zeros(planes):
    planes[:5] = 0
    (sentence,) = said(planes, evaluation(np.arange(N)))
    assert sentence == ("5 of 20 frames are nothing but zeros: no network can tell their class")


def test_labels_in_another_order(planes):
    (sentence,) = said(planes, evaluation(np.roll(np.arange(N), 5)))
    assert sentence == (
        "the labels may be in another order: from +10 dB up 0% are right, and 90% would be if OOK "
        "were AM-DSB-WC and so on; check the file with `boltmod data check`"
    )


def test_few_frames_and_bad_networks_are_no_other_order(planes):
    rng = np.random.default_rng(2)
    guesses = np.zeros((1, N, N), np.int64)
    np.add.at(guesses[0], (np.repeat(np.arange(N), 40), rng.integers(0, N, 40 * N)), 1)
    assert said(planes, Evaluation(guesses, (20,), "m", "d")) == []
    assert said(planes, evaluation(np.roll(np.arange(N), 5), n_frames=4)) == []
    same = np.zeros((1, N, N), np.int64)
    same[0, :, 3] = 50
    assert said(planes, Evaluation(same, (20,), "m", "d")) == []
