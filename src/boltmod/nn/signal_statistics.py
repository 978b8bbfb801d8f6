"""Thirty-two statistics of a frame, in operators that every ONNX runtime executes.

Sources: cumulants: A. Swami, B. Sadler, "Hierarchical Digital Modulation Classification Using
Cumulants", IEEE Trans. Commun. 48(3), 2000 (zero mean, odd moments left out); statistics of the
analytic signal: A. Nandi, E. Azzouz, IEEE Trans. Commun. 46(4), 1998; the choice of these 32:
Imperial_IPC1 (see `imperial.py`).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

N_STATISTICS = 32

_SMALLEST = 1e-6
"""Keeps roots and angles away from zero."""

_ROUNDING = 3e-6
"""A half turn that rounding makes negative is still a positive one, in every runtime."""

Complex = tuple[Tensor, Tensor]
"""Real and imaginary part: ONNX has no complex numbers."""


def moments(planes: Float[Tensor, "b 2 t"]) -> Float[Tensor, "b 8"]:
    """Return mean and 2nd to 4th central moments of I and of Q: (mean I, mean Q, 2nd I, ...)."""
    mean = planes.mean(2)
    centred = planes - mean.unsqueeze(2)
    square = centred.square()
    third, fourth = (square * centred).mean(2), square.square().mean(2)
    return torch.cat([mean, square.mean(2), third, fourth], 1)


def cumulants(planes: Float[Tensor, "b 2 t"]) -> Float[Tensor, "b 18"]:
    """Return C20, C21, C40, C41, C42, C60, C61, C62, C63 of I + jQ, real and imaginary in turn.

    C21, C42 and C63 are real; their imaginary parts are zero and stay, as in the original.
    """
    i, q = planes[:, 0], planes[:, 1]
    ii, qq = i.square(), q.square()
    power = ii + qq
    z2 = (ii - qq, 2 * (i * q))
    z4 = _square(z2)
    power2 = power.square()
    m20, m40, m60 = _mean(z2), _mean(z4), _mean(_times(z4, z2))
    m41, m61 = _mean(_scaled(z2, power)), _mean(_scaled(z4, power))
    m62 = _mean(_scaled(z2, power2))
    m21, m42, m63 = power.mean(1), power2.mean(1), (power2 * power).mean(1)
    m20_2 = _square(m20)
    m20_abs2 = m20[0].square() + m20[1].square()
    c40 = _sum(m40, _scaled(m20_2, -3.0))
    c41 = _sum(m41, _scaled(m20, -3.0 * m21))
    c42 = m42 - m20_abs2 - 2.0 * m21.square()
    c60 = _sum(m60, _scaled(_times(m20, m40), -15.0), _scaled(_times(m20_2, m20), 30.0))
    c61 = _sum(
        m61,
        _scaled(m40, -5.0 * m21),
        _scaled(_times(m20, m41), -10.0),
        _scaled(m20_2, 30.0 * m21),
    )
    c62 = _sum(
        m62,
        _scaled(m20, -6.0 * m42 + 6.0 * m20_abs2 + 24.0 * m21.square()),
        _scaled(m41, -8.0 * m21),
        _scaled(_times((m20[0], -m20[1]), m40), -1.0),
    )
    mixed = m20[0] * m41[0] + m20[1] * m41[1]
    c63 = m63 - 9.0 * m21 * m42 - 6.0 * mixed + 18.0 * m20_abs2 * m21 + 12.0 * m21.square() * m21
    # Three zeros of their own: qonnx's cleaning loses a tensor that one node takes twice.
    real = ((m21, 0.0 * m21), (c42, 0.0 * m42), (c63, 0.0 * m63))
    parts = (m20, real[0], c40, c41, real[1], c60, c61, c62, real[2])
    return torch.stack([part for pair in parts for part in pair], 1)


def instantaneous(
    planes: Float[Tensor, "b 2 t"], hilbert: Float[Tensor, "b 2 t"]
) -> Float[Tensor, "b 6"]:
    """Return the standard deviations of amplitude, phase and frequency of two analytic signals.

    Args:
        planes: I and Q, (batch, 2, time).
        hilbert: Their Hilbert transforms; I + j·hilbert(I) is one analytic signal, Q's the other.

    Returns:
        (amplitude I, amplitude Q, phase I, ...): phase in radians, unwrapped; frequency in radians
        a sample.
    """
    amplitude = (planes.square() + hilbert.square() + _SMALLEST).sqrt()
    before, after = (planes[:, :, :-1], hilbert[:, :, :-1]), (planes[:, :, 1:], hilbert[:, :, 1:])
    turn_real = after[0] * before[0] + after[1] * before[1]
    turn_imag = after[1] * before[0] - after[0] * before[1]
    frequency = _angle(turn_real, turn_imag)
    phase = torch.cumsum(frequency, 2)
    return torch.cat([_deviation(x) for x in (amplitude, phase, frequency)], 1)


def hilbert_taps(n_taps: int) -> Float[Tensor, "taps"]:  # noqa: UP037
    """Return a Hilbert transformer: 2/(πn) at odd n, 0 at even n, under a Hamming window.

    Source: A. Oppenheim, R. Schafer, "Discrete-Time Signal Processing", 3rd ed., section 12.4.
    """
    n = torch.arange(n_taps) - n_taps // 2
    ideal = torch.where(n % 2 == 1, 2 / (math.pi * n.where(n != 0, torch.ones_like(n))), 0.0)
    # Convolution layers correlate: the taps lie in reverse, which for odd symmetry is a sign.
    return -ideal * torch.hamming_window(n_taps, periodic=False)


def _angle(real: Tensor, imag: Tensor) -> Tensor:
    """Return the angle in (−π, π]; ONNX has no two-argument arctangent."""
    safe = torch.where(real.abs() < _SMALLEST, torch.full_like(real, _SMALLEST), real)
    turn = torch.where(
        imag < -_ROUNDING, torch.full_like(imag, -math.pi), torch.full_like(imag, math.pi)
    )
    return torch.atan(imag / safe) + torch.where(safe < 0, turn, torch.zeros_like(turn))


def _deviation(x: Tensor) -> Tensor:
    centred = x - x.mean(2, keepdim=True)
    return (centred.square().mean(2) + _SMALLEST).sqrt()


def _mean(z: Complex) -> Complex:
    return z[0].mean(1), z[1].mean(1)


def _square(z: Complex) -> Complex:
    return z[0].square() - z[1].square(), 2 * (z[0] * z[1])


def _times(z: Complex, w: Complex) -> Complex:
    return z[0] * w[0] - z[1] * w[1], z[0] * w[1] + z[1] * w[0]


def _scaled(z: Complex, factor: Tensor | float) -> Complex:
    return z[0] * factor, z[1] * factor


def _sum(*terms: Complex) -> Complex:
    return sum((z[0] for z in terms[1:]), terms[0][0]), sum((z[1] for z in terms[1:]), terms[0][1])
