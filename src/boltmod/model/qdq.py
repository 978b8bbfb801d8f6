"""Quantisation written as QuantizeLinear, Clip and DequantizeLinear, as QONNX's Quant.

Brevitas writes fewer bits than eight as a Clip between the two (QCDQ); ONNX Runtime's quantiser
writes weights as integers before a DequantizeLinear. Quant says in one operator how many bits are
left. Floats of 8 bits become FloatQuant, which says how many bits exponent and mantissa have.

Source: ONNX operator definitions (QuantizeLinear, DequantizeLinear); A. Pappalardo et al., "QONNX:
Representing Arbitrary-Precision Quantized Neural Networks", 2022, section III (QCDQ).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from boltmod.model.onnx_file import QONNX_DOMAIN

Array = NDArray[Any]

_INTEGER = re.compile(r"(u?)int(\d+)")
_FLOATS = {
    "float8_e4m3fn": (4, 3, 7, 448.0),
    "float8_e4m3fnuz": (4, 3, 8, 240.0),
    "float8_e5m2": (5, 2, 15, 57344.0),
    "float8_e5m2fnuz": (5, 2, 16, 57344.0),
}
"""Bits of exponent and mantissa, exponent bias and largest value.

Source: P. Micikevicius et al., "FP8 Formats for Deep Learning", 2022, table 1; ONNX, "Float stored
in 8 bits" (those whose names end in fnuz).
"""


@dataclass(frozen=True)
class _Chain:
    """What a DequantizeLinear undoes.

    Args:
        source: The tensor that is quantised; None if it is a constant that is quantised already.
        stored: That constant's values.
        dtype: Type of what lies between quantiser and dequantiser.
        bounds: Smallest and largest integer that a Clip leaves; None without one.
    """

    source: str | None
    stored: Array | None
    dtype: np.dtype[Any]
    bounds: tuple[int, int] | None

    @property
    def range(self) -> tuple[int, int]:
        """Smallest and largest integer."""
        return self.bounds or _range(self.dtype)

    def moved(self, offset: int) -> _Chain:
        """The same, its integers that much larger."""
        if self.bounds is None:
            return self
        return replace(self, bounds=(self.bounds[0] + offset, self.bounds[1] + offset))


def as_quant(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a network whose quantisers are Quant and FloatQuant nodes.

    Integers with a zero point stay as they are, unless a Clip tells how many bits are left: what is
    multiplied is the integers less their zero point, so that the bounds count less that.
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
        if chain is None or scale is None:
            return
        zero = self._zero_point(node)
        if np.any(zero) and (zero.size > 1 or chain.bounds is None):
            return
        offset = int(zero.reshape(-1)[0]) if np.any(zero) else 0
        rank = 0 if chain.stored is None else chain.stored.ndim
        if scale.size > 1:
            if chain.stored is None:
                return  # an activation by channel: its rank is not known here
            axis = next((a.i for a in node.attribute if a.name == "axis"), 1) % rank
            scale = scale.reshape([-1 if place == axis else 1 for place in range(rank)])
        source = chain.source
        if source is None:
            stored = np.asarray(chain.stored).astype(np.float32) - np.float32(offset)
            source = self._add(node, "weight", np.asarray(stored * scale, np.float32))
        chain = chain.moved(-offset)
        make = self._float_quant if chain.dtype.name in _FLOATS else self._quant
        inputs = [source, self._add(node, "scale", scale)]
        self.replaced[node.output[0]] = make(node, chain, inputs)

    def _quant(self, node: onnx.NodeProto, chain: _Chain, inputs: list[str]) -> onnx.NodeProto:
        low, high = chain.range
        is_signed = low < 0
        n_bits = next(n for n in range(1, 65) if _holds(n, is_signed, chain.range))
        return onnx.helper.make_node(
            "Quant",
            [*inputs, self._add(node, "zero_point", np.float32(0)),
             self._add(node, "bit_width", np.float32(n_bits))],
            [node.output[0]],
            name=node.name,
            domain=QONNX_DOMAIN,
            signed=int(is_signed),
            narrow=int(is_signed and low == -high),
            rounding_mode="ROUND",
        )  # fmt: skip

    def _float_quant(
        self, node: onnx.NodeProto, chain: _Chain, inputs: list[str]
    ) -> onnx.NodeProto:
        names = ("exponent_bit_width", "mantissa_bit_width", "exponent_bias", "max_val")
        values = zip(names, _FLOATS[chain.dtype.name], strict=True)
        return onnx.helper.make_node(
            "FloatQuant",
            [*inputs, *(self._add(node, name, np.float32(value)) for name, value in values)],
            [node.output[0]],
            name=node.name,
            domain=QONNX_DOMAIN,
            has_inf=0,
            has_nan=1,
            has_subnormal=1,
            rounding_mode="ROUND",
            saturation=1,
        )

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
        if stored is not None and _is_quantised(stored.dtype):
            kept = stored if bounds is None else stored.clip(*bounds)
            return _Chain(None, kept, stored.dtype, bounds)
        first = self._makers.get(name)
        if first is None or first.op_type != "QuantizeLinear":
            return None
        for own, theirs in zip(node.input[1:], first.input[1:], strict=False):
            here, there = self._value(own), self._value(theirs)
            if here is None or there is None or not np.array_equal(here, there):
                return None
        dtype = self._zero_point(first).dtype
        return _Chain(first.input[0], None, dtype, bounds) if _is_quantised(dtype) else None

    def _zero_point(self, node: onnx.NodeProto) -> Array:
        """Its zero point; not zero where that is unknown."""
        if len(node.input) < 3 or not node.input[2]:
            return np.zeros(1, np.uint8)
        value = self._value(node.input[2])
        return np.ones(1, np.uint8) if value is None else value

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


def _is_quantised(dtype: np.dtype[Any]) -> bool:
    return dtype.name in _FLOATS or _INTEGER.fullmatch(dtype.name) is not None


def _range(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Smallest and largest number of an integer type, of fewer bits than NumPy has them too."""
    match = _INTEGER.fullmatch(dtype.name)
    if match is None:
        raise ValueError(f"{dtype.name} is no integer type")
    n_bits = int(match[2])
    return (0, 2**n_bits - 1) if match[1] else (-(2 ** (n_bits - 1)), 2 ** (n_bits - 1) - 1)


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
