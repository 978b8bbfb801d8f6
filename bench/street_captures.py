"""Captures as people with a receiver have them, made with what is true of them: see street.py.

Everything is drawn from one random generator: kinds take turns, their parameters are free. Nothing
here is shared with boltmod's own generator, which its network has learned from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import signal

Complex = NDArray[Any]
Floats = NDArray[np.float64]
Generator = np.random.Generator
T = TypeVar("T")

ON_OFF = frozenset({"OOK"})
PARTIAL = frozenset({"OOK", "4ASK", "8ASK"})
TWO_TONES = frozenset({"2FSK", "GFSK", "2FSK/GFSK"})
MSK_LIKE = TWO_TONES | {"GMSK"}
FOUR_TONES = frozenset({"4FSK"})
CARRIER = frozenset({"carrier", "bare carrier"})
CHIRPS = frozenset({"LoRa chirp"})
VOICE_FM = frozenset({"FM", "NFM", "WFM"})

BPSK = np.array([1, -1], np.complex128)
QPSK = np.exp(0.5j * np.pi * (np.arange(4) + 0.5))
PSK8 = np.exp(0.25j * np.pi * np.arange(8))
QAM16 = np.array([a + 1j * b for a in (-3, -1, 1, 3) for b in (-3, -1, 1, 3)], np.complex128)


@dataclass(frozen=True)
class Truth:
    """What is true of one signal.

    Args:
        labels: What it may be called.
        centre_hz: Its carrier, or the middle between its tones.
        bandwidth_hz: Width that holds 99 % of its power while it is on.
        symbol_rate_hz: Symbols, or shortest pulses, a second; None if it has none.
        span: First sample and end.
        is_wanted: Whether it must be found; a spur need not, but has no name other than carrier.
        has_free_rate: Whether it has a clock that more than one rate fits, so that none is wrong.
    """

    labels: frozenset[str]
    centre_hz: float
    bandwidth_hz: float
    symbol_rate_hz: float | None
    span: tuple[int, int]
    is_wanted: bool = True
    has_free_rate: bool = False


@dataclass
class Capture:
    """Samples and what is true of them.

    Args:
        kind: Name of what was made.
        rate_hz: Samples a second.
        samples: Noise of power 1 and what was added to it.
        truths: What was added.
    """

    kind: str
    rate_hz: float
    samples: Complex
    truths: list[Truth] = field(default_factory=list)


@dataclass(frozen=True)
class Emission:
    """A signal before it is put on the air.

    Args:
        wave: (n_samples of the capture,), around 0 Hz, zero where it is off.
        labels: What it may be called.
        symbol_rate_hz: Its symbol rate, if it has one.
        has_free_rate: As in `Truth`.
    """

    wave: Complex
    labels: frozenset[str]
    symbol_rate_hz: float | None = None
    has_free_rate: bool = False


def add(capture: Capture, emission: Emission, centre_hz: float, snr_db: float) -> None:
    """Put a signal on the air, at an SNR in its own band while it is on."""
    on = np.flatnonzero(emission.wave)
    span = int(on[0]), int(on[-1]) + 1
    bandwidth_hz = occupied_hz(emission.wave[on], capture.rate_hz)
    power = (np.abs(emission.wave[on]) ** 2).mean()
    level = np.sqrt(10 ** (snr_db / 10) * bandwidth_hz / capture.rate_hz / power)
    turn = np.exp(2j * np.pi * centre_hz / capture.rate_hz * np.arange(len(emission.wave)))
    capture.samples += level * emission.wave * turn
    truth = Truth(emission.labels, centre_hz, bandwidth_hz, emission.symbol_rate_hz, span)
    capture.truths.append(replace(truth, has_free_rate=emission.has_free_rate))


def occupied_hz(wave: Complex, rate_hz: float) -> float:
    """Width that holds 99 % of a signal's power."""
    n = min(len(wave), 8192)
    frequency, power = signal.welch(wave, rate_hz, nperseg=n, return_onesided=False, detrend=False)
    order = np.argsort(frequency)
    summed = np.cumsum(power[order]) / power.sum()
    low, high = np.searchsorted(summed, [0.005, 0.995])
    return float(frequency[order][min(high, n - 1)] - frequency[order][low] + rate_hz / n)


