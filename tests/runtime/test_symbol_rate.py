"""The symbols' clock, and not that of packets, of a pitch, or of a multiple."""

import numpy as np
import pytest

from boltmod.runtime.cut.channel import keying
from boltmod.runtime.cut.channel.symbol_rate import estimate
from boltmod.runtime.cut.listener import find_signals
from hand_made_signals import BPSK, QPSK, Held, N, linear, noise, shifted


def heard(wave):
    return find_signals(Held(wave))


def packets(make, length=20_000, pause=16_000, start=12_000):
    wave = np.zeros(N, np.complex128)
    for first in range(start, N - length, length + pause):
        wave[first : first + length] = make(length)
    return wave


def rectangular(rng, points, period):
    return lambda n: np.repeat(rng.choice(points, n // period + 1), period)[:n]


def two_tones(rng, deviation, period):
    def make(n):
        tones = np.repeat(rng.choice([-deviation, deviation], n // period + 1), period)[:n]
        return np.exp(2j * np.pi * np.cumsum(tones))

    return make


@pytest.mark.parametrize("points", [BPSK, QPSK], ids=["BPSK", "QPSK"])
@pytest.mark.parametrize("period", [40, 100])
def test_rectangular_symbols_in_packets(points, period):
    rng = np.random.default_rng(1)
    wave = packets(rectangular(rng, points, period))
    (each,) = heard(shifted(wave, 0.02) + noise(rng, N, 0.1))
    assert each.symbol_rate_is_sure
    assert each.symbol_rate_hz == pytest.approx(1 / period, rel=0.005)


@pytest.mark.parametrize(("deviation", "period"), [(0.02, 100), (0.004, 100), (0.03, 40)])
def test_two_tones_in_packets(deviation, period):
    rng = np.random.default_rng(2)
    wave = packets(two_tones(rng, deviation, period))
    (each,) = heard(shifted(wave, 0.05) + noise(rng, N, 0.1))
    assert each.symbol_rate_is_sure
    assert each.symbol_rate_hz == pytest.approx(1 / period, rel=0.005)
    assert each.evidence.frequency_deviation_hz == pytest.approx(deviation, rel=0.1)
    assert each.carrier_hz == pytest.approx(0.05, abs=0.05 * each.bandwidth_hz)


def test_four_tones():
    rng = np.random.default_rng(3)
    tones = np.repeat(rng.choice([-0.03, -0.01, 0.01, 0.03], N // 50), 50)
    wave = np.exp(2j * np.pi * np.cumsum(0.05 + tones)) + noise(rng, N, 0.1)
    (each,) = heard(wave)
    assert each.evidence.n_tones == 4
    assert each.symbol_rate_hz == pytest.approx(1 / 50, rel=0.005)
    assert each.carrier_hz == pytest.approx(0.05, abs=0.002)
    assert each.evidence.frequency_deviation_hz == pytest.approx(0.03, rel=0.05)


def test_shaped_symbols_in_packets():
    rng = np.random.default_rng(4)
    wave = packets(lambda n: linear(rng, n, 0.05, BPSK))
    (each,) = heard(shifted(wave, 0.1) + noise(rng, N, 0.1))
    assert each.symbol_rate_is_sure
    assert each.symbol_rate_hz == pytest.approx(0.05, rel=0.002)


@pytest.mark.parametrize("rolloff", [0.5, 1.0])
def test_offset_symbols_by_two_lines_of_the_square(rolloff):
    rng = np.random.default_rng(5)
    rate = 0.05
    one = linear(rng, N, rate, BPSK, rolloff).real
    late = np.roll(linear(rng, N, rate, BPSK, rolloff).real, 10)
    (each,) = heard(shifted(one + 1j * late, 0.1) + noise(rng, N, 0.2))
    assert each.symbol_rate_is_sure
    assert each.symbol_rate_hz == pytest.approx(rate, rel=0.002)
    assert each.evidence.clock == "two lines of x²"


def test_pulses_on_for_a_tenth_of_the_time():
    rng = np.random.default_rng(6)
    wave, place = np.zeros(N), 20_000
    while place < N - 2000:
        wave[place : place + 100] = 1
        place += int(rng.choice([800, 1200]))
    (each,) = heard(shifted(wave, 0.1) + noise(rng, N, 0.1))
    assert each.symbol_rate_hz == pytest.approx(0.01, rel=0.01)
    assert each.evidence.keying == "on-off"
    assert each.evidence.on_share < 0.2


def test_a_carrier_that_pulls_while_it_is_on_is_on_and_off():
    rng = np.random.default_rng(7)
    bits = np.repeat(rng.integers(0, 2, N // 125), 125)
    since = np.arange(N) % 125
    pull = 0.04 * np.exp(-since / 60) * bits
    wave = bits * np.exp(2j * np.pi * np.cumsum(0.1 + pull)) + noise(rng, N, 0.05)
    (each,) = heard(wave)
    assert each.evidence.keying == "on-off"
    assert each.symbol_rate_hz == pytest.approx(1 / 125, rel=0.005)


def test_a_voice_has_no_sure_clock():
    rng = np.random.default_rng(8)
    pitch = 0.002 * (1 + 0.2 * np.sin(np.arange(N) / 9000))
    buzz = np.sin(2 * np.pi * np.cumsum(pitch)) + 0.5 * np.sin(6 * np.pi * np.cumsum(pitch))
    wave = np.exp(2j * np.pi * np.cumsum(0.03 * buzz)) + noise(rng, N, 0.1)
    for each in heard(wave):
        assert not each.symbol_rate_is_sure


@pytest.mark.parametrize("seed", range(8))
def test_noise_has_no_sure_clock(seed):
    line = estimate(noise(np.random.default_rng(seed), 60_000, 1.0).astype(np.complex64), 0.25)
    assert line is None or not line.is_sure


def test_what_dips_from_symbol_to_symbol_is_not_keyed():
    rng = np.random.default_rng(9)
    wave = linear(rng, 40_000, 0.1, BPSK) + noise(rng, 40_000, 0.05)
    assert keying.measure(wave.astype(np.complex64)) is None


@pytest.mark.parametrize("period", [20, 100, 400])
def test_the_snr_of_two_tones_does_not_depend_on_their_rate(period):
    rng = np.random.default_rng(10)
    wave = packets(two_tones(rng, 2 / period, period), 60_000, 30_000, 20_000)
    (each,) = heard(shifted(wave, 0.1) + noise(rng, N, 0.1))
    expected_db = 10 * np.log10(100 / each.bandwidth_hz)
    assert each.snr_db == pytest.approx(expected_db, abs=3)
