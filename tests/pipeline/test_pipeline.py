import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from boltmod.cli.app import app
from boltmod.data.make import make
from boltmod.data.provenance import Plan
from boltmod.errors import CheckpointError, ConfigError
from boltmod.pipeline.phase.feedback import FeedbackPhase
from boltmod.pipeline.recipe import Recipe, read_recipe
from boltmod.pipeline.run import claim, run
from boltmod.pipeline.stages import run_phases, stages
from boltmod.run_folder import RunFolder
from boltmod.train import checkpoint
from small_runs import Watcher, metrics, timeless
from tiny_recipe import RECIPE


@pytest.fixture(scope="module")
def recipe_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def recipe(recipe_path: Path) -> Recipe:
    return read_recipe(recipe_path)


@pytest.fixture(scope="module")
def finished(recipe_path: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    watcher = Watcher()
    run(recipe_path, folder, watcher, watcher.notify)
    return RunFolder(folder)


UNCOUNTED = {"bops": 0, "weight_bits": 0, "score": 0.0}


@pytest.fixture
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cost is not what a run is about: exporting a network to count it takes longest."""
    monkeypatch.setattr(
        "boltmod.pipeline.stages.network_cost", lambda *_: SimpleNamespace(**UNCOUNTED)
    )


def without_cost(files: RunFolder) -> list[dict[str, Any]]:
    return [
        record | (UNCOUNTED if "score" in record else {}) for record in timeless(metrics(files))
    ]


@pytest.mark.usefixtures("uncounted")
def test_a_phase_that_ended_untold_is_not_trained_again(
    recipe: Recipe, finished: RunFolder, tmp_path: Path
) -> None:
    again = RunFolder(tmp_path / "again")
    shutil.copytree(finished.path, again.path)
    last = max(again.checkpoints.iterdir())
    (last / "phase.json").unlink()
    watcher = Watcher()
    run_phases(recipe, again, watcher)
    assert watcher.epochs == []
    assert without_cost(again) == without_cost(finished)


def test_two_processes_train_as_one_run(tmp_path: Path) -> None:
    recipe_path = tmp_path / "tiny.toml"
    recipe_path.write_text(RECIPE.replace("rounds = 2", "rounds = 1"))
    command = [sys.executable, "-m", "boltmod", "run", str(recipe_path), "--processes", "2"]
    subprocess.run([*command, "--out", str(tmp_path / "two")], check=True, capture_output=True)
    files = RunFolder(tmp_path / "two")
    epochs = [r for r in metrics(files) if r["event"] == "epoch"]
    assert [r["frames"] for r in epochs] == [384, 768, 384, 384]
    assert files.report.exists()


def test_half_precision_trains_single_precision_weights(
    recipe: Recipe, finished: RunFolder, tmp_path: Path
) -> None:
    phase = recipe.phases[0].model_copy(update={"precision": "bf16-mixed"})
    network, _ = run_phases(
        recipe.model_copy(update={"phases": [phase]}), RunFolder(tmp_path), Watcher()
    )
    half = network.state_dict()["dense.weight"]
    single = checkpoint.load(finished.checkpoints / "00-float" / "final.safetensors")
    assert half.dtype == torch.float32
    assert not torch.equal(half, single.network["dense.weight"])
    torch.testing.assert_close(half, single.network["dense.weight"], rtol=0, atol=0.05)


def test_the_run_folder_is_complete(finished: RunFolder) -> None:
    for path in (
        finished.recipe, finished.environment, finished.metrics, finished.model, finished.cost,
        finished.evaluation, finished.report,
    ):  # fmt: skip
        assert path.stat().st_size > 0
    assert not list(finished.path.rglob("*.part"))
    assert not list(finished.path.rglob("latest.safetensors"))


def test_the_recorded_recipe_makes_the_same_recipe(finished: RunFolder, recipe: Recipe) -> None:
    recorded = read_recipe(finished.recipe)
    assert recorded.model_copy(update={"network": recipe.network}) == recipe
    assert recorded.network.parameters.items() >= recipe.network.parameters.items()
    assert recorded.network.parameters["act_bit_width"] == 6


def test_a_folder_goes_on_whatever_its_recipe_leaves_to_its_defaults(
    finished: RunFolder, recipe: Recipe, tmp_path: Path
) -> None:
    claim(recipe, finished)
    files = RunFolder(tmp_path)
    files.recipe.write_text(RECIPE)  # as an earlier version, with fewer parameters, wrote it
    claim(recipe, files)
    assert files.recipe.read_text() == RECIPE
    for other in (RECIPE.replace("seed = 7", "seed = 8"), "name = 3"):
        files.recipe.write_text(other)
        with pytest.raises(ConfigError, match="holds the run of another recipe"):
            claim(recipe, files)


def test_metrics_hold_every_epoch_and_phase_once(finished: RunFolder, recipe: Recipe) -> None:
    records = metrics(finished)
    names = [stage.name for stage in stages(recipe)]
    assert names == ["float", "quantise", "prune-1", "prune-2"]
    assert [r["phase"] for r in records if r["event"] == "phase"] == names
    epochs = [(r["phase"], r["epoch"]) for r in records if r["event"] == "epoch"]
    assert epochs == [
        ("float", 1), ("float", 2), ("quantise", 1), ("prune-1", 1), ("prune-2", 1),
    ]  # fmt: skip


def test_pruned_weights_stay_zero_into_the_model(finished: RunFolder) -> None:
    records = [r for r in metrics(finished) if r["event"] == "phase"]
    assert [r["sparsity"] for r in records] == pytest.approx([0, 0, 0.5, 0.75], abs=0.02)
    costs = [r["weight_bits"] for r in records[1:]]
    assert costs == sorted(costs, reverse=True)
    last = checkpoint.load(finished.checkpoints / "03-prune-2" / "final.safetensors")
    for name, mask in last.masks.items():
        assert not last.network[name][mask == 0].any()


@pytest.mark.usefixtures("uncounted")
def test_an_interrupted_run_ends_with_the_same_weights(
    recipe: Recipe, finished: RunFolder, tmp_path: Path
) -> None:
    """Interrupted in training, in quantisation and in pruning."""
    files = RunFolder(tmp_path)
    for steps, phase in ((8, "float"), (7, "quantise"), (5, "prune-1")):
        with pytest.raises(KeyboardInterrupt):
            run_phases(recipe, files, Watcher(interrupt_after=steps))
        (latest,) = files.path.rglob("latest.safetensors")
        assert latest.parent.name.endswith(phase)
    network, _ = run_phases(recipe, files, Watcher())
    expected = checkpoint.load(finished.checkpoints / "03-prune-2" / "final.safetensors")
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, expected.network[name]), name
    assert without_cost(files) == without_cost(finished)


def test_a_finished_run_trains_nothing(recipe: Recipe, finished: RunFolder) -> None:
    watcher = Watcher()
    _, trained = run_phases(recipe, finished, watcher)
    assert not trained
    assert not watcher.epochs


@pytest.mark.usefixtures("uncounted")
def test_a_killed_run_goes_on(recipe_path: Path, tmp_path: Path) -> None:
    command = ["run", str(recipe_path), "--out", str(tmp_path / "killed"), "--json"]
    victim = subprocess.Popen(
        [sys.executable, "-m", "boltmod", *command],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert victim.stderr is not None
    for line in victim.stderr:
        if "epoch   1" in line:
            break
    os.killpg(victim.pid, signal.SIGKILL)
    victim.wait()
    victim.stderr.close()
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    outcome = json.loads(done.stdout)
    assert Path(outcome["report"]).exists()
    assert "float        epoch   1" not in done.stderr
    epochs = [r for r in metrics(RunFolder(tmp_path / "killed")) if r["event"] == "epoch"]
    assert len(epochs) == 5


@pytest.mark.usefixtures("uncounted")
def test_training_from_a_file_tests_on_its_official_split(tmp_path: Path) -> None:
    data = tmp_path / "small.hdf5"
    make(Plan(frames_per_cell=4, seed=5), data)
    text = RECIPE.replace("[data]", f'[data]\nsource = "hdf5"\npath = "{data}"')
    text = text.replace("validation_frames = 96", "validation_frames = 48")
    text = text[: text.index('[[phases]]\nname = "prune"')] + text[text.index("[export]") :]
    path = tmp_path / "file.toml"
    path.write_text(text)
    watcher = Watcher()
    outcome = run(path, tmp_path / "run", watcher, watcher.notify)
    assert outcome.data == "small.hdf5, official test split"
    assert [r["frames"] for r in watcher.epochs] == [384, 768, 384]


def test_a_folder_belongs_to_one_recipe(finished: RunFolder, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(RECIPE.replace("seed = 7", "seed = 8"))
    watcher = Watcher()
    with pytest.raises(ConfigError) as caught:
        run(other, finished.path, watcher, watcher.notify)
    assert str(caught.value) == (
        f"{finished.path}: holds the run of another recipe, or of another version of boltmod; "
        "name another folder with --out, or delete this one"
    )


def test_a_damaged_checkpoint_is_named(finished: RunFolder, tmp_path: Path) -> None:
    path = tmp_path / "damaged.safetensors"
    whole = (finished.checkpoints / "00-float" / "final.safetensors").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=r"damaged\.safetensors: not a boltmod checkpoint"):
        checkpoint.load(path)


def test_a_checkpoint_of_another_network_is_refused(finished: RunFolder) -> None:
    path = finished.checkpoints / "00-float" / "final.safetensors"
    with pytest.raises(CheckpointError, match="belongs to another network"):
        checkpoint.restore(torch.nn.Linear(2, 2), checkpoint.load(path), path)


def test_a_phase_says_how_many_frames_come_after_it(recipe: Recipe) -> None:
    assert [stage.epochs_after for stage in stages(recipe)] == [3, 2, 1, 0]
    feedback = FeedbackPhase(name="more", kind="feedback", epochs=1, batch_size=128, floor=0.5)
    longer = recipe.model_copy(update={"phases": [*recipe.phases, feedback]})
    assert [stage.epochs_after for stage in stages(longer)] == [None] * 4 + [0]
