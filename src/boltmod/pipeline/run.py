"""`boltmod run`: a recipe's whole way, from frames to a report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import tomli_w
from torch import nn

from boltmod import __version__
from boltmod.cost import inference_cost
from boltmod.data.layout import Layout
from boltmod.data.section import DataSection
from boltmod.data.source.frames import Frames as LabelledFrames
from boltmod.data.source.frames import Sampling
from boltmod.data.source.opening import open_source
from boltmod.errors import ConfigError
from boltmod.evaluation.frames import Frames, file_frames, twin_frames
from boltmod.evaluation.metrics import Evaluation, evaluate
from boltmod.evaluation.report import write_report
from boltmod.export.qonnx import export
from boltmod.files import held, write_json, write_text
from boltmod.model.metadata import Metadata
from boltmod.model.onnx_file import load
from boltmod.pipeline.environment import environment
from boltmod.pipeline.log_observer import LogObserver
from boltmod.pipeline.metrics import RunObserver
from boltmod.pipeline.processes import is_first
from boltmod.pipeline.recipe import Recipe, read_recipe
from boltmod.pipeline.source import source
from boltmod.pipeline.stages import run_phases
from boltmod.run_folder import RunFolder
from boltmod.runtime.session import Classifier
from boltmod.signal.profile import PROFILES, profile_from
from boltmod.toml_table import read_table, validated
from boltmod.train.temperature import calibrated

Notify = Callable[[str, int, int], None]
"""Tells what is being done, and how many frames of how many are done."""


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Args:
        folder: The run folder.
        accuracy: Share of the test frames classified right by the exported model.
        data: Which frames these were.
        score: The challenge's score.
        scale: Share of the recipe's frames that an epoch saw.
        report: The report's path.

    Examples:
        >>> import boltmod
        >>> outcome = boltmod.run("tiny.toml", "runs/tiny")  # nothing is done twice
        >>> outcome.score > 0, outcome.report.name
        (True, 'report.html')
    """

    folder: Path
    accuracy: float
    accuracy_from_10_db: float
    data: str
    bops: float
    weight_bits: float
    score: float
    scale: float
    report: Path

    def as_dict(self) -> dict[str, Any]:
        """The outcome in plain values."""
        return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items()}


def run(
    recipe: Recipe | Path | str,
    folder: Path | str | None = None,
    observer: RunObserver | None = None,
    notify: Notify | None = None,
    scale: float | None = None,
    processes: int = 1,
) -> Outcome:
    """Take a recipe all the way: train, prune, export, verify, count, evaluate and report.

    What an earlier, interrupted run finished is not done again.

    Args:
        recipe: The recipe, or its TOML file.
        folder: The run folder, made if it does not exist; if None `runs/` and the name of the
            recipe's file, or the recipe's own.
        observer: Who watches the training; if None a line an epoch goes to the logger `boltmod`,
            at level INFO.
        notify: Takes what the steps after it do; as `observer` if None.
        scale: Share of the recipe's frames that an epoch sees; None leaves it to the recipe.
        processes: How many processes train together. The function returns in the first one; the
            others end where training ends.

    Raises:
        ConfigError: The recipe is wrong, or the folder holds another recipe's run.
        BoltmodError: A later step failed; the same command goes on from there.

    Examples:
        >>> import boltmod
        >>> outcome = boltmod.run("tiny.toml", "runs/tiny")
        >>> outcome.data
        'twin 2, seed 9, 1 frame a cell'
    """
    own_name = recipe.name if isinstance(recipe, Recipe) else Path(recipe).stem
    recipe = _read(recipe, scale)
    folder = Path("runs") / own_name if folder is None else Path(folder)
    observer, notify = observer or LogObserver(), notify or LogObserver.notify
    files = RunFolder(folder)
    if not is_first():
        return _run(recipe, files, observer, notify, processes)
    busy = f"{folder} must be worked in by one command at a time, and another is at it: wait for it"
    with held(files.lock, busy):
        claim(recipe, files)
        return _run(recipe, files, observer, notify, processes)


def _run(  # the folder is this process's own
    recipe: Recipe, files: RunFolder, observer: RunObserver, notify: Notify, processes: int
) -> Outcome:
    network, trained = run_phases(recipe, files, observer, processes)
    if not is_first():
        raise SystemExit(0)
    if trained:
        files.model.unlink(missing_ok=True)
    if not files.model.exists():
        _export(recipe, files, network, notify)
        files.evaluation.unlink(missing_ok=True)
    model = load(files.model)
    cost = inference_cost.count(model)
    write_json(files.cost, cost.as_dict())
    if files.evaluation.exists():
        evaluation = Evaluation.from_dict(_read_json(files.evaluation))
    else:
        evaluation = _evaluate(recipe, files, notify)
        write_json(files.evaluation, evaluation.as_dict())
    notify("writing the report", 0, 0)
    report = write_report(files)
    return Outcome(
        folder=files.path,
        accuracy=evaluation.accuracy,
        accuracy_from_10_db=evaluation.accuracy_from(10),
        data=evaluation.data,
        bops=cost.bops,
        weight_bits=cost.weight_bits,
        score=cost.score,
        scale=recipe.data.scale,
        report=report,
    )


