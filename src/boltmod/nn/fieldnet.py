"""FieldNet: convolutions over what a receiver's phase and carrier do not change, beside I and Q.

The magnitude of a sample does not turn with the carrier, and the product of a sample with the
conjugate of an earlier one turns by the same angle all the time: a small network need not learn
either from thousands of rotated examples.

Sources: magnitude and phase beside I and Q: M. Kulin et al., IEEE Access 6, 2018, section IV;
differential detection: J. G. Proakis, M. Salehi, "Digital Communications", 5th ed., section 4.5-5;
mean and maximum together: S. Woo et al., "CBAM", ECCV 2018, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from boltmod.modulation import CLASSES, CLASSES_AND_UNKNOWN
from boltmod.nn import quantizers
from boltmod.nn.layers import BitWidths, ConvNormRelu
from boltmod.nn.network_config import NetworkConfig

N_PLANES = 5
"""I, Q, magnitude, and the real and imaginary part of the lagged product."""

_SMALLEST = 1e-6


@dataclass(frozen=True)
class FieldNetConfig(NetworkConfig):
    """The shape of a FieldNet.

    Args:
        unknown: Whether the network has a 25th output for what is none of the 24 classes.
        pool: Received samples averaged into one first.
        lag: Samples, after pooling, between the two factors of the lagged product.
        channels: Output channels of each convolution.
        kernel_sizes: Their taps.
        strides: Their strides.
        input_full_scale: Amplitude at which all five planes clip.
        input_bit_width: Bits of a value of a plane.
        weight_bit_width: Bits of a weight.
        act_bit_width: Bits of an activation.
    """

    unknown: bool = False
    pool: int = 2
    lag: int = 3
    channels: tuple[int, ...] = (32, 40, 56, 64, 64)
    kernel_sizes: tuple[int, ...] = (9, 5, 3, 3, 3)
    strides: tuple[int, ...] = (2, 2, 1, 2, 1)
    input_full_scale: float = 4.0
    input_bit_width: int = 8
    weight_bit_width: int = 8
    act_bit_width: int = 8

    @property
    def classes(self) -> tuple[str, ...]:
        """Name of each output."""
        return CLASSES_AND_UNKNOWN if self.unknown else CLASSES


class FieldNet(nn.Module):
    """From I/Q planes to class scores."""

    config_type = FieldNetConfig

    def __init__(self, config: FieldNetConfig) -> None:
        super().__init__()
        self.config = config
        on = config.quantised
        bits = BitWidths(
            weight=config.weight_bit_width if on else None,
            act=config.act_bit_width if on else None,
        )
        self.pool = nn.AvgPool1d(config.pool)
        self.input_act = quantizers.input_quantiser(
            config.input_bit_width if on else None, config.input_full_scale
        )
        widths = (N_PLANES, *config.channels)
        self.convs = nn.Sequential(
            *(
                ConvNormRelu(
                    widths[i], widths[i + 1], kernel_size, stride=config.strides[i], bits=bits
                )
                for i, kernel_size in enumerate(config.kernel_sizes)
            )
        )
        self.dense_act = quantizers.relu(bits.act, return_scale=True)
        self.dense = quantizers.linear(
            2 * widths[-1], len(config.classes), weight_bit_width=bits.weight
        )

    def planes(self, iq_planes: Float[Tensor, "b 2 t"]) -> Float[Tensor, "b 5 u"]:
        """Return I, Q, |x|, and x times the conjugate of the x `lag` samples earlier."""
        x = self.pool(iq_planes)
        i, q = x[:, 0:1], x[:, 1:2]
        magnitude = (i.square() + q.square() + _SMALLEST).sqrt()
        lag = self.config.lag
        earlier = nn.functional.pad(x[:, :, :-lag], (lag, 0))
        i_before, q_before = earlier[:, 0:1], earlier[:, 1:2]
        real = i * i_before + q * q_before
        imaginary = q * i_before - i * q_before
        return torch.cat([i, q, magnitude, real, imaginary], 1)

    def forward(self, iq_planes: Float[Tensor, "b 2 t"]) -> Float[Tensor, "b classes"]:
        """Map I/Q planes (batch, 2, 1024) to class scores (batch, 24 or 25)."""
        x = self.convs(self.input_act(self.planes(iq_planes)))
        # A maximum over a window as long as the signal: the challenge's cost tool knows this
        # operator, and not the global maximum.
        highest = nn.functional.max_pool1d(x, x.shape[-1], stride=1).flatten(1)
        mean = nn.functional.avg_pool1d(x, x.shape[-1], stride=1).flatten(1)
        scores: Tensor = self.dense(self.dense_act(torch.cat([mean, highest], 1)))
        return scores
