"""Magnitude pruning: which weights are zero from now on.

Source: S. Han et al., "Learning both Weights and Connections for Efficient Neural Networks",
NeurIPS 2015; global competition on normalised magnitudes as in J. Lee et al., ICLR 2021.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn


def prunable(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights of convolutions and dense layers, by their name in the network."""
    return {name: p for name, p in network.named_parameters() if p.ndim > 1}


@torch.no_grad()
def smallest(
    network: nn.Module,
    masks: Mapping[str, Tensor],
    fraction: float,
    scope: Literal["global", "layer"],
) -> dict[str, Tensor]:
    """Return masks that zero `fraction` of the weights that are not zero yet.

    Args:
        network: The network.
        masks: Masks so far (float, 1 kept, 0 zeroed), by parameter name; missing means all kept.
        fraction: Share of the remaining weights to zero, in (0, 1).
        scope: `layer` zeroes that share of each tensor; `global` lets all weights compete, each
            measured against the root mean square of what is left of its tensor. No tensor loses
            its last weight.

    Returns:
        A mask for every prunable tensor, none of them keeping what `masks` had zeroed.
    """
    weights = prunable(network)
    kept = {name: masks.get(name, torch.ones_like(w)).bool() for name, w in weights.items()}
    strength = {name: _strength(w, kept[name], scope) for name, w in weights.items()}
    if scope == "global":
        all_left = torch.cat([strength[name][kept[name]] for name in weights])
        threshold = _threshold(all_left, fraction)
        thresholds = dict.fromkeys(weights, threshold)
    else:
        thresholds = {name: _threshold(strength[name][kept[name]], fraction) for name in weights}
    result = {}
    for name in weights:
        keep = kept[name] & (strength[name] > thresholds[name])
        if not keep.any():
            keep = kept[name] & (strength[name] == strength[name][kept[name]].max())
        result[name] = keep.float()
    return result


@torch.no_grad()
def apply(network: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Zero the masked weights."""
    for name, parameter in prunable(network).items():
        if name in masks:
            parameter.mul_(masks[name].to(parameter.device))


def sparsity(masks: Mapping[str, Tensor]) -> float:
    """Return the share of prunable weights that the masks zero; 0 without masks."""
    total = sum(mask.numel() for mask in masks.values())
    return 1 - sum(float(mask.sum()) for mask in masks.values()) / total if total else 0.0


def _strength(weight: Tensor, kept: Tensor, scope: str) -> Tensor:
    magnitude = weight.detach().abs()
    if scope == "layer":
        return magnitude
    return magnitude / magnitude[kept].square().mean().sqrt().clamp_min(1e-12)


def _threshold(strength: Tensor, fraction: float) -> Tensor:
    count = int(fraction * len(strength))
    if count == 0:
        return strength.new_tensor(-1.0)
    return strength.kthvalue(count).values
