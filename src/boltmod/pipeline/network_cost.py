"""What a network costs, as if it were exported."""

from __future__ import annotations

import torch
from torch import nn

from boltmod.cost import inference_cost
from boltmod.cost.inference_cost import Cost
from boltmod.export.qonnx import trace
from boltmod.model.metadata import Metadata
from boltmod.model.onnx_file import Model
from boltmod.nn import registry
from boltmod.nn.network_config import NetworkConfig


def network_cost(network: nn.Module, config: NetworkConfig) -> Cost:
    """Count what a network costs; it is on the CPU afterwards."""
    facts = Metadata(classes=config.classes)
    return inference_cost.count(
        Model(trace(network.cpu(), facts, config.frame_length), facts, None)
    )


def untrained_cost(config: NetworkConfig) -> Cost:
    """Count a network with every weight in place, none of them rounding to zero."""
    network = registry.build(config)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.fill_(1.0)
    return network_cost(network, config)
