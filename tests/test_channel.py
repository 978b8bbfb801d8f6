"""Signals made here are found where they were put, and come out of the band as they went in."""

import numpy as np
import pytest
from scipy import signal

from boltmod.data.raw import SampleFormat
from boltmod.data.recording import open_recording
from boltmod.errors import ConfigError
from boltmod.runtime.channel.detect import detect
from boltmod.runtime.channel.select import Channel, select
from boltmod.runtime.channel.spectrogram import spectrogram
from boltmod.runtime.channel.symbol_rate import estimate
from boltmod.runtime.signals import Wish, find_signals

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


def found(samples, block=10_000):
    parts = [samples[a : a + block].astype(np.complex64) for a in range(0, len(samples), block)]
    return detect(spectrogram(parts))


@pytest.mark.parametrize("centre", [-0.35, 0.0, 0.2])
@pytest.mark.parametrize("symbol_rate", [0.02, 0.08])
def test_a_continuous_signal_is_found_where_it_is(centre, symbol_rate):
    rng = np.random.default_rng(1)
    wave = shifted(linear(rng, N, symbol_rate, QPSK), centre) + noise(rng, N, 0.3)
    (each,) = found(wave)
    assert each.centre == pytest.approx(centre, abs=0.1 * symbol_rate + 1 / 512)
    assert symbol_rate < each.bandwidth < 1.5 * symbol_rate + 8 / 512
    assert each.spans == ((0, N // 512 * 512),)


def test_bursts_are_found_in_time():
    rng = np.random.default_rng(2)
    wave = noise(rng, N, 0.3)
    for start in (40_000, 120_000):
        wave[start : start + 30_000] += shifted(linear(rng, 30_000, 0.05, BPSK), 0.1)
    (each,) = found(wave)
    assert [span for pair in each.spans for span in pair] == pytest.approx(
        [40_000, 70_000, 120_000, 150_000], abs=3 * 512
    )
    assert each.centre == pytest.approx(0.1, abs=0.005)
    in_band_db = 10 * np.log10(1 / (0.09 * 0.07))
    assert each.snr_db == pytest.approx(in_band_db, abs=2.5)


def test_two_signals_are_two():
    rng = np.random.default_rng(3)
    strong = shifted(linear(rng, N, 0.05, QPSK), -0.2)
    weak = 0.5 * shifted(linear(rng, N, 0.03, BPSK), 0.25)
    first, second = found(strong + weak + noise(rng, N, 0.1))
    assert first.centre == pytest.approx(-0.2, abs=0.005)
    assert second.centre == pytest.approx(0.25, abs=0.005)


@pytest.mark.parametrize("seed", range(4))
def test_noise_silence_and_a_constant_are_no_signal(seed):
    rng = np.random.default_rng(seed)
    assert found(noise(rng, N, 1.0)) == []
    assert found(noise(rng, 20_000, 1.0)) == []
    assert found(np.zeros(N)) == []
    assert found(np.zeros(100)) == []


def test_the_spectrogram_does_not_depend_on_the_blocks():
    wave = noise(np.random.default_rng(0), 60_000, 1.0).astype(np.complex64)
    whole = spectrogram([wave])
    parts = spectrogram([wave[a : a + 777] for a in range(0, 60_000, 777)])
    np.testing.assert_allclose(parts.power, whole.power, rtol=1e-5)
    assert whole.power.mean() * 512 == pytest.approx(1, rel=0.02)


def test_the_spectrogram_of_a_long_recording_stays_small():
    block = noise(np.random.default_rng(0), 512 * 1000, 1.0).astype(np.complex64)
    long = spectrogram(block for _ in range(9))
    assert len(long.power) <= 4096
    assert long.samples_per_row * len(long.power) >= long.n_samples == 9 * 512 * 1000


@pytest.mark.parametrize("points", [BPSK, QPSK])
@pytest.mark.parametrize("symbol_rate", [0.05, 0.1234, 0.3])
def test_symbol_rates_are_found_to_a_thousandth(points, symbol_rate):
    rng = np.random.default_rng(4)
    wave = linear(rng, 40_000, symbol_rate, points) + noise(rng, 40_000, 0.2)
    line = estimate(wave.astype(np.complex64), 1.3 * symbol_rate)
    assert line.is_sure
    assert line.rate == pytest.approx(symbol_rate, rel=1e-3)


def test_nothing_to_estimate_from():
    assert estimate(np.zeros(1000, np.complex64), 0.3) is None
    assert estimate(np.ones(100, np.complex64), 0.3) is None


CHANNELS = [Channel(0.1, 0.05, 0.16), Channel(-0.3, 0.01, 0.0123), Channel(0.0, 0.4, 2.718)]


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("block", [1000, 4567])
def test_a_channel_does_not_depend_on_the_blocks(channel, block):
    wave = noise(np.random.default_rng(0), 20_000, 1.0).astype(np.complex64)
    whole = np.concatenate(list(select([wave], channel)))
    parts = select([wave[a : a + block] for a in range(0, 20_000, block)], channel)
    assert len(whole) == int(np.ceil(20_000 * channel.samples_out))
    np.testing.assert_allclose(np.concatenate(list(parts)), whole, atol=1e-5)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_tone_in_a_channel_keeps_its_level_and_time_and_others_vanish(channel):
    offset = 0.2 * channel.bandwidth
    n = np.arange(20_000)
    inside = np.exp(2j * np.pi * (channel.centre + offset) * n).astype(np.complex64)
    taken = np.concatenate(list(select([inside], channel)))
    times = np.arange(len(taken)) / channel.samples_out
    middle = slice(len(taken) // 4, -len(taken) // 4)
    np.testing.assert_allclose(
        taken[middle], np.exp(2j * np.pi * offset * times)[middle], atol=0.01
    )
    far = np.exp(2j * np.pi * (channel.centre + channel.bandwidth) * n).astype(np.complex64)
    left = np.concatenate(list(select([far], channel)))
    assert abs(left[middle]).max() < 0.01


def recorded(path, wave):
    wave.astype(np.complex64).tofile(path)
    return open_recording(path, SampleFormat.CF32.label, rate_hz=100e3)


def test_a_signal_is_described_in_hertz_and_wishes_are_granted(tmp_path):
    rng = np.random.default_rng(5)
    wave = shifted(linear(rng, N, 0.05, QPSK), 0.2) + noise(rng, N, 0.1)
    recording = recorded(tmp_path / "x", wave)
    (each,) = find_signals(recording, Wish())
    assert each.offset_hz == pytest.approx(20e3, abs=300)
    assert each.symbol_rate_hz == pytest.approx(5e3, rel=1e-3)
    assert each.symbol_rate_is_sure
    (told,) = find_signals(recording, Wish(20.1e3, 8e3, 4e3))
    assert (told.offset_hz, told.bandwidth_hz, told.symbol_rate_hz) == pytest.approx(
        (20.1e3, 8e3, 4e3)
    )


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (Wish(offset_hz=60e3), "offset must lie within half the sample rate, 50000 Hz, "
         "not at 60000: count it from the middle of the band"),
        (Wish(bandwidth_hz=2e5),
         "bandwidth must not be above the sample rate, 100000, not 200000: lower it"),
        (Wish(offset_hz=1e3), "offset must lie in a signal, and none was found at 1000 Hz: "
         "give its --bandwidth too"),
    ],
)  # fmt: skip
def test_wishes_that_cannot_be_granted(tmp_path, wish, message):
    recording = recorded(tmp_path / "x", noise(np.random.default_rng(0), 20_000, 1.0))
    with pytest.raises(ConfigError) as error:
        find_signals(recording, wish)
    assert str(error.value) == message


@pytest.mark.referee
@pytest.mark.parametrize(
    ("name", "centre_hz", "baud"),
    [
        ("by02.wav", 12.3e3, 9600), ("entrysat.wav", 11e3, 9600),
        ("shaonian_xing.wav", 12.3e3, 9600), ("zhou_enlai.wav", 12.3e3, 9600),
        ("itasat1.wav", 1500, 1200), ("kr01.wav", 1500, 1200),
        ("gr01.wav", 1500, 1200), ("mysat1.wav", 1500, 1200),
    ],
)  # fmt: skip
def test_satellites_are_found_in_audio(recordings, name, centre_hz, baud):
    (each,) = find_signals(open_recording(recordings / name), Wish())
    assert each.symbol_rate_hz == pytest.approx(baud, rel=0.005)
    assert each.offset_hz == pytest.approx(centre_hz, abs=0.25 * baud)
    assert each.symbol_rate_is_sure
