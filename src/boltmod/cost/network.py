"""A network as the cost rules see it: folded constants, shapes, datatypes, who feeds whom."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.fold_constants import FoldConstants
from qonnx.transformation.general import (
    GiveUniqueParameterTensors,
    RemoveStaticGraphInputs,
    RemoveUnusedTensors,
)
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.transformation.infer_shapes import InferShapes

from boltmod.errors import UnsupportedOperatorError
from boltmod.model.declared_sizes import MOST_VALUES
from boltmod.model.onnx_file import Model
from boltmod.model.qdq import as_quant

LAYER_TYPES = ("Conv", "Gemm", "MatMul")
"""The operators that the official rules charge for."""

MOVING = frozenset({
    "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Slice", "Split",
    "Gather", "GatherElements", "Pad", "Expand", "Tile", "Concat", "Dropout",
})  # fmt: skip
"""Operators that hand values on as they are."""

SELECTING = frozenset({"MaxPool", "GlobalMaxPool", "ReduceMax", "Relu", "Clip"})
"""Operators that compare: each result is one of the operands, or a bound."""

WIDTH_KEEPING = MOVING | {"MaxPool", "GlobalMaxPool"}
"""Operators whose results have the width of their operands."""

FLOAT_BITS = 32

MOST_ACTIVATIONS = 2**26
"""Values in one tensor; VGG10's largest has 65,536."""


def batch_one(model: Model) -> ModelWrapper:
    """Give a copy of a network whose batch is one frame, its quantisers as the rules know them."""
    proto = as_quant(model.proto)
    for value in (*proto.graph.input, *proto.graph.output):
        if value.name in (model.input_name, model.output_name):
            value.type.tensor_type.shape.dim[0].dim_value = 1
    return ModelWrapper(proto)


def check_sizes(wrapper: ModelWrapper, name: str) -> None:
    """Refuse a network that asks for more memory than a classifier needs, before it gets any.

    Args:
        wrapper: The network, batch 1.
        name: What messages call it.

    Raises:
        UnsupportedOperatorError: One of its tensors, or all constants together, are too large.
    """
    try:
        shaped = wrapper.transform(InferShapes())
    except Exception:  # noqa: BLE001  qonnx and onnx raise whatever they like; counting says it
        return
    known = {tensor.name for tensor in shaped.graph.initializer}
    n_constant = 0.0
    for node in shaped.graph.node:
        is_constant = all(tensor in known for tensor in node.input if tensor)
        for tensor in node.output:
            n_values = abs(prod(shaped.get_tensor_shape(tensor) or (0,)))
            if is_constant:
                known.add(tensor)
                n_constant += n_values
            if n_values > MOST_ACTIVATIONS or n_constant > 4 * MOST_VALUES:
                raise UnsupportedOperatorError(
                    f"{name} must fit into memory, and {tensor!r}, which {node.op_type} makes, "
                    f"has {n_values:,} values: give a network of frames"
                )


