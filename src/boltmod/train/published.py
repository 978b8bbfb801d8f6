"""Weights that exist as an ONNX file alone, opened in the project's own networks.

The networks of 2021 are chains of convolutions and dense layers, batch normalisations and
quantisers, in the order in which the project's own network builds them; that order, with every
shape checked, is what the import goes by. Boltmod's own files may have branches and shared
activations, and lie in an order of their own: what is whose is told by an export of the network
itself, its weights, statistics and ranges all different.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from math import log2
from typing import Any, NamedTuple, cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from boltmod.errors import ModelFormatError
from boltmod.export.qonnx import trace
from boltmod.model.onnx_file import Model
from boltmod.nn.quantizers import (
    bit_width,
    fit_weight_scales,
    learned_scale,
    learned_weight_scale,
    set_learned_range,
    set_weight_scales,
)

_LAYERS = ("Conv", "Gemm", "MatMul")
_NORM_TENSORS = ("weight", "bias", "running_mean", "running_var")


def import_weights(model: Model, network: nn.Module) -> None:
    """Copy a model's weights, statistics and scales into a network of the same shape.

    Learned weight scales of layers with other bits are fitted to the weights.

    Args:
        model: A published model, or one that boltmod exported.
        network: The project's own network of the same architecture, changed in place.

    Raises:
        ModelFormatError: The model has other layers, or layers of other shapes.
    """
    graph, parts = _Graph(model.proto), _parts(network)
    order = _own_order(model, network)
    ranges = graph.act_ranges()
    if order is None:
        order, ranges = parts, ranges[len(ranges) - len(parts.acts) :]
    with torch.no_grad():
        _fill(order.layers, list(graph.layers()), _set_layer, "layers")
        _fill(order.norms, list(graph.norms()), _set_norm, "batch normalisations")
        _fill(order.acts, ranges, _set_range, "activation quantisers")


class _Parts(NamedTuple):
    """The modules that a model has values for; None where an activation's range is not learned."""

    layers: list[nn.Module]
    norms: list[nn.Module]
    acts: list[nn.Module | None]


def _parts(network: nn.Module) -> _Parts:
    """Return a network's parts in the order of its modules."""
    modules = list(network.modules())
    return _Parts(
        [m for m in modules if isinstance(m, nn.Conv1d | nn.Linear)],
        [m for m in modules if isinstance(m, nn.BatchNorm1d)],
        [m for m in modules if learned_scale(m) is not None],
    )


def _own_order(model: Model, network: nn.Module) -> _Parts | None:
    """Return a network's parts in the order in which boltmod's own file has their values.

    Returns:
        An activation stands once for every place where it is. None in place of all if the file is
        no export of such a network.
    """
    own = trace(_marked(network), model.metadata, model.frame_length)
    if _operators(own) != _operators(model.proto):
        return None
    graph, parts = _Graph(own), _parts(network)
    marks = [round(log2(found)) - _FIRST_MARK for found in graph.act_ranges()]
    return _Parts(
        [parts.layers[round(layer.weight.flat[0])] for layer in graph.layers()],
        [parts.norms[round(mean.flat[0])] for _, _, mean, _ in graph.norms()],
        [parts.acts[mark] if mark >= 0 else None for mark in marks],
    )


def _marked(network: nn.Module) -> nn.Module:
    """Return a copy whose weights, means and ranges say which part they belong to."""
    marked = copy.deepcopy(network)
    parts = _parts(marked)
    with torch.no_grad():
        for i, layer in enumerate(parts.layers):
            cast(Tensor, layer.weight).fill_(i)
        for i, norm in enumerate(parts.norms):
            cast(Tensor, norm.running_mean).fill_(i)
        for i, act in enumerate(parts.acts):
            _set_range(act, 2.0 ** (_FIRST_MARK + i))
    return marked


_FIRST_MARK = 20
"""Ranges that mark activations are this power of two and more: no range that is not learned is."""


def _operators(proto: onnx.ModelProto) -> list[tuple[str, tuple[str, ...]]]:
    return [(node.op_type, tuple(node.output)) for node in proto.graph.node]


class _Layer(NamedTuple):
    weight: NDArray[Any]
    bias: NDArray[Any] | None
    scale: NDArray[Any] | None
    bits: int | None


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
                yield _Layer(weight, bias, *self._weight_numbers(node.input[1]))

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

    def _weight_numbers(self, name: str) -> tuple[NDArray[Any] | None, int | None]:
        """Return the scale, () or one an output, and bits of weights; None in floating point."""
        while name in self._makers:
            node = self._makers[name]
            if node.op_type == "Quant":
                return self._values[node.input[1]], int(self._values[node.input[3]])
            name = node.input[0]
        return None, None

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
    if found.scale is None or learned_weight_scale(layer) is None:
        return
    if found.bits == bit_width(layer):
        set_weight_scales(layer, torch.from_numpy(np.array(found.scale)))
    else:
        fit_weight_scales(layer)


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
