"""What a weight is worth: how far the answers would move without it, for the cost that it saves.

Near a minimum the loss rises by w²/2 times its second derivative when a weight w goes; for that the
Fisher information stands here: the mean square of the gradient for labels drawn from the network's
own answers, softened by a temperature. Not the given labels, and not the answers as they are: where
a network is sure and right the gradient of its loss is zero, and just the weights that make it sure
would seem worthless.

Sources: Y. LeCun, J. Denker, S. Solla, "Optimal Brain Damage", NIPS 1989; F. Kunstner et al.,
"Limitations of the Empirical Fisher Approximation for Natural Gradient Descent", NeurIPS 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from boltmod.compress.prune import Measure, prunable
from boltmod.cost.score import score
from boltmod.data.source.frames import FrameSource
from boltmod.nn import quantizers
from boltmod.nn.mode import evaluating

_FLOAT_BITS = 32
_BATCH = 32
"""Drawn labels make gradients of mean zero: the mean square of a batch's is that of a frame's over
its size, whatever the batch holds."""
_TEMPERATURE = 4.0
_SEED = 2018


def measured(network: nn.Module, measure: Measure, source: FrameSource) -> dict[str, Tensor] | None:
    """Return what `prune.smallest` wants of a network, on a source's validation frames."""
    if measure != "loss_per_cost":
        return None
    frames = source.validation()
    device = next(network.parameters()).device
    return loss_per_cost(network, frames.iq_planes.to(device))


def loss_per_cost(network: nn.Module, iq_planes: Float[Tensor, "n 2 1024"]) -> dict[str, Tensor]:
    """Return every prunable weight's expected rise of the loss for the score that it costs.

    Only ratios mean something: the common factors are left out.

    Args:
        network: The network; left as it was found.
        iq_planes: Frames to measure on; some thousands.

    Returns:
        A number a weight, by parameter name, in the shape of the parameter.
    """
    weights = prunable(network)
    squares = _squared_gradients(network, weights, iq_planes)
    prices = weight_prices(network, iq_planes[:1])
    return {
        name: weight.detach().square() * squares[name] / prices[name]
        for name, weight in weights.items()
    }


@torch.no_grad()
def weight_prices(network: nn.Module, frame: Float[Tensor, "1 2 1024"]) -> dict[str, float]:
    """Return what one weight that is not zero adds to the challenge's score, by parameter name.

    Args:
        network: The network; its layers run one after the other.
        frame: Any frame.
    """
    prices: dict[str, float] = {}
    input_bits = _FLOAT_BITS

    def note(name: str, layer: nn.Module, _: Any, output: Any) -> None:
        nonlocal input_bits
        if name not in names:
            input_bits = quantizers.bit_width(layer) or input_bits
            return
        bits = quantizers.bit_width(layer) or _FLOAT_BITS
        positions = output.shape[-1] if output.ndim == 3 else 1
        prices[f"{name}.weight"] = score(bits * input_bits * positions, bits)

    names = {name.removesuffix(".weight") for name in prunable(network)}
    acts = {name for name, module in network.named_modules() if quantizers.has_act(module)}
    hooks = [
        module.register_forward_hook(partial(note, name))
        for name, module in network.named_modules()
        if name in names | acts
    ]
    with evaluating(network):
        network(frame)
    for hook in hooks:
        hook.remove()
    return prices


def _squared_gradients(
    network: nn.Module, weights: Mapping[str, nn.Parameter], iq_planes: Tensor
) -> dict[str, Tensor]:
    """Return the sums of squared gradients of weights as they are used.

    A learned scale clips the largest weights: by the stored weight their gradient is zero, and they
    would seem worthless.
    """
    used: dict[str, Tensor] = dict(weights)

    def note(name: str, _: nn.Module, __: Any, quantised: Any) -> None:
        used[name] = getattr(quantised, "value", quantised)

    hooks = [
        layer.register_forward_hook(partial(note, name))
        for name in weights
        if (layer := quantizers.weight_quantiser(_layer_of(network, name))) is not None
    ]
    draws = torch.Generator().manual_seed(_SEED)
    sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    with evaluating(network):
        for part in torch.split(iq_planes, _BATCH):
            scores = network(part) / _TEMPERATURE
            answers = scores.detach().softmax(1).cpu()
            drawn = torch.multinomial(answers, 1, generator=draws)[:, 0].to(part.device)
            loss = nn.functional.cross_entropy(scores, drawn)
            gradients = torch.autograd.grad(loss, [used[name] for name in weights])
            for total, gradient in zip(sums.values(), gradients, strict=True):
                total += gradient.square()
    for hook in hooks:
        hook.remove()
    return sums


def _layer_of(network: nn.Module, weight: str) -> nn.Module:
    return network.get_submodule(weight.rpartition(".")[0])
