"""Networks in standard operators, for any batch size, so that ONNX Runtime can run them.

ONNX Runtime knows none of QONNX's operators, and exporters freeze the batch size. `lower` writes
every quantiser as the divisions, roundings and products that define it, in the order in which
QONNX's own executor carries them out, so that both give the same numbers.

Source: QONNX operator definitions (Quant, BipolarQuant, Trunc), docs/qonnx-custom-ops in
github.com/fastmachinelearning/qonnx; the order of operations is that of `qonnx.custom_op.general`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray

from boltmod.errors import ModelFormatError, UnsupportedOperatorError, first_line
from boltmod.model import declared_sizes
from boltmod.model.onnx_file import QONNX_DOMAIN, QONNX_DOMAINS, Model
from boltmod.untrusted import said

BATCH = "batch"
"""Name of the open dimension in lowered networks."""

_MIN_OPSET = 13
"""Since then Round, Clip with tensor bounds and Squeeze with tensor axes are what they are now."""

_LINEAR_OPSET = 19
"""Where ONNX's evaluator begins to know QuantizeLinear and DequantizeLinear."""

_IR_VERSION = 10
"""A file version that every ONNX Runtime from 1.20 on reads."""

_NEVER_FOLDED = {"If", "Loop", "Scan", "RandomNormal", "RandomUniform", "Constant"}

_MOST_FOLDED_VALUES = 4 * declared_sizes.MOST_VALUES
"""Of all steps on the way to constants together."""

Array = NDArray[Any]


def lower(model: Model, others: Mapping[str, Lowering] | None = None) -> onnx.ModelProto:
    """Rewrite a network in standard ONNX operators with an open batch dimension.

    Args:
        model: The network.
        others: How to write some of QONNX's operators otherwise, by their names.

    Returns:
        A network of the same input and output names whose constant parts, the quantisation of the
        weights among them, are already computed.

    Raises:
        UnsupportedOperatorError: An operator is neither standard nor one of QONNX's that boltmod
            knows, or is used in a way that cannot be written in standard operators.
    """
    proto = _with_recent_opset(model.proto)
    qonnx_version = max(
        (o.version for o in proto.opset_import if o.domain == QONNX_DOMAIN), default=1
    )
    graph = Lowered.of(proto)
    for node in proto.graph.node:
        try:
            if node.domain in ("", "ai.onnx"):
                graph.take(node)
            else:
                _lowering(node, others or {})(graph, node, qonnx_version)
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise UnsupportedOperatorError(
                f"{_named(node)} must be used as it is defined, which it is not ({said(error)}): "
                "export the network again"
            ) from None
    return graph.finish(proto)


def constants_of(proto: onnx.ModelProto) -> dict[str, Array]:
    """Return all that does not depend on the frame, by name, but for what a quantiser makes."""
    graph = Lowered.of(proto)
    for node in proto.graph.node:
        if node.domain in ("", "ai.onnx"):
            graph.take(node)
    return graph.constants


def _with_recent_opset(proto: onnx.ModelProto) -> onnx.ModelProto:
    version = next((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), 1)
    if version >= _MIN_OPSET:
        return proto
    try:
        return onnx.version_converter.convert_version(proto, _MIN_OPSET)
    except (RuntimeError, onnx.version_converter.ConvertError) as error:
        raise ModelFormatError(
            f"the model's operator set {version} must convert to {_MIN_OPSET}, which fails "
            f"({first_line(error)}): export it with opset {_MIN_OPSET} or later"
        ) from None


