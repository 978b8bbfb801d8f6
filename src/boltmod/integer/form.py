"""The form: a frozen list of steps on integer tensors whose ranges are known.

A tensor is a matrix (channels, samples) of integers; each step makes one. What a real-valued
network says of a frame is `scale` times the integers of the last step. docs/integer.md explains
each step and why nothing is lost.

Source: the idea of one value that is traced, replayed and emitted is da4ml's CombLogic
(C. Sun et al., "da4ml: Distributed Arithmetic for Real-time Neural Networks on FPGAs",
arXiv 2507.04535).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from boltmod.errors import UnsupportedOperatorError

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]

FRAMES = "frames"
"""Name of what goes in: I/Q planes, (2, 1024) float32."""


@dataclass(frozen=True, eq=False)
class Step:
    """One tensor and how it comes about.

    Args:
        name: The tensor's name.
        sources: Names of what it is made of.
        shape: Channels and samples.
        low: Smallest value that each channel can have, (channels,).
        high: Largest value that each channel can have, (channels,).
    """

    name: str
    sources: tuple[str, ...]
    shape: tuple[int, int]
    low: Integers
    high: Integers

    word: ClassVar[str] = ""

    @property
    def detail(self) -> str:
        """What the table says beside name and range."""
        return ""

    @property
    def range(self) -> tuple[int, int]:
        """Smallest and largest value of all channels."""
        return int(self.low.min()), int(self.high.max())


@dataclass(frozen=True, eq=False)
class Quantise(Step):
    """Received samples to integers: lowest + number of thresholds <= sample; of no number, lowest.

    Args:
        thresholds: Ascending, (levels − 1,) float32.
        lowest: Value below the first threshold.
        scale: What an integer is worth, a float32.
    """

    thresholds: Floats
    lowest: int
    scale: float

    word = "quantise"

    @property
    def detail(self) -> str:
        """Number of thresholds."""
        return f"{len(self.thresholds)} thresholds"


@dataclass(frozen=True, eq=False)
class Move(Step):
    """Channels and samples cut out or moved: y[c, t] = x[c + first_channel, t + first_sample].

    Args:
        first_channel: The source's channel that becomes the first one.
        first_sample: The source's sample that becomes the first one; beyond its ends are zeros.
    """

    first_channel: int
    first_sample: int

    word = "move"

    @property
    def detail(self) -> str:
        """Where it begins."""
        return f"from channel {self.first_channel}, sample {self.first_sample}"


@dataclass(frozen=True, eq=False)
class Reshape(Step):
    """The same integers in the same order under another shape."""

    word = "reshape"


@dataclass(frozen=True, eq=False)
class Join(Step):
    """The channels of several tensors, one after the other."""

    word = "join"


@dataclass(frozen=True, eq=False)
class Convolve(Step):
    """Sums of products with constants; a dense layer is one whose taps are all samples.

    y[o, t] = bias[o] + Σ weights[o, i, k] · x[group's first channel + i, t · stride + k − pad]

    Args:
        weights: (outputs, inputs of a group, taps).
        bias: (outputs,).
        stride: Samples from one sum to the next.
        pad: Zeros before the first sample; as many as needed follow the last.
        groups: How many groups channels and outputs fall into.
    """

    weights: Integers
    bias: Integers
    stride: int
    pad: int
    groups: int

    word = "convolve"

    @property
    def n_terms(self) -> int:
        """Weights that are not zero."""
        return int(np.count_nonzero(self.weights))

    @property
    def detail(self) -> str:
        """Taps, stride, groups, weights."""
        taps = f"{self.weights.shape[2]} taps, stride {self.stride}, {self.groups} groups"
        return f"{taps}, {self.n_terms} of {self.weights.size} weights"


@dataclass(frozen=True, eq=False)
class Total(Step):
    """Sums of neighbours, the mean's integer part: y[c, t] = Σ x[c, t · stride + k · spacing].

    Args:
        kernel: How many are added.
        stride: Samples from one sum to the next.
        spacing: Samples from one summand to the next.
    """

    kernel: int
    stride: int
    spacing: int

    word = "total"

    @property
    def detail(self) -> str:
        """Window, stride, spacing."""
        return f"of {self.kernel}, stride {self.stride}, spacing {self.spacing}"


@dataclass(frozen=True, eq=False)
class Maximum(Step):
    """Largest of neighbours.

    Args:
        kernel: How many are compared.
        stride: Samples from one maximum to the next.
    """

    kernel: int
    stride: int

    word = "maximum"

    @property
    def detail(self) -> str:
        """Window and stride."""
        return f"of {self.kernel}, stride {self.stride}"


@dataclass(frozen=True, eq=False)
class Add(Step):
    """Sum of tensors of one scale, each with a sign.

    Args:
        signs: 1 or −1 for each source.
    """

    signs: tuple[int, ...]

    word = "add"

    @property
    def detail(self) -> str:
        """The signs."""
        return " ".join("+" if sign > 0 else "−" for sign in self.signs)


@dataclass(frozen=True, eq=False)
class Product(Step):
    """Product of two tensors, element by element."""

    word = "product"


@dataclass(frozen=True, eq=False)
class MultiplyShift:
    """y = min(max((Σ factors · sources + addend) >> shift, low), high), channel by channel.

    Args:
        factors: (sources, channels).
        addend: (channels,).
        shift: (channels,).
        found: Channels for which this is the same as the thresholds, for every reachable value.
    """

    factors: Integers
    addend: Integers
    shift: Integers
    found: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Requantise(Step):
    """lowest + number of thresholds <= Σ coefficients · sources, channel by channel.

    Args:
        coefficients: (sources, channels).
        thresholds: Ascending along a channel, (channels, levels − 1).
        lowest: Value below the first threshold.
        multiply: The same without thresholds, where it has been looked for.
    """

    coefficients: Integers
    thresholds: Integers
    lowest: int
    multiply: MultiplyShift | None = None

    word = "requantise"

    @property
    def detail(self) -> str:
        """Number of thresholds, and what stands for them."""
        text = f"{self.thresholds.shape[1]} thresholds a channel"
        if self.multiply is not None:
            found = int(self.multiply.found.sum())
            text += f", {found} of {self.shape[0]} as multiply and shift"
        return text


@dataclass(frozen=True, eq=False)
class Instant(Step):
    """1 where a score is the largest but for less than its bound, 0 elsewhere.

    y[j] = 1 if x[i] − x[j] <= limits[i − j + n − 1] for every i of the n scores.

    Args:
        limits: (2 n − 1,).
    """

    limits: Integers

    word = "instant"


@dataclass(frozen=True, eq=False)
class Choose(Step):
    """Of each group of samples the one at the instant: y[c, n] = Σ_j x[c, n · kernel + j] · at[j].

    The sources are x and the instant.

    Args:
        kernel: Samples of a group.
    """

    kernel: int

    word = "choose"


@dataclass(frozen=True, eq=False)
class Level(Step):
    """A signal divided by the root of its power, by comparison of squares.

    y = sign(x) · min(number of k >= 1 with x² · 2^shift >= (2 k − 1)² · (factor · power + addend),
    largest), where largest is `most` for x >= 0 and `most` + 1 below. The sources are x and power.

    Args:
        factor: What the power is multiplied by.
        addend: What is added to it.
        shift: Bits by which squares are moved.
        most: Largest result.
    """

    factor: int
    addend: int
    shift: int
    most: int

    word = "level"


@dataclass(frozen=True, eq=False)
class Formula(Step):
    """Real numbers in float64 up to a quantiser: y = round(value / scale), ties to even, clipped.

    Each operation makes rows of float64 by its number; what is rounded, and in which order, is as
    written, so that every execution says the same. The last one is the value.

    Args:
        operations: `source i` (of the sources; of frames also their samples), `times a n…`,
            `plus a n…` (a number for all channels, or one each), `over a n`, `add a b`,
            `subtract a b`, `multiply a b`,
            `divide a b`, `root a`, `least a n` (n unless a is more), `most a n` (n unless a is
            less), `mean a kernel stride`, `move a first channel, channels, first sample, samples`,
            `join a…` (channels). Numbers are hexadecimal floats. A mean over a whole row adds every
            eighth sample, then ((0+1)+(2+3))+((4+5)+(6+7)), then divides; others add in order.
        scale: The quantiser's step; of no number, the lowest level.
    """

    operations: tuple[str, ...]
    scale: float

    word = "formula"

    @property
    def detail(self) -> str:
        """How long it is."""
        return f"{len(self.operations)} operations in float64"


STEPS: dict[str, type[Step]] = {
    each.word: each
    for each in (
        Quantise, Move, Reshape, Join, Convolve, Total, Maximum, Add, Product, Requantise, Instant,
        Choose, Level, Formula,
    )
}  # fmt: skip
"""Every kind of step by its word."""


@dataclass(frozen=True, eq=False)
class Program:
    """A network in integers.

    Args:
        name: What it is called.
        classes: Name of each score.
        input_scaling: How frames are scaled, as in the model's metadata.
        steps: In the order in which they are taken; the last one gives the scores, (classes, 1).
        scale: What a score of 1 is worth in the network's own logits.
        origins: The file's tensors that quantisers made, by the steps that stand for them.
    """

    name: str
    classes: tuple[str, ...]
    input_scaling: str
    steps: tuple[Step, ...]
    scale: Fraction
    origins: Mapping[str, str]

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Shape of a frame: I and Q, and its samples."""
        first = self.steps[0]
        if isinstance(first, Formula):
            return 2, int(first.operations[0].split()[2])
        return first.shape

    def integers_alone(self, what: str) -> None:
        """Check that there is no formula in float64 between the integers.

        Args:
            what: What the program is to become.

        Raises:
            UnsupportedOperatorError: There is one.
        """
        for step in self.steps:
            if isinstance(step, Formula):
                raise UnsupportedOperatorError(
                    f"{self.name} must be integers throughout to become {what}, and {step.name} is "
                    f"a formula of {len(step.operations)} operations in float64: run it with "
                    "--engine integer, or quantise what it is made of"
                )

    def __getitem__(self, name: str) -> Step:
        """Return the step that makes a tensor."""
        return next(step for step in self.steps if step.name == name)

    def consumers(self, name: str) -> tuple[Step, ...]:
        """Return the steps that read a tensor."""
        return tuple(step for step in self.steps if name in step.sources)

    def as_rows(self) -> list[dict[str, Any]]:
        """What a table of the program says, step by step."""
        return [
            {
                "step": step.name,
                "kind": step.word,
                "from": ", ".join(step.sources),
                "shape": f"{step.shape[0]}×{step.shape[1]}",
                "low": step.range[0],
                "high": step.range[1],
                "detail": step.detail,
            }
            for step in self.steps
        ]
