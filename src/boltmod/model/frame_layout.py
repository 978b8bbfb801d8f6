"""Frames as other people's networks take them: samples first, or planes as an image's rows."""

from __future__ import annotations

import onnx


def adapted(proto: onnx.ModelProto) -> None:
    """Let a network that takes (batch, length, 2) or (batch, 1, 2, length) take (batch, 2, length).

    It gets a transposition or another shape in front, in place. Others are left as they are.

    Args:
        proto: The network.
    """
    constants = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in constants]
    if len(inputs) != 1:
        return
    value, name = inputs[0], inputs[0].name
    dims = list(value.type.tensor_type.shape.dim)
    sizes = tuple(each.dim_value for each in dims[1:])
    planes = f"{name}_planes"
    length = sizes[0] if len(sizes) == 2 else sizes[-1] if sizes else 0
    if length > 2 and sizes == (length, 2):
        node = onnx.helper.make_node("Transpose", [planes], [name], perm=[0, 2, 1])
    elif length > 2 and sizes == (1, 2, length):
        shape = onnx.helper.make_tensor(f"{planes}_shape", onnx.TensorProto.INT64, [4], [0, *sizes])
        proto.graph.initializer.append(shape)
        node = onnx.helper.make_node("Reshape", [planes, shape.name], [name])
    else:
        return
    proto.graph.node.insert(0, node)
    taken = onnx.ValueInfoProto()
    taken.CopyFrom(value)
    taken.name = planes
    del taken.type.tensor_type.shape.dim[1:]
    for size in (2, length):
        taken.type.tensor_type.shape.dim.add().dim_value = size
    place = list(proto.graph.input).index(value)
    del proto.graph.input[place]
    proto.graph.input.insert(place, taken)
    inner = onnx.ValueInfoProto()
    inner.CopyFrom(value)
    proto.graph.value_info.append(inner)
