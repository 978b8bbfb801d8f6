"""A classifier's `.onnx` file as a value.

Taken are QONNX files (Brevitas exports, cleaned or not), plain ONNX files, and the exports that
Brevitas wrote in 2021: those hold `Quant` nodes in the default domain and name no operator set for
them, which is put right while reading. Where class numbers are chosen from scores at the end, the
scores are the output; a softmax at the end is taken off.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import onnx

from boltmod import untrusted
from boltmod.errors import ModelFormatError
from boltmod.model import (
    class_numbers,
    declared_sizes,
    external_data,
    frame_layout,
    shipped,
    softmax,
)
from boltmod.model import metadata as model_metadata
from boltmod.model.metadata import Metadata
from boltmod.modulation import FRAME_LENGTH, N_CLASSES

QONNX_DOMAIN = "qonnx.custom_op.general"
"""Where QONNX's own operators live. Source: QONNX operator definitions, docs/qonnx-custom-ops."""

QONNX_DOMAINS = (QONNX_DOMAIN, "onnx.brevitas", "finn.custom_op.general")
"""The names that domain has had: QONNX, Brevitas before cleaning, FINN before QONNX."""

QONNX_OPERATORS = ("Quant", "IntQuant", "BipolarQuant", "FloatQuant", "Trunc")

_SCORES = (
    onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE,
    onnx.TensorProto.BFLOAT16,
)  # fmt: skip
"""Types that scores have; integers are class numbers."""

_WAY_OUT = "give the .onnx file of a network exported with batch 1"

_FRAME_LENGTHS = range(8, (1 << 20) + 1)

_MOST_BYTES = 512 << 20
"""Of a file; the largest known classifier of frames has 4 MB."""


@dataclass(frozen=True)
class Model:
    """A classifier of I/Q frames in ONNX form.

    Args:
        proto: The network; treat it as read-only.
        metadata: What it says about itself, or what is assumed where it says nothing.
        path: The file it was read from; None if it was made in memory.

    Examples:
        >>> import boltmod
        >>> model = boltmod.load_model("boltnet")
        >>> model.name, len(model.classes), model.input_name
        ('boltnet', 24, 'global_in')
    """

    proto: onnx.ModelProto
    metadata: Metadata
    path: Path | None = None

    @property
    def name(self) -> str:
        """The file's name without its ending, or the graph's name."""
        return self.path.stem if self.path else self.proto.graph.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Name of each output, in output order."""
        return self.metadata.classes

    @cached_property
    def frame_length(self) -> int:
        """Complex samples of a frame."""
        return frame_shape(self.proto)[2] or FRAME_LENGTH

    @property
    def input_name(self) -> str:
        """Name of the graph input that takes the frames."""
        return _frame_inputs(self.proto)[0].name

    @property
    def output_name(self) -> str:
        """Name of the graph output that gives the logits."""
        return str(self.proto.graph.output[0].name)


def load(path: Path | str) -> Model:
    """Read a classifier from an `.onnx` file.

    Args:
        path: The file, or the name of a network that comes with the package. Weights may lie in
            files beside it, as torch's exporter writes them; nothing else is opened, no code is
            run.

    Raises:
        ModelFormatError: The file is missing, not ONNX, damaged, or takes something else than
            frames of shape (1 or any, 2, length), (..., length, 2) or (..., 1, 2, length).

    Examples:
        >>> import boltmod
        >>> boltmod.load_model("field").classes[24:26]
        ('unknown', '2FSK')
    """
    path = shipped.find(Path(path))
    try:
        content = untrusted.read_bytes(path, _MOST_BYTES, "an ONNX file", ModelFormatError)
    except OSError as error:
        raise ModelFormatError(
            f"{path} must be a readable file, which it is not ({error.strerror}): check the name "
            f"(networks that come with boltmod: {', '.join(shipped.names())})"
        ) from None
    proto = _parsed(content, path)
    external_data.taken_in(proto, path)
    return from_proto(proto, path)


def from_bytes(content: bytes, path: Path) -> Model:
    """Take a network out of a file's bytes.

    Args:
        content: The bytes.
        path: The file, named in error messages.

    Raises:
        ModelFormatError: As `load`, and where weights lie in another file.
    """
    return from_proto(_parsed(content, path), path)


def _parsed(content: bytes, path: Path) -> onnx.ModelProto:
    try:
        with untrusted.read_by("onnx", path, "an ONNX file", _WAY_OUT, ModelFormatError):
            return onnx.load_model_from_string(content)
    except ModelFormatError:
        raise ModelFormatError(
            f"{path} must be an ONNX file, and is none or is truncated: {_WAY_OUT}"
        ) from None


def as_model(model: Model | Path | str) -> Model:
    """Return a model: the one that was given, or the one in the file of that name."""
    return model if isinstance(model, Model) else load(model)


def from_proto(proto: onnx.ModelProto, path: Path | None = None) -> Model:
    """Take a network that is already in memory.

    Args:
        proto: The network; it is copied.
        path: The file it stands for, named in error messages.

    Raises:
        ModelFormatError: As `load`.
    """
    source = str(path or "the model")
    own = onnx.ModelProto()
    own.CopyFrom(proto)
    if not own.graph.node:
        raise ModelFormatError(f"{source} must be an ONNX file, and holds no network: {_WAY_OUT}")
    with untrusted.read_by("onnx", Path(source), "valid ONNX", "export it again", ModelFormatError):
        declared_sizes.check(own, source)
        _repair_domains(own)
        onnx.checker.check_model(own)
        frame_layout.adapted(own)
        _check_input(own, source)
        class_numbers.undone(own)
        softmax.undone(own)
        n_classes = _output_width(own, source)
        found = model_metadata.read(own) or _assumed(n_classes)
    if len(found.classes) != n_classes:
        raise ModelFormatError(
            f"{source} must have one class name an output, not {len(found.classes)} names for "
            f"{n_classes} outputs: export it again"
        )
    return Model(own, found, path)


def frame_shape(proto: onnx.ModelProto) -> tuple[int | None, ...]:
    """Shape of the graph input that takes the frames, None where a dimension is left open."""
    return _dimensions(_frame_inputs(proto)[0])


def _assumed(n_classes: int) -> Metadata:
    if n_classes == N_CLASSES:
        return Metadata()
    return Metadata(assumed_classes(n_classes))


def assumed_classes(n_classes: int) -> tuple[str, ...]:
    """Names of the outputs of a network that does not say any."""
    return tuple(f"class {index}" for index in range(n_classes))


def _repair_domains(proto: onnx.ModelProto) -> None:
    """Give QONNX's operators the domain and the operator set they lack, in place."""
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    for node in proto.graph.node:
        if node.op_type in QONNX_OPERATORS and node.domain in ("", *QONNX_DOMAINS):
            version = versions.get(node.domain, 1) if node.domain else 1
            node.domain = QONNX_DOMAIN
            if QONNX_DOMAIN not in versions:
                versions[QONNX_DOMAIN] = version
                proto.opset_import.append(onnx.helper.make_opsetid(QONNX_DOMAIN, version))


