"""What it costs to bring a frame to unit deviation, which stands before the network.

The challenge's data come scaled, so its rules never see this; a receiver's samples do not. It is
counted as all else is: written as operators, by the rules of the strict score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from qonnx.core.modelwrapper import ModelWrapper

from boltmod.cost.network import CostedNetwork
from boltmod.cost.score import score
from boltmod.cost.strict import strict_cost
from boltmod.model.onnx_file import QONNX_DOMAIN
from boltmod.modulation import FRAME_LENGTH


@dataclass(frozen=True)
class NormalisationCost:
    """What normalising a frame adds to a network's strict cost.

    Args:
        sample_bits: Bits of a received I or Q.
        bops: Bit operations.
        strict_score: What these are of the score.
    """

    sample_bits: int
    bops: int
    strict_score: float


def normalisation_cost(sample_bits: int, frame_length: int = FRAME_LENGTH) -> NormalisationCost:
    """Count the division of a frame by its complex standard deviation.

    Args:
        sample_bits: Bits of a received I or Q.
        frame_length: Complex samples of a frame.
    """
    found = strict_cost(CostedNetwork(ModelWrapper(_written(sample_bits, frame_length))), ())
    assert found is not None
    return NormalisationCost(sample_bits, found.bops, score(found.bops, found.weight_bits))


def _written(sample_bits: int, frame_length: int) -> onnx.ModelProto:
    """Return x / √(mean |x|² − |mean x|²) as a network, x of so many bits."""
    numbers: dict[str, Any] = {"scale": 2.0 ** (2 - sample_bits), "zero": 0.0, "bits": sample_bits}
    quant: dict[str, Any] = {
        "signed": 1,
        "narrow": 0,
        "rounding_mode": "ROUND",
        "domain": QONNX_DOMAIN,
    }
    nodes = [
        helper.make_node("Quant", ["received", *numbers], ["samples"], name="samples", **quant),
        *(
            helper.make_node(operator, inputs, [output], name=output)
            for operator, inputs, output in (
                ("Mul", ["samples", "samples"], "squares"),
                ("GlobalAveragePool", ["squares"], "powers"),
                ("GlobalAveragePool", ["samples"], "means"),
                ("Mul", ["means", "means"], "squared_means"),
                ("Sub", ["powers", "squared_means"], "variances"),
                ("ReduceSum", ["variances", "axis"], "variance"),
                ("Sqrt", ["variance"], "deviation"),
                ("Div", ["samples", "deviation"], "frames"),
            )
        ),
    ]
    constants = [onnx.numpy_helper.from_array(np.array([1]), "axis")]
    constants += [
        onnx.numpy_helper.from_array(np.asarray(value, np.float32), name)
        for name, value in numbers.items()
    ]
    frame = (1, 2, frame_length)
    graph = helper.make_graph(
        nodes,
        "normalisation",
        [helper.make_tensor_value_info("received", TensorProto.FLOAT, frame)],
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, frame)],
        constants,
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid(QONNX_DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=opsets)
