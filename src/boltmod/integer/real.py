"""What no quantiser made, between two quantisers: a formula in float64, its order laid down.

Lines of a spectrum, quotients, roots, normalised means: their real numbers have no integers of
their own, but the quantiser behind them has. Until there they are an expression of integer tensors,
and IEEE arithmetic in a fixed order says the same wherever it is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import onnx

from boltmod.errors import UnsupportedOperatorError
from boltmod.integer import form
from boltmod.integer.constants import Quantiser, attributes
from boltmod.integer.form import FRAMES
from boltmod.integer.steps import Growing
from boltmod.integer.value import Value


@dataclass(frozen=True, eq=False)
class Real:
    """A tensor of real numbers.

    Args:
        word: The operation; `form.Formula` lists them.
        of: What it is made of.
        numbers: Its constants, as they are written.
        shape: The network's own shape, without the batch.
        refusal: Why it has no integers.
        source: The tensor it is, of a source.
    """

    word: str
    of: tuple[Real, ...]
    numbers: tuple[str, ...]
    shape: tuple[int, ...]
    refusal: UnsupportedOperatorError
    source: str = ""

    @property
    def matrix(self) -> tuple[int, int]:
        """Channels and samples."""
        return self.shape[0], prod(self.shape[1:])


class Reading:
    """Reads one operator as real numbers.

    Args:
        values: What the model's tensors are.
        constants: The constant ones.
        frame_shape: Of the received frames.
        node: The operator.
        refusal: Why it has no meaning in integers: raised where it has none in real numbers either.
    """

    def __init__(self, values: dict[str, Any], constants: dict[str, Any],
                 frame_shape: tuple[int, int], node: onnx.NodeProto,
                 refusal: UnsupportedOperatorError) -> None:  # fmt: skip
        self.values, self.constants, self.frame_shape = values, constants, frame_shape
        self.node, self.refusal = node, refusal

    def read(self) -> Real:
        """Return what the operator makes.

        Raises:
            UnsupportedOperatorError: It is none of the few that formulas know.
        """
        reader = _READERS.get(self.node.op_type)
        if reader is None:
            raise self.refusal
        return reader(self)

    def made(self, word: str, of: tuple[Real, ...], shape: tuple[int, ...], *numbers: Any) -> Real:
        """Return an operation on real numbers."""
        written = (n.hex() if isinstance(n, float) else str(n) for n in numbers)
        return Real(word, of, tuple(written), shape, self.refusal)

    def constant(self, index: int) -> Any:
        """Return an operand's constant, None where it is none."""
        return self.constants.get(self.node.input[index]) if index < len(self.node.input) else None

    def real(self, index: int = 0) -> Real:
        """Return an operand as real numbers."""
        value = self.values.get(self.node.input[index])
        if isinstance(value, Real):
            return value
        if isinstance(value, str):
            return Real("source", (), (), self.frame_shape, self.refusal, FRAMES)
        if not isinstance(value, Value) or value.is_normalised or any(value.shift):
            raise self.refusal
        return self._of_integers(value)

    def _of_integers(self, value: Value) -> Real:
        parts = []
        for term in value.terms:
            leaf = Real("source", (), (), value.shape, self.refusal, term.tensor)
            parts.append(self.made("times", (leaf,), value.shape, *map(float, term.gain)))
        total = parts[0]
        for part in parts[1:]:
            total = self.made("add", (total, part), value.shape)
        if any(value.offset):
            total = self.made("plus", (total,), value.shape, *map(float, value.offset))
        if value.clamped:
            total = self.made("least", (total,), value.shape, 0.0)
        if any(value.rooted) and not all(value.rooted):
            raise self.refusal
        return self.made("root", (total,), value.shape) if any(value.rooted) else total


def _arithmetic(r: Reading) -> Real:
    word = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide"}[r.node.op_type]
    for one, other in ((0, 1), (1, 0)):
        constant = r.constant(other)
        if constant is None:
            continue
        if np.size(constant) != 1 or (one == 1 and word in ("subtract", "divide")):
            raise r.refusal
        x, number = r.real(one), float(constant.item())
        if word == "divide":
            return r.made("over", (x,), x.shape, number)
        return r.made(
            "times" if word == "multiply" else "plus", (x,), x.shape,
            -number if word == "subtract" else number,
        )  # fmt: skip
    a, b = r.real(0), r.real(1)
    shapes = [each.shape + (1,) * (len(a.shape) - len(each.shape)) for each in (a, b)]
    if len(a.shape) != len(b.shape):
        raise r.refusal
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise r.refusal from None
    return r.made(word, (a, b), shape)


def _power(r: Reading) -> Real:
    exponent, x = r.constant(1), r.real()
    if exponent is None or np.size(exponent) != 1 or exponent.item() != 2:
        raise r.refusal
    return r.made("multiply", (x, x), x.shape)


def _root(r: Reading) -> Real:
    x = r.real()
    return r.made("root", (x,), x.shape)


def _clip(r: Reading) -> Real:
    x = r.real()
    for index, word in ((1, "least"), (2, "most")):
        bound = r.constant(index)
        if bound is not None and np.size(bound) == 1:
            x = r.made(word, (x,), x.shape, float(bound.item()))
        elif index < len(r.node.input) and r.node.input[index]:
            raise r.refusal
    return x


