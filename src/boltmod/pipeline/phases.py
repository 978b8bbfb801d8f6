"""A recipe's phases one after the other, each going on where it was interrupted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from boltmod.compress import bit_width, prune, saliency
from boltmod.config import FeedbackPhase, LowerPhase, Optimisation, PrunePhase, Recipe
from boltmod.cost import inference_cost
from boltmod.cost.inference_cost import Cost
from boltmod.data.loader import Share
from boltmod.data.memory import Memory
from boltmod.data.source import FrameSource, open_source
from boltmod.errors import ConfigError
from boltmod.export.qonnx import trace
from boltmod.files import write_json
from boltmod.model import shipped
from boltmod.model.metadata import Metadata
from boltmod.model.onnx_file import Model, load
from boltmod.modulation import UNKNOWN
from boltmod.nn import registry
from boltmod.nn.network_config import NetworkConfig
from boltmod.pipeline.feedback import run_feedback
from boltmod.pipeline.metrics import PHASE_RECORD, MetricsFile, RunObserver, Tee
from boltmod.pipeline.processes import open_fabric
from boltmod.pipeline.stages import Stage, epochs_after, identity, stages, start_file
from boltmod.run_folder import RunFolder
from boltmod.train import checkpoint
from boltmod.train.allocator import keep_freed_memory
from boltmod.train.calibrate import calibrate, transfer
from boltmod.train.distill import Teacher, checkpoint_file, network_teacher, onnx_teacher
from boltmod.train.loop import Progress, Task, accuracy, finish_with, train
from boltmod.train.published import import_weights

_CALIBRATION_FRAMES = 1024

LOWERED = "lowered.json"
"""The bits a lower phase took away, in its folder."""


@dataclass
class State:
    """What goes from stage to stage.

    Args:
        network: The network so far.
        masks: Its pruned weights.
        config: Its configuration.
    """

    network: nn.Module
    masks: Mapping[str, Tensor]
    config: NetworkConfig

    @property
    def quantised(self) -> bool:
        """Whether it has quantisers."""
        return self.config.quantised


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
    config = registry.parse(recipe.network.name, recipe.network.parameters)
    registry.check_own(recipe.network.name, recipe.network.parameters)
    if not config.quantised and any(stage.quantised for stage in stages(recipe)):
        raise ConfigError(
            f"phases of {recipe.network.name}, which has no quantisers, must be floating-point "
            "training: say quantised = false"
        )
    if recipe.data.has_unknown != (UNKNOWN in config.classes):
        raise ConfigError(
            "network must have an output for unknown where data.mix draws such frames, and only "
            "there: set network.unknown and data.mix.unknown to agree"
        )
    keep_freed_memory()
    first = open_fabric(processes).is_global_zero
    state = _fresh(recipe, config)
    if state.quantised and any(not stage.quantised for stage in stages(recipe)):
        raise ConfigError(
            f"start: {recipe.start} is quantised, phases without quantisers cannot follow it; "
            "take quantised = false out"
        )
    trained = False
    kept = recipe.data.keep_epochs
    memory = Memory(kept, recipe.seed) if kept else None
    with MetricsFile(run) if first else nullcontext() as metrics:
        watching = observer if metrics is None else Tee(metrics, observer)
        for stage in stages(recipe):
            finished = stage.folder(run) / "final.safetensors"
            if finished.exists() and (stage.folder(run) / PHASE_RECORD).exists():
                state = _restored(finished)
                continue
            trained = True
            fabric = open_fabric(processes, stage.settings.precision)
            source = _source(recipe, stage.settings, fabric, memory)
            state = _prepare(recipe, config, stage, state, source, fabric)
            _run_stage(recipe, stage, state, source, fabric, run, watching, memory)
    return state.network.cpu(), trained


def _run_stage(  # noqa: PLR0913
    recipe: Recipe,
    stage: Stage,
    state: State,
    source: FrameSource,
    fabric: Fabric,
    run: RunFolder,
    observer: RunObserver,
    memory: Memory | None,
) -> None:
    extra: dict[str, Any] = {}
    if not isinstance(stage.settings, FeedbackPhase):
        epochs, later = stage.settings.epochs, epochs_after(recipe, stage)
        n_frames = source.frames_per_epoch
        after = None if later is None else later * n_frames
        observer.phase_begins(stage.name, epochs * n_frames, after)
    if isinstance(stage.settings, LowerPhase):
        extra = {"lowered": _lower(recipe, stage, state, source, run, fabric)}
        state.network.to(fabric.device)
    teacher, teacher_identity = _teacher(recipe, stage, run, fabric)
    task = Task(
        network=state.network,
        source=source,
        phase=stage.settings,
        folder=stage.folder(run),
        identity=identity(recipe, stage) | teacher_identity,
        masks=state.masks,
        config=state.config,
        teacher=teacher,
        memory=memory,
    )
    if isinstance(stage.settings, FeedbackPhase):
        progress, standing = run_feedback(task, stage.settings, fabric, observer)
        state.masks, extra = standing.masks, {"attempts": standing.attempts}
    elif stage.settings.epochs == 0:
        progress = Progress()
        finish_with(task, fabric, progress)
    else:
        progress = train(task, fabric, observer)
    reached = accuracy(state.network, source.validation())
    record = _phase_record(stage, state, progress, reached)
    record |= {"scale": recipe.data.scale, "batch_size": source.batch_size} | extra
    if fabric.is_global_zero:
        write_json(stage.folder(run) / PHASE_RECORD, record)
    observer.phase_ends(record)


def _lower(
    recipe: Recipe,
    stage: Stage,
    state: State,
    source: FrameSource,
    run: RunFolder,
    fabric: Fabric,
) -> list[dict[str, Any]]:
    """Lower bit widths, or repeat what was chosen before an interruption; the steps taken."""
    path = stage.folder(run) / LOWERED
    key = identity(recipe, stage)
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if found.get("identity") != key:
        assert isinstance(stage.settings, LowerPhase)
        validation = source.validation()
        device = next(state.network.parameters()).device

        def measure(network: nn.Module) -> bit_width.Figures:
            reached = accuracy(network.to(device), validation)
            cost = _cost(network, state.config.classes)
            return bit_width.Figures(reached, cost.bops, cost.score)

        steps = bit_width.lower(state.network, stage.settings, measure)
        found = {"identity": key, "steps": [asdict(step) for step in steps]}
        if fabric.is_global_zero:
            write_json(path, found)
    lowered = {step["name"]: step["bits"] for step in found["steps"]}
    registry.set_bit_widths(state.network, lowered)
    state.config = replace(state.config, bit_widths={**state.config.bit_widths, **lowered})
    steps_taken: list[dict[str, Any]] = found["steps"]
    return steps_taken


def _cost(network: nn.Module, classes: tuple[str, ...]) -> Cost:
    facts = Metadata(classes=classes)
    return inference_cost.count(Model(trace(network.cpu(), facts), facts, None))


def _teacher(
    recipe: Recipe, stage: Stage, run: RunFolder, fabric: Fabric
) -> tuple[Teacher | None, dict[str, str]]:
    """Return whom a stage learns from, and what identifies that teacher."""
    settings = stage.settings.distill
    if settings is None:
        return None, {}
    if settings.model is not None:
        path = shipped.find(settings.model)
        teacher = onnx_teacher(path, fabric.device)
    else:
        by_phase = {earlier.name: earlier.folder(run) for earlier in stages(recipe)}
        path = checkpoint_file(settings.checkpoint or by_phase[settings.phase or ""])
        teacher = network_teacher(path, fabric.device)
    return teacher, {"teacher": hashlib.sha256(path.read_bytes()).hexdigest()}


def _fresh(recipe: Recipe, config: NetworkConfig) -> State:
    torch.manual_seed(recipe.seed)
    if recipe.start is not None:
        return _begun(start_file(recipe.start), config)
    return State(registry.build(config.in_float()), {}, config.in_float())


def _begun(path: Path, config: NetworkConfig) -> State:
    """Return the network that a recipe starts from, with the recipe's own bits."""
    if path.suffix == ".onnx":
        network = registry.build(config)
        import_weights(load(path), network)
        weights = prune.prunable(network).items()
        return State(network, {name: (weight != 0).float() for name, weight in weights}, config)
    found = checkpoint.open_network(path)
    own = replace(config, quantised=found.config.quantised)
    network = registry.build(own)
    shapes, wanted = (
        {
            name: tuple(parameter.shape)
            for name, parameter in each.named_parameters()
            if "weight_quant" not in name
        }
        for each in (found.network, network)
    )
    if shapes != wanted:
        raise ConfigError(
            f"start: {path} holds a network of another shape than [network] describes; "
            "give both the same shape (bits may differ)"
        )
    transfer(found.network, network)
    return State(network, found.masks, own)


