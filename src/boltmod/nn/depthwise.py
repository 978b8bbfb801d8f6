"""Depthwise convolutions whose gradients cost a processor a few forwards, not a dozen.

The mathematics is torch's. What differs is how the gradients are asked for:

- the gradient of the weights, g[c, k] = Σ_b Σ_u dy[b, c, u] x[b, c, s·u + k - p], through torch's
  own operator, but with time upright, sixteen frames side by side and strides taken apart into
  phases. The library behind torch has a kernel for depthwise weights that takes filters up to three
  wide, stride 1 and channels by sixteens; everything else it computes as a dense matrix product;
- the gradient of the input in half precision as forward convolutions with turned weights, one a
  phase, for there the library has none for strides either.
"""

from __future__ import annotations

from math import ceil, lcm
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

_CHANNEL_BLOCK = 16
"""Channels that the library's kernel takes at once."""

_SIDE_BY_SIDE = 16
"""Frames side by side: few enough for the cache, enough for the kernel's inner loop."""

_AT_ONCE = 128
"""Frames whose rearranged samples are in memory at once."""


class DepthwiseConv1d(torch.autograd.Function):
    """A depthwise convolution of samples laid out with the channels of an instant side by side."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        """Return the filtered samples, (batch, channels, outputs).

        Args:
            ctx: Where the backward pass finds what it needs.
            x: (batch, channels, time).
            weight: (channels, 1, taps).
            stride: Samples between outputs.
            padding: Zeros before and behind.
        """
        ctx.save_for_backward(x, weight)
        ctx.geometry = (stride, padding)
        return filtered(x, weight, stride=stride, padding=padding)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        """Return the gradients of `x` and `weight`."""
        (grad,) = grads
        x, weight = ctx.saved_tensors
        stride, padding = ctx.geometry
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            of_x = input_gradient(grad, weight, x.shape[2], stride=stride, padding=padding)
        if ctx.needs_input_grad[1]:
            of_weight = weight_gradient(grad, x, weight.shape[2], stride=stride, padding=padding)
        return of_x, of_weight, None, None


def filtered(
    x: Float[Tensor, "b c t"], weight: Float[Tensor, "c 1 k"], *, stride: int, padding: int
) -> Float[Tensor, "b c u"]:
    """Convolve every channel with its own filter."""
    y: Tensor = torch.nn.functional.conv2d(
        _as_row(x).contiguous(memory_format=torch.channels_last),
        _as_row(weight).contiguous(memory_format=torch.channels_last),
        stride=(1, stride),
        padding=(0, padding),
        groups=x.shape[1],
    )
    return y.squeeze(2)


def input_gradient(
    grad: Float[Tensor, "b c u"],
    weight: Float[Tensor, "c 1 k"],
    n_samples: int,
    *,
    stride: int,
    padding: int,
) -> Float[Tensor, "b c t"]:
    """Return the gradient of the input.

    Args:
        grad: Gradient of the output.
        weight: The filters.
        n_samples: Length of the input.
        stride: Samples between outputs.
        padding: Zeros before and behind.
    """
    if grad.dtype != torch.bfloat16:
        return _torch_gradient(grad, weight, n_samples, stride=stride, padding=padding)
    n_frames, n_channels, n_outputs = grad.shape
    n_taps = weight.shape[2]
    of_x = grad.new_zeros((n_frames, n_samples, n_channels)).transpose(1, 2)
    for phase in range(min(stride, n_taps)):
        # The samples stride·j + first are met by the taps phase, phase + stride, ... alone: by tap
        # phase + stride·q in output j + shift - q.
        first = (phase - padding) % stride
        shift = (first + padding - phase) // stride
        taps = weight[:, :, phase::stride].flip(2)
        n_wanted = ceil((n_samples - first) / stride)
        begin = shift + 1 - taps.shape[2]
        around = max(0, -begin, n_wanted + shift - n_outputs)
        found = filtered(grad, taps, stride=1, padding=around)
        begin += around
        of_x[:, :, first::stride] = found[:, :, begin : begin + n_wanted]
    return of_x


def weight_gradient(
    grad: Float[Tensor, "b c u"],
    x: Float[Tensor, "b c t"],
    n_taps: int,
    *,
    stride: int,
    padding: int,
) -> Float[Tensor, "c 1 k"]:
    """Return the gradient of the filters.

    Args:
        grad: Gradient of the output.
        x: The input.
        n_taps: Taps of a filter.
        stride: Samples between outputs.
        padding: Zeros before and behind.
    """
    n_frames, n_channels, n_outputs = grad.shape
    beside = lcm(_fold(n_channels), _SIDE_BY_SIDE)
    at_once = lcm(beside, _AT_ONCE)
    of_weight = grad.new_zeros((n_channels, 1, n_taps), dtype=_precise(grad.dtype))
    for begin in range(0, n_frames, at_once):
        frames = slice(begin, begin + at_once)
        # Frames that make no whole group stand alone: slower, and as right.
        width = 1 if len(grad[frames]) % beside else beside
        dy = _side_by_side(grad[frames], 0, n_outputs, 1, width)
        for phase in range(min(stride, n_taps)):
            taps = ceil((n_taps - phase) / stride)
            rows = n_outputs + taps - 1
            samples = _side_by_side(x[frames], phase - padding, rows, stride, width)
            of_weight[:, 0, phase::stride] += _by_library(dy, samples, taps)
    return of_weight.to(grad.dtype)


def _side_by_side(
    x: Float[Tensor, "b c t"], first: int, n_rows: int, stride: int, width: int
) -> Float[Tensor, "g r w c"]:
    """Return samples first, first + stride, ... (zeros outside), `width` frames side by side."""
    n_frames, n_channels, n_samples = x.shape
    begin = max(0, ceil(-first / stride))
    end = max(begin, min(n_rows, (n_samples - 1 - first) // stride + 1))
    rows = x.new_empty((n_frames // width, n_rows, width, n_channels))
    rows[:, :begin] = 0
    rows[:, end:] = 0
    if end > begin:
        chosen = x[:, :, first + stride * begin : first + stride * (end - 1) + 1 : stride]
        groups = chosen.reshape(-1, width, n_channels, end - begin)
        rows[:, begin:end] = groups.permute(0, 3, 1, 2)
    return rows


def _by_library(
    dy: Float[Tensor, "g u w c"], samples: Float[Tensor, "g r w c"], n_taps: int
) -> Float[Tensor, "c k"]:
    """Return the gradient of the filters of a convolution over rows, stride 1, no padding."""
    n_groups, _, width, n_channels = dy.shape
    fold = _fold(n_channels) if width > 1 else 1
    # Neighbouring frames count as channels where channels alone are no whole blocks.
    dy, samples = (
        part.view(n_groups, -1, width // fold, fold * n_channels).permute(0, 3, 1, 2)
        for part in (dy, samples)
    )
    weight = dy.new_empty((fold * n_channels, 1, n_taps, 1))
    _, of_weight, _ = torch.ops.aten.convolution_backward(
        dy, samples, weight, None, (1, 1), (0, 0), (1, 1), False, (0, 0), fold * n_channels,
        (False, True, False),
    )  # fmt: skip
    by_fold: Tensor = of_weight.view(fold, n_channels, n_taps)
    return by_fold.to(_precise(dy.dtype)).sum(0)


def _torch_gradient(
    grad: Tensor, weight: Tensor, n_samples: int, *, stride: int, padding: int
) -> Tensor:
    n_frames, n_channels, _ = grad.shape
    # The operator asks for the input's shape and layout, and reads none of it.
    x = grad.new_empty((n_frames, 1, n_samples, n_channels)).permute(0, 3, 1, 2)
    of_x, _, _ = torch.ops.aten.convolution_backward(
        _as_row(grad).contiguous(memory_format=torch.channels_last), x, _as_row(weight), None,
        (1, stride), (0, padding), (1, 1), False, (0, 0), n_channels, (True, False, False),
    )  # fmt: skip
    flat: Tensor = of_x.squeeze(2)
    return flat


def _fold(n_channels: int) -> int:
    """Return how many frames' channels make whole blocks."""
    return lcm(n_channels, _CHANNEL_BLOCK) // n_channels


def _precise(dtype: torch.dtype) -> torch.dtype:
    """Return the type that sums of gradients are kept in."""
    return torch.float32 if dtype == torch.bfloat16 else dtype


def _as_row(x: Tensor) -> Tensor:
    """Return (batch, channels, 1, time): one row of two-dimensional samples."""
    return x.unsqueeze(2)
