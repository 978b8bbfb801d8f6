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
from boltmod.data.class_order import columns, is_misleading
from boltmod.data.layout import RADIOML, Layout
from boltmod.data.loader import ordered_batches
from boltmod.data.provenance import plain, title
from boltmod.data.radioml import RadioMLFile
from boltmod.data.split import official_split
from boltmod.data.threads import one_thread
from boltmod.errors import ConfigError, DataFormatError, ShapeError
from boltmod.evaluation.metrics import Batch
from boltmod.model.onnx_file import assumed_classes
from boltmod.modulation import CLASSES, FIELD_CLASSES, FRAME_LENGTH, N_CLASSES, SNR_LABELS
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
        classes: What the class labels number.
    """

    batches: Iterator[Batch]
    n_frames: int
    words: str
    profile: str = ""
    classes: tuple[str, ...] = CLASSES


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


def counted_classes(names: tuple[str, ...]) -> tuple[str, ...]:
    """In which order a model's answers are counted: RadioML's, or its own if it knows others."""
    is_known = is_misleading(names) or set(names) in (set(CLASSES), set(FIELD_CLASSES))
    return FIELD_CLASSES[: len(names)] if is_known else names


def open_frames(
    data: Path | str, choice: Choice, *, unknown: bool = False, asked: Layout = RADIOML
) -> AbstractContextManager[Frames]:
    """Open the chosen frames of a file in RadioML's layout, or of a profile by its name.

    Args:
        data: The file, or `twin`, `textbook` or `field`.
        choice: Which of its frames.
        unknown: Whether the others of `FIELD_CLASSES` follow the 24 classes, of a profile.
        asked: The classes that are told apart, in the order they are counted in, and the samples
            of a frame that is looked at; frames of other classes are left out.

    Raises:
        DataFormatError: The file is not in RadioML's layout, has none of the classes or frames of
            another length.
    """
    profile = PROFILES.get(str(data))
    if profile is None:
        return file_frames(Path(data), choice.split, choice.frames_per_cell, asked)
    seed = EVALUATION_SEED if choice.seed is None else choice.seed
    frames = twin_frames(choice.frames_per_cell or 16, seed, profile, unknown=unknown, asked=asked)
    if choice.minimum_snr > SNR_LABELS[0]:
        frames = from_snr(frames, choice.minimum_snr)
    return nullcontext(frames)


def array_frames(
    arrays: Arrays, names: tuple[str, ...], frame_length: int = FRAME_LENGTH
) -> Frames:
    """Frames that lie in memory.

    Args:
        arrays: Frames, their classes, and their SNR labels in dB (0 if left out).
        names: The classes of the model that is asked. Numbers are in their order, but in that of
            `CLASSES` where these are RadioML's.
        frame_length: Complex samples of a frame.

    Raises:
        ShapeError: There are not as many labels as frames.
        DataFormatError: A label is none of the classes.
    """
    classes = counted_classes(names)
    iq_planes = as_planes(arrays[0], frame_length)
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
    return Frames(batches, n_frames, "arrays", classes=classes)


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
    path: Path,
    split: SplitName = "test",
    frames_per_cell: int | None = None,
    asked: Layout = RADIOML,
) -> Iterator[Frames]:
    """Frames of a file in RadioML's layout.

    Args:
        path: The file.
        split: Which part of the challenge's split.
        frames_per_cell: At most so many of each (class, SNR) pair; None is all.
        asked: As for `open_frames`. A network that does not say which classes it knows is taken to
            know the file's, if it has as many outputs.

    Raises:
        DataFormatError: The file is not in RadioML's layout, has none of the classes or frames of
            another length.
    """
    with RadioMLFile(path) as file:
        parts = official_split(file.class_ids, file.snr_labels)
        indices = {"test": parts.test, "train": parts.train, "all": np.arange(len(file))}[split]
        words = f"{path.name}, {_IN_WORDS[split]}"
        asked = _agreed(asked, file)
        numbers = file.layout.numbers_in(asked.classes)
        known = numbers[file.class_ids[indices]] >= 0
        if not known.all():
            indices = indices[known]
            words += f", the {int((numbers >= 0).sum())} classes that the model knows"
        if frames_per_cell is not None:
            indices = first_of_each_cell(file, indices, frames_per_cell)
            words += f", at most {_count(frames_per_cell)} a cell"
        # In file order: one pass over the disk instead of one seek a frame.
        batches = (
            (iq_planes, numbers[class_ids], snr_labels)
            for iq_planes, class_ids, snr_labels in ordered_batches(
                file, np.sort(indices), BATCH_SIZE
            )
        )
        made = plain(file.attributes)
        profile = title(made) if "boltmod_version" in made else ""
        yield Frames(batches, len(indices), words, profile, asked.classes)


def _agreed(asked: Layout, file: RadioMLFile) -> Layout:
    """What is asked of a file, its own classes where the model does not say any."""
    there = file.layout
    if asked.frame_length != there.frame_length:
        raise DataFormatError(
            f"frames of {file.path} must have {asked.frame_length} samples, as the model takes "
            f"them, not {there.frame_length}: convert the file with --frame-length, or train a "
            "model for it"
        )
    if asked.classes == assumed_classes(len(there.classes)):
        return there
    if there == RADIOML and set(asked.classes) - set(CLASSES):
        columns(asked.classes)
    if not set(asked.classes) & set(there.classes):
        raise DataFormatError(
            f"{file.path} must hold some of the model's classes, {', '.join(asked.classes[:3])} "
            f"..., not only {', '.join(there.classes[:3])} ...: give a file or a model of the same"
        )
    return asked


def twin_frames(
    frames_per_cell: int,
    seed: int,
    profile: Profile = TWIN,
    *,
    unknown: bool = False,
    asked: Layout = RADIOML,
) -> Frames:
    """Frames drawn from the generator, every class and SNR equally often.

    Args:
        frames_per_cell: Frames of each (class, SNR) pair.
        seed: The generator's.
        profile: The signal model.
        unknown: Whether the others of `FIELD_CLASSES` follow the 24 classes.
        asked: As for `open_frames`; frames are cut to what is looked at, and scaled again.

    Raises:
        DataFormatError: The profile has none of the classes.
        ConfigError: More samples are looked at than its frames have.
    """
    n_classes = len(FIELD_CLASSES) if unknown else N_CLASSES
    n_frames = n_classes * len(SNR_LABELS) * frames_per_cell
    known = f"{profile.title}{' and what is beside the 24' if unknown else ''}"
    words = f"{known}, seed {seed}, {_count(frames_per_cell)} a cell"
    batches = _drawn(frames_per_cell, seed, profile, unknown)
    if asked.classes in (CLASSES, FIELD_CLASSES) and asked.frame_length == FRAME_LENGTH:
        classes = FIELD_CLASSES[: max(n_classes, len(asked.classes))]
        return Frames(batches, n_frames, words, profile.title, classes)
    return _some(Frames(batches, n_frames, words, profile.title), asked)


def _some(frames: Frames, asked: Layout) -> Frames:
    """Frames of some of a profile's classes, or beginnings of them."""
    import torch

    from boltmod.data.twin import beginnings

    if set(asked.classes) - set(CLASSES):
        columns(asked.classes)
    if asked.frame_length > FRAME_LENGTH:
        raise ConfigError(
            f"frames of a profile must be up to {FRAME_LENGTH} samples long, not "
            f"{asked.frame_length}: give a file"
        )
    numbers = RADIOML.numbers_in(asked.classes)

    def chosen() -> Iterator[Batch]:
        for iq_planes, class_ids, snr_labels in frames.batches:
            here = numbers[class_ids] >= 0
            if here.any():
                cut = beginnings(torch.from_numpy(iq_planes[here]), asked.frame_length)
                yield cut.numpy(), numbers[class_ids[here]], snr_labels[here]

    head, _, rest = frames.words.partition(",")
    return Frames(
        chosen(),
        frames.n_frames // N_CLASSES * len(asked.classes),
        f"{head} of {asked.words},{rest}",
        frames.profile,
        asked.classes,
    )


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
    return Frames(chosen(), n_frames, words, frames.profile, frames.classes)


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
