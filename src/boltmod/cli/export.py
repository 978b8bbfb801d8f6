"""`boltmod export`: a model for other tools, and what their users must know of it."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from boltmod.cli.terminal import ForceOption, JsonOption, emit

if TYPE_CHECKING:
    from boltmod.model.onnx_file import Model

_SAMPLE_BITS = (8, 12, 16)
"""Receivers' samples, for which the normalisation's cost is told."""


class FormatName(StrEnum):
    """As `export.formats.Format`, which takes long to import."""

    ONNX = "onnx"
    QCDQ = "qcdq"
    QONNX = "qonnx"


def export(
    model: Annotated[
        Path, typer.Argument(help="ONNX file, or a name: field, boltnet.", metavar="MODEL")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for what is written.")],
    kind: Annotated[
        FormatName,
        typer.Option(
            "--format",
            help="onnx: standard operators, float32. qcdq: QuantizeLinear, Clip, DequantizeLinear, "
            "weights as integers. qonnx: Quant, for FINN and hls4ml.",
        ),
    ] = FormatName.ONNX,
    weights: Annotated[
        Path | None,
        typer.Option(help="Folder for each layer's integers and scales, as .npy and .hex."),
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write MODEL in another form, compared in ONNX Runtime, with a sheet of its interface."""
    from boltmod.export import formats, interface
    from boltmod.export.weights import write_weights
    from boltmod.files import refuse_existing, write_json, write_text
    from boltmod.model import onnx_file

    network = onnx_file.load(model)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{network.name}.{kind}.onnx"
    refuse_existing(path, force)
    agreement = formats.write(network, formats.Format(kind), path)
    sheet = interface.interface(network, _normalisation(network))
    write_json(out / "interface.json", sheet)
    write_text(out / "interface.md", interface.as_markdown(sheet))
    document: dict[str, Any] = {
        "model": network.name,
        "format": str(kind),
        "path": str(path),
        "bytes": path.stat().st_size,
        "agreement": asdict(agreement),
        "interface": str(out / "interface.md"),
    }
    if weights is not None:
        document["weights"] = str(weights)
        document["tensors"] = write_weights(network, weights)
    emit(document, as_json, lambda console: _show(console, document, agreement.words))


def _normalisation(network: Model) -> dict[str, Any] | None:
    """What bringing frames to unit deviation costs, for receivers of several widths."""
    from boltmod.cost import inference_cost
    from boltmod.cost.normalisation import normalisation_cost
    from boltmod.model.metadata import InputScaling

    if network.metadata.input_scaling != InputScaling.UNIT_STD:
        return None
    strict = inference_cost.count(network).strict
    return {
        "by_sample_bits": [
            asdict(normalisation_cost(bits, network.frame_length)) for bits in _SAMPLE_BITS
        ],
        "network_strict_score": None if strict is None else strict.score,
    }


def _show(console: Console, document: dict[str, Any], words: str) -> None:
    lines = [f"{document['path']}: {document['bytes']:,} bytes; {words}, in ONNX Runtime"]
    if "tensors" in document:
        lines.append(f"{document['weights']}: {len(document['tensors'])} tensors, index.json")
    lines.append(f"{document['interface']}: samples, order, level, classes")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
