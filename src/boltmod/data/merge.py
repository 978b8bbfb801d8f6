"""Joining the parts that `make` wrote with `--shard` into the whole data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from boltmod.data.provenance import differences
from boltmod.data.radioml import Indices, RadioMLFile, grid_labels
from boltmod.data.radioml_writer import create_layout
from boltmod.errors import ConfigError, DataFormatError
from boltmod.files import replacing, reserve
from boltmod.modulation import N_CLASSES, SNR_LABELS

FRAMES_AT_ONCE = 8192


def merge(
    path: Path, shards: Sequence[Path], *, progress: Callable[[int, int], None] | None = None
) -> int:
    """Join all parts of a data set; the result is the file that one machine would have made.

    Args:
        path: Where the whole is to lie; it appears only when complete.
        shards: The parts, in any order.
        progress: Called with (frames done, frames in all).

    Returns:
        The number of frames.

    Raises:
        ConfigError: A part is missing, twice there, or of another data set; `path` exists.
        DataFormatError: A part is damaged.
    """
    if path.exists():
        raise ConfigError(f"{path} must not exist yet; choose another name, or remove it")
    with ExitStack() as stack:
        files = _in_order([stack.enter_context(RadioMLFile(shard)) for shard in shards])
        for each in files:
            each.must_be_radioml()
        attributes = {n: v for n, v in files[0].attributes.items() if n not in _PLACE}
        labels = _checked_labels(files)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            create_layout(temporary, *labels, attributes=attributes)
            reserve(temporary)
            _copy(temporary, files, progress)
    return len(labels[0])


_PLACE = ("shard", "n_shards")


def _in_order(files: list[RadioMLFile]) -> list[RadioMLFile]:
    for file in files:
        if "n_shards" not in file.attributes:
            raise ConfigError(
                f"{file.path} must be a part made with `boltmod data make --shard i/n`, "
                "and is a whole data set"
            )
        other = differences(_common(files[0]), _common(file))
        if other:
            raise ConfigError(
                f"{file.path} must be of the same data set as {files[0].path}, "
                f"and differs ({'; '.join(other)}); make it again with the same options"
            )
    n_shards = _number(files[0], "n_shards") if files else 0
    numbers = sorted(_number(file, "shard") for file in files)
    if numbers != list(range(1, n_shards + 1)):
        raise ConfigError(
            f"the parts must be 1 to {n_shards}, each once, not {', '.join(map(str, numbers))}; "
            "name every file that `boltmod data make --shard` wrote"
        )
    return sorted(files, key=lambda file: _number(file, "shard"))


def _number(file: RadioMLFile, name: str) -> int:
    """An attribute that must be a whole number."""
    value = np.asarray(file.attributes.get(name))
    if value.size != 1 or value.dtype.kind not in "iu" or not 1 <= value.item() < 2**31:
        raise DataFormatError(
            f"{name} of {file.path} must be a whole number of 1 or more, not "
            f"{str(file.attributes.get(name))[:40]!r}; make the part again"
        )
    return int(value.item())


def _checked_labels(files: list[RadioMLFile]) -> tuple[Indices, Indices]:
    """The labels of the whole, which those of the parts must be, each in its place."""
    frames_per_cell = _number(files[0], "frames_per_cell")
    snr_labels = np.asarray(files[0].attributes.get("snr_labels"))
    is_grid = snr_labels.ndim == 1 and snr_labels.size and np.isin(snr_labels, SNR_LABELS).all()
    if not is_grid or (np.diff(snr_labels) <= 0).any():
        raise DataFormatError(
            f"snr_labels of {files[0].path} must be SNR labels in rising order; make it again"
        )
    n_total = N_CLASSES * snr_labels.size * frames_per_cell
    for number, file in enumerate(files, 1):
        n_frames = n_total * number // len(files) - n_total * (number - 1) // len(files)
        if len(file) != n_frames:
            raise DataFormatError(
                f"{file.path} must hold the {n_frames:,} frames of part {number} of {len(files)}, "
                f"not {len(file):,}; make it again"
            )
    labels = grid_labels(frames_per_cell, tuple(snr_labels.tolist()))
    start = 0
    for file in files:
        place = slice(start, start + len(file))
        for name, whole, own in zip(
            ("classes", "SNR labels"), labels, (file.class_ids, file.snr_labels), strict=True
        ):
            if not np.array_equal(whole[place], own):
                bad = int(np.argmin(whole[place] == own))
                raise DataFormatError(
                    f"{name} of {file.path} must be those of its place in the data set, and "
                    f"are others from frame {bad} on; make it again"
                )
        start = place.stop
    return labels


def _common(file: RadioMLFile) -> dict[str, Any]:
    return {name: value for name, value in file.attributes.items() if name != "shard"}


def _copy(
    target: Path, files: list[RadioMLFile], progress: Callable[[int, int], None] | None
) -> None:
    n_done = 0
    with h5py.File(target, "r+") as whole:
        n_total = len(whole["X"])
        for file in files:
            for _, frames in file.slices(FRAMES_AT_ONCE):
                whole["X"][n_done : n_done + len(frames)] = frames
                n_done += len(frames)
                if progress is not None:
                    progress(n_done, n_total)
