"""Weights that exist as an ONNX file alone, opened in the project's own networks.

The networks of 2021 are chains of convolutions and dense layers, batch normalisations and
quantisers, in the order in which the project's own network builds them; that order, with every
shape checked, is what the import goes by. Activations of boltmod's own files may be shared, and
lie in an order of their own: which range is whose is told by an export of the network itself, its
ranges all different.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from math import log2
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from boltmod.errors import ModelFormatError
from boltmod.export.qonnx import trace
from boltmod.model.onnx_file import Model
from boltmod.nn.quantizers import (
    learned_scale,
    learned_weight_scale,
    set_learned_range,
    set_weight_scales,
)

_LAYERS = ("Conv", "Gemm", "MatMul")
_NORM_TENSORS = ("weight", "bias", "running_mean", "running_var")


def import_weights(model: Model, network: nn.Module) -> None:
    """Copy a model's weights, statistics and scales into a network of the same shape.

    Args:
        model: A published model, or one that boltmod exported.
        network: The project's own network of the same architecture, changed in place.

    Raises:
        ModelFormatError: The model has other layers, or layers of other shapes.
    """
    graph = _Graph(model.proto)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv1d | nn.Linear)]
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d)]
    acts = _acts(network)
    order = _own_order(model, network)
    with torch.no_grad():
        _fill(layers, list(graph.layers()), _set_layer, "layers")
        _fill(norms, list(graph.norms()), _set_norm, "batch normalisations")
        ranges = graph.act_ranges()
        if order is None:
            order, ranges = [*acts], ranges[len(ranges) - len(acts) :]
        _fill(order, ranges, _set_range, "activation quantisers")


def _acts(network: nn.Module) -> list[nn.Module]:
    """Return the activations that learn their range, in the order of the network's modules."""
    return [module for module in network.modules() if learned_scale(module) is not None]


def _own_order(model: Model, network: nn.Module) -> list[nn.Module | None] | None:
    """Return whose range each activation quantiser of boltmod's own file is.

    Returns:
        The activations, once for every place where they stand; None where the range is not learned.
        None in place of all if the file is no export of such a network.
    """
    marked = copy.deepcopy(network)
    for i, act in enumerate(_acts(marked)):
        set_learned_range(act, 2.0 ** (_FIRST_MARK + i))
    own = trace(marked, model.metadata, model.frame_length)
    if _operators(own) != _operators(model.proto):
        return None
    marks = [round(log2(found)) - _FIRST_MARK for found in _Graph(own).act_ranges()]
    acts = _acts(network)
    return [acts[mark] if mark >= 0 else None for mark in marks]


_FIRST_MARK = 20
"""Ranges that mark activations are this power of two and more: no range that is not learned is."""


def _operators(proto: onnx.ModelProto) -> list[tuple[str, tuple[str, ...]]]:
    return [(node.op_type, tuple(node.output)) for node in proto.graph.node]


class _Layer(NamedTuple):
    weight: NDArray[Any]
    bias: NDArray[Any] | None
    scale: NDArray[Any] | None


class _Graph:
    """What there is to read in a published graph, in its order."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        self._nodes = list(proto.graph.node)
        self._values = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
        self._makers = {name: node for node in self._nodes for name in node.output}

    def layers(self) -> Iterator[_Layer]:
        """Yield every convolution and dense layer."""
        for node in self._nodes:
            if node.op_type in _LAYERS:
                bias = self._constant(node.input[2]) if len(node.input) > 2 else None
                weight = self._constant(node.input[1])
                yield _Layer(weight, bias, self._weight_scale(node.input[1]))

    def norms(self) -> Iterator[list[NDArray[Any]]]:
        """Yield (weight, bias, mean, variance) of every batch normalisation."""
        for node in self._nodes:
            if node.op_type == "BatchNormalization":
                yield [self._values[name] for name in node.input[1:5]]

    def act_ranges(self) -> list[float]:
        """Return the largest magnitude of every activation quantiser."""
        acts = [n for n in self._nodes if n.op_type == "Quant" and n.input[0] not in self._values]
        return [self._largest(node) for node in acts]

    def _largest(self, node: onnx.NodeProto) -> float:
        signed = next((a.i for a in node.attribute if a.name == "signed"), 1)
        bits = float(self._values[node.input[3]])
        top = 2 ** (bits - 1) if signed else 2**bits - 1
        return float(self._values[node.input[1]]) * top

    def _weight_scale(self, name: str) -> NDArray[Any] | None:
        """Return the scale of a layer's weights, () or one an output; None in floating point."""
        while name in self._makers:
            node = self._makers[name]
            if node.op_type == "Quant":
                return self._values[node.input[1]]
            name = node.input[0]
        return None

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


def _set_layer(layer: nn.Module, found: _Layer) -> None:
    _set(layer.weight, found.weight)
    if found.bias is not None:
        _set(layer.bias, found.bias)
    if found.scale is not None and learned_weight_scale(layer) is not None:
        set_weight_scales(layer, torch.from_numpy(np.array(found.scale)))


def _set_norm(norm: nn.Module, found: list[NDArray[Any]]) -> None:
    for name, value in zip(_NORM_TENSORS, found, strict=True):
        tensor = getattr(norm, name)
        if tensor is not None:
            _set(tensor, value)


def _set_range(act: nn.Module | None, largest: float) -> None:
    if act is not None:
        set_learned_range(act, largest)


def _set(tensor: Any, value: NDArray[Any]) -> None:
    if tuple(tensor.shape) != value.shape:
        raise ModelFormatError(
            f"a tensor of the published model must have shape {tuple(tensor.shape)}, "
            f"not {value.shape}"
        )
    tensor.copy_(torch.from_numpy(np.array(value)))
