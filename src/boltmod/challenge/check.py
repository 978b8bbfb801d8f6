"""Holding a submission against the rules, one line a criterion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import nn

from boltmod.challenge import form, state_dict
from boltmod.challenge.archive import Archive
from boltmod.challenge.criterion import Criterion as Criterion
from boltmod.challenge.form import Form
from boltmod.challenge.measured import Measured, measure
from boltmod.challenge.network_rules import why_not_static, why_not_uniform
from boltmod.cost.inference_cost import count
from boltmod.cost.score import MINIMUM_ACCURACY, score
from boltmod.data.twin import twin_cells
from boltmod.errors import BoltmodError, DataFormatError
from boltmod.export.verify import compare
from boltmod.model import onnx_file
from boltmod.model.onnx_file import Model
from boltmod.nn import registry
from boltmod.runtime.session import Classifier
from boltmod.untrusted import parse_toml, read_by

_SAME_ACCURACY = 2e-4
"""How far the checkpoint's accuracy may be from the model's: sums taken in another order."""

_CLAIM = 5e-4
"""How far the claimed accuracy may be from the measured one."""

_TOLERANCE = 0.05
_TWIN_SEED = 56_000

Progress = Callable[[int, int], None]


@dataclass
class _Submission:
    """What has been read of a submission so far; None where it could not be.

    Paths in the form are relative to `folder`, the form's own.
    """

    archive: Archive
    folder: str = ""
    form: Form | None = None
    model: Model | None = None
    network: nn.Module | None = None

    def read(self, name: str) -> bytes:
        """Read a file that the form names, perhaps in quotes or with `./` before it."""
        bare = name.strip().strip("\"'`").removeprefix("/")
        return self.archive.read((PurePosixPath(self.folder) / bare).as_posix())


def check(
    path: Path, data: Path | None = None, progress: Progress | None = None
) -> tuple[Criterion, ...]:
    """Hold a submission against every rule.

    Args:
        path: The zip file.
        data: RadioML 2018.01A itself; without it accuracies are not checked.
        progress: Called with (frames done, frames to do) while classifying `data`.

    Returns:
        The criteria, in the order of docs/challenge.md.

    Raises:
        DataFormatError: The file is no zip file, or one that is not safe to read.
    """
    submission = _Submission(Archive(path))
    criteria = [
        _form(submission),
        _sources(submission.archive),
        _environment(submission.archive),
        *_model(submission),
        *_checkpoint(submission),
    ]
    measured = _measure(submission, data, progress)
    criteria += [
        _agreement(submission, measured),
        _split(measured),
        _accuracy(submission, measured),
    ]
    return tuple(criteria)


def check_documents(path: str, data: str | None, progress: Progress) -> list[dict[str, Any]]:
    """Hold a submission against every rule, as `boltmod.confined` hands it on."""
    criteria = check(Path(path), None if data is None else Path(data), progress)
    return [asdict(criterion) for criterion in criteria]


def model_of(path: Path) -> Model:
    """Read the model of a submission.

    Raises:
        DataFormatError: The file is no submission with a form.
        ModelFormatError: The model cannot be read.
    """
    submission = _Submission(Archive(path))
    filled = _form(submission)
    if submission.form is None:
        raise DataFormatError(f"{path} must have a form, and {filled.reason}: pack it again")
    return _read_model(submission)


def _form(submission: _Submission) -> Criterion:
    name = "form filled in"
    names = submission.archive.names()
    candidates = [each for each in names if PurePosixPath(each).name == form.FILE_NAME]
    if not candidates:
        return Criterion(name, False, f"the archive holds no {form.FILE_NAME}")
    path = min(candidates, key=len)
    submission.folder = PurePosixPath(path).parent.as_posix()
    try:
        submission.form = form.parse(submission.archive.read(path).decode("utf-8", "replace"))
    except DataFormatError as error:
        return Criterion(name, False, str(error))
    return Criterion(name, True, f"{path} answers every question")


def _sources(archive: Archive) -> Criterion:
    n_sources = sum(name.endswith((".py", ".ipynb")) for name in archive.names())
    reason = f"{n_sources} Python files and notebooks"
    return Criterion("full sources", n_sources > 0, reason)


def _environment(archive: Archive) -> Criterion:
    found = [name for name in archive.names() if PurePosixPath(name).name == "Dockerfile"]
    return Criterion("Dockerfile", bool(found), found[0] if found else "the archive holds none")


def _model(submission: _Submission) -> Iterator[Criterion]:
    names = (
        "model readable",
        "input (1, 2, 1024) and static graph",
        "no unsupported operator",
        "uniform quantisation, zero point 0",
        "cost equals the form's",
    )
    if submission.form is None:
        yield from _unchecked(names, "without a form nobody knows which file it is")
        return
    try:
        model = _read_model(submission)
    except BoltmodError as error:
        yield Criterion(names[0], False, str(error))
        yield from _unchecked(names[1:], "the model cannot be read")
        return
    yield Criterion(names[0], True, submission.form.model)
    problem = why_not_static(model)
    yield Criterion(names[1], problem is None, problem or "every shape is fixed")
    if problem is not None:
        yield from _unchecked(names[2:], "the graph is not static")
        return
    submission.model = model
    yield from _operators_and_cost(model, submission.form, names[2:])


def _read_model(submission: _Submission) -> Model:
    name = submission.form.model if submission.form else ""
    return onnx_file.from_bytes(submission.read(name), Path(name))


def _operators_and_cost(model: Model, claims: Form, names: tuple[str, ...]) -> Iterator[Criterion]:
    problem = why_not_uniform(model)
    uniform = Criterion(names[1], problem is None, problem or "every quantiser is")
    try:
        cost = count(model)
    except BoltmodError as error:
        yield Criterion(names[0], False, str(error))
        yield uniform
        yield from _unchecked(names[2:], "the cost cannot be counted")
        return
    unknown = ", ".join(cost.unsupported)
    yield Criterion(names[0], not unknown, unknown or "the official tool knows them all")
    yield uniform
    claimed = claims.claimed_cost or {}
    ours = (cost.bops, cost.weight_bits)
    theirs = tuple(_whole(claimed.get(key)) for key in ("total_bops", "total_mem_w_bits"))
    counted = f"{ours[0]:,} bit operations, {ours[1]:,} weight bits, score {cost.score:.6f}"
    same_score = (
        claims.claimed_score is not None and abs(claims.claimed_score - score(*ours)) < 1e-6
    )
    if ours == theirs and same_score:
        yield Criterion(names[2], True, counted)
    else:
        told = f"{theirs[0]} and {theirs[1]}, score {claims.score}"
        yield Criterion(names[2], False, f"counted {counted}; the form says {told}")


def _whole(value: Any) -> int | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return round(value) if is_number and isfinite(value) else None


def _checkpoint(submission: _Submission) -> Iterator[Criterion]:
    name = "checkpoint readable"
    if submission.form is None:
        yield from _unchecked((name,), "without a form nobody knows which file it is")
        return
    path = submission.form.checkpoint
    try:
        tensors = state_dict.parse(submission.read(path), path)
    except BoltmodError as error:
        yield Criterion(name, False, str(error))
        return
    n_values = sum(tensor.numel() for tensor in tensors.values())
    yield Criterion(name, True, f"{len(tensors)} tensors, {n_values:,} values; no code in it")
    submission.network = _network(submission, tensors)


def _network(submission: _Submission, tensors: dict[str, torch.Tensor]) -> nn.Module | None:
    """Build the network that the recipe in the archive describes; None if that fails."""
    try:
        with read_by("torch", submission.archive.path, "a recipe and its weights", "pack it again"):
            document = parse_toml(submission.read("recipe.toml"), submission.archive.path)
            parameters = dict(document["network"])
            network = registry.build(
                registry.parse(str(parameters.pop("name")), parameters, may_import=False)
            )
            network.load_state_dict(tensors)
            with torch.no_grad():
                network.eval()(torch.ones(2, 2, 1024))  # what can be built need not run
    except BoltmodError:
        return None
    return network


def _measure(
    submission: _Submission, data: Path | None, progress: Progress | None
) -> Measured | None:
    if data is None or submission.model is None:
        return None
    return measure(data, Classifier(submission.model), submission.network, progress)


def _agreement(submission: _Submission, measured: Measured | None) -> Criterion:
    name = "checkpoint equals model"
    if submission.model is None or submission.network is None:
        return Criterion(
            name, None, "not checked: the recipe.toml, the checkpoint and the model do not make "
            "a network that boltmod can build",
        )  # fmt: skip
    if measured is not None and measured.checkpoint_accuracy is not None:
        gap = abs(measured.checkpoint_accuracy - measured.model_accuracy)
        reason = (
            f"{measured.checkpoint_accuracy:.4%} and {measured.model_accuracy:.4%} "
            f"on {measured.data}"
        )
        return Criterion(name, gap <= _SAME_ACCURACY, reason)
    frames = torch.cat([iq for iq, _, _ in twin_cells(1, _TWIN_SEED)])
    try:
        with read_by(
            "onnxruntime", submission.archive.path, "a network and its model", "pack anew"
        ):
            agreement = compare(submission.network, submission.model, frames, _TOLERANCE)
    except BoltmodError as error:
        return Criterion(name, False, str(error))
    return Criterion(name, True, f"frames of the twin: {agreement.words}")


def _split(measured: Measured | None) -> Criterion:
    name = "prescribed test split"
    if measured is None:
        return Criterion(name, None, "not checked: give the data with --data")
    if not measured.is_full_size:
        return Criterion(name, None, f"not checked: {measured.split_problem}")
    problem = measured.split_problem
    return Criterion(name, problem is None, problem or "the indices have the prescribed SHA-256")


def _accuracy(submission: _Submission, measured: Measured | None) -> Criterion:
    name = f"accuracy at least {MINIMUM_ACCURACY:.3%}"
    claim = submission.form.accuracy if submission.form else "nothing"
    if measured is None:
        return Criterion(name, None, f"not checked: give the data with --data; claimed: {claim}")
    found = f"{measured.model_accuracy:.3%} of {measured.n_frames:,} frames of {measured.data}"
    if not measured.is_real or measured.split_problem is not None:
        return Criterion(
            name, None, f"not checked: {found}, which is not RadioML 2018.01A; claimed: {claim}"
        )
    claimed = submission.form.claimed_accuracy if submission.form else None
    if claimed is None or abs(claimed - measured.model_accuracy) > _CLAIM:
        return Criterion(name, False, f"{found}; claimed: {claim}")
    return Criterion(name, measured.model_accuracy >= MINIMUM_ACCURACY, found)


def _unchecked(names: tuple[str, ...], why: str) -> Iterator[Criterion]:
    yield from (Criterion(name, None, f"not checked: {why}") for name in names)