class Lowered:
    """The lowered network while it grows: its nodes, and what is known to be constant."""

    def __init__(self, constants: dict[str, Array], opset: int) -> None:
        self.constants = constants
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self._n_made = 0
        self._n_folded_values = 0

    @classmethod
    def of(cls, proto: onnx.ModelProto) -> Lowered:
        """Begin with a network's constants."""
        opset = next(o.version for o in proto.opset_import if o.domain in ("", "ai.onnx"))
        weights = {t.name: onnx.numpy_helper.to_array(t) for t in proto.graph.initializer}
        return cls(weights, opset)

    def constant(self, value: ArrayLike) -> str:
        """Store a float32 constant; its name."""
        name = self.name("constant")
        self.constants[name] = np.asarray(value, np.float32)
        return name

    def apply(self, operator: str, *inputs: str, output: str | None = None) -> str:
        """Add one standard operator; the name of its result."""
        output = output or self.name(operator)
        self.take(onnx.helper.make_node(operator, list(inputs), [output], name=f"{output}_node"))
        return output

    def take(self, node: onnx.NodeProto) -> None:
        """Add a standard node, or its value if all its inputs are constant."""
        if node.op_type == "Constant":
            self.constants[node.output[0]] = self._evaluate(node)[0]
        elif all(name in self.constants or not name for name in node.input) and self._folds(node):
            for name, value in zip(node.output, self._evaluate(node), strict=True):
                self.constants[name] = value
        else:
            self.nodes.append(self._with_open_batch(node))

    def _folds(self, node: onnx.NodeProto) -> bool:
        return bool(node.input) and node.op_type not in _NEVER_FOLDED

    def _evaluate(self, node: onnx.NodeProto) -> list[Array]:
        proto = onnx.helper.make_model(
            onnx.helper.make_graph(
                [node],
                "constant",
                [
                    onnx.helper.make_value_info(name, onnx.TypeProto())
                    for name in node.input
                    if name
                ],
                [onnx.helper.make_value_info(name, onnx.TypeProto()) for name in node.output],
            ),
            opset_imports=[onnx.helper.make_opsetid("", self._opset_of(node))],
        )
        from onnx.reference import ReferenceEvaluator  # it takes a tenth of a second

        feeds = {name: self.constants[name] for name in node.input if name}
        declared_sizes.check_growth(node, list(feeds.values()), "the model")
        try:
            values = [np.asarray(value) for value in ReferenceEvaluator(proto).run(None, feeds)]
        except Exception as error:  # noqa: BLE001  the evaluator raises whatever NumPy does
            raise UnsupportedOperatorError(
                f"{_named(node)} must have a value, its inputs being constant, and has none "
                f"({first_line(error)}): export the network without it"
            ) from None
        self._n_folded_values += sum(value.size for value in values)
        if self._n_folded_values > _MOST_FOLDED_VALUES:
            raise ModelFormatError(
                f"the model's constants must be made of at most {_MOST_FOLDED_VALUES:,} values, "
                "and are made of more: give a network of frames"
            )
        return values

    def _opset_of(self, node: onnx.NodeProto) -> int:
        """The evaluator has the linear quantisers from a later operator set on, as they were."""
        is_linear = node.op_type in ("QuantizeLinear", "DequantizeLinear")
        return max(self.opset, _LINEAR_OPSET) if is_linear else self.opset

    def _with_open_batch(self, node: onnx.NodeProto) -> onnx.NodeProto:
        """Let a Reshape to (1, …) keep whatever batch it is given."""
        shape = self.constants.get(node.input[1]) if node.op_type == "Reshape" else None
        if shape is None or node.input[0] in self.constants or shape.size == 0 or shape[0] != 1:
            return node
        opened = onnx.NodeProto()
        opened.CopyFrom(node)
        opened.input[1] = self.name("shape")
        self.constants[opened.input[1]] = np.concatenate([[0], shape[1:]]).astype(np.int64)
        kept = [a for a in node.attribute if a.name != "allowzero"]
        del opened.attribute[:]
        opened.attribute.extend(kept)
        return opened

    def name(self, stem: str) -> str:
        """Return a name that nothing else has."""
        self._n_made += 1
        return f"boltmod_{stem.lower()}_{self._n_made}"

    def finish(self, proto: onnx.ModelProto) -> onnx.ModelProto:
        """Return the network, its inputs and outputs those of the one it is made from."""
        graph = onnx.GraphProto(name=proto.graph.name or "network")
        graph.input.extend(
            _with_batch(value) for value in proto.graph.input if value.name not in self.constants
        )
        graph.output.extend(_with_batch(value) for value in proto.graph.output)
        graph.node.extend(self.nodes)
        used = {name for node in self.nodes for name in node.input}
        used |= {value.name for value in proto.graph.output}
        graph.initializer.extend(
            onnx.numpy_helper.from_array(np.asarray(value, order="C"), name)
            for name, value in self.constants.items()
            if name in used
        )
        return onnx.helper.make_model(
            graph,
            opset_imports=[onnx.helper.make_opsetid("", self.opset)],
            ir_version=_IR_VERSION,
            producer_name="boltmod",
        )


