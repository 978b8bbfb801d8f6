"""Magnitude pruning: which weights are zero from now on.

Source: S. Han et al., "Learning both Weights and Connections for Efficient Neural Networks",
NeurIPS 2015; global competition on normalised magnitudes as in J. Lee et al., ICLR 2021.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from boltmod.nn.quantizers import parameters_but_weight_scales
from boltmod.toml_table import Section

Measure = Literal["absolute", "relative", "loss_per_cost"]
Layers = Literal["all", "convolutions", "dense"]


class Pruning(Section):
    """Which weights pruning looks at, and how it compares them.

    Attributes:
        layers: Which layers lose weights. No tensor loses its last weight.
        scope: Who competes: all weights (`global`), those of all convolutions and those of all
            dense layers apart (`kind`), or each layer's own (`layer`).
        measure: A weight's own magnitude (`absolute`), its ratio to the root mean square of what
            is left of its layer (`relative`), or by how much the loss would rise without it, for
            the score that it costs (`loss_per_cost`, measured on the validation frames).
    """

    layers: Layers = "all"
    scope: Literal["global", "kind", "layer"] = "global"
    measure: Measure = "relative"


def prunable(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights of convolutions and dense layers, by their name in the network.

    Left out are fixed weights, learned scales, and those of layers that serve training alone.
    """
    aside = tuple(f"{name}." for name in getattr(network, "training_only", ()))
    return {
        name: parameter
        for name, parameter in parameters_but_weight_scales(network).items()
        if parameter.ndim > 1 and parameter.requires_grad and not name.startswith(aside)
    }


@torch.no_grad()
def smallest(
    network: nn.Module,
    masks: Mapping[str, Tensor],
    fraction: float,
    rule: Pruning,
    *,
    saliency: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Return masks that zero `fraction` of the weights that are not zero yet.

    Args:
        network: The network.
        masks: Masks so far (float, 1 kept, 0 zeroed), by parameter name; missing means all kept.
        fraction: Share of the remaining weights to zero, in (0, 1).
        rule: Which weights compete, and by what.
        saliency: What each weight is worth, by parameter name (see `saliency.loss_per_cost`).

    Returns:
        A mask for every prunable tensor, none of them keeping what `masks` had zeroed.
    """
    kept, strength = _standing(network, masks, rule.measure, saliency)
    weights = prunable(network)
    rivals: dict[str, list[str]] = {}
    for name, weight in weights.items():
        if _takes_part(weight, rule.layers):
            group = {"layer": name, "kind": _kind(weight), "global": ""}[rule.scope]
            rivals.setdefault(group, []).append(name)
    for names in rivals.values():
        left = torch.cat([strength[name][kept[name]] for name in names])
        # By their ranks, not by a threshold: of weights worth the same no more go than shall.
        gone = torch.zeros_like(left, dtype=torch.bool)
        gone[left.argsort(stable=True)[: int(fraction * len(left))]] = True
        parts = torch.split(gone, [int(kept[name].sum()) for name in names])
        kept |= {n: _without(g, strength[n], kept[n]) for n, g in zip(names, parts, strict=True)}
    return {name: keep.float() for name, keep in kept.items()}


@torch.no_grad()
def below(
    network: nn.Module,
    masks: Mapping[str, Tensor],
    threshold: float,
    rule: Pruning,
) -> dict[str, Tensor]:
    """Return masks that zero every weight up to a threshold.

    Args:
        network: The network.
        masks: Masks so far, as for `smallest`.
        threshold: Largest magnitude that is zeroed, by the rule's measure; `relative` makes it a
            layer's own.
        rule: Which weights are looked at, and by what; nobody competes.

    Returns:
        A mask for every prunable tensor, none of them keeping what `masks` had zeroed.
    """
    kept, strength = _standing(network, masks, rule.measure)
    for name, weight in prunable(network).items():
        if _takes_part(weight, rule.layers):
            gone = strength[name][kept[name]] <= threshold
            kept[name] = _without(gone, strength[name], kept[name])
    return {name: keep.float() for name, keep in kept.items()}


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


def _standing(
    network: nn.Module,
    masks: Mapping[str, Tensor],
    measure: Measure,
    saliency: Mapping[str, Tensor] | None = None,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return which weights are left, and how strong each weight is, by parameter name."""
    kept, strength = {}, {}
    for name, weight in prunable(network).items():
        magnitude = weight.detach().abs()
        left = masks[name].to(weight.device).bool() if name in masks else magnitude >= 0
        if measure == "relative":
            magnitude = magnitude / magnitude[left].square().mean().sqrt().clamp_min(1e-12)
        if measure == "loss_per_cost":
            assert saliency is not None
            magnitude = saliency[name]
        kept[name], strength[name] = left, magnitude
    return kept, strength


def _kind(weight: Tensor) -> Layers:
    return "dense" if weight.ndim == 2 else "convolutions"


def _takes_part(weight: Tensor, layers: Layers) -> bool:
    return layers in ("all", _kind(weight))


def _without(gone: Tensor, strength: Tensor, kept: Tensor) -> Tensor:
    """Return what is kept without those of it that go, but never without the strongest."""
    left = kept.clone()
    left[kept] = ~gone
    return left if left.any() else kept & (strength == strength[kept].max())
