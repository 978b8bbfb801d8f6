"""Uniform random numbers that are taken by name, so that two purposes cannot share one unseen."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


class Chances:
    """Uniform numbers of n frames, one column a purpose.

    A name gets its column when it is first taken; the same name gives the same numbers again. Which
    column that is depends on the order of the names alone, never on the frames.

    Args:
        uniforms: (n, columns), 0 to 1.
        names: The column of each name taken so far.
    """

    def __init__(
        self, uniforms: Float[Tensor, "n columns"], names: dict[str, int] | None = None
    ) -> None:
        self._uniforms = uniforms
        self._names: dict[str, int] = {} if names is None else dict(names)

    def of(self, rows: Tensor) -> Chances:
        """Those of some of the frames; names taken so far keep their columns."""
        return Chances(self._uniforms[rows], self._names)

    def uniform(self, name: str) -> Float[Tensor, " n"]:
        """The numbers of that name, 0 to 1.

        Raises:
            IndexError: More names than columns.
        """
        column = self._names.setdefault(name, len(self._names))
        return self._uniforms[:, column]

    def under(self, name: str, share: float | Tensor) -> Bool[Tensor, " n"]:
        """True for a share of the frames."""
        return self.uniform(name) < share

    def between(self, name: str, low: float, high: float) -> Float[Tensor, " n"]:
        """A number from `low` to `high`."""
        return low + (high - low) * self.uniform(name)

    def log_between(self, name: str, low: float, high: float) -> Float[Tensor, " n"]:
        """A number from `low` to `high`, every octave as often."""
        exponent = self.uniform(name).double() * math.log(high / low)
        return (low * torch.exp(exponent)).float()

    def whole(self, name: str, low: int, high: int) -> Int64[Tensor, " n"]:
        """A whole number from `low` to `high`, both included."""
        return low + (self.uniform(name) * (high + 1 - low)).long().clamp_max(high - low)
