"""The training loop: one phase from its first step, or from its last checkpoint, to its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from boltmod.data.source.frames import Batch, Frames, FrameSource
from boltmod.nn import conv_norm_act, registry
from boltmod.nn.mode import evaluating, in_mode
from boltmod.train import checkpoint
from boltmod.train.allocator import standing_objects_skipped
from boltmod.train.checkpoint import Checkpoint
from boltmod.train.distill import Teacher, distillation_loss
from boltmod.train.optimiser import make_optimiser
from boltmod.train.oscillation import Oscillations
from boltmod.train.schedule import learning_rate
from boltmod.train.settings import Optimisation
from boltmod.train.trainee import Trainee

CHECKPOINT_SECONDS = 20.0
"""At most this much training is lost to an interruption."""

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
    """One training.

    Args:
        trainee: Who is trained; its network is changed in place.
        source: Where the frames come from.
        settings: How.
        folder: Where its checkpoints lie.
        identity: What the checkpoints must have been made with, as plain values.
        teacher: Whom the network learns from, with `settings.distill`.
    """

    trainee: Trainee
    source: FrameSource
    settings: Optimisation
    folder: Path
    identity: Mapping[str, Any]
    teacher: Teacher | None = None

    @property
    def network(self) -> nn.Module:
        """The network that is trained."""
        return self.trainee.network

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch."""
        return self.source.frames_per_epoch // self.source.batch_size

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
    """Train a network to the end of a phase and leave its final checkpoint.

    Raises:
        CheckpointError: The folder's checkpoint was made with another recipe or is damaged.
    """
    found = _restored(task, task.final)
    if found is not None:
        # Interrupted after its end, before anybody took note of it.
        return Progress(**found.state["progress"])
    if task.settings.epochs == 0:
        finish_with(task, fabric, Progress())
        return Progress()
    found = _restored(task, task.latest)
    # The optimiser comes after the weights: Brevitas puts new parameters in place on loading.
    optimiser = make_optimiser(task.network, task.settings)
    progress = Progress()
    if found is not None:
        checkpoint.restore_optimiser(optimiser, found.optimiser)
        checkpoint.restore_random_state(found.state.get("random", {}))
        progress = Progress(**found.state["progress"])
    watched = {} if found is None else found.oscillation
    training = _Training(task, fabric, observer, optimiser, progress, watched)
    validation = task.source.validation()
    with standing_objects_skipped():
        while progress.epoch < task.settings.epochs:
            training.epoch()
            settle(task.network, task.source, task.settings.norm_frames)
            # Batch normalisation has seen other frames in every process: the first one's counts.
            training.end_epoch(fabric.broadcast(accuracy(task.network, validation)))
    _finish(task, fabric, progress)
    return progress


class _Training:
    """A training at work.

    Args:
        task: The training.
        fabric: The devices.
        observer: Who watches.
        optimiser: The phase's optimiser.
        progress: Where it stands.
        watched: What an interrupted one knew of its weights' roundings.
    """

    def __init__(
        self,
        task: Task,
        fabric: Fabric,
        observer: Observer,
        optimiser: torch.optim.Optimizer,
        progress: Progress,
        watched: Mapping[str, Tensor],
    ) -> None:
        self._task, self._fabric, self._observer = task, fabric, observer
        self._optimiser, self._progress = optimiser, progress
        self._model, self._wrapped = fabric.setup(task.network, optimiser)
        parameters = dict(task.network.named_parameters())
        self._masks = [
            (parameters[name], mask.to(fabric.device)) for name, mask in task.trainee.masks.items()
        ]
        conv_norm_act.keep_only(task.network, task.trainee.masks)
        self._oscillations = Oscillations(task.network, task.settings.hold_oscillating, watched)
        self._saved = time.monotonic()

    def epoch(self) -> None:
        """Train through what is left of the current epoch."""
        task, progress = self._task, self._progress
        self._model.train()
        begun = time.monotonic()
        for batch in task.source.batches(progress.epoch, progress.step):
            rate = learning_rate(task.settings, _steps_done(task, progress), task.steps_per_epoch)
            for group in self._wrapped.param_groups:
                group["lr"] = rate * group["rate"]
            loss, hits = self._step(batch)
            with torch.no_grad():
                for parameter, mask in self._masks:
                    parameter.mul_(mask)
            progress.step += 1
            n_steps = task.settings.epochs * task.steps_per_epoch
            self._oscillations.after_step(_steps_done(task, progress) / n_steps)
            progress.loss_sum += loss * task.source.batch_size
            progress.hits += hits
            now = time.monotonic()
            progress.seconds, begun = progress.seconds + now - begun, now
            self._report()

    def _report(self) -> None:
        """Tell of a step, and save now and then."""
        try:
            self._observer.step(_step_record(self._task, self._progress))
        except KeyboardInterrupt:
            self._save_latest()
            raise
        if time.monotonic() - self._saved > CHECKPOINT_SECONDS:
            self._save_latest()

    def _save_latest(self) -> None:
        if self._fabric.is_global_zero:
            checkpoint.save(self._latest(), self._task.latest)
        self._saved = time.monotonic()

    def _latest(self) -> Checkpoint:
        """What an interrupted training goes on from."""
        task, tensors = self._task, checkpoint.optimiser_tensors(self._optimiser)
        found = _checkpoint(task, self._progress, tensors)
        found = replace(found, oscillation=self._oscillations.tensors())
        if any(isinstance(module, nn.Dropout) for module in task.network.modules()):
            found = replace(found, state={**found.state, "random": checkpoint.random_state()})
        return found

    def _step(self, batch: Batch) -> tuple[float, int]:
        """Train on a batch; return its loss and how many frames of it were classified right."""
        fabric, model, settings = self._fabric, self._model, self._task.settings
        iq_planes, class_ids = (t.to(fabric.device) for t in (batch.iq_planes, batch.class_ids))
        taught = None if self._task.teacher is None else self._task.teacher.scores(batch)
        self._wrapped.zero_grad(set_to_none=True)
        answers = model(iq_planes)
        # A network with auxiliary classifiers answers several times, the true answer first.
        answers = answers if isinstance(answers, tuple) else (answers,)
        loss = _loss(settings, answers, class_ids, taught)
        fabric.backward(loss)
        if settings.gradient_clip > 0:
            fabric.clip_gradients(model, self._wrapped, max_norm=settings.gradient_clip)
        self._wrapped.step()
        hits = (answers[0].detach().argmax(1) == class_ids).sum()
        if fabric.world_size == 1:
            return float(loss.detach()), int(hits)
        sums = fabric.all_reduce(torch.stack([loss.detach(), hits]), reduce_op="sum")
        assert isinstance(sums, Tensor)
        return float(sums[0]) / fabric.world_size, int(sums[1])

    def end_epoch(self, validation_accuracy: float) -> None:
        """Note what an epoch came to."""
        progress, record = self._progress, _epoch_record(self._task, self._progress)
        record["validation_accuracy"] = validation_accuracy
        progress.records.append(record)
        progress.epoch, progress.step = progress.epoch + 1, 0
        progress.loss_sum, progress.hits = 0.0, 0
        if validation_accuracy > progress.best:
            progress.best = validation_accuracy
            _save_weights(self._task, self._fabric, progress, self._task.best)
        self._save_latest()
        self._observer.epoch(record)


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
        for batch in islice(source.batches(0), n_batches):
            network(batch.iq_planes.to(device))
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


