"""What a recipe may say of a training: the optimiser, its schedule, and who teaches."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from boltmod.toml_table import Section


class Distillation(Section):
    """Learning from a teacher's answers beside the labels.

    The loss is `hard_weight` times the cross-entropy with the labels, plus `soft_weight` times
    T² times the Kullback-Leibler divergence of the answers softened by the temperature T.

    Attributes:
        phase: An earlier phase whose final network teaches (a round of one: `<phase>-<round>`).
        checkpoint: A run folder, a phase's folder in its checkpoints, or a .safetensors file.
        model: Any classifier in ONNX: a file, or the name of a network that comes with boltmod.
        temperature: T.
        hard_weight: Weight of the cross-entropy.
        soft_weight: Weight of the divergence, before T².
    """

    phase: str | None = None
    checkpoint: Path | None = None
    model: Path | None = None
    temperature: float = Field(2.0, gt=0)
    hard_weight: float = Field(0.5, ge=0)
    soft_weight: float = Field(0.5, gt=0)

    @model_validator(mode="after")
    def _one_teacher(self) -> Distillation:
        given = [t for t in (self.phase, self.checkpoint, self.model) if t is not None]
        if len(given) != 1:
            raise ValueError(
                f"exactly one of phase, checkpoint and model must be given, not {len(given)}"
            )
        return self


class Optimisation(Section):
    """What every phase that trains has in common.

    Attributes:
        name: The phase's name, in file names and tables.
        epochs: Passes of `data.frames_per_epoch` frames.
        batch_size: Frames a step.
        optimiser: `adamw` decays weights apart from the gradient, `adam` within it.
        learning_rate: The highest learning rate.
        schedule: `one_cycle` rises and falls once; `cosine` falls; `cosine_restarts` falls and
            starts again every `restart_epochs`; `constant` stays.
        restart_epochs: Epochs between restarts.
        weight_decay: Decay of convolution and dense weights.
        gradient_clip: Largest norm of the gradient; 0 does not clip.
        label_smoothing: Share of a label spread over all classes.
        minimum_snr: Overrides `data.minimum_snr` in this phase.
        keep: Which weights the phase ends with, by accuracy on the validation frames.
        precision: Arithmetic, in Lightning Fabric's words.
        norm_frames: Training frames over which the statistics of batch normalisation are measured
            anew at the end of every epoch; 0 leaves them as running averages of the last steps,
            which small quantised networks are sensitive to.
        hold_oscillating: Share of steps in which the rounded value of a weight may turn back
            before the weight is held where it is on the mean; it falls to a quarter of that along
            a cosine. 0 holds none. Small quantised networks gain by 0.04.
        distill: The teacher, if there is one.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    epochs: int = Field(ge=1)
    batch_size: int = Field(512, ge=2)
    optimiser: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = Field(0.01, gt=0)
    schedule: Literal["one_cycle", "cosine", "cosine_restarts", "constant"] = "one_cycle"
    restart_epochs: int = Field(5, ge=1)
    weight_decay: float = Field(1e-4, ge=0)
    gradient_clip: float = Field(0.0, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    minimum_snr: int | None = Field(None, ge=-20, le=30)
    keep: Literal["best", "last"] = "best"
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    norm_frames: int = Field(0, ge=0)
    hold_oscillating: float = Field(0.0, ge=0, lt=1)
    distill: Distillation | None = None
