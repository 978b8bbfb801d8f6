import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from onnx.numpy_helper import to_array
from torch import nn

from boltmod.data.twin import twin_cells
from boltmod.errors import ModelFormatError
from boltmod.export.qonnx import trace
from boltmod.model.metadata import Metadata
from boltmod.model.onnx_file import Model, load
from boltmod.nn import registry
from boltmod.nn.quantizers import learned_scale, set_learned_range
from boltmod.train.calibrate import transfer
from boltmod.train.published import import_weights


def independent_executor(referees: Path) -> ModuleType:
    """An implementation of the published graphs that shares no line with ours."""
    spec = importlib.util.spec_from_file_location("judge", referees / "judge.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.referee
@pytest.mark.parametrize(
    ("file", "name"), [("bacalhaunet_v1", "bacalhaunet"), ("vgg10_baseline", "vgg10")]
)
def test_published_weights_make_our_network_theirs(referees: Path, file: str, name: str) -> None:
    model = load(referees / f"{file}.onnx")
    network = registry.build(registry.parse(name, {}))
    import_weights(model, network)
    frames = torch.cat([batch[0] for batch in twin_cells(4, seed=31)])
    assert len(frames) >= 2000
    referee = independent_executor(referees).Referee(referees / f"{file}.onnx")
    network.eval()
    with torch.no_grad():
        for part in torch.split(frames, 64):
            ours, theirs = network(part), referee(part)
            assert torch.equal(ours.argmax(1), theirs.argmax(1))
            assert float((ours - theirs).abs().max()) <= 1e-4


@pytest.mark.referee
def test_weights_of_another_shape_are_refused(referees: Path) -> None:
    model = load(referees / "bacalhaunet_v1.onnx")
    network = registry.build(registry.parse("bacalhaunet", {"channels": [24, 24, 48, 48, 32]}))
    with pytest.raises(ModelFormatError, match=r"must have shape \(32, 48, 1\), not \(48, 48, 1\)"):
        import_weights(model, network)
    with pytest.raises(ModelFormatError, match="must have the network's 10 layers, not 11"):
        import_weights(model, registry.build(registry.parse("vgg10", {})))


def quantisers_moved(name: str, facts: dict[str, Any]) -> nn.Module:
    """A network whose every number is another than a fresh one's."""
    torch.manual_seed(5)
    network = registry.build(registry.parse(name, facts))
    scale = 1.0
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1 + 0.1 * torch.rand_like(parameter))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.running_mean.uniform_(-1, 1)
                module.running_var.uniform_(0.5, 2)
            if learned_scale(module) is not None:
                set_learned_range(module, scale := scale * 1.5)
    return network


BOLTNET: dict[str, Any] = {
    "symbol_timing": True, "magnitudes": True, "lags": [0],
    "channels": [16], "kernel_sizes": [3], "strides": [1], "max_pools": ["none"],
    "per_channel": True, "learned_weight_scales": True, "features": "max_and_mean",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("boltnet", BOLTNET),
        ("boltnet", BOLTNET | {"power_of_two": True}),
        ("fieldnet", {"channels": [4, 6, 6, 8, 8], "line_units": 5, "hidden_units": 7}),
    ],
    ids=["boltnet", "powers of two", "fieldnet, whose layers lie on two branches"],
)
def test_what_was_exported_is_where_training_goes_on(name: str, facts: dict[str, Any]) -> None:
    moved = quantisers_moved(name, facts)
    model = Model(trace(moved, Metadata()), Metadata(), None)
    fresh = registry.build(registry.parse(name, facts))
    import_weights(model, fresh)
    again = trace(fresh, Metadata())
    assert [node.op_type for node in again.graph.node] == [
        node.op_type for node in model.proto.graph.node
    ]
    theirs = {tensor.name: to_array(tensor) for tensor in again.graph.initializer}
    for tensor in model.proto.graph.initializer:
        np.testing.assert_allclose(theirs[tensor.name], to_array(tensor), rtol=1e-6, atol=1e-7)


def test_training_goes_on_with_other_bits() -> None:
    moved = quantisers_moved("boltnet", BOLTNET)
    model = Model(trace(moved, Metadata()), Metadata(), None)
    fresh, wanted = (
        registry.build(registry.parse("boltnet", BOLTNET | {"weight_bit_width": 3}))
        for _ in range(2)
    )
    import_weights(model, fresh)
    transfer(moved, wanted)
    for name, tensor in wanted.state_dict().items():
        torch.testing.assert_close(fresh.state_dict()[name], tensor, msg=name)
