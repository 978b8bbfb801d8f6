"""What a receiver knows of a frame before it thinks of a class: samples, noise, amplitude."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from boltmod.modulation import FRAME_LENGTH

BAND = 0.125
"""No class of the twin has energy beyond, in cycles a sample, but the hiss of some AM classes."""

EDGE = 5
"""Symbols left out at each end, whose neighbours the frame cuts off."""

INSIDE = slice(8 * EDGE, FRAME_LENGTH - 8 * EDGE)
"""The samples between: what every class has to explain."""

N_INSIDE = FRAME_LENGTH - 16 * EDGE

LEAST_NOISE = 1e-6
_LEAST_POWER = 1e-3
MODEL_NOISE = 2e-4
"""Noise to signal, at least: what no class's model explains (a roll-off not quite found)."""


@dataclass(frozen=True)
class Observation:
    """Frames, and what was measured in them.

    Args:
        iq: Samples.
        spectrum: Their Fourier transform.
        noise: Noise power of a sample, from what lies outside the band.
        power: Signal power of a sample: all but the noise.
    """

    iq: Complex[Tensor, "n time"]
    spectrum: Complex[Tensor, "n time"]
    noise: Float[Tensor, " n"]
    power: Float[Tensor, " n"]

    @property
    def amplitude(self) -> Float[Tensor, " n"]:
        """Root of the signal's power."""
        return self.power.sqrt()


def observe(iq_planes: Float[Tensor, "n 2 time"]) -> Observation:
    """Measure noise and signal power."""
    iq = torch.complex(iq_planes[:, 0].double(), iq_planes[:, 1].double())
    spectrum = torch.fft.fft(iq)
    noise = outside_power(iq)
    power = (iq.abs().square().mean(-1) - noise).clamp_min(_LEAST_POWER)
    return Observation(iq, spectrum, torch.maximum(noise, MODEL_NOISE * power), power)


def outside_power(iq: Complex[Tensor, "n time"]) -> Float[Tensor, " n"]:
    """Power a sample would have if it were everywhere as it is outside the band."""
    # Without a window a constant would leak out there, for a frame cuts its carrier anywhere.
    window = torch.hann_window(iq.shape[-1], dtype=torch.float64)
    outside = torch.fft.fftfreq(iq.shape[-1]).abs() > BAND
    power = torch.fft.fft(iq * window)[:, outside].abs().square().mean(-1)
    level: Tensor = (power / window.square().sum()).clamp_min(LEAST_NOISE)
    return level
