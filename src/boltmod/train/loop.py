"""The training loop: one phase from its first step, or from its last checkpoint, to its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from boltmod.config import Optimisation
from boltmod.data.memory import Memory, Place
from boltmod.data.source import Frames, FrameSource
from boltmod.errors import CheckpointError
from boltmod.nn import registry
from boltmod.nn.mode import evaluating, in_mode
from boltmod.nn.network_config import NetworkConfig
from boltmod.nn.quantizers import learned_scale, learned_weight_scale
from boltmod.train import checkpoint
from boltmod.train.checkpoint import Checkpoint
from boltmod.train.distill import Teacher, distillation_loss
from boltmod.train.schedule import learning_rate

CHECKPOINT_SECONDS = 20.0
"""At most this much training is lost to an interruption."""

_SCALE_LEARNING_RATE = 0.1
_VALIDATION_BATCH = 512


class Observer(Protocol):
    """Who watches a training."""

    def step(self, record: Mapping[str, Any]) -> None:
        """See a step.

        The record has `phase`, `epoch` of `epochs`, `done` of `total` frames, `loss`, `accuracy`
        and `frames_per_s`.

        A KeyboardInterrupt raised here ends the training after its checkpoint is written.
        """

    def epoch(self, record: Mapping[str, Any]) -> None:
        """See the end of an epoch, as metrics.jsonl will hold it."""


@dataclass
class Progress:
    """Where a phase stands; all of it is saved.

    Args:
        epoch: Epochs finished.
        step: Steps of the current epoch finished.
        loss_sum: Sum of the losses of the epoch's frames.
        hits: Frames of the epoch classified right, as they were trained on.
        seconds: Time spent in the phase.
        best: Highest accuracy on the validation frames so far; -1 before the first.
        records: What was reported at the end of each epoch.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    hits: int = 0
    seconds: float = 0.0
    best: float = -1.0
    records: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Task:
    """One phase of training.

    Args:
        network: The network, changed in place.
        source: Where its frames come from.
        phase: How it is trained.
        folder: Where the phase's checkpoints lie.
        identity: What the checkpoints must have been made with, as plain values.
        masks: Pruned weights, by parameter name.
        config: The network's configuration, kept in its checkpoints.
        teacher: Whom the network learns from, with `phase.distill`.
        memory: Where the source keeps its frames, if it does: the teacher's answers stay there too.
    """

    network: nn.Module
    source: FrameSource
    phase: Optimisation
    folder: Path
    identity: Mapping[str, Any]
    masks: Mapping[str, Tensor]
    config: NetworkConfig
    teacher: Teacher | None = None
    memory: Memory | None = None

    @property
    def latest(self) -> Path:
        """The checkpoint an interrupted phase goes on from."""
        return self.folder / "latest.safetensors"

    @property
    def best(self) -> Path:
        """The weights that did best on the validation frames."""
        return self.folder / "best.safetensors"

    @property
    def final(self) -> Path:
        """The weights a finished phase ends with."""
        return self.folder / "final.safetensors"


def train(task: Task, fabric: Fabric, observer: Observer) -> Progress:
    """Train a network through one phase and leave its final checkpoint.

    Raises:
        CheckpointError: The folder's checkpoint was made with another recipe or is damaged.
    """
    found = _found(task, task.final)
    if found is not None:
        # Interrupted after its end, before anybody took note of it.
        return Progress(**found.state["progress"])
    found = _found(task, task.latest)
    # The optimiser comes after the weights: Brevitas puts new parameters in place on loading.
    optimiser = make_optimiser(task.network, task.phase)
    progress = Progress()
    if found is not None:
        checkpoint.restore_optimiser(optimiser, found.optimiser)
        progress = Progress(**found.state["progress"])
    model, wrapped = fabric.setup(task.network, optimiser)
    masks = {name: mask.to(fabric.device) for name, mask in task.masks.items()}
    parameters = dict(task.network.named_parameters())
    validation = task.source.validation()
    saved = time.monotonic()
    while progress.epoch < task.phase.epochs:
        begun = time.monotonic()
        places: list[Place] = []
        if task.memory is not None:
            places = task.memory.places(progress.epoch, _steps_per_epoch(task))
        for iq_planes, class_ids in task.source.batches(progress.epoch, progress.step):
            rate = learning_rate(task.phase, _steps_done(task, progress), _steps_per_epoch(task))
            _set_learning_rate(wrapped, rate)
            taught = _taught(task, places[progress.step] if places else None, iq_planes)
            loss, hits = _step(task, fabric, model, wrapped, (iq_planes, class_ids), taught)
            with torch.no_grad():
                for name, mask in masks.items():
                    parameters[name].mul_(mask)
            progress.step += 1
            progress.loss_sum += loss * task.source.batch_size
            progress.hits += hits
            now = time.monotonic()
            progress.seconds, begun = progress.seconds + now - begun, now
            try:
                observer.step(_step_record(task, progress))
            except KeyboardInterrupt:
                _save(task, fabric, progress, optimiser, task.latest)
                raise
            if now - saved > CHECKPOINT_SECONDS:
                _save(task, fabric, progress, optimiser, task.latest)
                saved = time.monotonic()
        settle(task.network, task.source, task.phase.norm_frames)
        # Batch normalisation has seen other frames in every process: the first one's counts.
        reached = fabric.broadcast(accuracy(task.network, validation))
        _end_epoch(task, fabric, progress, optimiser, reached, observer)
        saved = time.monotonic()
    _finish(task, fabric, progress)
    return progress


