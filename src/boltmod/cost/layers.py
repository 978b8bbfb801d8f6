"""The cost of each convolution and matrix product, counted from shapes and datatypes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod

import onnx

from boltmod.cost.network import LAYER_TYPES, CostedNetwork, attribute, n_nonzero
from boltmod.cost.score import score


@dataclass(frozen=True)
class LayerCost:
    """What one convolution or matrix product costs.

    Args:
        name: The layer's name in the network it was exported from, as far as the file tells.
        type: Its ONNX operator.
        output_shape: Shape of its result, batch 1.
        weights: Number of its weights; 0 if both operands are activations.
        nonzero_weights: Those that are not zero after quantisation.
        rounded_to_zero: Those that are zero after quantisation but were not before; None if the
            file does not hold the weights before quantisation.
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
    rounded_to_zero: int | None
    macs: int
    weight_datatype: str
    act_datatype: str
    bops: int
    weight_bits: int
    share: float = 0.0


def layer_costs(network: CostedNetwork) -> tuple[LayerCost, ...]:
    """Count every convolution and matrix product of a network.

    Returns:
        The layers in the order of computation, their shares adding up to 1.
    """
    layers = [layer_cost(network, node) for node in network.nodes if node.op_type in LAYER_TYPES]
    total = sum(score(layer.bops, layer.weight_bits) for layer in layers)
    return tuple(_with_shares(layers, total))


def layer_cost(network: CostedNetwork, node: onnx.NodeProto) -> LayerCost:
    """Count one convolution or matrix product; its share is left at 0."""
    first, second = node.input[:2]
    weight_tensor = second if network.constant(second) is not None else first
    weight = network.constant(weight_tensor)
    n_weights = 0 if weight is None else weight.size
    kept = 0 if weight is None else n_nonzero(weight)
    macs = _dense_macs(network, node)
    if n_weights:
        macs = macs * kept // n_weights
    exported = network.exported_weight(node)
    return LayerCost(
        name=network.name(node),
        type=node.op_type,
        output_shape=network.shape(node.output[0]),
        weights=n_weights,
        nonzero_weights=kept,
        rounded_to_zero=None if exported is None else n_nonzero(exported) - kept,
        macs=macs,
        weight_datatype=network.datatype(second),
        act_datatype=network.datatype(first),
        bops=macs * network.official_bits(first) * network.official_bits(second),
        weight_bits=kept * network.official_bits(weight_tensor),
    )


def _dense_macs(network: CostedNetwork, node: onnx.NodeProto) -> int:
    """Multiply-accumulates if no weight were zero: each output sums over its inputs."""
    in_shape, out_shape = network.shape(node.input[0]), network.shape(node.output[0])
    if node.op_type == "Conv":
        taps = network.shape(node.input[1])[2:]
        n_summed = prod(taps) * in_shape[1] // attribute(node, "group", 1)
    else:
        n_summed = in_shape[0] if attribute(node, "transA", 0) else in_shape[-1]
    return int(prod(out_shape) * n_summed)


def _with_shares(layers: Iterable[LayerCost], total: float) -> Iterable[LayerCost]:
    for layer in layers:
        own = score(layer.bops, layer.weight_bits)
        yield replace(layer, share=own / total if total else 0.0)
