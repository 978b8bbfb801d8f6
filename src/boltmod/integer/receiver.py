"""Symbol timing and gain control, found among the operators that an exporter writes them as.

Both are written in the few operators that the challenge's cost tool knows (nn/symbol_timing.py,
nn/gain_control.py); here they are found again and given their meaning in integers: a choice by
comparison, and a division by a root decided by squares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
import onnx

from boltmod.integer.exact import fraction
from boltmod.integer.form import Integers

_FEWEST_ITERATIONS = 6
"""Of Heron's rule for its result to be taken for the root."""

_FEWEST_BITS = 20
"""Of a power's factor."""


@dataclass(frozen=True)
class Timing:
    """A choice by comparison: 1 where a score is the largest but for less than a margin.

    Args:
        scores: The tensor compared.
        lateness: What each score is less by.
        margin: A score counts as largest if it is less than this below the largest.
        inner: Outputs of the nodes that this stands for.
    """

    scores: str
    lateness: tuple[Fraction, ...]
    margin: Fraction
    inner: frozenset[str]


@dataclass(frozen=True)
class Gain:
    """A root by Heron's rule.

    Args:
        power: The tensor whose root it is.
        inner: Outputs of the nodes that this stands for.
    """

    power: str
    inner: frozenset[str]


class Patterns:
    """The network's nodes, to be matched backwards.

    Args:
        graph: The network.
        constants: Value of each constant.
    """

    def __init__(self, graph: onnx.GraphProto, constants: dict[str, Any]) -> None:
        self._makers = {name: node for node in graph.node for name in node.output}
        self._constants = constants

    def _node(self, name: str, operator: str) -> onnx.NodeProto | None:
        node = self._makers.get(name)
        return node if node is not None and node.op_type == operator else None

    def _number(self, name: str) -> Fraction | None:
        value = self._constants.get(name)
        return fraction(value.item()) if value is not None and np.size(value) == 1 else None

    def _with_constant(self, name: str, operator: str) -> Iterator[tuple[str, Fraction]]:
        """Yields what a node takes beside a number, and the number."""
        node = self._node(name, operator)
        if node is not None:
            for one, other in (node.input, reversed(node.input)):
                number = self._number(other)
                if number is not None:
                    yield one, number

    def timing(self, quant: onnx.NodeProto) -> Timing | None:
        """Return the choice that a quantiser ends, if it does: quant(1 − sharpness · below)."""
        outer = self._node(quant.input[0], "Sub")
        one = None if outer is None else self._number(outer.input[0])
        if outer is None or one is None:
            return None
        for below, sharpness in self._with_constant(outer.input[1], "Mul"):
            found = self._below(below)
            if found is not None and sharpness > 0:
                scores, lateness, inner = found
                margin = (one - Fraction(1, 2)) / sharpness
                inner |= {outer.output[0], outer.input[1], below}
                return Timing(scores, lateness, margin, inner)
        return None

    def _below(self, name: str) -> tuple[str, tuple[Fraction, ...], frozenset[str]] | None:
        """Match max(z) − z for z = scores − constants."""
        node = self._node(name, "Sub")
        pool = None if node is None else self._node(node.input[0], "MaxPool")
        late = None if node is None else self._node(node.input[1], "Sub")
        if node is None or pool is None or late is None or pool.input[0] != late.output[0]:
            return None
        lateness = self._constants.get(late.input[1])
        if lateness is None:
            return None
        values = tuple(fraction(value) for value in np.ravel(lateness))
        return late.input[0], values, frozenset({node.input[0], late.output[0]})

    def root(self, name: str) -> Gain | None:
        """Return whose root a tensor is by Heron's rule: r ← (r + power / r) / 2."""
        inner: set[str] = set()
        power, n_iterations = "", 0
        while True:
            step = self._halved_sum(name)
            if step is None:
                return None
            node, inside = step
            inner |= inside
            divisions = [self._node(each, "Div") for each in node.input]
            division = next((d for d in divisions if d is not None), None)
            if division is None:
                break
            before = node.input[1 - divisions.index(division)]
            if division.input[1] != before or power not in ("", division.input[0]):
                return None
            power, name = division.input[0], before
            inner.add(division.output[0])
            n_iterations += 1
        starts = any(start == power for start, _ in self._with_constant(node.output[0], "Add"))
        return (
            Gain(power, frozenset(inner)) if starts and n_iterations >= _FEWEST_ITERATIONS else None
        )

    def _halved_sum(self, name: str) -> tuple[onnx.NodeProto, set[str]] | None:
        for total, factor in self._with_constant(name, "Mul"):
            node = self._node(total, "Add")
            if node is not None and factor == Fraction(1, 2):
                return node, {name, total}
        return None


def instant_limits(timing: Timing, gain: Fraction) -> Integers:
    """Return, for each distance i − j, by how much score i may exceed score j's at most.

    Args:
        timing: The choice.
        gain: What a score's integer is worth.
    """
    n, late = len(timing.lateness), timing.lateness
    bounds = []
    for distance in range(1 - n, n):
        allowed = {
            (timing.margin + late[j + distance] - late[j]) / gain
            for j in range(n)
            if 0 <= j + distance < n
        }
        bounds.append(min(ceil(each) - 1 for each in allowed))
    return np.array(bounds, np.int64)


@dataclass(frozen=True)
class Squares:
    """Integers of a level's comparison; see `form.Level`."""

    factor: int
    addend: int
    shift: int


def level_integers(
    gain: Fraction, power: tuple[Fraction, Fraction], step: Fraction,
    reach: tuple[int, int], n_levels: int,
) -> Squares | None:  # fmt: skip
    """Return the comparison of squares that says gain · x / √power >= (k − ½) · step.

    The power's two constants are rounded to as many bits as 63 leave, which is what float32 has:
    the one place where the program's meaning is rounded (docs/integer.md).

    Args:
        gain: What the signal's integer x is worth.
        power: Gain and offset of the power's integer.
        step: The quantiser's.
        reach: Largest magnitude of x and largest integer of power.
        n_levels: Largest k.

    Returns:
        The integers; None where fewer than `_FEWEST_BITS` are left.
    """
    per_power, constant = (each * step**2 / gain**2 / 4 for each in power)
    odd_square = (2 * n_levels - 1) ** 2
    for shift in range(62 - 2 * reach[0].bit_length(), 0, -1):
        found = Squares(round(per_power * 2**shift), round(constant * 2**shift), shift)
        if odd_square * (found.factor * reach[1] + found.addend) < 2**63:
            return found if found.factor >= 2**_FEWEST_BITS else None
    return None