def _restored(path: Path) -> State:
    found = checkpoint.open_network(path)
    return State(found.network, found.masks, found.config)


def _prepare(
    recipe: Recipe,
    config: NetworkConfig,
    stage: Stage,
    state: State,
    source: FrameSource,
    fabric: Fabric,
) -> State:
    if stage.quantised and not state.quantised:
        quantised = registry.build(config)
        transfer(state.network, quantised)
        frames = _calibration_frames(recipe, stage)
        trained = stage.number > 0 or recipe.start is not None
        calibrate(state.network.cpu(), quantised, frames, trained=trained)
        state = State(quantised, state.masks, config)
    if isinstance(stage.settings, PrunePhase):
        network = state.network.cpu()
        masks = _pruned(network, state.masks, stage.settings, source)
        prune.apply(network, masks)
        state = State(network, masks, state.config)
    state.network.to(fabric.device)
    return state


def _pruned(
    network: nn.Module, masks: Mapping[str, Tensor], phase: PrunePhase, source: FrameSource
) -> dict[str, Tensor]:
    if phase.threshold is not None:
        return prune.below(
            network, masks, phase.threshold, measure=phase.measure, layers=phase.layers
        )
    assert phase.fraction is not None
    return prune.smallest(
        network,
        masks,
        phase.fraction,
        phase.scope,
        measure=phase.measure,
        layers=phase.layers,
        saliency=saliency.measured(network, phase.measure, source),
    )


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


