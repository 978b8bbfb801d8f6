import torch
from torch import nn

from boltmod.cost import inference_cost
from boltmod.export.qonnx import trace
from boltmod.model.metadata import Metadata
from boltmod.model.onnx_file import Model
from boltmod.modulation import CLASSES
from boltmod.nn import registry

FACTS = Metadata(classes=CLASSES)


def test_bacalhaunet_v1_unpruned_costs_what_its_authors_say() -> None:
    """Every weight counted: freshly drawn weights that round to zero would lower the figures."""
    network = registry.build(registry.parse("bacalhaunet", {}))
    layers = [m for m in network.modules() if isinstance(m, nn.Conv1d | nn.Linear)]
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in layers:
            signs = torch.randint(0, 2, layer.weight.shape, generator=generator) * 2.0 - 1.0
            layer.weight.copy_(signs * (0.5 + torch.rand(layer.weight.shape, generator=generator)))
    cost = inference_cost.count(Model(trace(network, FACTS), FACTS, None))
    assert sum(layer.weights for layer in cost.layers) == 9318
    assert sum(layer.nonzero_weights for layer in cost.layers) == 9318
    assert cost.bops == 96_933_888
    assert cost.weight_bits == 9318 * 6
    assert round(cost.score, 6) == 0.082460
