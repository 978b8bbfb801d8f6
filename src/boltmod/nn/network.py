"""What a network must keep to, boltmod's own or anybody's."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Network(Protocol):
    """The contract of a network: a `torch.nn.Module` with these members.

    - `config_type` is a frozen dataclass of its own that extends `NetworkConfig`, or
      `QuantisedConfig`, whose `numbers` say how all layers' numbers are written: its fields are
      what a recipe may say under `[network]`. Values are numbers, strings, booleans, tuples and
      dictionaries of these.
    - `Network(config)` builds it, with weights drawn from torch's generator; `self.config` keeps
      the configuration.
    - With `config.quantised` false it is the same network in floating point: the same names and
      shapes of parameters, and activations of the same names, so that training without quantisers
      goes on with them. Quantised layers are those of `boltmod.quantizers`, or Brevitas's.
    - `forward` maps frames to one score a class of `config.classes`: logits, without a softmax. In
      evaluation mode a frame's scores do not depend on the other frames.
    - Pruned are the weights of layers: parameters of two dimensions or more that need gradients.
    - Two attributes are optional: `dense`, the last layer, a `torch.nn.Linear`, for
      `export.calibrate`; and `training_only`, names of parts that serve training alone.

    Examples:
        >>> import boltmod
        >>> network = boltmod.check_network("boltnet", pool=8)
        >>> isinstance(network, boltmod.Network), network.config.pool
        (True, 8)
    """

    config_type: type[Any]
    config: Any

    def __init__(self, config: Any) -> None:
        """Build the network of a configuration."""

    def forward(self, iq_planes: Tensor) -> Any:
        """Map I/Q planes (batch, 2, frame length) float32 to class scores (batch, n_classes)."""