def _loss(
    settings: Optimisation,
    answers: tuple[Tensor, ...],
    class_ids: Tensor,
    taught: Tensor | None,
) -> Tensor:
    losses = [
        nn.functional.cross_entropy(
            scores.float(), class_ids, label_smoothing=settings.label_smoothing
        )
        for scores in answers
    ]
    if settings.distill is not None and taught is not None:
        losses[0] = distillation_loss(
            answers[0].float(), taught.float(), losses[0], settings.distill
        )
    return torch.stack(losses).sum()


def _steps_done(task: Task, progress: Progress) -> int:
    return progress.epoch * task.steps_per_epoch + progress.step


def _step_record(task: Task, progress: Progress) -> dict[str, Any]:
    seen = progress.step * task.source.batch_size
    done = progress.epoch * task.source.frames_per_epoch + seen
    return {
        "phase": task.settings.name,
        "epoch": progress.epoch + 1,
        "epochs": task.settings.epochs,
        "done": done,
        "total": task.settings.epochs * task.source.frames_per_epoch,
        "loss": progress.loss_sum / seen,
        "accuracy": progress.hits / seen,
        "frames_per_s": done / max(progress.seconds, 1e-9),
    }


def _epoch_record(task: Task, progress: Progress) -> dict[str, Any]:
    step = _step_record(task, progress)
    last_step = _steps_done(task, progress) - 1
    return {
        "event": "epoch",
        "phase": task.settings.name,
        "epoch": progress.epoch + 1,
        "frames": step["done"],
        "loss": step["loss"],
        "accuracy": step["accuracy"],
        "learning_rate": learning_rate(task.settings, last_step, task.steps_per_epoch),
        "frames_per_s": step["frames_per_s"],
        "seconds": progress.seconds,
    }


def _finish(task: Task, fabric: Fabric, progress: Progress) -> None:
    if task.settings.keep == "best" and fabric.is_global_zero:
        checkpoint.restore(task.network, checkpoint.load(task.best), task.best)
    finish_with(task, fabric, progress)
    if fabric.world_size > 1:
        checkpoint.restore(task.network, checkpoint.load(task.final), task.final)
    if fabric.is_global_zero:
        for path in (task.latest, task.best):
            path.unlink(missing_ok=True)


def finish_with(task: Task, fabric: Fabric, progress: Progress) -> None:
    """Leave the first process's network as the phase's final checkpoint."""
    _save_weights(task, fabric, progress, task.final)
    fabric.barrier()


def _save_weights(task: Task, fabric: Fabric, progress: Progress, path: Path) -> None:
    if fabric.is_global_zero:
        checkpoint.save(_checkpoint(task, progress, {}), path)


def _checkpoint(task: Task, progress: Progress, optimiser: Mapping[str, Tensor]) -> Checkpoint:
    state = {
        "identity": dict(task.identity),
        "network": registry.describe(task.trainee.config),
        "progress": vars(progress),
    }
    return Checkpoint(task.network.state_dict(), optimiser, task.trainee.masks, state)


def _restored(task: Task, path: Path) -> Checkpoint | None:
    """Return an earlier run's checkpoint, its weights restored; None if there is none."""
    found = checkpoint.identified(path, task.identity)
    if found is not None:
        checkpoint.restore(task.network, found, path)
    return found
