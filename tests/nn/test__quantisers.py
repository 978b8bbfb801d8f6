"""Laws that every quantiser must obey: on its grid, within its range, in order, and no further."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from boltmod.nn import quantizers
from boltmod.nn.number_format import NumberFormat

BITS = pytest.mark.parametrize("bits", [2, 3, 6, 8])
FORMATS = [
    NumberFormat(8, 8, power_of_two=power, per_channel=channel, learned_weight_scales=learned)
    for power, channel, learned in product((False, True), repeat=3)
]
ACTS = {
    "relu": (quantizers.relu, 0),
    "signed": (quantizers.signed_act, 1),
    "input": (lambda numbers: quantizers.input_quantiser(numbers, 3.0), 1),
    "learned input": (lambda numbers: quantizers.input_quantiser(numbers, 3.0, learned=True), 1),
    "comparator": (quantizers.comparator, 0),
}


def said(numbers: NumberFormat) -> str:
    words = ("power_of_two", "per_channel", "learned_weight_scales")
    return " ".join(word for word in words if getattr(numbers, word)) or "plain"


def layer_of(kind: str, numbers: NumberFormat) -> nn.Module:
    if kind == "convolution":
        return quantizers.conv1d(3, 5, 7, numbers)
    return quantizers.linear(21, 5, numbers, bias=False)


@torch.no_grad()
def quantised(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """A layer's weights as they are used, and their scales, one a row."""
    used = layer.quant_weight()  # type: ignore[operator]
    rows = used.value.flatten(1)
    return rows, used.scale.reshape(-1, 1).expand(len(rows), 1)


@BITS
@pytest.mark.parametrize("numbers", FORMATS, ids=said)
@pytest.mark.parametrize("kind", ["convolution", "dense"])
def test_weights(kind: str, numbers: NumberFormat, bits: int) -> None:
    torch.manual_seed(bits)
    layer = layer_of(kind, replace(numbers, weight_bit_width=bits))
    assert quantizers.bit_width(layer) == bits
    given = layer.get_parameter("weight").detach().flatten(1).clone()
    values, scales = quantised(layer)
    integers = (values / scales).round()
    # On the grid, of whole numbers times one scale, zero among them.
    torch.testing.assert_close(integers * scales, values, rtol=1e-6, atol=0)
    # In the range, as far below zero as above it.
    assert integers.abs().max() <= 2 ** (bits - 1) - 1
    if numbers.power_of_two:
        assert torch.equal(scales.log2(), scales.log2().round())
    if not (numbers.per_channel and kind == "convolution"):
        assert len(scales.unique()) == 1
    # No larger weight becomes a smaller number.
    order = given.argsort(1)
    assert (values.gather(1, order).diff(dim=1) >= 0).all()
    if numbers.power_of_two and not numbers.learned_weight_scales:
        return  # rounding may lower the largest magnitude to a power of two, and that the scale
    # What lies on the grid stays where it is.
    weight = layer.get_parameter("weight")
    weight.data.copy_(values.reshape(weight.shape))
    again, _ = quantised(layer)
    torch.testing.assert_close(again, values, rtol=1e-5, atol=1e-7)


@BITS
@pytest.mark.parametrize("power_of_two", [False, True])
@pytest.mark.parametrize("kind", ACTS)
def test_activations(kind: str, power_of_two: bool, bits: int) -> None:
    make, signed = ACTS[kind]
    make, signed = ACTS[kind]
    act = make(NumberFormat(8, bits, power_of_two=power_of_two)).eval()
    has_bits = quantizers.bit_width(act)
    assert has_bits == (2 if kind == "comparator" else bits)
    given = torch.linspace(-20, 20, 4001)
    with torch.no_grad():
        values = act(given)
        again = act(values)
    steps = values.unique()
    # As many values as its bits can say, evenly spaced, zero among them.
    assert len(steps) <= 2**has_bits
    scale = steps.diff().mean()
    integers = steps / scale
    torch.testing.assert_close(integers, integers.round(), rtol=0, atol=1e-3)
    assert 0 in steps
    lowest = -(2 ** (has_bits - 1)) if signed else 0
    assert lowest <= integers.round().min()
    assert integers.round().max() <= lowest + 2**has_bits - 1
    if power_of_two and kind != "comparator":
        assert scale.log2() == scale.log2().round()
    # No larger number becomes a smaller one, and none is moved twice.
    assert (values.diff() >= 0).all()
    torch.testing.assert_close(again, values, rtol=1e-6, atol=0)
