"""VGG10: the challenge's 8-bit baseline, cost 1 by definition.

Source: Xilinx/brevitas-radioml-challenge-21, after T. O'Shea, T. Roy, T. C. Clancy, "Over-the-Air
Deep Learning Based Radio Signal Classification", IEEE JSTSP 12(1), 2018, table III.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from boltmod.errors import ConfigError
from boltmod.nn import quantizers, quick_steps
from boltmod.nn.layers import ConvNormRelu, DenseNormRelu
from boltmod.nn.number_format import QuantisedConfig


@dataclass(frozen=True)
class Vgg10Config(QuantisedConfig):
    """The shape of a VGG10; the defaults are the baseline's.

    Args:
        channels: Output channels of every convolution.
        n_convs: Convolutions, each followed by a maximum over two samples.
        dense: Widths of the dense layers before the last.
        input_bit_width: Bits of a received sample.
        input_full_scale: Amplitude at which samples clip.
        weight_bit_width: Bits of a weight.
        act_bit_width: Bits of an activation.
    """

    channels: int = 64
    n_convs: int = 7
    dense: tuple[int, ...] = (128, 128)
    input_bit_width: int = 8
    input_full_scale: float = 2.0
    weight_bit_width: int = 8
    act_bit_width: int = 8


class Vgg10(nn.Module):
    """From I/Q planes to class scores."""

    config_type = Vgg10Config

    def __init__(self, config: Vgg10Config) -> None:
        super().__init__()
        self.config = config
        numbers = config.numbers
        self.input_act = quantizers.input_quantiser(
            numbers.with_acts(config.input_bit_width), config.input_full_scale
        )
        widths = (2, *(config.channels for _ in range(config.n_convs)))
        self.convs = nn.Sequential(
            *(
                nn.Sequential(ConvNormRelu(before, after, 3, numbers), quick_steps.MaxPool1d())
                for before, after in pairwise(widths)
            )
        )
        left = config.frame_length >> config.n_convs
        if left == 0:
            raise ConfigError(
                f"network.n_convs must leave one sample of {config.frame_length}, not halve them "
                f"{config.n_convs} times: take some away"
            )
        features = config.channels * left
        sizes = (features, *config.dense)
        self.hidden = nn.Sequential(
            *(
                DenseNormRelu(before, after, numbers, return_scale=after_index == len(sizes) - 1)
                for after_index, (before, after) in enumerate(pairwise(sizes), start=1)
            )
        )
        self.dense = quantizers.linear(sizes[-1], len(config.classes), numbers)

    def forward(self, iq_planes: Float[Tensor, "b 2 t"]) -> Float[Tensor, "b classes"]:
        """Map I/Q planes (batch, 2, frame length) to class scores (batch, n_classes)."""
        x = self.convs(self.input_act(iq_planes))
        scores: Tensor = self.dense(self.hidden(x.flatten(1)))
        return scores
