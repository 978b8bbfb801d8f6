"""Constants of a model as the integers and scales they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from boltmod.errors import UnsupportedOperatorError
from boltmod.integer.form import Integers


@dataclass(frozen=True, eq=False)
class Grid:
    """A quantised constant: integers times scale.

    Args:
        integers: Any shape.
        scale: float32, one number or one a row (first axis).
    """

    integers: Integers
    scale: NDArray[np.float32]

    def transposed(self) -> Grid:
        """Return it with its axes reversed; a scale a row becomes one a column: refused later."""
        return Grid(np.ascontiguousarray(self.integers.T), self.scale.T)


def attributes(node: onnx.NodeProto, **defaults: Any) -> dict[str, Any]:
    """Return a node's attributes by name, texts decoded, over what holds where one is missing."""
    found = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    return defaults | {
        name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()
    }


def named(node: onnx.NodeProto) -> str:
    """What a node is called in messages."""
    return f"{node.op_type} {node.name or node.output[0]}"


def refused(node: onnx.NodeProto, rule: str, what: str) -> UnsupportedOperatorError:
    """Return the error that says why a node has no integer meaning."""
    return UnsupportedOperatorError(
        f"{named(node)} must {rule} to have a meaning in integers, not {what}: "
        "run the model with --engine onnxruntime, or quantise what it takes"
    )


@dataclass(frozen=True)
class Quantiser:
    """A uniform quantiser: integers from `low` to `high` times `step`."""

    step: NDArray[np.float32]
    low: int
    high: int

    @classmethod
    def of(cls, node: onnx.NodeProto, constants: dict[str, Any]) -> Quantiser:
        """Read a Quant node.

        Raises:
            UnsupportedOperatorError: Zero point, rounding or widths have no meaning here.
        """
        step, zero_point, n_bits = (constants.get(name) for name in node.input[1:4])
        if step is None or zero_point is None or n_bits is None or np.size(n_bits) != 1:
            raise refused(node, "have constant scale, zero point and bits", "computed ones")
        facts = attributes(node, signed=1, narrow=0, rounding_mode="ROUND")
        if not (np.isfinite(step).all() and (np.asarray(step) > 0).all()):
            raise refused(node, "have a scale above zero", f"{np.min(step):g}")
        if np.any(zero_point):
            raise refused(node, "have zero point 0", f"{np.ravel(zero_point)[0]:g}")
        if facts["rounding_mode"].upper() not in ("ROUND", "HALF_EVEN"):
            raise refused(node, "round to the nearest integer", facts["rounding_mode"])
        bits = float(np.ravel(n_bits)[0])
        if bits < 2 and facts["signed"]:
            raise refused(node, "have 2 bits or more", f"{bits:g}")
        high = round(2 ** (bits - 1 if facts["signed"] else bits)) - 1
        low = -high - 1 + facts["narrow"] if facts["signed"] else 0
        return cls(
            np.asarray(step, np.float32), low, high - (not facts["signed"]) * facts["narrow"]
        )

    def apply(self, values: NDArray[np.float32]) -> Grid:
        """Quantise a constant as every reader of the file does, in float32."""
        steps = np.clip(np.asarray(values, np.float32) / self.step, self.low, self.high)
        return Grid(np.rint(steps).astype(np.int64), self.step)
