"""The strict score: what the official rules count, and every multiplication they wave through.

The definition, the reasons and a worked example are in docs/cost.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from boltmod.cost.absorption import (
    AVERAGING,
    MONOTONE,
    QUANTISERS,
    Change,
    is_absorbed,
    is_by_constants,
)
from boltmod.cost.layers import LayerCost, layer_cost
from boltmod.cost.network import (
    FLOAT_BITS,
    LAYER_TYPES,
    MOVING,
    SELECTING,
    CostedNetwork,
    attribute,
)
from boltmod.cost.score import score

_ADDING = frozenset({
    "Add", "Sub", "Sum", "Neg", "Abs", "ReduceSum", "Min", "Max", "ReduceMin", "ArgMax", "ArgMin",
    "TopK", "Where", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or",
    "Not", "Xor", "Round", "Floor", "Ceil", "Cast", "Shape", "Constant", "ConstantOfShape",
    "DequantizeLinear", "CumSum", "Mod",
})  # fmt: skip
"""Operators that add, compare, round or select, and multiply nothing."""

_ORDER_KEEPING = frozenset({"Softmax", "LogSoftmax"})
"""What leaves the order of the classes alone; free at the very end, unknown elsewhere."""

_CURVED = frozenset({"Sin", "Cos", "Atan", "Gelu", "Swish", "HardSwish", "Mish", "Reciprocal"})


@dataclass(frozen=True)
class Multiplication:
    """Multiplications that the official rules do not count.

    Args:
        name: The operation's name.
        type: Its ONNX operator.
        kind: `product` of two activations, `scaling` by constants, `function`, `narrowed` layer
            (joined tensors of different widths), or `table` of constants.
        n_products: How many.
        bits: Widths of the two operands.
        bops: Bit operations: n_products times both widths.
        weight_bits: Bits of the constants they take.
    """

    name: str
    type: str
    kind: str
    n_products: int
    bits: tuple[int, int]
    bops: int
    weight_bits: int = 0


@dataclass(frozen=True)
class StrictCost:
    """The official cost and what is added to it.

    Args:
        bops: Bit operations, the official ones included.
        weight_bits: Weight bits, the official ones included.
        score: The challenge's formula over these two.
        added: Where they exceed the official ones.
    """

    bops: int
    weight_bits: int
    score: float
    added: tuple[Multiplication, ...]


def strict_cost(network: CostedNetwork, layers: tuple[LayerCost, ...]) -> StrictCost | None:
    """Count what a network costs by the strict rules.

    Args:
        network: The network.
        layers: Its official cost by layer.

    Returns:
        The strict cost; None where `uncountable` operators are.
    """
    if uncountable(network):
        return None
    added = tuple(each for node in network.nodes for each in _added(network, node) if _shows(each))
    bops = sum(layer.bops for layer in layers) + sum(each.bops for each in added)
    bits = sum(layer.weight_bits for layer in layers) + sum(each.weight_bits for each in added)
    return StrictCost(bops, bits, score(bops, bits), added)


def uncountable(network: CostedNetwork) -> tuple[str, ...]:
    """Operators that may multiply in ways boltmod cannot count."""
    return tuple(
        dict.fromkeys(
            node.op_type
            for node in network.nodes
            if not _is_free(network, node)
            and node.op_type not in _COUNTING
            and node.op_type not in MONOTONE | _CURVED | AVERAGING
        )
    )


def _is_free(network: CostedNetwork, node: onnx.NodeProto) -> bool:
    if node.op_type in _ORDER_KEEPING:
        return bool(node.output[0] == network.output)
    return node.op_type in (_ADDING | MOVING | SELECTING | QUANTISERS) - {"Gather"}


def _shows(each: Multiplication) -> bool:
    return bool(each.bops or each.weight_bits)


def _added(network: CostedNetwork, node: onnx.NodeProto) -> Iterator[Multiplication]:
    if node.op_type in _COUNTING:
        yield from _COUNTING[node.op_type](network, node)
    elif node.op_type in AVERAGING:
        yield from _averaging(network, node)
    elif node.op_type in MONOTONE | _CURVED:
        yield from _function(network, node)


def _elementwise(network: CostedNetwork, node: onnx.NodeProto) -> Iterator[Multiplication]:
    """Mul and Div: of two activations, or of one by constants."""
    first, second = (network.constant(tensor) for tensor in node.input)
    if first is None and second is None:
        yield _counted(network, node, "product", _size(network, node), _widths(network, node))
    elif second is not None:
        yield from _scaling(network, node, second, network.bits(node.input[1]), 0)
    elif first is not None and node.op_type == "Mul":
        yield from _scaling(network, node, first, network.bits(node.input[0]), 1)
    else:
        yield from _function(network, node, operand=1)


def _batch_normalisation(network: CostedNetwork, node: onnx.NodeProto) -> Iterator[Multiplication]:
    gamma, variance = network.constant(node.input[1]), network.constant(node.input[4])
    if gamma is None or variance is None:
        yield _counted(network, node, "product", _size(network, node), _widths(network, node))
    else:
        factors = gamma / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
        shape = (-1,) + (1,) * (len(network.shape(node.output[0])) - 2)
        yield from _scaling(network, node, factors.reshape(shape), FLOAT_BITS, 0)


def _scaling(
    network: CostedNetwork, node: onnx.NodeProto, factors: NDArray[Any], bits: int, operand: int
) -> Iterator[Multiplication]:
    """Multiply by constants: free where absorbed; by zero and powers of two, free or a shift."""
    change = (
        Change.ONE_FACTOR if factors.size == 1 and factors.min() > 0 else Change.CHANNEL_FACTORS
    )
    if is_by_constants(network, node) and is_absorbed(network, node.output[0], change):
        return
    true_factors = int(np.count_nonzero(_is_no_shift(factors)))
    n_products = _size(network, node) * true_factors // factors.size
    widths = (network.bits(node.input[operand]), bits)
    yield _counted(network, node, "scaling", n_products, widths, true_factors * bits)


def _averaging(network: CostedNetwork, node: onnx.NodeProto) -> Iterator[Multiplication]:
    """Average: additions, and one product by 1/n for each result."""
    n_averaged = prod(network.shape(node.input[0])) // max(1, _size(network, node))
    if node.op_type == "AveragePool":
        n_averaged = prod(attribute(node, "kernel_shape", [1]))
    if not is_absorbed(network, node.output[0], Change.ONE_FACTOR) and n_averaged & (
        n_averaged - 1
    ):
        widths = (network.bits(node.input[0]), FLOAT_BITS)
        yield _counted(network, node, "scaling", _size(network, node), widths, FLOAT_BITS)


def _function(
    network: CostedNetwork, node: onnx.NodeProto, operand: int = 0
) -> Iterator[Multiplication]:
    """Evaluate a curve: one product, value times slope, unless it merely moves thresholds."""
    absorbed = node.op_type in MONOTONE and is_absorbed(network, node.output[0], Change.FUNCTION)
    if not absorbed:
        widths = (network.bits(node.input[operand]), FLOAT_BITS)
        yield _counted(network, node, "function", _size(network, node), widths)


def _power(network: CostedNetwork, node: onnx.NodeProto) -> Iterator[Multiplication]:
    """Pow: as many products as repeated squaring takes; a curve if the exponent is no integer."""
    exponent = network.constant(node.input[1])
    if exponent is None or exponent.size != 1 or exponent.item() % 1 or exponent.item() < 1:
        yield from _function(network, node)
        return
    power = int(exponent.item())
    n_products = power.bit_length() - 1 + power.bit_count() - 1
    widths = (network.bits(node.input[0]),) * 2
    yield _counted(network, node, "product", n_products * _size(network, node), widths)


def _sum_of_squares(network: CostedNetwork, node: onnx.NodeProto) -> Iterator[Multiplication]:
    widths = (network.bits(node.input[0]),) * 2
    yield _counted(network, node, "product", prod(network.shape(node.input[0])), widths)


def _table(network: CostedNetwork, node: onnx.NodeProto) -> Iterator[Multiplication]:
    """Gather from constants: a memory that the official rules do not see."""
    table = network.constant(node.input[0])
    if table is not None:
        bits = network.bits(node.input[0])
        yield _counted(network, node, "table", 0, (bits, bits), table.size * bits)


def _layer(network: CostedNetwork, node: onnx.NodeProto) -> Iterator[Multiplication]:
    """Charge a layer for its operands' true widths, if they are more than the official ones."""
    official = [network.official_bits(tensor) for tensor in node.input[:2]]
    true = (network.bits(node.input[0]), network.bits(node.input[1]))
    macs = layer_cost(network, node).macs
    bops = macs * (true[0] * true[1] - official[0] * official[1])
    if bops > 0:
        yield Multiplication(network.name(node), node.op_type, "narrowed", macs, true, bops)


