"""Where tensors are in the memory: a row of words for each channel, bytes of wide ones apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from boltmod.errors import UnsupportedOperatorError
from boltmod.integer.form import Step
from boltmod.rtl.turns.code import ADDRESS_BITS, LANES
from boltmod.rtl.turns.terms import Sample

_MOST_WORDS = 128
"""Words of the longest row."""


def words(length: int) -> int:
    """Return how many words a row of so many samples has."""
    n = max(length // LANES, 1)
    if length != 1 and (length % LANES or n & (n - 1) or n > _MOST_WORDS):
        raise UnsupportedOperatorError(
            f"a tensor must have 1 sample or {LANES} times a power of two, {LANES * _MOST_WORDS} "
            f"at most, to be done in turns, not {length}"
        )
    return n


@dataclass(frozen=True)
class Place:
    """A stored tensor's place.

    Args:
        first: Its first word.
        n_words: Words of a row.
        n_planes: Bytes of a value; each plane has all channels.
        channels: Whose row is the first, the second, ….
    """

    first: int
    n_words: int
    n_planes: int
    channels: tuple[int, ...]

    def row(self, channel: int, plane: int = 0) -> int:
        """Return the first word of a channel."""
        number = plane * len(self.channels) + self.channels.index(channel)
        return self.first + number * self.n_words

    @property
    def end(self) -> int:
        """Return the first word behind it."""
        return self.first + self.n_words * self.n_planes * len(self.channels)

    def at(self, sample: Sample, plane: int = 0) -> tuple[int, int]:
        """Return address and lane of a sample for t = 0.

        Raises:
            UnsupportedOperatorError: It is more lanes away than there are.
        """
        lane, word = divmod(sample.offset, self.n_words)
        if not -LANES <= lane < LANES:
            raise UnsupportedOperatorError(
                f"{sample.tensor} must be read within {LANES} lanes to be done in turns, not from "
                f"sample {sample.offset}"
            )
        return self.row(sample.channel, plane) + word, lane


class Layout:
    """The memory as it is given away, from the first word on."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.used = 0

    def add(self, step: Step, channels: Sequence[int]) -> Place:
        """Give some channels of a tensor their place, in that order."""
        low, high = step.range
        n_planes = 1 if low >= -128 and high < 128 else 2
        if low < -(2**15) or high >= 2**15:
            raise UnsupportedOperatorError(f"{step.name} must have 16 bits to be done in turns")
        place = self.rows(channels, words(step.shape[1]), n_planes)
        self.places[step.name] = place
        return place

    def rows(self, channels: Sequence[int], n_words: int, n_planes: int = 1) -> Place:
        """Give some rows away."""
        first = -(-self.used // n_words) * n_words
        place = Place(first, n_words, n_planes, tuple(channels))
        self.used = place.end
        if self.used > 1 << ADDRESS_BITS:
            raise UnsupportedOperatorError(
                f"a program's tensors must have at most {1 << ADDRESS_BITS} words to be done in "
                f"turns, not {self.used}"
            )
        return place
