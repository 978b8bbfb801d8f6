"""Analog modulation: double and single sideband AM, FM, and the messages they carry.

Source: J. G. Proakis, M. Salehi, "Fundamentals of Communication Systems", 2nd ed., sections 3.2
(AM) and 4.1 (FM).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from boltmod.modulation import Modulation
from boltmod.signal import pulses
from boltmod.signal.profile import AmplitudeModulation, Analog, FrequencyModulation, Message
from boltmod.signal.window import Window

FRAME = Window(n_outside=0)
"""One frame, and nothing around it."""

REPEAT = 3072
"""Samples after which a message may repeat; no window is as long."""


@dataclass(frozen=True)
class Randomness:
    """Random numbers of n messages.

    Args:
        normals: Amplitudes of spectral lines; at least twice `n_lines`.
        place: How much of what is outside the window lies before it, 0 to 1.
        white: A white process, sample by sample, as many as `n_white` says.
    """

    normals: Float[Tensor, "n k"]
    place: Float[Tensor, " n"]
    white: Float[Tensor, "n samples"]


def n_lines(message: Message) -> int:
    """Spectral lines a message is made of: close enough that it does not repeat in `REPEAT`."""
    return max(12, math.ceil(REPEAT * (message.high - message.low)))


def n_normals(analog: Analog) -> int:
    """Normal numbers that the most demanding of the five classes takes for its lines."""
    messages = [shape.message for shape in amplitude_classes(analog).values()]
    return 2 * max(n_lines(message) for message in (*messages, analog.fm.message))


def n_white(analog: Analog, window: Window) -> int:
    """Samples of hiss in and outside the window; 0 where no class has any."""
    if not hissing_classes(analog):
        return 0
    return window.length + window.n_outside // window.stride


def amplitude_classes(analog: Analog) -> dict[Modulation, AmplitudeModulation]:
    """What each class of amplitude modulation looks like."""
    return {
        Modulation.AM_SSB_WC: analog.am_ssb_wc,
        Modulation.AM_SSB_SC: analog.am_ssb_sc,
        Modulation.AM_DSB_WC: analog.am_dsb_wc,
        Modulation.AM_DSB_SC: analog.am_dsb_sc,
    }


def hissing_classes(analog: Analog) -> list[Modulation]:
    """Those whose message has white noise in it."""
    return [modulation for modulation, shape in amplitude_classes(analog).items() if shape.hiss]


@lru_cache(maxsize=32)
def _lines(
    message: Message, window: Window, integral: bool, device: torch.device
) -> Float[Tensor, "lines2 columns"]:
    """Cosine and sine of every line; columns: the frame, the samples after it, those before it.

    With `integral`, those of the message's running integral (in samples).
    """
    count = n_lines(message)
    middle = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    omega = 2 * math.pi * (message.low + (message.high - message.low) * middle)
    frame, rest = _times(window, torch.device("cpu"))
    angle = omega[:, None] * torch.cat([frame, rest, rest - window.total]).double()
    cosine, sine = torch.cos(angle), torch.sin(angle)
    power = omega ** (message.tilt_db / (10 * math.log10(2)))
    weight = (power / power.sum()).sqrt()
    if integral:
        cosine, sine = sine / omega[:, None], -cosine / omega[:, None]
    return (torch.cat([cosine, sine]) * torch.cat([weight, weight])[:, None]).float().to(device)


def message_lines(message: Message) -> Float[Tensor, "lines2 1024"]:
    """What a message is a sum of, each with a normal factor, over one frame; float64."""
    return _lines(message, FRAME, False, torch.device("cpu")).double()


def _evaluate(
    normals: Float[Tensor, "n k"],
    offset: Float[Tensor, " n"],
    lines: Float[Tensor, "lines2 columns"],
    window: Window,
) -> tuple[Float[Tensor, "n time"], Float[Tensor, "n rest"]]:
    """A process in the window and outside: first after it, then (of what is left) before it."""
    value = pulses.rows_times_table(normals[:, : len(lines)], lines)
    frame, outside = value[:, : window.length], value[:, window.length :]
    after, before = outside[:, : outside.shape[1] // 2], outside[:, outside.shape[1] // 2 :]
    place = torch.linspace(0, 1, after.shape[1], device=value.device)
    return frame, torch.where(place < 1 - offset[:, None], after, before)


def message(
    normals: Float[Tensor, "n k"], offset: Float[Tensor, " n"], shape: Message, window: Window
) -> tuple[Float[Tensor, "n time"], Float[Tensor, "n rest"]]:
    """A Gaussian process of unit variance: a spectrum from `low` to `high`, flat or tilted.

    Args:
        normals: At least twice `n_lines(shape)`.
        offset: How much of what is outside lies before, 0 to 1.
        shape: The band.
        window: Which samples are made.
    """
    return _evaluate(normals, offset, _lines(shape, window, False, normals.device), window)


def envelope(
    numbers: Randomness, shape: AmplitudeModulation, window: Window
) -> tuple[Float[Tensor, "n time"], Float[Tensor, "n rest"]]:
    """Carrier + depth·m/√(1 + q²) + hiss·white noise, m the message and q its `quadrature`.

    Of mean power one together with what the quadrature adds.
    """
    scale = 1 / math.hypot(shape.carrier, shape.depth, shape.hiss)
    carrier, depth = scale * shape.carrier, scale * shape.depth / math.hypot(1, shape.quadrature)
    parts = message(numbers.normals, numbers.place, shape.message, window)
    frame, rest = (carrier + depth * part for part in parts)
    if shape.hiss:
        hiss = scale * shape.hiss * numbers.white
        frame, rest = frame + hiss[:, : window.length], rest + hiss[:, window.length :]
    return frame, rest


def hilbert(normals: Float[Tensor, "n k"], shape: Message) -> Float[Tensor, "n k2"]:
    """The normals that make the Hilbert transform of the message that `normals` make."""
    count = n_lines(shape)
    return torch.cat([-normals[:, count : 2 * count], normals[:, :count]], 1)


def double_sideband(
    numbers: Randomness,
    carrier_phase: Float[Tensor, " n"],
    shape: AmplitudeModulation,
    window: Window,
) -> tuple[Float[Tensor, "n 2 time"], Float[Tensor, "n 2 rest"]]:
    """Envelope·cos(2πft + phase), of mean power one; plane Q is zero. At f = 0 no cosine."""
    planes = []
    for part, time in _with_time(envelope(numbers, shape, window), window):
        angle = 2 * math.pi * shape.carrier_frequency * time + carrier_phase[:, None]
        real = math.sqrt(2) * part * torch.cos(angle) if shape.carrier_frequency > 0 else part
        planes.append(torch.stack([real, torch.zeros_like(real)], 1))
    return planes[0], planes[1]


def single_sideband(
    numbers: Randomness, shape: AmplitudeModulation, window: Window
) -> tuple[Float[Tensor, "n 2 time"], Float[Tensor, "n 2 rest"]]:
    """The envelope in I and q times the Hilbert transform of its message in Q; mean power one.

    With a `quadrature` q of 1 the upper sideband alone is left, with 0 none is suppressed.
    """
    turned = hilbert(numbers.normals, shape.message)
    imag = message(turned, numbers.place, shape.message, window)
    scale = shape.depth / math.hypot(shape.carrier, shape.depth, shape.hiss)
    scale *= shape.quadrature / math.hypot(1, shape.quadrature)
    real = envelope(numbers, shape, window)
    frame, rest = (torch.stack([i, scale * q], 1) for i, q in zip(real, imag, strict=True))
    return frame, rest


def frequency_modulation(
    numbers: Randomness, shape: FrequencyModulation, window: Window
) -> tuple[Float[Tensor, "n 2 time"], Float[Tensor, "n 2 rest"]]:
    """exp(j2π(ft + deviation·∫m)): envelope one."""
    lines = _lines(shape.message, window, True, numbers.normals.device)
    planes = []
    parts = _evaluate(numbers.normals, numbers.place, lines, window)
    for part, time in _with_time(parts, window):
        angle = 2 * math.pi * (shape.carrier_frequency * time + shape.deviation * part)
        planes.append(torch.stack([torch.cos(angle), torch.sin(angle)], 1))
    return planes[0], planes[1]


def _times(
    window: Window, device: torch.device
) -> tuple[Float[Tensor, " time"], Float[Tensor, " rest"]]:
    """Sample times in the window, and after it."""
    return (
        torch.arange(window.length, device=device).float(),
        torch.arange(window.length, window.total, window.stride, device=device).float(),
    )


def _with_time(
    parts: tuple[Float[Tensor, "n time"], Float[Tensor, "n rest"]], window: Window
) -> list[tuple[Float[Tensor, "n samples"], Float[Tensor, " samples"]]]:
    """The samples in the window and outside, each with its times."""
    return list(zip(parts, _times(window, parts[0].device), strict=True))
