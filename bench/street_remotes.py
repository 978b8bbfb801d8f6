"""Remotes, sensors and meters as files of 8-bit receivers hold them: more kinds for street.py.

What people record of the ISM bands at 250,000 and 1,024,000 samples a second: a packet sent
several times with pauses far longer than its pulses, by a carrier that is strong, weak, drifting
or pulled; a floor of less than one step of the converter; a gain that a controller turns down in
the first packet. The timings are what the decoders of the rtl_433 project's documentation expect:
pulse position with pulses of 0.5 ms and gaps of 1 to 9 ms, pulse width with 0.2 to 0.6 ms,
Manchester of 1 to 5 kBd, frequency shifts of 20 to 60 kHz at 2.4 to 20 kBd.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from street_captures import (
    ON_OFF,
    TWO_TONES,
    Capture,
    Complex,
    Emission,
    Floats,
    Generator,
    add,
    air,
    held,
    place,
    received,
)

RATES = (250e3, 250e3, 1.024e6)


def durations(rng: Generator, how: str) -> tuple[Floats, float]:
    """On, off, on, off ... in seconds of one packet, and what its shortest pulse lasts."""
    bits = rng.integers(0, 2, int(rng.integers(24, 80)))
    if how == "position":
        on = rng.uniform(300e-6, 700e-6)
        gaps = on * np.array([rng.uniform(1.8, 2.5), rng.uniform(3.6, 5)])
        pairs = [(on, gaps[bit]) for bit in bits]
        return np.array(pairs).ravel(), on
    if how == "width":
        short, ratio = rng.uniform(150e-6, 600e-6), rng.uniform(2, 3.2)
        pulses = short * np.array([1, ratio])
        pairs = [(pulses[bit], pulses[1 - bit]) for bit in bits]
        return np.array(pairs).ravel(), short
    half = rng.uniform(100e-6, 500e-6)
    levels = [1, 0] * 4 + [x for bit in bits for x in ((0, 1) if bit else (1, 0))]
    edges = np.flatnonzero(np.diff([*levels, -1])) + 1
    return half * np.diff(edges, prepend=0), half


def repeated(rng: Generator, capture: Capture, n_at_most: int = 8) -> tuple[Emission, float]:
    """A packet of on-off keying several times; its shortest pulse in samples."""
    how = str(rng.choice(["position", "width", "manchester"]))
    times, shortest = durations(rng, how)
    n = len(capture.samples)
    pause = float(rng.uniform(4e-3, 12e-3) if rng.random() < 0.6 else rng.uniform(20e-3, 80e-3))
    whole = np.tile(np.append(times[: len(times) // 2 * 2 - 1], pause), n_at_most)
    start = rng.uniform(0.02, 0.1) * n
    edges = start + np.cumsum(np.append(0, whole)) * capture.rate_hz
    n_begun = np.searchsorted(edges, np.arange(n), side="right")
    on = ((n_begun % 2) == 1) & (n_begun < len(edges))
    edge = np.hanning(max(3, int(20e-6 * capture.rate_hz)) + 2)
    smooth = np.convolve(on, edge / edge.sum(), "same")
    wave = smooth * np.exp(2j * np.pi * rng.random())
    wave[smooth < 1e-6] = 0
    period = shortest * capture.rate_hz
    return Emission(wave, ON_OFF, has_free_rate=True), period


def heard(
    rng: Generator, capture: Capture, wave: NDArray[np.complex128], reach: float,
    snr_db: tuple[float, float],
) -> Capture:  # fmt: skip
    """A keyed carrier put somewhere into the capture, as an 8-bit file holds it."""
    emission = Emission(wave, ON_OFF, has_free_rate=True)
    add(capture, emission, place(rng, capture, reach), rng.uniform(*snr_db))
    return quantised(capture, rng.uniform(0.15, 1.0))


def long_air(rng: Generator, kind: str) -> Capture:
    """Half a second to a second and a half of nothing."""
    rate_hz = float(rng.choice(RATES))
    return air(rng, kind, (rate_hz,), rng.uniform(0.25, 0.9) * (250e3 / rate_hz) ** 0.5)


def quantised(capture: Capture, strongest: float) -> Capture:
    """What unsigned bytes hold, the strongest sample at a share of full scale; above 1 it clips."""
    wave = capture.samples
    peak = np.quantile(np.maximum(np.abs(wave.real), np.abs(wave.imag)), 0.9999)
    wave = wave / peak * strongest * 127.5
    planes = [np.clip(np.floor(part + 128), 0, 255) - 127.5 for part in (wave.real, wave.imag)]
    capture.samples = (planes[0] + 1j * planes[1]) / 127.5
    return capture


def remote(rng: Generator, kind: str) -> Capture:
    """A remote close by, its floor of some steps of the converter or less."""
    capture = long_air(rng, kind)
    emission, _ = repeated(rng, capture)
    add(capture, emission, place(rng, capture, 0.02), rng.uniform(20, 55))
    return quantised(capture, rng.uniform(0.15, 1.0))


def remote_clipped(rng: Generator, kind: str) -> Capture:
    """So close that the converter clips, an offset of the converter beside it."""
    capture = long_air(rng, kind)
    emission, _ = repeated(rng, capture)
    add(capture, emission, place(rng, capture, 0.02), rng.uniform(40, 60))
    capture.samples += rng.uniform(0.2, 3) * np.exp(2j * np.pi * rng.random())
    capture.samples += 10 ** (rng.uniform(-35, -18) / 20) * capture.samples.conj()
    return quantised(capture, rng.uniform(1.0, 3.0))


def remote_drifting(rng: Generator, kind: str) -> Capture:
    """A carrier without a crystal: another place each packet, and moving within it."""
    capture = long_air(rng, kind)
    emission, period = repeated(rng, capture)
    n = len(capture.samples)
    on = emission.wave != 0
    since = np.arange(n) - np.maximum.accumulate(np.where(on, 0, np.arange(n)))
    packet = np.cumsum(since > 3e-3 * capture.rate_hz) / capture.rate_hz
    drift = rng.uniform(-1.5e3, 1.5e3) * np.sin(2 * np.pi * rng.uniform(0.2, 2) * packet)
    drift += rng.uniform(-3e3, 3e3) * np.exp(-since / (0.5 * period)) * on
    wave = emission.wave * np.exp(2j * np.pi * np.cumsum(drift) / capture.rate_hz)
    return heard(rng, capture, wave, 0.05, (18, 40))


def remote_gain_steps(rng: Generator, kind: str) -> Capture:
    """The receiver's gain falls while a packet begins, and comes back in the pauses."""
    capture = long_air(rng, kind)
    emission, _ = repeated(rng, capture)
    add(capture, emission, place(rng, capture, 0.02), rng.uniform(25, 45))
    n, rate_hz = len(capture.samples), capture.rate_hz
    on = (emission.wave != 0).astype(float)
    fall = np.exp(-1 / (rng.uniform(0.5e-3, 5e-3) * rate_hz))
    smooth = np.zeros(n)
    level = 0.0
    for start in range(0, n, 64):
        level = level * fall**64 + (1 - fall**64) * on[start : start + 64].mean()
        smooth[start : start + 64] = level
    capture.samples = capture.samples * 10 ** (-rng.uniform(5, 18) / 20 * smooth)
    return quantised(capture, rng.uniform(0.3, 1.0))


