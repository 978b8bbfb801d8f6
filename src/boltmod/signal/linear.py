"""Symbols times a pulse: ASK, PSK, APSK, QAM and OQPSK."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from boltmod.modulation import FRAME_LENGTH, Modulation
from boltmod.signal import constellations, pulses
from boltmod.signal.profile import Linear


def symbols(
    class_ids: Int64[Tensor, " n"], random_bytes: UInt8[Tensor, "n k"], shape: Linear
) -> Float[Tensor, "n 2 k"]:
    """Symbol planes of mean power one, one for each byte."""
    table = constellations.table(shape.constellations, class_ids.device).view(-1, 2)
    index = class_ids[:, None] * constellations.TABLE_SIZE + random_bytes
    return torch.stack([table[:, 0][index], table[:, 1][index]], 1)


def shape_symbols(
    symbol_planes: Float[Tensor, "n planes k"], taps: Float[Tensor, "n planes taps phases"]
) -> Float[Tensor, "n planes time"]:
    """Filters each plane with its own pulse matrix: k − taps + 1 symbols' worth of samples."""
    n, planes, k = symbol_planes.shape
    n_taps, phases = taps.shape[2:]
    rows = k - n_taps + 1
    window = symbol_planes.unfold(2, n_taps, 1).reshape(n * planes, rows, n_taps)
    samples = torch.bmm(window, taps.reshape(n * planes, n_taps, phases))
    return samples.view(n, planes, rows * phases)


def modulate(
    class_ids: Int64[Tensor, " n"],
    random_bytes: UInt8[Tensor, "n k"],
    timing: Float[Tensor, " n"],
    rolloff: Float[Tensor, " n"],
    shape: Linear,
    rest_stride: int,
) -> tuple[Float[Tensor, "n 2 time"], Float[Tensor, "n 2 rest"]]:
    """Frames of mean power one, and every `rest_stride`-th of the samples that follow them.

    Args:
        class_ids: Labels of linear classes.
        random_bytes: Uniform; as many as `n_symbols` says.
        timing: Delay of the first symbol in symbols, 0 to 1.
        rolloff: Roll-off of each frame's pulse.
        shape: Symbol rate, pulse, constellations.
        rest_stride: Divides `samples_per_symbol`.
    """
    planes = symbols(class_ids, random_bytes, shape)
    sps, span = shape.samples_per_symbol, shape.pulse.span_symbols
    half = 0.5 * (class_ids == Modulation.OQPSK.index)
    delay = torch.stack([timing - 0.5, timing - 0.5 + half], 1).view(-1)
    each = rolloff.repeat_interleave(2)[:, None]
    taps = pulses.taps(
        delay,
        lambda f: pulses.cosine_power_spectrum(f, each.expand_as(f), shape.pulse.exponent),
        span,
        sps,
    )
    constant = constellations.mean_power(shape.constellations, class_ids.device)[class_ids]
    power = (1 - constant) * pulses.energy(rolloff, shape.pulse.exponent) + constant
    taps = taps.view(-1, 2, span, sps) * power.rsqrt()[:, None, None, None]
    kept = -(-FRAME_LENGTH // sps)
    frames = shape_symbols(planes[:, :, : kept + span - 1], taps)[:, :, :FRAME_LENGTH]
    rest = shape_symbols(planes[:, :, kept:], taps[..., ::rest_stride])
    return frames, rest


def n_symbols(n_samples: int, shape: Linear) -> int:
    """Bytes that `modulate` takes for frame and rest together."""
    return -(-n_samples // shape.samples_per_symbol) + shape.pulse.span_symbols - 1
