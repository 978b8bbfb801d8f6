"""Networks that end in class numbers: the step from scores to numbers is undone.

Tools that build hardware put a TopK or ArgMax behind a classifier, so that class numbers come out
in place of scores; taken for scores they name the wrong class without a word.
"""

from __future__ import annotations

import onnx

_CHOOSING = ("TopK", "ArgMax")
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


def _width(proto: onnx.ModelProto, scores: str) -> int | None:
    """How many scores a frame has, by their shape or by what was added to them."""
    known = onnx.shape_inference.infer_shapes(proto).graph.value_info
    for value in known:
        dimensions = value.type.tensor_type.shape.dim
        if value.name == scores and len(dimensions) == 2 and dimensions[1].dim_value:
            return int(dimensions[1].dim_value)
    adding = ("Gemm", "Add")
    makers = [n for n in proto.graph.node if scores in n.output and n.op_type in adding]
    inputs = {name for maker in makers for name in maker.input}
    widths = {each.dims[0] for each in proto.graph.initializer
              if each.name in inputs and len(each.dims) == 1}  # fmt: skip
    return int(widths.pop()) if len(widths) == 1 else None
