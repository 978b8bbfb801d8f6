"""Whether an exported model computes what its network computes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from boltmod.export.agreement import Agreement, agreement, in_onnx_runtime
from boltmod.model.lowering import lower
from boltmod.model.onnx_file import Model
from boltmod.nn.mode import evaluating

_BATCH = 64


def compare(network: nn.Module, model: Model, iq_planes: Tensor, tolerance: float) -> Agreement:
    """Run a network in torch and its exported model in ONNX Runtime on the same frames.

    Args:
        network: The network, on the CPU.
        model: Its export.
        iq_planes: Frames, (n, 2, 1024) float32.
        tolerance: Largest difference of a score, in standard deviations of all scores.

    Raises:
        ExportMismatchError: A score differs by more than the tolerance, or more than a hundredth
            of the frames change class.
    """
    ours = _in_torch(network, iq_planes)
    theirs = in_onnx_runtime(lower(model), iq_planes.numpy())
    return agreement(ours, theirs, tolerance)


@torch.no_grad()
def _in_torch(network: nn.Module, iq_planes: Tensor) -> NDArray[np.float32]:
    with evaluating(network):
        scores = torch.cat([network(part) for part in torch.split(iq_planes, _BATCH)])
    result: NDArray[np.float32] = scores.numpy()
    return result
