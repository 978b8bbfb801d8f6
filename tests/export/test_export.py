from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx

from boltmod.errors import ExportMismatchError
from boltmod.export import qonnx, verify
from boltmod.export.verify import compare
from boltmod.model.metadata import Metadata
from boltmod.model.onnx_file import Model, load
from boltmod.modulation import CLASSES
from boltmod.nn import registry
from boltmod.nn.bacalhaunet import BacalhauNet, BacalhauNetConfig
from boltmod.nn.mode import evaluating

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
    monkeypatch.setattr(verify, "in_onnx_runtime", lambda *_: scores)
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


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("bacalhaunet", {}),
        ("imperial", {"weight_bit_width": 6, "act_bit_width": 6}),
        ("imperial", {"weight_bit_width": 8, "act_bit_width": 8}),
    ],
)
def test_a_seed_system_s_file_is_small_and_read_to_the_same_answers(
    name: str, parameters: dict[str, int]
) -> None:
    torch.manual_seed(5)
    network = registry.build(registry.parse(name, parameters))
    frames = torch.randn(64, 2, 1024)
    with torch.no_grad():
        network(frames)
    facts = Metadata(classes=CLASSES)
    proto = qonnx.trace(network, facts)
    assert len(proto.SerializeToString()) < 595_000
    # A sum on the edge between two steps may fall to either side, by the order it is added in.
    assert compare(network, Model(proto, facts, None), frames, 0.2).same_class == 64
    wrapped = ModelWrapper(proto)
    entry, exit_ = proto.graph.input[0].name, proto.graph.output[0].name
    with evaluating(network), torch.no_grad():
        wanted = network(frames[:2]).numpy()
    for frame, scores in zip(frames[:2].numpy(), wanted, strict=True):
        found = execute_onnx(wrapped, {entry: frame[None]})[exit_][0]
        np.testing.assert_allclose(found, scores, atol=1e-2 * wanted.std())


def test_a_tensor_of_equal_numbers_is_stored_as_one() -> None:
    torch.manual_seed(5)
    proto = qonnx.trace(registry.build(registry.parse("imperial", {})), Metadata(classes=CLASSES))
    stored = {tensor.name: tensor for tensor in proto.graph.initializer}
    chosen = [n for node in proto.graph.node if node.op_type == "Where" for n in node.input[1:]]
    assert {tuple(stored[name].dims) for name in chosen if name in stored} == {(1, 1, 1)}
    assert not stored.keys() & {value.name for value in proto.graph.value_info}
