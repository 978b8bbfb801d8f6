"""A convolution, batch normalisation and an activation as one step, and one step back.

The mathematics is torch's. Each of the three, and each of their gradients, reads and writes whole
tensors in torch, more than a processor's memory keeps up with; convolution.c does with a row of
samples what is to be done while it is in the cache.

Source: S. Ioffe, C. Szegedy, "Batch Normalization", ICML 2015, section 3 (the gradient); S. Esser
et al., "Learned Step Size Quantization", ICLR 2020, equations 1-3 without the gradient's factor.
"""

from __future__ import annotations

import ctypes
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from boltmod.errors import BoltmodError
from boltmod.native import library
from boltmod.native.compiling import CONVOLUTION

_MULTIPLE = 16
"""Lengths of rows that the kernel takes."""

_MOST_INPUTS = 4096
"""Inputs and outputs of a group times taps, at most; beyond, the kernel has not been measured."""


class _Geometry(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_int64)
        for name in ("frames", "in_channels", "out_channels", "samples", "taps", "stride",
                     "padding", "groups", "outputs")
    )  # fmt: skip


class _Activation(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_float)
        for name in ("step", "inverse", "lowest", "highest", "floor", "ceiling")
    )


@dataclass(frozen=True)
class Shape:
    """How a convolution without bias or dilation goes over its input.

    Args:
        stride: Samples between outputs.
        padding: Zeros before and behind.
        groups: Channel groups.
    """

    stride: int
    padding: int
    groups: int


@dataclass(frozen=True)
class Steps:
    """What an activation rounds to: whole numbers of a step; without one it is a ReLU.

    Args:
        lowest: Smallest whole number.
        highest: Largest.
    """

    lowest: int
    highest: int


@dataclass
class Shortcut:
    """Samples that pass by two or more steps and are added to the last one's result.

    Their gradient comes back the same way: the last step leaves it here, the first one, which takes
    the same samples, adds it to theirs. That saves the passes over memory of two additions.

    Args:
        samples: (batch, channels, time) float32.
        gradient: Of them, once the last step has gone back.
    """

    samples: Tensor
    gradient: Tensor | None = None


@dataclass(frozen=True)
class Plan:
    """What a step does beside its tensors.

    Args:
        shape: The convolution's.
        eps: What the normalisation adds to a variance.
        steps: The activation's range, if it rounds.
        kept: 1 for weights whose gradients are wanted, 0 for the others, whose gradients are 0
            then; shaped as they are, float32. None wants all.
        begins: The shortcut that begins before this step, of the samples that it takes.
        ends: The shortcut that is added to the result.
    """

    shape: Shape
    eps: float
    steps: Steps | None = None
    kept: Tensor | None = None
    begins: Shortcut | None = None
    ends: Shortcut | None = None


def is_possible(conv: nn.Module, x: Tensor) -> bool:
    """Tell whether the kernel takes a convolution of these samples, and is there."""
    if not isinstance(conv, nn.Conv1d) or conv.bias is not None or conv.dilation[0] != 1:
        return False
    if x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
        return False
    if not isinstance(conv.padding[0], int):
        return False
    taps, stride, padding = conv.kernel_size[0], conv.stride[0], conv.padding[0]
    samples = x.shape[2]
    outputs = (samples + 2 * padding - taps) // stride + 1
    is_whole = outputs > 0 and samples % _MULTIPLE == 0 and outputs % _MULTIPLE == 0
    is_near = taps <= samples and padding < samples
    few = (conv.in_channels + conv.out_channels) // conv.groups * taps <= _MOST_INPUTS
    return is_whole and is_near and few and _kernel() is not None


