"""The inference cost of a network, counted twice.

The official figures come from qonnx's `inference_cost`, the tool the challenge prescribes. The
figures by layer are counted here, from shapes, datatypes and non-zero weights; their sums must
equal the official ones, or `count` fails: no table ever differs from its total in silence.

Rules (sparsity discounted): a multiply-accumulate of an `a`-bit activation and a `w`-bit weight is
`a·w` bit operations; a zero weight costs nothing; a weight costs its bits; biases, thresholds and
everything that is no convolution or matrix product cost nothing.
Source: qonnx, `qonnx.analysis.inference_cost`; FINN's MAC-counting convention therein.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import numpy as np
import onnx
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.fold_constants import FoldConstants
from qonnx.transformation.general import (
    GiveUniqueParameterTensors,
    RemoveStaticGraphInputs,
    RemoveUnusedTensors,
)
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.util.inference_cost import inference_cost as official_inference_cost

from boltmod.cost.score import score
from boltmod.errors import CostMismatchError, UnsupportedOperatorError
from boltmod.model.onnx_file import Model

_LAYER_TYPES = ("Conv", "Gemm", "MatMul")


@dataclass(frozen=True)
class LayerCost:
    """What one convolution or matrix product costs.

    Args:
        name: The layer's name in the network it was exported from, as far as the file tells.
        type: Its ONNX operator.
        output_shape: Shape of its result, batch 1.
        weights: Number of its weights; 0 if both operands are activations.
        nonzero_weights: Those that are not zero after quantisation.
        macs: Multiply-accumulates with a non-zero weight.
        weight_datatype: QONNX datatype of its weights.
        act_datatype: QONNX datatype of its input.
        bops: Bit operations.
        weight_bits: Bits of its non-zero weights.
        share: Its part of the network's score, 0 to 1.
    """

    name: str
    type: str
    output_shape: tuple[int, ...]
    weights: int
    nonzero_weights: int
    macs: int
    weight_datatype: str
    act_datatype: str
    bops: int
    weight_bits: int
    share: float = 0.0


@dataclass(frozen=True)
class Cost:
    """What one inference of a network costs.

    Args:
        model: The network's name.
        bops: Bit operations.
        weight_bits: Bits of the non-zero weights.
        macs: Multiply-accumulates with a non-zero weight.
        score: The challenge's score.
        findings: What the rules treat specially, one sentence each.
        layers: Cost by layer, in network order.
    """

    model: str
    bops: int
    weight_bits: int
    macs: int
    score: float
    findings: tuple[str, ...]
    layers: tuple[LayerCost, ...]

    def as_dict(self) -> dict[str, Any]:
        """The cost in JSON's types."""
        return asdict(self)


def count(model: Model) -> Cost:
    """Count what one inference costs.

    Args:
        model: The network; an open batch dimension counts as 1.

    Raises:
        CostMismatchError: The sums over the layers differ from the official figures.
        UnsupportedOperatorError: The official tool cannot read the network.
    """
    wrapper = _batch_one(model)
    official = _official(wrapper, model.name)
    layers = tuple(_layers(wrapper))
    bops, weight_bits = (round(official[key]) for key in ("total_bops", "total_mem_w_bits"))
    for name, ours, theirs in (
        ("bit operations", sum(layer.bops for layer in layers), bops),
        ("weight bits", sum(layer.weight_bits for layer in layers), weight_bits),
    ):
        if ours != theirs:
            raise CostMismatchError(
                f"{name} of {model.name} must be the same by layer as by qonnx's inference_cost, "
                f"not {ours} and {theirs}: please report this network"
            )
    return Cost(
        model=model.name,
        bops=bops,
        weight_bits=weight_bits,
        macs=sum(layer.macs for layer in layers),
        score=score(bops, weight_bits),
        findings=(),
        layers=tuple(_with_shares(layers, score(bops, weight_bits))),
    )


def _batch_one(model: Model) -> ModelWrapper:
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    for value in proto.graph.input:
        if value.name == model.input_name:
            value.type.tensor_type.shape.dim[0].dim_value = 1
    output = proto.graph.output[0].type.tensor_type.shape.dim[0]
    output.dim_value = 1
    return ModelWrapper(proto)


