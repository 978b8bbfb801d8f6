"""Weights that lie in a file beside the model's, as torch's exporter writes them by default.

Source: ONNX, "External Data" (docs/ExternalData.md): location, offset and length of each tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx

from boltmod.errors import ModelFormatError

_MOST_BYTES = 512 << 20
"""Of all weights; the largest known classifier of frames has 4 MB."""


def taken_in(proto: onnx.ModelProto, path: Path) -> None:
    """Read weights from regular files in the model's own folder into it, in place.

    Weights that another folder would have to be opened for are left where they are.

    Args:
        proto: The model.
        path: Its file.

    Raises:
        ModelFormatError: A file is missing, shorter than the model says, or too large.
    """
    n_bytes = 0
    for tensor in tensors(proto.graph):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        entry = {each.key: each.value for each in tensor.external_data}
        name = entry.get("location", "")
        if not name or name != Path(name).name or set(name) & set("/\\:"):
            continue
        content = _content(path.with_name(name), path, entry)
        n_bytes += len(content)
        if n_bytes > _MOST_BYTES:
            raise ModelFormatError(f"{path} must have at most 512 MB of weights: give a classifier")
        tensor.raw_data = content
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]


def _content(file: Path, path: Path, entry: dict[str, str]) -> bytes:
    if not file.is_file() or file.is_symlink():
        raise ModelFormatError(
            f"{file} must lie beside {path.name}, whose weights it holds, and does not: fetch both"
        )
    size = file.stat().st_size
    try:
        offset = int(entry.get("offset", "0"))
        length = int(entry.get("length", size - offset))
    except ValueError:
        offset = length = -1
    if offset < 0 or not 0 <= length <= _MOST_BYTES or offset + length > size:
        raise ModelFormatError(
            f"{file} must hold the weights that {path.name} says, and does not: fetch both again"
        )
    with file.open("rb") as opened:
        opened.seek(offset)
        return opened.read(length)


def tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every constant of a graph, those in its nodes' attributes included."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from tensors(inner)
