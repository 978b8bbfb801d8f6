"""Distillation: a network learns from a teacher's answers beside the labels.

Source: G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network",
arXiv 1503.02531, section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from boltmod.data.layout import RADIOML, Layout
from boltmod.data.source.frames import Batch
from boltmod.data.source.kept import Memory
from boltmod.errors import CheckpointError, ConfigError
from boltmod.files import sha256
from boltmod.model import shipped
from boltmod.model.onnx_file import load
from boltmod.run_folder import RunFolder
from boltmod.runtime.session import Classifier
from boltmod.train.checkpoint import file_of, open_trainee
from boltmod.train.settings import Distillation

Answer = Callable[[Tensor], Tensor]
"""From frames (n, 2, length) to class scores (n, n_classes), both on the device of the training."""


@dataclass(frozen=True)
class Teacher:
    """Whom a network learns from.

    Args:
        answer: What it says of frames.
        digest: What tells it from other teachers: its file's SHA-256.
        memory: Where its answers stay beside the frames, if these are kept.
    """

    answer: Answer
    digest: str
    memory: Memory | None = None

    def scores(self, batch: Batch) -> Tensor:
        """Return what it says of a batch, asked once where the batch comes back."""
        if self.memory is None:
            return self.answer(batch.iq_planes)
        return self.memory.answer(self.digest, batch.place, lambda: self.answer(batch.iq_planes))


def teacher_file(settings: Distillation, run: RunFolder) -> Path:
    """Return the file of the teacher that a phase of a run names.

    Raises:
        CheckpointError: There is none.
    """
    if settings.model is None:
        return file_of(settings.checkpoint or run.phase(settings.phase or ""))
    path = shipped.find(settings.model)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such model to learn from; name one")
    return path


def open_teacher(
    path: Path, device: torch.device, layout: Layout = RADIOML, memory: Memory | None = None
) -> Teacher:
    """Return the classifier of a file as a teacher.

    Args:
        path: A checkpoint, or a model in ONNX.
        device: Where the training runs.
        layout: The classes and the frames that are learned.
        memory: Where its answers stay, if they do.

    Raises:
        CheckpointError: The checkpoint is damaged.
        ModelFormatError: The model is no classifier of frames.
        ConfigError: It knows other classes, or takes frames of another length.
    """
    is_checkpoint = path.suffix == ".safetensors"
    answer = (network_teacher if is_checkpoint else onnx_teacher)(path, device, layout)
    return Teacher(answer, sha256(path), memory)


def distillation_loss(
    scores: Tensor, teacher_scores: Tensor, hard_loss: Tensor, settings: Distillation
) -> Tensor:
    """Return the weighted sum of the loss by labels and the divergence from the teacher.

    Args:
        scores: The student's, (n, n_classes).
        teacher_scores: The teacher's, (n, n_classes).
        hard_loss: The cross-entropy with the labels.
        settings: Temperature and weights.

    Source: Hinton et al., section 2: soft targets' gradients scale with 1/T², hence the factor T².
    """
    t = settings.temperature
    divergence = nn.functional.kl_div(
        (scores / t).log_softmax(1),
        (teacher_scores / t).log_softmax(1),
        reduction="batchmean",
        log_target=True,
    )
    return settings.hard_weight * hard_loss + settings.soft_weight * t**2 * divergence


def network_teacher(path: Path, device: torch.device, layout: Layout = RADIOML) -> Answer:
    """Return the network of a checkpoint as a teacher.

    Args:
        path: A run folder, a phase's folder in its checkpoints, or a .safetensors file.
        device: Where the training runs.
        layout: The classes and the frames that are learned.

    Raises:
        CheckpointError: There is no finished phase, or its checkpoint is damaged.
        ConfigError: It knows other classes, or takes frames of another length.
    """
    trainee = open_trainee(file_of(path))
    order = _order(path, trainee.config.classes, trainee.config.frame_length, layout)
    network = trainee.network.to(device).eval()

    @torch.no_grad()
    def teach(iq_planes: Tensor) -> Tensor:
        scores: Tensor = network(iq_planes)
        return scores if order is None else scores[:, order]

    return teach


def onnx_teacher(path: Path, device: torch.device, layout: Layout = RADIOML) -> Answer:
    """Return a model in ONNX as a teacher, run by ONNX Runtime on the processor.

    Raises:
        ModelFormatError: The file is no classifier of frames.
        ConfigError: It knows other classes, or takes frames of another length.
    """
    classifier = Classifier(load(path))
    order = _order(path, classifier.classes, classifier.frame_length, layout)

    def teach(iq_planes: Tensor) -> Tensor:
        scores = torch.from_numpy(classifier.logits(iq_planes.float().cpu().numpy(), scale=False))
        return (scores if order is None else scores[:, order]).to(device)

    return teach


def _order(
    path: Path, classes: tuple[str, ...], frame_length: int, layout: Layout
) -> list[int] | None:
    """Where a teacher has the classes that are learned; None where they stand alike."""
    if frame_length != layout.frame_length:
        raise ConfigError(
            f"{path}: a teacher must take frames of {layout.frame_length} samples, not of "
            f"{frame_length}: name one that does"
        )
    if classes == layout.classes:
        return None
    if set(classes) != set(layout.classes):
        known = (
            "the 24 classes of RadioML 2018.01A" if layout == RADIOML
            else ", ".join(layout.classes)
        )  # fmt: skip
        raise ConfigError(f"{path}: a teacher must know {known}, not {', '.join(classes)}")
    return [classes.index(name) for name in layout.classes]
