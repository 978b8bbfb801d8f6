"""A recipe's phases one after the other, each going on where it was interrupted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from boltmod.compress import prune
from boltmod.config import Optimisation, PrunePhase, Recipe, TrainPhase
from boltmod.cost import inference_cost
from boltmod.data.source import FrameSource, open_source
from boltmod.export.qonnx import trace
from boltmod.model.metadata import Metadata
from boltmod.model.onnx_file import Model
from boltmod.modulation import CLASSES
from boltmod.nn import registry
from boltmod.nn.registry import NetworkConfig
from boltmod.pipeline.files import write_json
from boltmod.pipeline.metrics import PHASE_RECORD, MetricsFile, RunObserver, Tee
from boltmod.run_folder import RunFolder
from boltmod.train import checkpoint
from boltmod.train.calibrate import calibrate, transfer
from boltmod.train.loop import Progress, Task, accuracy, train

_CALIBRATION_FRAMES = 1024


@dataclass(frozen=True)
class Stage:
    """A phase as it runs: a prune phase of three rounds makes three stages.

    Args:
        number: Its place, from 0; it orders the checkpoint folders.
        name: The phase's name, with the round's number behind it where there are several.
        settings: How it is trained.
        quantised: Whether the network has quantisers.
        prune: What it zeroes before it trains; None for nothing.
    """

    number: int
    name: str
    settings: Optimisation
    quantised: bool
    prune: PrunePhase | None

    def folder(self, run: RunFolder) -> Path:
        """Where its checkpoints lie."""
        return run.checkpoints / f"{self.number:02d}-{self.name}"


@dataclass
class State:
    """What goes from stage to stage.

    Args:
        network: The network so far.
        masks: Its pruned weights.
        quantised: Whether it has quantisers.
    """

    network: nn.Module
    masks: Mapping[str, Tensor]
    quantised: bool


def stages(recipe: Recipe) -> list[Stage]:
    """Return a recipe's phases with their rounds spelt out."""
    result: list[Stage] = []
    for phase in recipe.phases:
        if isinstance(phase, TrainPhase):
            result.append(Stage(len(result), phase.name, phase, phase.quantised, None))
            continue
        for number in range(phase.rounds):
            name = phase.name if phase.rounds == 1 else f"{phase.name}-{number + 1}"
            settings = phase.model_copy(update={"name": name})
            result.append(Stage(len(result), name, settings, True, phase))
    return result


def run_phases(recipe: Recipe, run: RunFolder, observer: RunObserver) -> tuple[nn.Module, bool]:
    """Run every phase that is not finished yet.

    Returns:
        The finished network on the CPU, and whether anything was trained just now.

    Raises:
        CheckpointError: A checkpoint was made with another recipe or is damaged.
    """
    config = registry.parse(recipe.network.name, recipe.network.parameters)
    fabric = Fabric(accelerator="auto", devices=recipe.devices)
    if recipe.devices > 1:
        fabric.launch()
    state = _fresh(recipe, config)
    trained = False
    with MetricsFile(run) as metrics:
        for stage in stages(recipe):
            finished = stage.folder(run) / "final.safetensors"
            if finished.exists() and (stage.folder(run) / PHASE_RECORD).exists():
                state = _restored(config, stage, finished)
                continue
            trained = True
            state = _prepare(recipe, config, stage, state, fabric)
            _run_stage(recipe, stage, state, fabric, run, Tee(metrics, observer))
    return state.network.cpu(), trained


def _run_stage(
    recipe: Recipe,
    stage: Stage,
    state: State,
    fabric: Fabric,
    run: RunFolder,
    observer: RunObserver,
) -> None:
    source = _source(recipe, stage.settings, fabric)
    observer.phase_begins(stage.name, stage.settings.epochs * source.frames_per_epoch)
    task = Task(
        network=state.network,
        source=source,
        phase=stage.settings,
        folder=stage.folder(run),
        identity=_identity(recipe, stage),
        masks=state.masks,
    )
    progress = train(task, fabric, observer)
    record = _phase_record(stage, state, progress, accuracy(state.network, source.validation()))
    write_json(stage.folder(run) / PHASE_RECORD, record)
    observer.phase_ends(record)


def _fresh(recipe: Recipe, config: NetworkConfig) -> State:
    torch.manual_seed(recipe.seed)
    return State(registry.build(config.in_float()), {}, False)


def _restored(config: NetworkConfig, stage: Stage, path: Path) -> State:
    network = registry.build(config if stage.quantised else config.in_float())
    found = checkpoint.load(path)
    checkpoint.restore(network, found, path)
    return State(network, found.masks, stage.quantised)


def _prepare(
    recipe: Recipe, config: NetworkConfig, stage: Stage, state: State, fabric: Fabric
) -> State:
    if stage.quantised and not state.quantised:
        quantised = registry.build(config)
        transfer(state.network, quantised)
        calibrate(state.network.cpu(), quantised, _calibration_frames(recipe, stage))
        state = State(quantised, state.masks, True)
    if stage.prune is not None:
        network = state.network.cpu()
        masks = prune.smallest(network, state.masks, stage.prune.fraction, stage.prune.scope)
        prune.apply(network, masks)
        state = State(network, masks, True)
    state.network.to(fabric.device)
    return state


def _calibration_frames(recipe: Recipe, stage: Stage) -> Tensor:
    settings = stage.settings.model_copy(update={"batch_size": _CALIBRATION_FRAMES})
    source = open_source(
        recipe.data,
        seed=recipe.seed,
        batch_size=settings.batch_size,
        minimum_snr=recipe.data.minimum_snr,
        device=torch.device("cpu"),
    )
    frames, _ = next(iter(source.batches(0)))
    return frames


def _source(recipe: Recipe, settings: Optimisation, fabric: Fabric) -> FrameSource:
    floor = settings.minimum_snr
    return open_source(
        recipe.data,
        seed=recipe.seed,
        batch_size=settings.batch_size,
        minimum_snr=recipe.data.minimum_snr if floor is None else floor,
        device=fabric.device,
    )


def _identity(recipe: Recipe, stage: Stage) -> dict[str, Any]:
    """Return what must not have changed since a checkpoint was made."""
    document = recipe.model_dump(mode="json", include={"seed", "network", "data"})
    document["phase"] = stage.settings.model_dump(mode="json")
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    return {"recipe": recipe.name, "stage": stage.number, "sha256": digest}


def _phase_record(
    stage: Stage, state: State, progress: Progress, validation_accuracy: float
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "event": "phase",
        "phase": stage.name,
        "kind": "prune" if stage.prune else "train",
        "quantised": stage.quantised,
        "epochs": progress.epoch,
        "frames": progress.records[-1]["frames"],
        "validation_accuracy": validation_accuracy,
        "sparsity": prune.sparsity(state.masks),
        "seconds": progress.seconds,
    }
    if stage.quantised:
        network, facts = state.network.cpu(), Metadata(classes=CLASSES)
        cost = inference_cost.count(Model(trace(network, facts), facts, None))
        record |= {"bops": cost.bops, "weight_bits": cost.weight_bits, "score": cost.score}
    return record
