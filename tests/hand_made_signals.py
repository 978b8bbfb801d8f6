"""Signals in a band, the recording that holds them, and files as receivers write them."""

from dataclasses import dataclass

import numpy as np
from scipy import signal

from boltmod.recording.raw import SampleFormat
from boltmod.recording.stretch import Stretch

N = 200_000


def linear(rng, n, symbol_rate, points, rolloff=0.35):
    """Symbols under a raised cosine, symbol_rate in symbols a sample, unit power."""
    pulse_times = np.arange(-12, 12, 1 / 16)
    bend = 1 - (2 * rolloff * pulse_times) ** 2
    bend[abs(bend) < 1e-9] = 1e-9
    pulse = np.sinc(pulse_times) * np.cos(np.pi * rolloff * pulse_times) / bend
    symbols = rng.choice(points, int(n * symbol_rate) + 40)
    fine = signal.upfirdn(pulse, symbols, 16)
    times = np.arange(n) * symbol_rate * 16
    wave = np.interp(times, np.arange(len(fine)), fine.real) + 1j * np.interp(
        times, np.arange(len(fine)), fine.imag
    )
    return wave / wave.std()


def noise(rng, n, level):
    return level * (rng.standard_normal(n) + 1j * rng.standard_normal(n)) / np.sqrt(2)


def shifted(wave, centre):
    return wave * np.exp(2j * np.pi * centre * np.arange(len(wave)))


BPSK, QPSK = [-1, 1], [1, 1j, -1, -1j]


def qpsk(seed, n=12_000):
    rng = np.random.default_rng(seed)
    made = shifted(linear(rng, n, 0.1, QPSK), 0.15) + noise(rng, n, 0.05)
    return (0.2 * made).astype(np.complex64)


@dataclass
class Held:
    wave: np.ndarray
    rate_hz: float | None = 1.0
    name: str = "held"
    first_sample: int = 0
    centre_hz: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def n_samples(self):
        return len(self.wave)

    def stretches(self, n_samples):
        for start in range(0, len(self.wave), n_samples):
            yield Stretch(start, self.wave[start : start + n_samples].astype(np.complex64))


def encode(samples, sample_format):
    """Write samples as a receiver would: scaled, rounded, clipped, I and Q in turn."""
    planes = samples.real if sample_format.is_real else samples.view(np.float32)
    planes = planes.astype(np.float64) * sample_format.full_scale + sample_format.zero
    if sample_format.component.kind != "f":
        limits = np.iinfo(sample_format.component)
        planes = np.clip(np.round(planes.astype(np.float64)), limits.min, limits.max)
    stored = planes.astype(sample_format.component)
    if sample_format in (SampleFormat.CI24, SampleFormat.RI24):
        return stored.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    return stored.tobytes()
