"""Tones that take turns, unequal or weak, and what seems to have two and has none."""

import numpy as np
import pytest

from boltmod.runtime.cut.channel import shift
from boltmod.runtime.cut.listener import find_signals
from boltmod.runtime.cut.signal import Evidence, Signal
from boltmod.runtime.waveform import Waveform
from hand_made_signals import Held, N, noise, shifted


def two_tones(rng, period, deviation, unequal_db=0.0):
    """Packets of two tones, the upper one stronger by that."""
    bits = np.repeat(rng.choice([-1, 1], N // period + 1), period)[:N]
    wave = np.exp(2j * np.pi * np.cumsum(deviation * bits)) * 10 ** (unequal_db * bits / 40)
    wave[:20_000] = wave[90_000:120_000] = wave[-20_000:] = 0
    return wave


def snr_noise(rng, snr_db, width):
    return noise(rng, N, 10 ** (-snr_db / 20) / np.sqrt(width))


@pytest.mark.parametrize("unequal_db", [-15, -8, 12])
def test_tones_of_different_strength_are_one_signal(unequal_db):
    rng = np.random.default_rng(1)
    wave = two_tones(rng, 50, 0.08, unequal_db)
    (each,) = find_signals(Held(shifted(wave, -0.1) + snr_noise(rng, 30, 0.2)))
    assert each.evidence.keying == "frequency"
    assert each.symbol_rate_is_sure
    assert each.symbol_rate_hz == pytest.approx(1 / 50, rel=0.005)
    assert each.carrier_hz == pytest.approx(-0.1, abs=0.01)
    assert each.evidence.frequency_deviation_hz == pytest.approx(0.08, rel=0.15)


def test_weak_tones_far_apart_have_a_clock():
    rng = np.random.default_rng(2)
    wave = two_tones(rng, 200, 0.05)
    (each,) = find_signals(Held(shifted(wave, 0.1) + snr_noise(rng, 8, 0.11)))
    assert each.symbol_rate_is_sure
    assert each.symbol_rate_hz == pytest.approx(1 / 200, rel=0.005)
    assert each.carrier_hz == pytest.approx(0.1, abs=0.005)


def test_a_carrier_that_pulls_while_it_is_on_has_no_two_tones():
    rng = np.random.default_rng(3)
    times = rng.choice([140, 420], 300)
    on = np.repeat(np.arange(300) % 2, times)[:60_000].astype(bool)
    since = np.arange(len(on)) - np.maximum.accumulate(np.where(on, 0, np.arange(len(on))))
    turns = np.cumsum(0.03 * (since < 70) * on)
    wave = on * np.exp(2j * np.pi * turns) + noise(rng, len(on), 0.03)
    assert shift.measure(wave.astype(np.complex64)) is None


def test_a_keyed_carrier_in_noise_has_no_two_tones():
    rng = np.random.default_rng(4)
    bits = np.repeat(rng.integers(0, 2, 400), 100)
    wave = bits * np.exp(0.2j * np.arange(len(bits))) + noise(rng, len(bits), 0.2)
    assert shift.measure(wave.astype(np.complex64)) is None


def test_a_weather_picture_has_a_subcarrier_and_no_two_tones():
    rng = np.random.default_rng(5)
    rate_hz = 96_000.0
    time = np.arange(N) / rate_hz
    level = np.convolve(rng.uniform(0, 1, N // 23 + 9), np.ones(9) / 9, "valid")
    level = (level - level.min()) / np.ptp(level)
    picture = np.interp(time * 4160, np.arange(len(level)), level)
    swing = (0.05 + 0.85 * picture) * np.sin(2 * np.pi * 2400 * time)
    wave = np.exp(2j * np.pi * np.cumsum(swing) * 17_000 / rate_hz) + noise(rng, N, 0.02)
    (each,) = find_signals(Held(wave, rate_hz=rate_hz))
    assert each.evidence.message == "a subcarrier"
    assert each.carrier_hz == pytest.approx(0, abs=500)


def test_manchester_coded_tones_are_no_subcarrier():
    rng = np.random.default_rng(8)
    halves = np.repeat(rng.choice([-1, 1], 2000), 2) * np.tile([1, -1], 2000)
    wave = np.exp(2j * np.pi * np.cumsum(0.1 * np.repeat(halves, 26)))[:80_000]
    wave = np.concatenate([np.zeros(40_000), wave, np.zeros(40_000)])
    (each,) = find_signals(Held(wave + noise(rng, len(wave), 0.03), rate_hz=250e3))
    assert each.evidence.message == ""
    assert each.evidence.keying == "frequency"
    assert each.symbol_rate_hz == pytest.approx(250e3 / 26, rel=0.01)


def clocked(deviation_hz):
    evidence = Evidence(
        keying="frequency", n_tones=2, frequency_deviation_hz=deviation_hz, is_clocked=True
    )
    return Signal(1, 0.0, 2e4, 0.0, 0, 1e4, True, 30.0, (), evidence)


def test_tones_by_a_clock_are_no_sound():
    assert Waveform().told("AFSK", clocked(3500.0)) == "2FSK"
    assert Waveform().told("unknown", clocked(2500.0)) == "2FSK"
    assert Waveform().told("GMSK", clocked(2500.0)) is None
    assert Waveform().told("AFSK", clocked(5000.0)) == "2FSK"


def gaussian_shift(rng, period, index):
    """Frequency-shift keying under a Gaussian pulse, BT 0.4."""
    bits = np.repeat(rng.choice([-1.0, 1.0], N // period + 1), period)[:N]
    times = np.arange(-4 * period, 4 * period + 1)
    pulse = np.exp(-0.5 * (times / (0.33 * period)) ** 2)
    smooth = np.convolve(bits, pulse / pulse.sum(), "same")
    return np.exp(1j * np.pi * index * np.cumsum(smooth) / period)


def test_noise_does_not_halve_the_rate_of_minimum_shift_keying():
    rng = np.random.default_rng(6)
    wave = gaussian_shift(rng, 26, 0.5)
    wave[:40_000] = wave[120_000:] = 0
    (each,) = find_signals(Held(shifted(wave, 0.12) + snr_noise(rng, 11, 0.036)))
    assert each.symbol_rate_hz == pytest.approx(1 / 26, rel=0.005)
    assert each.carrier_hz == pytest.approx(0.12, abs=0.002)


def test_the_carrier_of_sound_on_fm_is_its_mean_frequency():
    rng = np.random.default_rng(7)
    rate_hz = 48_000.0
    tones = np.repeat(rng.choice([1200.0, 2200.0], N // 40 + 1), 40)[:N]
    sound = np.sin(2 * np.pi * np.cumsum(tones) / rate_hz)
    wave = np.exp(2j * np.pi * np.cumsum(5000 + 2800 * sound) / rate_hz) + noise(rng, N, 0.02)
    wave[:80_000] = noise(rng, 80_000, 0.02)
    (each,) = find_signals(Held(wave, rate_hz=rate_hz))
    assert each.carrier_hz == pytest.approx(5000, abs=300)
