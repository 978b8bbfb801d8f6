"""BacalhauNet: depthwise-separable 1-D convolutions under a global maximum.

Source: J. Rosa, D. Granhão, G. Carvalho et al., "BacalhauNet: A Tiny CNN for Lightning-Fast
Modulation Classification", ITU J-FET 3(2), 2022, and the ONNX file of their submission.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from boltmod.nn import quantizers
from boltmod.nn.layers import SeparableBlock
from boltmod.nn.number_format import QuantisedConfig


@dataclass(frozen=True)
class BacalhauNetConfig(QuantisedConfig):
    """The shape of a BacalhauNet; the defaults are BacalhauNetV1 of the submission.

    Args:
        channels: Output channels of each block.
        kernel_sizes: Taps of each block's depthwise filters.
        strides: Stride of each block's depthwise convolution.
        pool: Received samples averaged into one before the first block; 1 keeps them all.
        input_bit_width: Bits of a received sample.
        input_full_scale: Amplitude at which samples clip.
        learned_input_scale: Whether training may move that amplitude.
        weight_bit_width: Bits of a weight.
        act_bit_width: Bits of an activation.
        dense_act_bit_width: Bits of the dense layer's input.
        residual: Whether blocks that keep their shape add their input.
        quantise_sums: Whether residual sums are quantised; the submission leaves them 32 bits wide.
    """

    channels: tuple[int, ...] = (24, 24, 48, 48, 48)
    kernel_sizes: tuple[int, ...] = (27, 21, 15, 9, 9)
    strides: tuple[int, ...] = (2, 1, 2, 1, 2)
    pool: int = 1
    input_bit_width: int = 8
    input_full_scale: float = 3.0
    learned_input_scale: bool = True
    weight_bit_width: int = 6
    act_bit_width: int = 6
    dense_act_bit_width: int = 8
    residual: bool = True
    quantise_sums: bool = False


class BacalhauNet(nn.Module):
    """From I/Q planes to class scores."""

    config_type = BacalhauNetConfig

    def __init__(self, config: BacalhauNetConfig) -> None:
        super().__init__()
        self.config = config
        numbers = config.numbers
        of_input = numbers.with_acts(config.input_bit_width)
        self.input_act = quantizers.input_quantiser(
            of_input, config.input_full_scale, learned=config.learned_input_scale
        )
        self.pool: nn.Module = nn.Identity()
        if config.pool > 1:
            self.pool = nn.Sequential(nn.AvgPool1d(config.pool), quantizers.signed_act(of_input))
        widths = (2, *config.channels)
        self.blocks = nn.Sequential(
            *(
                SeparableBlock(
                    widths[i],
                    widths[i + 1],
                    kernel_size,
                    numbers,
                    stride=config.strides[i],
                    residual=config.residual,
                    quantise_sum=config.quantise_sums,
                )
                for i, kernel_size in enumerate(config.kernel_sizes)
            )
        )
        self.dense_act = quantizers.signed_act(
            numbers.with_acts(config.dense_act_bit_width), return_scale=True
        )
        self.dense = quantizers.linear(widths[-1], len(config.classes), numbers)

    def forward(self, iq_planes: Float[Tensor, "b 2 t"]) -> Float[Tensor, "b classes"]:
        """Map I/Q planes (batch, 2, time) to class scores (batch, n_classes)."""
        x = self.blocks(self.pool(self.input_act(iq_planes)))
        # A maximum over a window as long as the signal: the challenge's cost tool knows this
        # operator, and not the global maximum.
        x = nn.functional.max_pool1d(x, x.shape[-1], stride=1)
        scores: Tensor = self.dense(self.dense_act(x.flatten(1)))
        return scores
