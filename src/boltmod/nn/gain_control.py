"""A frame brought to one power, so that levels mean the same in every frame.

A constellation's rings and levels tell its order only against its average power, which a frame of
some hundred symbols knows well and the receiver's own scaling, over noise and everything else, does
not.

Two products a sample for the power and one division; the root is Heron's, in the few operators that
the challenge's cost tool knows: a dozen operations on one number a frame.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from boltmod.nn.lag_products import lag_product

_ITERATIONS = 8
"""Of Heron's rule from (1 + power) / 2 on: exact for powers from 1e-3 to 1e3; below, the gain stays
finite."""

_SMALLEST_POWER = 2.0**-20


class GainControl(nn.Module):
    """Divide a signal by its root mean square over the frame.

    Args:
        act: Quantiser of the result.
    """

    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        self.act = act

    def forward(self, x: Float[Tensor, "b p t"]) -> Float[Tensor, "b p t"]:
        """Map I and Q, and those of a second signal, to the same for a first one of power 1."""
        levelled: Tensor = self.act(x / _root(_mean_power(x)))
        return levelled


@torch.no_grad()
def _mean_power(x: Float[Tensor, "b p t"]) -> Float[Tensor, "b 1 1"]:
    (power,) = lag_product(x, 0)
    return nn.functional.avg_pool1d(power, power.shape[2]) + _SMALLEST_POWER


@torch.no_grad()
def _root(x: Float[Tensor, "b 1 1"]) -> Float[Tensor, "b 1 1"]:
    root = 0.5 * (x + 1.0)
    for _ in range(_ITERATIONS):
        root = 0.5 * (root + x / root)
    return root
