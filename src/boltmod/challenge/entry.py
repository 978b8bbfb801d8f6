"""A leaderboard's entries: submissions held against every rule, costed and scored by us.

The submitter chooses neither the cost nor the frames: the cost is counted from the model in the
archive, and the frames are drawn by a seed that is drawn when the submission is looked at.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from boltmod import __version__
from boltmod.challenge.check import Progress, check, model_of
from boltmod.challenge.measured import TEST_SHA256, TRAIN_SHA256
from boltmod.cost.published import Result
from boltmod.errors import DataFormatError
from boltmod.evaluation.standing import Question, standing
from boltmod.files import refuse_existing, sha256, write_json

SUFFIX = ".entry.json"
_KIND = "boltmod leaderboard entry"


def drawn_seed() -> int:
    """A seed that nobody could know beforehand."""
    return secrets.randbelow(2**31 - 2)


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
        "kind": _KIND,
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


def write(path: Path, entry: dict[str, Any], force: bool = False) -> None:
    """Write an entry's file, whole or not at all.

    Raises:
        ConfigError: It exists, and shall not be written over.
    """
    refuse_existing(path, force)
    write_json(path, entry)


def read(path: Path) -> Result:
    """Read the result of an entry's file.

    Raises:
        DataFormatError: It is none.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["kind"] != _KIND:
            raise ValueError(document["kind"])
        return Result(**document["result"])
    except (OSError, ValueError, KeyError, TypeError):
        raise DataFormatError(
            f"{path} must be what `boltmod leaderboard submit` writes, and is not: submit again"
        ) from None
