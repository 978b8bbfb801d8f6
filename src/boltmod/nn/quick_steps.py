"""The same mathematics as torch's and Brevitas's layers, laid out for a processor to be quick.

Used in training alone: networks are evaluated and exported by the layers these stand in for.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from boltmod.nn.depthwise import DepthwiseConv1d


def conv1d(
    x: Float[Tensor, "b c t"],
    weight: Float[Tensor, "d e k"],
    bias: Tensor | None,
    *,
    stride: int,
    padding: int,
    dilation: int,
    groups: int,
) -> Float[Tensor, "b d u"]:
    """Convolve with the channels of one instant side by side in memory.

    Depthwise and pointwise convolutions in float32 run two to three times as fast that way as with
    the instants of one channel side by side, and the result stays laid out so for the next layer.

    Args:
        x: Samples; any layout.
        weight: Filters.
        bias: One number a filter, or None.
        stride: Samples between outputs.
        padding: Zeros before and behind.
        dilation: Samples between taps.
        groups: Channel groups.
    """
    is_depthwise = groups == x.shape[1] == weight.shape[0] and dilation == 1 and groups > 1
    if is_depthwise and bias is None and x.device.type == "cpu":
        if torch.is_autocast_enabled("cpu"):
            half = torch.get_autocast_dtype("cpu")
            x, weight = x.to(half), weight.to(half)
        y: Tensor = DepthwiseConv1d.apply(x, weight, stride, padding)  # type: ignore[no-untyped-call]
        return y
    flat: Tensor = torch.nn.functional.conv2d(
        x.unsqueeze(2).contiguous(memory_format=torch.channels_last),
        weight.unsqueeze(2).contiguous(memory_format=torch.channels_last),
        bias,
        stride=(1, stride),
        padding=(0, padding),
        dilation=(1, dilation),
        groups=groups,
    )
    return flat.squeeze(2)


class Conv1d(nn.Conv1d):
    """torch's convolution with zeros at the edges, laid out as `conv1d` does while training."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not self.training:
            plain: Tensor = super()._conv_forward(input, weight, bias)
            return plain
        return convolve(self, input, weight, bias)


def convolve(layer: nn.Conv1d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve as a layer would, with weights given apart (quantised ones, say)."""
    assert isinstance(layer.padding[0], int)
    return conv1d(
        x,
        weight,
        bias,
        stride=layer.stride[0],
        padding=layer.padding[0],
        dilation=layer.dilation[0],
        groups=layer.groups,
    )


class BatchNorm1d(nn.BatchNorm1d):
    """torch's batch normalisation, which keeps the layout that `conv1d` leaves."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (batch, channels) or (batch, channels, time) over all but the channels."""
        if not self.training or x.ndim == 2:
            return super().forward(x)
        flat: Tensor = super().forward(x.unsqueeze(2))
        return flat.squeeze(2)

    def _check_input_dim(self, input: Tensor) -> None:
        if not 2 <= input.ndim <= 4:
            raise ValueError(f"input must have 2 or 3 dimensions, not {input.ndim}")


class MaxOfPairs(torch.autograd.Function):
    """The larger one of each two neighbours; of equal ones the first has the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Map (batch, channels, time) to (batch, channels, time / 2), rounded down."""
        first, second = _pairs(x)
        is_second = second > first
        ctx.save_for_backward(is_second)
        ctx.length = x.shape[2]
        return torch.where(is_second, second, first)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Return the gradient of the larger ones, zero for the others."""
        (grad,), (is_second,) = grads, ctx.saved_tensors
        shape = (*grad.shape[:2], ctx.length)
        # As the input lies in memory: the channels of one instant side by side, or not.
        batch, channels, _ = shape
        if is_second.stride(1) == 1:
            grad_x = grad.new_zeros(batch, ctx.length, channels).transpose(1, 2)
        else:
            grad_x = grad.new_zeros(shape)
        first, second = _pairs(grad_x)
        torch.mul(grad, ~is_second, out=first)
        torch.mul(grad, is_second, out=second)
        return grad_x


def _pairs(x: Tensor) -> tuple[Tensor, Tensor]:
    even = x.shape[2] - x.shape[2] % 2
    return x[:, :, 0:even:2], x[:, :, 1:even:2]


class MaxPool1d(nn.MaxPool1d):
    """torch's maximum of two neighbours, quick in any layout while training."""

    def __init__(self) -> None:
        super().__init__(2)

    def forward(self, input: Tensor) -> Tensor:
        """Map (batch, channels, time) to (batch, channels, time / 2)."""
        if not self.training:
            plain: Tensor = super().forward(input)
            return plain
        y: Tensor = MaxOfPairs.apply(input)  # type: ignore[no-untyped-call]
        return y


class FakeQuantise(torch.autograd.Function):
    """Round to integers times a scale, with the straight-through gradient of learned step sizes.

    Source: S. Esser et al., "Learned Step Size Quantization", ICLR 2020, equations 1-3 without the
    gradient's factor.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, lowest: int, highest: int) -> Tensor:
        """Return `clip(round(x / scale), lowest, highest) · scale`.

        Args:
            ctx: Where the backward pass finds what it needs.
            x: Numbers of any shape.
            scale: The step; one number.
            lowest: Smallest integer.
            highest: Largest integer.
        """
        y = torch.div(x, scale).round_().clamp_(lowest, highest).mul_(scale)
        ctx.save_for_backward(x, y, scale)
        ctx.range = (lowest, highest)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Return the gradients of `x` and `scale`: inside the range 1 and the rounding error."""
        (grad,) = grads
        x, y, scale = ctx.saved_tensors
        lowest, highest = ctx.range
        # What a ReLU before an unsigned quantiser holds back is held back here.
        floor = 0.0 if lowest == 0 else lowest - 0.5
        if x.device.type == "cpu":
            step = float(scale)
            grad_x = torch.ops.aten.hardtanh_backward(grad, x, floor * step, (highest + 0.5) * step)
        else:
            grad_x = grad * ((x > floor * scale) & (x < (highest + 0.5) * scale))
        # (y - x) / scale inside the range, lowest or highest outside: the sums of both at once.
        grad_scale = (_dot(grad, y) - _dot(grad_x, x)) / scale
        return grad_x, grad_scale.reshape(scale.shape), None, None


def fake_quantise(x: Tensor, scale: Tensor, lowest: int, highest: int) -> Tensor:
    """Return `clip(round(x / scale), lowest, highest) · scale`, differentiable (FakeQuantise)."""
    # Half-precision sums are quantised in single precision, as they are in evaluation.
    y: Tensor = FakeQuantise.apply(x.float(), scale, lowest, highest)  # type: ignore[no-untyped-call]
    return y


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the sum of products, whatever the layout."""
    if a.ndim == 3 and a.stride(1) == 1 and b.stride() == a.stride():
        a, b = a.transpose(1, 2), b.transpose(1, 2)
    return torch.dot(a.reshape(-1), b.reshape(-1))
