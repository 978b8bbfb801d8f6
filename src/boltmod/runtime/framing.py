"""The level a network learned at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from boltmod.model.metadata import InputScaling
from boltmod.recording.analytic import Samples

Planes = NDArray[np.float32]

_AT_ONCE = 16
"""Windows scaled at once: what is computed of them stays within the processor's caches."""


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
    is_constant = np.empty(len(windows), np.bool_)
    for start in range(0, len(windows), _AT_ONCE):
        few = slice(start, start + _AT_ONCE)
        planes[few, 0], planes[few, 1] = windows[few].real, windows[few].imag
        is_constant[few] = _level(planes[few], input_scaling)
    return planes, is_constant


def scale_planes(planes: Planes, input_scaling: str) -> Planes:
    """Bring frames to the level a network learned at, as `scale` does.

    Args:
        planes: (n, 2, time) float32; they stay as they are.
        input_scaling: As in the model's metadata.
    """
    scaled = planes.copy()
    for start in range(0, len(planes), _AT_ONCE):
        _level(scaled[start : start + _AT_ONCE], input_scaling)
    return scaled


def _level(planes: Planes, input_scaling: str) -> NDArray[np.bool_]:
    """Scale frames in place; which of them are constant."""
    centred = planes.astype(np.float64)
    centred -= centred.mean(axis=2, keepdims=True)
    deviation = np.sqrt(np.einsum("nps,nps->n", centred, centred) / planes.shape[2])
    is_constant = deviation == 0
    if input_scaling == InputScaling.UNIT_STD:
        divisor = np.where(is_constant, 1.0, deviation)[:, np.newaxis, np.newaxis]
        np.divide(planes, divisor, out=planes, casting="same_kind")
    return np.asarray(is_constant)
