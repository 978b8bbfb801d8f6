"""The teacher: a large floating-point network, to learn from and as the ceiling of accuracy.

Residual blocks of dilated convolutions see long stretches of signal at little depth;
squeeze-and-excitation weighs channels by what the whole frame shows; mean and variance over time
stand for it in the end. Made for accuracy alone: its cost is that of 32-bit operands.

Sources: J. Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018; mean and variance pooling over
time: D. Snyder et al., "X-Vectors", ICASSP 2018; for modulation classification: C. Harper et al.,
"Enhanced Automatic Modulation Classification using Deep Convolutional Latent Space Pooling", 2020,
and "SNR-Boosted Automatic Modulation Classification", 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from boltmod.nn import quick_steps
from boltmod.nn.network_config import NetworkConfig

_SMALLEST_VARIANCE = 1e-5


@dataclass(frozen=True)
class TeacherConfig(NetworkConfig):
    """The shape of a teacher, always in floating point.

    Args:
        channels: Output channels of each block.
        kernel_sizes: Taps of each block's filters, odd.
        dilations: Samples between taps.
        strides: Stride of each block.
        squeeze: Channels for one of squeeze-and-excitation's bottleneck.
        dense: Widths of the dense layers before the last.
        dropout: Share of the pooled features dropped in training.
    """

    quantised: bool = False
    channels: tuple[int, ...] = (64, 64, 64, 64, 64, 64, 64)
    kernel_sizes: tuple[int, ...] = (11, 9, 7, 7, 5, 5, 5)
    dilations: tuple[int, ...] = (1, 2, 2, 4, 4, 8, 8)
    strides: tuple[int, ...] = (1, 2, 1, 1, 1, 1, 1)
    squeeze: int = 8
    dense: tuple[int, ...] = (128, 128)
    dropout: float = 0.1


class SqueezeExcite(nn.Module):
    """Weigh every channel by what all channels are on average over time."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        inner = max(1, channels // squeeze)
        self.gate = nn.Sequential(
            nn.Linear(channels, inner), nn.ReLU(), nn.Linear(inner, channels), nn.Sigmoid()
        )

    def forward(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b c t"]:
        """Map (batch, channels, time) to the same shape."""
        y: Tensor = x * self.gate(x.mean(2)).unsqueeze(2)
        return y


class DilatedBlock(nn.Module):
    """Dilated convolution, batch normalisation, ReLU, squeeze-and-excitation; residual."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        dilation: int,
        stride: int,
        squeeze: int,
    ) -> None:
        super().__init__()
        self.conv = quick_steps.Conv1d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            dilation=dilation,
            padding=dilation * (kernel_size // 2),
            bias=False,
        )
        self.norm = quick_steps.BatchNorm1d(out_channels)
        self.act = nn.ReLU()
        self.excite = SqueezeExcite(out_channels, squeeze)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b d u"]:
        """Map (batch, in_channels, time) to (batch, out_channels, time / stride)."""
        y: Tensor = self.excite(self.act(self.norm(self.conv(x))))
        return y + x if self.residual else y


class Teacher(nn.Module):
    """From I/Q planes to class scores."""

    config_type = TeacherConfig

    def __init__(self, config: TeacherConfig) -> None:
        super().__init__()
        self.config = config
        widths = (2, *config.channels)
        self.blocks = nn.Sequential(
            *(
                DilatedBlock(
                    widths[i],
                    widths[i + 1],
                    kernel_size,
                    dilation=config.dilations[i],
                    stride=config.strides[i],
                    squeeze=config.squeeze,
                )
                for i, kernel_size in enumerate(config.kernel_sizes)
            )
        )
        layers: list[nn.Module] = []
        before = 2 * widths[-1]
        for width in config.dense:
            layers += [nn.Linear(before, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
            before = width
        self.hidden = nn.Sequential(nn.Dropout(config.dropout), *layers)
        self.dense = nn.Linear(before, len(config.classes))

    def forward(self, iq_planes: Float[Tensor, "b 2 t"]) -> Float[Tensor, "b classes"]:
        """Map I/Q planes (batch, 2, time) to class scores (batch, n_classes)."""
        x = self.blocks(iq_planes)
        mean = x.mean(2)
        centred = x - mean.unsqueeze(2)
        deviation = (centred.square().mean(2) + _SMALLEST_VARIANCE).sqrt()
        scores: Tensor = self.dense(self.hidden(torch.cat([mean, deviation], 1)))
        return scores
