"""What the best classifier could reach, beside what was reached: measured once, kept in a table.

`ceilings.json` beside this file holds, by profile and version, what `boltmod ceiling` printed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from boltmod.evaluation.metrics import Evaluation
from boltmod.modulation import CLASSES


def ceiling_by_snr(evaluation: Evaluation) -> dict[int, float] | None:
    """The ceiling at each SNR label of an evaluation; None where none is known for its frames.

    Known it is for all 24 classes of a profile that was measured, and for no file.
    """
    profile = evaluation.data.partition(",")[0]
    ceiling = _ceilings().get(profile)
    if ceiling is None or evaluation.classes != CLASSES:
        return None
    return {snr: ceiling[snr] for snr in evaluation.snr_labels if snr in ceiling}


def share_of_possible(evaluation: Evaluation) -> float | None:
    """Accuracy over the ceiling of the same SNR labels, 0 to 1; None where none is known."""
    ceiling = ceiling_by_snr(evaluation)
    if ceiling is None or len(ceiling) != len(evaluation.snr_labels):
        return None
    frames = evaluation.confusion.sum((1, 2))
    best = sum(n * ceiling[snr] for n, snr in zip(frames, evaluation.snr_labels, strict=True))
    return float(evaluation.accuracy * frames.sum() / best)


@lru_cache(maxsize=1)
def _ceilings() -> Mapping[str, Mapping[int, float]]:
    document = json.loads(Path(__file__).with_name("ceilings.json").read_text(encoding="utf-8"))
    return {
        profile: {int(snr): share for snr, share in entry["by_snr"].items()}
        for profile, entry in document.items()
    }
