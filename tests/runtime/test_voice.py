"""Voices are found whole, whatever they are on, and nothing else is taken for one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal as sp

import boltmod
from boltmod.runtime.cut.channel import analog
from boltmod.runtime.cut.channel.voice import spoken_share

SECONDS = 4.0


def spoken(rate_hz: float, seed: int, seconds: float = SECONDS) -> np.ndarray:
    """Vowels, four syllables a second, of a gliding pitch, with pauses; 300 to 2800 Hz, peak 1."""
    rng = np.random.default_rng(seed)
    n = int(rate_hz * seconds)
    sound, place = np.zeros(n), int(0.05 * rate_hz)
    while place < n:
        length = min(int(rng.uniform(0.12, 0.25) * rate_hz), n - place)
        pitch_hz = rng.uniform(95, 200) * np.linspace(1, rng.uniform(0.8, 1.2), length)
        turns = np.cumsum(pitch_hz) / rate_hz
        formants_hz = rng.uniform([300, 900, 2200], [800, 1900, 2700])
        vowel = np.zeros(length)
        for k in range(1, 28):
            gain = (
                np.exp(-(((k * pitch_hz.mean() - formants_hz) / 150) ** 2)) * [1, 0.6, 0.4]
            ).sum()
            vowel += (gain + 0.02) * np.sin(2 * np.pi * k * turns)
        sound[place : place + length] = vowel * np.hanning(length) * rng.uniform(0.5, 1)
        place += length + int(rng.choice([0, 0, 0.3]) * rate_hz)
    band = sp.butter(4, [300, 2800], "band", fs=rate_hz, output="sos")
    sound = sp.sosfilt(band, sound)
    return np.asarray(sound / np.abs(sound).max())


def on_air(wave: np.ndarray, rate_hz: float, offset_hz: float, snr_db: float) -> np.ndarray:
    """A signal beside the middle, over noise in 3 kHz."""
    rng = np.random.default_rng(7)
    n = len(wave)
    power = np.mean(np.abs(wave) ** 2) * rate_hz / 3000 / 10 ** (snr_db / 10)
    noise = rng.standard_normal((n, 2)) @ [1, 1j] * np.sqrt(power / 2)
    turn = np.exp(2j * np.pi * offset_hz / rate_hz * np.arange(n))
    return np.asarray(wave * turn + noise, np.complex64)


@pytest.mark.parametrize("is_upper", [True, False])
@pytest.mark.parametrize("rate_hz", [8000.0, 12_000.0, 48_000.0])
def test_a_voice_on_one_sideband_is_one_signal(rate_hz: float, is_upper: bool) -> None:
    wave = sp.hilbert(spoken(rate_hz, 1))
    offset_hz = -1000.0 if is_upper else 1000.0
    samples = on_air(wave if is_upper else wave.conj(), rate_hz, offset_hz, 20)
    (each,) = boltmod.classify(samples, rate_hz=rate_hz).signals
    assert each.class_name == "AM-SSB-SC"
    assert 1500 < each.bandwidth_hz < 3200
    middle_hz = offset_hz + (1500 if is_upper else -1500)
    assert each.offset_hz == pytest.approx(middle_hz, abs=600)
    assert each.n_samples_on / rate_hz == pytest.approx(SECONDS, rel=0.1)  # the pauses are its own


def test_two_voices_beside_each_other_are_two() -> None:
    rate_hz = 24_000.0
    parts = [
        on_air(sp.hilbert(spoken(rate_hz, seed)), rate_hz, offset_hz, 25)
        for seed, offset_hz in ((1, -6000), (2, 2000))
    ]
    found = boltmod.classify(parts[0] + parts[1], rate_hz=rate_hz).signals
    assert [each.class_name for each in found] == ["AM-SSB-SC"] * 2
    assert sorted(round(each.offset_hz / 1000) for each in found) == [-5, 3]


def test_a_voice_on_both_sidebands_has_its_carrier_in_their_middle() -> None:
    rate_hz = 24_000.0
    samples = on_air(spoken(rate_hz, 3) + 0j, rate_hz, 2345.0, 22)
    (each,) = boltmod.classify(samples, rate_hz=rate_hz).signals
    assert each.class_name == "AM-DSB-SC"
    assert each.offset_hz == pytest.approx(2345, abs=10)


def test_a_carrier_with_a_voice_is_as_wide_as_the_voice() -> None:
    rate_hz = 50_000.0
    samples = on_air(1 + 0.7 * spoken(rate_hz, 4), rate_hz, -7000.0, 35)
    (each,) = boltmod.classify(samples, rate_hz=rate_hz).signals
    assert each.class_name == "AM-DSB-WC"
    assert each.offset_hz == pytest.approx(-7000, abs=10)
    assert 2500 < each.bandwidth_hz < 6500


def test_a_voice_over_a_squelch_tone_is_fm() -> None:
    rate_hz = 24_000.0
    tone = np.sin(2 * np.pi * 88.5 / rate_hz * np.arange(int(rate_hz * SECONDS)))
    frequency_hz = 2500 * spoken(rate_hz, 5) + 500 * tone
    wave = np.exp(2j * np.pi * np.cumsum(frequency_hz) / rate_hz)
    (each,) = boltmod.classify(on_air(wave, rate_hz, 1500.0, 20), rate_hz=rate_hz).signals
    assert each.class_name == "FM"
    assert each.offset_hz == pytest.approx(1500, abs=150)


def test_a_clock_and_the_beat_of_two_lines_are_no_voice() -> None:
    rng, rate_hz = np.random.default_rng(6), 8000.0
    at = np.arange(int(rate_hz * SECONDS))
    clocked = np.abs(np.convolve(np.repeat(rng.choice([-1.0, 1], 800), 40), np.hanning(60), "same"))
    beat = np.abs(1 + np.exp(2j * np.pi * 1300 / rate_hz * at))
    noise = np.abs(rng.standard_normal((len(at), 2)) @ [1, 1j])
    for message in (clocked, beat + 0.1 * noise, noise):
        frames = np.lib.stride_tricks.sliding_window_view(message, 480)[::240]
        assert spoken_share(frames, rate_hz) == 0
    frames = np.lib.stride_tricks.sliding_window_view(spoken(rate_hz, 8), 480)[::240]
    assert spoken_share(frames, rate_hz) > 0.5


def on_frequency(message: np.ndarray, rate_hz: float, deviation_hz: float) -> np.ndarray:
    rng = np.random.default_rng(10)
    wave = np.exp(2j * np.pi * deviation_hz / rate_hz * np.cumsum(message))
    return wave + 0.05 * (rng.standard_normal((len(message), 2)) @ [1, 1j])


def test_a_picture_on_a_subcarrier_is_an_analog_message() -> None:
    rng, rate_hz = np.random.default_rng(11), 60_000.0
    at = np.arange(120_000) / rate_hz
    grey = np.repeat(np.convolve(rng.random(4000), np.ones(5) / 5, "same"), 30)
    picture = (0.1 + 0.9 * grey) * np.sin(2 * np.pi * 2400 * at)
    wave = on_frequency(picture, rate_hz, 17_000)
    assert analog.on_frequency(wave.astype(np.complex64), 0.6, rate_hz) == "a subcarrier"
    (each,) = boltmod.classify(on_air(wave, rate_hz, 0.0, 20), rate_hz=rate_hz).signals
    assert each.class_name == "FM"


def test_two_tones_that_take_turns_are_none() -> None:
    rng, rate_hz = np.random.default_rng(12), 48_000.0
    tones_hz = np.repeat(rng.choice([1200, 2200], 2400), 40)
    wave = on_frequency(np.sin(2 * np.pi * np.cumsum(tones_hz) / rate_hz), rate_hz, 3000)
    assert analog.on_frequency(wave.astype(np.complex64), 0.2, rate_hz) == ""


def test_stereo_sound_is_told_by_its_pilot() -> None:
    rng, rate_hz = np.random.default_rng(13), 200_000.0
    at = np.arange(100_000) / rate_hz
    sound = sp.sosfilt(sp.butter(4, 12e3, fs=rate_hz, output="sos"), rng.standard_normal(len(at)))
    sound = 0.8 * sound / np.abs(sound).max() + 0.1 * np.sin(2 * np.pi * 19e3 * at)
    wave = on_frequency(sound, rate_hz, 75e3)
    assert analog.on_frequency(wave.astype(np.complex64), 0.5, rate_hz) == "a stereo pilot"
    assert analog.on_frequency(wave.astype(np.complex64), 0.5, 0.0) == ""  # no rate, no 19 kHz
