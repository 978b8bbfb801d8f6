"""Lowering bit widths after training, one bit of one layer at a time, the cheapest loss first.

Each candidate is a quantised layer's weights, or an activation, with one bit less. Its price is the
accuracy it loses over what it saves, both measured: accuracy on validation frames, saving by the
challenge's own cost tool on the exported network. The lowest price is paid, until the budget is
spent. Prices only grow stale slowly, so a price is taken again only when it is next to be paid.

Source: lazy greedy choice: M. Minoux, "Accelerated Greedy Algorithms for Maximizing Submodular Set
Functions", 1978; bit widths by sensitivity: K. Wang et al., "HAQ", CVPR 2019.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from boltmod.config import LowerPhase
from boltmod.nn.quantizers import bit_width, set_bit_width

_SAVES_NOTHING = float("inf")
_UNKNOWN = float("-inf")


@dataclass(frozen=True)
class Figures:
    """What a network is worth.

    Args:
        accuracy: Share of the validation frames classified right.
        bops: Bit operations of one inference.
        score: The challenge's score.
    """

    accuracy: float
    bops: float
    score: float


@dataclass(frozen=True)
class Step:
    """One bit taken away.

    Args:
        name: The layer or activation, by its module's name.
        bits: Bits it has from now on.
        figures: What the network is worth from now on.
    """

    name: str
    bits: int
    figures: Figures


def lowerable(network: nn.Module, phase: LowerPhase) -> dict[str, nn.Module]:
    """Return the layers and activations that may lose bits, by name."""
    aside = tuple(f"{name}." for name in getattr(network, "training_only", ()))
    return {
        name: module
        for name, module in network.named_modules()
        if bit_width(module) is not None
        and _wanted(module, phase)
        and not f"{name}.".startswith(aside)
    }


def lower(
    network: nn.Module, phase: LowerPhase, measure: Callable[[nn.Module], Figures]
) -> list[Step]:
    """Take bits away from a network, in place.

    Args:
        network: The quantised network.
        phase: What may be lowered, how far, and for what price.
        measure: Accuracy and cost of a network.

    Returns:
        The bits taken, in order.
    """
    modules = lowerable(network, phase)
    start = now = measure(network)
    steps: list[Step] = []
    queue = [(_UNKNOWN, name) for name in modules]
    fresh: dict[str, Figures] = {}
    while queue and now.score > phase.target_score:
        _, name = heapq.heappop(queue)
        bits = (bit_width(modules[name]) or 0) - 1
        if name in fresh:
            set_bit_width(modules[name], bits)
            now = fresh[name]
            steps.append(Step(name, bits, now))
            fresh = {}
            heapq.heappush(queue, (_UNKNOWN, name))
        elif bits >= phase.smallest_bits:
            after = _tried(network, modules[name], bits, measure)
            price = _price(now, after, phase)
            if price < _SAVES_NOTHING and start.accuracy - after.accuracy <= phase.largest_loss:
                fresh[name] = after
                heapq.heappush(queue, (price, name))
    return steps


def _tried(
    network: nn.Module, module: nn.Module, bits: int, measure: Callable[[nn.Module], Figures]
) -> Figures:
    """Return what the network would be worth with so many bits in one place."""
    before = bit_width(module) or bits
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    set_bit_width(module, bits)
    figures = measure(network)
    set_bit_width(module, before)
    # Learned scales were fitted to the bits tried.
    module.load_state_dict(state)
    return figures


def _wanted(module: nn.Module, phase: LowerPhase) -> bool:
    weight = getattr(module, "weight", None)
    if weight is not None and not weight.requires_grad:
        return False
    return phase.of == "both" or (phase.of == "weights") == (weight is not None)


def _price(before: Figures, after: Figures, phase: LowerPhase) -> float:
    """Return the accuracy lost for what is saved."""
    saved = getattr(before, phase.per) - getattr(after, phase.per)
    return (before.accuracy - after.accuracy) / saved if saved > 0 else _SAVES_NOTHING
