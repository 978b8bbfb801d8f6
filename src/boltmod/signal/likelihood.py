"""How much likelier samples are with a signal of a class in them than with noise alone.

All gains are logarithms (natural) of that ratio, so that those of all classes may be compared.

Source: J. L. Xu, W. Su, M. Zhou, "Likelihood-Ratio Approaches to Automatic Modulation
Classification", IEEE Trans. Syst., Man, Cybern. C 41(4), 2011, section III (average likelihood
ratio); C. E. Rasmussen, C. K. I. Williams, "Gaussian Processes for Machine Learning", 2006,
appendix A.3 (the inversion and determinant lemmas).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from boltmod.modulation import FRAME_LENGTH
from boltmod.signal import analog
from boltmod.signal.profile import AmplitudeModulation


def alphabet_gain(
    matched: Complex[Tensor, "n k"],
    energy: Float[Tensor, "n 2 k"],
    points: Complex[Tensor, " m"],
    noise_power: Float[Tensor, " n"],
) -> Float[Tensor, " n"]:
    """Of independent symbols, each point of the alphabet being equally likely.

    Args:
        matched: Output of the matched filter, a value a symbol.
        energy: Energy of each symbol's pulse in I and in Q.
        points: The alphabet, in the matched filter's unit of amplitude.
        noise_power: Of a complex sample.

    Returns:
        Σ over symbols of log mean over points of exp((2·Re(z·s*) − e_I·s_I² − e_Q·s_Q²)/N₀).
    """
    scale = 1 / noise_power[:, None, None]
    exponent = 2 * (matched.real[:, :, None] * points.real + matched.imag[:, :, None] * points.imag)
    exponent -= energy[:, 0, :, None] * points.real.square()
    exponent -= energy[:, 1, :, None] * points.imag.square()
    gain = torch.logsumexp(exponent.mul_(scale), -1) - math.log(len(points))
    return gain.sum(-1)


def known_gain(
    iq: Complex[Tensor, "n time"],
    signal: Complex[Tensor, "n time"],
    noise_power: Float[Tensor, " n"],
) -> Float[Tensor, " n"]:
    """Of one known signal: (2·Re⟨y, s⟩ − ⟨s, s⟩)/N₀."""
    inner = (iq * signal.conj()).real.sum(-1)
    return (2 * inner - signal.abs().square().sum(-1)) / noise_power


@dataclass(frozen=True)
class Envelope:
    """An amplitude modulation whose message is unknown: a Gaussian process, in phase.

    Args:
        mean: Without a message.
        directions: Orthonormal, along which the message moves the samples.
        spread: Standard deviation along each.
        hiss: Standard deviation of the white part of the message.
        leak: Standard deviation of the constant in each of I and Q.
    """

    mean: Float[Tensor, " time"]
    directions: Float[Tensor, "time k"]
    spread: Float[Tensor, " k"]
    hiss: float
    leak: float

    def gain(
        self, iq: Complex[Tensor, "n time"], noise_power: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """Of samples turned so that the carrier is real; the message averaged over, exactly."""
        return self._in_phase(iq.real, noise_power / 2) + self._in_quadrature(
            iq.imag, noise_power / 2
        )

    def _in_phase(
        self, real: Float[Tensor, "n time"], noise: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        white = (noise + self.hiss**2)[:, None]
        rest = real - self.mean
        along = rest @ self.directions
        spread = self.spread.square()
        explained = (along.square() * spread / (white * (white + spread))).sum(-1)
        volume = torch.log1p(spread / white).sum(-1)
        volume = volume + real.shape[-1] * torch.log(white[:, 0] / noise)
        distance = rest.square().sum(-1) / white[:, 0] - explained
        return (real.square().sum(-1) / noise - distance - volume) / 2

    def _in_quadrature(
        self, imag: Float[Tensor, "n time"], noise: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        spread = imag.shape[-1] * self.leak**2
        along = imag.sum(-1).square() / imag.shape[-1]
        return (along * spread / (noise * (noise + spread)) - torch.log1p(spread / noise)) / 2


def carrier_period(shape: AmplitudeModulation) -> int:
    """Samples after which the carrier repeats; 1 where there is none but a constant."""
    return Fraction(shape.carrier_frequency).limit_denominator(4096).denominator


@lru_cache(maxsize=256)
def envelope(shape: AmplitudeModulation, step: int | None, edge: int = 0) -> Envelope:
    """The statistics of a frame of an amplitude modulation whose carrier is turned to zero phase.

    Args:
        shape: The modulation. White noise in a message on a carrier frequency is taken for as
            strong in every sample as on average.
        step: By how many samples the carrier frequency's cosine is ahead; None for none.
        edge: Samples left out at each end.
    """
    scale = 1 / math.hypot(1, shape.leak_std)
    part = scale / math.hypot(shape.carrier, shape.depth, shape.hiss)
    wave = torch.ones(FRAME_LENGTH, dtype=torch.float64)
    if step is not None:
        time = torch.arange(FRAME_LENGTH, dtype=torch.float64) + step
        wave = math.sqrt(2) * torch.cos(2 * math.pi * shape.carrier_frequency * time)
    lines = analog.message_lines(shape.message)
    leak = scale * shape.leak_std / math.sqrt(2)
    columns = torch.cat([part * shape.depth * lines * wave, torch.full_like(lines[:1], leak)])
    inside = slice(edge, FRAME_LENGTH - edge)
    directions, spread, _ = torch.linalg.svd(columns[:, inside].T, full_matrices=False)
    mean = part * shape.carrier * wave[inside]
    return Envelope(mean, directions, spread, part * shape.hiss, leak)
