"""The program in numpy: obvious, slow, and the truth that the other executions must agree with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boltmod.integer import form
from boltmod.integer.form import FRAMES, Floats, Integers, Program

Tensors = dict[str, NDArray[Any]]


def execute(program: Program, iq_planes: Floats) -> Integers:
    """Return the scores of frames.

    Args:
        program: The network.
        iq_planes: Frames, (n, 2, 1024) float32.

    Returns:
        (n, classes); times the program's scale they are the network's logits.
    """
    last: Integers = trace(program, iq_planes)[program.steps[-1].name]
    return last[:, :, 0]


def trace(program: Program, iq_planes: Floats) -> Tensors:
    """Return every tensor of the program, (n, channels, samples) each, by its name."""
    tensors: Tensors = {FRAMES: np.asarray(iq_planes, np.float32)}
    for step in program.steps:
        sources = [tensors[name] for name in step.sources]
        tensors[step.name] = _RUN[type(step)](step, *sources)
    return tensors


def steps_from(program: Program, levels: Integers) -> Tensors:
    """Return every tensor of what the first step has made already, (n, 2, 1024), by its name."""
    tensors: Tensors = {program.steps[0].name: levels}
    for step in program.steps[1:]:
        sources = [tensors[name] for name in step.sources]
        tensors[step.name] = _RUN[type(step)](step, *sources)
    return tensors


def run_from(program: Program, levels: Integers) -> Integers:
    """Return the scores of what the first step has made already, (n, 2, 1024)."""
    last: Integers = steps_from(program, levels)[program.steps[-1].name]
    return last[:, :, 0]


def _quantise(step: form.Quantise, x: Floats) -> Integers:
    count = np.searchsorted(step.thresholds, x, side="right")
    return np.where(np.isnan(x), step.lowest, step.lowest + count).astype(np.int64)


def _move(step: form.Move, x: Integers) -> Integers:
    n_channels, length = step.shape
    first, begin = step.first_channel, step.first_sample
    y = np.zeros((len(x), n_channels, length), np.int64)
    start, stop = max(0, begin), min(x.shape[2], begin + length)
    y[:, :, start - begin : stop - begin] = x[:, first : first + n_channels, start:stop]
    return y


def _reshape(step: form.Reshape, x: Integers) -> Integers:
    return x.reshape(len(x), *step.shape)


def _join(step: form.Join, *sources: Integers) -> Integers:
    return np.concatenate(sources, axis=1)


def _convolve(step: form.Convolve, x: Integers) -> Integers:
    n_outputs, n_inputs, n_taps = step.weights.shape
    length = step.shape[1]
    after = max(0, (length - 1) * step.stride + n_taps - step.pad - x.shape[2])
    padded = np.pad(x, ((0, 0), (0, 0), (step.pad, after)))
    y = np.empty((len(x), n_outputs, length), np.int64)
    for output in range(n_outputs):
        first = output // (n_outputs // step.groups) * n_inputs
        y[:, output] = step.bias[output]
        for channel, tap in np.argwhere(step.weights[output]):
            stop = tap + (length - 1) * step.stride + 1
            samples = padded[:, first + channel, tap : stop : step.stride]
            y[:, output] += step.weights[output, channel, tap] * samples
    return y


def _windows(x: Integers, kernel: int, stride: int, spacing: int, length: int) -> Integers:
    """Return the samples of each window: (n, channels, length, kernel)."""
    at = np.arange(length)[:, np.newaxis] * stride + np.arange(kernel) * spacing
    return x[:, :, at]


def _total(step: form.Total, x: Integers) -> Integers:
    windows = _windows(x, step.kernel, step.stride, step.spacing, step.shape[1])
    return np.asarray(windows.sum(3))


def _maximum(step: form.Maximum, x: Integers) -> Integers:
    return np.asarray(_windows(x, step.kernel, step.stride, 1, step.shape[1]).max(3))


def _add(step: form.Add, *sources: Integers) -> Integers:
    return np.asarray(sum(sign * x for sign, x in zip(step.signs, sources, strict=True)))


def _product(step: form.Product, x: Integers, y: Integers) -> Integers:
    return x * y


def _requantise(step: form.Requantise, *sources: Integers) -> Integers:
    y = np.empty((len(sources[0]), *step.shape), np.int64)
    for channel, thresholds in enumerate(step.thresholds):
        factors = step.coefficients[:, channel]
        total = np.asarray(sum(f * x[:, channel] for f, x in zip(factors, sources, strict=True)))
        y[:, channel] = step.lowest + np.searchsorted(thresholds, total, side="right")
    return y


def _instant(step: form.Instant, x: Integers) -> Integers:
    n = x.shape[2]
    i, j = np.arange(n)[:, np.newaxis], np.arange(n)
    above = x[:, :, :, np.newaxis] - x[:, :, np.newaxis, :]
    return np.asarray((above <= step.limits[i - j + n - 1]).all(2)).astype(np.int64)


def _choose(step: form.Choose, x: Integers, instant: Integers) -> Integers:
    windows = _windows(x, step.kernel, step.kernel, 1, step.shape[1])
    return np.asarray((windows * instant[:, :, np.newaxis, :]).sum(3))


def _level(step: form.Level, x: Integers, power: Integers) -> Integers:
    k = np.arange(1, step.most + 2)
    bounds = (2 * k - 1) ** 2 * (step.factor * power[:, :, :1] + step.addend)
    squares = x**2 << step.shift
    y = np.zeros_like(x)
    for bound in np.moveaxis(bounds, 2, 0):
        y += squares >= bound[:, :, np.newaxis]
    return np.where(x < 0, -y, np.minimum(y, step.most))


def _formula(step: form.Formula, *sources: NDArray[Any]) -> Integers:
    rows: list[NDArray[np.float64]] = []
    with np.errstate(all="ignore"):
        for line in step.operations:
            word, *words = line.split()
            rows.append(_OPERATIONS[word](rows, sources, words))
        value = rows[-1] / step.scale
        low, high = step.range
        value = np.minimum(np.where(value > low, value, low), high)
    return np.rint(value).astype(np.int64)


def _numbers(words: list[str]) -> NDArray[np.float64]:
    return np.array([float.fromhex(word) for word in words])[:, np.newaxis]


def _mean(x: NDArray[np.float64], kernel: int, stride: int) -> NDArray[np.float64]:
    n, channels, length = x.shape
    if kernel == length:
        lanes = np.zeros((n, channels, 8))
        for begin in range(0, length, 8):
            part = x[:, :, begin : begin + 8]
            lanes[:, :, : part.shape[2]] += part
        while lanes.shape[2] > 1:
            lanes = lanes[:, :, ::2] + lanes[:, :, 1::2]
        return np.asarray(lanes / kernel)
    stop = length - kernel + 1
    total = x[:, :, 0:stop:stride]
    for k in range(1, kernel):
        total = total + x[:, :, k : k + stop : stride]
    return np.asarray(total / kernel)


def _moved(x: NDArray[np.float64], words: list[str]) -> NDArray[np.float64]:
    channel, channels, sample, samples = map(int, words)
    return x[:, channel : channel + channels, sample : sample + samples]


_OPERATIONS: dict[str, Callable[[list[Any], Any, list[str]], NDArray[np.float64]]] = {
    "source": lambda rows, sources, w: sources[int(w[0])].astype(np.float64),
    "times": lambda rows, _, w: rows[int(w[0])] * _numbers(w[1:]),
    "plus": lambda rows, _, w: rows[int(w[0])] + _numbers(w[1:]),
    "over": lambda rows, _, w: rows[int(w[0])] / _numbers(w[1:]),
    "add": lambda rows, _, w: rows[int(w[0])] + rows[int(w[1])],
    "subtract": lambda rows, _, w: rows[int(w[0])] - rows[int(w[1])],
    "multiply": lambda rows, _, w: rows[int(w[0])] * rows[int(w[1])],
    "divide": lambda rows, _, w: rows[int(w[0])] / rows[int(w[1])],
    "root": lambda rows, _, w: np.sqrt(rows[int(w[0])]),
    "least": lambda rows, _, w: np.where(
        rows[int(w[0])] > (n := _numbers(w[1:])), rows[int(w[0])], n
    ),
    "most": lambda rows, _, w: np.where(
        rows[int(w[0])] < (n := _numbers(w[1:])), rows[int(w[0])], n
    ),
    "mean": lambda rows, _, w: _mean(rows[int(w[0])], int(w[1]), int(w[2])),
    "move": lambda rows, _, w: _moved(rows[int(w[0])], w[1:]),
    "join": lambda rows, _, w: np.concatenate([rows[int(each)] for each in w], 1),
}
"""What a formula's operations do."""

_RUN: dict[type[form.Step], Callable[..., NDArray[Any]]] = {
    form.Quantise: _quantise,
    form.Move: _move,
    form.Reshape: _reshape,
    form.Join: _join,
    form.Convolve: _convolve,
    form.Total: _total,
    form.Maximum: _maximum,
    form.Add: _add,
    form.Product: _product,
    form.Requantise: _requantise,
    form.Instant: _instant,
    form.Choose: _choose,
    form.Level: _level,
    form.Formula: _formula,
}
"""How each kind of step is taken."""
