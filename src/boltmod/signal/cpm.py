"""Continuous-phase modulation: GMSK.

Source: K. Murota, K. Hirade, "GMSK modulation for digital mobile radio telephony", IEEE Trans.
Commun. 29(7), 1981; 3GPP TS 45.004 section 2 for the Gaussian frequency pulse.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from boltmod.signal import linear, pulses
from boltmod.signal.profile import Gmsk
from boltmod.signal.window import Window

SPAN_BITS = 8
"""Bits a frequency pulse reaches over, its slack included."""

_BANDWIDTH = 2
"""Highest frequency of a frequency pulse that is kept, cycles per bit."""

MEASURED_PULSE = (0.95, 0.885, 0.69, 0.415, 0.12, -0.035, -0.05, 0.035, 0.03, 0, 0, 0.02, 0.01)
"""The real data's frequency pulse, at 0, ±1/4, ±2/4 … bits from its centre, up to scale."""


def pulse_spectrum(frequency: Float[Tensor, "n k"], shape: Gmsk) -> Float[Tensor, "n k"]:
    """Spectrum of the frequency pulse, 1 at frequency 0; `frequency` in cycles per bit."""
    if shape.pulse == "gaussian":
        gauss = torch.exp(-math.log(2) / 2 * (frequency / shape.bandwidth_time).square())
        return gauss * torch.sinc(frequency)
    value = torch.tensor(MEASURED_PULSE, device=frequency.device)
    lag = torch.arange(len(value), device=frequency.device) / 4
    weight = torch.where(lag == 0, value, 2 * value) / (2 * value.sum() - value[0])
    return (torch.cos(2 * math.pi * frequency[..., None] * lag) * weight).sum(-1)


def phase(
    random_bytes: UInt8[Tensor, "n k"],
    timing: Float[Tensor, " n"],
    shape: Gmsk,
) -> Float[Tensor, "n time"]:
    """Phase in rad: the running sum of π·h·Σ b_k g(n − 8k), g of unit area a bit.

    Args:
        random_bytes: Uniform; the lowest bit of each is the bit b_k = ±1.
        timing: Delay of the first bit, 0 to 1 bit.
        shape: Frequency pulse and modulation index h.
    """
    bits = (random_bytes & 1).float() * 2 - 1
    taps = pulses.taps(
        timing - 0.5,
        lambda f: pulse_spectrum(f, shape),
        SPAN_BITS,
        linear.SAMPLES_PER_SYMBOL,
        _BANDWIDTH,
    )
    scale = math.pi * shape.modulation_index / linear.SAMPLES_PER_SYMBOL
    frequency = linear.shape_symbols(bits[:, None], taps[:, None] * scale)
    return frequency[:, 0].cumsum(-1)


def modulate(
    random_bytes: UInt8[Tensor, "n k"],
    timing: Float[Tensor, " n"],
    shape: Gmsk,
    window: Window,
) -> tuple[Float[Tensor, "n 2 time"], Float[Tensor, "n 2 rest"]]:
    """The window's samples, and those outside it (which follow it), of envelope one."""
    n_bits = window.total // linear.SAMPLES_PER_SYMBOL + SPAN_BITS - 1
    angle = phase(random_bytes[:, :n_bits], timing, shape)
    frame, rest = angle[:, : window.length], angle[:, window.length :: window.stride]
    return (
        torch.stack([torch.cos(frame), torch.sin(frame)], 1),
        torch.stack([torch.cos(rest), torch.sin(rest)], 1),
    )
