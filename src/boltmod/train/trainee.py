"""What is trained, as it goes from phase to phase and as a checkpoint holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from boltmod.nn.network_config import NetworkConfig


@dataclass(frozen=True)
class Trainee:
    """A network and what has become of it so far.

    Args:
        network: The network; training changes it in place.
        config: Its configuration.
        masks: Its pruned weights: for each weight tensor, by parameter name, 1 kept, 0 zeroed.
        is_trained: Whether it has seen frames; a fresh one has no statistics yet.
    """

    network: nn.Module
    config: NetworkConfig
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    is_trained: bool = True
