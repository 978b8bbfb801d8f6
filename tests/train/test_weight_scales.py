"""Learned weight scales: where they begin, that they train, that checkpoints keep them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from boltmod.compress.bit_width import Figures, lower
from boltmod.nn import quantizers, registry
from boltmod.nn.boltnet import BoltNetConfig
from boltmod.nn.number_format import NumberFormat
from boltmod.pipeline.phase.lower import LowerPhase
from boltmod.pipeline.phase.train import TrainPhase
from boltmod.train import checkpoint
from boltmod.train.calibrate import transfer
from boltmod.train.checkpoint import Checkpoint
from boltmod.train.optimiser import make_optimiser


def conv(bits: int, *, learned: bool, per_channel: bool = True) -> nn.Module:
    numbers = NumberFormat(bits, per_channel=per_channel, learned_weight_scales=learned)
    return quantizers.conv1d(4, 6, 9, numbers)


def small(*, learned: bool = True) -> nn.Module:
    shape = {"stem_channels": 4, "channels": [4], "kernel_sizes": [3], "strides": [1],
             "max_pools": ["none"], "weight_bit_width": 3, "per_channel": True,
             "learned_weight_scales": learned}  # fmt: skip
    return registry.build(registry.parse("boltnet", shape))


def rounded(layer: nn.Module) -> Tensor:
    weight = layer.quant_weight()
    assert isinstance(weight, tuple)
    found: Tensor = weight.value.detach()  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("bits", [2, 3, 5])
def test_fitted_scales_change_weights_less_than_the_largest_magnitude(
    bits: int, per_channel: bool
) -> None:
    torch.manual_seed(1)
    weight = torch.randn(6, 4, 9) * torch.rand(6, 1, 1)
    errors = []
    for learned in (False, True):
        layer = conv(bits, learned=learned, per_channel=per_channel)
        with torch.no_grad():
            layer.weight.copy_(weight)  # type: ignore[operator]
        quantizers.fit_weight_scales(layer)
        errors.append(float((rounded(layer) - weight).square().sum()))
    assert errors[1] < errors[0]


def test_zeros_stay_zeros_and_levels_are_few() -> None:
    layer = conv(3, learned=True)
    with torch.no_grad():
        layer.weight[:, ::2] = 0
        layer.weight[2] = 0
    quantizers.fit_weight_scales(layer)
    values = rounded(layer)
    assert torch.all(values[:, ::2] == 0)
    assert torch.all(values[2] == 0)
    for row in values:
        assert len(row.abs().unique()) <= 4


def test_scales_train_slower_than_weights_and_do_not_decay() -> None:
    network = small()
    optimiser = make_optimiser(
        network, TrainPhase(kind="train", name="t", epochs=1, weight_decay=0.1)
    )
    scales = [quantizers.learned_weight_scale(m) for m in network.modules()]
    wanted = {id(scale) for scale in scales if scale is not None}
    assert len(wanted) == 4
    (group,) = [g for g in optimiser.param_groups if wanted & {id(p) for p in g["params"]}]
    assert wanted < {id(p) for p in group["params"]}
    assert group["rate"] < 1
    assert group["weight_decay"] == 0


def test_a_checkpoint_keeps_learned_scales(tmp_path: Path) -> None:
    network = small().train()
    optimiser = make_optimiser(network, TrainPhase(kind="train", name="t", epochs=1))
    before = quantizers.learned_weight_scale(network.stem[0].conv)  # type: ignore[index, union-attr]
    assert before is not None
    begun = before.detach().clone()
    for _ in range(3):
        optimiser.zero_grad()
        scores = network(torch.randn(32, 2, 1024))
        nn.functional.cross_entropy(scores, torch.arange(32) % 24).backward()
        optimiser.step()
    assert not torch.equal(before, begun)
    network.eval()
    config = network.config
    assert isinstance(config, BoltNetConfig)
    path = tmp_path / "final.safetensors"
    state = {"network": registry.describe(config)}
    checkpoint.save(Checkpoint(network.state_dict(), {}, {}, state), path)
    found = checkpoint.open_trainee(path).network.eval()
    frames = torch.randn(8, 2, 1024)
    assert torch.equal(found(frames), network(frames))


def test_fewer_bits_have_scales_of_their_own() -> None:
    torch.manual_seed(2)
    layer, fresh = conv(5, learned=True), conv(3, learned=True)
    fresh.load_state_dict(layer.state_dict())
    quantizers.fit_weight_scales(fresh)
    quantizers.set_bit_width(layer, 3)
    assert torch.equal(rounded(layer), rounded(fresh))


def test_learned_scales_come_along_to_a_network_of_the_same_bits() -> None:
    network, same, fewer = small(), small(), small()
    quantizers.set_bit_width(fewer.stem[0].conv, 2)  # type: ignore[index, union-attr]
    with torch.no_grad():
        for module in network.modules():
            scale = quantizers.learned_weight_scale(module)
            if scale is not None:
                scale.mul_(0.7)
    for other in (same, fewer):
        transfer(network.eval(), other)
    frames = torch.randn(8, 2, 1024)
    assert torch.equal(same.eval()(frames), network(frames))
    kept, fitted = (
        quantizers.learned_weight_scale(each.stem[0].conv)  # type: ignore[index, union-attr]
        for each in (network, fewer)
    )
    assert kept is not None
    assert fitted is not None
    assert not torch.equal(kept, fitted)


def test_a_network_that_learned_no_scales_goes_on_as_it_was() -> None:
    plain, learned = small(learned=False).eval(), small().eval()
    transfer(plain, learned)
    frames = torch.randn(8, 2, 1024)
    assert torch.equal(learned(frames), plain(frames))


def test_bits_that_are_tried_and_kept_leave_the_scales_as_they_were() -> None:
    network = small()
    with torch.no_grad():
        for module in network.modules():
            scale = quantizers.learned_weight_scale(module)
            if scale is not None:
                scale.mul_(0.7)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    figures = iter([Figures(0.5, 100, 1.0), *[Figures(0.1, 50, 0.5)] * 100])
    phase = LowerPhase.model_validate({"kind": "lower", "name": "lower", "largest_loss": 0.01})
    assert lower(network, phase, lambda _: next(figures)) == []
    after = network.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("per_channel", [True, False])
def test_learned_powers_of_two_fit_as_well(per_channel: bool) -> None:
    torch.manual_seed(1)
    weight = torch.randn(6, 4, 9) * torch.tensor([0.1, 0.3, 1.0, 1.0, 3.0, 9.0]).reshape(6, 1, 1)
    errors = []
    for learned in (False, True):
        numbers = NumberFormat(4, None, per_channel, learned, power_of_two=True)
        layer = quantizers.conv1d(4, 6, 9, numbers)
        with torch.no_grad():
            layer.weight.copy_(weight)  # type: ignore[operator]
        quantizers.fit_weight_scales(layer)
        errors.append(float((rounded(layer) - weight).square().sum()))
        steps = layer.quant_weight().scale.detach()  # type: ignore[operator]
        assert torch.equal(steps.log2(), steps.log2().round())
    assert errors[1] <= errors[0]
    assert errors[1] < 0.05 * float(weight.square().sum())


@pytest.mark.parametrize("to_powers", [True, False])
def test_ranges_are_handed_on_between_powers_of_two_and_others(to_powers: bool) -> None:
    def network(power_of_two: bool) -> nn.Module:
        shape = {"stem_channels": 4, "channels": [4], "kernel_sizes": [3], "strides": [1],
                 "max_pools": ["none"], "per_channel": True, "learned_weight_scales": True,
                 "power_of_two": power_of_two}  # fmt: skip
        return registry.build(registry.parse("boltnet", shape))

    torch.manual_seed(2)
    source, target = network(not to_powers), network(to_powers)
    for module in source.modules():
        if quantizers.learned_scale(module) is not None:
            quantizers.set_learned_range(module, 4.0)
    quantizers.fit_weight_scales(source)
    transfer(source, target)
    frames = torch.randn(64, 2, 1024)
    with torch.no_grad():
        expected, got = source.eval()(frames), target.eval()(frames)
    scores = [getattr(x, "value", x) for x in (expected, got)]
    stacked = torch.stack([x.flatten() for x in scores])
    assert torch.corrcoef(stacked)[0, 1] > 0.9
