"""A recipe's phases as they run, their rounds spelt out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boltmod.config import FeedbackPhase, Phase, Recipe, TrainPhase, stage_names
from boltmod.run_folder import RunFolder
from boltmod.train.distill import checkpoint_file


@dataclass(frozen=True)
class Stage:
    """A phase as it runs: a prune phase of three rounds makes three stages.

    Args:
        number: Its place, from 0; it orders the checkpoint folders.
        settings: The phase, its name followed by the round's number where there are several.
    """

    number: int
    settings: Phase

    @property
    def name(self) -> str:
        """The phase's name, with the round's number."""
        return self.settings.name

    @property
    def quantised(self) -> bool:
        """Whether the network has quantisers."""
        return not isinstance(self.settings, TrainPhase) or self.settings.quantised

    def folder(self, run: RunFolder) -> Path:
        """Where its checkpoints lie."""
        return run.checkpoints / f"{self.number:02d}-{self.name}"


def stages(recipe: Recipe) -> list[Stage]:
    """Return a recipe's phases with their rounds spelt out."""
    result: list[Stage] = []
    for phase in recipe.phases:
        for name in stage_names(phase):
            result.append(Stage(len(result), phase.model_copy(update={"name": name})))
    return result


def epochs_after(recipe: Recipe, stage: Stage) -> int | None:
    """Return the epochs that the stages after one train for; None where feedback decides that."""
    later = stages(recipe)[stage.number + 1 :]
    if any(isinstance(each.settings, FeedbackPhase) for each in later):
        return None
    return sum(each.settings.epochs for each in later)


def start_file(path: Path) -> Path:
    """Return the file that a recipe's `start` stands for.

    Raises:
        CheckpointError: There is none.
    """
    return path if path.suffix == ".onnx" else checkpoint_file(path)


def identity(recipe: Recipe, stage: Stage) -> dict[str, Any]:
    """Return what must not have changed since a checkpoint was made."""
    document = recipe.model_dump(mode="json", include={"seed", "network", "data"})
    document["phase"] = stage.settings.model_dump(mode="json")
    if recipe.start is not None:
        document["start"] = hashlib.sha256(start_file(recipe.start).read_bytes()).hexdigest()
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    return {"recipe": recipe.name, "stage": stage.number, "sha256": digest}
