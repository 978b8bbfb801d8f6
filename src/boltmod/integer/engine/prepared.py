"""What the engine needs of a model, kept from one start to the next.

Reading a network as integers and working out its tables takes several times as long as a process
needs for all else; both depend on the model and on this package alone.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boltmod.native import library

_MOST = 16
"""Models that are kept."""
_SOURCES = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Tables:
    """What the kernel is given.

    Args:
        tensors: Of dtype `TENSOR`.
        ops: Of dtype `OP`.
        data: int32, terms, levels, limits.
        exact: int64, coefficients and thresholds.
        workspace_bytes: Size of the memory that holds the tensors.
        scores: Number of the last tensor.
        first: Number of the tensor that has the shape of the frames.
    """

    tensors: NDArray[Any]
    ops: NDArray[Any]
    data: NDArray[np.int32]
    exact: NDArray[np.int64]
    workspace_bytes: int
    scores: int
    first: int


@dataclass(frozen=True)
class Prepared:
    """A program as the kernel takes it.

    Args:
        tables: The program.
        frame_shape: Shape of a frame: I and Q, and its samples.
        n_classes: Scores of a frame.
        scale: What a score of 1 is worth in the network's own logits.
        by_quads: Whether some of its products are of 8 bits, four to a lane.
    """

    tables: Tables
    frame_shape: tuple[int, int]
    n_classes: int
    scale: float
    by_quads: bool


def kept(model: bytes, width: str) -> Prepared | None:
    """Return what was kept of a model; None if nothing was, or it cannot be read.

    Args:
        model: The network, as its file holds it.
        width: Vectors that it is for.
    """
    try:
        with _path(model, width).open("rb") as file, np.load(file, allow_pickle=False) as held:
            tensors, ops, data, exact = (held[name] for name in _ARRAYS)
            numbers, scale = held["numbers"].tolist(), float(held["scale"])
        workspace_bytes, scores, first, planes, samples, n_classes, by_quads = numbers
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile):
        return None
    tables = Tables(tensors, ops, data, exact, workspace_bytes, scores, first)
    return Prepared(tables, (planes, samples), n_classes, scale, bool(by_quads))


def keep(model: bytes, width: str, prepared: Prepared) -> None:
    """Keep what was worked out of a model; where nothing can be written, do not.

    Args:
        model: The network, as its file holds it.
        width: Vectors that it is for.
        prepared: What was worked out.
    """
    made = prepared.tables
    numbers = (made.workspace_bytes, made.scores, made.first, *prepared.frame_shape,
               prepared.n_classes, prepared.by_quads)  # fmt: skip
    try:
        path = _path(model, width)
        handle, beside = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            np.savez(
                file,
                numbers=np.array(numbers, np.int64),
                scale=np.float64(prepared.scale),
                **{name: getattr(made, name) for name in _ARRAYS},
            )
        Path(beside).replace(path)
        others = sorted(path.parent.glob("*.npz"), key=lambda each: each.stat().st_mtime)
        for old in others[:-_MOST]:
            old.unlink(missing_ok=True)
    except (OSError, RuntimeError):
        return


_ARRAYS = ("tensors", "ops", "data", "exact")


def _path(model: bytes, width: str) -> Path:
    key = hashlib.sha256(_facts())
    key.update(width.encode())
    key.update(model)
    folder = library.cache_folder() / "engine"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{key.hexdigest()[:32]}.npz"


@cache
def _facts() -> bytes:
    """What the tables depend on beside the model: another text, other tables."""
    texts = [path.read_bytes() for path in sorted(_SOURCES.rglob("*.py"))]
    return hashlib.sha256(b"".join(texts)).digest()
