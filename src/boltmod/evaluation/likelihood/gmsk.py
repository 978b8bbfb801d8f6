"""The likelihood of GMSK: the likeliest few bit sequences, found by a beam.

Source: J. B. Anderson, S. Mohan, "Sequential coding algorithms: a survey and cost analysis", IEEE
Trans. Commun. 32(2), 1984 (the M-algorithm).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from boltmod.evaluation.likelihood.observation import INSIDE, N_INSIDE, Observation
from boltmod.signal import cpm, pulses
from boltmod.signal.linear import SAMPLES_PER_SYMBOL
from boltmod.signal.profile import Gmsk

_TIMINGS = 8
_BEAM = 16
_REACH = 6
"""Bits whose pulses reach into a bit's time."""

_TRACKING = 0.2
"""Share of the phase error that each survivor corrects a bit."""


def gain(seen: Observation, shape: Gmsk) -> Float[Tensor, " n"]:
    """Log likelihood ratio to noise alone, at the best timing: eight are tried, then two nearer."""
    n = len(seen.iq)
    tried = torch.arange(_TIMINGS) / _TIMINGS
    gains = torch.stack([_gain(seen, shape, timing.expand(n)) for timing in tried])
    best, timing = gains.amax(0), tried[gains.argmax(0)]
    for step in (1 / 2, 1 / 4, 1 / 8):
        for side in (-1, 1):
            other = timing + side * step / _TIMINGS
            found = _gain(seen, shape, other)
            timing = torch.where(found > best, other, timing)
            best = torch.maximum(best, found)
    return best


def _gain(seen: Observation, shape: Gmsk, timing: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    n, n_bits = len(seen.iq), N_INSIDE // SAMPLES_PER_SYMBOL
    rows = seen.iq[:, INSIDE].to(torch.complex64).view(n, n_bits, SAMPLES_PER_SYMBOL)
    paths = _paths(shape, timing)
    scale = (2 * seen.amplitude / seen.noise).float()
    # Survivors: metric, phase at the bit's start, and the bits that still reach forward.
    phase = (torch.arange(_BEAM) * 2 * math.pi / _BEAM).expand(n, -1)
    metric, bits = torch.zeros(n, _BEAM), torch.zeros(n, _BEAM, dtype=torch.int64)
    n_states, frame = 2 ** (_REACH - 1), torch.arange(n)[:, None]
    for place in range(n_bits):
        known = range(2**_REACH) if place == 0 else range(2)
        states = torch.stack([bits * 2 + b if place else torch.full_like(bits, b) for b in known])
        curve = paths[frame, states]
        angle = phase[None, :, :, None] + curve
        inner = (rows[:, place, None] * torch.polar(torch.ones(()), -angle)).sum(-1)
        value = metric + scale[:, None] * inner.real
        value, chosen = value.permute(1, 0, 2).reshape(n, -1).topk(_BEAM, 1)
        error = inner.angle().permute(1, 0, 2).reshape(n, -1).gather(1, chosen)
        ends = (phase + curve[..., -1]).permute(1, 0, 2).reshape(n, -1).gather(1, chosen)
        bits = states.permute(1, 0, 2).reshape(n, -1).gather(1, chosen) % n_states
        metric, phase = value, ends + _TRACKING * error
    total = torch.logsumexp(metric, 1) - math.log(_BEAM) - n_bits * math.log(2)
    return total.double() - N_INSIDE * seen.power / seen.noise


def _paths(shape: Gmsk, timing: Float[Tensor, " n"]) -> Float[Tensor, "n states samples"]:
    """Phase over a bit's time for each run of bits that reach into it, the oldest first."""
    taps = pulses.taps(
        timing - 0.5, lambda f: cpm.pulse_spectrum(f, shape), cpm.SPAN_BITS, SAMPLES_PER_SYMBOL, 2
    )
    middle = (cpm.SPAN_BITS - _REACH) // 2 + 1
    taps = taps[:, :, middle : middle + _REACH]
    runs = torch.arange(2**_REACH)[:, None] >> torch.arange(_REACH - 1, -1, -1) & 1
    scale = math.pi * shape.modulation_index / SAMPLES_PER_SYMBOL
    return ((runs * 2 - 1).float() @ taps.transpose(1, 2) * scale).cumsum(-1)
