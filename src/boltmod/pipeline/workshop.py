"""A phase, and what it works with: frames, a teacher, devices, a folder, whoever watches."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from lightning_fabric import Fabric
from torch import Tensor

from boltmod.data.layout import Layout
from boltmod.data.loader import Share
from boltmod.data.section import DataSection
from boltmod.data.source.frames import FrameSource, Sampling
from boltmod.data.source.kept import Memory
from boltmod.data.source.opening import open_source
from boltmod.errors import CheckpointError, ConfigError
from boltmod.files import sha256
from boltmod.modulation import FIELD_CLASSES
from boltmod.pipeline.metrics import RunObserver
from boltmod.run_folder import RunFolder
from boltmod.train import calibrate
from boltmod.train.distill import Teacher, open_teacher, teacher_file
from boltmod.train.loop import Progress, Task, train
from boltmod.train.settings import Optimisation
from boltmod.train.trainee import Trainee

_CALIBRATION_FRAMES = 1024

Record = dict[str, Any]
"""What a phase came to, in JSON's values."""


@dataclass(frozen=True)
class Stage:
    """A phase as it runs: a prune phase of three rounds makes three stages.

    Args:
        number: Its place, from 0; it orders the checkpoint folders.
        phase: The phase, its name followed by the round's number where there are several.
        identity: What must not have changed since its checkpoints were made, but for the teacher.
        epochs_after: Epochs that the stages after it train for; None where nobody knows.
    """

    number: int
    phase: Phase
    identity: Mapping[str, Any]
    epochs_after: int | None

    @property
    def name(self) -> str:
        """The phase's name, with the round's number."""
        return self.phase.name

    def folder(self, run: RunFolder) -> Path:
        """Where its checkpoints lie."""
        return run.checkpoints / f"{self.number:02d}-{self.name}"

    def identity_in(self, run: RunFolder) -> dict[str, Any]:
        """Return what must not have changed since its checkpoints were made.

        The teacher is part of it as long as it is there: a finished stage needs it no more.
        """
        if self.phase.distill is None:
            return dict(self.identity)
        try:
            teacher = teacher_file(self.phase.distill, run)
        except CheckpointError:
            return dict(self.identity)
        return {**self.identity, "teacher": sha256(teacher)}


@dataclass(frozen=True)
class Workshop:
    """What a stage works with.

    Args:
        data: What frames there are.
        seed: The run's.
        run: The run folder.
        observer: Who watches.
        fabric: The devices.
        stage: What is worked on.
        memory: Where frames are kept from stage to stage, if they are.
    """

    data: DataSection
    seed: int
    run: RunFolder
    observer: RunObserver
    fabric: Fabric
    stage: Stage
    memory: Memory | None = None

    @property
    def folder(self) -> Path:
        """Where the stage's files lie."""
        return self.stage.folder(self.run)

    @cached_property
    def source(self) -> FrameSource:
        """The stage's frames."""
        phase, data = self.stage.phase, self.data
        floor = phase.minimum_snr
        sampling = Sampling(
            seed=self.seed,
            batch_size=data.scaled_batch_size(phase.batch_size),
            minimum_snr=data.minimum_snr if floor is None else floor,
            device=self.fabric.device,
            share=Share(self.fabric.global_rank, self.fabric.world_size),
        )
        return open_source(data, sampling, self.memory)

    @cached_property
    def teacher(self) -> Teacher | None:
        """Whom the stage's network learns from, if from anybody."""
        distill = self.stage.phase.distill
        if distill is None:
            return None
        layout = Layout(FIELD_CLASSES) if self.data.has_unknown else self.data.layout
        file = teacher_file(distill, self.run)
        return open_teacher(file, self.fabric.device, layout, self.memory)

    def calibration_frames(self) -> Tensor:
        """Return frames to measure activations on, (1024, 2, length), on the CPU.

        A file with fewer gives those of an epoch.
        """
        sampling = Sampling(self.seed, _CALIBRATION_FRAMES, self.data.minimum_snr)
        try:
            source = open_source(self.data, sampling)
        except ConfigError:
            return torch.cat([batch.iq_planes for batch in self.source.batches(0)]).cpu()
        return next(iter(source.batches(0))).iq_planes

    def quantised(self, trainee: Trainee) -> Trainee:
        """Return a trainee with its quantisers, given them now if it has none."""
        if trainee.config.quantised:
            return trainee
        return calibrate.quantised(trainee, self.calibration_frames())

    def task(self, trainee: Trainee) -> Task:
        """Return the stage's training, the network on its device."""
        trainee.network.to(self.fabric.device)
        return Task(
            trainee=trainee,
            source=self.source,
            settings=self.stage.phase,
            folder=self.folder,
            identity=self.stage.identity_in(self.run),
            teacher=self.teacher,
        )

    def train(self, trainee: Trainee) -> tuple[Trainee, Record]:
        """Train as the stage's settings say, or go on where that was interrupted."""
        progress = train(self.task(trainee), self.fabric, self.observer)
        return replace(trainee, is_trained=True), figures(progress)


class Phase(Optimisation):
    """What every kind of phase has: settings of its training, and a way to run.

    Attributes:
        kind: Which kind it is.
    """

    kind: str

    @property
    def has_quantisers(self) -> bool:
        """Whether its network has quantisers."""
        return True

    @property
    def rounds_apart(self) -> tuple[Self, ...]:
        """The phase as it runs: itself, or one a round."""
        return (self,)

    @property
    def epochs_known(self) -> int | None:
        """Epochs it trains for; None where accuracy decides that."""
        return self.epochs

    @abstractmethod
    def run(self, trainee: Trainee, workshop: Workshop) -> tuple[Trainee, Record]:
        """Work on a trainee, or go on where that was interrupted.

        Args:
            trainee: What the phase before it left; its network may be changed in place.
            workshop: What there is to work with.

        Returns:
            What the phase leaves, its network the phase's final checkpoint, and what it came to.
        """


def figures(progress: Progress) -> Record:
    """Return how long a phase trained."""
    # A phase may consist of several trainings: the last record of each counts its frames.
    last = {record["phase"]: record["frames"] for record in progress.records}
    return {
        "epochs": progress.epoch,
        "frames": sum(last.values()),
        "seconds": progress.seconds,
    }
