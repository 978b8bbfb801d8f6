"""Weights that others published, opened in the project's own networks.

The networks of 2021 exist as ONNX files alone. Each is a chain of convolutions and dense layers,
batch normalisations and quantisers, in the order in which the project's own network builds them;
that order, with every shape checked, is what the import goes by.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from boltmod.errors import ModelFormatError
from boltmod.model.onnx_file import Model
from boltmod.nn.quantizers import learned_scale

_LAYERS = ("Conv", "Gemm", "MatMul")
_NORM_TENSORS = ("weight", "bias", "running_mean", "running_var")


def import_weights(model: Model, network: nn.Module) -> None:
    """Copy a published model's weights, statistics and scales into a network of the same shape.

    Args:
        model: The published model.
        network: The project's own network of the same architecture, changed in place.

    Raises:
        ModelFormatError: The model has other layers, or layers of other shapes.
    """
    graph = _Graph(model.proto)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv1d | nn.Linear)]
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d)]
    scales = [p for m in network.modules() if (p := learned_scale(m)) is not None]
    with torch.no_grad():
        _fill(layers, list(graph.layers()), _set_layer, "layers")
        _fill(norms, list(graph.norms()), _set_norm, "batch normalisations")
        _fill(scales, list(graph.act_ranges(len(scales))), _set_range, "activation quantisers")


class _Graph:
    """What there is to read in a published graph, in its order."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        self._nodes = list(proto.graph.node)
        self._values = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
        self._makers = {name: node for node in self._nodes for name in node.output}

    def layers(self) -> Iterator[tuple[NDArray[Any], NDArray[Any] | None]]:
        """Yield (weight, bias or None) of every convolution and dense layer."""
        for node in self._nodes:
            if node.op_type in _LAYERS:
                bias = self._constant(node.input[2]) if len(node.input) > 2 else None
                yield self._constant(node.input[1]), bias

    def norms(self) -> Iterator[list[NDArray[Any]]]:
        """Yield (weight, bias, mean, variance) of every batch normalisation."""
        for node in self._nodes:
            if node.op_type == "BatchNormalization":
                yield [self._values[name] for name in node.input[1:5]]

    def act_ranges(self, wanted: int) -> Iterator[float]:
        """Yield the largest magnitude of the last `wanted` activation quantisers."""
        acts = [n for n in self._nodes if n.op_type == "Quant" and n.input[0] not in self._values]
        for node in acts[len(acts) - wanted :]:
            signed = next((a.i for a in node.attribute if a.name == "signed"), 1)
            bits = float(self._values[node.input[3]])
            top = 2 ** (bits - 1) if signed else 2**bits - 1
            yield float(self._values[node.input[1]]) * top

    def _constant(self, name: str) -> NDArray[Any]:
        """Return the floating-point tensor behind a quantiser and, perhaps, a transposition.

        A transposition turns (out, in) weights into a matrix product's operand: behind it they lie
        as the project keeps them.
        """
        while name not in self._values:
            name = self._makers[name].input[0]
        return self._values[name]


def _fill(ours: list[Any], theirs: list[Any], put: Any, what: str) -> None:
    if len(ours) != len(theirs):
        raise ModelFormatError(
            f"the published model must have the network's {len(ours)} {what}, not {len(theirs)}"
        )
    for mine, other in zip(ours, theirs, strict=True):
        put(mine, other)


def _set_layer(layer: nn.Module, found: tuple[NDArray[Any], NDArray[Any] | None]) -> None:
    weight, bias = found
    _set(layer.weight, weight)
    if bias is not None:
        _set(layer.bias, bias)


def _set_norm(norm: nn.Module, found: list[NDArray[Any]]) -> None:
    for name, value in zip(_NORM_TENSORS, found, strict=True):
        _set(getattr(norm, name), value)


def _set_range(parameter: Tensor, value: float) -> None:
    parameter.fill_(value)


def _set(tensor: Any, value: NDArray[Any]) -> None:
    if tuple(tensor.shape) != value.shape:
        raise ModelFormatError(
            f"a tensor of the published model must have shape {tuple(tensor.shape)}, "
            f"not {value.shape}"
        )
    tensor.copy_(torch.from_numpy(np.array(value)))
