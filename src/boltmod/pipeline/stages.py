"""A recipe's phases one after the other, each going on where it was interrupted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from torch import nn

from boltmod.compress import prune
from boltmod.data.source.kept import Memory
from boltmod.files import fingerprint, sha256, write_json
from boltmod.nn import registry
from boltmod.pipeline.metrics import PHASE_RECORD, MetricsFile, RunObserver, Tee
from boltmod.pipeline.network_cost import network_cost
from boltmod.pipeline.processes import open_fabric
from boltmod.pipeline.recipe import Recipe
from boltmod.pipeline.start import begin, start_file
from boltmod.pipeline.workshop import Phase, Stage, Workshop
from boltmod.run_folder import RunFolder
from boltmod.train import checkpoint
from boltmod.train.allocator import keep_freed_memory
from boltmod.train.loop import accuracy
from boltmod.train.trainee import Trainee


def run_phases(
    recipe: Recipe, run: RunFolder, observer: RunObserver, processes: int = 1
) -> tuple[nn.Module, bool]:
    """Run every phase that is not finished yet.

    Args:
        recipe: What is to be trained, and how.
        run: Where.
        observer: Who watches.
        processes: How many processes train together.

    Returns:
        The finished network on the CPU, and whether anything was trained just now.

    Raises:
        ConfigError: A phase does not fit the network.
        CheckpointError: A checkpoint was made with another recipe or is damaged.
    """
    registry.check_unknown(recipe.config)
    keep_freed_memory()
    first = open_fabric(processes).is_global_zero
    trainee, trained = begin(recipe), False
    start = None if recipe.start is None else sha256(start_file(recipe.start))
    kept = recipe.data.keep_epochs
    memory = Memory(kept, recipe.seed) if kept else None
    with MetricsFile(run) if first else nullcontext() as metrics:
        watching = observer if metrics is None else Tee(metrics, observer)
        for stage in stages(recipe, start):
            finished = _finished(stage, run)
            if finished is not None:
                trainee = finished
                continue
            trained = True
            fabric = open_fabric(processes, stage.phase.precision)
            workshop = Workshop(recipe.data, recipe.seed, run, watching, fabric, stage, memory)
            trainee = _run_stage(trainee, workshop)
    return trainee.network.cpu(), trained


def stages(recipe: Recipe, start: str | None = None) -> list[Stage]:
    """Return a recipe's phases with their rounds spelt out.

    Args:
        recipe: The recipe.
        start: What tells what it starts from: the file's SHA-256.
    """
    shared = recipe.model_dump(mode="json", include={"seed", "network", "data"})
    if start is not None:
        shared["start"] = start
    frames: dict[str, str] = {}
    # A finished run can be looked at again without its file of frames; it is not asked for then.
    if recipe.data.path is not None and recipe.data.path.exists():
        frames["frames"] = fingerprint(recipe.data.path)
    phases = [each for phase in recipe.phases for each in phase.rounds_apart]
    return [
        Stage(
            number=number,
            phase=phase,
            identity={"recipe": recipe.name, "stage": number, "sha256": _digest(shared, phase)}
            | frames,
            epochs_after=_epochs(phases[number + 1 :]),
        )
        for number, phase in enumerate(phases)
    ]


def _epochs(phases: Sequence[Phase]) -> int | None:
    """Return the epochs that phases train for; None where accuracy decides that."""
    known = [phase.epochs_known for phase in phases]
    return None if None in known else sum(epochs or 0 for epochs in known)


def _digest(shared: dict[str, Any], phase: Phase) -> str:
    """Return what a phase's checkpoints are told by: the phase, and what all of them share."""
    document = shared | {"phase": phase.model_dump(mode="json")}
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _finished(stage: Stage, run: RunFolder) -> Trainee | None:
    """Return what a finished stage left; None if it is not finished.

    Raises:
        CheckpointError: It was made with another recipe, or another teacher.
    """
    path = stage.folder(run) / "final.safetensors"
    if not (stage.folder(run) / PHASE_RECORD).exists():
        return None
    if checkpoint.identified(path, stage.identity_in(run)) is None:
        return None
    return checkpoint.open_trainee(path)


def _run_stage(trainee: Trainee, workshop: Workshop) -> Trainee:
    """Run a stage, and leave its record beside its checkpoint."""
    stage, source, phase = workshop.stage, workshop.source, workshop.stage.phase
    if phase.epochs_known is not None:
        after, n_frames = stage.epochs_after, source.frames_per_epoch
        frames_after = None if after is None else after * n_frames
        workshop.observer.phase_begins(stage.name, phase.epochs_known * n_frames, frames_after)
    trainee, record = phase.run(trainee, workshop)
    reached = accuracy(trainee.network, source.validation())
    record = {
        "event": "phase",
        "phase": stage.name,
        "kind": phase.kind,
        "quantised": trainee.config.quantised,
        "validation_accuracy": reached,
        "sparsity": prune.sparsity(trainee.masks),
        "scale": workshop.data.scale,
        "batch_size": source.batch_size,
        **record,
    }
    if trainee.config.quantised:
        cost = network_cost(trainee.network, trainee.config)
        record |= {"bops": cost.bops, "weight_bits": cost.weight_bits, "score": cost.score}
    if workshop.fabric.is_global_zero:
        write_json(workshop.folder / PHASE_RECORD, record)
    workshop.observer.phase_ends(record)
    return trainee
