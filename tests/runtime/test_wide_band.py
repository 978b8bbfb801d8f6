"""What fills most of a receiver's band is told from the receiver's noise, or not believed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal as sp

import boltmod
from boltmod.runtime.cut.channel import prefix
from boltmod.runtime.cut.listener import find_signals
from hand_made_signals import QPSK, Held, linear

N = 200_000


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((N, 2)) @ [1, 1j] / np.sqrt(2)


def multicarrier(seed: int, size: int, n_used: int, n_prefix: int) -> np.ndarray:
    """Random symbols on the middle subcarriers of so many, power 1."""
    rng = np.random.default_rng(seed)
    grid = np.zeros((N // (size + n_prefix) + 1, size), np.complex128)
    used = np.r_[1 : n_used // 2 + 1, -(n_used // 2) : 0]
    grid[:, used] = rng.choice(QPSK, (len(grid), len(used)))
    symbols = np.fft.ifft(grid, axis=1)
    wave = np.hstack([symbols[:, -n_prefix:], symbols]).ravel()[:N]
    return np.asarray(wave / np.sqrt(np.mean(np.abs(wave) ** 2)))


@pytest.mark.parametrize("share", [0.7, 0.85, 0.95])
@pytest.mark.parametrize(("size", "n_prefix"), [(256, 64), (2048, 128)])
def test_ofdm_over_most_of_the_band_is_found(size: int, n_prefix: int, share: float) -> None:
    wave = multicarrier(1, size, int(size * share), n_prefix) + 0.1 * noise(2)
    (each,) = find_signals(Held(wave))
    assert each.bandwidth_hz == pytest.approx(share, rel=0.05)
    assert each.evidence.subcarrier_spacing_hz == pytest.approx(1 / size, rel=1e-3)
    assert each.evidence.multicarrier_symbol_rate_hz == pytest.approx(
        1 / (size + n_prefix), rel=1e-2
    )


def test_its_prefix_is_its_name() -> None:
    wave = multicarrier(3, 512, 430, 64) + 0.3 * noise(4)
    (each,) = boltmod.classify(wave.astype(np.complex64), rate_hz=1e6).signals
    assert (each.class_name, each.probability) == ("OFDM", 0.98)


def test_ofdm_without_a_quiet_edge_is_told_by_its_prefix_alone() -> None:
    wave = multicarrier(5, 512, 510, 64) + 0.2 * noise(6)
    (each,) = find_signals(Held(wave))
    assert each.bandwidth_hz > 0.9
    assert each.snr_db is None  # there is nothing to tell it by


def test_a_line_upon_ofdm_does_not_hide_it() -> None:
    line = 0.1 * np.exp(2j * np.pi * 0.21 * np.arange(N))
    found = find_signals(Held(multicarrier(7, 1024, 860, 128) + 0.1 * noise(8) + line))
    assert found[0].bandwidth_hz == pytest.approx(0.84, rel=0.05)


@pytest.mark.parametrize("kind", ["white", "filtered", "sloping", "half", "lines"])
def test_a_receiver_s_noise_is_none(kind: str) -> None:
    wave = noise(9)
    if kind == "filtered":
        wave = np.convolve(wave, sp.firwin(129, 0.8), "same")
    elif kind == "sloping":
        wave = sp.lfilter([1, 0.6j], [1], wave)
    elif kind == "half":
        wave = sp.sosfilt(sp.butter(5, 0.5, output="sos"), wave) + 0.01 * noise(10)
    elif kind == "lines":
        wave = wave + 0.3 * np.exp(2j * np.pi * np.outer([0.1, -0.23], np.arange(N))).sum(axis=0)
    assert find_signals(Held(wave)) == []


def test_symbols_over_most_of_the_band_are_told_by_their_clock() -> None:
    rng = np.random.default_rng(11)
    wave = linear(rng, N, 0.62, QPSK) + 0.15 * noise(12)
    (each,) = find_signals(Held(wave))
    assert each.symbol_rate_hz == pytest.approx(0.62, rel=0.002)


def test_what_repeats_itself_has_no_prefix() -> None:
    rng = np.random.default_rng(13)
    word = rng.standard_normal((500, 2)) @ [1, 1j]
    repeated = np.tile(word, N // 500) + noise(14)
    assert prefix.find(repeated.astype(np.complex64), 0.8) is None
    assert prefix.find(noise(15).astype(np.complex64), 0.8) is None


def test_weak_pulses_at_their_own_pace_have_no_prefix() -> None:
    rng = np.random.default_rng(16)
    gaps = rng.choice([60, 120], N // 60)
    starts = np.cumsum(gaps + 15)
    wave = np.zeros(N)
    for start in starts[starts < N - 15]:
        wave[start : start + 15] = 1
    assert prefix.find((wave + 0.15 * noise(17)).astype(np.complex64), 0.8) is None
