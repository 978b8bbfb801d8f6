"""What is made of each operator of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any, TypeVar

import numpy as np
import onnx

from boltmod.integer import form, receiver
from boltmod.integer.builder import Builder, Chosen, Levelled
from boltmod.integer.constants import Grid, Quantiser, attributes, refused
from boltmod.integer.exact import float_thresholds, fraction
from boltmod.integer.form import FRAMES
from boltmod.integer.real import Real, quantised
from boltmod.integer.requantise import requantise
from boltmod.integer.value import ONE, Fractions, Term, Value

_Each = TypeVar("_Each")


def _quant(b: Builder, node: onnx.NodeProto) -> Any:
    if node.output[0] in b.timings:
        return _instant(b, node)
    quantiser = Quantiser.of(node, b.constants)
    source = node.input[0]
    if source in b.constants:
        return quantiser.apply(b.constants[source])
    if quantiser.step.size != 1:
        raise refused(node, "have one scale", f"{quantiser.step.size}")
    step = fraction(np.ravel(quantiser.step)[0])
    if isinstance(b.values.get(source), str):
        return _quantised_frames(b, quantiser, step)
    if isinstance(b.values.get(source), Levelled):
        return _level(b, node, b.values[source], quantiser, step)
    if isinstance(b.values.get(source), Real):
        tensor = quantised(b.growing, b.values[source], quantiser)
        n_channels = b.values[source].shape[0]
        return Value.plain((Term(tensor, (step,) * n_channels),), b.values[source].shape)
    value = b.value(node)
    tensor = requantise(b.growing, value, quantiser)
    return Value.plain((Term(tensor, (step,) * value.n_channels),), value.shape)


def _quantised_frames(b: Builder, quantiser: Quantiser, step: Fraction) -> Value:
    thresholds = float_thresholds(step, range(quantiser.low + 1, quantiser.high + 1))
    bounds = (np.full(2, quantiser.low), np.full(2, quantiser.high))
    shape = b.growing.frame_shape
    facts = {"thresholds": thresholds, "lowest": quantiser.low, "scale": float(step)}
    tensor = b.growing.add(form.Quantise, (FRAMES,), shape, bounds, **facts)
    return Value.plain((Term(tensor, (step, step)),), shape)


def _instant(b: Builder, node: onnx.NodeProto) -> Value:
    timing = b.timings[node.output[0]]
    scores = b.values.get(timing.scores)
    if not isinstance(scores, Value) or len(scores.terms) != 1 or scores.n_channels != 1:
        raise refused(node, "compare quantised values", "others")
    (term,) = scores.terms
    limits = receiver.instant_limits(timing, term.gain[0])
    bounds = (np.zeros(1, np.int64), np.ones(1, np.int64))
    shape = (1, scores.n_samples)
    tensor = b.growing.add(form.Instant, (term.tensor,), shape, bounds, limits=limits)
    return Value.plain((Term(tensor, (ONE,)),), scores.shape)


def _level(b: Builder, node: onnx.NodeProto, levelled: Levelled, quantiser: Quantiser,
           step: Fraction) -> Value:  # fmt: skip
    signal, power = levelled.signal.terms[0], levelled.power.terms[0]
    source, strength = b.growing[signal.tensor], b.growing[power.tensor]
    if len(set(signal.gain)) != 1 or quantiser.low != -quantiser.high - 1:
        raise refused(node, "be a signed quantiser of values of one scale", "another")
    found = receiver.level_integers(
        signal.gain[0],
        (power.gain[0], levelled.power.offset[0]),
        step,
        (max(-source.range[0], source.range[1]), strength.range[1]),
        quantiser.high + 1,
    )
    if found is None:
        raise refused(node, "be decided by squares of 63 bits", "by more")
    n = source.shape[0]
    tensor = b.growing.add(
        form.Level, (signal.tensor, power.tensor), source.shape,
        (np.full(n, quantiser.low), np.full(n, quantiser.high)),
        factor=found.factor, addend=found.addend, shift=found.shift, most=quantiser.high,
    )  # fmt: skip
    return Value.plain((Term(tensor, (step,) * n),), levelled.signal.shape)


def _divide(b: Builder, node: onnx.NodeProto) -> Any:
    root = b.roots.get(node.input[1])
    power = b.values.get(root.power) if root else None
    value, _ = b.single(node)
    if not isinstance(power, Value) or len(power.terms) != 1 or power.n_channels != 1:
        raise refused(node, "divide by the root of a quantised power", "something else")
    return Levelled(value, power)


def _conv(b: Builder, node: onnx.NodeProto) -> Value:
    facts = attributes(node, group=1, strides=[1], pads=[0, 0], dilations=[1])
    value, weights = b.linear(node), b.grid(node, 1)
    if (
        facts["dilations"] != [1]
        or facts.get("auto_pad", "NOTSET") != "NOTSET"
        or len(node.input) > 2
    ):
        raise refused(node, "be a plain convolution in time", "dilated, padded by itself or biased")
    stride, (before, after) = facts["strides"][0], facts["pads"]
    n_outputs, _, n_taps = weights.integers.shape
    length = (value.n_samples + before + after - n_taps) // stride + 1
    how = {"stride": stride, "pad": before, "groups": facts["group"]}
    scales = _row_scales(node, weights, n_outputs)
    terms = tuple(
        Term(
            b.growing.convolve(term.tensor, weights.integers, how, length),
            tuple(g * s for g, s in zip(
                _group_gains(node, term.gain, n_outputs, facts["group"]), scales, strict=True)),
        )
        for term in value.terms
    )  # fmt: skip
    return Value.plain(terms, (n_outputs, length))


def _row_scales(node: onnx.NodeProto, weights: Grid, n_rows: int) -> Fractions:
    scale = np.ravel(weights.scale)
    if scale.size not in (1, n_rows) or weights.scale.size != max(weights.scale.shape or (1,)):
        raise refused(node, "have one weight scale an output", f"{scale.size}")
    return tuple(fraction(each) for each in np.broadcast_to(scale, n_rows))


def _group_gains(node: onnx.NodeProto, gains: Fractions, n_outputs: int, groups: int) -> Fractions:
    """Return each output's inputs' gain, which must be one."""
    per_group, found = len(gains) // groups, []
    for output in range(n_outputs):
        first = output // (n_outputs // groups) * per_group
        inputs = set(gains[first : first + per_group])
        if len(inputs) != 1:
            raise refused(node, "take values of one scale", "channels of different scales")
        found.append(inputs.pop())
    return tuple(found)


def _dense(b: Builder, node: onnx.NodeProto) -> Value:
    facts = attributes(node, alpha=1.0, beta=1.0, transA=0, transB=0)
    weights = b.grid(node, 1)
    if not facts["transB"]:
        weights = weights.transposed()
    value = b.linear(node)
    if (facts["alpha"], facts["beta"], facts["transA"]) != (1.0, 1.0, 0) or len(value.shape) != 1:
        raise refused(node, "be a plain dense layer on flat features", "scaled or transposed")
    n_outputs, terms = weights.integers.shape[0], list[Term]()
    scales = _row_scales(node, weights, n_outputs)
    for term in value.terms:
        gains = _group_gains(node, term.gain, n_outputs, 1)
        gains = tuple(g * s for g, s in zip(gains, scales, strict=True))
        bias = _bias(b, node, gains) if len(node.input) > 2 and not terms else None
        how = {"stride": 1, "pad": 0, "groups": 1}
        columns = weights.integers[:, :, np.newaxis]
        terms.append(Term(b.growing.convolve(term.tensor, columns, how, 1, bias), gains))
    return Value.plain(tuple(terms), (n_outputs,))


def _bias(b: Builder, node: onnx.NodeProto, gains: Fractions) -> Any:
    """Return a bias in units of the accumulator, to the nearest integer."""
    found = b.values.get(node.input[2])
    if isinstance(found, Grid):
        scales = np.broadcast_to(np.ravel(found.scale), found.integers.shape)
        worth = [fraction(s) * int(n) for s, n in zip(scales, found.integers, strict=True)]
    else:
        worth = [fraction(each) for each in np.ravel(b.constants[node.input[2]])]
    return np.array([round(each / gain) for each, gain in zip(worth, gains, strict=True)], np.int64)


def _batch_normalisation(b: Builder, node: onnx.NodeProto) -> Value:
    value = b.linear(node)
    gamma, beta, mean, variance = (
        tuple(fraction(each) for each in np.ravel(b.constants[name])) for name in node.input[1:5]
    )
    epsilon = fraction(np.float32(attributes(node).get("epsilon", 1e-5)))
    scaled = value.gained(gamma)
    return replace(
        scaled,
        shift=tuple(-g * m for g, m in zip(gamma, mean, strict=True)),
        root=tuple(each + epsilon for each in variance),
        offset=beta,
    )


def _relu(b: Builder, node: onnx.NodeProto) -> Value:
    return replace(b.value(node), clamped=True)


def _add(b: Builder, node: onnx.NodeProto) -> Value:
    sign = -1 if node.op_type == "Sub" else 1
    for one, other in ((0, 1), (1, 0)):
        constant = b.constants.get(node.input[other])
        if constant is not None and np.size(constant) == 1:
            added = fraction(constant.item())
            if sign < 0 and other == 0:
                value = b.linear(node, one)
                value = value.gained((Fraction(-1),) * value.n_channels)
            else:
                value, added = b.unrooted(node, one), sign * added
            return value.raised((added,) * value.n_channels)
    first, second = b.linear(node, 0), b.linear(node, 1)
    if first.shape != second.shape:
        raise refused(node, "add tensors of one shape", f"{first.shape} and {second.shape}")
    if len(first.terms) == len(second.terms) == 1 and first.terms[0].gain == second.terms[0].gain:
        names = (first.terms[0].tensor, second.terms[0].tensor)
        tensor = b.growing.sum(names, (1, sign))
        return Value.plain((Term(tensor, first.terms[0].gain),), first.shape)
    return Value.plain((*first.terms, *second.gained((Fraction(sign),) * second.n_channels).terms),
                       first.shape)  # fmt: skip


def _multiply(b: Builder, node: onnx.NodeProto) -> Any:
    for one, other in ((0, 1), (1, 0)):
        constant = b.constants.get(node.input[other])
        if constant is not None and np.size(constant) == 1:
            value = b.linear(node, one)
            return value.gained((fraction(constant.item()),) * value.n_channels)
    (first, a), (second, c) = b.single(node, 0), b.single(node, 1)
    b.linear(node, 0), b.linear(node, 1)
    if len(first.shape) == len(second.shape) == 3 and second.shape[:2] == (1, 1):
        if not isinstance(b.growing[c], form.Instant):
            raise refused(node, "multiply tensors of one shape", "others")
        return Chosen(first, c)
    if first.shape != second.shape:
        raise refused(node, "multiply tensors of one shape", f"{first.shape} and {second.shape}")
    gains = tuple(g * h for g, h in zip(first.terms[0].gain, second.terms[0].gain, strict=True))
    return Value.plain((Term(b.growing.product(a, c), gains),), first.shape)


def _power(b: Builder, node: onnx.NodeProto) -> Value:
    exponent = b.constants.get(node.input[1])
    (value, tensor), _ = b.single(node), b.linear(node)
    if exponent is None or np.size(exponent) != 1 or exponent.item() != 2:
        raise refused(node, "be a square", "another power")
    gains = tuple(g * g for g in value.terms[0].gain)
    return Value.plain((Term(b.growing.product(tensor, tensor), gains),), value.shape)


def _square_root(b: Builder, node: onnx.NodeProto) -> Value:
    """A magnitude: quantised, it is a comparison of squares."""
    value, tensor = b.single(node)
    low = b.growing[tensor].low
    gains = value.terms[0].gain
    worth = [g * int(n) + o for g, n, o in zip(gains, low, value.offset, strict=True)]
    plain = not (value.clamped or value.is_normalised or any(value.shift) or any(value.rooted))
    if not plain or min(gains) <= 0 or min(worth) < 0:
        raise refused(node, "be of a sum of squares", "of what may be negative or is normalised")
    return replace(value, rooted=(True,) * value.n_channels)


def _window(node: onnx.NodeProto, value: Value) -> tuple[int, int, int, tuple[int, ...]]:
    """Kernel, stride and spacing of a pooling, over samples in memory, and the shape left."""
    facts = attributes(node)
    if node.op_type.startswith("Global"):
        return value.n_samples, 1, 1, (value.n_channels, *(1 for _ in value.shape[1:]))
    kernel = facts["kernel_shape"]
    strides = facts.get("strides", [1] * len(kernel))
    if (
        any(facts.get("pads", [0]))
        or facts.get("ceil_mode")
        or any(each != 1 for each in facts.get("dilations", [1]))
    ):
        raise refused(node, "pool what is there", "padding or gaps")
    if len(kernel) == 1:
        left = (value.shape[1] - kernel[0]) // strides[0] + 1
        return kernel[0], strides[0], 1, (value.n_channels, left)
    if len(kernel) == 2 and kernel[1] == 1 and kernel[0] == value.shape[1]:
        return kernel[0], 1, value.shape[2], (value.n_channels, 1, value.shape[2])
    if len(kernel) == 2 and kernel[0] == 1 and kernel[1] == value.shape[2]:
        return kernel[1], kernel[1], 1, (*value.shape[:2], 1)
    raise refused(node, "pool along time", f"windows of {kernel}")


def _average(b: Builder, node: onnx.NodeProto) -> Value:
    chosen = b.values.get(node.input[0])
    value = chosen.value if isinstance(chosen, Chosen) else b.linear(node)
    kernel, stride, spacing, shape = _window(node, value)
    length = prod(shape[1:])
    share = (Fraction(1, kernel),) * value.n_channels
    if isinstance(chosen, Chosen):
        source = b.growing[value.terms[0].tensor]
        low, high = np.minimum(source.low, 0) * 2, np.maximum(source.high, 0) * 2
        tensor = b.growing.add(
            form.Choose, (source.name, chosen.instant), (value.n_channels, length),
            (low, high), kernel=kernel,
        )  # fmt: skip
        return value.over((tensor,), shape).gained(share)
    tensors = tuple(
        b.growing.total(term.tensor, kernel, stride, spacing, length) for term in value.terms
    )
    return value.over(tensors, shape).gained(share)


def _maximum(b: Builder, node: onnx.NodeProto) -> Value:
    value, tensor = b.single(node)
    kernel, stride, spacing, shape = _window(node, value)
    if spacing != 1 or any(gain <= 0 for gain in value.terms[0].gain):
        raise refused(node, "compare neighbours of positive scale", "others")
    return value.over((b.growing.maximum(tensor, kernel, stride, prod(shape[1:])),), shape)


def _pad(b: Builder, node: onnx.NodeProto) -> Value:
    pads = b.constants.get(node.input[1]) if len(node.input) > 1 else None
    value, tensor = b.single(node)
    if (
        pads is None
        or len(pads) != 6
        or pads[0]
        or pads[3]
        or pads[1] > 0
        or pads[4] > 0
        or (attributes(node).get("mode", "constant") != "constant")
        or (len(node.input) > 2 and node.input[2] and np.any(b.constants.get(node.input[2], 1)))
    ):
        raise refused(node, "pad time with zeros", "something else")
    if max(pads[2], pads[5]) > 0:
        b.linear(node)
    channels = (-int(pads[1]), value.n_channels + int(pads[4]))
    return _cut(b, value, tensor, channels, (-int(pads[2]), value.n_samples + int(pads[5])))


def _slice(b: Builder, node: onnx.NodeProto) -> Value:
    value, tensor = b.single(node)
    bounds = [b.constants.get(name, ()) for name in node.input[1:]]
    if len(value.shape) != 2 or len(bounds) < 3 or any(np.size(each) != 1 for each in bounds):
        raise refused(node, "cut along one axis by constants", "otherwise")
    start, stop, axis, step = (*(int(np.ravel(each)[0]) for each in bounds), 1)[:4]
    if step != 1 or axis not in (1, 2, -1, -2):
        raise refused(node, "cut channels or samples", f"steps of {step} along axis {axis}")
    ends = [(0, value.n_channels), (0, value.n_samples)]
    axis = axis - 1 if axis > 0 else axis
    ends[axis] = slice(start, stop).indices(ends[axis][1])[:2]
    return _cut(b, value, tensor, ends[0], ends[1])


def _cut(b: Builder, value: Value, tensor: str, channels: tuple[int, int],
         samples: tuple[int, int]) -> Value:  # fmt: skip
    length = samples[1] - samples[0]
    moved = b.growing.move(tensor, channels, samples[0], length)
    part = slice(*channels)
    return Value(
        (Term(moved, value.terms[0].gain[part]),),
        (channels[1] - channels[0], length),
        value.shift[part], value.root[part], value.offset[part], value.clamped,
        value.rooted[part],
    )  # fmt: skip


def _concat(b: Builder, node: onnx.NodeProto) -> Value:
    values = [b.single(node, index)[0] for index in range(len(node.input))]
    first = values[0]
    same = {(value.shape[1:], value.clamped) for value in values}
    if attributes(node)["axis"] not in (1, -len(first.shape)) or len(same) != 1:
        raise refused(node, "join channels", "something else")
    tensor = b.growing.join(tuple(value.terms[0].tensor for value in values))

    def joined(name: str) -> Fractions:
        return tuple(each for value in values for each in getattr(value, name))

    gain = tuple(g for value in values for g in value.terms[0].gain)
    shape = (len(gain), *first.shape[1:])
    rooted = tuple(value.is_root(n) for value in values for n in range(value.n_channels))
    return Value((Term(tensor, gain),), shape, joined("shift"), joined("root"), joined("offset"),
                 first.clamped, rooted)  # fmt: skip


def _reshape(b: Builder, node: onnx.NodeProto) -> Any:
    value = b.value(node)
    n = prod(value.shape)
    if node.op_type == "Flatten":
        shape: tuple[int, ...] = (n,)
    else:
        wanted = [int(each) for each in b.constants[node.input[1]][1:]]
        known = prod(each for each in wanted if each != -1)
        shape = tuple(n // known if each == -1 else each for each in wanted)
    if shape[0] == value.n_channels:
        return replace(value, shape=shape)
    if len(shape) != 1 or n != shape[0]:
        raise refused(node, "keep the channels or flatten them", f"a shape of {shape}")
    times = value.n_samples
    terms = tuple(
        Term(b.growing.reshape(t.tensor, (n, 1)), _repeated(t.gain, times)) for t in value.terms
    )
    return Value(terms, shape, _repeated(value.shift, times), _repeated(value.root, times),
                 _repeated(value.offset, times), value.clamped,
                 _repeated(value.rooted, times))  # fmt: skip


def _repeated(values: tuple[_Each, ...], times: int) -> tuple[_Each, ...]:
    return tuple(value for value in values for _ in range(times))


def _transpose(b: Builder, node: onnx.NodeProto) -> Grid:
    return b.grid(node, 0).transposed()


def _ceil(b: Builder, node: onnx.NodeProto) -> Any:
    value = b.constants.get(node.input[0])
    if value is None:
        raise refused(node, "be of a constant", "computed values")
    b.constants[node.output[0]] = np.ceil(value)
    return None


def _real_alone(b: Builder, node: onnx.NodeProto) -> Any:
    b.value(node)
    raise refused(node, "be behind a quantiser", "between integers")


def _identity(b: Builder, node: onnx.NodeProto) -> Any:
    if node.input[0] in b.constants:
        b.constants[node.output[0]] = b.constants[node.input[0]]
    return b.values.get(node.input[0])


Reader = Callable[[Builder, onnx.NodeProto], Any]
"""Reads an operator."""

READERS: dict[str, Reader] = {
    "Quant": _quant,
    "IntQuant": _quant,
    "Conv": _conv,
    "Gemm": _dense,
    "MatMul": _dense,
    "BatchNormalization": _batch_normalisation,
    "Relu": _relu,
    "Add": _add,
    "Sub": _add,
    "Mul": _multiply,
    "Div": _divide,
    "Pow": _power,
    "Sqrt": _square_root,
    "AveragePool": _average,
    "GlobalAveragePool": _average,
    "MaxPool": _maximum,
    "GlobalMaxPool": _maximum,
    "Pad": _pad,
    "Slice": _slice,
    "Concat": _concat,
    "Reshape": _reshape,
    "Flatten": _reshape,
    "Unsqueeze": _real_alone,
    "Clip": _real_alone,
    "Transpose": _transpose,
    "Ceil": _ceil,
    "Identity": _identity,
    "Dropout": _identity,
}
"""What is made of each operator."""
