"""Signals made here are found where they were put, and come out of the band as they went in."""

import numpy as np
import pytest
from scipy import signal

from boltmod.errors import ConfigError
from boltmod.recording.opening import open_recording
from boltmod.recording.raw import SampleFormat
from boltmod.runtime.cut.channel.carrier import find as find_carrier
from boltmod.runtime.cut.channel.detect import detect
from boltmod.runtime.cut.channel.select import Channel, select
from boltmod.runtime.cut.channel.spectrogram import Waterfall
from boltmod.runtime.cut.channel.symbol_rate import estimate
from boltmod.runtime.cut.listener import Listener, find_signals
from boltmod.runtime.cut.signal import Constraints
from hand_made_signals import BPSK, QPSK, Held, N, linear, noise, shifted


def found(samples):
    return detect(samples.astype(np.complex64))


def burst(rng, start, n, symbol_rate, points, centre):
    wave = np.zeros(N, np.complex128)
    wave[start : start + n] = shifted(linear(rng, n, symbol_rate, points), centre)
    return wave


@pytest.mark.parametrize("centre", [-0.35, 0.0, 0.2])
@pytest.mark.parametrize("symbol_rate", [0.02, 0.08])
def test_a_continuous_signal_is_found_where_it_is(centre, symbol_rate):
    rng = np.random.default_rng(1)
    wave = shifted(linear(rng, N, symbol_rate, QPSK), centre) + noise(rng, N, 0.3)
    (each,) = found(wave)
    assert each.band.centre == pytest.approx(centre, abs=0.1 * symbol_rate + 1 / 512)
    assert symbol_rate < each.band.width < 1.5 * symbol_rate + 8 / 512
    assert each.spans == ((0, N),)


def test_bursts_are_found_in_time():
    rng = np.random.default_rng(2)
    wave = noise(rng, N, 0.3)
    for start in (40_000, 120_000):
        wave[start : start + 30_000] += shifted(linear(rng, 30_000, 0.05, BPSK), 0.1)
    (each,) = found(wave)
    assert [span for pair in each.spans for span in pair] == pytest.approx(
        [40_000, 70_000, 120_000, 150_000], abs=3 * 512
    )
    assert each.band.centre == pytest.approx(0.1, abs=0.005)
    in_band_db = 10 * np.log10(1 / (0.09 * 0.07))
    assert each.snr_db == pytest.approx(in_band_db, abs=2.5)


def test_two_signals_are_two():
    rng = np.random.default_rng(3)
    strong = shifted(linear(rng, N, 0.05, QPSK), -0.2)
    weak = 0.5 * shifted(linear(rng, N, 0.03, BPSK), 0.25)
    first, second = found(strong + weak + noise(rng, N, 0.1))
    assert first.band.centre == pytest.approx(-0.2, abs=0.005)
    assert second.band.centre == pytest.approx(0.25, abs=0.005)


SIDE_BY_SIDE = [(50_000, 80_000, 0.1, QPSK, -0.055), (50_000, 80_000, 0.1, BPSK, 0.055)]
IN_TURN = [(30_000, 50_000, 0.2, QPSK, 0.1), (80_000, 50_000, 0.05, BPSK, 0.1)]
SHIFTED_IN_TURN = [(30_000, 50_000, 0.1, QPSK, 0.1), (80_000, 50_000, 0.1, BPSK, 0.16)]
OVERLAPPING_IN_TIME = [(30_000, 80_000, 0.1, QPSK, -0.1), (70_000, 80_000, 0.05, BPSK, 0.15)]


