"""Pulses by their spectrum, sampled at any delay.

A pulse is band-limited, so over a window it is a short cosine series; its samples at any delay are
that series with its terms turned, exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def cosine_power_spectrum(
    frequency: Float[Tensor, "*batch"], rolloff: Float[Tensor, "*batch"], exponent: float
) -> Float[Tensor, "*batch"]:
    """Spectrum of the pulse: 1 in the pass band, cos^p across the roll-off, 0 beyond.

    Args:
        frequency: In cycles per symbol.
        rolloff: Excess bandwidth a, above 0 and at most 1.
        exponent: p; 1 is the root raised cosine, 2 the raised cosine.

    Source: Proakis & Salehi, 5th ed., eq. 9.2-27 for p = 2.
    """
    edge = ((frequency.abs() - (1 - rolloff) / 2) / rolloff).clamp(0, 1)
    # cos(π/2) is not quite zero in floating point, so beyond the edge is cut off by hand.
    return torch.where(edge < 1, torch.cos(math.pi / 2 * edge).clamp_min(0) ** exponent, 0.0)


def impulse_response(
    time: Float[Tensor, " t"], rolloff: float, exponent: float
) -> Float[Tensor, " t"]:
    """The pulse itself at `time` in symbols, by numerical integration of its spectrum."""
    frequency = torch.linspace(0, 1, 4097, dtype=torch.float64)
    spectrum = cosine_power_spectrum(frequency, torch.full_like(frequency, rolloff), exponent)
    cosine = torch.cos(2 * math.pi * frequency * time.double()[:, None])
    return torch.trapezoid(2 * spectrum * cosine, frequency).to(time.dtype)


@lru_cache(maxsize=32)
def _series(
    span_symbols: int, samples_per_symbol: int, bandwidth: int, device: torch.device
) -> tuple[Float[Tensor, " k"], Float[Tensor, "k2 taps"]]:
    """Frequencies (cycles/symbol) of the series, and its cosines and sines at every tap."""
    period = 2 * span_symbols
    order = torch.arange(bandwidth * period + 1, dtype=torch.float64)
    phase = torch.arange(samples_per_symbol, dtype=torch.float64) / samples_per_symbol
    tap = torch.arange(span_symbols, dtype=torch.float64)
    time = (phase[:, None] + span_symbols // 2 - tap).reshape(-1)
    weight = torch.full_like(order, 2 / period)
    weight[0] = 1 / period
    angle = 2 * math.pi / period * order[:, None] * time
    basis = torch.cat([weight[:, None] * torch.cos(angle), weight[:, None] * torch.sin(angle)])
    return (order / period).float().to(device), basis.float().to(device)


_ROWS = 64


def rows_times_table(
    rows: Float[Tensor, "n k"], table: Float[Tensor, "k columns"]
) -> Float[Tensor, "n columns"]:
    """The matrix product, each row's result the same to the bit whatever the other rows are.

    Libraries pick their kernel, and with it the order of the sums, by the matrices' sizes; here
    the sizes are always the same.
    """
    n = len(rows)
    padded = F.pad(rows, (0, 0, 0, -n % _ROWS))
    parts = [torch.mm(part, table) for part in padded.view(-1, _ROWS, rows.shape[1])]
    return (parts[0] if len(parts) == 1 else torch.cat(parts))[:n]


Spectrum = Callable[[Float[Tensor, "n k"]], Float[Tensor, "n k"]]
"""From frequencies in cycles per symbol to the (real, even) spectrum of each frame's pulse."""


def taps(
    delay: Float[Tensor, " n"],
    spectrum: Spectrum,
    span_symbols: int,
    samples_per_symbol: int,
    bandwidth: int = 1,
) -> Float[Tensor, "n phases taps"]:
    """Pulse matrices: phase f, tap j is the pulse at (f/sps + span//2 − j − delay) symbols.

    Such a matrix times `span_symbols` consecutive symbols are the `samples_per_symbol` samples
    from one symbol to the next.

    Args:
        delay: In symbols; the pulse is complete while it is between −1 and 1.
        spectrum: Zero beyond `bandwidth`.
        span_symbols: Taps; the pulse is negligible beyond half as many symbols.
        samples_per_symbol: Phases.
        bandwidth: Highest frequency, cycles per symbol.
    """
    order, basis = _series(span_symbols, samples_per_symbol, bandwidth, delay.device)
    height = spectrum(order.expand(len(delay), -1))
    turn = 2 * math.pi * order * delay[:, None]
    weight = torch.cat([height * torch.cos(turn), height * torch.sin(turn)], 1)
    return rows_times_table(weight, basis).view(len(delay), samples_per_symbol, span_symbols)


def energy(rolloff: Float[Tensor, " n"], exponent: float) -> Float[Tensor, " n"]:
    """∫ |H(f)|² df in symbols: the mean power of a unit-power, zero-mean symbol stream.

    (1 − a) + 2a·mean of cos^2p over a quarter period, by the beta function.
    """
    mean = math.exp(math.lgamma(exponent + 0.5) - math.lgamma(exponent + 1)) / math.sqrt(math.pi)
    return 1 - rolloff + 2 * rolloff * mean
