"""What the challenge asks of the exported network itself."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.infer_shapes import InferShapes

from boltmod.cost.network import MOST_ACTIVATIONS
from boltmod.model.onnx_file import QONNX_DOMAIN, Model, frame_shape
from boltmod.modulation import FRAME_LENGTH
from boltmod.untrusted import said

INPUT_SHAPE = (1, 2, FRAME_LENGTH)


def why_not_static(model: Model) -> str | None:
    """Say what keeps a network from being a static graph of batch 1; None if nothing does."""
    shape = frame_shape(model.proto)
    if shape != INPUT_SHAPE:
        told = ", ".join("open" if size is None else str(size) for size in shape)
        return f"its input has shape ({told}), not {INPUT_SHAPE}"
    try:
        wrapper = ModelWrapper(model.proto, make_deepcopy=True).transform(InferShapes())
    except Exception as error:  # noqa: BLE001  qonnx and onnx raise whatever they like
        return f"its shapes cannot be inferred: {said(error)}"
    for node in wrapper.graph.node:
        for tensor in node.output:
            size = wrapper.get_tensor_shape(tensor)
            if size is None or any(n < 1 for n in size):
                return f"the shape of {tensor!r}, which {node.op_type} makes, is not fixed"
            if prod(size) > MOST_ACTIVATIONS:
                return f"{tensor!r}, which {node.op_type} makes, has {prod(size):,} values"
    return None


def why_not_uniform(model: Model) -> str | None:
    """Say which quantiser is not uniform with zero point 0; None if all are."""
    constants = _constants(model.proto)
    n_quantisers = 0
    for node in model.proto.graph.node:
        named = f"{node.op_type} {node.name or node.output[0]}"
        if node.op_type == "FloatQuant":
            return f"{named} quantises to floating-point numbers"
        for tensor in _zero_points(node):
            if tensor not in constants:
                return f"the zero point of {named} is not a constant"
            if np.any(constants[tensor]):
                return f"the zero point of {named} is not 0"
        n_quantisers += node.domain == QONNX_DOMAIN or node.op_type == "QuantizeLinear"
    return None if n_quantisers else "it holds no quantiser at all"


def _zero_points(node: onnx.NodeProto) -> Iterator[str]:
    """Names of a quantiser's zero points."""
    if node.op_type in ("Quant", "IntQuant", "Trunc", "QuantizeLinear", "DequantizeLinear"):
        yield from (tensor for tensor in node.input[2:3] if tensor)


def _constants(proto: onnx.ModelProto) -> dict[str, NDArray[np.generic]]:
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return found