class CostedNetwork:
    """A network after the official tool's own preparation, with its names kept.

    Args:
        wrapper: The network, batch 1.
    """

    def __init__(self, wrapper: ModelWrapper) -> None:
        self._raw = wrapper
        self._prepared = wrapper
        for transformation in (
            InferShapes(),
            GiveUniqueParameterTensors(),
            InferDataTypes(allow_scaledint_dtypes=True),
            FoldConstants(exclude_op_types=[]),
            RemoveUnusedTensors(),
            RemoveStaticGraphInputs(),
            InferDataTypes(allow_scaledint_dtypes=True),
        ):
            self._prepared = self._prepared.transform(transformation)

    @property
    def prepared(self) -> ModelWrapper:
        """The network as the official tool counts it after its preparation."""
        return self._prepared

    @property
    def nodes(self) -> list[onnx.NodeProto]:
        """What is computed for a frame, in order."""
        return list(self._prepared.graph.node)

    @property
    def output(self) -> str:
        """Name of the result."""
        return str(self._prepared.graph.output[0].name)

    def constant(self, tensor: str) -> NDArray[Any] | None:
        """Value of a constant; None if it depends on the frame."""
        value: NDArray[Any] | None = self._prepared.get_initializer(tensor)
        return value

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Shape of a tensor, batch 1."""
        return tuple(self._prepared.get_tensor_shape(tensor) or ())

    def datatype(self, tensor: str) -> str:
        """QONNX datatype that the official tool gives a tensor."""
        return str(self._prepared.get_tensor_datatype(tensor).name)

    def official_bits(self, tensor: str) -> int:
        """Bits a value of a tensor has by the official tool."""
        return int(self._prepared.get_tensor_datatype(tensor).bitwidth())

    def bits(self, tensor: str) -> int:
        """Bits a value of a tensor has.

        Where tensors are joined, the official tool takes the first one's datatype for all; here it
        is the widest one's.
        """
        return self._widths.get(tensor, self.official_bits(tensor))

    @cached_property
    def _widths(self) -> dict[str, int]:
        widths: dict[str, int] = {}

        def known(tensor: str) -> int:
            return widths.get(tensor, self.official_bits(tensor))

        for node in self.nodes:
            if node.op_type == "Concat":
                widths[node.output[0]] = max(known(tensor) for tensor in node.input)
            elif node.op_type in WIDTH_KEEPING:
                widths |= {tensor: known(node.input[0]) for tensor in node.output}
        return widths

    def consumers(self, tensor: str) -> list[onnx.NodeProto]:
        """What reads a tensor."""
        return self._consumers.get(tensor, [])

    @cached_property
    def _consumers(self) -> dict[str, list[onnx.NodeProto]]:
        readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.nodes:
            for tensor in dict.fromkeys(node.input):
                readers[tensor].append(node)
        return readers

    def producer(self, tensor: str) -> onnx.NodeProto | None:
        """What computes a tensor; None for the frame and for constants."""
        return self._producers.get(tensor)

    @cached_property
    def _producers(self) -> dict[str, onnx.NodeProto]:
        return {tensor: node for node in self.nodes for tensor in node.output}

    def name(self, node: onnx.NodeProto) -> str:
        """Name of the layer a node was exported from, as far as the file tells."""
        weight = self._weight_name(node)
        if weight is not None and weight.endswith(".weight"):
            return weight.removesuffix(".weight")
        return str(node.name or f"{node.op_type} {node.output[0]}")

    def exported_weight(self, node: onnx.NodeProto) -> NDArray[Any] | None:
        """A layer's weights as they were before quantisation, if the file holds them."""
        name = self._weight_name(node)
        return None if name is None else self._raw.get_initializer(name)

    def float_weight_bits(self, node: onnx.NodeProto) -> int:
        """Bits of a layer's floating-point weights as they were exported."""
        quantiser = self._weight_maker(node)
        if quantiser is None or quantiser.op_type != "FloatQuant":
            return FLOAT_BITS
        widths = [self._raw.get_initializer(name) for name in quantiser.input[2:4]]
        if any(each is None for each in widths):
            return FLOAT_BITS
        return 1 + sum(int(each.item()) for each in widths)

    def _weight_maker(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        """What makes a layer's weights, before constants were folded."""
        makers = {tensor: maker for maker in self._raw.graph.node for tensor in maker.output}
        exported = makers.get(node.output[0])
        maker = None if exported is None else makers.get(exported.input[1])
        while maker is not None and maker.op_type in MOVING:
            maker = makers.get(maker.input[0])
        return maker

    def _weight_name(self, node: onnx.NodeProto) -> str | None:
        makers = {tensor: maker for maker in self._raw.graph.node for tensor in maker.output}
        exported = makers.get(node.output[0])
        if node.op_type not in LAYER_TYPES or exported is None:
            return None
        source = exported.input[1]
        while source in makers and makers[source].input:
            source = makers[source].input[0]
        return source if self._raw.get_initializer(source) is not None else None


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """Value of a node's attribute."""
    for each in node.attribute:
        if each.name == name:
            return onnx.helper.get_attribute_value(each)
    return default


def n_nonzero(values: NDArray[Any]) -> int:
    """Number of values that are not zero."""
    return int(np.count_nonzero(values))
