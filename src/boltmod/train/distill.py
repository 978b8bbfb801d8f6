"""Distillation: a network learns from a teacher's answers beside the labels.

Source: G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network",
arXiv 1503.02531, section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from boltmod.config import Distillation
from boltmod.errors import CheckpointError, ConfigError
from boltmod.model.onnx_file import load
from boltmod.modulation import CLASSES
from boltmod.run_folder import RunFolder
from boltmod.runtime.session import Classifier
from boltmod.train.checkpoint import open_network

Teacher = Callable[[Tensor], Tensor]
"""From frames (n, 2, 1024) to class scores (n, 24), both on the device of the training."""


def distillation_loss(
    scores: Tensor, teacher_scores: Tensor, hard_loss: Tensor, settings: Distillation
) -> Tensor:
    """Return the weighted sum of the loss by labels and the divergence from the teacher.

    Args:
        scores: The student's, (n, 24).
        teacher_scores: The teacher's, (n, 24).
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


def network_teacher(path: Path, device: torch.device) -> Teacher:
    """Return the network of a checkpoint as a teacher.

    Args:
        path: A run folder, a phase's folder in its checkpoints, or a .safetensors file.
        device: Where the training runs.

    Raises:
        CheckpointError: There is no finished phase, or its checkpoint is damaged.
    """
    network = open_network(checkpoint_file(path)).network.to(device).eval()

    @torch.no_grad()
    def teach(iq_planes: Tensor) -> Tensor:
        scores: Tensor = network(iq_planes)
        return scores

    return teach


def onnx_teacher(path: Path, device: torch.device) -> Teacher:
    """Return a model in ONNX as a teacher, run by ONNX Runtime on the processor.

    Raises:
        ModelFormatError: The file is no classifier of frames.
        ConfigError: It knows other classes.
    """
    classifier = Classifier(load(path))
    if set(classifier.classes) != set(CLASSES):
        raise ConfigError(
            f"{path}: a teacher must know the {len(CLASSES)} classes of RadioML 2018.01A, "
            f"not {', '.join(classifier.classes)}"
        )
    order = [classifier.classes.index(name) for name in CLASSES]

    def teach(iq_planes: Tensor) -> Tensor:
        scores = torch.from_numpy(classifier.logits(iq_planes.float().cpu().numpy(), scale=False))
        return scores[:, order].to(device)

    return teach


def checkpoint_file(path: Path) -> Path:
    """Return the checkpoint that a run folder, a phase's folder, or the file itself stands for.

    Raises:
        CheckpointError: There is none.
    """
    if path.is_file():
        return path
    if (path / "final.safetensors").is_file():
        return path / "final.safetensors"
    finished = RunFolder(path).finished
    if not finished:
        raise CheckpointError(
            f"{path}: holds no finished phase to learn from; name a run folder, a phase's folder "
            "in its checkpoints, or a .safetensors file"
        )
    return finished[-1]