_COUNTING: dict[str, Callable[[CostedNetwork, onnx.NodeProto], Iterator[Multiplication]]] = {
    **dict.fromkeys(LAYER_TYPES, _layer),
    "Mul": _elementwise,
    "Div": _elementwise,
    "BatchNormalization": _batch_normalisation,
    "Pow": _power,
    "ReduceSumSquare": _sum_of_squares,
    "ReduceL2": _sum_of_squares,
    "Gather": _table,
}


def _counted(
    network: CostedNetwork,
    node: onnx.NodeProto,
    kind: str,
    n_products: int,
    bits: tuple[int, int],
    weight_bits: int = 0,
) -> Multiplication:
    bops = n_products * bits[0] * bits[1]
    return Multiplication(
        network.name(node), node.op_type, kind, n_products, bits, bops, weight_bits
    )


def _size(network: CostedNetwork, node: onnx.NodeProto) -> int:
    return int(prod(network.shape(node.output[0])))


def _widths(network: CostedNetwork, node: onnx.NodeProto) -> tuple[int, int]:
    return network.bits(node.input[0]), network.bits(node.input[1])


def _is_no_shift(factors: NDArray[Any]) -> NDArray[np.bool_]:
    mantissa = np.abs(np.frexp(factors)[0])
    return np.asarray((mantissa != 0) & (mantissa != 0.5))
