"""Samples as a receiver has them, brought to unit deviation and quantised in integers alone.

A network expects frames divided by their complex standard deviation σ. Level k of its quantiser of
step S begins at (k − ½)·S·σ, so with r = S·σ/2 a sample x has level ⌊(⌊|x| / r⌋ + 1) / 2⌋ and its
own sign. r is held with some bits behind the point, rounded down, from the integer square root of
S²·σ²/4; σ² = (N·Σ|z|² − |Σz|²) / N² has no rounding at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor, isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boltmod.integer.form import Integers, Quantise

_PEAK = 32767
"""What the largest magnitude of a frame of floats becomes before it is taken as integers."""

SQUARED_BITS = 32
"""Bits of the squared step's mantissa."""


@dataclass(frozen=True)
class SampleType:
    """How a receiver's numbers become integers.

    Args:
        c_type: Their type in C.
        factor: What they are multiplied by.
        addend: What is added: of unsigned samples the middle lies between two numbers.
        fraction_bits: Bits behind the point of r.
    """

    c_type: str
    factor: int
    addend: int
    fraction_bits: int


SAMPLE_TYPES = {
    "f32": SampleType("float", 1, 0, 16),
    "s16": SampleType("int16_t", 1, 0, 16),
    "s8": SampleType("int8_t", 1, 0, 23),
    "u8": SampleType("uint8_t", 2, -255, 22),
}
"""Kinds of interleaved samples that the C takes, by name."""


def squared_step(step: Quantise) -> tuple[int, int]:
    """Return the step's square as mantissa and exponent: square = mantissa / 2^exponent."""
    square, exponent = Fraction(step.scale) ** 2, 0
    while square * 2**exponent < 2 ** (SQUARED_BITS - 2):
        exponent += 2
    return floor(square * 2**exponent), exponent


def receive(step: Quantise, name: str, iq: NDArray[Any]) -> Integers | None:
    """Return one frame's integers, as the C has them.

    Args:
        step: The program's first step.
        name: Kind of sample, one of `SAMPLE_TYPES`.
        iq: Interleaved samples, (2 · frame length,).

    Returns:
        (2, frame length); None of a frame that is constant or holds what is no number.
    """
    kind = SAMPLE_TYPES[name]
    samples = _from_floats(iq) if name == "f32" else iq.astype(np.int64)
    if samples is None:
        return None
    x = (samples * kind.factor + kind.addend).reshape(-1, 2)
    unit = _half_step(step, kind, x)
    if unit is None:
        return None
    level = ((np.abs(x) << kind.fraction_bits) // unit + 1) >> 1
    low, high = step.lowest, step.lowest + len(step.thresholds)
    return np.asarray(np.where(x < 0, np.maximum(-level, low), np.minimum(level, high)).T)


def _half_step(step: Quantise, kind: SampleType, x: Integers) -> int | None:
    total = x.sum(0)
    n_samples = len(x)
    spread = n_samples * int((x**2).sum()) - int((total**2).sum())
    if spread == 0:
        return None
    mantissa, exponent = squared_step(step)
    bits = 0
    while spread >= 2**32:
        spread, bits = spread >> 2, bits + 2
    while spread < 2**30:
        spread, bits = spread << 2, bits - 2
    moved = (bits - exponent) // 2 + kind.fraction_bits - (n_samples.bit_length() - 1) - 1
    root = isqrt(spread * mantissa)
    return max(1, root << moved if moved >= 0 else root >> -moved)


def _from_floats(iq: NDArray[Any]) -> Integers | None:
    x = np.asarray(iq, np.float32)
    peak = np.abs(x).max()
    if not np.float32(1e-30) < peak <= np.float32(3e38):
        return None
    return np.asarray(np.trunc(x * (np.float32(_PEAK) / peak)), np.int64)
