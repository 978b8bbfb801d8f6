"""Blocks that several networks share."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from boltmod.nn import conv_norm_act, quantizers, quick_steps
from boltmod.nn.conv_norm_act import Shortcut
from boltmod.nn.number_format import NumberFormat


class ConvNormAct(nn.Module):
    """Convolution, batch normalisation, activation."""

    def __init__(self, conv: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.conv = conv
        self.norm = quick_steps.BatchNorm1d(conv.out_channels)  # type: ignore[arg-type]
        self.act = act

    def forward(
        self,
        x: Float[Tensor, "b c t"],
        *,
        begins: Shortcut | None = None,
        ends: Shortcut | None = None,
    ) -> Float[Tensor, "b d u"]:
        """Map (batch, in_channels, time) to (batch, out_channels, time / stride).

        Args:
            x: The samples.
            begins: A shortcut that begins at them; where `is_quick` alone.
            ends: A shortcut that is added to the result; where `is_quick` alone.
        """
        if self.is_quick(x):
            act = quantizers.plain_act(self.act, x)
            assert act is not None
            assert isinstance(self.conv, nn.Conv1d)
            weight = quantizers.used_weight(self.conv)
            return conv_norm_act.conv_norm_act(
                x, self.conv, weight, self.norm, *act, begins=begins, ends=ends
            )
        y: Tensor = self.act(self.norm(self.conv(x)))
        return y

    def is_quick(self, x: Tensor) -> bool:
        """Tell whether the three are one step for such samples."""
        return (
            self.training
            and not any(map(_is_watched, (self.conv, self.norm, self.act)))
            and conv_norm_act.is_possible(self.conv, x)
            and quantizers.is_plain(self.act, x)
        )


def _is_watched(part: nn.Module) -> bool:
    """Tell whether somebody wants to see what goes into a part, or comes out of it."""
    return bool(part._forward_hooks or part._forward_pre_hooks)


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
        if not self.residual:
            plain: Tensor = self.pw(self.dw(x))
            return plain
        pair = (self.dw, self.pw)
        if any(map(_is_watched, pair)) or not all(part.is_quick(x) for part in pair):
            total = self.pw(self.dw(x)) + x
        else:
            shortcut = Shortcut(x)
            total = self.pw(self.dw(x, begins=shortcut), ends=shortcut)
        summed: Tensor = self.sum_act(total)
        return summed
