"""AaronNet: three long filters side by side, then shrinking separable blocks; few bit operations.

Three parallel convolutions of stride 4 look at the samples through windows of 32, 26 and 18 taps,
each followed by a pointwise convolution; five blocks of a depthwise and a pointwise convolution
halve what is left; a global maximum and three dense layers decide.

Source: Aaronica, ITU-ML5G-PS-007-Aaronica (AaronNet32 and AaronNet48). The width of the pointwise
convolutions is not stated in words there; here it is that of the branch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from boltmod.nn import quantizers, quick_steps
from boltmod.nn.layers import ConvNormRelu, DenseNormRelu, SeparableBlock
from boltmod.nn.number_format import QuantisedConfig


@dataclass(frozen=True)
class AaronNetConfig(QuantisedConfig):
    """The shape of an AaronNet; the defaults are AaronNet32's.

    Args:
        filters: Filters of each branch: 11 for AaronNet32, 16 for AaronNet48.
        kernel_sizes: Taps of the branches' filters, even.
        stride: Samples between the branches' outputs.
        n_blocks: Separable blocks, each followed by a maximum over two samples.
        dense: Widths of the dense layers before the last.
        input_bit_width: Bits of a received sample.
        input_full_scale: Amplitude at which samples clip.
        weight_bit_width: Bits of a weight.
        act_bit_width: Bits of an activation.
    """

    filters: int = 11
    kernel_sizes: tuple[int, ...] = (32, 26, 18)
    stride: int = 4
    n_blocks: int = 5
    dense: tuple[int, ...] = (48, 48)
    input_bit_width: int = 8
    input_full_scale: float = 3.0
    weight_bit_width: int = 6
    act_bit_width: int = 6


class AaronNet(nn.Module):
    """From I/Q planes to class scores."""

    config_type = AaronNetConfig

    def __init__(self, config: AaronNetConfig) -> None:
        super().__init__()
        self.config = config
        numbers = config.numbers
        self.input_act = quantizers.input_quantiser(
            numbers.with_acts(config.input_bit_width), config.input_full_scale
        )
        self.branches = nn.ModuleList(
            nn.Sequential(
                ConvNormRelu(
                    2,
                    config.filters,
                    kernel_size,
                    numbers,
                    stride=config.stride,
                    padding=(kernel_size - config.stride) // 2,
                ),
                ConvNormRelu(config.filters, config.filters, 1, numbers),
            )
            for kernel_size in config.kernel_sizes
        )
        width = config.filters * len(config.kernel_sizes)
        # The branches' outputs are brought to one scale before they are joined.
        self.join_act = quantizers.relu(numbers)
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    SeparableBlock(width, width, 3, numbers),
                    quick_steps.MaxPool1d(),
                )
                for _ in range(config.n_blocks)
            )
        )
        sizes = (width, *config.dense)
        self.hidden = nn.Sequential(
            *(
                DenseNormRelu(sizes[i], width, numbers, return_scale=i == len(config.dense) - 1)
                for i, width in enumerate(config.dense)
            )
        )
        self.dense = quantizers.linear(sizes[-1], len(config.classes), numbers)

    def forward(self, iq_planes: Float[Tensor, "b 2 t"]) -> Float[Tensor, "b classes"]:
        """Map I/Q planes (batch, 2, time) to class scores (batch, n_classes)."""
        x = self.input_act(iq_planes)
        x = self.join_act(torch.cat([branch(x) for branch in self.branches], 1))
        x = self.blocks(x)
        x = nn.functional.max_pool1d(x, x.shape[-1], stride=1)
        scores: Tensor = self.dense(self.hidden(x.flatten(1)))
        return scores
