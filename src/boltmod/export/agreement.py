"""How well two implementations of a network agree on some frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from boltmod.errors import ExportMismatchError

Scores = NDArray[np.float32]

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


def agreement(ours: Scores, theirs: Scores, tolerance: float) -> Agreement:
    """Compare the scores that a network and its export give the same frames.

    Args:
        ours: The network's scores, (n, classes).
        theirs: The export's.
        tolerance: Largest difference of a score, in standard deviations of all scores.

    Raises:
        ExportMismatchError: A score differs by more than the tolerance, or more than a hundredth
            of the frames change class.
    """
    difference = np.abs(ours - theirs).max(axis=1) / ours.std()
    found = Agreement(
        frames=len(ours),
        same_class=int((ours.argmax(1) == theirs.argmax(1)).sum()),
        largest_difference=float(difference.max()),
        identical_scores=int((difference < 1e-4).sum()),
    )
    changed = found.frames - found.same_class
    if changed > _MOST_TIES * found.frames or found.largest_difference > tolerance:
        raise ExportMismatchError(
            f"the exported model and the network must agree on {found.frames} frames, but for "
            f"ties, not on {found.same_class} with scores {found.largest_difference:.2g} "
            f"standard deviations apart (tolerance {tolerance:g}); no model was written"
        )
    return found


def in_onnx_runtime(proto: onnx.ModelProto, iq_planes: NDArray[np.float32]) -> Scores:
    """Return what ONNX Runtime, as it comes, makes of frames.

    Args:
        proto: A network in standard operators, of an open batch.
        iq_planes: Frames, (n, 2, 1024).

    Returns:
        Scores, (n, classes).
    """
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    parts = [iq_planes[i : i + _BATCH] for i in range(0, len(iq_planes), _BATCH)]
    return np.concatenate([session.run(None, {name: part})[0] for part in parts])