def _read(recipe: Recipe | Path | str, scale: float | None) -> Recipe:
    if not isinstance(recipe, Recipe):
        return read_recipe(Path(recipe), scale)
    if scale is None:
        return recipe
    data = recipe.data.model_copy(update={"scale": scale})
    return recipe.model_copy(update={"data": data})


def claim(recipe: Recipe, files: RunFolder) -> None:
    """Write down recipe and environment; a folder belongs to one recipe."""
    if files.recipe.exists():
        if not _is_of(recipe, files.recipe):
            raise ConfigError(
                f"{files.path}: holds the run of another recipe, or of another version of "
                "boltmod; name another folder with --out, or delete this one"
            )
    else:
        write_text(files.recipe, tomli_w.dumps(recipe.document))
        write_json(files.environment, environment())


def _is_of(recipe: Recipe, path: Path) -> bool:
    """Whether a run's recorded recipe says the same, whatever it leaves to its defaults."""
    try:
        found = read_table(path, "recipe")
        network = found.get("network")
        # Before it is read as a recipe: a folder's file decides of no module to be imported.
        is_same = isinstance(network, dict) and network.get("name") == recipe.network.name
        return is_same and validated(Recipe, found).document == recipe.document
    except ConfigError:
        return False


def _export(recipe: Recipe, files: RunFolder, network: nn.Module, notify: Notify) -> None:
    notify("exporting and verifying", 0, 0)
    frames = _validation(recipe, recipe.data).iq_planes[: recipe.export.frames]
    provenance = _provenance(recipe, files)
    if recipe.export.calibrate:
        notify("fitting the temperature", 0, 0)
        temperature = calibrated(network, _validation(recipe, recipe.data.hardest))
        provenance["temperature"] = f"{temperature:.4f}"
    facts = Metadata(
        classes=recipe.config.classes,
        input_scaling="unit_std",
        provenance=provenance,
    )
    agreement = export(network, facts, frames, recipe.export.tolerance, files.model)
    write_json(files.verification, asdict(agreement))
    notify(f"exported: {agreement.words}", 0, 0)


def _provenance(recipe: Recipe, files: RunFolder) -> dict[str, str]:
    recipe_text = files.recipe.read_bytes()
    return {
        "boltmod_version": __version__,
        "source": source(),
        "recipe": recipe.name,
        "recipe_sha256": hashlib.sha256(recipe_text).hexdigest(),
        "trained_on": _trained_on(recipe),
        "seed": str(recipe.seed),
    }


def _validation(recipe: Recipe, data: DataSection) -> LabelledFrames:
    return open_source(data, Sampling(recipe.seed, 1, data.minimum_snr)).validation()


def _trained_on(recipe: Recipe) -> str:
    if recipe.data.mix:
        profiles = dict.fromkeys(PROFILES[part.profile].title for part in recipe.data.mix)
        return f"profiles {' and '.join(profiles)}"
    return str(recipe.data.path or f"profile {PROFILES[recipe.data.profile].title}")


def _evaluate(recipe: Recipe, files: RunFolder, notify: Notify) -> Evaluation:
    classifier = Classifier(files.model)
    done = 0
    with _test_frames(recipe) as frames:

        def count(n_frames: int) -> None:
            nonlocal done
            done += n_frames
            notify("evaluating", done, frames.n_frames)

        return evaluate(
            partial(classifier.logits, scale=False),
            frames.batches,
            data=frames.words,
            model=recipe.name,
            classes=classifier.classes,
            progress=count,
        )


def _test_frames(recipe: Recipe) -> AbstractContextManager[Frames]:
    """Return the official test split of the recipe's file, or fresh frames of its profile.

    Of several profiles it is the one with the most unknown frames: the hardest.
    """
    asked = Layout(recipe.config.classes, recipe.config.frame_length)
    if recipe.data.path is not None:
        return file_frames(recipe.data.path, "test", asked=asked)
    part = next(iter(recipe.data.hardest.mix), recipe.data)
    profile = profile_from(part.profile, part.parameters)
    cells, seed = recipe.evaluation.frames_per_cell, recipe.seed + 2
    unknown = recipe.data.has_unknown
    return nullcontext(twin_frames(cells, seed, profile, unknown=unknown, asked=asked))


def _read_json(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document