def _rectified(r: Reading) -> Real:
    x = r.real()
    return r.made("least", (x,), x.shape, 0.0)


def _mean(r: Reading) -> Real:
    x, facts = r.real(), attributes(r.node, pads=[0, 0], ceil_mode=0, dilations=[1], strides=[1])
    if len(x.shape) != 2:
        raise r.refusal
    kernel, stride = x.shape[1], 1
    if r.node.op_type == "AveragePool":
        if len(facts["kernel_shape"]) != 1 or any(facts["pads"]) or facts["ceil_mode"]:
            raise r.refusal
        (kernel,), (stride,) = facts["kernel_shape"], facts["strides"]
    length = (x.shape[1] - kernel) // stride + 1
    return r.made("mean", (x,), (x.shape[0], length), kernel, stride)


def _slice(r: Reading) -> Real:
    x = r.real()
    bounds = [r.constant(index) for index in range(1, len(r.node.input))]
    if len(x.shape) != 2 or len(bounds) < 3 or any(np.size(each) != 1 for each in bounds):
        raise r.refusal
    start, stop, axis, step = (*(int(np.ravel(each)[0]) for each in bounds), 1)[:4]
    if step != 1 or axis not in (1, 2, -1, -2):
        raise r.refusal
    ends = [(0, x.shape[0]), (0, x.shape[1])]
    axis = axis - 1 if axis > 0 else axis
    ends[axis] = slice(start, stop).indices(ends[axis][1])[:2]
    shape = (ends[0][1] - ends[0][0], ends[1][1] - ends[1][0])
    return r.made("move", (x,), shape, ends[0][0], shape[0], ends[1][0], shape[1])


def _joined(r: Reading) -> Real:
    parts = tuple(r.real(index) for index in range(len(r.node.input)))
    if attributes(r.node)["axis"] not in (1, -len(parts[0].shape)):
        raise r.refusal
    if len({part.shape[1:] for part in parts}) != 1:
        raise r.refusal
    shape = (sum(part.shape[0] for part in parts), *parts[0].shape[1:])
    return r.made("join", parts, shape)


def _reshaped(r: Reading) -> Real:
    x = r.real()
    if r.node.op_type == "Unsqueeze":
        shape: tuple[int, ...] = (*x.shape, 1)
        axes = r.constant(1)
        if axes is None or np.ravel(axes).tolist() not in ([len(x.shape) + 1], [-1]):
            raise r.refusal
    else:
        wanted = r.constant(1)
        if wanted is None:
            raise r.refusal
        sizes = [int(each) for each in wanted[1:]]
        known = prod(each for each in sizes if each != -1)
        shape = tuple(prod(x.shape) // known if each == -1 else each for each in sizes)
    if not shape or (shape[0], prod(shape[1:])) != x.matrix:
        raise r.refusal
    return Real(x.word, x.of, x.numbers, shape, x.refusal, x.source)


def _normalised(r: Reading) -> Real:
    x = r.real()
    names = r.node.input[1:5]
    if any(name not in r.constants for name in names):
        raise r.refusal
    gamma, beta, mean, variance = (np.ravel(r.constants[name]).astype(np.float64) for name in names)
    epsilon = float(np.float32(attributes(r.node).get("epsilon", 1e-5)))
    gain = gamma / np.sqrt(variance + epsilon)
    x = r.made("plus", (x,), x.shape, *(-mean).tolist())
    x = r.made("times", (x,), x.shape, *gain.tolist())
    return r.made("plus", (x,), x.shape, *beta.tolist())


_READERS = {
    "Add": _arithmetic,
    "Sub": _arithmetic,
    "Mul": _arithmetic,
    "Div": _arithmetic,
    "Pow": _power,
    "Sqrt": _root,
    "Clip": _clip,
    "Relu": _rectified,
    "AveragePool": _mean,
    "GlobalAveragePool": _mean,
    "Slice": _slice,
    "Concat": _joined,
    "Reshape": _reshaped,
    "Unsqueeze": _reshaped,
    "BatchNormalization": _normalised,
}
"""What a formula can hold."""


def quantised(growing: Growing, value: Real, quantiser: Quantiser) -> str:
    """Add the step that a quantiser of real numbers is: the formula up to it.

    Returns:
        The tensor of the quantiser's integers.
    """
    sources, lines, places = list[str](), list[str](), dict[tuple[Any, ...], int]()

    def place(real: Real) -> int:
        of = tuple(place(each) for each in real.of)
        key = (real.word, of, real.numbers, real.source)
        if key not in places:
            words: tuple[Any, ...] = (real.word, *of, *real.numbers)
            if real.word == "source":
                if real.source not in sources:
                    sources.append(real.source)
                words = ("source", sources.index(real.source))
                words += (real.shape[1],) if real.source == FRAMES else ()
            places[key] = len(lines)
            lines.append(" ".join(map(str, words)))
        return places[key]

    place(value)
    n = value.shape[0]
    bounds = (np.full(n, quantiser.low), np.full(n, quantiser.high))
    step = float(np.ravel(quantiser.step)[0])
    return growing.add(form.Formula, tuple(sources), value.matrix, bounds,
                       operations=tuple(lines), scale=step)  # fmt: skip
