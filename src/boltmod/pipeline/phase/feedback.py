"""Feedback pruning: prune and train again, in ever smaller steps, while accuracy stays up.

Source: "The A(MC) Team", Feedback-Magnitude-Pruning, ITU-ML5G-PS-007: steps of 20 %, halved
whenever accuracy falls below the floor, until they are too small.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Literal

from pydantic import Field
from torch import Tensor

from boltmod.compress import prune, saliency
from boltmod.compress.prune import Pruning
from boltmod.files import write_json
from boltmod.pipeline.metrics import ATTEMPTS
from boltmod.pipeline.workshop import Phase, Record, Workshop, figures
from boltmod.train import checkpoint
from boltmod.train.loop import Progress, Task, accuracy, finish_with, train
from boltmod.train.trainee import Trainee

_RECORD = "attempt.json"


class FeedbackPhase(Pruning, Phase):
    """Prune and train again as long as accuracy allows, in ever smaller steps.

    An attempt that ends below the floor is taken back, and the next one zeroes half as much.

    Attributes:
        fraction: Share of the remaining weights that the first attempt zeroes.
        floor: Accuracy on the validation frames that an attempt must reach, 0 to 1.
        smallest_fraction: The phase ends when a step would be smaller.
    """

    kind: Literal["feedback"]
    fraction: float = Field(0.2, gt=0, lt=1)
    floor: float = Field(ge=0, le=1)
    smallest_fraction: float = Field(0.01, gt=0, lt=1)

    @property
    def epochs_known(self) -> int | None:
        """Nobody knows how many attempts there will be."""
        return None

    def run(self, trainee: Trainee, workshop: Workshop) -> tuple[Trainee, Record]:
        """Run all attempts, those of an interrupted run as they ended."""
        trainee = workshop.quantised(trainee)
        whole = workshop.task(trainee)
        weights, fraction = _weights(trainee), self.fraction
        progress, attempts = Progress(), list[Record]()
        while fraction >= self.smallest_fraction:
            network = trainee.network
            worth = saliency.measured(network, self.measure, whole.source)
            masks = prune.smallest(network, trainee.masks, fraction, self, saliency=worth)
            if prune.sparsity(masks) <= prune.sparsity(trainee.masks):
                break
            tried = replace(trainee, masks=masks)
            own, record = self._attempt(
                _attempt(whole, tried, len(attempts) + 1), workshop, fraction
            )
            attempts.append(record)
            progress.epoch += own.epoch
            progress.seconds += own.seconds
            progress.records += own.records
            if record["kept"]:
                trainee, weights = tried, _weights(tried)
            else:
                network.load_state_dict(weights)
                fraction /= 2
        ended = Progress(progress.epoch, seconds=progress.seconds)
        finish_with(replace(whole, trainee=trainee), workshop.fabric, ended)
        return replace(trainee, is_trained=True), figures(progress) | {"attempts": attempts}

    def _attempt(self, task: Task, workshop: Workshop, fraction: float) -> tuple[Progress, Record]:
        """Train an attempt, or read how it ended."""
        path, fabric = task.folder / _RECORD, workshop.fabric
        found = checkpoint.identified(task.final, task.identity) if path.exists() else None
        if found is not None:
            checkpoint.restore(task.network, found, task.final)
            return Progress(**found.state["progress"]), json.loads(path.read_text(encoding="utf-8"))
        frames = self.epochs * task.source.frames_per_epoch
        workshop.observer.phase_begins(task.settings.name, frames, None)
        prune.apply(task.network, task.trainee.masks)
        own = train(task, fabric, workshop.observer)
        reached = fabric.broadcast(accuracy(task.network, task.source.validation()))
        record = {
            "fraction": fraction,
            "sparsity": prune.sparsity(task.trainee.masks),
            "validation_accuracy": reached,
            "kept": reached >= self.floor,
        }
        if fabric.is_global_zero:
            write_json(path, record)
        fabric.barrier()
        return own, record


def _attempt(whole: Task, trainee: Trainee, number: int) -> Task:
    """Return an attempt's training, with a name and a folder of its own."""
    name = f"{whole.settings.name}-{number}"
    return replace(
        whole,
        trainee=trainee,
        settings=whole.settings.model_copy(update={"name": name}),
        folder=whole.folder / ATTEMPTS.replace("*", f"{number:03d}"),
        identity={**whole.identity, "attempt": number},
    )


def _weights(trainee: Trainee) -> dict[str, Tensor]:
    state = trainee.network.state_dict()
    return {name: tensor.detach().clone() for name, tensor in state.items()}
