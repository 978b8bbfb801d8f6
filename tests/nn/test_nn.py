import re
from pathlib import Path

import pytest
import torch
from torch import nn

import boltmod
from boltmod.errors import ConfigError
from boltmod.nn import quantizers, registry
from boltmod.nn.bacalhaunet import BacalhauNet, BacalhauNetConfig
from boltmod.nn.number_format import NumberFormat
from boltmod.train.calibrate import calibrate, transfer

SMALL = BacalhauNetConfig(channels=(4, 4), kernel_sizes=(5, 3), strides=(2, 1), pool=4)


def test_the_default_is_bacalhaunet_v1() -> None:
    network = BacalhauNet(BacalhauNetConfig())
    assert sum(p.numel() for p in network.parameters() if p.ndim > 1) == 9318
    assert network(torch.zeros(3, 2, 1024)).shape == (3, 24)


def test_only_blocks_that_keep_their_shape_are_residual() -> None:
    blocks = BacalhauNet(BacalhauNetConfig()).blocks
    assert [block.residual for block in blocks] == [False, True, False, True, False]
    assert all(isinstance(block.sum_act, nn.Identity) for block in blocks)
    quantised = BacalhauNet(BacalhauNetConfig(quantise_sums=True)).blocks
    assert [quantizers.learned_scale(b.sum_act) is not None for b in quantised] == [
        False, True, False, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize("bits", [2, 4, 6, 8])
def test_values_lie_on_their_grid(bits: int) -> None:
    torch.manual_seed(bits)
    act = quantizers.relu(NumberFormat(act_bit_width=bits)).eval()
    values = act(10 * torch.randn(1000)).detach()
    step = 6.0 / (2**bits - 1)
    assert values.min() == 0
    assert values.max() == pytest.approx(6.0)
    assert torch.allclose(values / step, (values / step).round(), atol=1e-4)
    sample = quantizers.input_quantiser(NumberFormat(act_bit_width=bits), 2.0)(
        torch.linspace(-3, 3, 999)
    )
    step = 2.0 / 2 ** (bits - 1)
    assert torch.equal(sample / step, (sample / step).round())
    assert (sample.min(), sample.max()) == (-2.0, 2.0 - step)


@pytest.mark.parametrize("bits", [3, 6, 8])
def test_weights_use_every_bit_and_no_more(bits: int) -> None:
    torch.manual_seed(bits)
    layer = quantizers.conv1d(3, 5, 7, NumberFormat(weight_bit_width=bits))
    weights = layer.quant_weight().value.detach()
    top = 2 ** (bits - 1) - 1
    integers = weights / weights.abs().max() * top
    assert torch.allclose(integers, integers.round(), atol=1e-4)
    assert int(integers.abs().max().round()) == top


def test_transfer_and_calibration_keep_the_function() -> None:
    torch.manual_seed(5)
    floating = registry.build(SMALL.in_float())
    frames = torch.randn(256, 2, 1024)
    floating.train()
    for _ in range(30):
        floating(frames)
    floating.eval()
    wide = registry.build(
        BacalhauNetConfig(
            channels=(4, 4), kernel_sizes=(5, 3), strides=(2, 1), pool=4, input_bit_width=8,
            weight_bit_width=8, act_bit_width=8,
        )
    ).eval()  # fmt: skip
    transfer(floating, wide)
    calibrate(floating, wide, frames, trained=True)
    with torch.no_grad():
        expected, got = floating(frames), wide(frames)
    error = (got - expected).square().mean() / expected.var()
    assert error < 0.02


def test_registry_reports_what_is_wrong() -> None:
    with pytest.raises(ConfigError) as caught:
        registry.parse("resnet", {})
    assert str(caught.value) == (
        "network.name must be one of aaronnet, bacalhaunet, boltnet, fieldnet, imperial, teacher, "
        "vgg10, not resnet"
    )
    with pytest.raises(ConfigError) as caught:
        registry.parse("bacalhaunet", {"chanels": [1]})
    assert str(caught.value).startswith("network (bacalhaunet): chanels is not a known key")


def test_describe_and_parse_are_inverse() -> None:
    described = registry.describe(SMALL)
    assert registry.parse(described.pop("name"), described) == SMALL


def test_an_untrained_network_is_measured_as_its_first_step_sees_it() -> None:
    torch.manual_seed(6)
    config = BacalhauNetConfig(learned_input_scale=False)
    floating, quantised = registry.build(config.in_float()), registry.build(config)
    transfer(floating, quantised)
    calibrate(floating, quantised, torch.randn(64, 2, 1024), trained=False)
    ranges = [
        float(value.detach())
        for name, module in quantised.named_modules()
        if (value := quantizers.learned_scale(module)) is not None and name.startswith("blocks")
    ]
    assert len(ranges) == 10
    # A normalised value exceeds one to two standard deviations in its largest thousandth.
    assert all(1.5 < value < 6.0 for value in ranges), ranges


def test_brevitas_s_attributes_are_named_in_one_module() -> None:
    source = Path(boltmod.__file__).parent
    words = re.compile(r"\b(act_quant|weight_quant|tensor_quant|quant_injector|quant_weight)\b")
    found = [path for path in source.rglob("*.py") if words.search(path.read_text("utf-8"))]
    assert found == [source / "nn" / "quantizers.py"]