def _source(
    recipe: Recipe, settings: Optimisation, fabric: Fabric, memory: Memory | None
) -> FrameSource:
    floor = settings.minimum_snr
    return open_source(
        recipe.data,
        seed=recipe.seed,
        batch_size=recipe.data.scaled_batch_size(settings.batch_size),
        minimum_snr=recipe.data.minimum_snr if floor is None else floor,
        device=fabric.device,
        share=Share(fabric.global_rank, fabric.world_size),
        memory=memory,
    )


def _phase_record(
    stage: Stage, state: State, progress: Progress, validation_accuracy: float
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "event": "phase",
        "phase": stage.name,
        "kind": stage.settings.kind,
        "quantised": stage.quantised,
        "epochs": progress.epoch,
        "frames": sum(r["frames"] for r in _last_of_each(progress)),
        "validation_accuracy": validation_accuracy,
        "sparsity": prune.sparsity(state.masks),
        "seconds": progress.seconds,
    }
    if stage.quantised:
        cost = _cost(state.network, state.config.classes)
        record |= {"bops": cost.bops, "weight_bits": cost.weight_bits, "score": cost.score}
    return record


def _last_of_each(progress: Progress) -> list[dict[str, Any]]:
    """Return the last record of every training that a phase consisted of."""
    return list({record["phase"]: record for record in progress.records}.values())
