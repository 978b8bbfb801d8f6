"""Where quantisation starts from: activation ranges measured on the floating-point network."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from boltmod.nn import registry
from boltmod.nn.mode import in_mode
from boltmod.nn.quantizers import (
    bit_width,
    fit_weight_scales,
    is_power_of_two,
    learned_scale,
    learned_weight_scale,
    set_learned_range,
)
from boltmod.train.trainee import Trainee

_QUANTILE = 0.999
_SMALLEST = 1e-3
_SAMPLES = 200_000


def transfer(source: nn.Module, target: nn.Module) -> None:
    """Copy every weight of a network into one of the same shape but other bits, by name.

    Learned weight scales come along where both have them, at the same bits; those of a layer that
    learned none become learned; for other bits they are fitted to the weights.
    """
    weights = source.state_dict()
    state = target.state_dict()
    state.update({name: tensor for name, tensor in weights.items() if name in state})
    target.load_state_dict(state)
    theirs = dict(source.named_modules())
    for name, layer in target.named_modules():
        if name in theirs:
            _match_range(theirs[name], layer)
        if learned_weight_scale(layer) is None:
            continue
        same_kind = is_power_of_two(theirs[name]) == is_power_of_two(layer)
        if bit_width(theirs[name]) != bit_width(layer) or not same_kind:
            fit_weight_scales(layer)
        elif learned_weight_scale(theirs[name]) is None:
            fit_weight_scales(layer, smallest=1.0)


def _match_range(source: nn.Module, target: nn.Module) -> None:
    """Say an activation's range as the target stores it, where one of the two stores exponents."""
    theirs, ours = learned_scale(source), learned_scale(target)
    if theirs is None or ours is None or is_power_of_two(source) == is_power_of_two(target):
        return
    found = float(theirs.detach())
    set_learned_range(target, 2.0**found if is_power_of_two(source) else found)


def quantised(trainee: Trainee, iq_planes: Tensor) -> Trainee:
    """Return a trainee with its quantisers, their ranges measured.

    Args:
        trainee: The trainee.
        iq_planes: Frames to measure on, (n, 2, 1024), on the CPU.
    """
    config = trainee.config.with_quantisers()
    network = registry.build(config)
    transfer(trainee.network, network)
    calibrate(trainee.network.cpu(), network, iq_planes, trained=trainee.is_trained)
    return replace(trainee, network=network, config=config)


@torch.no_grad()
def calibrate(
    floating: nn.Module, quantised: nn.Module, iq_planes: Tensor, *, trained: bool
) -> None:
    """Set every learned activation range of `quantised` to what `floating` shows on some frames.

    The range is the 99.9 % quantile of the magnitude at the same place of the floating-point
    network, so that a rare peak does not cost every other value its resolution.

    Args:
        floating: The same network without quantisers.
        quantised: The network whose ranges are set.
        iq_planes: Frames to measure on, (n, 2, 1024).
        trained: Whether `floating` has been trained. One that has not has no running statistics
            yet: it is measured as its first step will see it, each layer normalised by the batch.
            By its untouched running statistics every layer would look smaller than the one before,
            and training would begin with almost everything clipped.
    """
    ranges: dict[str, Tensor] = {}

    def measure(name: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].flatten()
        if isinstance(module, nn.ReLU):
            values = values.clamp_min(0)
        elif isinstance(module, nn.Hardtanh):
            values = values.clamp(module.min_val, module.max_val)
        values = values.abs()
        stride = max(1, len(values) // _SAMPLES)
        found = torch.quantile(values[::stride].float(), _QUANTILE)
        # What two places share (the arms of a sum) must hold the larger one's values.
        ranges[name] = torch.maximum(found, ranges[name]) if name in ranges else found

    learned = {n: m for n, m in quantised.named_modules() if learned_scale(m) is not None}
    hooks = [
        module.register_forward_pre_hook(partial(measure, name))
        for name, module in floating.named_modules()
        if name in learned
    ]
    with in_mode(floating, training=not trained):
        floating(iq_planes)
    for hook in hooks:
        hook.remove()
    for name, value in ranges.items():
        set_learned_range(learned[name], float(value.clamp_min(_SMALLEST)))
