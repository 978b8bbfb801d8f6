"""From a quantised model to its integer program, operator by operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx

from boltmod.errors import UnsupportedOperatorError
from boltmod.integer.builder import Builder
from boltmod.integer.constants import attributes, refused
from boltmod.integer.form import Program
from boltmod.integer.operators import READERS, Reader
from boltmod.integer.real import Reading
from boltmod.integer.value import Value
from boltmod.model.onnx_file import QONNX_DOMAINS, Model, as_model


def build(model: Model | Path | str) -> Program:
    """Return a model as a program on integers, exact in the numbers that its file holds.

    Args:
        model: A network whose weights and activations are quantised, or its `.onnx` file, or the
            name of a network that comes with boltmod.

    Raises:
        UnsupportedOperatorError: Something in it has no meaning in integers of 32 bits.

    Examples:
        >>> import boltmod
        >>> program = boltmod.integer_program("boltnet")
        >>> program.as_rows()[-1]["kind"], program.as_rows()[-1]["shape"]
        ('convolve', '24×1')
    """
    model = as_model(model)
    builder = Builder(model)
    for node in model.proto.graph.node:
        try:
            _take(builder, node)
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            # What a reader did not expect: the operator is used in a way that it does not know.
            what = f"as it is ({type(error).__name__}: {error})"
            raise refused(node, "be used as boltmod's networks do", what) from None
    return builder.finish()


def _take(b: Builder, node: onnx.NodeProto) -> None:
    """Give the tensors that a node makes their meaning."""
    if node.output[0] in b.skipped:
        return
    if node.op_type == "Constant":
        b.constants[node.output[0]] = _constant_of(node)
        return
    read = READERS.get(node.op_type)
    if read is None or node.domain not in ("", "ai.onnx", *QONNX_DOMAINS):
        raise refused(node, f"be one of {', '.join(READERS)}", node.op_type)
    value = b.values[node.output[0]] = _read(b, node, read)
    if node.op_type in ("Quant", "IntQuant") and isinstance(value, Value):
        b.origins.setdefault(value.terms[0].tensor, node.output[0])


def _read(b: Builder, node: onnx.NodeProto, read: Reader) -> Any:
    """Read an operator as integers, or, where it has none, as real numbers."""
    try:
        return read(b, node)
    except UnsupportedOperatorError as refusal:
        return Reading(b.values, b.constants, b.growing.frame_shape, node, refusal).read()


def _constant_of(node: onnx.NodeProto) -> Any:
    value = next(iter(attributes(node).values()), 0)
    return (
        onnx.numpy_helper.to_array(value)
        if isinstance(value, onnx.TensorProto)
        else np.asarray(value)
    )
