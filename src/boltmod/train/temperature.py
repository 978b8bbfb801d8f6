"""Probabilities that mean what they say: one temperature, multiplied into the last layer.

Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On Calibration of Modern Neural Networks", ICML
2017, section 4.2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from boltmod.data.source.frames import Frames
from boltmod.errors import ConfigError
from boltmod.nn.mode import evaluating

_SMALLEST, _LARGEST = 0.05, 20.0
_STEPS = 60
_GOLDEN = (math.sqrt(5) - 1) / 2
_BATCH = 512


def fit(scores: Tensor, class_ids: Tensor) -> float:
    """Return the temperature that makes the labels most likely, 0.05 to 20.

    Args:
        scores: A network's, (n, n_classes).
        class_ids: The truth, (n,).
    """

    def loss(log_temperature: float) -> float:
        scaled = scores.double() / math.exp(log_temperature)
        return float(nn.functional.cross_entropy(scaled, class_ids))

    # The loss is convex in 1/T and so has one minimum in log T: golden sections close in on it.
    low, high = math.log(_SMALLEST), math.log(_LARGEST)
    for _ in range(_STEPS):
        width = _GOLDEN * (high - low)
        if loss(high - width) < loss(low + width):
            high = low + width
        else:
            low = high - width
    return math.exp((low + high) / 2)


@torch.no_grad()
def calibrated(network: nn.Module, frames: Frames) -> float:
    """Fit a temperature on some frames and divide a network's last layer by it, in place.

    Weights and bias keep their integers: their scale alone changes.

    Args:
        network: The network, on the CPU; its last layer is called `dense`.
        frames: Frames that it was not trained on.

    Returns:
        The temperature.

    Raises:
        ConfigError: The network's last layer is none that a factor goes into.
    """
    last = getattr(network, "dense", None)
    if not isinstance(last, nn.Linear):
        raise ConfigError(
            "export.calibrate must have a network that ends in a dense layer, "
            f"not {type(network).__name__}; leave it out"
        )
    with evaluating(network):
        scores = torch.cat([network(part) for part in torch.split(frames.iq_planes, _BATCH)])
    temperature = fit(scores, frames.class_ids)
    last.weight.div_(temperature)
    if last.bias is not None:
        last.bias.div_(temperature)
    return temperature
