"""The integers and scales of a network's layers, as files for those who build it in hardware."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from boltmod.errors import UnsupportedOperatorError
from boltmod.files import write_json, write_text
from boltmod.integer.constants import Grid, Quantiser, named
from boltmod.integer.form import Integers
from boltmod.model.lowering import constants_of
from boltmod.model.onnx_file import QONNX_DOMAINS, Model
from boltmod.model.qdq import as_quant

_LAYERS = ("Conv", "Gemm", "MatMul")


def write_weights(model: Model, folder: Path) -> list[dict[str, Any]]:
    """Write every layer's weights and biases.

    For each a `.npy` of its integers in the file's own shape, a `.hex` of the same in the same
    order, one a line, in two's complement of as many hexadecimal digits as its bits need (what
    Verilog's $readmemh reads), and a `.scale.npy` of what an integer is worth. index.json lists
    all.

    Args:
        model: The network.
        folder: Where the files go; made where there is none.

    Returns:
        What index.json says: a row a tensor.

    Raises:
        UnsupportedOperatorError: A layer's weights are not quantised.
    """
    proto = as_quant(model.proto)
    graph, constants = proto.graph, constants_of(proto)
    makers = {name: node for node in graph.node for name in node.output}
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    layers = [node for node in graph.node if node.op_type in _LAYERS]
    for number, node in enumerate(layers):
        for role, name in zip(("weight", "bias"), node.input[1:3], strict=False):
            quant = _quantiser_of(name, makers)
            if quant is not None and quant.input[0] in constants:
                quantiser = Quantiser.of(quant, constants)
                grid = quantiser.apply(constants[quant.input[0]])
                bits = _bits(quantiser)
                rows.append(_write(folder, (number, node, role), grid, bits))
            elif role == "weight":
                raise UnsupportedOperatorError(
                    f"{named(node)} must have quantised weights to be written as integers, and has "
                    "weights in floating point: leave --weights out, or quantise them"
                )
    write_json(folder / "index.json", rows)
    return rows


def _quantiser_of(name: str, makers: dict[str, onnx.NodeProto]) -> onnx.NodeProto | None:
    """The quantiser behind a layer's constant, through what only turns it."""
    node = makers.get(name)
    while node is not None and node.op_type in ("Transpose", "Identity"):
        node = makers.get(node.input[0])
    is_quant = node is not None and node.domain in QONNX_DOMAINS and "Quant" in node.op_type
    return node if is_quant else None


def _bits(quantiser: Quantiser) -> tuple[int, bool]:
    """Width of its integers, and whether they have a sign."""
    low, high = quantiser.low, quantiser.high
    return max(high.bit_length(), (-low - 1).bit_length()) + (low < 0), low < 0


def _write(
    folder: Path, place: tuple[int, onnx.NodeProto, str], grid: Grid, bits: tuple[int, bool]
) -> dict[str, Any]:
    number, node, role = place
    stem = f"{number:02d}_{node.op_type.lower()}_{role}"
    narrow = np.dtype(np.int8 if np.abs(grid.integers).max() < 2**7 else np.int32)
    np.save(folder / f"{stem}.npy", grid.integers.astype(narrow))
    np.save(folder / f"{stem}.scale.npy", np.asarray(grid.scale, np.float32))
    write_text(folder / f"{stem}.hex", as_hex(grid.integers, bits[0]))
    return {
        "layer": named(node),
        "role": role,
        "file": f"{stem}.npy",
        "shape": list(grid.integers.shape),
        "bits": bits[0],
        "signed": bits[1],
        "non_zero": int(np.count_nonzero(grid.integers)),
        "scale": _listed(grid.scale),
    }


def _listed(scale: NDArray[np.float32]) -> float | list[float]:
    flat: list[float] = [float(each) for each in np.ravel(scale)]
    return flat if len(flat) > 1 else flat[0]


def as_hex(integers: Integers, n_bits: int) -> str:
    """Return integers in two's complement, one a line, in C order.

    Args:
        integers: Any shape.
        n_bits: Width of each.
    """
    digits = -(-n_bits // 4)
    mask = 2**n_bits - 1
    return "".join(f"{int(each) & mask:0{digits}x}\n" for each in np.ravel(integers))
