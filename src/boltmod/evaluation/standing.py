"""A network's place among others: what it costs and how often it is right, both measured here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from boltmod.cost.inference_cost import count
from boltmod.cost.published import Result
from boltmod.cost.score import MINIMUM_ACCURACY
from boltmod.evaluation.evaluate import Progress, evaluate
from boltmod.model.onnx_file import Model, as_model

SEED = 2020
"""Of the frames that every network on the leaderboard is asked about if nobody says otherwise."""


@dataclass(frozen=True)
class Question:
    """Which frames networks are asked about.

    Args:
        data: A generator's profile, or a file in RadioML's layout.
        frames_per_cell: Frames of each (class, SNR) pair; of a file all of its test split if None.
        seed: Of a profile.
    """

    data: str = "twin"
    frames_per_cell: int | None = 40
    seed: int | None = SEED


def standing(
    model: Model | Path | str, question: Question, progress: Progress | None = None
) -> Result:
    """Count what a network costs and measure how often it is right.

    Args:
        model: The network, its `.onnx` file, or the name of one that comes with boltmod.
        question: What it is asked.
        progress: Called with how many frames of how many are done.

    Raises:
        ModelFormatError: It is no classifier of frames.
    """
    known = as_model(model)
    cost = count(known)
    found = evaluate(
        known,
        question.data,
        frames_per_cell=question.frames_per_cell,
        seed=question.seed,
        progress=progress,
    )
    remark = "" if found.accuracy >= MINIMUM_ACCURACY else f"below the {MINIMUM_ACCURACY:.0%} asked"
    return Result(
        name=known.name,
        accuracy=found.accuracy,
        score=cost.score,
        measured_on=found.data,
        source=str(model if isinstance(model, str | Path) else known.name),
        bops=cost.bops,
        weight_bits=cost.weight_bits,
        strict_score=None if cost.strict is None else cost.strict.score,
        remarks=remark,
        is_own=True,
    )
