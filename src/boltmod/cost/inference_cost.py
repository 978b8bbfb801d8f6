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

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qonnx.util.inference_cost import inference_cost as official_inference_cost

from boltmod.cost.findings import Finding, find
from boltmod.cost.layers import LayerCost, layer_costs
from boltmod.cost.network import CostedNetwork, batch_one, check_sizes
from boltmod.cost.score import score
from boltmod.cost.strict import StrictCost, strict_cost
from boltmod.errors import BoltmodError, CostMismatchError, UnsupportedOperatorError
from boltmod.model.onnx_file import Model, as_model
from boltmod.untrusted import said

_QOPERATOR = (
    "ONNX Runtime's QOperator format", "quantise it again with quant_format=QuantFormat.QDQ",
)  # fmt: skip
_DYNAMIC = (
    "quantised while it runs", "quantise it with quantize_static and quant_format=QuantFormat.QDQ",
)  # fmt: skip
_INTEGER_LAYERS = {
    **dict.fromkeys(
        ("QLinearConv", "QLinearMatMul", "QGemm", "QLinearAdd", "QLinearMul"), _QOPERATOR
    ),
    **dict.fromkeys(("ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"), _DYNAMIC),
}
"""Layers that take integers themselves: which way of writing it is, and the way out."""


@dataclass(frozen=True)
class Cost:
    """What one inference of a network costs.

    Args:
        model: The network's name.
        bops: Bit operations.
        weight_bits: Bits of the non-zero weights.
        macs: Multiply-accumulates with a non-zero weight.
        score: The challenge's score.
        strict: The strict cost; None where operators are that cannot be counted.
        unsupported: Operators that the official tool does not know.
        findings: What the rules treat specially.
        layers: Cost by layer, in network order.
        official: All that the official tool reports.

    Examples:
        >>> import boltmod
        >>> cost = boltmod.cost("boltnet")
        >>> cost.layers[0].name, cost.layers[0].bops
        ('Conv_0', 225792)
    """

    model: str
    bops: int
    weight_bits: int
    macs: int
    score: float
    strict: StrictCost | None
    unsupported: tuple[str, ...]
    findings: tuple[Finding, ...]
    layers: tuple[LayerCost, ...]
    official: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """The cost in JSON's types."""
        return asdict(self)


def count(model: Model | Path | str) -> Cost:
    """Count what one inference costs.

    Args:
        model: The network, its `.onnx` file, or the name of a network that comes with boltmod; an
            open batch dimension counts as 1.

    Raises:
        CostMismatchError: The sums over the layers differ from the official figures.
        UnsupportedOperatorError: The official tool cannot read the network, or would count its
            layers as free.

    Examples:
        >>> import boltmod
        >>> cost = boltmod.cost("boltnet")
        >>> cost.bops, cost.weight_bits, round(cost.score, 6)
        (2175528, 4092, 0.00299)
    """
    model = as_model(model)
    _refuse_integer_layers(model)
    with _read_by_qonnx(model.name):
        wrapper = batch_one(model)
        check_sizes(wrapper, model.name)
        # The official tool's own preparation takes longest, and is done once, by us.
        network = CostedNetwork(wrapper)
        counted = official_inference_cost(network.prepared, preprocess=False)
        official: dict[str, Any] = counted["total_cost"]
        unsupported = tuple(sorted(ast.literal_eval(official["unsupported"]) or ()))
        layers = layer_costs(network)
        strict = strict_cost(network, layers)
        findings = find(network, layers, strict, unsupported)
    bops, weight_bits = (round(official[key]) for key in ("total_bops", "total_mem_w_bits"))
    _check("bit operations", model.name, sum(layer.bops for layer in layers), bops)
    _check("weight bits", model.name, sum(layer.weight_bits for layer in layers), weight_bits)
    return Cost(
        model=model.name,
        bops=bops,
        weight_bits=weight_bits,
        macs=sum(layer.macs for layer in layers),
        score=score(bops, weight_bits),
        strict=strict,
        unsupported=unsupported,
        findings=findings,
        layers=layers,
        official=official,
    )


def count_document(path: str) -> dict[str, Any]:
    """The cost of an `.onnx` file in JSON's types, as `boltmod.confined` hands it on."""
    return count(path).as_dict()


def _refuse_integer_layers(model: Model) -> None:
    """Layers of integers are none of those that the rules charge for, and would cost nothing."""
    found = sorted({node.op_type for node in model.proto.graph.node} & _INTEGER_LAYERS.keys())
    if found:
        kind, way_out = _INTEGER_LAYERS[found[0]]
        raise UnsupportedOperatorError(
            f"{model.name} must have layers that the cost rules know, not {', '.join(found)} "
            f"({kind}): {way_out}"
        )


@contextmanager
def _read_by_qonnx(name: str) -> Iterator[None]:
    try:
        yield
    except BoltmodError:
        raise
    except Exception as error:  # noqa: BLE001  qonnx raises bare Exception and AssertionError
        raise UnsupportedOperatorError(
            f"{name} must be a network that qonnx's inference_cost reads, which fails "
            f"({said(error)}): export it with batch 1 and clean it with qonnx-cleanup"
        ) from None


def _check(what: str, name: str, ours: int, theirs: int) -> None:
    if ours != theirs:
        raise CostMismatchError(
            f"{what} of {name} must be the same by layer as by qonnx's inference_cost, "
            f"not {ours} and {theirs}: please report this network"
        )
