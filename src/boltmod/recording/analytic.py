"""Real signals as complex ones that hold the positive frequencies only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.complex64]

_HALF_LENGTH = 127


def _taps() -> NDArray[np.complex64]:
    """A half-band low-pass filter, shifted to the middle of the positive frequencies."""
    from scipy import signal  # imported where it is needed, for it takes longer than all the rest

    n = np.arange(-_HALF_LENGTH, _HALF_LENGTH + 1)
    low_pass = signal.firwin(2 * _HALF_LENGTH + 1, 0.5, window=("kaiser", 6.0))
    return np.asarray(2 * low_pass * np.exp(0.5j * np.pi * n), np.complex64)


def analytic(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Suppress the negative frequencies of a signal, block by block.

    Source: Oppenheim, Schafer, "Discrete-Time Signal Processing", 3rd ed., 12.4 (FIR design of
    complex sequences whose spectrum vanishes for negative frequencies).

    Args:
        blocks: The signal, real numbers in complex form; zero before and after.

    Yields:
        As many samples as came in, undelayed; frequencies nearer than 0.7 % of the sample rate to
        zero and to half the rate are attenuated. The values do not depend on the blocks.
    """
    from scipy import signal

    taps = _taps()
    held = np.zeros(_HALF_LENGTH, np.complex64)
    for block in blocks:
        held = np.concatenate([held, block])
        if len(held) >= len(taps):
            yield np.asarray(signal.oaconvolve(held, taps, "valid"), np.complex64)
            held = held[len(held) - 2 * _HALF_LENGTH :]
    held = np.concatenate([held, np.zeros(_HALF_LENGTH, np.complex64)])
    if len(held) >= len(taps):
        yield np.asarray(signal.oaconvolve(held, taps, "valid"), np.complex64)
