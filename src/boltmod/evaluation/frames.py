"""The frames that a model is asked about: of a file's split, or of the twin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boltmod.data.choice import first_of_each_cell
from boltmod.data.class_order import is_misleading
from boltmod.data.loader import ordered_batches
from boltmod.data.provenance import plain, title
from boltmod.data.radioml import RadioMLFile
from boltmod.data.split import official_split
from boltmod.data.threads import one_thread
from boltmod.errors import DataFormatError, ShapeError
from boltmod.evaluation.metrics import Batch
from boltmod.modulation import CLASSES, FIELD_CLASSES, N_CLASSES, SNR_LABELS
from boltmod.runtime.frames import as_planes
from boltmod.signal.profile import PROFILES, TWIN, Profile

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
        classes: What the class labels number, if not RadioML's classes.
    """

    batches: Iterator[Batch]
    n_frames: int
    words: str
    profile: str = ""
    classes: tuple[str, ...] = ()


Arrays = tuple[ArrayLike, ArrayLike] | tuple[ArrayLike, ArrayLike, ArrayLike]
"""Frames, their classes (names or numbers) and perhaps their SNR labels in dB."""


@dataclass(frozen=True)
class Choice:
    """Which frames of a file or a profile.

    Args:
        split: Of a file: which part of the challenge's split.
        frames_per_cell: Frames of each (class, SNR) pair; of a profile 16, of a file all, if None.
        seed: Of a profile; one that no data set is made with if None.
        minimum_snr: Of a profile: the lowest SNR label, in dB.
    """

    split: SplitName = "test"
    frames_per_cell: int | None = None
    seed: int | None = None
    minimum_snr: int = SNR_LABELS[0]


def open_frames(
    data: Path | str, choice: Choice, *, unknown: bool = False
) -> AbstractContextManager[Frames]:
    """Open the chosen frames of a file in RadioML's layout, or of a profile by its name.

    Args:
        data: The file, or `twin`, `textbook` or `field`.
        choice: Which of its frames.
        unknown: Whether the others of `FIELD_CLASSES` follow the 24 classes, of a profile.

    Raises:
        DataFormatError: The file is not in RadioML's layout.
    """
    profile = PROFILES.get(str(data))
    if profile is None:
        return file_frames(Path(data), choice.split, choice.frames_per_cell)
    seed = EVALUATION_SEED if choice.seed is None else choice.seed
    frames = twin_frames(choice.frames_per_cell or 16, seed, profile, unknown=unknown)
    if choice.minimum_snr > SNR_LABELS[0]:
        frames = from_snr(frames, choice.minimum_snr)
    return nullcontext(frames)


def array_frames(arrays: Arrays, names: tuple[str, ...]) -> Frames:
    """Frames that lie in memory.

    Args:
        arrays: Frames, their classes, and their SNR labels in dB (0 if left out).
        names: The classes of the model that is asked. Numbers are in their order, but in that of
            `CLASSES` where these are RadioML's.

    Raises:
        ShapeError: There are not as many labels as frames.
        DataFormatError: A label is none of the classes.
    """
    is_known = is_misleading(names) or set(names) in (set(CLASSES), set(FIELD_CLASSES))
    classes = FIELD_CLASSES[: len(names)] if is_known else names
    iq_planes = as_planes(arrays[0])
    n_frames = len(iq_planes)
    class_ids = class_numbers(arrays[1], classes)
    snr_labels = np.asarray(arrays[2] if len(arrays) > 2 else np.zeros(n_frames), np.int64)
    if not class_ids.shape == snr_labels.shape == (n_frames,):
        raise ShapeError(
            f"classes and SNR labels must be ({n_frames},), one a frame, not {class_ids.shape} "
            f"and {snr_labels.shape}: give as many labels as frames"
        )
    batches = (
        (iq_planes[start:stop], class_ids[start:stop], snr_labels[start:stop])
        for start in range(0, n_frames, BATCH_SIZE)
        for stop in [start + BATCH_SIZE]
    )
    return Frames(batches, n_frames, "arrays", classes=() if is_known else names)


def class_numbers(labels: ArrayLike, classes: tuple[str, ...]) -> NDArray[np.int64]:
    """Return labels, names or numbers, as numbers.

    Raises:
        DataFormatError: One is none of the classes.
    """
    given = np.asarray(labels)
    number_of = {name: number for number, name in enumerate(classes)}
    if given.dtype.kind not in "US":
        number_of = {number: number for number in range(len(classes))}  # type: ignore[misc]
    try:
        return np.array([number_of[each] for each in given.ravel().tolist()], np.int64).reshape(
            given.shape
        )
    except (KeyError, TypeError) as error:
        raise DataFormatError(
            f"classes must be {', '.join(classes)}, or numbers from 0 to {len(classes) - 1}, "
            f"not {error.args[0]!r}: name the model's classes"
        ) from None


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
        unknown: Whether the others of `FIELD_CLASSES` follow the 24 classes.
    """
    n_classes = len(FIELD_CLASSES) if unknown else N_CLASSES
    n_frames = n_classes * len(SNR_LABELS) * frames_per_cell
    known = f"{profile.title}{' and what is beside the 24' if unknown else ''}"
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