def air(rng: Generator, kind: str, rates_hz: Sequence[float], seconds: float = 0.0) -> Capture:
    """A capture of nothing but noise."""
    rate_hz = float(rng.choice(rates_hz))
    n = int(seconds * rate_hz) if seconds else int(rng.choice([65536, 131072, 196608]))
    return Capture(kind, rate_hz, (rng.standard_normal((n, 2)) @ [1, 1j]) / np.sqrt(2))


def _pick(rng: Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def spur(
    capture: Capture, centre_hz: float, level_db: float, wander: NDArray[np.float64] | float = 0.0
) -> None:
    """Put a steady line into it, that many dB above the whole band's noise.

    The line is as wide as its phase wanders, which is given in turns.
    """
    n = len(capture.samples)
    turn = np.exp(2j * np.pi * (centre_hz / capture.rate_hz * np.arange(n) + wander))
    capture.samples += 10 ** (level_db / 20) * turn
    truth = Truth(CARRIER, centre_hz, capture.rate_hz / 512, None, (0, n), is_wanted=False)
    capture.truths.append(truth)


def held(values: Floats | Complex, period: float, n: int) -> Any:
    """Rectangular pulses of any period."""
    return values[np.minimum((np.arange(n) / period).astype(np.int64), len(values) - 1)]


def shaped(symbols: Complex, period: float, rolloff: float, n: int) -> Complex:
    """Symbols under root raised cosines, of any period."""
    times = np.arange(-8, 8, 1 / 16) + 1e-9
    a = np.sin(np.pi * times * (1 - rolloff))
    b = 4 * rolloff * times * np.cos(np.pi * times * (1 + rolloff))
    pulse = (a + b) / (np.pi * times * (1 - (4 * rolloff * times) ** 2 + 1e-12))
    fine = signal.upfirdn(pulse, symbols, 16)[128:]
    at = np.arange(n) * 16 / period
    grid = np.arange(len(fine))
    return np.asarray(np.interp(at, grid, fine.real) + 1j * np.interp(at, grid, fine.imag))


def linear(
    rng: Generator, points: Complex, period: float, n: int, rolloff: float | None = None
) -> Complex:
    """Random symbols of a constellation; rectangular pulses without a rolloff."""
    symbols = rng.choice(points, int(n / period) + 24)
    if rolloff is None:
        return np.asarray(held(symbols, period, n))
    return shaped(symbols, period, rolloff, n)


def packets(rng: Generator, n: int, length: int, make: Callable[[int], Complex]) -> Complex:
    """Some bursts with pauses between, each as long as the other."""
    wave = np.zeros(n, np.complex128)
    pause = int(length * rng.uniform(0.4, 2.0))
    start = int(rng.uniform(0.03, 0.2) * n)
    while start + length < n:
        wave[start : start + length] = make(length)
        start += length + pause
    return wave


def keyed(rng: Generator, period: float, n_symbols: int) -> Floats:
    """Lengths of pulses and gaps, in shortest pulses, as remotes and sensors send them."""
    bits = rng.integers(0, 2, n_symbols)
    how = rng.choice(["pwm", "ppm", "manchester", "nrz"])
    if how == "pwm":
        pairs = [(1, 3) if bit else (3, 1) for bit in bits]
    elif how == "ppm":
        pairs = [(1, 2) if bit else (1, 4) for bit in bits]
    elif how == "manchester":
        halves = [half for bit in bits for half in ((0, 1) if bit else (1, 0))]
        return np.array([1, 0, 1, 0, 1, 0, *halves, 1], np.float64)
    else:
        return np.array([1, 0, 1, 0, 1, 0, *bits, 1], np.float64)
    return np.array([x for on, off in pairs for x in [1] * on + [0] * off] + [1], np.float64)


def on_off(rng: Generator, capture: Capture) -> tuple[Emission, float]:
    """On-off keyed packets, and their shortest pulse in samples."""
    period = float(rng.uniform(40, 150)) * capture.rate_hz / 250e3
    n = len(capture.samples)
    times = keyed(rng, period, int(rng.integers(12, 60)))
    length = min(int(len(times) * period), int(0.6 * n))
    edge = signal.windows.hann(max(3, int(period / 8)))

    def packet(length: int) -> Complex:
        on = held(times, period, length)
        smooth = np.convolve(on, edge / edge.sum(), "same")
        return np.asarray(np.maximum(smooth, 1e-9) * np.exp(2j * np.pi * rng.random()))

    return Emission(packets(rng, n, length, packet), ON_OFF, capture.rate_hz / period), period


def place(rng: Generator, capture: Capture, width: float = 0.1) -> float:
    """Somewhere in the middle of the band, but not on 0 Hz."""
    away = rng.uniform(width, 0.36) * rng.choice([-1, 1])
    return float(away * capture.rate_hz)


ISM = (250e3, 1e6, 1.024e6)


def ook(rng: Generator, kind: str) -> Capture:
    capture = air(rng, kind, ISM)
    add(capture, on_off(rng, capture)[0], place(rng, capture), rng.uniform(15, 45))
    return received(rng, capture)


def ook_beside_spurs(rng: Generator, kind: str) -> Capture:
    """A burst upon, or beside, steady lines far weaker than it."""
    capture = air(rng, kind, ISM)
    centre_hz = place(rng, capture)
    add(capture, on_off(rng, capture)[0], centre_hz, rng.uniform(25, 45))
    truth = capture.truths[0]
    beside_hz = centre_hz + rng.uniform(-0.6, 0.6) * truth.bandwidth_hz
    steps = rng.standard_normal(len(capture.samples)) * rng.uniform(0, 0.04)
    spur(capture, beside_hz, rng.uniform(-20, -5), np.cumsum(steps))
    spur(capture, 0.0, rng.uniform(-20, 5))
    return received(rng, capture)


def ook_overloaded(rng: Generator, kind: str) -> Capture:
    """A transmitter beside the receiver: clipped, with an image on the other side."""
    capture = air(rng, kind, (250e3,))
    add(capture, on_off(rng, capture)[0], place(rng, capture), rng.uniform(45, 60))
    return received(rng, capture, overload=rng.uniform(1.2, 4.0), image_db=rng.uniform(-35, -15))


def ook_pulling(rng: Generator, kind: str) -> Capture:
    """A cheap transmitter whose carrier pulls by kilohertz each time it is switched on."""
    capture = air(rng, kind, (250e3,))
    emission, period = on_off(rng, capture)
    on = np.abs(emission.wave) > 1e-6
    since = np.arange(len(on)) - np.maximum.accumulate(np.where(on, 0, np.arange(len(on))))
    pull = rng.uniform(3e3, 15e3) * np.exp(-since / (rng.uniform(0.3, 2) * period)) * on
    pull -= (pull * on).sum() / on.sum()
    turned = emission.wave * np.exp(2j * np.pi * np.cumsum(pull) / capture.rate_hz)
    add(capture, Emission(turned, ON_OFF, emission.symbol_rate_hz), place(rng, capture), 30.0)
    return received(rng, capture)


def fsk(rng: Generator, capture: Capture, index: float, n_tones: int, bt: float | None) -> Emission:
    """Frequency-shift keyed packets; an index is the tones' distance in symbol rates."""
    widest = 0.35 * capture.rate_hz / (n_tones * (index + 1))
    symbol_rate_hz = float(min(rng.uniform(0.3, 1) * widest, capture.rate_hz / 12))
    period = capture.rate_hz / symbol_rate_hz
    n = len(capture.samples)
    length = int(min(rng.integers(100, 500) * period, rng.uniform(0.2, 0.8) * n))
    steps = np.arange(n_tones) - (n_tones - 1) / 2

    def packet(length: int) -> Complex:
        level = held(rng.choice(steps, int(length / period) + 2), period, length)
        if bt is not None:
            taps = signal.windows.gaussian(2 * int(period) + 1, 0.1325 * period / bt)
            level = np.convolve(level, taps / taps.sum(), "same")
        phase = 2 * np.pi * index / period * np.cumsum(level)
        return np.asarray(np.exp(1j * (phase + 2 * np.pi * rng.random())))

    labels = FOUR_TONES if n_tones == 4 else MSK_LIKE if index <= 0.55 else TWO_TONES
    return Emission(packets(rng, n, length, packet), labels, symbol_rate_hz)


def fsk_narrow(rng: Generator, kind: str) -> Capture:
    capture = air(rng, kind, ISM)
    emission = fsk(rng, capture, rng.uniform(0.5, 3), 2, _pick(rng, [None, 0.5, 1.0]))
    add(capture, emission, place(rng, capture), rng.uniform(15, 40))
    return received(rng, capture)


def fsk_wide(rng: Generator, kind: str) -> Capture:
    """Tones many symbol rates apart."""
    capture = air(rng, kind, ISM)
    emission = fsk(rng, capture, rng.uniform(5, 22), 2, None)
    add(capture, emission, place(rng, capture, 0.15) * 0.6, rng.uniform(15, 40))
    return received(rng, capture)


def fsk_four(rng: Generator, kind: str) -> Capture:
    capture = air(rng, kind, (48e3, 250e3))
    emission = fsk(rng, capture, rng.uniform(0.7, 2), 4, _pick(rng, [None, 0.8]))
    add(capture, emission, place(rng, capture), rng.uniform(18, 40))
    return received(rng, capture)


def psk_labels(points: Complex) -> frozenset[str]:
    names = {2: "BPSK", 4: "QPSK", 8: "8PSK", 16: "16QAM"}
    return frozenset({names[len(points)]})


def psk(rng: Generator, kind: str) -> Capture:
    """Shaped symbols without a pause."""
    capture = air(rng, kind, (48e3, 250e3, 1e6))
    points = (BPSK, QPSK, PSK8, QAM16)[rng.integers(4)]
    period = float(rng.uniform(6, 40))
    wave = linear(rng, points, period, len(capture.samples), rng.uniform(0.2, 0.5))
    emission = Emission(wave, psk_labels(points), capture.rate_hz / period)
    add(capture, emission, place(rng, capture), rng.uniform(8, 30))
    return received(rng, capture)


def psk_packets(rng: Generator, kind: str) -> Capture:
    """Rectangular or shaped phase-shift keying, in packets with pauses."""
    capture = air(rng, kind, (250e3, 1e6))
    points = (BPSK, QPSK)[rng.integers(2)]
    rolloff = _pick(rng, [None, 0.35])
    period = float(rng.uniform(20, 110) if rolloff is None else rng.uniform(8, 40))
    n = len(capture.samples)
    length = int(min(rng.integers(80, 300) * period, 0.4 * n))
    wave = packets(rng, n, length, lambda k: linear(rng, points, period, k, rolloff))
    emission = Emission(wave, psk_labels(points), capture.rate_hz / period)
    add(capture, emission, place(rng, capture), rng.uniform(15, 35))
    return received(rng, capture)


def oqpsk(rng: Generator, kind: str) -> Capture:
    capture = air(rng, kind, (48e3, 250e3))
    period, n = float(rng.uniform(8, 40)), len(capture.samples)
    rolloff = rng.uniform(0.3, 1.0)
    one, other = (linear(rng, BPSK, period, n + int(period), rolloff) for _ in range(2))
    late = np.interp(np.arange(n) + period / 2, np.arange(len(other)), other.real)
    emission = Emission(one[:n] + 1j * late, frozenset({"OQPSK"}), capture.rate_hz / period)
    add(capture, emission, place(rng, capture), rng.uniform(10, 30))
    return received(rng, capture)


def psk_under_spike(rng: Generator, kind: str) -> Capture:
    """A zero-IF receiver's spike in, or at the edge of, the signal's band."""
    capture = air(rng, kind, (250e3,))
    period = float(rng.uniform(8, 20))
    points = (BPSK, QPSK)[rng.integers(2)]
    wave = linear(rng, points, period, len(capture.samples), 0.35)
    emission = Emission(wave, psk_labels(points), capture.rate_hz / period)
    centre_hz = _pick(
        rng, (rng.uniform(-20, 20), rng.uniform(-0.4, 0.4) * capture.rate_hz / period)
    )
    add(capture, emission, centre_hz, 22.0)
    power = 10**2.2 * capture.truths[0].bandwidth_hz / capture.rate_hz
    spur(capture, 0.0, 10 * np.log10(power) + rng.uniform(-10, 10))
    return received(rng, capture)


def voice(rng: Generator, n: int, rate_hz: float, highest_hz: float = 4e3) -> Floats:
    """Syllables of coloured noise and pitch, 100 Hz up, of peak 1."""
    band = signal.butter(4, [100, highest_hz], "band", fs=rate_hz, output="sos")
    slow = signal.butter(2, 4.0, fs=rate_hz, output="sos")
    pitch = 110 + 90 * np.cumsum(rng.standard_normal(n)) / np.sqrt(rate_hz)
    buzz = signal.sawtooth(2 * np.pi * np.cumsum(pitch) / rate_hz)
    tilt = signal.butter(1, 600, fs=rate_hz, output="sos")
    sound = signal.sosfilt(band, signal.sosfilt(tilt, buzz + 0.7 * rng.standard_normal(n)))
    loud = np.abs(signal.sosfilt(slow, rng.standard_normal(n)))
    sound = sound * (0.15 + loud / loud.mean())
    return np.asarray(sound / np.quantile(np.abs(sound), 0.999)).clip(-1, 1)


def am_voice(rng: Generator, kind: str) -> Capture:
    capture = air(rng, kind, (48e3, 240e3), 1.6)
    n = len(capture.samples)
    wave = 1 + rng.uniform(0.3, 0.9) * voice(rng, n, capture.rate_hz) + 0j
    centre_hz = float(rng.uniform(3e3, 10e3) * rng.choice([-1, 1]))
    add(capture, Emission(wave, frozenset({"AM-DSB-WC"})), centre_hz, rng.uniform(25, 40) + 16)
    truth = capture.truths[0]
    # 99 % of its power is the carrier: what must be found is the width of the voice.
    capture.truths[0] = Truth(truth.labels, centre_hz, 8e3, None, truth.span)
    return received(rng, capture)


def ask_partial(rng: Generator, kind: str) -> Capture:
    """Two amplitudes, neither of them nothing; in packets or without a pause."""
    capture = air(rng, kind, (250e3, 1e6))
    n, period = len(capture.samples), float(rng.uniform(25, 120))
    low = rng.uniform(0.3, 0.7)

    def part(length: int) -> Complex:
        return np.asarray(held(rng.choice([low, 1.0], int(length / period) + 2), period, length))

    wave = part(n) if rng.random() < 0.5 else packets(rng, n, n // 6, part)
    emission = Emission(wave + 0j, PARTIAL, capture.rate_hz / period)
    add(capture, emission, place(rng, capture), rng.uniform(20, 40))
    return received(rng, capture)


def sidebands(rng: Generator, kind: str) -> Capture:
    """A voice without a carrier, in one sideband or both."""
    capture = air(rng, kind, (48e3,), 1.6)
    sound = voice(rng, len(capture.samples), capture.rate_hz, 3e3)
    is_single = rng.random() < 0.5
    wave = signal.hilbert(sound) if is_single else sound + 0j
    labels = frozenset({"AM-SSB-SC"} if is_single else {"AM-DSB-SC"})
    add(capture, Emission(wave, labels), place(rng, capture), rng.uniform(20, 40))
    if is_single:
        truth = capture.truths[0]
        frequency, power = signal.welch(wave, 48e3, nperseg=4096, return_onesided=False)
        order = np.argsort(frequency)
        summed = np.cumsum(power[order]) / power.sum()
        edges = frequency[order][np.searchsorted(summed, [0.005, 0.995])]
        middle_hz = truth.centre_hz + float(edges.mean())
        capture.truths[0] = Truth(labels, middle_hz, truth.bandwidth_hz, None, truth.span)
    return received(rng, capture)


def fm_voice(rng: Generator, kind: str) -> Capture:
    """Narrow band or broadcast, pre-emphasised."""
    is_broadcast = rng.random() < 0.4
    capture = air(rng, kind, (240e3,) if is_broadcast else (48e3, 240e3), 0.8)
    rate_hz = capture.rate_hz
    sound = voice(rng, len(capture.samples), rate_hz, 15e3 if is_broadcast else 3e3)
    sound = np.diff(sound, prepend=0) * rate_hz * 75e-6 + sound
    sound = (sound / np.quantile(np.abs(sound), 0.995)).clip(-1, 1)
    deviation_hz = 75e3 if is_broadcast else rng.uniform(2.5e3, 5e3)
    wave = np.exp(2j * np.pi * deviation_hz / rate_hz * np.cumsum(sound))
    centre_hz = rng.uniform(-2e3, 2e3) if is_broadcast else place(rng, capture)
    add(capture, Emission(wave, VOICE_FM), centre_hz, rng.uniform(20, 40))
    return received(rng, capture)


def ofdm(rng: Generator, kind: str) -> Capture:
    capture = air(rng, kind, (1e6, 2e6))
    n, size, prefix = len(capture.samples), 256, 64
    used = int(rng.uniform(0.15, 0.4) * size) // 2
    n_symbols = n // (size + prefix) + 1
    grid = np.zeros((n_symbols, size), np.complex128)
    both = [*range(1, used + 1), *range(-used, 0)]
    grid[:, both] = rng.choice(QPSK, (n_symbols, len(both)))
    time = np.fft.ifft(grid, axis=1)
    wave = np.hstack([time[:, -prefix:], time]).ravel()[:n]
    emission = Emission(wave, frozenset({"OFDM"}), None)
    add(capture, emission, place(rng, capture, 0.0) * 0.5, rng.uniform(12, 30))
    return received(rng, capture)


def chirps(rng: Generator, kind: str) -> Capture:
    """Chirp spread spectrum as LoRa sends it: a preamble of up-chirps, then shifted ones."""
    capture = air(rng, kind, (500e3, 1e6))
    n, factor = len(capture.samples), int(rng.choice([7, 8, 9]))
    wide = 125e3 / capture.rate_hz
    period = 2**factor / wide
    length = int(min(rng.integers(20, 50) * period, 0.8 * n))

    def packet(length: int) -> Complex:
        number = (np.arange(length) / period).astype(np.int64)
        shift = np.where(number < 8, 0, rng.integers(0, 2**factor, number[-1] + 1)[number])
        at = (np.arange(length) / period + shift / 2**factor) % 1
        return np.asarray(np.exp(2j * np.pi * np.cumsum((at - 0.5) * wide)))

    wave = packets(rng, n, length, packet)
    add(capture, Emission(wave, CHIRPS), place(rng, capture), rng.uniform(10, 30))
    return received(rng, capture)


def noise_only(rng: Generator, kind: str) -> Capture:
    """Noise as a receiver's filters shape it, now and then at another gain."""
    capture = air(rng, kind, (250e3, 1e6, 2.4e6))
    taps = signal.firwin(65, rng.uniform(0.6, 0.95))
    capture.samples = np.convolve(capture.samples, taps, "same")
    if rng.random() < 0.5:
        edges = np.sort(rng.integers(0, len(capture.samples), 3))
        for start in edges:
            capture.samples[start:] *= 10 ** (rng.uniform(-8, 8) / 20)
    return received(rng, capture)


def spurs_only(rng: Generator, kind: str) -> Capture:
    capture = air(rng, kind, (250e3, 2.4e6))
    for _ in range(rng.integers(1, 4)):
        spur(capture, place(rng, capture, 0.01), rng.uniform(-25, 20))
    spur(capture, 0.0, rng.uniform(-20, 20))
    return received(rng, capture)


def with_impulses(rng: Generator, kind: str) -> Capture:
    """Ignition noise 50 dB up, upon a signal that is there all the time."""
    capture = psk(rng, kind)
    n = len(capture.samples)
    for start in rng.integers(0, n - 20, rng.integers(3, 30)):
        length = int(rng.integers(1, 12))
        burst = rng.standard_normal((length, 2)) @ [1, 1j]
        capture.samples[start : start + length] += 10 ** (rng.uniform(20, 50) / 20) * burst
    return capture


def with_loud_start(rng: Generator, kind: str) -> Capture:
    """The gain settles after some milliseconds, 50 dB too loud at first."""
    capture = ook(rng, kind)
    length = int(rng.uniform(0.002, 0.02) * len(capture.samples))
    first = capture.samples[:length]
    capture.samples[:length] = (first.real * 100).clip(-30, 30) + 1j * (first.imag * 100).clip(
        -30, 30
    )
    return capture


def with_constant(rng: Generator, kind: str) -> Capture:
    """A file that begins with zero bytes, or has a gap that a recorder filled."""
    capture = _pick(rng, (ook, fsk_narrow))(rng, kind)
    n = len(capture.samples)
    length = int(rng.uniform(0.02, 0.25) * n)
    most = np.abs(capture.samples.real).max()
    capture.samples[:length] = rng.choice([-most - 1j * most, 0.0])
    capture.truths = [t for t in capture.truths if t.span[0] >= length]
    if not capture.truths:
        return with_constant(rng, kind)
    return capture


def squelched(rng: Generator, kind: str) -> Capture:
    """A voice channel with zeros wherever nobody speaks."""
    capture = air(rng, kind, (48e3,), 1.6)
    n = len(capture.samples)
    sound = voice(rng, n, capture.rate_hz, 3e3)
    wave = np.exp(2j * np.pi * 3e3 / capture.rate_hz * np.cumsum(sound))
    start, end = int(rng.uniform(0.1, 0.3) * n), int(rng.uniform(0.6, 0.9) * n)
    wave[:start] = wave[end:] = 0
    add(capture, Emission(wave, VOICE_FM), rng.uniform(-500, 500), rng.uniform(20, 35))
    capture.samples[: start - 500] = capture.samples[end + 500 :] = 0
    return capture


def mostly_on(rng: Generator, kind: str) -> Capture:
    """Weak, and on for four fifths of the time."""
    capture = air(rng, kind, (250e3,))
    period, n = float(rng.uniform(8, 25)), len(capture.samples)
    wave = linear(rng, BPSK, period, n, 0.35)
    start = int(rng.uniform(0, 0.2) * n)
    wave[:start] = wave[start + int(0.8 * n) :] = 0
    emission = Emission(wave, psk_labels(BPSK), capture.rate_hz / period)
    add(capture, emission, place(rng, capture), rng.uniform(4, 8))
    return received(rng, capture)


def two_signals(rng: Generator, kind: str) -> Capture:
    """A steady one, and packets beside it."""
    capture = air(rng, kind, (250e3, 1e6))
    n, period = len(capture.samples), float(rng.uniform(10, 30))
    wave = linear(rng, QPSK, period, n, 0.35)
    side = rng.choice([-1, 1]) * capture.rate_hz
    emission = Emission(wave, psk_labels(QPSK), capture.rate_hz / period)
    add(capture, emission, -side * rng.uniform(0.15, 0.3), rng.uniform(10, 25))
    add(capture, on_off(rng, capture)[0], side * rng.uniform(0.15, 0.3), rng.uniform(20, 35))
    return received(rng, capture)


def received(
    rng: Generator, capture: Capture, overload: float = 0.0, image_db: float = -60.0
) -> Capture:
    """What an 8-bit receiver makes of it: an image, a limit, steps."""
    wave = capture.samples + 10 ** (image_db / 20) * capture.samples.conj()
    peak = np.quantile(np.maximum(np.abs(wave.real), np.abs(wave.imag)), 0.9999)
    full = peak / overload if overload else peak * rng.uniform(1.05, 3)
    full = min(full, 40.0) if not overload else full
    step = full / 127
    planes = [np.clip(np.round(part / step), -128, 127) * step for part in (wave.real, wave.imag)]
    capture.samples = planes[0] + 1j * planes[1]
    return capture


KINDS: dict[str, Callable[[Generator, str], Capture]] = {
    "OOK packets": ook,
    "OOK upon spurs": ook_beside_spurs,
    "OOK overloaded": ook_overloaded,
    "OOK pulling": ook_pulling,
    "2FSK narrow": fsk_narrow,
    "2FSK wide": fsk_wide,
    "4FSK": fsk_four,
    "PSK, QAM shaped": psk,
    "PSK packets": psk_packets,
    "OQPSK": oqpsk,
    "PSK under DC": psk_under_spike,
    "AM voice": am_voice,
    "ASK partial": ask_partial,
    "SSB, DSB voice": sidebands,
    "FM voice": fm_voice,
    "OFDM": ofdm,
    "chirps": chirps,
    "noise only": noise_only,
    "spurs only": spurs_only,
    "impulses": with_impulses,
    "loud start": with_loud_start,
    "constant start": with_constant,
    "squelched FM": squelched,
    "weak, mostly on": mostly_on,
    "two signals": two_signals,
}
"""What there is, by name."""


Makers = Mapping[str, Callable[[Generator, str], Capture]]
"""What makes each kind of capture, by its name."""


def captures(makers: Makers, n: int, seed: int) -> Iterator[Capture]:
    """Captures of each kind in turn; the same seed gives the same ones."""
    names = list(makers)
    for number in range(n):
        name = names[number % len(names)]
        rng = np.random.default_rng([seed, number])
        yield makers[name](rng, name)
