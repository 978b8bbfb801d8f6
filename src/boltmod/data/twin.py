"""The twin as a data set: generated frames in the order of a RadioML file."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from boltmod.errors import ConfigError
from boltmod.modulation import FIELD_CLASSES, N_CLASSES, SNR_LABELS
from boltmod.signal.generator import generate
from boltmod.signal.profile import TWIN, Profile


def n_frames(frames_per_cell: int, n_classes: int = N_CLASSES) -> int:
    """Frames in a data set of `frames_per_cell` frames of each (class, SNR) pair."""
    return n_classes * len(SNR_LABELS) * frames_per_cell


def labels_at(first: int, stop: int, frames_per_cell: int) -> tuple[Tensor, Tensor]:
    """Class ids and SNR labels of the file positions `first` … `stop − 1`, both int64.

    A RadioML file is class-major, then SNR −20 … 30, then the frames of that cell.
    """
    cell = torch.arange(first, stop) // frames_per_cell
    snr = torch.tensor(SNR_LABELS)[cell % len(SNR_LABELS)]
    return cell // len(SNR_LABELS), snr


def beginnings(frames: Tensor, length: int) -> Tensor:
    """The first samples of frames, of unit complex deviation as the frames are.

    Args:
        frames: I/Q planes (n, 2, 1024).
        length: Samples wanted.

    Returns:
        (n, 2, length).
    """
    if length == frames.shape[2]:
        return frames
    cut = frames[:, :, :length]
    deviation = cut.var(2, correction=0, keepdim=True).sum(1, keepdim=True).sqrt()
    return cut / deviation.clamp_min(1e-6)


def twin_cells(
    frames_per_cell: int,
    seed: int,
    *,
    profile: Profile = TWIN,
    unknown: bool = False,
    first: int = 0,
    stop: int | None = None,
    batch: int = 4096,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yields (iq_planes, class_ids, snr_labels) batches in file order.

    A frame's global index is its position in the file, so any part of a file is the same
    whichever process makes it and wherever the batches fall.

    Args:
        frames_per_cell: Frames of each (class, SNR) pair; the real data set has 4096.
        seed: The data set's seed.
        profile: What the classes look like.
        unknown: Whether the others of `FIELD_CLASSES` follow the 24 classes.
        first: Position of the first frame.
        stop: Position after the last frame; the whole file's end if None.
        batch: Frames at a time; a multiple of 64 is fastest.

    Raises:
        ConfigError: `frames_per_cell`, `first`, `stop` or `batch` is out of range.
    """
    if frames_per_cell < 1 or batch < 1:
        name, value = ("batch", batch) if batch < 1 else ("frames_per_cell", frames_per_cell)
        msg = f"{name} must be 1 or more, not {value}; give a positive count"
        raise ConfigError(msg)
    size = n_frames(frames_per_cell, len(FIELD_CLASSES) if unknown else N_CLASSES)
    end = size if stop is None else stop
    if not 0 <= first <= end <= size:
        msg = f"first and stop must be 0 <= first <= stop <= {size}, not {first} and {end}"
        raise ConfigError(f"{msg}; positions count the frames of the whole file")
    for start in range(first, end, batch):
        class_ids, snr_labels = labels_at(start, min(start + batch, end), frames_per_cell)
        frames = generate(class_ids, snr_labels, seed, first_frame=start, profile=profile)
        yield frames, class_ids, snr_labels
