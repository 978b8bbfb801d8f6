"""The level a network learned at."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boltmod.errors import ToolNotFoundError
from boltmod.model.metadata import InputScaling
from boltmod.native import library
from boltmod.native.compiling import LEVEL
from boltmod.recording.analytic import Samples

Planes = NDArray[np.float32]

_AT_ONCE = 16
"""Windows scaled at once: what is computed of them stays within the processor's caches."""

_LANES = 16
"""Partial sums of a frame's samples, one for each of so many neighbours."""


def scale(windows: Samples, input_scaling: str) -> tuple[Planes, NDArray[np.bool_]]:
    """Bring windows to the level a network learned at.

    Args:
        windows: (n, time) complex64.
        input_scaling: As in the model's metadata.

    Returns:
        The frames, (n, 2, time) float32, and which of them are constant, (n,): those are left at
        the level they have.
    """
    planes = np.empty((len(windows), 2, windows.shape[1]), np.float32)
    return planes, _level(planes, input_scaling, windows)


def scale_planes(planes: Planes, input_scaling: str) -> Planes:
    """Bring frames to the level a network learned at, as `scale` does.

    Args:
        planes: (n, 2, time) float32; they stay as they are.
        input_scaling: As in the model's metadata.
    """
    scaled = planes.copy(order="C")
    _level(scaled, input_scaling)
    return scaled


def _level(planes: Planes, input_scaling: str, windows: Samples | None = None) -> NDArray[np.bool_]:
    """Scale frames in place; which of them are constant.

    Args:
        planes: Frames, (n, 2, time), next to each other in memory.
        input_scaling: As in the model's metadata.
        windows: What is written there first, (n, time) complex64, if anything.
    """
    is_scaled = input_scaling == InputScaling.UNIT_STD
    kernel = _kernel()
    if kernel is None:
        return _level_in_numpy(planes, is_scaled, windows)
    is_constant = np.empty(len(planes), np.bool_)
    samples = None if windows is None else np.ascontiguousarray(windows, np.complex64)
    kernel(
        None if samples is None else ctypes.c_void_p(samples.ctypes.data),
        ctypes.c_void_p(planes.ctypes.data),
        ctypes.c_int64(len(planes)),
        ctypes.c_int64(planes.shape[2]),
        ctypes.c_int32(is_scaled),
        ctypes.c_void_p(is_constant.ctypes.data),
    )
    return is_constant


@cache
def _kernel() -> Any:
    """The kernel's function; None where there is neither a library nor a compiler."""
    try:
        return library.load(LEVEL).function("level")
    except ToolNotFoundError:
        return None


def _level_in_numpy(planes: Planes, is_scaled: bool, windows: Samples | None) -> NDArray[np.bool_]:
    """Do what level.c does, to the bit."""
    is_constant = np.empty(len(planes), np.bool_)
    for start in range(0, len(planes), _AT_ONCE):
        few = slice(start, start + _AT_ONCE)
        if windows is not None:
            planes[few, 0], planes[few, 1] = windows[few].real, windows[few].imag
        centred = planes[few].astype(np.float64)
        centred -= _sums(centred)[:, :, np.newaxis] / planes.shape[2]
        power = _sums(np.square(centred, out=centred)).sum(axis=1)
        deviation = np.sqrt(power / planes.shape[2])
        is_constant[few] = deviation == 0
        if is_scaled:
            divisor = np.where(is_constant[few], 1.0, deviation)[:, np.newaxis, np.newaxis]
            np.divide(planes[few], divisor, out=planes[few], casting="same_kind")
    return is_constant


def _sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over time, (n, 2, time) to (n, 2), on every machine in the same order."""
    n_frames, n_planes, length = values.shape
    missing = -length % _LANES
    padded = np.pad(values, ((0, 0), (0, 0), (0, missing))) if missing else values
    parts = padded.reshape(n_frames, n_planes, -1, _LANES).sum(axis=2)
    while parts.shape[2] > 1:
        half = parts.shape[2] // 2
        parts = parts[:, :, :half] + parts[:, :, half:]
    return np.asarray(parts[:, :, 0])
