"""What stands before BoltNet's first convolution: symbols' instants, one power, products."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from boltmod.nn.gain_control import GainControl
from boltmod.nn.lag_products import LagProducts, count_planes, lag_product
from boltmod.nn.number_format import NumberFormat
from boltmod.nn.quantizers import comparator
from boltmod.nn.symbol_timing import SymbolTiming


def symbols_of_eight(n_symbols: int) -> tuple[Tensor, Tensor]:
    """QPSK symbols (2, n), and their signal (2, 8 n): raised cosine pulses, peaks at 8 n + 4."""
    rng = np.random.default_rng(7)
    symbols = np.exp(1j * (np.pi / 2 * rng.integers(0, 4, n_symbols) + 0.3))
    time = np.arange(-64, 65) / 8
    with np.errstate(divide="ignore", invalid="ignore"):
        pulse = np.sinc(time) * np.cos(0.4 * np.pi * time) / (1 - (0.8 * time) ** 2)
    pulse[~np.isfinite(pulse)] = np.sinc(1.25) * np.pi / 4
    upsampled = np.zeros(8 * n_symbols, complex)
    upsampled[4::8] = symbols
    signal = np.convolve(upsampled, pulse, "same")
    planes = [np.stack([z.real, z.imag]) for z in (symbols, signal)]
    return torch.tensor(planes[0]).float(), torch.tensor(planes[1]).float()


def timing() -> SymbolTiming:
    return SymbolTiming(3, nn.Identity(), comparator(NumberFormat(act_bit_width=8)), nn.Identity())


@pytest.mark.parametrize("offset", range(8))
def test_instants_are_found_wherever_a_frame_begins(offset: int) -> None:
    symbols, signal = symbols_of_eight(140)
    frame = signal[:, 24 + offset : 24 + offset + 1024]
    with torch.no_grad():
        planes = timing()(frame[None])[0]
    assert planes.shape == (4, 128)
    at, between = planes[:2, 2:-2], planes[2:, 2:-2]
    # A whole number of symbols apart, the samples are the symbols, a little rounded by averaging.
    distances = [(at - symbols[:, 5 + k : 5 + k + 124]).abs().max() for k in range(4)]
    assert min(distances) < 0.1
    assert at.square().sum(0).std() < 0.05
    assert between.square().sum(0).std() > 0.3


def test_genuine_frames_open_at_the_instants(real_frames: Path) -> None:
    found = np.load(real_frames)
    with torch.no_grad():
        planes = timing()(torch.from_numpy(found["X"]))[:, :, 1:-1]
    for class_id in np.unique(found["y_true_order"]):
        of_class = planes[torch.from_numpy(found["y_true_order"] == class_id)]
        at, between = (of_class[:, k : k + 2].square().sum(1).sqrt() for k in (0, 2))
        spread = [(a.std(1) / a.mean(1)).median() for a in (at, between)]
        assert spread[0] < 0.2
        assert spread[1] > 0.4


def test_a_frame_without_symbols_gives_one_sample_of_eight_all_the_same() -> None:
    turning = torch.polar(torch.ones(1024), torch.arange(1024.0) / 50)
    frame = torch.stack([turning.real, turning.imag])
    with torch.no_grad():
        planes = timing()(frame[None])[0]
        silent = timing()(torch.zeros(1, 2, 1024))
    power = planes[:, 2:-2].square().reshape(2, 2, -1).sum(1)
    assert torch.allclose(power, power[:1, :1], atol=1e-3)
    assert not silent.any()


@pytest.mark.parametrize("factor", [0.05, 1.0, 20.0])
def test_frames_of_any_power_come_out_with_power_one(factor: float) -> None:
    frames = torch.randn(3, 4, 128, generator=torch.Generator().manual_seed(1))
    control = GainControl(nn.Identity())
    levelled = control(factor * frames)
    power = levelled[:, :2].square().sum(1).mean(1)
    assert torch.allclose(power, torch.ones(3), atol=2e-3)
    assert torch.allclose(levelled, control(frames), atol=5e-3)
    # The second signal has the same factor.
    assert torch.allclose(levelled / levelled[:, :1], frames / frames[:, :1], rtol=1e-3)


def test_silence_stays_finite() -> None:
    assert not GainControl(nn.Identity())(torch.zeros(1, 2, 64)).any()


def test_products_are_those_of_complex_numbers() -> None:
    x = torch.randn(2, 4, 50, generator=torch.Generator().manual_seed(2))
    z, second = torch.complex(x[:, 0], x[:, 1]), torch.complex(x[:, 2], x[:, 3])
    (power,) = lag_product(x, 0, first_plane=2)
    assert torch.allclose(power[:, 0], second.abs().square(), atol=1e-5)
    real, imaginary = lag_product(x, 3)
    expected = z[:, 3:] * z[:, :-3].conj()
    assert torch.allclose(real[:, 0, 3:], expected.real, atol=1e-5)
    assert torch.allclose(imaginary[:, 0, 3:], expected.imag, atol=1e-5)
    assert not real[:, 0, :3].any()


@pytest.mark.parametrize(
    ("n_planes", "lags", "found"), [(2, (0, 2), 5), (4, (0, 1), 8), (4, (1,), 6)]
)
def test_planes_are_counted_as_they_come_out(
    n_planes: int, lags: tuple[int, ...], found: int
) -> None:
    products = LagProducts(lags, n_planes, 1, nn.Identity()).eval()
    assert count_planes(lags, n_planes) == found
    assert products(torch.randn(1, n_planes, 16)).shape == (1, found, 16)
