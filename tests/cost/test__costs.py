"""Laws that the cost of every network must obey."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import hand_made_networks as hand_made
from boltmod.cost.inference_cost import Cost, count
from boltmod.model import onnx_file

NETWORKS: dict[str, Callable[[], onnx.ModelProto]] = {
    name: getattr(hand_made, name)
    for name in (
        "convolutional", "dense", "floating", "magnitudes", "products", "statistics", "wide",
    )
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", NETWORKS)
QUANTISED = pytest.mark.parametrize("name", sorted(NETWORKS.keys() - {"floating"}))


def cost_of(proto: onnx.ModelProto) -> Cost:
    return count(onnx_file.from_proto(proto))


def stored(proto: onnx.ModelProto, name: str) -> Any:
    return next(each for each in proto.graph.initializer if each.name == name)


def weights(proto: onnx.ModelProto) -> list[str]:
    return [each.name for each in proto.graph.initializer if each.name.endswith("weight")]


def weight_bits(proto: onnx.ModelProto, bits: int) -> onnx.ModelProto:
    """The same network, all its weights of so many bits."""
    changed = deepcopy(proto)
    for node in changed.graph.node:
        if node.op_type == "Quant" and node.input[0].endswith("weight"):
            tensor = stored(changed, node.input[3])
            tensor.CopyFrom(numpy_helper.from_array(np.float32(bits), tensor.name))
    return changed


@EVERY
def test_the_strict_score_is_never_below_the_official_one(name: str) -> None:
    cost = cost_of(NETWORKS[name]())
    assert cost.strict is not None
    assert cost.strict.score >= cost.score > 0
    assert cost.strict.bops >= cost.bops > 0


@QUANTISED
def test_wider_weights_cost_more(name: str) -> None:
    # As wide as they are at least, so that no weight is rounded to zero that was none.
    costs = [cost_of(weight_bits(NETWORKS[name](), bits)) for bits in (8, 12)]
    narrow, wide = costs
    assert narrow.score < wide.score
    assert narrow.bops < wide.bops
    assert narrow.weight_bits < wide.weight_bits
    assert narrow.strict.score < wide.strict.score
    assert narrow.macs == wide.macs


@EVERY
def test_a_weight_that_is_zeroed_lowers_the_cost(name: str) -> None:
    proto = NETWORKS[name]()
    before = cost_of(proto)
    for each in weights(proto):
        tensor = stored(proto, each)
        values = numpy_helper.to_array(tensor).copy()
        values.flat[np.abs(values).argmax()] = 0
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    after = cost_of(proto)
    assert after.score < before.score
    assert after.bops < before.bops
    assert after.weight_bits < before.weight_bits
    assert after.strict.score < before.strict.score
