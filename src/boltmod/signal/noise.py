"""White noise, the meaning of an SNR label, and the data set's normalisation."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from boltmod.signal.profile import Noise

N_REST_NORMALS = 5
"""Normal numbers that `scale` takes for the noise it does not see."""


def snr_db_of_label(label: Float[Tensor, " n"], noise: Noise) -> Float[Tensor, " n"]:
    """True signal-to-noise ratio per sample, dB, of frames with an SNR label.

    **The one place where a label becomes a true SNR.** In RadioML 2018.01A, and so in the twin, a
    label enters as a noise *amplitude* 10^(−label/10): the true SNR is 2·label + 0.8 dB.
    """
    return noise.snr_db_per_label * label + noise.snr_db_at_label_zero


def amplitude(snr_db: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Standard deviation of each noise component (I, Q) beside a signal of mean power one."""
    # In double precision: torch's vector and scalar powers differ in the last bit, and a frame
    # must not depend on how many are made at once.
    return (math.sqrt(0.5) * torch.exp(snr_db.double() * (-math.log(10) / 20))).float()


def scale(
    frame: Float[Tensor, "n 2 time"],
    rest: Float[Tensor, "n 2 rest"],
    amplitude: Float[Tensor, " n"],
    normals: Float[Tensor, "n 5"],
    n_rest: int,
) -> Float[Tensor, " n"]:
    """One over the complex standard deviation of the window in which each frame lies.

    The window is the frame and `n_rest` samples outside it, of which only mean and power matter:
    those of the signal come from `rest`, its samples at a stride; those of the noise are drawn
    from their exact distribution (projections on the constant and on the signal are Gaussian,
    the remaining energy is chi-squared), so that the noise itself need not be.

    Args:
        frame: Signal and noise.
        rest: The signal outside the frame, without noise; 0 samples if the frame is the window.
        amplitude: Standard deviation of each noise component.
        normals: Standard normal numbers.
        n_rest: Samples outside the frame.
    """
    total = frame.sum(-1)
    power = frame.square().sum((-2, -1))
    if n_rest:
        rest_total, rest_power = _rest_moments(rest, amplitude, normals, n_rest)
        total, power = total + rest_total, power + rest_power
    n = frame.shape[-1] + n_rest
    variance = power / n - (total / n).square().sum(-1)
    return variance.rsqrt()


def _rest_moments(
    rest: Float[Tensor, "n 2 rest"],
    amplitude: Float[Tensor, " n"],
    normals: Float[Tensor, "n 5"],
    n_rest: int,
) -> tuple[Float[Tensor, "n 2"], Float[Tensor, " n"]]:
    """Sum (I, Q) and energy of signal plus noise over the samples outside the frame."""
    mean = rest.mean(-1)
    deviation = (rest - mean[:, :, None]).square().mean(-1).sum(-1).sqrt()
    root, scale = math.sqrt(n_rest), amplitude[:, None]
    along_mean = scale * normals[:, 0:2]
    total = n_rest * mean + root * along_mean
    along_signal = amplitude * normals[:, 2]
    across_signal = amplitude * normals[:, 3]
    power = (
        (root * mean + along_mean).square().sum(-1)
        + (root * deviation + along_signal).square()
        + across_signal.square()
        + amplitude.square() * chi_squared(normals[:, 4], 2 * n_rest - 4)
    )
    return total, power


def chi_squared(normal: Float[Tensor, " n"], degrees: int) -> Float[Tensor, " n"]:
    """Chi-squared numbers of many degrees of freedom from normal ones.

    Source: E. B. Wilson, M. M. Hilferty, "The distribution of chi-square", PNAS 17(12), 1931.
    """
    width = 2 / (9 * degrees)
    return degrees * (1 - width + math.sqrt(width) * normal).pow(3)
