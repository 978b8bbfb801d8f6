from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from boltmod.errors import ExportMismatchError
from boltmod.export import qonnx, verify
from boltmod.export.verify import compare
from boltmod.model.metadata import Metadata
from boltmod.model.onnx_file import Model, load
from boltmod.modulation import CLASSES
from boltmod.nn.bacalhaunet import BacalhauNet, BacalhauNetConfig

FACTS = Metadata(classes=CLASSES, input_scaling="unit_std", provenance={"recipe": "test"})


@pytest.fixture(scope="module")
def network() -> BacalhauNet:
    torch.manual_seed(3)
    config = BacalhauNetConfig(
        channels=(6, 6), kernel_sizes=(7, 5), strides=(2, 1), pool=4, quantise_sums=True
    )
    network = BacalhauNet(config)
    with torch.no_grad():
        for _ in range(20):
            network(torch.randn(64, 2, 1024))
    return network.eval()


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    return torch.randn(256, 2, 1024, generator=torch.Generator().manual_seed(4))


def test_the_model_is_static_clean_and_says_what_it_is(
    network: BacalhauNet, frames: torch.Tensor, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    agreement = qonnx.export(network, FACTS, frames, 1e-3, path)
    assert agreement.same_class == agreement.frames == 256
    model = load(path)
    assert model.metadata == FACTS
    shape = [d.dim_value for d in model.proto.graph.input[0].type.tensor_type.shape.dim]
    assert shape == [1, 2, 1024]
    kinds = {node.op_type for node in model.proto.graph.node}
    assert kinds <= {
        "Quant", "Conv", "BatchNormalization", "Relu", "AveragePool", "MaxPool", "Add", "Reshape",
        "Gemm",
    }  # fmt: skip
    assert not list(tmp_path.glob("*.part"))


def test_a_model_that_computes_something_else_is_caught(
    network: BacalhauNet, frames: torch.Tensor
) -> None:
    proto = qonnx.trace(network, FACTS)
    spoilt = onnx.ModelProto()
    spoilt.CopyFrom(proto)
    gemm = next(node for node in spoilt.graph.node if node.op_type == "Gemm")
    quant = next(node for node in spoilt.graph.node if gemm.input[1] in node.output)
    weights = next(t for t in spoilt.graph.initializer if t.name == quant.input[0])
    values = numpy_helper.to_array(weights).copy()
    values[[0, 1]] = values[[1, 0]]
    weights.CopyFrom(numpy_helper.from_array(values, weights.name))
    assert compare(network, Model(proto, FACTS, None), frames, 1e-3).same_class == 256
    with pytest.raises(ExportMismatchError, match="must agree on 256 frames, but for ties, not on"):
        compare(network, Model(spoilt, FACTS, None), frames, 1e-3)


def test_no_file_without_agreement(
    network: BacalhauNet, frames: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = BacalhauNet(network.config)
    spoilt = qonnx.trace(other, FACTS)
    monkeypatch.setattr(qonnx, "trace", lambda *_: spoilt)
    with pytest.raises(ExportMismatchError):
        qonnx.export(network, FACTS, frames, 1e-3, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("n_changed", "is_refused"), [(0, False), (2, False), (3, True)])
def test_classes_may_change_where_two_score_alike_and_only_there(
    network: BacalhauNet,
    frames: torch.Tensor,
    monkeypatch: pytest.MonkeyPatch,
    n_changed: int,
    is_refused: bool,
) -> None:
    scores = np.tile(np.arange(24, dtype=np.float32), (256, 1))
    scores[:n_changed, 22] = 23.01
    monkeypatch.setattr(verify, "_in_onnx_runtime", lambda *_: scores)
    level = np.tile(np.arange(24, dtype=np.float32), (256, 1))
    level[:n_changed, 22] = 22.99
    monkeypatch.setattr(verify, "_in_torch", lambda *_: level)
    model = Model(qonnx.trace(network, FACTS), FACTS, None)
    if is_refused:
        with pytest.raises(ExportMismatchError):
            compare(network, model, frames, 0.05)
    else:
        found = compare(network, model, frames, 0.05)
        assert found.same_class == 256 - n_changed
        which = "254 of" if n_changed else "all"
        assert f"on {which} 256 frames" in found.words
