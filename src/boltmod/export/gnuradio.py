"""What GNU Radio 4's blocks `OnnxInference` read of a model's metadata to set themselves up.

Source: GNU Radio 4, `blocks/onnx/README.md`, "Metadata keys", and `OnnxSession::readMetadata`.
"""

from __future__ import annotations

import onnx

from boltmod.model.onnx_file import Model
from boltmod.modulation import FRAME_LENGTH

_PLANES = 2


def described(proto: onnx.ModelProto, model: Model) -> onnx.ModelProto:
    """Say how a frame goes in: I and then Q, a data set of 1024 values each, as they are.

    The block would bring I and Q each to a level of its own, which changes the constellation: it is
    told not to.

    Args:
        proto: The model in standard operators; it stays as it is.
        model: What it was made from.

    Returns:
        A copy that says so beside what it said before.
    """
    told = {
        "input_size": str(FRAME_LENGTH),
        "history_depth": str(_PLANES),
        "normalise_mode": "None",
        "architecture": model.name,
    }
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    known = {each.key: each.value for each in proto.metadata_props}
    onnx.helper.set_model_props(copy, known | told)
    return copy
