"""The frames that a model is asked about: of a file's split, or of the twin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from boltmod.data.choice import first_of_each_cell
from boltmod.data.loader import ordered_batches
from boltmod.data.provenance import plain, title
from boltmod.data.radioml import RadioMLFile
from boltmod.data.split import official_split
from boltmod.data.threads import one_thread
from boltmod.evaluation.metrics import Batch
from boltmod.modulation import N_CLASSES, SNR_LABELS
from boltmod.signal.profile import TWIN, Profile

BATCH_SIZE = 512

EVALUATION_SEED = 56_000_000
"""Of the twin, where none is asked for: far from the seeds that data sets are made with."""

SplitName = Literal["test", "train", "all"]

_IN_WORDS = {
    "test": "official test split",
    "train": "official training split",
    "all": "all frames",
}


@dataclass(frozen=True)
class Frames:
    """Labelled frames in batches.

    Args:
        batches: I/Q planes (k, 2, 1024), class labels and SNR labels (k,).
        n_frames: Frames of all batches together.
        words: Which frames these are, as printed beside every accuracy.
        profile: Name and version of the profile they were drawn from; empty where nothing says.
    """

    batches: Iterator[Batch]
    n_frames: int
    words: str
    profile: str = ""


@contextmanager
def file_frames(
    path: Path, split: SplitName = "test", frames_per_cell: int | None = None
) -> Iterator[Frames]:
    """Frames of a file in RadioML's layout.

    Args:
        path: The file.
        split: Which part of the challenge's split.
        frames_per_cell: At most so many of each (class, SNR) pair; None is all.

    Raises:
        DataFormatError: The file is not in RadioML's layout.
    """
    with RadioMLFile(path) as file:
        parts = official_split(file.class_ids, file.snr_labels)
        indices = {"test": parts.test, "train": parts.train, "all": np.arange(len(file))}[split]
        words = f"{path.name}, {_IN_WORDS[split]}"
        if frames_per_cell is not None:
            indices = first_of_each_cell(file, indices, frames_per_cell)
            words += f", at most {_count(frames_per_cell)} a cell"
        # In file order: one pass over the disk instead of one seek a frame.
        batches = ordered_batches(file, np.sort(indices), BATCH_SIZE)
        made = plain(file.attributes)
        profile = title(made) if "boltmod_version" in made else ""
        yield Frames(batches, len(indices), words, profile)


def twin_frames(
    frames_per_cell: int,
    seed: int,
    profile: Profile = TWIN,
    *,
    unknown: bool = False,
) -> Frames:
    """Frames drawn from the generator, every class and SNR equally often.

    Args:
        frames_per_cell: Frames of each (class, SNR) pair.
        seed: The generator's.
        profile: The signal model.
        unknown: Whether what is none of the 24 classes follows as a 25th.
    """
    n_frames = (N_CLASSES + unknown) * len(SNR_LABELS) * frames_per_cell
    known = f"{profile.title}{' and unknown' if unknown else ''}"
    words = f"{known}, seed {seed}, {_count(frames_per_cell)} a cell"
    return Frames(_drawn(frames_per_cell, seed, profile, unknown), n_frames, words, profile.title)


def from_snr(frames: Frames, snr_label: int) -> Frames:
    """Those of the twin's frames that have an SNR label of `snr_label` dB or more."""
    n_left = sum(label >= snr_label for label in SNR_LABELS)

    def chosen() -> Iterator[Batch]:
        for iq_planes, class_ids, snr_labels in frames.batches:
            kept = snr_labels >= snr_label
            if kept.any():
                yield iq_planes[kept], class_ids[kept], snr_labels[kept]

    words = f"{frames.words}, from {snr_label:+d} dB up"
    n_frames = frames.n_frames * n_left // len(SNR_LABELS)
    return Frames(chosen(), n_frames, words, frames.profile)


def trained_on_another(trained_on: str, profile: str) -> str:
    """What to say where a model learned from another version of the profile that judges it.

    Args:
        trained_on: What the model says it learned from; empty where it does not.
        profile: Name and version of the profile that the frames are of.

    Returns:
        A sentence; empty where the versions agree, or where the model does not say.
    """
    name = profile.partition(" ")[0]
    found = re.search(rf"^profiles? (?:.* )?({name})(?: (\d+))?(?: and |$)", trained_on)
    if not name or found is None:
        return ""
    ours = f"{name} {found[2] or 1}"
    if ours == profile:
        return ""
    return f"the model was trained on {ours} and is asked about {profile}: its accuracy suffers"


def _drawn(frames_per_cell: int, seed: int, profile: Profile, unknown: bool) -> Iterator[Batch]:
    from boltmod.data.twin import twin_cells

    drawn = twin_cells(frames_per_cell, seed, profile=profile, unknown=unknown, batch=BATCH_SIZE)
    while True:
        with one_thread():
            batch = next(drawn, None)
        if batch is None:
            return
        iq_planes, class_ids, snr_labels = batch
        yield iq_planes.numpy(), class_ids.numpy(), snr_labels.numpy()


def _count(n_frames: int) -> str:
    return "1 frame" if n_frames == 1 else f"{n_frames} frames"
