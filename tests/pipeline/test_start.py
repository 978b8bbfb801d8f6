from pathlib import Path
from typing import Any

import pytest
import torch

from boltmod.compress import prune
from boltmod.errors import CheckpointError, ConfigError
from boltmod.pipeline.network_cost import network_cost
from boltmod.pipeline.recipe import Recipe
from boltmod.pipeline.stages import run_phases
from boltmod.run_folder import RunFolder
from boltmod.train import checkpoint
from small_runs import FLOAT, Watcher, last_phase, recipe

pytestmark = pytest.mark.usefixtures("uncounted")

STILL: dict[str, Any] = {"kind": "train", "name": "still", "learning_rate": 1e-9}


def starting(start: Path, *phases: dict[str, Any], **network: Any) -> Recipe:
    return recipe(*phases, **network).model_copy(update={"start": start})


@pytest.fixture(scope="module")
def floating(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = RunFolder(tmp_path_factory.mktemp("floating"))
    run_phases(recipe(FLOAT, {"kind": "prune", "name": "prune", "fraction": 0.5}), run, Watcher())
    return run


def test_a_phase_s_weights_are_where_another_recipe_starts(
    floating: RunFolder, tmp_path: Path
) -> None:
    first = floating.checkpoints / "00-float"
    finer = starting(first, STILL, weight_bit_width=8, act_bit_width=8)
    network, _ = run_phases(finer, RunFolder(tmp_path), Watcher())
    theirs = prune.prunable(checkpoint.open_trainee(first / "final.safetensors").network)
    for name, weight in prune.prunable(network).items():
        assert torch.allclose(weight, theirs[name], atol=1e-5), name


def test_pruned_weights_stay_away(floating: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    network, _ = run_phases(starting(floating.path, STILL), run, Watcher())
    assert last_phase(run)["sparsity"] == pytest.approx(0.5, abs=0.01)
    left = torch.cat([w.flatten() for w in prune.prunable(network).values()])
    assert float((left != 0).float().mean()) <= 0.51


def test_what_does_not_fit_is_refused(floating: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with pytest.raises(ConfigError, match="of another shape"):
        run_phases(starting(floating.path, STILL, channels=[4, 6]), run, Watcher())
    with pytest.raises(ConfigError, match="take quantised = false out"):
        run_phases(starting(floating.path, FLOAT, STILL), run, Watcher())
    with pytest.raises(CheckpointError, match="holds no finished phase"):
        run_phases(starting(tmp_path / "nothing", STILL), run, Watcher())


@pytest.mark.referee
def test_a_published_network_is_where_fine_tuning_starts(referees: Path, tmp_path: Path) -> None:
    made = Recipe.model_validate({
        "name": "fine", "start": str(referees / "bacalhaunet_v1.onnx"),
        "network": {"name": "bacalhaunet"},
        "data": {"frames_per_epoch": 128, "validation_frames": 624},
        "phases": [STILL | {"epochs": 1, "batch_size": 128}],
    })  # fmt: skip
    run = RunFolder(tmp_path)
    network, _ = run_phases(made, run, Watcher())
    assert network_cost(network, made.config).score == pytest.approx(0.016211, abs=2e-5)
    assert last_phase(run)["validation_accuracy"] > 0.5
