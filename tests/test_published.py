import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from boltmod.data.twin import twin_cells
from boltmod.errors import ModelFormatError
from boltmod.model.onnx_file import load
from boltmod.nn import registry
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