def remote_weak(rng: Generator, kind: str) -> Capture:
    """A sensor some houses away."""
    capture = long_air(rng, kind)
    emission, _ = repeated(rng, capture)
    add(capture, emission, place(rng, capture, 0.05), rng.uniform(5, 15))
    capture.samples += rng.uniform(0, 1) * np.exp(2j * np.pi * rng.random())
    return quantised(capture, rng.uniform(0.05, 0.5))


def remote_short(rng: Generator, kind: str) -> Capture:
    """One packet of few pulses, and long silence."""
    capture = long_air(rng, kind)
    n = len(capture.samples)
    emission, _ = repeated(rng, capture, 1)
    on = np.flatnonzero(emission.wave)
    n_kept = int(rng.uniform(4e-3, 20e-3) * capture.rate_hz)
    emission.wave[on[0] + n_kept :] = 0
    wave = np.roll(emission.wave, int(rng.uniform(0, 0.8) * (n - on[0] - n_kept)))
    return heard(rng, capture, wave, 0.02, (18, 45))


def shift_keyed(rng: Generator, capture: Capture) -> Emission:
    """One to five packets of a meter or a tyre's sensor, a preamble of ones and zeros first."""
    rate_hz, n = capture.rate_hz, len(capture.samples)
    symbol_rate_hz = float(rng.choice([2.4e3, 4.8e3, 9.6e3, 17.241e3, 19.2e3, 20e3, 10e3]))
    deviation_hz = rng.uniform(20e3, 60e3 if rate_hz > 3e5 else 45e3)
    wave = np.zeros(n, np.complex128)
    period = rate_hz / symbol_rate_hz
    length = min(int(rng.integers(80, 300) * period), n // 2)
    pause = int(rng.uniform(5e-3, 60e-3) * rate_hz)
    start = int(rng.uniform(0.02, 0.2) * n)
    bits = np.append(np.arange(32) % 2, rng.integers(0, 2, 400)) * 2.0 - 1
    if rng.random() < 0.3:
        bits = np.repeat(bits, 2) * np.tile([1, -1], len(bits))
    taps = np.hanning(max(3, int(rng.uniform(0.05, 0.5) * period)) + 2)
    for _ in range(int(rng.integers(1, 6))):
        if start + length >= n:
            break
        level = np.convolve(held(bits, period, length), taps / taps.sum(), "same")
        phase = 2 * np.pi * deviation_hz / rate_hz * np.cumsum(level)
        wave[start : start + length] = np.exp(1j * (phase + rng.uniform(0, 6.28)))
        start += length + pause
    return Emission(wave, TWO_TONES, symbol_rate_hz)


def meter(rng: Generator, kind: str) -> Capture:
    """Frequency-shift keying of 20 to 60 kHz, strong or weak."""
    capture = long_air(rng, kind)
    while not (emission := shift_keyed(rng, capture)).wave.any():
        pass
    add(capture, emission, rng.uniform(-0.1, 0.1) * capture.rate_hz, rng.uniform(10, 45))
    return quantised(capture, rng.uniform(0.15, 1.2))


def meter_unbalanced(rng: Generator, kind: str) -> Capture:
    """A resonant antenna or a filter's edge makes one of both tones weaker."""
    capture = long_air(rng, kind)
    while not (emission := shift_keyed(rng, capture)).wave.any():
        pass
    add(capture, emission, rng.uniform(-0.1, 0.1) * capture.rate_hz, rng.uniform(15, 40))
    tilt_db = rng.uniform(-5, 5)
    spectrum = np.fft.fft(capture.samples)
    off_hz = np.fft.fftfreq(len(spectrum), 1 / capture.rate_hz) - capture.truths[0].centre_hz
    gain_db = tilt_db * (off_hz / 50e3).clip(-1, 1)
    capture.samples = np.fft.ifft(spectrum * 10 ** (gain_db / 20))
    return quantised(capture, rng.uniform(0.15, 1.0))


def tones_of_sound(rng: Generator, kind: str) -> Capture:
    """AFSK of 1,200 Bd upon narrow-band FM, in packets; what it is called is either's name."""
    capture = air(rng, kind, (48e3, 240e3), 1.2)
    rate_hz, n = capture.rate_hz, len(capture.samples)
    wave: Complex = np.zeros(n, np.complex128)
    start, length = int(rng.uniform(0.05, 0.2) * n), int(rng.uniform(0.2, 0.6) * n)
    tones = np.where(rng.integers(0, 2, 2000), 1200.0, 2200.0)
    sound = np.sin(2 * np.pi * np.cumsum(held(tones, rate_hz / 1200, length)) / rate_hz)
    phase = 2 * np.pi * rng.uniform(2e3, 4e3) * np.cumsum(sound) / rate_hz
    wave[start : start + length] = np.exp(1j * phase)
    labels = frozenset({"AFSK"})
    add(
        capture,
        Emission(wave, labels, has_free_rate=True),
        place(rng, capture, 0.05),
        rng.uniform(15, 40),
    )
    return received(rng, capture)


KINDS: dict[str, Callable[[Generator, str], Capture]] = {
    "remote": remote,
    "remote clipped": remote_clipped,
    "remote drifting": remote_drifting,
    "remote, gain": remote_gain_steps,
    "remote weak": remote_weak,
    "remote, short": remote_short,
    "meter": meter,
    "meter unbalanced": meter_unbalanced,
    "AFSK on FM": tones_of_sound,
}
"""What there is, by name."""
