"""Auditing a submission for the leaderboard: held against every rule, costed and scored by us.

The submitter chooses neither the cost nor the frames: the cost is counted from the model in the
archive, and the frames are drawn by a seed that is drawn when the submission is looked at.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from boltmod import __version__
from boltmod.challenge.check import Progress, check, model_of
from boltmod.challenge.entry import KIND
from boltmod.challenge.measured import TEST_SHA256, TRAIN_SHA256
from boltmod.errors import DataFormatError
from boltmod.evaluation.standing import Question, standing
from boltmod.files import sha256


def submit(
    archive: Path, question: Question, real: Path | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Audit a submission and score its model.

    Args:
        archive: The zip file, as `boltmod challenge pack` writes it.
        question: The frames that the model is asked about.
        real: RadioML 2018.01A itself, to hold the claimed accuracy against.
        progress: Called with how many frames of how many are done.

    Returns:
        The entry: the result, every criterion, and where it comes from.

    Raises:
        DataFormatError: The archive cannot be read, or breaks a rule.
    """
    criteria = check(archive, real, progress)
    broken = [f"{each.name} ({each.reason})" for each in criteria if each.passed is False]
    if broken:
        raise DataFormatError(
            f"{archive} must keep every rule, and breaks {len(broken)}: {'; '.join(broken)}: "
            "mend it and pack it again"
        )
    digest = sha256(archive)
    model = model_of(archive)
    result = standing(model, question, progress)
    return {
        "kind": KIND,
        "result": asdict(replace(result, source=f"{archive.name}, SHA-256 {digest[:16]}")),
        "criteria": [asdict(each) for each in criteria],
        "provenance": {
            "archive": archive.name,
            "archive_sha256": digest,
            "model_sha256": hashlib.sha256(model.proto.SerializeToString()).hexdigest(),
            "question": asdict(question),
            "real_data": None if real is None else real.name,
            "split_sha256": {"test": TEST_SHA256, "train": TRAIN_SHA256},
            "boltmod": __version__,
            "scored_at": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    }


def submit_document(
    path: str,
    data: str,
    frames_per_cell: int | None,
    seed: int | None,
    real: str | None,
    progress: Progress,
) -> dict[str, Any]:
    """Audit a submission and score its model, as `boltmod.confined` hands it on."""
    question = Question(data, frames_per_cell, seed)
    return submit(Path(path), question, None if real is None else Path(real), progress)
