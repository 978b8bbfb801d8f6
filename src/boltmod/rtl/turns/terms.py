"""What a value is a sum of: constants times samples that the memory holds, and products of two.

Moves, sums, joins, totals and convolutions are linear, so that none of them needs a place in
memory: each value that is requantised is one sum of terms, sample t of it made of samples
t · stride + offset of what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from boltmod.errors import UnsupportedOperatorError
from boltmod.integer import form
from boltmod.integer.form import Program, Step

_STORED = (form.Quantise, form.Requantise, form.Level, form.Maximum)
_FEWEST_TOTALS = 4
"""Channels from which on sums of whole rows are kept: all of them are one section."""


@dataclass(frozen=True)
class Sample:
    """Sample t · stride + offset of a stored channel, for every t.

    Args:
        tensor: The step that made it.
        channel: Its channel.
        stride: Samples from one t to the next.
        offset: Sample for t = 0.
    """

    tensor: str
    channel: int
    stride: int
    offset: int


ONE = Sample("", 0, 1, 0)
"""What a constant is a multiple of."""


@dataclass(frozen=True)
class Term:
    """One summand.

    Args:
        weight: A constant.
        sample: What it is multiplied by.
        other: A second sample it is multiplied by, if any.
        instant: The instant at which alone it counts, if any.
    """

    weight: int
    sample: Sample
    other: Sample | None = None
    instant: int | None = None


class Terms:
    """Finds out what the values of a program are sums of.

    Args:
        program: The network.
    """

    def __init__(self, program: Program) -> None:
        self.steps = {step.name: step for step in program.steps}
        self.stored = {step.name for step in program.steps if self._is_stored(step)}

    def _is_stored(self, step: Step) -> bool:
        """Whether a step's integers are kept."""
        if not isinstance(step, form.Total):
            return isinstance(step, _STORED)
        source = self.steps[step.sources[0]]
        is_row = step.shape[1] == 1 and step.kernel == source.shape[1] and step.spacing == 1
        return is_row and isinstance(source, _STORED) and step.shape[0] >= _FEWEST_TOTALS

    def of(self, name: str, channel: int, length: int, stride: int = 1,
           offset: int = 0) -> list[Term]:  # fmt: skip
        """Return the terms of samples t · stride + offset of a tensor, t < length.

        Raises:
            UnsupportedOperatorError: It is no sum of products with what is stored.
        """
        merged: dict[Term, int] = {}
        at = np.arange(length) * stride + offset
        for term in self._of(self.steps[name], channel, _At(at, stride, offset)):
            key = replace(term, weight=1)
            merged[key] = merged.get(key, 0) + term.weight
        return [replace(key, weight=weight) for key, weight in merged.items() if weight]

    def inside(self, name: str, channel: int) -> list[Term]:
        """Return the terms of what a requantisation counts thresholds of."""
        step = self.steps[name]
        length = step.shape[1]
        assert isinstance(step, form.Requantise)
        found = []
        factors = step.coefficients[:, channel].tolist()
        for source, factor in zip(step.sources, factors, strict=True):
            terms = self.of(source, channel, length)
            found += [replace(term, weight=factor * term.weight) for term in terms]
        return found

    def _of(self, step: Step, channel: int, at: _At) -> Iterator[Term]:
        if step.name in self.stored:
            if step.low[channel] or step.high[channel]:
                yield Term(1, Sample(step.name, channel, at.stride, at.offset))
            return
        if type(step) not in _EXPAND:
            raise UnsupportedOperatorError(f"{step.name} must be made of sums to be done in turns")
        yield from _EXPAND[type(step)](self, step, channel, at)

    def _seen(self, step: Step, source: str, channel: int, at: _At, stride: int,
              offset: int) -> Iterator[Term]:  # fmt: skip
        """Terms of a source's sample u · stride + offset for each sample u of a step."""
        of, into = self.steps[source], at.through(stride, offset)
        beyond = (at.samples < 0) | (at.samples >= step.shape[1])
        if (beyond & (into.samples >= 0) & (into.samples < of.shape[1])).any():
            raise UnsupportedOperatorError(
                f"{step.name} must have zeros beyond its ends where {source} has, to be done in "
                "turns"
            )
        for term in self._of(of, channel, into):
            if term.sample == ONE and beyond.any():
                raise UnsupportedOperatorError(f"{source} must have no bias to be done in turns")
            yield term

    def move(self, step: form.Move, channel: int, at: _At) -> Iterator[Term]:
        """Look elsewhere."""
        first = channel + step.first_channel
        yield from self._seen(step, step.sources[0], first, at, 1, step.first_sample)

    def join(self, step: form.Join, channel: int, at: _At) -> Iterator[Term]:
        """Look into the tensor that has the channel."""
        for source in step.sources:
            n_channels = self.steps[source].shape[0]
            if channel < n_channels:
                yield from self._seen(step, source, channel, at, 1, 0)
                return
            channel -= n_channels

    def add(self, step: form.Add, channel: int, at: _At) -> Iterator[Term]:
        """All terms of all summands."""
        for source, sign in zip(step.sources, step.signs, strict=True):
            for term in self._seen(step, source, channel, at, 1, 0):
                yield replace(term, weight=sign * term.weight)

    def total(self, step: form.Total, channel: int, at: _At) -> Iterator[Term]:
        """All terms of all neighbours."""
        for k in range(step.kernel):
            yield from self._seen(step, step.sources[0], channel, at, step.stride, k * step.spacing)

    def convolve(self, step: form.Convolve, channel: int, at: _At) -> Iterator[Term]:
        """All terms of all taps, and the bias."""
        if step.bias[channel]:
            yield Term(int(step.bias[channel]), ONE)
        n_outputs, n_inputs, _ = step.weights.shape
        first = channel // (n_outputs // step.groups) * n_inputs
        for i, k in np.argwhere(step.weights[channel]).tolist():
            weight = int(step.weights[channel, i, k])
            source = step.sources[0]
            for term in self._seen(step, source, first + i, at, step.stride, k - step.pad):
                yield replace(term, weight=weight * term.weight)

    def reshape(self, step: form.Reshape, channel: int, at: _At) -> Iterator[Term]:
        """The sample that has the same place, of a tensor that is looked at once a frame."""
        source = self.steps[step.sources[0]]
        if len(at.samples) != 1:
            raise UnsupportedOperatorError(
                f"{step.name} must come once a frame to be done in turns"
            )
        number = channel * step.shape[1] + at.offset
        channel, sample = divmod(number, source.shape[1])
        yield from self._of(source, channel, _At(np.array([sample]), 1, sample))

    def product(self, step: form.Product, channel: int, at: _At) -> Iterator[Term]:
        """Product of two samples that are stored."""
        one, other = (list(self._seen(step, each, channel, at, 1, 0)) for each in step.sources)
        if not one or not other:
            return
        both = [*one, *other]
        if len(both) != 2 or any(t.weight != 1 or t.other or t.instant is not None for t in both):
            raise UnsupportedOperatorError(
                f"{step.name} must multiply what is stored to be done in turns"
            )
        yield Term(1, one[0].sample, other[0].sample)

    def choose(self, step: form.Choose, channel: int, at: _At) -> Iterator[Term]:
        """A term for each instant."""
        for k in range(step.kernel):
            for term in self._seen(step, step.sources[0], channel, at, step.kernel, k):
                if term.weight != 1 or term.other or term.instant is not None:
                    raise UnsupportedOperatorError(
                        f"{step.name} must choose of what is stored to be done in turns"
                    )
                yield replace(term, instant=k)


@dataclass(frozen=True)
class _At:
    """Which samples are looked at: all of them, and as stride and offset."""

    samples: Any
    stride: int
    offset: int

    def through(self, stride: int, offset: int) -> _At:
        """Return where a step looks that takes sample u · stride + offset for its sample u."""
        samples = self.samples * stride + offset
        return _At(samples, self.stride * stride, self.offset * stride + offset)


_EXPAND: dict[type[Step], Callable[..., Iterator[Term]]] = {
    form.Move: Terms.move,
    form.Join: Terms.join,
    form.Add: Terms.add,
    form.Total: Terms.total,
    form.Convolve: Terms.convolve,
    form.Reshape: Terms.reshape,
    form.Product: Terms.product,
    form.Choose: Terms.choose,
}
"""How each kind of step is looked through."""
