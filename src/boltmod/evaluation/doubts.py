"""What about labelled frames makes an accuracy doubtful, said beside it.

A file whose labels are in another order, whose frames have another level or are nothing but zeros
is measured as any other, and the figure says nothing about the network.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from boltmod.evaluation.metrics import Batch, Evaluation
from boltmod.model.metadata import InputScaling

_MOST_OFF = 4.0
"""How far the median of the frames' mean powers may be from 1, either way: RadioML's are within 2.
"""
_HIGH_SNR = 10
_LEAST_FRAMES_OF_A_CLASS = 20
_LEAST_GAIN = 0.25
_LEAST_SHARE = 0.5


class Doubts:
    """Looks at frames on their way to the network.

    Args:
        scaling: How the network's frames are scaled; the level counts where they go in as they
            stand.
        is_scaled: Whether each frame is brought to the network's level first.
    """

    def __init__(self, scaling: str, is_scaled: bool) -> None:
        self._has_level = scaling == InputScaling.UNIT_STD and not is_scaled
        self._powers: list[np.ndarray] = []

    def watched(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches as they are."""
        for batch in batches:
            with np.errstate(over="ignore"):
                self._powers.append(np.einsum("kct,kct->k", batch[0], batch[0]) / batch[0].shape[2])
            yield batch

    def sentences(self, result: Evaluation) -> Iterator[str]:
        """What whoever reads the accuracy should know."""
        powers = np.concatenate(self._powers) if self._powers else np.zeros(0)
        n_zero = int((powers == 0).sum())
        if n_zero:
            yield (
                f"{n_zero:,} of {len(powers):,} frames are nothing but zeros: no network can tell "
                "their class"
            )
        heard = powers[powers > 0]
        level = float(np.median(heard)) if len(heard) else 1.0
        if self._has_level and not 1 / _MOST_OFF <= level <= _MOST_OFF:
            yield (
                f"the frames have a mean power of {level:.3g}, and the network learned from frames "
                f"of about 1: multiply them by {level**-0.5:.3g} and measure again"
            )
        yield from _order(result)


def _order(result: Evaluation) -> Iterator[str]:
    """Whether the answers fit the labels far better in another order of the labels."""
    from scipy.optimize import linear_sum_assignment

    counts = result.confusion_from(_HIGH_SNR)
    n_frames = counts.sum()
    asked = counts.sum(axis=1)
    if not n_frames or asked[asked > 0].min() < _LEAST_FRAMES_OF_A_CLASS:
        return
    rows, answers = linear_sum_assignment(counts, maximize=True)
    best, found = counts[rows, answers].sum() / n_frames, counts.trace() / n_frames
    if best >= _LEAST_SHARE and best - found >= _LEAST_GAIN:
        true, said = next(
            (result.classes[row], result.classes[answer])
            for row, answer in zip(rows, answers, strict=True)
            if row != answer and counts[row].any()
        )
        yield (
            f"the labels may be in another order: from +{_HIGH_SNR} dB up {found:.0%} are right, "
            f"and {best:.0%} would be if {true} were {said} and so on; check the file with "
            "`boltmod data check`"
        )
