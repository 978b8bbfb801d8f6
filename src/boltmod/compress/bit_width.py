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
from typing import Literal

from pydantic import Field
from torch import nn

from boltmod.nn.quantizers import bit_width, set_bit_width
from boltmod.toml_table import Section

_SAVES_NOTHING = float("inf")
_UNKNOWN = float("-inf")


class Lowering(Section):
    """What may lose bits, how far, and for what price.

    Attributes:
        of: What loses bits.
        per: What a loss of accuracy is weighed against: bit operations, or the whole score.
        smallest_bits: No layer goes below.
        largest_loss: Accuracy on the validation frames that may be lost in all, before training.
        target_score: Nothing is lowered further once the challenge's score is at or below this.
    """

    of: Literal["weights", "activations", "both"] = "both"
    per: Literal["bops", "score"] = "score"
    smallest_bits: int = Field(2, ge=2, le=8)
    largest_loss: float = Field(0.01, ge=0, le=1)
    target_score: float = Field(0.0, ge=0)


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


Measure = Callable[[nn.Module], Figures]
"""Accuracy and cost of a network."""


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


def lowerable(network: nn.Module, rule: Lowering) -> dict[str, nn.Module]:
    """Return the layers and activations that may lose bits, by name."""
    aside = tuple(f"{name}." for name in getattr(network, "training_only", ()))
    return {
        name: module
        for name, module in network.named_modules()
        if bit_width(module) is not None
        and _wanted(module, rule)
        and not f"{name}.".startswith(aside)
    }


def lower(network: nn.Module, rule: Lowering, measure: Measure) -> list[Step]:
    """Take bits away from a network, in place.

    Args:
        network: The quantised network.
        rule: What may be lowered, how far, and for what price.
        measure: Accuracy and cost of a network.

    Returns:
        The bits taken, in order.
    """
    modules = lowerable(network, rule)
    start = now = measure(network)
    steps: list[Step] = []
    queue = [(_UNKNOWN, name) for name in modules]
    fresh: dict[str, Figures] = {}
    while queue and now.score > rule.target_score:
        _, name = heapq.heappop(queue)
        bits = (bit_width(modules[name]) or 0) - 1
        if name in fresh:
            set_bit_width(modules[name], bits)
            now = fresh[name]
            steps.append(Step(name, bits, now))
            fresh = {}
            heapq.heappush(queue, (_UNKNOWN, name))
        elif bits >= rule.smallest_bits:
            after = _tried(network, modules[name], bits, measure)
            price = _price(now, after, rule)
            if price < _SAVES_NOTHING and start.accuracy - after.accuracy <= rule.largest_loss:
                fresh[name] = after
                heapq.heappush(queue, (price, name))
    return steps


def _tried(network: nn.Module, module: nn.Module, bits: int, measure: Measure) -> Figures:
    """Return what the network would be worth with so many bits in one place."""
    before = bit_width(module) or bits
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    set_bit_width(module, bits)
    figures = measure(network)
    set_bit_width(module, before)
    # Learned scales were fitted to the bits tried.
    module.load_state_dict(state)
    return figures


def _wanted(module: nn.Module, rule: Lowering) -> bool:
    weight = getattr(module, "weight", None)
    if weight is not None and not weight.requires_grad:
        return False
    return rule.of == "both" or (rule.of == "weights") == (weight is not None)


def _price(before: Figures, after: Figures, rule: Lowering) -> float:
    """Return the accuracy lost for what is saved."""
    saved = getattr(before, rule.per) - getattr(after, rule.per)
    return (before.accuracy - after.accuracy) / saved if saved > 0 else _SAVES_NOTHING
