"""Whether an exported model computes what its network computes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from boltmod.errors import ExportMismatchError
from boltmod.model.lowering import lower
from boltmod.model.onnx_file import Model
from boltmod.nn.mode import evaluating

_BATCH = 64

_MOST_TIES = 0.01
"""Share of frames that may change class, all scores within the tolerance: two classes score alike
there, and one sum taken in another order decides between them."""


@dataclass(frozen=True)
class Agreement:
    """How well two implementations of a network agree on some frames.

    Args:
        frames: Frames both classified.
        same_class: Frames given the same class.
        largest_difference: Largest difference of a score, in standard deviations of all scores.
            It is not zero where a value falls on the edge between two quantisation steps: sums
            taken in another order then round to the other side.
        identical_scores: Frames whose scores all differ by less than 1e-4 standard deviations.
    """

    frames: int
    same_class: int
    largest_difference: float
    identical_scores: int

    @property
    def words(self) -> str:
        """How well they agree, in words."""
        which = "all" if self.same_class == self.frames else f"{self.same_class} of"
        return (
            f"same class as the network on {which} {self.frames} frames, scores within "
            f"{self.largest_difference:.1e} standard deviations"
        )


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
    theirs = _in_onnx_runtime(model, iq_planes.numpy())
    difference = np.abs(ours - theirs).max(axis=1) / ours.std()
    agreement = Agreement(
        frames=len(ours),
        same_class=int((ours.argmax(1) == theirs.argmax(1)).sum()),
        largest_difference=float(difference.max()),
        identical_scores=int((difference < 1e-4).sum()),
    )
    changed = agreement.frames - agreement.same_class
    if changed > _MOST_TIES * agreement.frames or agreement.largest_difference > tolerance:
        raise ExportMismatchError(
            f"the exported model and the network must agree on {agreement.frames} frames, but for "
            f"ties, not on {agreement.same_class} with scores {agreement.largest_difference:.2g} "
            f"standard deviations apart (tolerance {tolerance:g}); no model was written"
        )
    return agreement


@torch.no_grad()
def _in_torch(network: nn.Module, iq_planes: Tensor) -> NDArray[np.float32]:
    with evaluating(network):
        scores = torch.cat([network(part) for part in torch.split(iq_planes, _BATCH)])
    result: NDArray[np.float32] = scores.numpy()
    return result


def _in_onnx_runtime(model: Model, iq_planes: NDArray[np.float32]) -> NDArray[np.float32]:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(
        lower(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    parts = [iq_planes[i : i + _BATCH] for i in range(0, len(iq_planes), _BATCH)]
    return np.concatenate([session.run(None, {name: part})[0] for part in parts])
