"""Frames as people have them in memory, turned into the I/Q planes that a network takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boltmod.errors import DataFormatError, ShapeError
from boltmod.modulation import FRAME_LENGTH

Planes = NDArray[np.float32]


def as_planes(frames: ArrayLike, length: int = FRAME_LENGTH) -> Planes:
    """Return frames as I/Q planes.

    Args:
        frames: I/Q planes (n, 2, 1024), plane 0 = I; or complex frames (n, 1024); or complex
            samples (n,), which are cut into frames of 1024 that follow each other, as
            `boltmod classify` cuts a recording: what is left at the end is not looked at.
        length: Complex samples of a frame, here written as 1024.

    Returns:
        (n, 2, 1024) float32.

    Raises:
        ShapeError: They have another shape, are no numbers, or are shorter than a frame.
    """
    given = np.asarray(frames)
    if given.dtype.kind == "c":
        windows = _windows(given, length)
        given = np.stack([windows.real, windows.imag], axis=1)
    check_shape(given, length)
    if given.dtype.kind not in "fiu":
        raise ShapeError(f"iq_planes must be numbers, not {given.dtype}: give float32 or complex64")
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
        return np.ascontiguousarray(given, np.float32)


def _windows(samples: NDArray[np.complexfloating], length: int) -> NDArray[np.complexfloating]:
    if samples.ndim == 1 and len(samples) >= length:
        whole = len(samples) // length * length
        return samples[:whole].reshape(-1, length)
    if samples.ndim == 1:
        raise ShapeError(
            f"samples must be at least {length}, one frame, not {len(samples)}: give more"
        )
    if samples.ndim != 2 or samples.shape[1] != length:
        raise ShapeError(
            f"complex frames must have shape (n, {length}), or (n,) for samples that follow "
            f"each other, not {samples.shape}: cut or reshape them"
        )
    return samples


def check_shape(iq_planes: NDArray[np.generic], length: int = FRAME_LENGTH) -> None:
    """Refuse what are no I/Q planes.

    Raises:
        ShapeError: The shape is another one than (n, 2, 1024).
    """
    if iq_planes.ndim != 3 or iq_planes.shape[1:] != (2, length):
        raise ShapeError(
            f"iq_planes must have shape (n, 2, {length}), not {iq_planes.shape}: "
            "plane 0 is I, plane 1 is Q"
        )


def check_finite(iq_planes: Planes) -> None:
    """Refuse frames that hold what is no number.

    Raises:
        DataFormatError: A sample is not finite.
    """
    finite = np.isfinite(iq_planes)
    if not finite.all():
        frame = int(np.argmin(finite.all(axis=(1, 2))))
        value = iq_planes[frame][~finite[frame]][0]
        raise DataFormatError(
            f"frames must hold finite samples, not {value} in frame {frame}: leave that one out"
        )
