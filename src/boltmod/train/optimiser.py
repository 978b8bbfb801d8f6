"""The optimiser of a training: what decays, and what moves slowly."""

from __future__ import annotations

import torch
from torch import nn

from boltmod.nn.quantizers import learned_scale, learned_weight_scale
from boltmod.train.settings import Optimisation

_SCALE_LEARNING_RATE = 0.1


def make_optimiser(network: nn.Module, settings: Optimisation) -> torch.optim.Optimizer:
    """Return the phase's optimiser.

    Weights of convolutions and dense layers decay; biases and normalisation do not; learned
    ranges do not and move at a tenth of the learning rate.
    """
    scales = {
        id(p)
        for find in (learned_scale, learned_weight_scale)
        for m in network.modules()
        if (p := find(m)) is not None
    }
    weights: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    ranges: list[nn.Parameter] = []
    for parameter in network.parameters():
        if not parameter.requires_grad:
            continue
        if id(parameter) in scales:
            ranges.append(parameter)
        else:
            (weights if parameter.ndim > 1 else others).append(parameter)
    groups = [
        {"params": weights, "weight_decay": settings.weight_decay, "rate": 1.0},
        {"params": others, "weight_decay": 0.0, "rate": 1.0},
        {"params": ranges, "weight_decay": 0.0, "rate": _SCALE_LEARNING_RATE},
    ]
    kind = torch.optim.AdamW if settings.optimiser == "adamw" else torch.optim.Adam
    return kind([g for g in groups if g["params"]], lr=settings.learning_rate)
