"""The program while it grows: steps with their ranges, none made twice."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from boltmod.errors import UnsupportedOperatorError
from boltmod.integer import form
from boltmod.integer.form import Integers, Step

_MOST_BITS = 32
"""Every tensor fits a signed integer of that many bits."""


class Growing:
    """Steps in the order in which they are made.

    Args:
        n_samples: Samples of a frame.
    """

    def __init__(self, n_samples: int) -> None:
        self.frame_shape = (2, n_samples)
        self.steps: dict[str, Step] = {}
        self._known: dict[tuple[Any, ...], str] = {}
        self._counts: dict[str, int] = {}

    def __getitem__(self, name: str) -> Step:
        return self.steps[name]

    def add(self, kind: type[Step], sources: tuple[str, ...], shape: tuple[int, int],
            bounds: tuple[Integers, Integers], **facts: Any) -> str:  # fmt: skip
        """Add a step unless the same one is there; the tensor's name.

        Args:
            kind: Which step.
            sources: What it reads.
            shape: Channels and samples.
            bounds: Smallest and largest value of each channel.
            facts: What else the step wants to know.

        Raises:
            UnsupportedOperatorError: Its values need more than 32 bits.
        """
        key = (kind, sources, shape, *(_hashable(value) for value in facts.values()))
        if key in self._known:
            return self._known[key]
        name = self._named(kind.word)
        low, high = (np.asarray(bound, np.int64) for bound in bounds)
        if low.min() < -(2 ** (_MOST_BITS - 1)) or high.max() >= 2 ** (_MOST_BITS - 1):
            raise UnsupportedOperatorError(
                f"{name} must fit {_MOST_BITS} bits, not reach from {low.min()} to {high.max()}: "
                "give the network narrower weights or activations"
            )
        self.steps[name] = kind(name, sources, shape, low, high, **facts)
        self._known[key] = name
        return name

    def move(self, source: str, channels: tuple[int, int], first_sample: int, length: int) -> str:
        """Cut out channels [from, to) and `length` samples from `first_sample` on."""
        step = self[source]
        first, stop = channels
        if (first, stop, first_sample, length) == (0, step.shape[0], 0, step.shape[1]):
            return source
        low, high = step.low[first:stop], step.high[first:stop]
        if first_sample < 0 or first_sample + length > step.shape[1]:
            low, high = np.minimum(low, 0), np.maximum(high, 0)
        shape = (stop - first, length)
        facts = {"first_channel": first, "first_sample": first_sample}
        return self.add(form.Move, (source,), shape, (low, high), **facts)

    def convolve(self, source: str, weights: Integers, how: dict[str, int], length: int,
                 bias: Integers | None = None) -> str:  # fmt: skip
        """Add a convolution; `how` holds stride, pad and groups."""
        step, n_outputs, n_inputs = self[source], weights.shape[0], weights.shape[1]
        bias = np.zeros(n_outputs, np.int64) if bias is None else bias
        group = np.arange(n_outputs) // (n_outputs // how["groups"])
        channels = group[:, np.newaxis] * n_inputs + np.arange(n_inputs)
        low, high = (
            np.minimum(step.low, 0)[channels][:, :, np.newaxis],
            np.maximum(step.high, 0)[channels][:, :, np.newaxis],
        )
        up, down = np.maximum(weights, 0), np.minimum(weights, 0)
        bounds = (
            bias + (up * low + down * high).sum((1, 2)),
            bias + (up * high + down * low).sum((1, 2)),
        )
        return self.add(form.Convolve, (source,), (n_outputs, length), bounds,
                        weights=weights, bias=bias, **how)  # fmt: skip

    def total(self, source: str, kernel: int, stride: int, spacing: int, length: int) -> str:
        """Add sums of neighbours."""
        step = self[source]
        bounds = (step.low * kernel, step.high * kernel)
        facts = {"kernel": kernel, "stride": stride, "spacing": spacing}
        return self.add(form.Total, (source,), (step.shape[0], length), bounds, **facts)

    def maximum(self, source: str, kernel: int, stride: int, length: int) -> str:
        """Add largest of neighbours."""
        step = self[source]
        facts = {"kernel": kernel, "stride": stride}
        shape = (step.shape[0], length)
        return self.add(form.Maximum, (source,), shape, (step.low, step.high), **facts)

    def sum(self, sources: tuple[str, ...], signs: tuple[int, ...]) -> str:
        """Add a sum of tensors of one scale."""
        ends = [
            (self[name].low, self[name].high) if sign > 0 else (-self[name].high, -self[name].low)
            for name, sign in zip(sources, signs, strict=True)
        ]
        bounds = (sum(low for low, _ in ends), sum(high for _, high in ends))
        return self.add(form.Add, sources, self[sources[0]].shape, bounds, signs=signs)  # type: ignore[arg-type]

    def product(self, a: str, b: str) -> str:
        """Add a product element by element."""
        one, other = self[a], self[b]
        corners = [x * y for x in (one.low, one.high) for y in (other.low, other.high)]
        low, high = np.minimum.reduce(corners), np.maximum.reduce(corners)
        if a == b:
            inside = (one.low <= 0) & (one.high >= 0)
            squares = np.array([one.low**2, one.high**2])
            low = np.where(inside, 0, squares.min(0))
        return self.add(form.Product, (a, b), one.shape, (low, high))

    def join(self, sources: tuple[str, ...]) -> str:
        """Put channels one after the other."""
        parts = [self[name] for name in sources]
        bounds = (
            np.concatenate([part.low for part in parts]),
            np.concatenate([part.high for part in parts]),
        )
        shape = (len(bounds[0]), parts[0].shape[1])
        return self.add(form.Join, sources, shape, bounds)

    def reshape(self, source: str, shape: tuple[int, int]) -> str:
        """Read the same integers as other channels and samples."""
        step = self[source]
        if step.shape == shape:
            return source
        n = step.shape[0] * step.shape[1] // shape[0]
        flat = [np.repeat(bound, step.shape[1]) for bound in (step.low, step.high)]
        low, high = (bound.reshape(shape[0], n) for bound in flat)
        return self.add(form.Reshape, (source,), shape, (low.min(1), high.max(1)))

    def _named(self, word: str) -> str:
        count = self._counts[word] = self._counts.get(word, 0) + 1
        return f"{word}_{count}"


def _hashable(value: Any) -> Any:
    return (value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value


def live_steps(steps: dict[str, Step], last: str) -> tuple[Step, ...]:
    """Return, in order, the steps that the last one needs."""
    wanted = {last}
    for step in reversed(steps.values()):
        if step.name in wanted:
            wanted.update(step.sources)
    return tuple(step for step in steps.values() if step.name in wanted)


def facts_of(step: Step) -> dict[str, Any]:
    """What a step knows beside what all steps know."""
    common = {each.name for each in fields(Step)}
    return {f.name: getattr(step, f.name) for f in fields(step) if f.name not in common}
