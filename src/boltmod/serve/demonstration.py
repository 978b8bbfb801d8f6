"""A band of generated signals, for a first look without a receiver."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from boltmod.recording.arrays import ArrayRecording

RATE_HZ = 500e3
_LENGTH = 1 << 21
_SEED = 20
_NOISE = 0.05
_ROLLOFF = 0.35
_PULSE_SYMBOLS = 10
"""How far a pulse reaches to either side."""
_NAME = "demonstration (generated signals)"

Wave = NDArray[np.complex128]


def demonstration() -> ArrayRecording:
    """Four seconds of QPSK, 2FSK that pauses, on-off packets, and a voice-like AM, in noise.

    Its end goes over into its beginning, so that it can be repeated.
    """
    rng = np.random.default_rng(_SEED)
    time_s = np.arange(_LENGTH) / RATE_HZ
    bits = rng.choice([-1.0, 1.0], 1 << 15)
    qpsk = _shaped(rng.choice([1, 1j, -1, -1j], _LENGTH // 16), 16)
    keyed = np.repeat(bits[: _LENGTH // 128], 128)
    fsk = np.exp(2j * np.pi * np.cumsum(keyed * 5e3 / RATE_HZ)) * (time_s % 2.1 < 1.4)
    ook = np.repeat(bits[: _LENGTH // 256] > 0, 256) * (time_s % 0.7 < 0.3)
    voice = _low_passed(rng.standard_normal(_LENGTH), 3e3)
    am = 1 + 0.6 * np.clip(voice, -1.5, 1.5)
    noise = rng.standard_normal((_LENGTH, 2)) @ np.array([1, 1j]) * _NOISE
    band = noise.astype(np.complex128)
    for wave, offset_hz, level in (
        (qpsk, 60e3, 0.35), (fsk, -95e3, 0.3), (ook, 165e3, 0.3), (am, -190e3, 0.15),
    ):  # fmt: skip
        turns = round(offset_hz * _LENGTH / RATE_HZ)  # whole ones, so that ends meet
        band += level * wave * np.exp(2j * np.pi * turns * np.arange(_LENGTH) / _LENGTH)
    return ArrayRecording(band.astype(np.complex64), RATE_HZ, name=_NAME)


def _shaped(symbols: Wave, n: int) -> Wave:
    """Symbols with raised-cosine pulses of unit peak, n samples a symbol, in a circle."""
    up = np.zeros(len(symbols) * n, np.complex128)
    up[::n] = symbols
    time = fft.fftfreq(len(up), 1 / len(up)) / n
    near = np.abs(time) < _PULSE_SYMBOLS
    bend = 1 - (2 * _ROLLOFF * time[near]) ** 2  # never 0: no sample lies there
    pulse = np.zeros(len(up))
    pulse[near] = np.sinc(time[near]) * np.cos(np.pi * _ROLLOFF * time[near]) / bend
    return np.asarray(fft.ifft(fft.fft(up) * fft.fft(pulse)))


def _low_passed(noise: NDArray[np.float64], cut_off_hz: float) -> NDArray[np.float64]:
    """Noise of deviation 1 below a frequency."""
    spectrum = fft.rfft(noise)
    spectrum[int(cut_off_hz * len(noise) / RATE_HZ) :] = 0
    spectrum[: int(200 * len(noise) / RATE_HZ)] = 0
    low = fft.irfft(spectrum, len(noise))
    return np.asarray(low / low.std())
