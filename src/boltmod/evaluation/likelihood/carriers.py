"""Likelihoods of the analog classes: amplitude and frequency modulation of a carrier.

Source: S. M. Kay, "Fundamentals of Statistical Signal Processing: Detection Theory", 1998, section
7.6 (a sinusoid of unknown amplitude, phase and frequency).
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from boltmod.evaluation.likelihood.observation import (
    INSIDE,
    MODEL_NOISE,
    N_INSIDE,
    Observation,
    outside_power,
)
from boltmod.modulation import Modulation
from boltmod.signal import analog
from boltmod.signal.likelihood import carrier_period, envelope
from boltmod.signal.profile import AmplitudeModulation, FrequencyModulation, Profile

_OFFSETS = torch.linspace(-4, 4, 33, dtype=torch.float64)
"""Carrier offsets tried, in their standard deviation."""

_TIME = torch.arange(N_INSIDE, dtype=torch.float64) - (N_INSIDE - 1) / 2


_N_BENDS = 5
_BENDS = torch.linalg.qr((_TIME[:, None] / N_INSIDE) ** torch.arange(6)).Q
"""Slow curves, orthonormal: polynomials up to the fifth power."""


def gains(seen: Observation, profile: Profile) -> dict[int, Float[Tensor, " n"]]:
    """Log likelihood ratio to noise alone of every analog class, by class id."""
    shapes, std = profile.analog, profile.channel.carrier_offset_std
    found = {
        modulation.index: _amplitude(seen, shape, std)
        for modulation, shape in analog.amplitude_classes(shapes).items()
    }
    return found | {Modulation.FM.index: _frequency(seen, shapes.fm)}


def _amplitude(
    seen: Observation, shape: AmplitudeModulation, offset_std: float
) -> Float[Tensor, " n"]:
    """The carrier found, the samples turned by its phase, the message averaged over."""
    period = carrier_period(shape)
    steps: list[int | None] = [None] if period == 1 else list(range(period))
    iq = seen.iq[:, INSIDE]
    best = torch.full((len(iq),), -math.inf, dtype=torch.float64)
    fitted, averaged = best.clone(), []
    offsets = offset_std * _OFFSETS if offset_std else torch.zeros(1, dtype=torch.float64)
    turns = torch.exp(-1j * offsets[:, None] * _TIME)
    prior = torch.log_softmax(-(offsets.square()) / 2 / (offset_std**2 or 1), 0)
    for step in steps[: len(steps) // 2 or 1]:
        # Half a period later is the same with the opposite sign.
        model = envelope(shape, step, INSIDE.start)
        level = model.mean.square().sum()
        inner = iq @ (turns * model.mean).T
        coherent = inner.abs().square() / (level * seen.noise[:, None])
        place = (coherent + prior).argmax(1)
        fitted = torch.maximum(fitted, coherent.amax(1))
        averaged.append(torch.logsumexp(_unknown_phase(inner, level, seen) + prior, 1))
        carrier = inner.gather(1, place[:, None])[:, 0] / level
        amplitude = carrier.abs().clamp_min(1e-3)
        still = iq * turns[place] * torch.exp(-1j * carrier.angle())[:, None]
        still = still / amplitude[:, None]
        noise = _hissless(still) if shape.hiss else seen.noise / amplitude.square()
        gain = model.gain(still, noise)
        # That is over noise of such power; wanted is the one over the noise that was measured.
        measured, energy = seen.noise / amplitude.square(), still.abs().square().sum(-1)
        shift = N_INSIDE * (measured / noise).log() + energy * (1 / measured - 1 / noise)
        best = torch.maximum(best, gain + shift)
    # The best of all carriers explains noise, too: what it has over their average is taken off.
    average = torch.logsumexp(torch.stack(averaged, 1), 1) - math.log(len(averaged))
    return best - (fitted - average).clamp_min(0)


def _unknown_phase(
    inner: Complex[Tensor, "n k"], level: Tensor, seen: Observation
) -> Float[Tensor, "n k"]:
    """Log likelihood ratio of a carrier of the measured power, its phase averaged over."""
    scale = (seen.amplitude / seen.noise)[:, None]
    reach = 2 * scale * inner.abs()
    bessel: Tensor = torch.special.i0e(reach).log() + reach
    return bessel - scale * seen.amplitude[:, None] * level


def _hissless(still: Complex[Tensor, "n time"]) -> Float[Tensor, " n"]:
    """Noise power from outside the band, in quadrature alone: there a message's hiss is not."""
    return (2 * outside_power(still.imag + 0j)).clamp_min(MODEL_NOISE)


def _frequency(seen: Observation, shape: FrequencyModulation) -> Float[Tensor, " n"]:
    """The likeliest of many slow phase curves, bent until it fits."""
    iq, curves = seen.iq[:, INSIDE], _curves(shape)
    inner = iq @ curves.conj().T
    place = inner.abs().argmax(1)
    still = iq * curves[place].conj() * torch.exp(-1j * inner.gather(1, place[:, None]).angle())
    for _ in range(_N_BENDS):
        error = still.imag / seen.amplitude[:, None]
        still = still * torch.exp(-1j * (error @ _BENDS @ _BENDS.T))
    explained = 2 * seen.amplitude * still.real.sum(-1) - N_INSIDE * seen.power
    # One of so many curves, and as many numbers fitted.
    whole: Tensor = explained / seen.noise - math.log(len(curves)) - _BENDS.shape[1]
    return whole


@lru_cache(maxsize=4)
def _curves(shape: FrequencyModulation, count: int = 2048) -> Complex[Tensor, "curves time"]:
    """Frequency-modulated carriers with messages drawn at random, the same every time."""
    numbers = analog.Randomness(
        torch.randn(
            count,
            2 * analog.n_lines(shape.message),
            generator=torch.Generator().manual_seed(0),
        ),
        torch.zeros(count),
        torch.zeros(count, 0),
    )
    planes, _ = analog.frequency_modulation(numbers, shape, analog.FRAME)
    return torch.complex(planes[:, 0].double(), planes[:, 1].double())[:, INSIDE]
