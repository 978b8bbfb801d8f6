"""Symbols times a pulse: ASK, PSK, APSK, QAM and OQPSK."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from boltmod.modulation import Modulation
from boltmod.signal import constellations, keying, pulses
from boltmod.signal.keying import Manner
from boltmod.signal.profile import Linear
from boltmod.signal.window import Window

SAMPLES_PER_SYMBOL = 8
"""Rate at which symbols are shaped; `channel.resample` makes other rates of it."""


def symbols(
    class_ids: Int64[Tensor, " n"], random_bytes: UInt8[Tensor, "n k"], shape: Linear
) -> Float[Tensor, "n 2 k"]:
    """Symbol planes of mean power one, one for each byte."""
    table = constellations.table(shape.constellations, class_ids.device).view(-1, 2)
    index = class_ids[:, None] * constellations.TABLE_SIZE + random_bytes
    return torch.stack([table[:, 0][index], table[:, 1][index]], 1)


def shape_symbols(
    symbol_planes: Float[Tensor, "n planes k"], taps: Float[Tensor, "n planes phases taps"]
) -> Float[Tensor, "n planes time"]:
    """Filters each plane with its own pulse matrix: k − taps + 1 symbols' worth of samples."""
    n, planes, k = symbol_planes.shape
    phases, n_taps = taps.shape[2:]
    rows = k - n_taps + 1
    # Batched products of anything but contiguous matrices are several times slower.
    window = symbol_planes.unfold(2, rows, 1).contiguous().view(n * planes, n_taps, rows)
    samples = torch.bmm(taps.reshape(n * planes, phases, n_taps).contiguous(), window)
    return samples.transpose(1, 2).reshape(n, planes, rows * phases)


def modulate(
    class_ids: Int64[Tensor, " n"],
    random_bytes: UInt8[Tensor, "n k"],
    timing: Float[Tensor, " n"],
    rolloff: Float[Tensor, " n"],
    shape: Linear,
    window: Window,
    how: Manner | None = None,
) -> tuple[Float[Tensor, "n 2 time"], Float[Tensor, "n 2 rest"]]:
    """The window's samples, and those outside it (which follow it), of mean power one.

    Args:
        class_ids: Labels of linear classes.
        random_bytes: Uniform; as many as `n_symbols` says.
        timing: Delay of the first symbol in symbols, 0 to 1.
        rolloff: Roll-off of each frame's pulse.
        shape: Pulse and constellations.
        window: Its stride divides `SAMPLES_PER_SYMBOL`.
        how: How the symbols are keyed; None where all are shaped and independent.
    """
    if how is not None:
        random_bytes = keying.arrange(random_bytes, class_ids, how)
    planes = symbols(class_ids, random_bytes, shape)
    if how is not None:
        planes = keying.leak(planes, class_ids, how)
    sps, span = SAMPLES_PER_SYMBOL, shape.pulse.span_symbols
    half = 0.5 * (class_ids == Modulation.OQPSK.index)
    delay = torch.stack([timing - 0.5, timing - 0.5 + half], 1).view(-1)
    each = rolloff.repeat_interleave(2)[:, None]
    taps = pulses.taps(
        delay,
        lambda f: _spectrum(f, each.expand_as(f), shape.pulse.exponent, how),
        span,
        sps,
        1 if how is None else keying.RECTANGLE_BANDWIDTH,
    )
    constant = constellations.mean_power(shape.constellations, class_ids.device)[class_ids]
    power = (1 - constant) * pulses.energy(rolloff, shape.pulse.exponent) + constant
    taps = taps.view(-1, 2, sps, span) * power.rsqrt()[:, None, None, None]
    kept = window.length // sps
    frame = shape_symbols(planes[:, :, : kept + span - 1], taps)
    if not window.n_outside:
        return frame, frame[:, :, :0]
    return frame, shape_symbols(planes[:, :, kept:], taps[:, :, :: window.stride])


def _spectrum(
    frequency: Float[Tensor, "n k"],
    rolloff: Float[Tensor, "n k"],
    exponent: float,
    how: Manner | None,
) -> Float[Tensor, "n k"]:
    shaped = pulses.cosine_power_spectrum(frequency, rolloff, exponent)
    if how is None:
        return shaped
    rectangular = how.rectangular.repeat_interleave(2)[:, None]
    return torch.where(rectangular, keying.rectangle_spectrum(frequency), shaped)


def n_symbols(window: Window, shape: Linear) -> int:
    """Bytes that `modulate` takes."""
    return window.total // SAMPLES_PER_SYMBOL + shape.pulse.span_symbols - 1
