"""What the samples of a signal's windows show without a network: sidebands alike, or two levels.

Source: B. Picinbono, "On circularity", IEEE Trans. Signal Process. 42(12), 1994: a real message on
a carrier is improper, its mean square does not vanish; a single sideband is proper, it does. Hence
both sidebands of one message are told from a single one whatever the message is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.signal import Signal

_BLOCK = 256
"""Samples over which a carrier that is off by a hundredth of a cycle in 1,000 samples stays put."""
_ALIKE = 0.5
"""Of 1, how alike sidebands are above which they carry one message; of one alone it is 0 to 0.3."""
_TWO_LEVELS = 0.1
"""Distance of half of the samples from their level, over that of the levels: 0.25 for four."""
_LEAST_SHARE = 0.1
"""Of the samples, at least, at either level: fewer are a burst's edge, or noise."""
_CLEAR_DB = 12.0
"""SNR from which either can be seen: noise is proper, and spreads levels."""
_NO_SQUARED_LINE = (
    "unknown", "noise", "16PSK", "32PSK", "32APSK", "64APSK", "128APSK", "32QAM", "64QAM", "128QAM",
    "256QAM",
)  # fmt: skip
"""What a network takes a weak signal for, and what has no line in its square; of what has a clock
and one, binary phase-shift keying alone is likely."""
_DOUBTED = ("4ASK", "8ASK", "AM-SSB-WC", "AM-SSB-SC", "AM-DSB-WC", "AM-DSB-SC", "carrier")
"""What a network takes a message on both sidebands for: many levels, one sideband (of which
RadioML's own have two), or, where the depth is small, nothing but the carrier."""


@dataclass
class Waveform:
    """What was seen in a signal's windows so far, in sums over `n` of them."""

    n: int = 0
    alike: float = 0.0
    spread: float = 0.0

    def add(self, windows: Samples) -> None:
        """Look at windows, (n, 1024) complex64, the carrier at 0 if there is one."""
        self.n += len(windows)
        self.alike += float(likeness(windows).sum())
        self.spread += float(level_spread(windows).sum())

    def told(self, name: str | None, signal: Signal) -> str | None:
        """The class that the samples show, where they contradict what a network says.

        Args:
            name: What the network says.
            signal: The signal.
        """
        evidence = signal.evidence
        if signal.symbol_rate_is_sure and signal.carrier_order == 2 and name in _NO_SQUARED_LINE:
            return "BPSK"
        if not self.n or signal.snr_db is None or signal.snr_db < _CLEAR_DB:
            return None
        is_two = self.spread / self.n < _TWO_LEVELS
        if evidence.is_clocked and evidence.keying == "amplitude":
            # Two amplitudes, the lower not zero, are on-off keying of partial depth.
            return "OOK" if is_two else None
        if name not in _DOUBTED or self.alike / self.n < _ALIKE:
            return None
        if is_two and signal.carrier_order == 1:
            return "OOK"
        # Nothing keeps a clock, and both sidebands are one message's: analog, on either side of a
        # carrier or without.
        if is_two or signal.symbol_rate_is_sure:
            return None
        return {1: "AM-DSB-WC", 2: "AM-DSB-SC"}.get(signal.carrier_order)


def likeness(windows: Samples) -> NDArray[np.float64]:
    """How alike each window's two sidebands are, 0 to 1, (n,).

    Args:
        windows: (n, time) complex64, time at least 256.
    """
    n_blocks = windows.shape[1] // _BLOCK
    blocks = windows[:, : n_blocks * _BLOCK].reshape(len(windows), n_blocks, _BLOCK)
    varying = blocks - blocks.mean(axis=2, keepdims=True)
    improper = np.abs(np.einsum("nbt,nbt->nb", varying, varying)).sum(1)
    power = np.einsum("nbt,nbt->n", varying, varying.conj()).real
    return np.asarray(improper / np.maximum(power, np.finfo(np.float32).tiny), np.float64)


def level_spread(windows: Samples) -> NDArray[np.float64]:
    """How far half of the samples lie from the nearer of two amplitudes, over their distance, (n,).

    1 where hardly any are at one of the two.

    Args:
        windows: (n, time) complex64.
    """
    amplitude = np.sort(np.abs(windows), axis=1)
    rows, length = np.arange(len(amplitude)), amplitude.shape[1]
    middle = (amplitude[:, -1] + amplitude[:, 0]) / 2
    for _ in range(3):
        n_lower = (amplitude < middle[:, np.newaxis]).sum(axis=1)
        lower = amplitude[rows, np.maximum(n_lower - 1, 0) // 2]
        lower = (lower + amplitude[rows, n_lower // 2]) / 2
        upper = amplitude[rows, (n_lower + length - 1) // 2]
        upper = (upper + amplitude[rows, (n_lower + length) // 2]) / 2
        middle = (upper + lower) / 2
    levels = np.stack([upper, lower], 1)[:, :, np.newaxis]
    away = np.abs(amplitude[:, np.newaxis] - levels).min(axis=1)
    distance = np.maximum(upper - lower, np.finfo(np.float32).tiny)
    share = 1 - n_lower / length
    has_both = (share > _LEAST_SHARE) & (share < 1 - _LEAST_SHARE)
    return np.where(has_both, np.median(away, axis=1) / distance, 1.0)