class ConvNormAct(torch.autograd.Function):
    """The three as one; the batch's means and variances come beside the result."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        gamma: Tensor,
        beta: Tensor,
        step: Tensor | None,
        plan: Plan,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the result, and mean and variance of each of the convolution's channels.

        Args:
            ctx: Where the backward pass finds what it needs.
            x: (batch, channels, time) float32.
            weight: (outputs, channels / groups, taps).
            gamma: Gain behind the normalisation, (outputs,).
            beta: Offset behind it, (outputs,).
            step: The activation's step, one number; None for a ReLU.
            plan: The rest.

        Returns:
            (batch, outputs, time / stride) float32, and twice (outputs,) float64.
        """
        kernel, x, weight = _functions(), x.contiguous(), weight.contiguous()
        geometry = _geometry(x, weight, plan.shape)
        n_frames, channels, length = geometry.frames, geometry.out_channels, geometry.outputs
        y, out = (x.new_empty((n_frames, channels, length)) for _ in range(2))
        parts = _parts(n_frames)
        means, squares = (x.new_empty(len(parts), channels, dtype=torch.float64) for _ in range(2))

        def convolve(part: _Part) -> None:
            kernel.convolve(
                part.of(geometry), *map(_at, (x[part.frames], weight, y[part.frames])),
                *map(_at, (means[part.number], squares[part.number])), *_room(geometry),
            )  # fmt: skip

        _each(parts, convolve)
        mean, variance = _joined(parts, means, squares, length)
        inverse = (variance + plan.eps).rsqrt()
        gain = gamma * inverse
        gains, shifts = gain.float(), (beta - mean * gain).float()
        act = _activation(step, plan.steps)
        beside = None if plan.ends is None else plan.ends.samples.contiguous()

        def activate(part: _Part) -> None:
            kernel.activate(
                *map(ctypes.c_int64, (part.count, channels, length)),
                *map(_at, (y[part.frames], gains, shifts)), ctypes.byref(act),
                _at(None if beside is None else beside[part.frames]), _at(out[part.frames]),
            )  # fmt: skip

        _each(parts, activate)
        ctx.save_for_backward(x, weight, y, gains, shifts, mean, inverse, gain)
        ctx.geometry, ctx.act, ctx.plan = geometry, act, plan
        ctx.mark_non_differentiable(mean, variance)
        return out, mean, variance

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of what `forward` takes."""
        x, weight, y, gains, shifts, mean, inverse, gain = ctx.saved_tensors
        kernel, geometry, act, grad = _functions(), ctx.geometry, ctx.act, grads[0].contiguous()
        parts, means, plan = _parts(geometry.frames), mean.float(), ctx.plan
        if plan.ends is not None:
            plan.ends.gradient = grad
        beside = None if plan.begins is None else plan.begins.gradient
        own_sums, own_moments = (mean.new_empty(len(parts), len(mean)) for _ in range(2))
        steps = mean.new_empty(len(parts))

        def add(part: _Part) -> None:
            kernel.gradient_sums(
                *map(ctypes.c_int64, (part.count, *y.shape[1:])),
                *map(_at, (y[part.frames], grad[part.frames], gains, shifts, means)),
                ctypes.byref(act),
                *map(_at, (own_sums[part.number], own_moments[part.number], steps[part.number:])),
            )  # fmt: skip

        _each(parts, add)
        sums, moments = own_sums.sum(0), own_moments.sum(0)
        n = geometry.frames * geometry.outputs
        slope = -gain * inverse.square() * moments / n
        level = (-gain * sums / n - mean * slope).float()
        slope = slope.float()
        of_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        of_weights = weight.new_empty((len(parts), *weight.shape), dtype=torch.float64)

        def convolve_back(part: _Part) -> None:
            kernel.convolve_back(
                part.of(geometry), *map(_at, (x[part.frames], weight)),
                *map(_at, (y[part.frames], grad[part.frames], gains, shifts, slope, level)),
                ctypes.byref(act), _at(plan.kept),
                *(_at(None if each is None else each[part.frames]) for each in (beside, of_x)),
                _at(of_weights[part.number]), *_room(geometry),
            )  # fmt: skip

        _each(parts, convolve_back)
        scale = steps.sum().float() if act.step else None
        of_gamma = (moments * inverse).float()
        of_beta = sums.float()
        return of_x, of_weights.sum(0).float(), of_gamma, of_beta, scale, None


def keep_only(network: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Tell a network's convolutions which weights are there to stay: no others need a gradient.

    Args:
        network: The network.
        masks: For each pruned weight tensor, by parameter name, 1 kept, 0 zeroed; what is not in it
            is kept whole.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv1d):
            mask = masks.get(f"{name}.weight" if name else "weight")
            module.kept = None if mask is None else mask.float().contiguous()  # type: ignore[assignment]


def kept_weights(conv: nn.Conv1d) -> Tensor | None:
    """Return 1 for the weights that `keep_only` kept, 0 for the others; None if all are."""
    return getattr(conv, "kept", None)


def conv_norm_act(  # noqa: PLR0913
    x: Tensor,
    conv: nn.Conv1d,
    weight: Tensor,
    norm: nn.BatchNorm1d,
    step: Tensor | None,
    steps: Steps | None,
    *,
    begins: Shortcut | None = None,
    ends: Shortcut | None = None,
) -> Tensor:
    """Convolve, normalise over the batch, activate; the normalisation's averages move as torch's.

    Args:
        x: (batch, channels, time); `is_possible` says whether it may be.
        conv: The convolution.
        weight: Its weights, quantised if they are.
        norm: The normalisation, which is training.
        step: The activation's step; None for a ReLU.
        steps: Its range, with a step.
        begins: The shortcut that begins at `x`.
        ends: The shortcut that is added to the result.

    Returns:
        (batch, outputs, time / stride).
    """
    assert isinstance(conv.padding[0], int)
    shape = Shape(conv.stride[0], conv.padding[0], conv.groups)
    plan = Plan(shape, norm.eps, steps, kept_weights(conv), begins, ends)
    out, mean, variance = ConvNormAct.apply(  # type: ignore[no-untyped-call]
        x, weight, norm.weight, norm.bias, step, plan
    )
    _move_averages(norm, mean, variance, out.shape[0] * out.shape[2])
    result: Tensor = out
    return result


@dataclass(frozen=True)
class _Part:
    """Some frames of a batch, which one thread takes."""

    number: int
    frames: slice

    @property
    def count(self) -> int:
        return int(self.frames.stop - self.frames.start)

    def of(self, geometry: _Geometry) -> Any:
        """Return the geometry of these frames alone."""
        own = _Geometry.from_buffer_copy(geometry)
        own.frames = self.count
        return ctypes.byref(own)


def _parts(n_frames: int) -> list[_Part]:
    """Return a part of the frames for each of torch's threads."""
    n_parts = min(torch.get_num_threads(), n_frames)
    edges = [n_frames * number // n_parts for number in range(n_parts + 1)]
    return [_Part(n, slice(edges[n], edges[n + 1])) for n in range(n_parts)]


def _each(parts: Sequence[_Part], work: Callable[[_Part], None]) -> None:
    """Do the work on each part, side by side: the kernel leaves the interpreter alone."""
    if len(parts) == 1:
        work(parts[0])
    else:
        list(_pool(len(parts), os.getpid()).map(work, parts))


@cache
def _pool(n_threads: int, process: int) -> ThreadPoolExecutor:
    """Return threads of this process: a forked one has none of its parent's."""
    return ThreadPoolExecutor(n_threads, "boltmod-convolution")


def _joined(
    parts: Sequence[_Part], means: Tensor, squares: Tensor, length: int
) -> tuple[Tensor, Tensor]:
    """Return mean and variance of all parts; Chan, Golub, LeVeque 1979, equation 1.5."""
    counts = means.new_tensor([part.count * length for part in parts])[:, None]
    mean = (counts * means).sum(0) / counts.sum()
    whole = squares.sum(0) + (counts * (means - mean).square()).sum(0)
    return mean, whole / counts.sum()


@torch.no_grad()
def _move_averages(norm: nn.BatchNorm1d, mean: Tensor, variance: Tensor, n: int) -> None:
    if norm.num_batches_tracked is None or norm.running_mean is None or norm.running_var is None:
        return
    norm.num_batches_tracked.add_(1)
    share = norm.momentum
    if share is None:
        share = 1.0 / float(norm.num_batches_tracked)
    unbiased = variance * (n / max(1, n - 1))
    norm.running_mean.mul_(1 - share).add_(mean.to(norm.running_mean.dtype), alpha=share)
    norm.running_var.mul_(1 - share).add_(unbiased.to(norm.running_var.dtype), alpha=share)


def _activation(step: Tensor | None, steps: Steps | None) -> _Activation:
    if step is None or steps is None:
        return _Activation(0.0, 0.0, 0.0, 0.0, 0.0, inf)
    size = float(step)
    # What a ReLU before an unsigned quantiser holds back is held back here.
    floor = 0.0 if steps.lowest == 0 else (steps.lowest - 0.5) * size
    return _Activation(
        size, 1 / size, steps.lowest, steps.highest, floor, (steps.highest + 0.5) * size
    )


def _geometry(x: Tensor, weight: Tensor, shape: Shape) -> _Geometry:
    n_frames, in_channels, samples = x.shape
    out_channels, _, taps = weight.shape
    outputs = (samples + 2 * shape.padding - taps) // shape.stride + 1
    return _Geometry(n_frames, in_channels, out_channels, samples, taps, shape.stride,
                     shape.padding, shape.groups, outputs)  # fmt: skip


def _room(geometry: _Geometry) -> Sequence[Any]:
    """Return where the kernel keeps a group's rows, the pointers to them, and which it takes."""
    g = geometry
    ins, outs = g.in_channels // g.groups, g.out_channels // g.groups
    reach, phases = -(-g.taps // g.stride), min(g.stride, g.taps)
    length = max(g.samples, g.outputs) + 8 * (reach + g.padding + 2 * _MULTIPLE)
    at_once = min(16, max(1, (1024 if g.groups == 1 else 256) // g.outputs))  # as in the kernel
    n_weights = g.out_channels * ins * g.taps
    n_floats = (at_once * (ins * phases + outs) + ins) * length + n_weights
    floats = torch.empty(n_floats)
    pointers = (ctypes.c_void_p * (ins * g.taps + outs * reach))()
    n_indices = 2 * n_weights + g.out_channels + g.in_channels * phases + 2
    indices = (ctypes.c_int32 * n_indices)()
    return _Kept(floats), pointers, indices


class _Kept(ctypes.c_void_p):
    """A pointer to a tensor, which lives as long."""

    def __init__(self, tensor: Tensor) -> None:
        super().__init__(tensor.data_ptr())
        self.tensor = tensor


def _at(tensor: Tensor | None) -> ctypes.c_void_p:
    """Return where a tensor's numbers are; whoever asks keeps it alive."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


@dataclass(frozen=True)
class _Functions:
    convolve: Any
    activate: Any
    gradient_sums: Any
    convolve_back: Any


@cache
def _kernel() -> _Functions | None:
    """Return the kernel's functions; None, said once, where it cannot be had."""
    try:
        kernel = library.load(CONVOLUTION)
        names = ("convolve", "activate", "gradient_sums", "convolve_back")
        return _Functions(*map(kernel.function, names))
    except BoltmodError as error:
        warnings.warn(f"training will be slower: {error}", stacklevel=2)
        return None


def _functions() -> _Functions:
    kernel = _kernel()
    assert kernel is not None
    return kernel
