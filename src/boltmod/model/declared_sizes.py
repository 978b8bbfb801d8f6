"""What a network declares, held against what it holds, before any C code sees it.

A tensor whose bytes do not fill its shape leads readers past the end of them; a shape may ask for
more than there is memory; a loop may never end. All of that stands in the file as plain numbers.

Source: ONNX, `onnx.in.proto` (TensorProto: which field holds which type, and `raw_data`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite, prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from boltmod.errors import ModelFormatError

MOST_VALUES = 2**25
"""Of all constants together, those that are worked out from others included: VGG10 has 160,000."""

MOST_CLASSES = 4096
_MOST_NODES = 20_000
_MOST_TENSORS = 100_000
_MOST_BITS = 32

_LOOPS = frozenset({"Loop", "Scan", "SequenceMap"})

_T = onnx.TensorProto
_BITS: dict[int, int] = {
    **dict.fromkeys((_T.INT4, _T.UINT4, _T.FLOAT4E2M1), 4),
    **dict.fromkeys((_T.BOOL, _T.INT8, _T.UINT8, _T.FLOAT8E4M3FN, _T.FLOAT8E4M3FNUZ,
                     _T.FLOAT8E5M2, _T.FLOAT8E5M2FNUZ), 8),
    **dict.fromkeys((_T.INT16, _T.UINT16, _T.FLOAT16, _T.BFLOAT16), 16),
    **dict.fromkeys((_T.INT32, _T.UINT32, _T.FLOAT), 32),
    **dict.fromkeys((_T.INT64, _T.UINT64, _T.DOUBLE, _T.COMPLEX64), 64),
    _T.COMPLEX128: 128,
}  # fmt: skip
"""Bits of a value in `raw_data`."""

_FIELDS: dict[int, tuple[str, int]] = {
    _T.FLOAT: ("float_data", 1), _T.COMPLEX64: ("float_data", 2), _T.DOUBLE: ("double_data", 1),
    _T.COMPLEX128: ("double_data", 2), _T.INT64: ("int64_data", 1), _T.UINT32: ("uint64_data", 1),
    _T.UINT64: ("uint64_data", 1), _T.STRING: ("string_data", 1),
}  # fmt: skip
"""Where values lie that are not raw, and how many a value takes; else in `int32_data`."""

_COUNTS = frozenset({
    "strides", "dilations", "kernel_shape", "group", "blocksize", "num_heads", "kv_num_heads",
    "num_outputs", "num_groups", "hidden_size",
})  # fmt: skip
"""Attributes that libraries divide by, unlooked at: a 0 ends the process."""
_MOST_COUNT = 2**24

_BIT_WIDTHS = {"Quant": (3,), "IntQuant": (3,), "Trunc": (3, -1), "FloatQuant": (2, 3)}
"""Which inputs of a quantiser are numbers of bits; of Trunc, the last one is what is left."""


def check(proto: onnx.ModelProto, source: str) -> None:
    """Refuse a network that declares what it does not hold, or more than a classifier needs.

    Args:
        proto: The network; nothing but its fields is read.
        source: What messages call it.

    Raises:
        ModelFormatError: A constant has other bytes than its shape asks for, lies in another file
            or is too large; there are loops; strides and the like are 0; a quantiser has no
            sensible number of bits.
    """
    n_values = 0
    for n_tensors, tensor in enumerate(tensors(proto)):
        n_values += _n_values(tensor, source)
        if n_values > MOST_VALUES or n_tensors > _MOST_TENSORS:
            raise ModelFormatError(
                f"{source} must hold at most {MOST_VALUES:,} constant values, and holds more: "
                "give a network of frames"
            )
    for n_nodes, node in enumerate(_nodes(proto), 1):
        if n_nodes > _MOST_NODES:
            raise ModelFormatError(
                f"{source} must have at most {_MOST_NODES:,} operators, and has more: "
                "give a network of frames"
            )
        if node.op_type in _LOOPS:
            raise ModelFormatError(
                f"{source} must take every frame alike, without {node.op_type}, which may never "
                "end: export it unrolled"
            )
        _check_counts(node, source)
    _check_bit_widths(proto, source)


def _check_counts(node: onnx.NodeProto, source: str) -> None:
    for attribute in node.attribute:
        is_list = attribute.type == onnx.AttributeProto.INTS
        counts = attribute.ints if is_list else (attribute.i,)
        if attribute.name in _COUNTS and not all(1 <= n <= _MOST_COUNT for n in counts):
            raise ModelFormatError(
                f"{attribute.name} of {node.op_type} in {source} must be from 1 to "
                f"{_MOST_COUNT:,}, not {', '.join(map(str, counts))}: export it again"
            )


def tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every constant of a network, in its graphs, its nodes' attributes and its own functions."""
    yield from _in_graph(proto.graph)
    for function in proto.functions:
        for attribute in function.attribute_proto:
            yield from _in_attribute(attribute)
        yield from _in_nodes(function.node)
    for training in proto.training_info:
        yield from _in_graph(training.initialization)
        yield from _in_graph(training.algorithm)


