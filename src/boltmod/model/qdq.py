"""Quantisation written as QuantizeLinear, Clip and DequantizeLinear, as QONNX's Quant.

Brevitas writes fewer bits than eight as a Clip between the two (QCDQ); ONNX Runtime's quantiser
writes weights as integers before a DequantizeLinear. Quant says in one operator how many bits are
left.

Source: ONNX operator definitions (QuantizeLinear, DequantizeLinear); A. Pappalardo et al., "QONNX:
Representing Arbitrary-Precision Quantized Neural Networks", 2022, section III (QCDQ).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from boltmod.model.onnx_file import QONNX_DOMAIN

Array = NDArray[Any]


@dataclass(frozen=True)
class _Chain:
    """What a DequantizeLinear undoes.

    Args:
        source: The tensor that is quantised; None if it is a constant that is quantised already.
        stored: That constant's integers.
        bounds: Smallest and largest integer.
    """

    source: str | None
    stored: Array | None
    bounds: tuple[int, int]


def as_quant(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a network whose quantisers without a zero point are Quant nodes.

    Others stay as they are.
    """
    own = onnx.ModelProto()
    own.CopyFrom(proto)
    graph = _Graph(own)
    for node in own.graph.node:
        if node.op_type == "DequantizeLinear":
            graph.replace(node)
    if graph.replaced:
        nodes = [graph.replaced.get(node.output[0], node) for node in own.graph.node]
        del own.graph.node[:]
        own.graph.node.extend(_needed(nodes, {value.name for value in own.graph.output}))
        if all(entry.domain != QONNX_DOMAIN for entry in own.opset_import):
            own.opset_import.append(onnx.helper.make_opsetid(QONNX_DOMAIN, 1))
    return own


class _Graph:
    """A network, and the Quant nodes that replace some of its own, by their output."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        self._graph = proto.graph
        self._makers = {name: node for node in proto.graph.node for name in node.output}
        self._constants = {each.name: each for each in proto.graph.initializer}
        self.replaced: dict[str, onnx.NodeProto] = {}

    def replace(self, node: onnx.NodeProto) -> None:
        """Note the Quant that a DequantizeLinear stands for, if it stands for one."""
        chain = self._chain(node)
        scale = self._value(node.input[1])
        if chain is None or scale is None or np.any(self._zero_point(node)):
            return
        source = chain.source
        rank = 0 if chain.stored is None else chain.stored.ndim
        if scale.size > 1:
            if chain.stored is None:
                return  # an activation by channel: its rank is not known here
            axis = next((a.i for a in node.attribute if a.name == "axis"), 1) % rank
            scale = scale.reshape([-1 if place == axis else 1 for place in range(rank)])
        if source is None:
            source = self._add(node, "weight", np.asarray(chain.stored * scale, np.float32))
        low, high = chain.bounds
        is_signed = low < 0
        n_bits = next(n for n in range(1, 65) if _holds(n, is_signed, chain.bounds))
        self.replaced[node.output[0]] = onnx.helper.make_node(
            "Quant",
            [source, self._add(node, "scale", scale), self._add(node, "zero_point", np.float32(0)),
             self._add(node, "bit_width", np.float32(n_bits))],
            [node.output[0]],
            name=node.name,
            domain=QONNX_DOMAIN,
            signed=int(is_signed),
            narrow=int(is_signed and low == -high),
            rounding_mode="ROUND",
        )  # fmt: skip

    def _chain(self, node: onnx.NodeProto) -> _Chain | None:
        name, bounds = node.input[0], None
        clip = self._makers.get(name)
        if clip is not None and clip.op_type == "Clip" and len(clip.input) == 3:
            limits = [self._value(each) for each in clip.input[1:]]
            if limits[0] is None or limits[1] is None:
                return None
            bounds = (int(limits[0]), int(limits[1]))
            name = clip.input[0]
        stored = self._value(name)
        if stored is not None and stored.dtype.kind in "iu":
            kept = stored if bounds is None else stored.clip(*bounds)
            return _Chain(None, kept.astype(np.int64), bounds or _range(stored.dtype))
        first = self._makers.get(name)
        if first is None or first.op_type != "QuantizeLinear":
            return None
        scales = [self._value(each.input[1]) for each in (first, node)]
        if scales[0] is None or scales[1] is None or not np.array_equal(scales[0], scales[1]):
            return None
        if np.any(self._zero_point(first)):
            return None
        return _Chain(first.input[0], None, bounds or _range(self._type(first)))

    def _zero_point(self, node: onnx.NodeProto) -> Array:
        """Its zero point; not zero where that is unknown."""
        if len(node.input) < 3 or not node.input[2]:
            return np.zeros(1, np.uint8)
        value = self._value(node.input[2])
        return np.ones(1, np.uint8) if value is None else value

    def _type(self, node: onnx.NodeProto) -> np.dtype[Any]:
        return self._zero_point(node).dtype

    def _value(self, name: str) -> Array | None:
        if name in self._constants:
            return onnx.numpy_helper.to_array(self._constants[name])
        maker = self._makers.get(name)
        if maker is None or maker.op_type != "Constant":
            return None
        found = next((a.t for a in maker.attribute if a.name == "value"), None)
        return None if found is None else onnx.numpy_helper.to_array(found)

    def _add(self, node: onnx.NodeProto, what: str, value: Array | np.float32) -> str:
        name = f"boltmod_quant_{node.output[0]}_{what}"
        self._graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        return name


def _range(dtype: np.dtype[Any]) -> tuple[int, int]:
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def _holds(n_bits: int, is_signed: bool, bounds: tuple[int, int]) -> bool:
    low, high = (-(2 ** (n_bits - 1)), 2 ** (n_bits - 1) - 1) if is_signed else (0, 2**n_bits - 1)
    return low <= bounds[0] and bounds[1] <= high


def _needed(nodes: list[onnx.NodeProto], wanted: set[str]) -> list[onnx.NodeProto]:
    """The nodes that the outputs depend on, in their order."""
    kept: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.insert(0, node)
    return kept
