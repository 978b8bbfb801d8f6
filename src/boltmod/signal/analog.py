"""Analog modulation: double and single sideband AM, FM, and the messages they carry.

Source: J. G. Proakis, M. Salehi, "Fundamentals of Communication Systems", 2nd ed., sections 3.2
(AM) and 4.1 (FM).
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from boltmod.modulation import FRAME_LENGTH
from boltmod.signal.profile import AmplitudeModulation, Analog, FrequencyModulation, Message

WINDOW = 2048
"""Samples over which a message must not repeat."""


def n_lines(message: Message) -> int:
    """Spectral lines a message is made of: close enough that it does not repeat in `WINDOW`."""
    return max(12, math.ceil(1.5 * WINDOW * (message.high - message.low)))


def n_normals(analog: Analog) -> int:
    """Normal numbers that the most demanding of the five classes takes."""
    shapes = (analog.am_ssb_wc, analog.am_ssb_sc, analog.am_dsb_wc, analog.am_dsb_sc, analog.fm)
    return 2 * max(n_lines(shape.message) for shape in shapes)


@lru_cache(maxsize=32)
def _lines(
    message: Message, rest_stride: int, integral: bool, device: torch.device
) -> Float[Tensor, "lines2 columns"]:
    """Cosine and sine of every line; columns: the frame, the samples after it, those before it.

    With `integral`, those of the message's running integral (in samples).
    """
    count = n_lines(message)
    middle = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    omega = 2 * math.pi * (message.low + (message.high - message.low) * middle)
    frame = torch.arange(FRAME_LENGTH, dtype=torch.float64)
    rest = torch.arange(FRAME_LENGTH, WINDOW, rest_stride, dtype=torch.float64)
    angle = omega[:, None] * torch.cat([frame, rest, rest - WINDOW])
    cosine, sine = torch.cos(angle), torch.sin(angle)
    if integral:
        cosine, sine = sine / omega[:, None], -cosine / omega[:, None]
    return (torch.cat([cosine, sine]) / math.sqrt(count)).float().to(device)


def _evaluate(
    normals: Float[Tensor, "n k"],
    offset: Float[Tensor, " n"],
    lines: Float[Tensor, "lines2 columns"],
) -> tuple[Float[Tensor, "n time"], Float[Tensor, "n rest"]]:
    """The message in the frame and in the rest of a window of which the frame starts at offset."""
    weight = normals[:, : len(lines)].contiguous()
    value = torch.bmm(weight[:, None], lines.expand(len(weight), -1, -1))[:, 0]
    frame, outside = value[:, :FRAME_LENGTH], value[:, FRAME_LENGTH:]
    after, before = outside.chunk(2, 1)
    place = torch.linspace(0, 1, after.shape[1], device=value.device)
    return frame, torch.where(place < 1 - offset[:, None], after, before)


def message(
    normals: Float[Tensor, "n k"], offset: Float[Tensor, " n"], shape: Message, rest_stride: int
) -> tuple[Float[Tensor, "n time"], Float[Tensor, "n rest"]]:
    """A Gaussian process of unit variance with a flat spectrum from `low` to `high`.

    Args:
        normals: At least twice `n_lines(shape)`.
        offset: Where the frame starts in its window, 0 (at its start) to 1 (at its end).
        shape: The band.
        rest_stride: Every how many samples the rest of the window is wanted.
    """
    return _evaluate(normals, offset, _lines(shape, rest_stride, False, normals.device))


def hilbert(normals: Float[Tensor, "n k"], shape: Message) -> Float[Tensor, "n k2"]:
    """The normals that make the Hilbert transform of the message that `normals` make."""
    count = n_lines(shape)
    return torch.cat([-normals[:, count : 2 * count], normals[:, :count]], 1)


def double_sideband(
    normals: Float[Tensor, "n k"],
    offset: Float[Tensor, " n"],
    carrier_phase: Float[Tensor, " n"],
    shape: AmplitudeModulation,
    rest_stride: int,
) -> tuple[Float[Tensor, "n 2 time"], Float[Tensor, "n 2 rest"]]:
    """(carrier + depth·m)·cos(2πft + phase), of mean power one; plane Q is zero."""
    scale = 1 / math.hypot(shape.carrier, shape.depth)
    if shape.carrier_frequency > 0:
        scale *= math.sqrt(2)
    planes = []
    for part, time in _with_time(message(normals, offset, shape.message, rest_stride)):
        angle = 2 * math.pi * shape.carrier_frequency * time + carrier_phase[:, None]
        wave = torch.cos(angle) if shape.carrier_frequency > 0 else torch.ones_like(angle)
        real = scale * (shape.carrier + shape.depth * part) * wave
        planes.append(torch.stack([real, torch.zeros_like(real)], 1))
    return planes[0], planes[1]


def single_sideband(
    normals: Float[Tensor, "n k"],
    offset: Float[Tensor, " n"],
    shape: AmplitudeModulation,
    rest_stride: int,
) -> tuple[Float[Tensor, "n 2 time"], Float[Tensor, "n 2 rest"]]:
    """The upper sideband, carrier + depth·(m + j·Hilbert(m))/√2, at baseband; mean power one."""
    real = message(normals, offset, shape.message, rest_stride)
    turned = hilbert(normals, shape.message)
    imag = message(turned, offset, shape.message, rest_stride)
    scale = 1 / math.hypot(shape.carrier, shape.depth)
    depth = scale * shape.depth / math.sqrt(2)
    frame, rest = (
        torch.stack([scale * shape.carrier + depth * i, depth * q], 1)
        for i, q in zip(real, imag, strict=True)
    )
    return frame, rest


def frequency_modulation(
    normals: Float[Tensor, "n k"],
    offset: Float[Tensor, " n"],
    shape: FrequencyModulation,
    rest_stride: int,
) -> tuple[Float[Tensor, "n 2 time"], Float[Tensor, "n 2 rest"]]:
    """exp(j2π(ft + deviation·∫m)): envelope one."""
    lines = _lines(shape.message, rest_stride, True, normals.device)
    planes = []
    for part, time in _with_time(_evaluate(normals, offset, lines)):
        angle = 2 * math.pi * (shape.carrier_frequency * time + shape.deviation * part)
        planes.append(torch.stack([torch.cos(angle), torch.sin(angle)], 1))
    return planes[0], planes[1]


def _with_time(
    parts: tuple[Float[Tensor, "n time"], Float[Tensor, "n rest"]],
) -> list[tuple[Float[Tensor, "n samples"], Float[Tensor, " samples"]]]:
    """Frame and rest, each with its sample times."""
    frame, rest = parts
    after = torch.linspace(FRAME_LENGTH, WINDOW, rest.shape[1] + 1, device=rest.device)[:-1]
    return [(frame, torch.arange(FRAME_LENGTH, device=frame.device).float()), (rest, after)]
