"""What a real-valued tensor of the network is in terms of integer tensors, while it is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod

from boltmod.integer.exact import Affine

Fractions = tuple[Fraction, ...]

ZERO, ONE = Fraction(0), Fraction(1)


@dataclass(frozen=True)
class Term:
    """An integer tensor and what its integers are worth, channel by channel."""

    tensor: str
    gain: Fractions


@dataclass(frozen=True)
class Value:
    """A tensor of the network: (Σ gain · integers + shift) / √root + offset.

    Args:
        terms: Integer tensors of one shape; more than one after a sum of different scales.
        shape: The network's own shape, without the batch; channels first.
        shift: One a channel.
        root: One a channel; other than 1 behind batch normalisation.
        offset: One a channel.
        clamped: Whether what is below zero counts as zero.
        rooted: Channels of which all this is the square; none if empty.
    """

    terms: tuple[Term, ...]
    shape: tuple[int, ...]
    shift: Fractions
    root: Fractions
    offset: Fractions
    clamped: bool = False
    rooted: tuple[bool, ...] = ()

    @classmethod
    def plain(cls, terms: tuple[Term, ...], shape: tuple[int, ...]) -> Value:
        """Return a value that is the terms alone."""
        n = shape[0]
        return cls(terms, shape, (ZERO,) * n, (ONE,) * n, (ZERO,) * n)

    @property
    def n_channels(self) -> int:
        """Channels of the integer tensors."""
        return self.shape[0]

    @property
    def n_samples(self) -> int:
        """Samples a channel."""
        return prod(self.shape[1:])

    @property
    def is_normalised(self) -> bool:
        """Whether a root stands in the way of sums."""
        return any(root != 1 for root in self.root)

    @property
    def is_scaled_only(self) -> bool:
        """Whether integer zero is zero and nothing but gains stands before the integers."""
        return not (
            self.is_normalised
            or any(self.shift)
            or any(self.offset)
            or self.clamped
            or any(self.rooted)
        )

    def is_root(self, channel: int) -> bool:
        """Whether a channel is the square root of what its integers are worth."""
        return bool(self.rooted) and self.rooted[channel]

    def affine(self, channel: int, gain: Fraction) -> Affine:
        """What an integer of a channel is worth if it has this gain."""
        return Affine(gain, self.shift[channel], self.root[channel], self.offset[channel])

    def gained(self, factors: Fractions) -> Value:
        """Return the value times one factor a channel; not behind normalisation."""
        terms = tuple(
            Term(t.tensor, tuple(g * f for g, f in zip(t.gain, factors, strict=True)))
            for t in self.terms
        )
        return replace(
            self,
            terms=terms,
            shift=_times(self.shift, factors),
            offset=_times(self.offset, factors),
        )

    def raised(self, offsets: Fractions) -> Value:
        """Return the value plus one constant a channel."""
        total = tuple(a + b for a, b in zip(self.offset, offsets, strict=True))
        return replace(self, offset=total)

    def over(self, tensors: tuple[str, ...], shape: tuple[int, ...]) -> Value:
        """Return the same meaning of other integer tensors of as many channels."""
        terms = tuple(Term(n, t.gain) for n, t in zip(tensors, self.terms, strict=True))
        return replace(self, terms=terms, shape=shape)


def _times(values: Fractions, factors: Fractions) -> Fractions:
    return tuple(value * factor for value, factor in zip(values, factors, strict=True))
