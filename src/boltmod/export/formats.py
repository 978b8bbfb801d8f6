"""A model in the forms that other tools read, each run before it is written."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import onnx

from boltmod.export import gnuradio
from boltmod.export.agreement import Agreement, agreement, in_onnx_runtime
from boltmod.files import replacing
from boltmod.integer.c.folder import keyed_frames
from boltmod.model import metadata, onnx_file
from boltmod.model.lowering import lower
from boltmod.model.onnx_file import QONNX_DOMAINS, Model
from boltmod.model.qcdq import as_qcdq
from boltmod.model.qdq import as_quant

_N_FRAMES = 256

_TOLERANCE = 1.0
"""Standard deviations of all scores: a value on the edge between two steps may fall elsewhere, and
so move a score, but not by more."""


class Format(StrEnum):
    """How a network's quantisers are written."""

    ONNX = "onnx"
    """Divided, rounded, clipped and multiplied in float32: every ONNX tool runs it."""

    QCDQ = "qcdq"
    """QuantizeLinear, Clip, DequantizeLinear; weights stored as integers."""

    QONNX = "qonnx"
    """QONNX's Quant, which FINN, hls4ml and the challenge's cost tool read."""


def convert(model: Model, kind: Format) -> onnx.ModelProto:
    """Return a model in another form, with its own description of itself.

    Args:
        model: The model.
        kind: How its quantisers are written.

    Raises:
        UnsupportedOperatorError: Something in it cannot be written so.
    """
    converted = metadata.write(_CONVERTERS[kind](model), model.metadata)
    return converted if kind is Format.QONNX else gnuradio.described(converted, model)


def write(model: Model, kind: Format, path: Path) -> Agreement:
    """Write a model in another form, after both have classified the same frames.

    Args:
        model: The model.
        kind: How its quantisers are written.
        path: Where it goes; its folder is there. Written only once it has been compared.

    Returns:
        How well the model and what was written agree in ONNX Runtime.

    Raises:
        UnsupportedOperatorError: Something in it cannot be written so.
        ExportMismatchError: They disagree by more than ties explain. No file.
    """
    frames = keyed_frames(_N_FRAMES, length=model.frame_length)
    with replacing(path) as temporary:
        onnx.save(convert(model, kind), temporary)
        written = onnx.load(temporary)
        if kind is Format.QONNX:  # ONNX Runtime has no Quant: it is lowered as all readers do
            written = lower(onnx_file.from_proto(written))
        return agreement(
            in_onnx_runtime(lower(model), frames), in_onnx_runtime(written, frames), _TOLERANCE
        )


def _as_qonnx(model: Model) -> onnx.ModelProto:
    """Write what ONNX and QONNX leave out as a default: hls4ml 1.3 wants it said."""
    proto = as_quant(model.proto)
    for node in proto.graph.node:
        said = {each.name for each in node.attribute}
        for name, value in _defaults(node).items():
            if name not in said:
                node.attribute.append(onnx.helper.make_attribute(name, value))
    return proto


def _defaults(node: onnx.NodeProto) -> dict[str, Any]:
    if node.domain in QONNX_DOMAINS and node.op_type in ("Quant", "IntQuant"):
        return {"rounding_mode": "ROUND", "signed": 1, "narrow": 0}
    if node.op_type in ("MaxPool", "AveragePool", "Conv"):
        size = next((len(each.ints) for each in node.attribute if each.name == "kernel_shape"), 0)
        pads = {} if _pads_itself(node) else {"pads": [0] * (2 * size)}
        return {"strides": [1] * size, **pads} if size else {}
    return {}


def _pads_itself(node: onnx.NodeProto) -> bool:
    return any(each.name == "auto_pad" and each.s != b"NOTSET" for each in node.attribute)


_CONVERTERS: dict[Format, Callable[[Model], onnx.ModelProto]] = {
    Format.ONNX: lower,
    Format.QCDQ: as_qcdq,
    Format.QONNX: _as_qonnx,
}
