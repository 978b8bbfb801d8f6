"""What every network's configuration has."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from boltmod.modulation import CLASSES, FRAME_LENGTH


@dataclass(frozen=True)
class NetworkConfig:
    """What every network's configuration has.

    Args:
        quantised: False builds the same network in floating point, for pre-training.
        bit_widths: Bits of single layers' weights and of single activations, by the name of their
            module in the network; the rest keep the network's own.
        class_names: Name of each output, where they are others than the network's own; a recipe
            says them under `[data]`.
        frame_length: Complex samples of a frame; a recipe says it under `[data]`.

    Examples:
        >>> import boltmod
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class TinyConfig(boltmod.NetworkConfig):
        ...     channels: int = 8
        >>> TinyConfig(channels=4).in_float()
        TinyConfig(quantised=False, bit_widths={}, class_names=(), frame_length=1024, channels=4)
    """

    quantised: bool = True
    bit_widths: dict[str, int] = field(default_factory=dict)
    class_names: tuple[str, ...] = field(default=(), kw_only=True)
    frame_length: int = field(default=FRAME_LENGTH, kw_only=True)

    @property
    def classes(self) -> tuple[str, ...]:
        """Name of each output."""
        return self.class_names or CLASSES

    def in_float(self) -> NetworkConfig:
        """Return the same network without quantisers."""
        return replace(self, quantised=False)

    def with_quantisers(self) -> NetworkConfig:
        """Return the same network with its quantisers."""
        return replace(self, quantised=True)
