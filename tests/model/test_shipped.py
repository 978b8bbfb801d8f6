"""The networks that come with the package."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from boltmod.cli.app import app
from boltmod.cost import inference_cost
from boltmod.evaluation.frames import twin_frames
from boltmod.evaluation.metrics import evaluate
from boltmod.model import shipped
from boltmod.model.onnx_file import load
from boltmod.modulation import CLASSES, FIELD_CLASSES, UNKNOWN_ID
from boltmod.pipeline.recipe import read_recipe
from boltmod.runtime.session import Classifier
from boltmod.signal.generator import generate
from boltmod.signal.profile import FIELD

ROOT = Path(__file__).resolve().parents[2]


def test_the_network_is_small_and_says_where_it_comes_from() -> None:
    assert shipped.path_of("field").stat().st_size < 400_000
    model = load(shipped.path_of("field"))
    assert model.classes == FIELD_CLASSES
    assert model.metadata.provenance["recipe"] == read_recipe(ROOT / "recipes" / "field.toml").name
    assert 0.5 < float(model.metadata.provenance["temperature"]) < 2


def test_the_network_knows_field_frames_of_every_family_and_what_is_none() -> None:
    ids = torch.tensor([0, 3, 4, 8, 12, 19, 21, 22, 23, UNKNOWN_ID]).repeat_interleave(24)
    frames = generate(ids, torch.full((240,), 24), 77, profile=FIELD).numpy()
    found = Classifier(shipped.path_of("field"), threads=1).logits(frames, scale=False).argmax(1)
    right = (found == ids.numpy()).reshape(10, 24).mean(1)
    assert np.all(right > 0.5), right
    assert right.mean() > 0.8


@pytest.mark.parametrize("name", shipped.names())
def test_whatever_is_dropped_in_is_found_small_and_made_by_a_recipe(name: str) -> None:
    path = shipped.path_of(name)
    assert shipped.find(Path(name)) == path
    assert path.stat().st_size < 600_000
    provenance = load(name).metadata.provenance
    assert (ROOT / "recipes" / f"{provenance['recipe']}.toml").exists()
    assert provenance["trained_on"].startswith("profile")


def test_loading_it_needs_no_torch() -> None:
    code = (
        "import sys; from boltmod.model import shipped; "
        "from boltmod.runtime.session import Classifier; Classifier(shipped.path_of('field')); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "highest_score", "highest_strict", "lowest_accuracy"),
    [
        ("boltnet", 0.0030, 0.0033, 0.55),
        ("boltnet60", 0.0120, 0.0125, 0.58),
        ("bacalhaunet_v1", 0.0160, 0.0160, 0.46),
        ("imperial_ipc1", 0.1400, 0.1660, 0.53),
    ],
)
def test_they_are_small_cheap_and_right(
    name: str, highest_score: float, highest_strict: float, lowest_accuracy: float
) -> None:
    path = shipped.path_of(name)
    assert path.stat().st_size <= 600_000
    model = load(name)
    assert model.classes == CLASSES
    cost = inference_cost.count(model)
    # The official tool knows no signal statistics; the strict score counts them.
    assert bool(cost.unsupported) == (name == "imperial_ipc1")
    assert cost.strict is not None
    assert cost.score <= highest_score
    assert cost.score <= cost.strict.score <= highest_strict
    frames = twin_frames(8, 4321)
    found = evaluate(
        partial(Classifier(model, threads=1).logits, scale=False), frames.batches, data=frames.words
    )
    assert found.accuracy > lowest_accuracy


def test_a_file_of_the_same_name_comes_first(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert shipped.find(Path("boltnet")) == shipped.path_of("boltnet")
    assert shipped.find(Path("boltnets")) == Path("boltnets")
    (tmp_path / "boltnet").mkdir()
    assert shipped.find(Path("boltnet")) == shipped.path_of("boltnet")
    (tmp_path / "boltnet").rmdir()
    (tmp_path / "boltnet").touch()
    assert shipped.find(Path("boltnet")) == Path("boltnet")


def test_commands_know_it_by_name() -> None:
    result = CliRunner().invoke(app, ["cost", "boltnet", "boltnet60", "--json"])
    assert result.exit_code == 0, result.output
    assert [each["model"] for each in json.loads(result.stdout)] == ["boltnet", "boltnet60"]
