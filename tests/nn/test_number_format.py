import pytest
import torch
from torch import nn

import boltmod
from boltmod.nn import quantizers, registry
from boltmod.nn.number_format import NumberFormat
from small_networks import QUANTISED, SMALL


def layers(network: nn.Module) -> list[nn.Module]:
    """Layers whose weights are quantised and trained."""
    return [
        module
        for module in network.modules()
        if isinstance(module, nn.Conv1d | nn.Linear)
        and quantizers.bit_width(module) is not None
        and module.weight.requires_grad
    ]


@pytest.mark.parametrize("name", QUANTISED)
def test_every_network_takes_learned_scales_of_powers_of_two(name: str) -> None:
    torch.manual_seed(1)
    how = {"power_of_two": True, "learned_weight_scales": True, "per_channel": True}
    network = registry.build(registry.parse(name, SMALL[name] | how)).eval()
    found = layers(network)
    assert found
    for layer in found:
        assert quantizers.learned_weight_scale(layer) is not None
        exponents = layer.quant_weight().scale.log2()  # type: ignore[operator]
        assert torch.equal(exponents, exponents.round())
    per_channel = [len(each.quant_weight().scale) for each in found if isinstance(each, nn.Conv1d)]  # type: ignore[operator]
    assert max(per_channel) > 1
    assert network(torch.randn(2, 2, 1024)).shape == (2, len(network.config.classes))  # type: ignore[arg-type, union-attr]


@pytest.mark.parametrize("name", QUANTISED)
def test_without_quantisers_the_format_is_floating_point(name: str) -> None:
    config = registry.parse(name, SMALL[name] | {"quantised": False, "power_of_two": True})
    assert config.numbers == NumberFormat()  # type: ignore[attr-defined]
    assert not layers(registry.build(config))


def test_other_bits_for_activations_leave_floating_point_alone() -> None:
    numbers = boltmod.NumberFormat(weight_bit_width=4, act_bit_width=6, power_of_two=True)
    assert numbers.with_acts(8) == boltmod.NumberFormat(4, 8, power_of_two=True)
    assert NumberFormat().with_acts(8) == NumberFormat()
    assert NumberFormat().fixed(8) == NumberFormat()
    assert numbers.fixed(8) == NumberFormat(8, 6, power_of_two=True)
