"""Networks that end in class numbers: the step from scores to numbers is undone.

Tools that build hardware put a TopK or ArgMax behind a classifier, so that class numbers come out
in place of scores; taken for scores they name the wrong class without a word.
"""

from __future__ import annotations

import onnx

_CHOOSING = ("TopK", "ArgMax")
_KEEPING_ORDER = ("Softmax", "LogSoftmax", "Identity")
"""What may stand between scores and the choice and says of how many they are by what it takes."""
_HANDING_ON = (
    "Cast", "Identity", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Transpose", "OneHot",
)  # fmt: skip
_LEAST_CLASSES = 2


def undone(proto: onnx.ModelProto) -> None:
    """Let a network that ends in class numbers end in the scores they are chosen from, in place.

    It stays as it is if it ends otherwise, or if nobody can tell how many scores there are.
    """
    outputs = proto.graph.output
    last = [node for node in proto.graph.node if set(node.output) & {each.name for each in outputs}]
    if len(last) != 1 or last[0].op_type not in _CHOOSING:
        return
    scores = last[0].input[0]
    n_classes = _width(proto, scores)
    if n_classes is None or n_classes < _LEAST_CLASSES:
        return
    batch = outputs[0].type.tensor_type.shape.dim[0]
    shape = [batch.dim_value or batch.dim_param or None, n_classes]
    proto.graph.node.remove(last[0])
    del outputs[:]
    outputs.append(onnx.helper.make_tensor_value_info(scores, onnx.TensorProto.FLOAT, shape))


def are_output(proto: onnx.ModelProto) -> bool:
    """Whether the output is class numbers, in whatever type and shape they are handed on."""
    makers = {name: node for node in proto.graph.node for name in node.output}
    name = proto.graph.output[0].name
    while (maker := makers.get(name)) is not None and maker.op_type in _HANDING_ON:
        name = maker.input[0]
    if maker is None or maker.op_type not in (*_CHOOSING, "ArgMin"):
        return False
    return bool(maker.op_type != "TopK" or name == maker.output[1])


def _width(proto: onnx.ModelProto, scores: str) -> int | None:
    """How many scores a frame has, by their shape or by what was added to them."""
    known = onnx.shape_inference.infer_shapes(proto).graph.value_info
    for value in known:
        dimensions = value.type.tensor_type.shape.dim
        if value.name == scores and len(dimensions) == 2 and dimensions[1].dim_value:
            return int(dimensions[1].dim_value)
    adding = ("Gemm", "Add")
    makers = [n for n in proto.graph.node if scores in n.output]
    if len(makers) == 1 and makers[0].op_type in _KEEPING_ORDER:
        return _width(proto, makers[0].input[0])
    makers = [maker for maker in makers if maker.op_type in adding]
    inputs = {name for maker in makers for name in maker.input}
    widths = {each.dims[0] for each in proto.graph.initializer
              if each.name in inputs and len(each.dims) == 1}  # fmt: skip
    return int(widths.pop()) if len(widths) == 1 else None
