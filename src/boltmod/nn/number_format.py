"""How a network's numbers are written: bits of weights and activations, and their scales."""

from __future__ import annotations

from dataclasses import dataclass, replace

from boltmod.nn.network_config import NetworkConfig


@dataclass(frozen=True)
class NumberFormat:
    """How a layer's numbers are written; the default is floating point.

    Args:
        weight_bit_width: Bits of a weight; None for floating point.
        act_bit_width: Bits of an activation; None for floating point.
        per_channel: Whether every output channel of a convolution has a weight scale of its own.
        learned_weight_scales: Whether the scales of weights are learned, as activations' are.
        power_of_two: Whether every scale, of weights and activations, is a power of two.

    Examples:
        >>> import boltmod
        >>> numbers = boltmod.NumberFormat(weight_bit_width=4, act_bit_width=6)
        >>> numbers.with_acts(8).act_bit_width, boltmod.NumberFormat().with_acts(8).act_bit_width
        (8, None)
    """

    weight_bit_width: int | None = None
    act_bit_width: int | None = None
    per_channel: bool = False
    learned_weight_scales: bool = False
    power_of_two: bool = False

    @property
    def is_quantised(self) -> bool:
        """Whether activations are integers times a scale."""
        return self.act_bit_width is not None

    def with_acts(self, bit_width: int) -> NumberFormat:
        """Return the same with other bits for activations; floating point stays what it is."""
        return replace(self, act_bit_width=bit_width) if self.is_quantised else self

    def fixed(self, weight_bit_width: int) -> NumberFormat:
        """Return the format of weights that are never trained: one scale, and that not learned."""
        if not self.is_quantised:
            return self
        return replace(
            self,
            weight_bit_width=weight_bit_width,
            per_channel=False,
            learned_weight_scales=False,
        )


@dataclass(frozen=True)
class QuantisedConfig(NetworkConfig):
    """What the configuration of a network has whose layers share one format.

    Args:
        weight_bit_width: Bits of a weight.
        act_bit_width: Bits of an activation.
        per_channel: Whether each output channel of a convolution has a weight scale of its own.
        learned_weight_scales: Whether the scales of weights are learned, as activations' are.
        power_of_two: Whether every scale, of weights and activations, is a power of two.

    Examples:
        >>> import boltmod
        >>> config = boltmod.QuantisedConfig(weight_bit_width=4)
        >>> config.numbers.weight_bit_width, config.in_float().numbers == boltmod.NumberFormat()
        (4, True)
    """

    weight_bit_width: int = 6
    act_bit_width: int = 6
    per_channel: bool = False
    learned_weight_scales: bool = False
    power_of_two: bool = False

    @property
    def numbers(self) -> NumberFormat:
        """How the network's numbers are written."""
        if not self.quantised:
            return NumberFormat()
        return NumberFormat(
            self.weight_bit_width,
            self.act_bit_width,
            self.per_channel,
            self.learned_weight_scales,
            self.power_of_two,
        )
