"""Windows made alike to what a network has learned: its level, filled, and near the middle.

Source: B. R. Mahafza, S. Elsherbeni, "MATLAB Simulations for Radar Systems Design", 2003, section
7.4 (pulse-pair processing): the phase of the correlation of neighbouring samples is the mean
frequency of the power.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from boltmod.model.metadata import InputScaling
from boltmod.modulation import FRAME_LENGTH
from boltmod.recording.analytic import Samples

Planes = NDArray[np.float32]

LARGEST_OFFSET_RAD = 0.1
"""Carrier offset a sample up to which the network for the field has learned (profile `field`)."""

_AT_ONCE = 16
"""Windows scaled at once: what is computed of them stays within the processor's caches."""

_TURNED_FROM = 0.8 * LARGEST_OFFSET_RAD


def centred(windows: Samples) -> Samples:
    """Shift those windows whose mean frequency lies outside what the network learned.

    A window further off than 0.08 rad a sample is turned so that its mean frequency is zero; the
    others stay as they are. A signal's carrier may drift through a recording, by Doppler shift for
    instance, while its channel stays where it is.

    Args:
        windows: (n, time) complex64.

    Returns:
        The same shape.
    """
    offset_rad = mean_frequency(windows)
    offset_rad[np.abs(offset_rad) < _TURNED_FROM] = 0
    if not offset_rad.any():
        return windows
    time = np.arange(windows.shape[1])
    turn = np.exp(-1j * offset_rad[:, np.newaxis] * time)
    return np.asarray(windows * turn, np.complex64)


def mean_frequency(windows: Samples) -> NDArray[np.float64]:
    """Mean frequency of each window's power, rad a sample, (n,)."""
    neighbours = windows[:, 1:].astype(np.complex128) * windows[:, :-1].conj()
    return np.asarray(np.angle(neighbours.sum(axis=1)), np.float64)


def filled(windows: Samples) -> Samples:
    """Repeat what does not fill its window: where silence was added, the burst begins again.

    Args:
        windows: (n, time) complex64, exactly zero before and after a burst that is too short.

    Returns:
        The same shape.
    """
    result = windows
    for row, window in enumerate(windows):
        heard = np.flatnonzero(window)
        if len(heard) and heard[-1] - heard[0] + 1 < len(window):
            if result is windows:
                result = windows.copy()
            result[row] = np.resize(window[heard[0] : heard[-1] + 1], len(window))
    return result


def scale(windows: Samples, input_scaling: str) -> tuple[Planes, NDArray[np.bool_]]:
    """Bring windows to the level a network learned at.

    Args:
        windows: (n, 1024) complex64.
        input_scaling: As in the model's metadata.

    Returns:
        The frames, (n, 2, 1024) float32, and which of them are constant, (n,): those are left at
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
        planes: (n, 2, 1024) float32; they stay as they are.
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
    deviation = np.sqrt(np.einsum("nps,nps->n", centred, centred) / FRAME_LENGTH)
    is_constant = deviation == 0
    if input_scaling == InputScaling.UNIT_STD:
        divisor = np.where(is_constant, 1.0, deviation)[:, np.newaxis, np.newaxis]
        np.divide(planes, divisor, out=planes, casting="same_kind")
    return np.asarray(is_constant)
