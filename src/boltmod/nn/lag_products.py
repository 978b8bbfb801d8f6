"""A signal's products with its own past, in which the carrier's phase is gone.

Source: differential detection, J. Proakis, "Digital Communications", section 4.5.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from boltmod.nn import quick_steps


class LagProducts(nn.Module):
    """A complex signal, its power and its products with its own past, side by side.

    A signal may come with a second one beside it, of which power alone is taken.

    Args:
        lags: How far back: 0 is the power, one number; k the product with the conjugate of what
            was k earlier, two numbers.
        n_planes: 2 for I and Q; 4 for those of two signals.
        pool: How many of them are averaged into one.
        act: Quantiser of all that comes out.
        n_beside: How many planes of something else come with the signal.
    """

    def __init__(
        self, lags: tuple[int, ...], n_planes: int, pool: int, act: nn.Module, n_beside: int = 0
    ) -> None:
        super().__init__()
        self.lags = lags
        self.has_second = n_planes == 4 and 0 in lags
        self.pool = nn.AvgPool1d(pool) if pool > 1 else nn.Identity()
        n_all = count_planes(lags, n_planes) + n_beside
        self.norm = quick_steps.BatchNorm1d(n_all, affine=False)
        self.act = act

    def forward(
        self, x: Float[Tensor, "b p t"], beside: Float[Tensor, "b d t"] | None = None
    ) -> Float[Tensor, "b c u"]:
        """Map (batch, planes, time) to (batch, more planes, time / pool), `beside` last."""
        planes = [x]
        for lag in self.lags:
            planes += lag_product(x, lag)
        if self.has_second:
            planes += lag_product(x, 0, first_plane=2)
        if beside is not None:
            planes.append(beside)
        y: Tensor = self.act(self.norm(self.pool(torch.cat(planes, 1))))
        return y


def count_planes(lags: tuple[int, ...], n_planes: int) -> int:
    """Return how many planes a signal and its products are."""
    of_second = 1 if n_planes == 4 and 0 in lags else 0
    return n_planes + sum(1 if lag == 0 else 2 for lag in lags) + of_second


def lag_product(x: Float[Tensor, "b p t"], lag: int, first_plane: int = 0) -> list[Tensor]:
    """Return z[n]·conj(z[n − lag]) as real and imaginary plane; real alone where lag is 0.

    Planes are cut out and moved by padding: the challenge's cost tool knows Pad, but not Slice.

    Args:
        x: I and Q of one signal or more.
        lag: How far back.
        first_plane: Where the signal's I is; its Q follows.
    """
    i, q = first_plane, first_plane + 1
    past = nn.functional.pad(x, (lag, -lag))
    # Cut out anew each time: qonnx's cleaning loses a tensor that one node takes twice.
    real = _plane(x, i) * _plane(past, i) + _plane(x, q) * _plane(past, q)
    if lag == 0:
        return [real]
    return [real, _plane(x, q) * _plane(past, i) - _plane(x, i) * _plane(past, q)]


def _plane(x: Tensor, number: int) -> Tensor:
    return nn.functional.pad(x, (0, 0, -number, number + 1 - x.shape[1]))
