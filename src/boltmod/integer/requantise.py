"""From a value of the network, behind a quantiser, to thresholds on integers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from boltmod.integer import form
from boltmod.integer.constants import Quantiser
from boltmod.integer.exact import clipped, common, first_integers, first_squares
from boltmod.integer.form import Integers
from boltmod.integer.steps import Growing
from boltmod.integer.value import Value


def requantise(growing: Growing, value: Value, quantiser: Quantiser) -> str:
    """Add the step that a quantiser is, with all that stands between the integers and it.

    Args:
        growing: The program.
        value: What is quantised.
        quantiser: Its step is one number.

    Returns:
        The tensor of the quantiser's integers.
    """
    levels = range(0 if value.clamped else quantiser.low, quantiser.high + 1)
    levels = range(max(levels.start, quantiser.low), levels.stop)
    step = Fraction(float(np.ravel(quantiser.step)[0]))
    coefficients, rows, ends = [], [], []
    for channel in range(value.n_channels):
        row, factors, (low, high) = _channel(growing, value, channel, step, levels)
        coefficients.append(factors)
        rows.append(row)
        ends.append(
            (levels.start + int((row <= low).sum()), levels.start + int((row <= high).sum()))
        )
    bounds = np.array(ends, np.int64).T
    first, last = int(bounds[0].min()), int(bounds[1].max())
    table = np.array(rows, np.int64).reshape(len(rows), -1)
    table = table[:, first - levels.start : last - levels.start]
    return growing.add(
        form.Requantise,
        tuple(term.tensor for term in value.terms),
        growing[value.terms[0].tensor].shape,
        (bounds[0], bounds[1]),
        coefficients=np.array(coefficients, np.int64).T,
        thresholds=table,
        lowest=first,
    )


def _channel(
    growing: Growing, value: Value, channel: int, step: Fraction, levels: range
) -> tuple[Integers, list[int], tuple[int, int]]:
    """Thresholds of a channel, its coefficients, and what their sum can reach."""
    gain, factors = common([term.gain[channel] for term in value.terms])
    if gain == 0:
        return _constant(value, channel, step, levels), [0] * len(factors), (0, 0)
    low = high = 0
    for term, factor in zip(value.terms, factors, strict=True):
        source = growing[term.tensor]
        ends = (factor * int(source.low[channel]), factor * int(source.high[channel]))
        low, high = low + min(ends), high + max(ends)
    first = first_squares if value.is_root(channel) else first_integers
    firsts = first(value.affine(channel, gain), step, range(levels.start + 1, levels.stop))
    return clipped(firsts, low, high), factors, (low, high)


def _constant(value: Value, channel: int, step: Fraction, levels: range) -> Integers:
    """Thresholds on zero for a channel whose integers count for nothing."""
    affine = value.affine(channel, Fraction(1))
    firsts = first_integers(affine, step, range(levels.start + 1, levels.stop))
    return clipped(firsts, 0, 0)
