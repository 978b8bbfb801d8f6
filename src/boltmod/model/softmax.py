"""Networks that end in a softmax: it is taken off, so that scores come out as from all others.

Whoever makes probabilities of scores would otherwise do it twice, and a class that is certain comes
out at 0.106 of 24. The order of the classes stays, and so does the loss by labels.
"""

from __future__ import annotations

from math import prod

import onnx

_SOFT = ("Softmax", "LogSoftmax")
_PASSING = frozenset({
    "Identity", "Cast", "CastLike", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout",
})  # fmt: skip
"""What may stand behind it: operators that leave the order of the values alone."""

_LAST_AXIS_OPSET = 13
"""Where the axis is the last one if none is given, and one axis alone; before, it is the first
after the batch, and all that follow."""


def undone(proto: onnx.ModelProto) -> None:
    """Let a network that ends in Softmax or LogSoftmax over its classes end before it, in place.

    It stays as it is if it ends otherwise, or if the softmax is not over all classes.
    """
    makers = {name: node for node in proto.graph.node for name in node.output}
    node = makers.get(proto.graph.output[0].name) if len(proto.graph.output) == 1 else None
    while node is not None and node.op_type in _PASSING and not node.domain:
        node = makers.get(node.input[0])
    if node is None or node.op_type not in _SOFT or not _is_over_all(proto, node):
        return
    scores, old = node.input[0], node.output[0]
    proto.graph.node.remove(node)
    for other in proto.graph.node:
        for place, name in enumerate(other.input):
            if name == old:
                other.input[place] = scores
    if proto.graph.output[0].name == old:
        proto.graph.output[0].name = scores
    for value in list(proto.graph.value_info):
        if value.name in (old, proto.graph.output[0].name):
            proto.graph.value_info.remove(value)


def _is_over_all(proto: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    """Whether a softmax sums over everything that a frame has there."""
    opset = next((each.version for each in proto.opset_import if not each.domain), 1)
    is_one_axis = opset >= _LAST_AXIS_OPSET
    axis = next(
        (each.i for each in node.attribute if each.name == "axis"), -1 if is_one_axis else 1
    )
    sizes = _sizes(proto, node.input[0])
    if sizes is None:
        return axis == -1 or not is_one_axis
    axis %= len(sizes)
    if not is_one_axis:
        return axis == 1 or prod(sizes[1:axis]) == 1
    return axis > 0 and prod(sizes[1:]) == sizes[axis]


def _sizes(proto: onnx.ModelProto, name: str) -> list[int] | None:
    """Shape of a tensor, the batch as it may be; None if nobody knows."""
    graph = onnx.shape_inference.infer_shapes(proto).graph
    for value in (*graph.value_info, *graph.output):
        if value.name == name:
            dimensions = value.type.tensor_type.shape.dim
            sizes = [each.dim_value for each in dimensions]
            return sizes if len(sizes) > 1 and all(sizes[1:]) else None
    return None
