"""Windows made alike to what a network learns: filled, and near the middle of the band.

What a recording's windows go through before a network sees them, and what the generator's frames
for the field go through too (`signal.profile.Profile.framed`).

Source: B. R. Mahafza, S. Elsherbeni, "MATLAB Simulations for Radar Systems Design", 2003, section
7.4 (pulse-pair processing): the phase of the correlation of neighbouring samples is the mean
frequency of the power.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.complex64]

LARGEST_OFFSET_RAD = 0.1
"""Carrier offset a sample up to which the network for the field has learned (profile `field`)."""

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
