"""Training frames of a RadioML file."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from boltmod.data.layout import Layout
from boltmod.data.loader import random_batches
from boltmod.data.radioml import RadioMLFile
from boltmod.data.section import DataSection
from boltmod.data.source.frames import Batch, Frames, Place, Sampling, whole_batches
from boltmod.data.split import official_split
from boltmod.errors import ConfigError


class FileSource:
    """Frames of the training part of a RadioML file's official split.

    Args:
        file: The open file.
        data: How many of its frames an epoch sees, and how many are set apart for validation.
        sampling: Order of the frames, how many at a time.

    Raises:
        ConfigError: The file has too few frames, other classes or frames of another length.
    """

    def __init__(self, file: RadioMLFile, data: DataSection, sampling: Sampling) -> None:
        self._numbers = _numbers(file, data.layout)
        split = official_split(file.class_ids, file.snr_labels)
        shuffled = np.random.default_rng(sampling.seed).permutation(
            split.train[self._numbers[file.class_ids[split.train]] >= 0]
        )
        self._file, self._sampling = file, sampling
        self._validation = np.sort(shuffled[: data.validation_frames])
        train = np.sort(shuffled[data.validation_frames :])
        self._train = train[file.snr_labels[train] >= sampling.minimum_snr]
        if len(self._train) < sampling.batch_size:
            raise ConfigError(
                f"{file.path}: {len(self._train)} training frames are left at SNR labels from "
                f"{sampling.minimum_snr} beside {data.validation_frames} for validation, fewer "
                f"than one batch of {sampling.batch_size}; lower batch_size or validation_frames"
            )
        wanted = data.frames_per_epoch or len(self._train)
        n_frames = int(data.scale * min(wanted, len(self._train)))
        self.frames_per_epoch = whole_batches(n_frames, sampling.batch_size)
        self.batch_size = sampling.batch_size

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield an epoch's steps from `first_step` on."""
        stream = random_batches(
            self._file,
            self._train,
            self.batch_size,
            self._sampling.seed,
            epoch,
            first_step=first_step,
            share=self._sampling.share,
        )
        steps = range(first_step, self.frames_per_epoch // self.batch_size)
        for step, (iq_planes, class_ids, _) in zip(steps, stream, strict=False):
            class_ids = self._numbers[class_ids]
            place = Place(epoch, step)
            yield Batch(torch.from_numpy(iq_planes), torch.from_numpy(class_ids), place)

    def validation(self) -> Frames:
        """Return the frames set apart from the training part."""
        return Frames(
            torch.from_numpy(self._file.read(self._validation)),
            torch.from_numpy(self._numbers[self._file.class_ids[self._validation]]),
            torch.from_numpy(self._file.snr_labels[self._validation]),
        )


def _numbers(file: RadioMLFile, wanted: Layout) -> NDArray[np.int64]:
    """Which number each of a file's classes has among those wanted, -1 where it is not wanted."""
    there = file.layout
    missing = sorted(set(wanted.classes) - set(there.classes))
    if missing:
        raise ConfigError(
            f"{file.path}: data.classes must be among {', '.join(there.classes)}, which the file "
            f"has, not {', '.join(missing[:3])}"
        )
    if wanted.frame_length != there.frame_length:
        raise ConfigError(
            f"{file.path}: data.frame_length must be {there.frame_length}, as long as the file's "
            f"frames are, not {wanted.frame_length}"
        )
    return there.numbers_in(wanted.classes)
