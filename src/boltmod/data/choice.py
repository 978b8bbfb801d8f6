"""Some frames of every wanted class and SNR: out of a file, or drawn from the generator."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from boltmod.data.loader import Batch, Indices, choose, ordered_batches
from boltmod.data.radioml import RadioMLFile
from boltmod.data.threads import one_thread
from boltmod.errors import ConfigError
from boltmod.modulation import CLASSES, SNR_LABELS
from boltmod.signal.profile import PROFILES, Profile

_BATCH_SIZE = 512


def chosen_batches(
    data: str,
    classes: Collection[str] | None,
    snr_labels: Collection[int] | None,
    frames_per_cell: int,
    seed: int,
) -> Iterator[Batch]:
    """The first frames of each wanted (class, SNR) pair, class-major, then SNR.

    Args:
        data: A file in RadioML's layout, or the name of a generator's profile.
        classes: Names of the classes; None is all.
        snr_labels: SNR labels in dB; None is all.
        frames_per_cell: Frames of each pair.
        seed: Of the generator; the frames are those of `boltmod data make` with the same profile,
            seed and number of frames a cell.

    Yields:
        I/Q planes (k, 2, 1024), class labels and SNR labels (k,).

    Raises:
        ConfigError: A class or an SNR is unknown, or the file has no such frames.
        DataFormatError: The file is not in RadioML's layout.
    """
    off_grid = sorted(set(snr_labels or ()) - set(SNR_LABELS))
    if off_grid:
        raise ConfigError(
            f"SNR labels must be {SNR_LABELS[0]} to {SNR_LABELS[-1]} in steps of 2 dB, "
            f"not {off_grid[0]}"
        )
    unknown = sorted(set(classes or ()) - set(CLASSES))
    if unknown:
        raise ConfigError(f"classes must be among {', '.join(CLASSES)}, not {', '.join(unknown)}")
    if data in PROFILES:
        cells = [
            (class_id * len(SNR_LABELS) + place) * frames_per_cell
            for class_id, name in enumerate(CLASSES)
            for place, snr_label in enumerate(SNR_LABELS)
            if name in (classes or CLASSES) and snr_label in (snr_labels or SNR_LABELS)
        ]
        return _drawn(PROFILES[data], cells, frames_per_cell, seed)
    return _of_file(Path(data), classes or CLASSES, snr_labels, frames_per_cell)


def first_of_each_cell(file: RadioMLFile, indices: Indices, frames_per_cell: int) -> Indices:
    """The first frames of each (class, SNR) pair.

    Args:
        file: The data set.
        indices: Where to choose from; "first" is in this order.
        frames_per_cell: At most so many of each pair.

    Returns:
        The chosen indices, class-major, then SNR.
    """
    grid = file.snr_grid
    cells = file.class_ids[indices] * len(grid) + np.searchsorted(grid, file.snr_labels[indices])
    order = np.argsort(cells, kind="stable")
    starts = np.flatnonzero(np.diff(cells[order], prepend=-1))
    place = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    return indices[order[place < frames_per_cell]]


def _of_file(
    path: Path,
    classes: Collection[str],
    snr_labels: Collection[int] | None,
    frames_per_cell: int,
) -> Iterator[Batch]:
    with RadioMLFile(path) as file:
        file.must_be_radioml()
        wanted = choose(file, classes=classes, snr_labels=snr_labels)
        yield from ordered_batches(
            file, first_of_each_cell(file, wanted, frames_per_cell), _BATCH_SIZE
        )


def _drawn(
    profile: Profile, cells: Collection[int], frames_per_cell: int, seed: int
) -> Iterator[Batch]:
    from boltmod.data.twin import twin_cells

    for first in cells:
        stop = first + frames_per_cell
        with one_thread():
            drawn = list(twin_cells(frames_per_cell, seed, profile=profile, first=first, stop=stop))
        for iq_planes, class_ids, snr_labels in drawn:
            yield iq_planes.numpy(), class_ids.numpy(), snr_labels.numpy()
