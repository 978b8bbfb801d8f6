"""Networks whose quantisers are QuantizeLinear, Clip and DequantizeLinear (QCDQ).

Every tool that knows ONNX reads these three, ONNX Runtime's own quantised kernels among them. Fewer
bits than eight are a Clip between the two; weights are stored as the integers that they are. More
bits have no kernels where QCDQ is read: such an activation is rounded in floating point.

Source: ONNX operator definitions (QuantizeLinear, DequantizeLinear); A. Pappalardo et al., "QONNX:
Representing Arbitrary-Precision Quantized Neural Networks", 2022, section III (QCDQ).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from boltmod.errors import UnsupportedOperatorError
from boltmod.model.lowering import (
    Lowered,
    integer_range,
    known,
    lower,
    lower_quant,
    quant_attributes,
)
from boltmod.model.onnx_file import Model

_MOST_BITS = 8
"""Of an activation whose integers QuantizeLinear makes."""


def as_qcdq(model: Model) -> onnx.ModelProto:
    """Rewrite a network in standard operators, its quantisers as QCDQ, with an open batch.

    Args:
        model: The network.

    Raises:
        UnsupportedOperatorError: A quantiser has a zero point, or rounds otherwise than to the
            nearest integer.
    """
    return lower(model, {"Quant": _quant, "IntQuant": _quant})


def _quant(graph: Lowered, node: onnx.NodeProto, version: int) -> None:
    scale = known(graph, node, node.input[1], "scale")
    n_bits = known(graph, node, node.input[3], "bit width")
    attributes = quant_attributes(node, signed=1, narrow=0, rounding_mode="ROUND")
    _check(graph, node, str(attributes["rounding_mode"]))
    low, high = (int(np.ravel(each)[0]) for each in integer_range(n_bits, **attributes))
    source = node.input[0]
    if source in graph.constants:
        steps = np.rint(np.clip(graph.constants[source] / scale, low, high))
        stored = _stored(graph, steps, low, high)
        _dequantise(graph, node, stored, scale, steps.ndim)
        return
    if max(-low, high) > 2**_MOST_BITS - 1 or low < -(2 ** (_MOST_BITS - 1)) or scale.size != 1:
        lower_quant(graph, node, version)
        return
    kind = np.int8 if low < 0 else np.uint8
    zero_point = _constant(graph, "zero_point", np.zeros((), kind))
    names = (_constant(graph, "scale", scale.reshape(())), zero_point)
    y = graph.apply("QuantizeLinear", source, *names)
    limits = np.iinfo(kind)
    if (low, high) != (limits.min, limits.max):
        bounds = [_constant(graph, "bound", np.array(each, kind)) for each in (low, high)]
        y = graph.apply("Clip", y, *bounds)
    graph.apply("DequantizeLinear", y, *names, output=node.output[0])


def _check(graph: Lowered, node: onnx.NodeProto, rounding: str) -> None:
    if np.any(known(graph, node, node.input[2], "zero point")):
        raise _refused(node, "have zero point 0", "another")
    if rounding.upper() not in ("ROUND", "HALF_EVEN"):
        raise _refused(node, "round to the nearest integer", rounding)


def _stored(graph: Lowered, steps: NDArray[Any], low: int, high: int) -> str:
    kind: type[Any] = np.int8 if low >= -(2**7) and high < 2**7 else np.int32
    if low == 0 and high < 2**8:
        kind = np.uint8
    return _constant(graph, "integers", steps.astype(kind))


def _dequantise(
    graph: Lowered, node: onnx.NodeProto, stored: str, scale: NDArray[Any], rank: int
) -> None:
    """Add the node as it is: computed beforehand, its result would be floats again."""
    long = [axis for axis, size in enumerate(scale.shape) if size > 1]
    if len(long) > 1 or (long and len(scale.shape) != rank):
        raise _refused(node, "have one scale, or one a row", f"{scale.shape}")
    flat = scale.reshape(-1) if long else scale.reshape(())
    axis: dict[str, Any] = {"axis": long[0]} if long else {}
    names = [stored, _constant(graph, "scale", np.asarray(flat, np.float32))]
    graph.nodes.append(
        onnx.helper.make_node(
            "DequantizeLinear", names, [node.output[0]], name=f"{node.output[0]}_node", **axis
        )
    )


def _constant(graph: Lowered, stem: str, value: NDArray[Any]) -> str:
    name = graph.name(stem)
    graph.constants[name] = value
    return name


def _refused(node: onnx.NodeProto, rule: str, what: str) -> UnsupportedOperatorError:
    return UnsupportedOperatorError(
        f"quantiser {node.name or node.output[0]} must {rule} to be written as QCDQ, not {what}: "
        "use --format onnx"
    )