def _official(wrapper: ModelWrapper, name: str) -> dict[str, Any]:
    try:
        total: dict[str, Any] = official_inference_cost(wrapper)["total_cost"]
    except Exception as error:  # noqa: BLE001  qonnx raises bare Exception and AssertionError
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UnsupportedOperatorError(
            f"{name} must be a network that qonnx's inference_cost reads, which fails ({reason}): "
            "export it with batch 1 and clean it with qonnx-cleanup"
        ) from None
    return total


def _layers(wrapper: ModelWrapper) -> Iterable[LayerCost]:
    names = _layer_names(wrapper.graph)
    prepared = _prepare(wrapper)
    for node in prepared.graph.node:
        if node.op_type in _LAYER_TYPES:
            yield _layer(prepared, node, names.get(node.output[0], node.output[0]))


def _prepare(wrapper: ModelWrapper) -> ModelWrapper:
    """Carry out the official tool's preparation, but keep the names of nodes and results."""
    for transformation in (
        InferShapes(),
        GiveUniqueParameterTensors(),
        InferDataTypes(allow_scaledint_dtypes=True),
        FoldConstants(exclude_op_types=[]),
        RemoveUnusedTensors(),
        RemoveStaticGraphInputs(),
        InferDataTypes(allow_scaledint_dtypes=True),
    ):
        wrapper = wrapper.transform(transformation)
    return wrapper


def _layer_names(graph: onnx.GraphProto) -> dict[str, str]:
    """Name of the layer behind each result: its weight's, else its node's."""
    makers = {node.output[0]: node for node in graph.node}
    weights = {tensor.name for tensor in graph.initializer}
    names = {}
    for node in graph.node:
        if node.op_type in _LAYER_TYPES:
            source = node.input[1]
            while source in makers and source not in weights and makers[source].input:
                source = makers[source].input[0]
            told = source in weights and source.endswith(".weight")
            names[node.output[0]] = (
                source.removesuffix(".weight") if told else node.name or node.output[0]
            )
    return names


def _layer(wrapper: ModelWrapper, node: onnx.NodeProto, name: str) -> LayerCost:
    in_shape, out_shape = (wrapper.get_tensor_shape(t) for t in (node.input[0], node.output[0]))
    constants = [wrapper.get_initializer(tensor) for tensor in node.input[:2]]
    weight = constants[1] if constants[1] is not None else constants[0]
    n_weights = 0 if weight is None else weight.size
    n_nonzero = 0 if weight is None else int(np.count_nonzero(weight))
    in_type, weight_type = (wrapper.get_tensor_datatype(tensor) for tensor in node.input[:2])
    macs = _dense_macs(node, in_shape, out_shape)
    if n_weights:
        macs = macs * n_nonzero // n_weights
    stored_type = weight_type if constants[1] is not None else in_type
    return LayerCost(
        name=name,
        type=node.op_type,
        output_shape=tuple(out_shape),
        weights=n_weights,
        nonzero_weights=n_nonzero,
        macs=macs,
        weight_datatype=weight_type.name,
        act_datatype=in_type.name,
        bops=macs * in_type.bitwidth() * weight_type.bitwidth(),
        weight_bits=n_nonzero * stored_type.bitwidth(),
    )


def _dense_macs(node: onnx.NodeProto, in_shape: list[int], out_shape: list[int]) -> int:
    """Multiply-accumulates if no weight were zero: each output sums over its inputs."""
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type == "Conv":
        n_summed = prod(attributes["kernel_shape"]) * in_shape[1] // attributes.get("group", 1)
    else:
        n_summed = in_shape[0] if attributes.get("transA") else in_shape[-1]
    return int(prod(out_shape) * n_summed)


def _with_shares(layers: Iterable[LayerCost], total: float) -> Iterable[LayerCost]:
    for layer in layers:
        share = score(layer.bops, layer.weight_bits) / total if total else 0.0
        yield LayerCost(**{**asdict(layer), "share": share})
