"""From a trained network to a verified QONNX file.

Source: A. Pappalardo et al., "QONNX: Representing Arbitrary-Precision Quantized Neural Networks",
arXiv 2206.07527.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.cleanup import cleanup_model
from torch import Tensor, nn

from boltmod.export.agreement import Agreement
from boltmod.export.verify import compare
from boltmod.files import replacing
from boltmod.model import metadata
from boltmod.model.metadata import Metadata
from boltmod.model.onnx_file import Model
from boltmod.modulation import FRAME_LENGTH
from boltmod.nn.mode import evaluating


def trace(network: nn.Module, facts: Metadata, frame_length: int = FRAME_LENGTH) -> onnx.ModelProto:
    """Return a network as a cleaned QONNX graph of batch 1, input (1, 2, frame_length).

    Args:
        network: The network; put in evaluation mode and back.
        facts: Class names, input scaling and provenance to write into the model.
        frame_length: Complex samples of a frame.
    """
    with evaluating(network), tempfile.TemporaryDirectory(prefix="boltmod-") as folder, _quiet():
        from brevitas.export import export_qonnx

        path = Path(folder) / "network.onnx"
        export_qonnx(network, torch.zeros(1, 2, frame_length), export_path=str(path))
        cleaned: onnx.ModelProto = cleanup_model(ModelWrapper(str(path))).model
    _forget_origin(cleaned.graph)
    _drop_redundant(cleaned.graph)
    proto: onnx.ModelProto = metadata.write(cleaned, facts)
    return proto


def export(
    network: nn.Module,
    facts: Metadata,
    iq_planes: Tensor,
    tolerance: float,
    path: Path,
) -> Agreement:
    """Write a network as QONNX, after both have classified the same frames.

    Args:
        network: The trained network, on the CPU.
        facts: Class names, input scaling and provenance.
        iq_planes: Frames to agree on, (n, 2, 1024), n >= 256.
        tolerance: Largest difference of a score, in standard deviations of all scores.
        path: Where the model goes; written only once it has been verified.

    Returns:
        How well they agree.

    Raises:
        ExportMismatchError: Scores or classes differ by more than ties explain (see `compare`). No
            file.
    """
    proto = trace(network, facts, iq_planes.shape[-1])
    agreement = compare(network, Model(proto, facts, path), iq_planes, tolerance)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        onnx.save(proto, temporary)
    return agreement


def _forget_origin(graph: onnx.GraphProto) -> None:
    """Drop the exporter's notes: stack traces, with paths, as large as the weights."""
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.ClearField("doc_string")


def _drop_redundant(graph: onnx.GraphProto) -> None:
    """Drop what the rest of a graph says already.

    That is the shapes of stored tensors, and every number but one of a tensor of equal numbers that
    only chooses between values: it stretches to the choice's shape by itself.
    """
    stored = {tensor.name: tensor for tensor in graph.initializer}
    shapes = [value for value in graph.value_info if value.name not in stored]
    del graph.value_info[:]
    graph.value_info.extend(shapes)
    chosen = {name for node in graph.node if node.op_type == "Where" for name in node.input[1:]}
    others = {
        name
        for node in graph.node
        for name in (node.input[:1] if node.op_type == "Where" else node.input)
    }
    for name in chosen & stored.keys() - others:
        numbers = numpy_helper.to_array(stored[name])
        if numbers.size > 1 and (numbers == numbers.flat[0]).all():
            one = numbers.flat[:1].reshape((1,) * numbers.ndim)
            stored[name].CopyFrom(numpy_helper.from_array(one, name))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's own progress report and announcements off the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