def _frame_inputs(proto: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    constants = {tensor.name for tensor in proto.graph.initializer}
    return [value for value in proto.graph.input if value.name not in constants]


def _dimensions(value: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    shape = value.type.tensor_type.shape
    return tuple(d.dim_value if d.HasField("dim_value") else None for d in shape.dim)


def _check_input(proto: onnx.ModelProto, source: str) -> None:
    inputs = _frame_inputs(proto)
    if len(inputs) != 1:
        raise ModelFormatError(
            f"{source} must have one input, not {len(inputs)}: export the network alone"
        )
    shape = _dimensions(inputs[0])
    if len(shape) != 3 or shape[1] != 2 or shape[2] is None or shape[2] not in _FRAME_LENGTHS:
        raise ModelFormatError(
            f"{source} must take frames of shape (batch, 2, length), such as (1, 2, 1024), "
            f"not {_describe(shape)}: export it with such an input"
        )
    if inputs[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise ModelFormatError(
            f"{source} must take float32 frames, not "
            f"{_type_name(inputs[0].type.tensor_type.elem_type)}: "
            "export it with such an input"
        )


def _output_width(proto: onnx.ModelProto, source: str) -> int:
    outputs = proto.graph.output
    shape = _dimensions(outputs[0]) if len(outputs) == 1 else ()
    if len(shape) != 2 or not shape[1]:
        raise ModelFormatError(
            f"{source} must have one output of shape (batch, classes), not "
            + (f"{len(outputs)} outputs" if len(outputs) != 1 else _describe(shape))
            + ": export the network without what follows its logits"
        )
    if shape[1] > declared_sizes.MOST_CLASSES or shape[1] < 0:
        raise ModelFormatError(
            f"{source} must tell at most {declared_sizes.MOST_CLASSES:,} classes apart, not "
            f"{shape[1]:,}: export it again"
        )
    kind = outputs[0].type.tensor_type.elem_type
    if kind not in _SCORES or class_numbers.are_output(proto):
        raise ModelFormatError(
            f"{source} must give scores, not class numbers or the like "
            f"({_type_name(kind)}): export the network without what follows "
            "its logits"
        )
    return shape[1]


def _type_name(kind: int) -> str:
    known = dict(zip(onnx.TensorProto.DataType.values(), onnx.TensorProto.DataType.keys(),
                     strict=True))  # fmt: skip
    return str(known.get(kind, f"type {kind}"))


def _describe(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("?" if size is None else str(size) for size in shape) + ")"