def _named(node: onnx.NodeProto) -> str:
    return f"{node.op_type} {node.name or node.output[0]}"


def _with_batch(value: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    opened = onnx.ValueInfoProto()
    opened.CopyFrom(value)
    opened.type.tensor_type.shape.dim[0].dim_param = BATCH
    return opened


def _lowering(node: onnx.NodeProto, others: Mapping[str, Lowering]) -> Lowering:
    ways = {**_LOWERINGS, **others}
    if node.domain in QONNX_DOMAINS and node.op_type in ways:
        return ways[node.op_type]
    if node.domain == "com.microsoft":
        raise UnsupportedOperatorError(
            f"operator must be a standard one, not ONNX Runtime's own {node.op_type} "
            f"({node.name or node.output[0]}): quantise again with quant_format=QuantFormat.QDQ, "
            "or export the network before ONNX Runtime has optimised it"
        )
    raise UnsupportedOperatorError(
        f"operator must be a standard one or one of {', '.join(_LOWERINGS)}, not "
        f"{node.domain}::{node.op_type} ({node.name or node.output[0]}): "
        "export the network without it"
    )


def lower_quant(graph: Lowered, node: onnx.NodeProto, version: int) -> None:
    """Quant: (round(clip(x / scale + zero_point)) − zero_point) · scale."""
    x, scale, zero_point, bit_width = node.input
    attributes = quant_attributes(node, signed=1, narrow=0, rounding_mode="ROUND")
    n_bits = known(graph, node, bit_width, "bit width")
    offset = _unless_zero(graph, zero_point)
    y = graph.apply("Div", x, scale)
    if offset:
        y = graph.apply("Add", y, offset)
    if attributes["signed"] and np.all(n_bits == 1):
        y = _bipolar(graph, y)
    else:
        y = _clip(graph, y, *integer_range(n_bits, **attributes))
        y = _round(graph, node, y, attributes["rounding_mode"])
    if offset:
        y = graph.apply("Sub", y, offset)
    graph.apply("Mul", y, scale, output=node.output[0])


def _lower_bipolar_quant(graph: Lowered, node: onnx.NodeProto, version: int) -> None:
    """BipolarQuant: +scale from zero up, −scale below."""
    graph.apply("Mul", _bipolar(graph, node.input[0]), node.input[1], output=node.output[0])


def _lower_trunc(graph: Lowered, node: onnx.NodeProto, version: int) -> None:
    """Trunc: drop the least significant bits of a quantised value."""
    attributes = quant_attributes(node, signed=1, narrow=0, rounding_mode="FLOOR")
    x, scale, zero_point, in_bits = node.input[:4]
    offset = _unless_zero(graph, zero_point)
    y = graph.apply("Div", x, scale)
    if offset:
        y = graph.apply("Add", y, offset)
    y = graph.apply("Round", y)
    out_bits = known(graph, node, node.input[-1], "output bit width")
    if version >= 2:
        ratio = known(graph, node, node.input[4], "output scale") / known(
            graph, node, scale, "scale"
        )
        step: Array = 2 ** np.round(np.log2(ratio))
        out_scale = node.input[4]
    else:
        step = 2.0 ** (known(graph, node, in_bits, "input bit width") - out_bits)
        out_scale = scale
    y = graph.apply("Div", y, graph.constant(step))
    if version >= 2:
        y = _clip(graph, y, *integer_range(out_bits, **attributes))
    y = _round(graph, node, y, attributes["rounding_mode"])
    if offset:
        shift = graph.constants[offset] / (step if version >= 2 else 1)
        y = graph.apply("Sub", y, graph.constant(shift))
    graph.apply("Mul", y, out_scale, output=node.output[0])


Lowering = Callable[[Lowered, onnx.NodeProto, int], None]
"""Writes one operator in standard ones; the number is QONNX's version."""

_LOWERINGS: dict[str, Lowering] = {
    "Quant": lower_quant,
    "IntQuant": lower_quant,
    "BipolarQuant": _lower_bipolar_quant,
    "Trunc": _lower_trunc,
}


def quant_attributes(node: onnx.NodeProto, **defaults: Any) -> dict[str, Any]:
    """Return a quantiser's attributes, texts decoded, over what holds where one is missing."""
    found = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if isinstance(found.get("rounding_mode"), bytes):
        found["rounding_mode"] = found["rounding_mode"].decode()
    return {name: found.get(name, default) for name, default in defaults.items()}


def known(graph: Lowered, node: onnx.NodeProto, name: str, meaning: str) -> Array:
    """Return a constant by its name."""
    if name not in graph.constants:
        raise UnsupportedOperatorError(
            f"{meaning} must be a constant, not computed while the network runs "
            f"({_named(node)}): export it with fixed bit widths"
        )
    return graph.constants[name]


def _unless_zero(graph: Lowered, zero_point: str) -> str | None:
    """The zero point's name, or None where adding it changes nothing."""
    value = graph.constants.get(zero_point)
    return None if value is not None and not np.any(value) else zero_point


def integer_range(
    n_bits: Array, signed: int, narrow: int, rounding_mode: str
) -> tuple[Array, Array]:
    """Smallest and largest integer of a bit width; a narrow range gives one end up."""
    bits = np.asarray(n_bits, np.float32)
    if signed:
        return -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1
    return 0 * bits, 2**bits - 1 - narrow


def _clip(graph: Lowered, x: str, low: Array, high: Array) -> str:
    bounds = (graph.constant(low.squeeze()), graph.constant(high.squeeze()))
    if low.size == 1:
        return graph.apply("Clip", x, *bounds)
    bounds = (graph.constant(low), graph.constant(high))
    return graph.apply("Max", graph.apply("Min", x, bounds[1]), bounds[0])


def _bipolar(graph: Lowered, x: str) -> str:
    zero, one, minus_one = (graph.constant(v) for v in (0, 1, -1))
    return graph.apply("Where", graph.apply("GreaterOrEqual", x, zero), one, minus_one)


def _round(graph: Lowered, node: onnx.NodeProto, x: str, mode: str) -> str:
    mode = mode.upper()
    if mode in ("ROUND", "HALF_EVEN"):
        return graph.apply("Round", x)
    if mode in ("CEIL", "FLOOR"):
        return graph.apply(mode.capitalize(), x)
    if mode not in _OUTWARD:
        raise UnsupportedOperatorError(
            f"rounding_mode must be ROUND, HALF_EVEN, CEIL, FLOOR or one of {', '.join(_OUTWARD)}, "
            f"not {mode} ({_named(node)}): export with ROUND"
        )
    operator, offset = _OUTWARD[mode]
    size = graph.apply("Abs", x)
    if offset:
        size = graph.apply("Add", size, graph.constant(offset))
    return graph.apply("Mul", graph.apply("Sign", x), graph.apply(operator, size))


_OUTWARD = {
    "UP": ("Ceil", 0.0),
    "DOWN": ("Floor", 0.0),
    "HALF_UP": ("Floor", 0.5),
    "HALF_DOWN": ("Ceil", -0.5),
}
"""Rounding modes that treat both signs alike: what is done to the magnitude."""
