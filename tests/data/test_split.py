import hashlib

import numpy as np
import numpy.typing as npt

from boltmod.data.radioml import grid_labels
from boltmod.data.split import official_split
from boltmod.modulation import FRAMES_PER_CELL


def digest(indices: npt.NDArray[np.int64]) -> str:
    return hashlib.sha256(indices.astype("<i8").tobytes()).hexdigest()


def test_the_full_size_split_is_the_challenge_s_own() -> None:
    split = official_split(*grid_labels(FRAMES_PER_CELL))
    assert digest(split.test) == "874296601fa7d746fa485104fd5d9efe43c16fa67c6a675b3a78f5bf2e65dc1f"
    assert digest(split.train) == "62f205627cb26a9739bfa0ff006c92139650a6cf83457792839dd922da0981cb"


def test_every_cell_gives_a_tenth_rounded_up() -> None:
    class_ids, snr_labels = grid_labels(11, (-20, 0, 30))
    split = official_split(class_ids, snr_labels)
    assert sorted([*split.train, *split.test]) == list(range(len(class_ids)))
    cells = class_ids[split.test] * 100 + snr_labels[split.test]
    assert np.unique(cells, return_counts=True)[1].tolist() == [2] * 72


def test_exact_tenths_are_not_rounded_up() -> None:
    for frames_per_cell in (10, 30, 70, 4090):
        split = official_split(np.zeros(frames_per_cell), np.zeros(frames_per_cell))
        assert len(split.test) * 10 == frames_per_cell


def test_cells_are_found_in_any_order_of_frames() -> None:
    class_ids, snr_labels = grid_labels(20, (0, 2))
    shuffled = np.random.default_rng(1).permutation(len(class_ids))
    split = official_split(class_ids[shuffled], snr_labels[shuffled])
    cells = class_ids[shuffled][split.test] * 100 + snr_labels[shuffled][split.test]
    assert np.unique(cells, return_counts=True)[1].tolist() == [2] * 48
