"""What samples show without a network: sidebands alike, two levels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal as sp

import boltmod
from boltmod.runtime.cut.signal import Evidence, Signal
from boltmod.runtime.waveform import Waveform, depth, level_spread, likeness, oppositeness

RATE_HZ = 48_000.0


def voice(n: int, seed: int) -> np.ndarray:
    """Noise of 100 Hz to 4 kHz, peak 1."""
    taps = sp.firwin(513, [100, 4000], pass_zero=False, fs=RATE_HZ)
    noise = np.random.default_rng(seed).standard_normal(n + 512)
    made = np.convolve(noise, taps, "valid")
    return np.asarray(made / np.abs(made).max())


def on_air(envelope: np.ndarray, snr_db: float = 40.0) -> np.ndarray:
    """On a carrier 5 kHz above the middle, with noise."""
    rng = np.random.default_rng(9)
    noise = rng.standard_normal(len(envelope)) + 1j * rng.standard_normal(len(envelope))
    level = np.sqrt(np.mean(np.abs(envelope) ** 2) / 2) * 10 ** (-snr_db / 20)
    turn = np.exp(2j * np.pi * (5000 / RATE_HZ * np.arange(len(envelope)) + 0.1))
    return np.asarray(envelope * turn + level * noise, np.complex64)


@pytest.mark.parametrize("snr_db", [30.0, 60.0])
@pytest.mark.parametrize("depth", [0.3, 0.9])
def test_a_voice_with_a_carrier_is_am(depth: float, snr_db: float) -> None:
    samples = on_air(1 + depth * voice(96_000, 1), snr_db)
    found = boltmod.classify(samples, rate_hz=RATE_HZ)
    assert [each.class_name for each in found.signals] == ["AM-DSB-WC"]
    assert found.signals[0].bandwidth_hz == pytest.approx(8000, rel=0.05)


def test_a_voice_on_both_sidebands_is_am_without_carrier() -> None:
    found = boltmod.classify(on_air(voice(96_000, 2)), rate_hz=RATE_HZ)
    assert [each.class_name for each in found.signals] == ["AM-DSB-SC"]


def test_two_sidebands_are_alike_and_one_is_not() -> None:
    message = voice(20 * 1024, 3)
    both = (1 + 0.5 * message).reshape(20, 1024) * np.exp(0.7j)
    one = (1 + 0.5 * sp.hilbert(message)).reshape(20, 1024)
    assert likeness(both.astype(np.complex64)).min() > 0.99
    assert likeness(one.astype(np.complex64)).mean() < 0.4


@pytest.mark.parametrize(("n_levels", "is_two"), [(2, True), (4, False)])
def test_levels_are_counted(n_levels: int, is_two: bool) -> None:
    rng = np.random.default_rng(4)
    symbols = 0.5 + rng.integers(0, n_levels, (10, 128)) / (n_levels - 1) / 2
    noise = 0.02 * rng.standard_normal((10, 1024))
    windows = np.repeat(symbols, 8, axis=1) + noise
    assert (level_spread(windows.astype(np.complex64)).mean() < 0.1) == is_two


def seen(**evidence: object) -> Signal:
    return Signal(
        1, 0.0, 1e4, 0.0, 1, 1e3, symbol_rate_is_sure=bool(evidence), snr_db=30.0, spans=(),
        evidence=Evidence(**evidence),  # type: ignore[arg-type]
    )  # fmt: skip


def test_only_what_is_in_doubt_is_told_otherwise() -> None:
    waveform = Waveform()
    assert waveform.told("4ASK", seen()) is None
    waveform.add((1 + 0.5 * voice(4096, 5)).reshape(4, 1024).astype(np.complex64))
    assert waveform.told("AM-SSB-WC", seen()) == "AM-DSB-WC"
    assert waveform.told("OOK", seen()) is None
    assert waveform.told("4ASK", seen(clock="its power")) is None


def test_a_squared_line_and_a_clock_are_bpsk() -> None:
    weak = Signal(1, 0.0, 1e4, 0.0, 2, 1e3, symbol_rate_is_sure=True, snr_db=2.0, spans=())
    assert Waveform().told("256QAM", weak) == "BPSK"
    assert Waveform().told("QPSK", weak) is None
    assert Waveform().told("256QAM", seen()) is None


def test_keying_of_partial_depth_is_on_off_keying() -> None:
    waveform = Waveform()
    levels = np.repeat(np.random.default_rng(6).integers(1, 3, (4, 128)), 8, axis=1)
    waveform.add(levels.astype(np.complex64))
    assert waveform.told("BPSK", seen(keying="amplitude", is_clocked=True)) == "OOK"


def test_shaped_bpsk_is_not_keyed_on_and_off() -> None:
    rng = np.random.default_rng(7)
    pulse = np.hanning(17)
    symbols = rng.choice([-1.0, 1.0], 4 * 128)
    wave = np.convolve(np.kron(symbols, np.eye(8)[0]), pulse, "same").reshape(4, 1024)
    noise = rng.standard_normal((4, 1024)) + 1j * rng.standard_normal((4, 1024))
    phase_keyed = (wave * np.exp(0.4j) + 0.02 * noise).astype(np.complex64)
    on_off = np.repeat(rng.integers(0, 2, (4, 128)), 8, axis=1)
    assert oppositeness(phase_keyed).mean() > 0.85
    assert oppositeness((on_off * np.exp(0.4j) + 0.02 * noise).astype(np.complex64)).mean() < 0.1
    keying = seen(keying="on-off", is_clocked=True)
    for windows, name in ((phase_keyed, "BPSK"), (on_off.astype(np.complex64), "OOK")):
        waveform = Waveform()
        waveform.add(windows)
        assert waveform.told("BPSK", keying) == name


def test_two_levels_of_one_window_are_not_believed() -> None:
    levels = (1 + 0.5 * np.repeat(np.random.default_rng(8).integers(0, 2, 8), 128))[np.newaxis]
    waveform = Waveform()
    waveform.add(levels.astype(np.complex64))
    assert waveform.told("AM-SSB-SC", seen()) == "AM-DSB-WC"
    waveform.add(levels.astype(np.complex64))
    waveform.add(levels.astype(np.complex64))
    assert waveform.told("AM-SSB-SC", seen()) == "OOK"


@pytest.mark.parametrize("snr_db", [3.0, 10.0])
def test_a_weak_carrier_s_depth_tells_its_keying(snr_db: float) -> None:
    rng = np.random.default_rng(21)
    n, sigma = 40 * 1024, 10 ** (-snr_db / 20) / np.sqrt(2)
    noise = sigma * (rng.standard_normal((n, 2)) @ [1, 1j])
    on_off = np.repeat(rng.integers(0, 2, n // 8), 8)
    four = np.repeat(rng.integers(0, 4, n // 8), 8)
    turn = np.exp(1j * (0.7 + 0.001 * np.arange(n)))
    found = []
    for envelope in (on_off, four, 1 + 0.9 * voice(n, 3), np.ones(n)):
        wave = envelope / np.sqrt(np.mean(envelope**2)) * turn + noise
        varying, steady = depth(wave.astype(np.complex64).reshape(-1, 1024))
        found.append(varying / steady)
    assert found[0] == pytest.approx(1, abs=0.2)
    assert found[0] > 0.65 > found[1]
    assert max(found[2:]) < 0.2


def test_a_carrier_left_in_the_square_is_keyed_on_and_off() -> None:
    rng = np.random.default_rng(12)
    bits = np.repeat(rng.integers(0, 2, (6, 64)), 16, axis=1)
    noise = rng.standard_normal((6, 1024)) + 1j * rng.standard_normal((6, 1024))
    weak = Signal(1, 0.0, 1e4, 0.0, 2, 1e3, symbol_rate_is_sure=True, snr_db=5.0, spans=())
    waveform, opposite = Waveform(), Waveform()
    waveform.add((bits + 0.3 * noise).astype(np.complex64))
    opposite.add((np.repeat(rng.choice([-1, 1], (6, 128)), 8, axis=1) + 0.3 * noise)
                 .astype(np.complex64))  # fmt: skip
    assert waveform.told("unknown", weak) == "OOK"
    assert opposite.told("unknown", weak) == "BPSK"
