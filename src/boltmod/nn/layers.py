"""Blocks that several networks share."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from boltmod.nn import conv_norm_act, quantizers, quick_steps
from boltmod.nn.number_format import NumberFormat


class ConvNormAct(nn.Module):
    """Convolution, batch normalisation, activation."""

    def __init__(self, conv: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.conv = conv
        self.norm = quick_steps.BatchNorm1d(conv.out_channels)  # type: ignore[arg-type]
        self.act = act

    def forward(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b d u"]:
        """Map (batch, in_channels, time) to (batch, out_channels, time / stride)."""
        if self.training and not self._is_watched() and conv_norm_act.is_possible(self.conv, x):
            act = quantizers.plain_act(self.act, x)
            if act is not None:
                assert isinstance(self.conv, nn.Conv1d)
                weight = quantizers.used_weight(self.conv)
                return conv_norm_act.conv_norm_act(x, self.conv, weight, self.norm, *act)
        y: Tensor = self.act(self.norm(self.conv(x)))
        return y

    def _is_watched(self) -> bool:
        """Tell whether somebody wants to see what goes into a part, or comes out of it."""
        parts = (self.conv, self.norm, self.act)
        return any(part._forward_hooks or part._forward_pre_hooks for part in parts)


class ConvNormRelu(ConvNormAct):
    """Convolution, batch normalisation, ReLU.

    The names of the parameters are the same with and without quantisation, so that a floating-point
    checkpoint opens in the quantised network.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        numbers: NumberFormat,
        *,
        stride: int = 1,
        groups: int = 1,
        padding: int | None = None,
    ) -> None:
        conv = quantizers.conv1d(
            in_channels,
            out_channels,
            kernel_size,
            numbers,
            stride=stride,
            groups=groups,
            padding=padding,
        )
        super().__init__(conv, quantizers.relu(numbers))


class DenseNormRelu(nn.Module):
    """Dense layer without bias, batch normalisation, ReLU."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        numbers: NumberFormat,
        *,
        return_scale: bool = False,
    ) -> None:
        super().__init__()
        self.dense = quantizers.linear(in_features, out_features, numbers, bias=False)
        self.norm = quick_steps.BatchNorm1d(out_features)
        self.act = quantizers.relu(numbers, return_scale=return_scale)

    def forward(self, x: Float[Tensor, "b c"]) -> Any:
        """Map (batch, in_features) to (batch, out_features), its scale attached if asked for."""
        return self.act(self.norm(self.dense(x)))


class SeparableBlock(nn.Module):
    """Depthwise, then pointwise convolution, each with batch normalisation and ReLU.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Taps of the depthwise filters.
        numbers: How its numbers are written.
        stride: Stride of the depthwise convolution.
        residual: Whether the input is added to the output (same shape needed).
        quantise_sum: Whether that sum is quantised. BacalhauNetV1 leaves it as it is, at the price
            of 32-bit operands in the next layer.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        numbers: NumberFormat,
        *,
        stride: int = 1,
        residual: bool = False,
        quantise_sum: bool = False,
    ) -> None:
        super().__init__()
        self.dw = ConvNormRelu(
            in_channels, in_channels, kernel_size, numbers, stride=stride, groups=in_channels
        )
        self.pw = ConvNormRelu(in_channels, out_channels, 1, numbers)
        self.residual = residual and stride == 1 and in_channels == out_channels
        is_quantised = self.residual and quantise_sum and numbers.is_quantised
        self.sum_act = quantizers.relu(numbers) if is_quantised else nn.Identity()

    def forward(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b d u"]:
        """Map (batch, in_channels, time) to (batch, out_channels, time / stride)."""
        y: Tensor = self.pw(self.dw(x))
        if not self.residual:
            return y
        total: Tensor = self.sum_act(y + x)
        return total
