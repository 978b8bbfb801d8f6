"""Feedback pruning: prune and train again, in ever smaller steps, while accuracy stays up.

Source: "The A(MC) Team", Feedback-Magnitude-Pruning, ITU-ML5G-PS-007: steps of 20 %, halved
whenever accuracy falls below the floor, until they are too small.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import Tensor

from boltmod.compress import prune, saliency
from boltmod.config import FeedbackPhase
from boltmod.files import write_json
from boltmod.pipeline.metrics import ATTEMPTS, RunObserver
from boltmod.train import checkpoint
from boltmod.train.loop import Progress, Task, accuracy, finish_with, train

_RECORD = "attempt.json"


@dataclass
class Standing:
    """What the attempts so far have come to.

    Args:
        weights: The network's state after the last attempt that was kept.
        masks: Its pruned weights.
        fraction: What the next attempt zeroes of the remaining weights.
        attempts: A record of each attempt.
    """

    weights: dict[str, Tensor]
    masks: Mapping[str, Tensor]
    fraction: float
    attempts: list[dict[str, Any]]


def run_feedback(
    task: Task, phase: FeedbackPhase, fabric: Fabric, observer: RunObserver
) -> tuple[Progress, Standing]:
    """Run a feedback phase from its first attempt, or from where it was interrupted.

    Returns:
        All epochs of all attempts, and what the phase ends with; the network has those weights.
    """
    at = Standing(_weights(task), task.masks, phase.fraction, [])
    progress = Progress()
    while at.fraction >= phase.smallest_fraction:
        masks = prune.smallest(
            task.network, at.masks, at.fraction, phase.scope,
            measure=phase.measure, layers=phase.layers,
            saliency=saliency.measured(task.network, phase.measure, task.source),
        )  # fmt: skip
        if prune.sparsity(masks) <= prune.sparsity(at.masks):
            break
        number = len(at.attempts) + 1
        attempt = replace(
            task,
            phase=phase.model_copy(update={"name": f"{phase.name}-{number}"}),
            folder=task.folder / ATTEMPTS.replace("*", f"{number:03d}"),
            identity={**task.identity, "attempt": number},
            masks=masks,
        )
        own, record = _attempt(attempt, phase, at, fabric, observer)
        at.attempts.append(record)
        progress.epoch += own.epoch
        progress.seconds += own.seconds
        progress.records += own.records
        if record["kept"]:
            at.weights, at.masks = _weights(task), masks
        else:
            task.network.load_state_dict(at.weights)
            at.fraction /= 2
    whole = Progress(progress.epoch, seconds=progress.seconds)
    finish_with(replace(task, masks=at.masks), fabric, whole)
    return progress, at


def _attempt(
    task: Task, phase: FeedbackPhase, at: Standing, fabric: Fabric, observer: RunObserver
) -> tuple[Progress, dict[str, Any]]:
    path: Path = task.folder / _RECORD
    if path.exists():
        found = checkpoint.load(task.final)
        checkpoint.restore(task.network, found, task.final)
        return Progress(**found.state["progress"]), json.loads(path.read_text(encoding="utf-8"))
    frames = phase.epochs * task.source.frames_per_epoch
    observer.phase_begins(task.phase.name, frames, None)
    prune.apply(task.network, task.masks)
    own = train(task, fabric, observer)
    reached = fabric.broadcast(accuracy(task.network, task.source.validation()))
    record = {
        "fraction": at.fraction,
        "sparsity": prune.sparsity(task.masks),
        "validation_accuracy": reached,
        "kept": reached >= phase.floor,
    }
    if fabric.is_global_zero:
        write_json(path, record)
    fabric.barrier()
    return own, record


def _weights(task: Task) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in task.network.state_dict().items()}
