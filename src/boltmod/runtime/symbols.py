"""The symbols of a window: what a constellation is drawn of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.track import SAMPLES_PER_SYMBOL

_SEARCHED = 0.004
"""Cycles a sample that are left of a carrier's offset, at most."""


def symbols(window: Samples, carrier_order: int) -> NDArray[np.complex128]:
    """The samples of a window at its symbols' instants, what is left of its carrier removed.

    Timing is the phase of the power's line at the symbol rate.

    Source: M. Oerder, H. Meyr, "Digital filter and square timing recovery", IEEE Trans. Commun.
    36(5), 1988.

    Args:
        window: (1024,), at 8 samples a symbol.
        carrier_order: Power of the symbols that their phase is the same in; 0 if none is known.
    """
    spectrum = np.fft.fft(window.astype(np.complex128))
    n = np.arange(len(window))
    line = (np.abs(window) ** 2 * np.exp(-2j * np.pi * n / SAMPLES_PER_SYMBOL)).sum()
    delay = -SAMPLES_PER_SYMBOL * np.angle(line) / (2 * np.pi) % SAMPLES_PER_SYMBOL
    late = np.fft.ifft(spectrum * np.exp(2j * np.pi * np.fft.fftfreq(len(window)) * delay))
    # The transform takes the window for a circle: its ends are left out.
    spaced = late[4 * SAMPLES_PER_SYMBOL : -4 * SAMPLES_PER_SYMBOL : SAMPLES_PER_SYMBOL]
    if not carrier_order:
        return np.asarray(spaced)
    k = np.arange(len(spaced)) * SAMPLES_PER_SYMBOL
    powered = np.abs(spaced) * np.exp(1j * carrier_order * np.angle(spaced))
    offsets = np.linspace(-_SEARCHED, _SEARCHED, 241)
    turned = np.exp(-2j * np.pi * carrier_order * np.outer(offsets, k)) @ powered
    best = int(np.abs(turned).argmax())
    phase = np.angle(turned[best]) / carrier_order + (np.pi / 4 if carrier_order == 4 else 0.0)
    return np.asarray(spaced * np.exp(-1j * (2 * np.pi * offsets[best] * k + phase)))
