"""Joining the parts that `make` wrote with `--shard` into the whole data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py

from boltmod.data.provenance import differences
from boltmod.data.radioml import RadioMLFile, grid_labels
from boltmod.data.radioml_writer import create_layout
from boltmod.errors import ConfigError

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
        attributes = {n: v for n, v in files[0].attributes.items() if n not in _PLACE}
        labels = grid_labels(int(attributes["frames_per_cell"]), tuple(attributes["snr_labels"]))
        temporary = path.with_name(path.name + ".new")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            create_layout(temporary, *labels, attributes=attributes)
            _copy(temporary, files, progress)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
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
    n_shards = int(files[0].attributes["n_shards"]) if files else 0
    numbers = sorted(int(file.attributes["shard"]) for file in files)
    if numbers != list(range(1, n_shards + 1)):
        raise ConfigError(
            f"the parts must be 1 to {n_shards}, each once, not {', '.join(map(str, numbers))}; "
            "name every file that `boltmod data make --shard` wrote"
        )
    return sorted(files, key=lambda file: int(file.attributes["shard"]))


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
