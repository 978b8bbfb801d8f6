"""The interface sheet: what an engineer who builds a network must know of what goes in and out."""

from __future__ import annotations

from typing import Any

import numpy as np

from boltmod.errors import UnsupportedOperatorError
from boltmod.integer.constants import Quantiser
from boltmod.model.lowering import constants_of
from boltmod.model.metadata import InputScaling
from boltmod.model.onnx_file import QONNX_DOMAINS, Model
from boltmod.model.qdq import as_quant


def interface(model: Model, normalisation: dict[str, Any] | None) -> dict[str, Any]:
    """Return the sheet as JSON has it.

    Args:
        model: The network.
        normalisation: What bringing a frame to unit deviation costs; None where it is not needed.
    """
    return {
        "model": model.name,
        "frame": {
            "samples": model.frame_length,
            "shape": ["batch", 2, model.frame_length],
            "order": "plane 0 is I, plane 1 is Q, samples in the order of time",
            "framing": f"windows of {model.frame_length} samples, one after the other; a window's "
            "label depends on no other window",
            "samples_per_symbol": "about 8 for networks that learned from RadioML or its twin",
        },
        "input": {"scaling": str(model.metadata.input_scaling)} | _first_quantiser(model),
        "normalisation": normalisation,
        "output": {
            "name": model.output_name,
            "classes": list(model.classes),
            "meaning": "a logit a class; the largest one is the answer",
        },
        "input_name": model.input_name,
    }


def _first_quantiser(model: Model) -> dict[str, Any]:
    """What the network does first to a received sample."""
    proto = as_quant(model.proto)
    graph = proto.graph
    readers = [node for node in graph.node if model.input_name in node.input]
    is_quantised = len(readers) == 1 and "Quant" in readers[0].op_type
    if not is_quantised or readers[0].domain not in QONNX_DOMAINS:
        operators = sorted({node.op_type for node in readers})
        return {"bits": 32, "first_operators": operators}
    try:
        quantiser = Quantiser.of(readers[0], constants_of(proto))
    except UnsupportedOperatorError:
        return {"bits": 32, "first_operators": [readers[0].op_type]}
    step = float(np.ravel(quantiser.step)[0])
    return {
        "bits": (quantiser.high - quantiser.low).bit_length(),
        "signed": quantiser.low < 0,
        "scale": step,
        "lowest": quantiser.low,
        "highest": quantiser.high,
        "rounding": "to the nearest, ties to the even integer; then clipped",
    }


def as_markdown(sheet: dict[str, Any]) -> str:
    """Return the sheet as a page to read."""
    frame, taken, given = sheet["frame"], sheet["input"], sheet["output"]
    lines = [
        f"# Interface of {sheet['model']}",
        "",
        "| what | is |",
        "|---|---|",
        f"| frame | {frame['samples']} complex samples; tensor `{sheet['input_name']}` of shape "
        f"(batch, 2, {frame['samples']}) |",
        f"| order | {frame['order']} |",
        f"| framing | {frame['framing']} |",
        f"| samples a symbol | {frame['samples_per_symbol']} |",
        f"| level | {_LEVELS[taken['scaling']]} |",
        f"| first step | {_first_step(taken)} |",
        f"| out | `{given['name']}`, {len(given['classes'])} numbers: {given['meaning']} |",
        "",
        "Classes, in the order of the outputs: " + ", ".join(given["classes"]) + ".",
        "",
    ]
    if sheet["normalisation"] is not None:
        lines += ["## The level of a frame", "", *_normalisation(sheet["normalisation"])]
    return "\n".join(lines)


_LEVELS = {
    str(
        InputScaling.UNIT_STD
    ): "each frame divided by its own complex standard deviation before it goes in (below)",
    str(InputScaling.NONE): "as received",
}


def _first_step(taken: dict[str, Any]) -> str:
    if "scale" not in taken:
        return f"samples are taken as float32 by {', '.join(taken['first_operators'])}"
    sign = "signed" if taken["signed"] else "unsigned"
    return (
        f"I and Q become {sign} integers of {taken['bits']} bits: n = x / {taken['scale']!r} "
        f"rounded {taken['rounding']} to {taken['lowest']} … {taken['highest']}"
    )


def _normalisation(costs: dict[str, Any]) -> list[str]:
    own = costs["network_strict_score"]
    return [
        "σ² = mean(I² + Q²) − mean(I)² − mean(Q)² over the samples of the frame,",
        "and x / σ goes in; the mean stays in the frame. A frame with σ = 0 has no class. This is",
        "no part of the model's file and of no published score, for data sets come scaled so;",
        "behind a receiver it must be built. By the rules of boltmod's strict score (docs/cost.md)",
        "it adds:",
        "",
        "| bits of a received I or Q | bit operations | score |",
        "|---|---|---|",
        *(
            f"| {each['sample_bits']} | {each['bops']:,} | {_share(each['strict_score'], own)} |"
            for each in costs["by_sample_bits"]
        ),
        "",
        "With a quantiser behind it, no sample need be multiplied: the quantiser's thresholds are",
        "multiplied by σ once a frame, or each sample is divided by half a step times σ, which is",
        "what `boltmod compile` writes (docs/embedded.md).",
        "",
    ]


def _share(added: float, own: float | None) -> str:
    of_own = "" if own is None else f", {added / own:.1%} of the network's {own:.6f}"
    return f"{added:.6f}{of_own}"