@pytest.mark.parametrize(
    "bursts",
    [SIDE_BY_SIDE, IN_TURN, SHIFTED_IN_TURN, OVERLAPPING_IN_TIME],
    ids=["side by side", "in turn", "shifted in turn", "overlapping in time"],
)
def test_signals_in_one_band_are_told_apart(bursts):
    rng = np.random.default_rng(1)
    wave = sum(burst(rng, *each) for each in bursts) + noise(rng, N, 0.1)
    seen = sorted(found(wave), key=lambda each: (each.spans[0][0] // 2048, each.band.centre))
    assert len(seen) == 2
    for each, (start, n, symbol_rate, _, centre) in zip(seen, bursts, strict=True):
        assert each.band.centre == pytest.approx(centre, abs=0.003)
        assert symbol_rate < each.band.width < 1.3 * symbol_rate
        assert each.spans[0] == pytest.approx((start, start + n), abs=2 * 512)


def keyed_in_frequency(rng, tones, period):
    return np.exp(2j * np.pi * np.cumsum(np.repeat(rng.choice(tones, N // period), period)))


@pytest.mark.parametrize(
    ("tones", "period"),
    [([-0.03, 0.05], 40), ([-0.03, 0.05], 2000), ([-0.06, -0.02, 0.02, 0.06], 100)],
)  # fmt: skip
def test_the_tones_of_frequency_shift_keying_are_one_signal(tones, period):
    rng = np.random.default_rng(1)
    (each,) = found(keyed_in_frequency(rng, tones, period) + noise(rng, N, 0.1))
    assert each.band.centre == pytest.approx(np.mean([min(tones), max(tones)]), abs=0.005)
    assert max(tones) - min(tones) < each.band.width < max(tones) - min(tones) + 0.06


@pytest.mark.parametrize("period", [50, 2000])
def test_a_keyed_carrier_is_one_signal_with_its_gaps(tmp_path, period):
    rng = np.random.default_rng(1)
    keys = np.repeat(rng.choice([0, 1], N // period), period)
    wave = shifted(keys, 0.11) + noise(rng, N, 0.05)
    (each,) = find_signals(recorded(tmp_path / "x", wave))
    assert each.carrier_hz == pytest.approx(11e3, abs=20)
    assert each.symbol_rate_hz == pytest.approx(100e3 / period, rel=0.01)
    assert sum(end - start for start, end in each.spans) > 0.8 * N


def heard(wave):
    return find_signals(Held(wave))


def filtered(wave, centre, width):
    taps = np.sinc(np.arange(-200, 201) * width) * width * np.hanning(401)
    return np.convolve(wave, shifted(taps, centre), "same")


SILENCES = {
    "white noise": lambda rng: noise(rng, N, 1.0),
    "little noise": lambda rng: noise(rng, 20_000, 1.0),
    "zeros": lambda rng: np.zeros(N),
    "few zeros": lambda rng: np.zeros(100),
    "a constant": lambda rng: np.full(N, 0.3),
    "a constant in noise": lambda rng: 1 + noise(rng, N, 0.3),
    "a tone in noise": lambda rng: shifted(np.ones(N), 0.123) + noise(rng, N, 0.3),
    "a receiver's band": lambda rng: filtered(noise(rng, N, 1), 0.035, 0.06) + noise(rng, N, 1e-4),
    "a receiver's band, muted": lambda rng: (
        filtered(noise(rng, N, 1), 0.25, 0.4) * np.repeat([1, 0.1, 1, 0.05], N // 4)
        + noise(rng, N, 1e-4)
    ),
}


@pytest.mark.parametrize("kind", SILENCES)
@pytest.mark.parametrize("seed", range(2))
def test_what_is_no_signal(kind, seed):
    assert heard(SILENCES[kind](np.random.default_rng(seed))) == []


def test_a_burst_under_gain_control_is_found_alone():
    rng = np.random.default_rng(1)
    band = filtered(noise(rng, N, 1), 0.25, 0.4) * np.repeat([1, 0.2, 0.15, 1], N // 4)
    band[50_000:100_000] += shifted(linear(rng, 50_000, 0.15, BPSK), 0.25)
    (each,) = heard(band + noise(rng, N, 1e-4))
    assert each.carrier_hz == pytest.approx(0.25, abs=1e-4)
    assert each.spans[0] == pytest.approx((50_000, 100_000), abs=2048)


def test_a_narrow_band_is_measured_in_finer_steps():
    rng = np.random.default_rng(1)
    wave = shifted(linear(rng, 600_000, 0.004, BPSK), -0.3) + noise(rng, 600_000, 0.5)
    (each,) = heard(wave)
    assert each.offset_hz == pytest.approx(-0.3, abs=0.0003)
    assert 0.004 < each.bandwidth_hz < 0.0056
    assert each.symbol_rate_hz == pytest.approx(0.004, rel=1e-3)


@pytest.mark.parametrize(("points", "power"), [(BPSK, 2), (QPSK, 4), ([0, 1], 1)])
def test_the_carrier_is_found_by_its_line(points, power):
    rng = np.random.default_rng(1)
    wave = shifted(linear(rng, 40_000, 0.2, points), 0.0123) + noise(rng, 40_000, 0.2)
    carrier = find_carrier(wave.astype(np.complex64), 0.26)
    assert carrier.order == power
    assert carrier.offset == pytest.approx(0.0123, abs=2e-5)


def test_windows_follow_a_carrier_that_drifts():
    rng = np.random.default_rng(1)
    drift = 0.002 * np.arange(N) / N
    wave = linear(rng, N, 0.1, BPSK) * np.exp(2j * np.pi * np.cumsum(0.1 + drift))
    heard = list(Listener()(Held(wave + noise(rng, N, 0.2))))
    for window in np.concatenate([each.samples for each in heard]):
        spectrum = np.abs(np.fft.fft(window.astype(complex) ** 2, 8192))
        near = np.abs(np.fft.fftfreq(8192)) < 0.05
        offset = np.fft.fftfreq(8192)[near][spectrum[near].argmax()] / 2
        assert abs(offset) < 2e-4


@pytest.mark.parametrize("is_single", [True, False])
def test_a_voice_in_one_sideband_has_no_carrier_and_one_in_both_has(is_single):
    rng = np.random.default_rng(4)
    time = np.arange(1 << 16)
    # A strong low tone that comes and goes, and a weaker noise up to 0.1 cycles/sample.
    tone = (1 + np.sin(2 * np.pi * 2e-4 * time)) * np.cos(2 * np.pi * 0.004 * time)
    numerator, denominator = signal.butter(4, 0.2)
    sound = tone + signal.lfilter(numerator, denominator, rng.normal(size=len(time)))
    wave = signal.hilbert(sound) if is_single else sound.astype(complex)
    middle = 0.035 if is_single else 0.01
    wave *= np.exp(-2j * np.pi * middle * time)
    wave += 0.02 * (rng.normal(size=len(time)) + 1j * rng.normal(size=len(time)))
    found = find_carrier(wave.astype(np.complex64), 0.1 if is_single else 0.2)
    if is_single:
        assert found is None
    else:
        assert found.order == 2
        assert found.offset == pytest.approx(-middle, abs=0.005)


def test_what_has_no_carrier():
    rng = np.random.default_rng(1)
    assert find_carrier(noise(rng, 40_000, 1.0).astype(np.complex64), 0.3) is None
    points = np.exp(2j * np.pi * np.arange(16) / 16)
    wave = shifted(linear(rng, 40_000, 0.2, points), 0.0123)
    assert find_carrier(wave.astype(np.complex64), 0.26) is None
    assert find_carrier(np.zeros(1000, np.complex64), 0.3) is None


def test_windows_do_not_depend_on_where_pieces_end(monkeypatch):
    rng = np.random.default_rng(1)
    wave = sum(burst(rng, a, 30_000, 0.1, BPSK, 0.1) for a in (20_000, 70_000, 140_000))
    wave = wave + noise(rng, N, 0.2)

    def windows():
        listener = Listener()
        starts = [start for each in listener(Held(wave)) for start in each.starts]
        return starts, listener.signals

    whole, (signal,) = windows()
    monkeypatch.setattr("boltmod.runtime.cut.listener.PIECE_SAMPLES", 80_000)
    parts, (same,) = windows()
    assert len(parts) == pytest.approx(len(whole), abs=2)
    assert np.abs(np.array(same.spans) - np.array(signal.spans)).max() < 2048
    assert same.carrier_hz == pytest.approx(signal.carrier_hz, abs=1e-5)


def test_the_waterfall_does_not_depend_on_the_blocks():
    wave = noise(np.random.default_rng(0), 60_000, 1.0).astype(np.complex64)

    def measured(n):
        waterfall = Waterfall()
        for start in range(0, len(wave), n):
            waterfall.add(wave[start : start + n])
        return waterfall.measured()

    np.testing.assert_allclose(measured(777).power, measured(60_000).power, rtol=1e-5)
    assert measured(60_000).power.mean() * 512 == pytest.approx(1, rel=0.02)


def test_the_waterfall_of_a_long_recording_stays_small():
    block = noise(np.random.default_rng(0), 512 * 1000, 1.0).astype(np.complex64)
    waterfall = Waterfall()
    for _ in range(5):
        waterfall.add(block)
    seen = waterfall.measured()
    assert len(seen.power) <= 1024
    assert seen.samples_per_row * len(seen.power) >= seen.n_samples == 5 * 512 * 1000


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


def test_a_signal_is_described_in_hertz_and_constraints_are_kept(tmp_path):
    rng = np.random.default_rng(5)
    wave = shifted(linear(rng, N, 0.05, QPSK), 0.2) + noise(rng, N, 0.1)
    recording = recorded(tmp_path / "x", wave)
    (each,) = find_signals(recording)
    assert each.offset_hz == pytest.approx(20e3, abs=300)
    assert each.symbol_rate_hz == pytest.approx(5e3, rel=1e-3)
    assert each.symbol_rate_is_sure
    (told,) = find_signals(recording, Constraints(20.1e3, 8e3, 4e3))
    assert (told.offset_hz, told.bandwidth_hz, told.symbol_rate_hz) == pytest.approx(
        (20.1e3, 8e3, 4e3)
    )


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        (Constraints(offset_hz=60e3), "offset must lie within half the sample rate, 50000 Hz, "
         "not at 60000: count it from the middle of the band"),
        (Constraints(bandwidth_hz=2e5),
         "bandwidth must not be above the sample rate, 100000, not 200000: lower it"),
        (Constraints(offset_hz=1e3), "offset must lie in a signal, and none was found at 1000 Hz: "
         "give its --bandwidth too"),
    ],
)  # fmt: skip
def test_constraints_that_cannot_be_kept(tmp_path, constraints, message):
    recording = recorded(tmp_path / "x", noise(np.random.default_rng(0), 20_000, 1.0))
    with pytest.raises(ConfigError) as error:
        find_signals(recording, constraints)
    assert str(error.value) == message


@pytest.mark.referee
@pytest.mark.parametrize(
    ("name", "centre_hz", "baud"),
    [
        ("by02.wav", 12293, 9600), ("entrysat.wav", 12500, 9600),
        ("shaonian_xing.wav", 12374, 9600), ("zhou_enlai.wav", 13561, 9600),
        ("itasat1.wav", 1606, 1200), ("kr01.wav", 1500, 1200),
        ("gr01.wav", 1484, 1200), ("mysat1.wav", 2003, 1200),
    ],
)  # fmt: skip
def test_satellites_are_found_in_audio(recordings, name, centre_hz, baud):
    (each,) = find_signals(open_recording(recordings / name))
    assert each.symbol_rate_hz == pytest.approx(baud, rel=0.005)
    assert each.symbol_rate_is_sure
    assert each.carrier_order in (1, 2)
    assert each.carrier_hz == pytest.approx(centre_hz, abs=0.002 * baud)
    assert baud < each.bandwidth_hz < 1.7 * baud


@pytest.mark.referee
@pytest.mark.parametrize(
    ("name", "period", "n_spans"),
    [
        ("ask.complex", 313, 1), ("enocean.complex", 40, 3), ("pwm.complex16s", 2680, 3),
        ("fsk.complex", 100, 1), ("homematic.complex32s", 100, 2),
        ("radiohead3_433.92M_250k.cu8", 252, 1), ("alectov1_433.92M_250k.cu8", 124, 9),
    ],
)  # fmt: skip
def test_keyed_carriers_are_found_with_their_symbol_rate(recordings, name, period, n_spans):
    (each,) = find_signals(open_recording(recordings / name, rate_hz=1.0))
    assert 1 / each.symbol_rate_hz == pytest.approx(period, rel=0.02)
    assert len(each.spans) == n_spans
