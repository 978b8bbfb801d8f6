"""What a signal is told by without a network: its switching, its sidebands, its levels.

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
_SHIFTED = ("2FSK", "4FSK", "GMSK", "OQPSK")
"""What a network may take tones for that are half a symbol rate apart or little more."""
_NO_SQUARED_LINE = (
    "unknown", "noise", "16PSK", "32PSK", "32APSK", "64APSK", "128APSK", "32QAM", "64QAM", "128QAM",
    "256QAM",
)  # fmt: skip
"""What a network takes a weak signal for, and what has no line in its square; of what has a clock
and one, binary phase-shift keying alone is likely."""
CARRIER = "carrier"
"""What a line that nothing changes in is called; no network is needed for that."""
_MINIMUM_SHIFT = 0.75
"""Distance of two tones in symbol rates, at least, if it is not minimum-shift keying (1/2)."""
_OPPOSITE = 0.6
"""Of 1, how much of the loud samples' power lies on one axis, on both sides of zero alike: 1 for
binary phase-shift keying, 0 for a carrier that is keyed."""
_MANY = 3
"""Windows from which two levels are believed where nothing keeps a clock: a voice may stay near two
of its levels for as long as one."""
_DEEP = 0.65
"""Variance of an amplitude at its carrier's phase over the square of its mean, from which on it is
keyed: 1 if it is on for half of the time, 0.55 for four equal levels from zero up, 0.5 for all that
a sine can do, and 0.1 or less for a voice."""
_NO_CARRIER = 8.0
"""The same, from which on there is no carrier: 32 for binary phase-shift keying of 32 symbols."""
_KEYED_WEAKLY = ("unknown", "noise", "4ASK", "8ASK", "AM-SSB-WC", "AM-SSB-SC", "AM-DSB-WC",
                 "AM-DSB-SC", "AFSK")  # fmt: skip
"""What a network takes a keyed carrier for that is little above the noise."""
_DOUBTED = ("4ASK", "8ASK", "AM-SSB-WC", "AM-SSB-SC", "AM-DSB-WC", "AM-DSB-SC", "carrier")
"""What a network takes a message on both sidebands for: many levels, one sideband (of which
RadioML's own have two), or, where the depth is small, nothing but the carrier."""


@dataclass
class Waveform:
    """What was seen in a signal's windows so far, in sums over `n` of them."""

    n: int = 0
    alike: float = 0.0
    spread: float = 0.0
    opposite: float = 0.0
    varying: float = 0.0
    steady: float = 0.0

    def add(self, windows: Samples) -> None:
        """Look at windows, (n, 1024) complex64, the carrier at 0 if there is one."""
        self.n += len(windows)
        self.alike += float(likeness(windows).sum())
        self.spread += float(level_spread(windows).sum())
        self.opposite += float(oppositeness(windows).sum())
        varying, steady = depth(windows)
        self.varying += varying
        self.steady += steady

    def told(self, name: str | None, signal: Signal) -> str | None:
        """The class that the signal itself shows, where it contradicts what a network says.

        Args:
            name: What the network says.
            signal: The signal.
        """
        if signal.evidence.message:
            return analog(signal)
        if signal.evidence.subcarrier_spacing_hz is not None:
            return "OFDM"
        by_clock = keyed(signal)
        if by_clock is None and is_shifted(signal) and name not in _SHIFTED:
            return f"{signal.evidence.n_tones}FSK"
        if by_clock == "OOK" and self.n and self.opposite / self.n > _OPPOSITE:
            return "BPSK"  # shaped, its amplitude is zero between unlike symbols
        return by_clock or self._told_by_samples(name, signal)

    def _told_by_samples(self, name: str | None, signal: Signal) -> str | None:
        evidence = signal.evidence
        is_deep = self.varying > _DEEP * self.steady
        has_carrier = self.varying < _NO_CARRIER * self.steady
        if signal.symbol_rate_is_sure and signal.carrier_order == 2 and name in _NO_SQUARED_LINE:
            return "OOK" if is_deep and has_carrier else "BPSK"
        is_carried = signal.carrier_order == 1 or (signal.carrier_order == 2 and has_carrier)
        if is_carried and is_deep and name in _KEYED_WEAKLY:
            return "OOK"
        if not self.n or signal.snr_db is None or signal.snr_db < _CLEAR_DB:
            return None
        is_two = self.spread / self.n < _TWO_LEVELS
        if evidence.is_clocked and evidence.keying == "amplitude":
            # Two amplitudes, the lower not zero, are on-off keying of partial depth.
            return "OOK" if is_two else None
        if name not in _DOUBTED or self.alike / self.n < _ALIKE or signal.symbol_rate_is_sure:
            return None
        # Nothing keeps a clock, and both sidebands are one message's.
        if is_two and self.n >= _MANY:
            return "OOK" if signal.carrier_order == 1 else None
        return {1: "AM-DSB-WC", 2: "AM-DSB-SC"}.get(signal.carrier_order)


def keyed(signal: Signal) -> str | None:
    """What a signal is if its switching instants keep a clock: nothing else has such levels.

    A minimum-shift keying is left to the network, which knows its pulse.
    """
    evidence = signal.evidence
    if evidence.is_bare_carrier:
        return CARRIER
    if not evidence.is_clocked:
        return None
    if evidence.keying == "on-off":
        return "OOK"
    if evidence.keying == "frequency" and evidence.frequency_deviation_hz is not None:
        index = 2 * evidence.frequency_deviation_hz / signal.symbol_rate_hz
        return f"{evidence.n_tones}FSK" if index > _MINIMUM_SHIFT else None
    return None


def is_shifted(signal: Signal) -> bool:
    """Whether its frequency goes from tone to tone by a clock."""
    evidence = signal.evidence
    return evidence.is_clocked and evidence.keying == "frequency" and evidence.n_tones > 0


def analog(signal: Signal) -> str:
    """What a message is on: its carrier's frequency or amplitude, two sidebands, or one of them."""
    if signal.evidence.message_in == "frequency":
        return "FM"
    return {1: "AM-DSB-WC", 2: "AM-DSB-SC"}.get(signal.carrier_order, "AM-SSB-SC")


def oppositeness(windows: Samples) -> NDArray[np.float64]:
    """How much of the loud samples' power lies on one axis and cancels in the mean, 0 to 1, (n,).

    Args:
        windows: (n, time) complex64, time at least 256.
    """
    n_blocks = windows.shape[1] // _BLOCK
    blocks = windows[:, : n_blocks * _BLOCK].reshape(len(windows), n_blocks, _BLOCK)
    power = blocks.real**2 + blocks.imag**2
    loud = blocks * (power > power.max(axis=2, keepdims=True) / 4)
    whole = np.maximum((np.abs(loud) ** 2).sum(2), np.finfo(np.float32).tiny)
    n_loud = np.maximum((loud != 0).sum(2), 1)
    on_axis = np.abs((loud**2).sum(2)) / whole
    in_mean = np.abs(loud.sum(2)) ** 2 / (n_loud * whole)
    return np.asarray((on_axis - in_mean).mean(1), np.float64)


def depth(windows: Samples) -> tuple[float, float]:
    """How much the amplitude at the carrier's phase varies, without noise, and its mean: powers.

    Noise is as strong across that phase as along it, so that what is across tells how much of what
    is along it is noise.

    Args:
        windows: (n, time) complex64, the carrier at 0, time at least 256.
    """
    n_blocks = windows.shape[1] // _BLOCK
    blocks = windows[:, : n_blocks * _BLOCK].reshape(-1, _BLOCK).astype(np.complex128)
    mean = blocks.mean(axis=1, keepdims=True)
    along = blocks * np.exp(-1j * np.angle(mean))
    varying = along.real.var(axis=1) - along.imag.var(axis=1)
    return float(varying.sum()), float((np.abs(mean) ** 2).sum())


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
