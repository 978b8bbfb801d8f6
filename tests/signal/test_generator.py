from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from boltmod.data.twin import labels_at, n_frames, twin_cells
from boltmod.errors import ConfigError, ShapeError
from boltmod.modulation import N_CLASSES
from boltmod.signal.generator import generate

N = 300
CLASS_IDS = torch.arange(N) * 7 % N_CLASSES
SNR_LABELS = (torch.arange(N) % 26) * 2 - 20


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    return generate(CLASS_IDS, SNR_LABELS, 11)


def test_frames_are_finite_planes_of_float32(frames: torch.Tensor) -> None:
    assert frames.shape == (N, 2, 1024)
    assert frames.dtype == torch.float32
    assert torch.isfinite(frames).all()


@settings(max_examples=15, deadline=None)
@given(start=st.integers(0, N - 1), size=st.integers(1, N))
def test_frames_do_not_depend_on_the_batch(frames: torch.Tensor, start: int, size: int) -> None:
    part = slice(start, start + size)
    again = generate(CLASS_IDS[part], SNR_LABELS[part], 11, first_frame=start)
    assert torch.equal(again, frames[part])


@pytest.mark.parametrize("other", [0, 17, 21, 22])
def test_frames_do_not_depend_on_what_they_are_made_with(other: int, frames: torch.Tensor) -> None:
    even = torch.arange(N) % 2 == 0
    mixed = generate(torch.where(even, CLASS_IDS, other), torch.where(even, SNR_LABELS, 30), 11)
    assert torch.equal(mixed[even], frames[even])


def test_frames_do_not_depend_on_the_number_of_threads(frames: torch.Tensor) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if before > 1 else 2)
        assert torch.equal(generate(CLASS_IDS, SNR_LABELS, 11), frames)
    finally:
        torch.set_num_threads(before)


def test_frames_leave_the_global_random_state_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    generate(CLASS_IDS[:3], SNR_LABELS[:3], 1)
    assert torch.equal(torch.rand(3), expected)


def test_another_seed_or_place_makes_other_frames(frames: torch.Tensor) -> None:
    assert not torch.isclose(generate(CLASS_IDS, SNR_LABELS, 12), frames).all((1, 2)).any()
    shifted = generate(CLASS_IDS, SNR_LABELS, 11, first_frame=64)
    assert not torch.isclose(shifted, frames).all((1, 2)).any()


def test_snr_labels_off_the_grid_are_taken() -> None:
    ids = torch.tensor([4, 4])
    between = generate(ids, torch.tensor([1.5, -33.25]), 0)
    assert torch.isfinite(between).all()


@pytest.mark.parametrize(
    ("class_ids", "snr_labels", "seed", "first", "error", "message"),
    [
        (
            torch.tensor([32]),
            torch.tensor([0]),
            0,
            0,
            ConfigError,
            "class_ids must be 0 to 31, not 32; see boltmod.modulation.FIELD_CLASSES",
        ),
        (
            torch.tensor([0.0]),
            torch.tensor([0]),
            0,
            0,
            ConfigError,
            "class_ids must be integers, not torch.float32; convert them to int64",
        ),
        (
            torch.tensor([0]),
            torch.tensor([float("nan")]),
            0,
            0,
            ConfigError,
            "snr_labels must be finite, not nan; the data set's are -20 to 30",
        ),
        (
            torch.tensor([0, 1]),
            torch.tensor([0]),
            0,
            0,
            ShapeError,
            "class_ids and snr_labels must be vectors of one length, not of shapes (2,) and "
            "(1,); give one of each a frame",
        ),
        (
            torch.tensor([0]),
            torch.tensor([0]),
            -1,
            0,
            ConfigError,
            "seed must be 0 to 2^63 - 1, not -1; take another",
        ),
        (
            torch.tensor([0]),
            torch.tensor([0]),
            0,
            -5,
            ConfigError,
            "first_frame must be 0 or more, not -5; frames count from 0",
        ),
    ],
)
def test_bad_input_is_one_line(
    class_ids: torch.Tensor,
    snr_labels: torch.Tensor,
    seed: int,
    first: int,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        generate(class_ids, snr_labels, seed, first_frame=first)


def test_a_file_is_class_major_then_snr() -> None:
    ids, snr = labels_at(0, n_frames(2), 2)
    assert ids[: 26 * 2].unique().tolist() == [0]
    assert snr[:6].tolist() == [-20, -20, -18, -18, -16, -16]
    assert (ids[-1].item(), snr[-1].item()) == (23, 30)


def test_any_part_of_a_file_is_the_same() -> None:
    whole = list(twin_cells(2, 3, batch=1248))
    frames = torch.cat([b[0] for b in whole])
    assert len(frames) == n_frames(2)
    part, ids, snr = next(twin_cells(2, 3, first=500, stop=600))
    assert torch.equal(part, frames[500:600])
    assert torch.equal(ids, torch.cat([b[1] for b in whole])[500:600])
    assert torch.equal(snr, torch.cat([b[2] for b in whole])[500:600])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"frames_per_cell": 0},
            "frames_per_cell must be 1 or more, not 0; give a positive count",
        ),
        (
            {"frames_per_cell": 1, "stop": 700},
            "first and stop must be 0 <= first <= stop <= 624, not 0 and 700; positions count "
            "the frames of the whole file",
        ),
    ],
)
def test_a_part_outside_the_file_is_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        next(twin_cells(seed=0, **arguments))
