"""Weights that oscillate between two roundings are held at the one nearer to their mean.

A quantised weight whose best value lies between two levels is pushed over the threshold between
them and back, again and again, however small the steps: the rest of the network never sees it
settle, and batch normalisation measures a network that is another one a step later.

Source: M. Nagel et al., "Overcoming Oscillations in Quantization-Aware Training", ICML 2022,
sections 2.2 and 4.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, pi
from typing import NamedTuple

import torch
from torch import Tensor, nn

from boltmod.nn.quantizers import weight_levels

_MEMORY = 0.01
"""Weight of the newest step in running means."""
_LAST_SHARE = 0.25
"""What is left of the threshold at a phase's end."""


class _Watched(NamedTuple):
    """What is known of a layer's weights, each in their shape; views of one tensor.

    Attributes:
        level: The integer that each is rounded to.
        direction: Where it last went: -1, 1, or 0 if it has not moved yet.
        turning: In which share of the last steps it turned back.
        mean: The level's running mean.
        held: 1 where the weight is held, else 0.
    """

    level: Tensor
    direction: Tensor
    turning: Tensor
    mean: Tensor
    held: Tensor


class Oscillations:
    """Watches a network's quantised weights in training, and holds those that oscillate.

    Args:
        network: The network, its weights restored if it goes on.
        threshold: Share of steps in which a weight turns back, above which it is held.
        state: What `tensors` gave, where a training goes on.
    """

    def __init__(self, network: nn.Module, threshold: float, state: Mapping[str, Tensor]) -> None:
        self._threshold = threshold
        self._layers: dict[str, nn.Module] = {}
        self._states: dict[str, Tensor] = {}
        if threshold == 0:
            return
        for name, layer in network.named_modules():
            found = weight_levels(layer)
            if found is None or not layer.get_parameter("weight").requires_grad:
                continue
            levels, _ = found
            nothing = torch.zeros_like(levels)
            fresh = torch.stack(_Watched(levels, nothing, nothing, levels, nothing))
            self._layers[name] = layer
            self._states[name] = state[name].to(fresh.device) if name in state else fresh

    @torch.no_grad()
    def after_step(self, share_done: float) -> None:
        """See where the weights are after a step, and put those that are held back to their level.

        Args:
            share_done: Of the phase's steps.
        """
        falling = _LAST_SHARE + (1 - _LAST_SHARE) * (1 + cos(pi * share_done)) / 2
        for name, layer in self._layers.items():
            _follow(layer, _Watched(*self._states[name]), self._threshold * falling)

    def tensors(self) -> dict[str, Tensor]:
        """Return what a training that is interrupted goes on with, by the layers' names."""
        return self._states

    @property
    def n_held(self) -> int:
        """How many weights are held."""
        return sum(int(_Watched(*state).held.sum()) for state in self._states.values())


def _follow(layer: nn.Module, seen: _Watched, threshold: float) -> None:
    found = weight_levels(layer)
    assert found is not None
    levels, scale = found
    is_held = seen.held.bool()
    moved = torch.where(is_held, 0.0, levels - seen.level).sign_()
    turned = moved * seen.direction < 0
    seen.turning.lerp_(turned.float(), _MEMORY)
    seen.direction.copy_(torch.where(moved == 0, seen.direction, moved))
    seen.level.copy_(torch.where(is_held, seen.level, levels))
    seen.mean.lerp_(seen.level, _MEMORY)
    caught = (seen.turning > threshold) & ~is_held
    seen.level.copy_(torch.where(caught, seen.mean.round(), seen.level))
    seen.held.masked_fill_(caught, 1)
    is_held |= caught
    if bool(is_held.any()):
        weight = layer.get_parameter("weight")
        weight.copy_(torch.where(is_held, seen.level * scale, weight))
