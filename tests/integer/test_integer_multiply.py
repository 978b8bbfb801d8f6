"""Multiply, add, shift says what the thresholds say, for every value that can come."""

from pathlib import Path

import numpy as np
import pytest

from boltmod.integer.build import build
from boltmod.integer.form import Program, Requantise, Step
from boltmod.integer.multiply import with_multiplications
from boltmod.model import onnx_file


def both(step: Requantise, channel: int, sources: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    total = sum(c * x for c, x in zip(step.coefficients[:, channel], sources, strict=True))
    wanted = step.lowest + np.searchsorted(step.thresholds[channel], total, side="right")
    multiply = step.multiply
    assert multiply is not None
    moved = sum(f * x for f, x in zip(multiply.factors[:, channel], sources, strict=True))
    moved = moved + multiply.addend[channel]
    assert np.abs(moved).max() < 2**31
    got = moved >> multiply.shift[channel]
    return wanted, np.clip(got, step.lowest, step.lowest + step.thresholds.shape[1])


@pytest.fixture(scope="module")
def boltnet() -> Program:
    return with_multiplications(build(onnx_file.load(Path("boltnet"))))


def test_value_by_value(boltnet: Program) -> None:
    n_found = n_channels = 0
    for step in boltnet.steps:
        if isinstance(step, Requantise) and step.multiply is not None:
            source = boltnet[step.sources[0]]
            n_channels += step.shape[0]
            for channel in np.flatnonzero(step.multiply.found):
                x = np.arange(source.low[channel], source.high[channel] + 1)
                wanted, got = both(step, channel, [x])
                assert (wanted == got).all(), (step.name, channel)
                n_found += 1
    assert n_found >= 0.98 * n_channels


def two_sources(step_size: float, reach: int, coefficients: tuple[int, int]) -> Program:
    """A program whose last step takes two tensors that reach from −reach to reach."""
    ends = (np.full(1, -reach), np.full(1, reach))
    a, b = (Step(name, ("frames",), (1, 4), *ends) for name in "ab")
    thresholds = np.ceil((np.arange(1, 16) - 0.5) * step_size).astype(np.int64)[np.newaxis]
    levels = (np.zeros(1, np.int64), np.full(1, 15))
    column = np.array(coefficients)[:, np.newaxis]
    last = Requantise("y", ("a", "b"), (1, 4), *levels, column, thresholds, 0)
    return Program("two", ("x",), "none", (a, b, last), 1, {})  # type: ignore[arg-type]


@pytest.mark.parametrize("coefficients", [(3, 5), (7, 4), (-3, -5), (1001, 1003)])
@pytest.mark.parametrize("step_size", [20.0, 37.3, 20000.7])
def test_two_sources_value_by_value(coefficients: tuple[int, int], step_size: float) -> None:
    program = with_multiplications(two_sources(step_size, 60, coefficients))
    step = program["y"]
    assert isinstance(step, Requantise)
    assert step.multiply is not None
    if step.multiply.found[0]:
        x = np.arange(-60, 61)
        wanted, got = both(step, 0, [x[:, np.newaxis], x])
        assert (wanted == got).all()


def test_two_sources_are_found_where_levels_are_wide() -> None:
    step = with_multiplications(two_sources(37.3, 60, (3, 5)))["y"]
    assert isinstance(step, Requantise)
    assert step.multiply is not None
    assert step.multiply.found.all()


def test_uneven_levels_keep_their_thresholds() -> None:
    ends = (np.full(1, -100), np.full(1, 100))
    source = Step("a", ("frames",), (1, 4), *ends)
    thresholds = np.array([[-50, 0, 3, 60]])
    levels = (np.zeros(1, np.int64), np.full(1, 4))
    last = Requantise("y", ("a",), (1, 4), *levels, np.ones((1, 1), np.int64), thresholds, 0)
    program = Program("uneven", ("x",), "none", (source, last), 1, {})  # type: ignore[arg-type]
    step = with_multiplications(program)["y"]
    assert isinstance(step, Requantise)
    assert step.multiply is not None
    assert not step.multiply.found.any()
