"""Making a submission out of a finished run."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boltmod.challenge import form, sources, state_dict
from boltmod.challenge.form import Form
from boltmod.cost.inference_cost import Cost, count
from boltmod.errors import ConfigError, CostMismatchError
from boltmod.evaluation.metrics import Evaluation
from boltmod.files import replacing
from boltmod.model import onnx_file
from boltmod.run_folder import RunFolder
from boltmod.train import checkpoint

MODEL, CHECKPOINT, RECIPE = "model.onnx", "checkpoint.pth", "recipe.toml"
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)

INSTRUCTIONS = """\
docker build -t submission . && docker run --name submission submission
makes everything again, from the frames to the exported model, as recipe.toml says; then
docker cp submission:/submission/run . holds it. Where the recipe names a data file, mount it at
that path (docker run -v). requirements.txt lists the packages, source/ the full sources.
Without Docker, in this folder: pip install -r requirements.txt; export PYTHONPATH=source/src;
python -c "from boltmod.cli.app import main; main()" run recipe.toml --out run"""


@dataclass(frozen=True)
class Notes:
    """What only the submitter knows.

    Args:
        repository: Where the sources are published.
        comments: Anything else.
    """

    repository: str = "the sources are in this archive"
    comments: str = ""


def pack(run: Path, out: Path, notes: Notes | None = None) -> Form:
    """Write the submission of a finished run.

    Args:
        run: The run folder.
        out: The zip file; it appears when it is complete.
        notes: What goes into the form beside the figures.

    Returns:
        The form as filled in.

    Raises:
        ConfigError: The run is not finished.
        CostMismatchError: The model's cost is not what the run wrote down.
    """
    files = RunFolder(run)
    for path in (files.recipe, files.model, files.cost, files.evaluation):
        if not path.is_file():
            raise ConfigError(f"{run} must be a finished run, and lacks {path.name}: let it finish")
    cost = count(onnx_file.load(files.model))
    _check_cost(cost, _json(files.cost), files.cost)
    evaluation = Evaluation.from_dict(_json(files.evaluation))
    filled = _fill_in(cost, evaluation, notes or Notes())
    contents = {
        form.FILE_NAME: form.write(filled).encode(),
        MODEL: files.model.read_bytes(),
        CHECKPOINT: state_dict.dump(checkpoint.load(_last_checkpoint(files)).network),
        RECIPE: files.recipe.read_bytes(),
        "cost.json": files.cost.read_bytes(),
        "evaluation.json": files.evaluation.read_bytes(),
        "requirements.txt": sources.requirements().encode(),
        "Dockerfile": sources.DOCKERFILE.encode(),
        **sources.source_files(),
    }
    if files.environment.is_file():
        contents["environment.json"] = files.environment.read_bytes()
    _write(out, contents)
    return filled


def _fill_in(cost: Cost, evaluation: Evaluation, notes: Notes) -> Form:
    return Form(
        accuracy=f"{evaluation.accuracy:.6f} (measured on: {evaluation.data})",
        score=f"{cost.score:.6f}",
        cost=json.dumps(cost.official, indent=2, sort_keys=True),
        model=MODEL,
        checkpoint=CHECKPOINT,
        repository=notes.repository,
        instructions=INSTRUCTIONS,
        comments=notes.comments,
    )


def _check_cost(cost: Cost, written: dict[str, Any], path: Path) -> None:
    for key in ("bops", "weight_bits"):
        if written.get(key) != getattr(cost, key):
            raise CostMismatchError(
                f"{key} in {path} must be the model's {getattr(cost, key):,}, not "
                f"{written.get(key)}: count again with `boltmod cost --json`"
            )


def _last_checkpoint(files: RunFolder) -> Path:
    finished = files.finished
    if not finished:
        raise ConfigError(
            f"{files.path} must be a finished run, and lacks its last checkpoint: let it finish"
        )
    return finished[-1]


def _json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ConfigError(f"{path} must be a JSON object, and is damaged: let the run write it")
    return document


def _write(out: Path, contents: dict[str, bytes]) -> None:
    """Write the same bytes for the same contents: the files by name, all of one date."""
    with (
        replacing(out) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, contents[name])