@torch.no_grad()
def settle(network: nn.Module, source: FrameSource, n_frames: int) -> None:
    """Measure the statistics of batch normalisation anew, each frame counting the same.

    Args:
        network: The network; nothing but those statistics changes.
        source: Whose first training frames are taken.
        n_frames: How many, in whole batches; 0 leaves everything as it is.

    Source: Y. Wu, J. Johnson, "Rethinking 'Batch' in BatchNorm", arXiv 2105.07576, section 3.
    """
    n_batches = n_frames // source.batch_size
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d)]
    if n_batches == 0 or not norms:
        return
    device = next(network.parameters()).device
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    with in_mode(network, training=True):
        for iq_planes, _ in islice(source.batches(0), n_batches):
            network(iq_planes.to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


@torch.no_grad()
def accuracy(network: nn.Module, frames: Frames) -> float:
    """Return the share of frames a network classifies right."""
    device = next(network.parameters()).device
    hits = 0
    with evaluating(network):
        for start in range(0, len(frames.class_ids), _VALIDATION_BATCH):
            part = slice(start, start + _VALIDATION_BATCH)
            scores = network(frames.iq_planes[part].to(device))
            hits += int((scores.argmax(1) == frames.class_ids[part].to(device)).sum())
    return hits / len(frames.class_ids)


def make_optimiser(network: nn.Module, phase: Optimisation) -> torch.optim.Optimizer:
    """Return the phase's optimiser.

    Weights of convolutions and dense layers decay; biases and normalisation do not; learned
    ranges do not and move at a tenth of the learning rate.
    """
    scales = {
        id(p)
        for find in (learned_scale, learned_weight_scale)
        for m in network.modules()
        if (p := find(m)) is not None
    }
    weights: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    ranges: list[nn.Parameter] = []
    for parameter in network.parameters():
        if not parameter.requires_grad:
            continue
        if id(parameter) in scales:
            ranges.append(parameter)
        else:
            (weights if parameter.ndim > 1 else others).append(parameter)
    groups = [
        {"params": weights, "weight_decay": phase.weight_decay, "rate": 1.0},
        {"params": others, "weight_decay": 0.0, "rate": 1.0},
        {"params": ranges, "weight_decay": 0.0, "rate": _SCALE_LEARNING_RATE},
    ]
    kind = torch.optim.AdamW if phase.optimiser == "adamw" else torch.optim.Adam
    return kind([g for g in groups if g["params"]], lr=phase.learning_rate)


def _step(
    task: Task,
    fabric: Fabric,
    model: Any,
    optimiser: Any,
    batch: tuple[Tensor, Tensor],
    taught: Tensor | None,
) -> tuple[float, int]:
    model.train()
    iq_planes, class_ids = (t.to(fabric.device) for t in batch)
    optimiser.zero_grad(set_to_none=True)
    answers = model(iq_planes)
    # A network with auxiliary classifiers answers several times in training, the true answer first.
    scores = answers[0] if isinstance(answers, tuple) else answers
    loss = _loss(task, answers if isinstance(answers, tuple) else (answers,), class_ids, taught)
    fabric.backward(loss)
    if task.phase.gradient_clip > 0:
        fabric.clip_gradients(model, optimiser, max_norm=task.phase.gradient_clip)
    optimiser.step()
    hits = (scores.detach().argmax(1) == class_ids).sum()
    if fabric.world_size == 1:
        return float(loss.detach()), int(hits)
    sums = fabric.all_reduce(torch.stack([loss.detach(), hits]), reduce_op="sum")
    assert isinstance(sums, Tensor)
    return float(sums[0]) / fabric.world_size, int(sums[1])


def _taught(task: Task, place: Place | None, iq_planes: Tensor) -> Tensor | None:
    """Return what the teacher says of a batch; None without one."""
    teacher = task.teacher
    if task.phase.distill is None or teacher is None:
        return None
    if task.memory is None or place is None:
        return teacher(iq_planes)
    return task.memory.answer(task.identity["teacher"], place, lambda: teacher(iq_planes))


def _loss(
    task: Task, answers: tuple[Tensor, ...], class_ids: Tensor, taught: Tensor | None
) -> Tensor:
    losses = [
        nn.functional.cross_entropy(
            scores.float(), class_ids, label_smoothing=task.phase.label_smoothing
        )
        for scores in answers
    ]
    if task.phase.distill is not None and taught is not None:
        losses[0] = distillation_loss(
            answers[0].float(), taught.float(), losses[0], task.phase.distill
        )
    return torch.stack(losses).sum()


def _set_learning_rate(optimiser: Any, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate * group["rate"]


def _steps_per_epoch(task: Task) -> int:
    return task.source.frames_per_epoch // task.source.batch_size


def _steps_done(task: Task, progress: Progress) -> int:
    return progress.epoch * _steps_per_epoch(task) + progress.step


def _step_record(task: Task, progress: Progress) -> dict[str, Any]:
    seen = progress.step * task.source.batch_size
    done = progress.epoch * task.source.frames_per_epoch + seen
    return {
        "phase": task.phase.name,
        "epoch": progress.epoch + 1,
        "epochs": task.phase.epochs,
        "done": done,
        "total": task.phase.epochs * task.source.frames_per_epoch,
        "loss": progress.loss_sum / seen,
        "accuracy": progress.hits / seen,
        "frames_per_s": done / max(progress.seconds, 1e-9),
    }


def _end_epoch(
    task: Task,
    fabric: Fabric,
    progress: Progress,
    optimiser: torch.optim.Optimizer,
    validation_accuracy: float,
    observer: Observer,
) -> None:
    step = _step_record(task, progress)
    rate = learning_rate(task.phase, _steps_done(task, progress) - 1, _steps_per_epoch(task))
    record = {
        "event": "epoch",
        "phase": task.phase.name,
        "epoch": progress.epoch + 1,
        "frames": step["done"],
        "loss": step["loss"],
        "accuracy": step["accuracy"],
        "validation_accuracy": validation_accuracy,
        "learning_rate": rate,
        "frames_per_s": step["frames_per_s"],
        "seconds": progress.seconds,
    }
    progress.records.append(record)
    progress.epoch, progress.step = progress.epoch + 1, 0
    progress.loss_sum, progress.hits = 0.0, 0
    if validation_accuracy > progress.best:
        progress.best = validation_accuracy
        _save(task, fabric, progress, None, task.best)
    _save(task, fabric, progress, optimiser, task.latest)
    observer.epoch(record)


def _finish(task: Task, fabric: Fabric, progress: Progress) -> None:
    if task.phase.keep == "best" and fabric.is_global_zero:
        checkpoint.restore(task.network, checkpoint.load(task.best), task.best)
    finish_with(task, fabric, progress)
    if fabric.world_size > 1:
        checkpoint.restore(task.network, checkpoint.load(task.final), task.final)
    if fabric.is_global_zero:
        for path in (task.latest, task.best):
            path.unlink(missing_ok=True)


def finish_with(task: Task, fabric: Fabric, progress: Progress) -> None:
    """Leave the first process's network as the phase's final checkpoint."""
    _save(task, fabric, progress, None, task.final)
    fabric.barrier()


def _save(
    task: Task,
    fabric: Fabric,
    progress: Progress,
    optimiser: torch.optim.Optimizer | None,
    path: Path,
) -> None:
    if not fabric.is_global_zero:
        return
    tensors = checkpoint.optimiser_tensors(optimiser) if optimiser else {}
    state = {
        "identity": dict(task.identity),
        "network": registry.describe(task.config),
        "progress": vars(progress),
    }
    checkpoint.save(Checkpoint(task.network.state_dict(), tensors, task.masks, state), path)


def _found(task: Task, path: Path) -> Checkpoint | None:
    """Return an earlier run's checkpoint, its weights restored; None if there is none."""
    if not path.exists():
        return None
    found = checkpoint.load(path)
    if found.state["identity"] != dict(task.identity):
        raise CheckpointError(
            f"{path}: was made with another recipe; choose another run folder, or delete this one"
        )
    checkpoint.restore(task.network, found, path)
    return found