def _in_graph(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from _in_sparse(sparse)
    yield from _in_nodes(graph.node)


def _in_nodes(nodes: Sequence[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            yield from _in_attribute(attribute)


def _in_attribute(attribute: onnx.AttributeProto) -> Iterator[onnx.TensorProto]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors
    for sparse in (*([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []),
                   *attribute.sparse_tensors):  # fmt: skip
        yield from _in_sparse(sparse)
    for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
        yield from _in_graph(graph)


def _in_sparse(sparse: onnx.SparseTensorProto) -> Iterator[onnx.TensorProto]:
    """Its parts, and a tensor of the shape that it is unpacked to, without bytes."""
    yield from (sparse.values, sparse.indices)
    yield onnx.TensorProto(dims=sparse.dims, data_type=_UNPACKED, name=sparse.values.name)


_UNPACKED = -1
"""Type of a tensor that is a shape alone."""


def _nodes(proto: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    waiting: list[Sequence[onnx.NodeProto]] = [
        proto.graph.node, *(function.node for function in proto.functions)
    ]  # fmt: skip
    while waiting:
        for node in waiting.pop():
            yield node
            for attribute in node.attribute:
                inner = (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs)
                waiting += [graph.node for graph in inner]


def _n_values(tensor: onnx.TensorProto, source: str) -> int:
    """Number of a tensor's values, which are all there."""
    named = f"constant {tensor.name!r} of {source}" if tensor.name else f"a constant of {source}"
    if any(size < 0 for size in tensor.dims):
        raise ModelFormatError(f"{named} must have sizes of 0 or more: export it again")
    n_values = prod(tensor.dims)
    if tensor.data_type == _UNPACKED or n_values > MOST_VALUES:
        return int(n_values)
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise ModelFormatError(
            f"{source} must hold its own weights, not name another file for {tensor.name!r}: "
            "save it with onnx.save(model, path, save_as_external_data=False)"
        )
    if tensor.HasField("segment"):
        raise ModelFormatError(f"{named} must be whole, not a segment: export it again")
    needed, found = _sizes(tensor, n_values)
    if needed is None:
        raise ModelFormatError(
            f"{named} must have a type that ONNX knows, not {tensor.data_type}: export it again"
        )
    if needed != found:
        raise ModelFormatError(
            f"{named} must hold the {n_values:,} values of its shape, in {needed:,} "
            f"{'bytes' if tensor.HasField('raw_data') else 'entries'}, not {found:,}: "
            "export it again"
        )
    return int(n_values)


def _sizes(tensor: onnx.TensorProto, n_values: int) -> tuple[int | None, int]:
    """How many bytes, or entries of a field, a tensor needs, and how many it has."""
    n_bits = _BITS.get(tensor.data_type)
    if tensor.HasField("raw_data"):
        return None if n_bits is None else -(-n_values * n_bits // 8), len(tensor.raw_data)
    if n_bits is None and tensor.data_type != _T.STRING:
        # A tensor that was never set is empty and of no type.
        return (0, 0) if not tensor.ByteSize() else (None, 0)
    field, n_entries = _FIELDS.get(tensor.data_type, ("int32_data", 1))
    found = len(getattr(tensor, field))
    if n_bits == 4 and found != n_values:
        return -(-n_values // 2), found  # two to an entry
    return n_values * n_entries, found


def _check_bit_widths(proto: onnx.ModelProto, source: str) -> None:
    known = {tensor.name: tensor for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            known[node.output[0]] = node.attribute[0].t
    for node in proto.graph.node:
        for place in _BIT_WIDTHS.get(node.op_type, ()):
            tensor = known.get(node.input[place]) if place < len(node.input) else None
            if tensor is not None:
                _check_bits(onnx.numpy_helper.to_array(tensor), node, source)


def _check_bits(bits: NDArray[Any], node: onnx.NodeProto, source: str) -> None:
    least = 0 if node.op_type == "FloatQuant" else 1
    for value in np.asarray(bits).ravel().tolist():
        is_whole = isinstance(value, int | float) and isfinite(value) and value == int(value)
        if not is_whole or not least <= value <= _MOST_BITS:
            raise ModelFormatError(
                f"quantiser {node.name or (node.output[0] if node.output else node.op_type)} of "
                f"{source} must have a whole number of bits from {least} to {_MOST_BITS}, not "
                f"{value}: its cost would be none, so it has no score; export it again"
            )


def check_growth(node: onnx.NodeProto, inputs: Sequence[NDArray[Any]], source: str) -> None:
    """Refuse to work out a constant that is far larger than what it is made from.

    Args:
        node: A standard operator.
        inputs: Its inputs, which are all known.
        source: What messages call the network.

    Raises:
        ModelFormatError: Its result has more values than a network may hold.
    """
    size = _GROWING.get(node.op_type, _of_broadcast)(inputs)
    if not size <= MOST_VALUES:
        raise ModelFormatError(
            f"{source} must hold at most {MOST_VALUES:,} constant values, and {node.op_type} "
            "makes more: give a network of frames"
        )


def _product(values: NDArray[Any]) -> float:
    return float(np.prod(np.abs(np.asarray(values, np.float64)))) if values.size else 1.0


def _of_broadcast(inputs: Sequence[NDArray[Any]]) -> float:
    try:
        return float(prod(np.broadcast_shapes(*(each.shape for each in inputs))))
    except ValueError:
        return 0.0  # shapes that do not fit each other are not broadcast


def _of_range(inputs: Sequence[NDArray[Any]]) -> float:
    start, limit, delta = (float(np.ravel(each)[0]) for each in inputs[:3])
    return abs((limit - start) / delta) if delta else float("inf")


def _of_pad(inputs: Sequence[NDArray[Any]]) -> float:
    pads = np.abs(np.asarray(inputs[1], np.float64)) if len(inputs) > 1 else np.zeros(0)
    return float((max((*inputs[0].shape, 1)) + pads.sum()) ** max(1, inputs[0].ndim))


_GROWING: dict[str, Callable[[Sequence[NDArray[Any]]], float]] = {
    "ConstantOfShape": lambda inputs: _product(inputs[0]),
    "Range": _of_range,
    "Expand": lambda inputs: _product(inputs[1]) * max(1, inputs[0].size),
    "Tile": lambda inputs: _product(inputs[1]) * max(1, inputs[0].size),
    "Pad": _of_pad,
    "Resize": lambda inputs: max(
        (_product(each) * max(1, inputs[0].size) for each in inputs[1:]), default=0.0
    ),
    "Upsample": lambda inputs: _product(inputs[1]) * max(1, inputs[0].size),
    "OneHot": lambda inputs: inputs[0].size * _product(inputs[1]),
    "EyeLike": lambda inputs: _product(np.asarray(inputs[0].shape)),
    "MatMul": lambda inputs: inputs[0].size * inputs[1].size / max(1, min(
        (*inputs[0].shape[-1:], *inputs[1].shape[-2:-1]), default=1)),
    "HannWindow": lambda inputs: _product(inputs[0]),
    "HammingWindow": lambda inputs: _product(inputs[0]),
    "BlackmanWindow": lambda inputs: _product(inputs[0]),
}  # fmt: skip
"""How many values come out of operators that make more than they are given, at most."""
