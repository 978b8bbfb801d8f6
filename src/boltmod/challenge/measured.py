"""A submission's accuracy, by its model and by its checkpoint, on the frames prescribed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from boltmod.data.check import deviations
from boltmod.data.provenance import plain
from boltmod.data.radioml import RadioMLFile
from boltmod.data.split import official_split
from boltmod.data.statistics import gather
from boltmod.modulation import FRAMES_PER_CELL, N_CLASSES, SNR_LABELS
from boltmod.runtime.session import Classifier

TEST_SHA256 = "874296601fa7d746fa485104fd5d9efe43c16fa67c6a675b3a78f5bf2e65dc1f"
"""Of the test split's indices, int64 little-endian, in the order of the challenge's own loop."""

TRAIN_SHA256 = "62f205627cb26a9739bfa0ff006c92139650a6cf83457792839dd922da0981cb"
"""The same of the training split."""

N_FRAMES = N_CLASSES * len(SNR_LABELS) * FRAMES_PER_CELL
REAL_DEVIATION = 0.05
"""How far the test split's statistics may be from those of the whole real data set."""

_BATCH = 512


@dataclass(frozen=True)
class Measured:
    """What came of classifying a file's test split.

    Args:
        data: The file, in words.
        n_frames: Frames classified.
        model_accuracy: Share the exported model got right.
        checkpoint_accuracy: Share the checkpoint's network got right; None without one.
        is_full_size: Whether the file has as many frames as RadioML 2018.01A.
        split_problem: What is wrong with the split; None if its hashes are the prescribed ones.
        is_real: Whether the frames are RadioML 2018.01A's, as far as statistics tell.
    """

    data: str
    n_frames: int
    model_accuracy: float
    checkpoint_accuracy: float | None
    is_full_size: bool
    split_problem: str | None
    is_real: bool


def measure(
    path: Path,
    classifier: Classifier,
    network: nn.Module | None,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Classify the official test split of a file.

    Args:
        path: A file in RadioML's layout.
        classifier: The exported model.
        network: The network with the checkpoint's weights, if it could be built.
        progress: Called with (frames done, frames to do).
    """
    right = np.zeros(2, np.int64)
    with RadioMLFile(path) as file:
        file.must_be_radioml()
        parts = official_split(file.class_ids, file.snr_labels)
        problem = _split_problem(len(file), parts.test, parts.train)
        wanted = np.sort(parts.test)
        for start in range(0, len(wanted), _BATCH):
            indices = wanted[start : start + _BATCH]
            planes = np.ascontiguousarray(file.read(indices), np.float32)
            labels = file.class_ids[indices]
            right[0] += np.count_nonzero(
                classifier.logits(planes, scale=False).argmax(axis=1) == labels
            )
            if network is not None:
                right[1] += np.count_nonzero(_classes(network, planes) == labels)
            if progress is not None:
                progress(start + len(indices), len(wanted))
        is_real = _is_real(file, wanted)
    shares = right / len(wanted)
    return Measured(
        data=f"{path.name}, official test split",
        n_frames=len(wanted),
        model_accuracy=float(shares[0]),
        checkpoint_accuracy=None if network is None else float(shares[1]),
        is_full_size=len(parts.test) + len(parts.train) == N_FRAMES,
        split_problem=problem,
        is_real=is_real,
    )


@torch.no_grad()
def _classes(network: nn.Module, planes: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.asarray(network(torch.from_numpy(planes)).argmax(dim=1).numpy(), np.int64)


def _split_problem(n_frames: int, test: NDArray[np.int64], train: NDArray[np.int64]) -> str | None:
    if n_frames != N_FRAMES:
        return f"the file has {n_frames:,} frames, not the {N_FRAMES:,} that the split is made of"
    for name, indices, prescribed in (("test", test, TEST_SHA256), ("train", train, TRAIN_SHA256)):
        digest = hashlib.sha256(indices.astype("<i8").tobytes()).hexdigest()
        if digest != prescribed:
            return f"the {name} indices have SHA-256 {digest[:16]}…, not {prescribed[:16]}…"
    return None


def _is_real(file: RadioMLFile, indices: NDArray[np.int64]) -> bool:
    if "boltmod_version" in plain(file.attributes):
        return False
    batches = (
        (
            np.moveaxis(file.read(indices[start : start + _BATCH]), 1, 2),
            file.class_ids[indices[start : start + _BATCH]],
            file.snr_labels[indices[start : start + _BATCH]],
        )
        for start in range(0, len(indices), _BATCH)
    )
    differences = deviations(gather(batches))
    return bool(differences) and max(map(abs, differences.values())) <= REAL_DEVIATION
