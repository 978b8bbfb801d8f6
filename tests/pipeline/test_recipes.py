"""The recipes that come with the project, each shortened to a single step an epoch."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from boltmod.cli.app import app
from boltmod.data.source.frames import Sampling
from boltmod.data.source.opening import open_source
from boltmod.errors import CheckpointError, ConfigError
from boltmod.model import shipped
from boltmod.nn import registry
from boltmod.pipeline.phase.prune import PrunePhase
from boltmod.pipeline.phase.train import TrainPhase
from boltmod.pipeline.recipe import read_recipe
from boltmod.pipeline.run import run
from boltmod.pipeline.stages import run_phases, stages
from boltmod.run_folder import RunFolder
from small_runs import Watcher, metrics
from tiny_recipe import RECIPE

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_makes_its_network(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    network = registry.build(registry.parse(recipe.network.name, recipe.network.parameters))
    assert sum(p.numel() for p in network.parameters()) > 1000
    assert stages(recipe)


def test_bacalhaunet_v1_is_pruned_as_published() -> None:
    phases = read_recipe(next(p for p in RECIPES if p.stem == "bacalhaunet_v1")).phases
    pruned = [p for p in phases if isinstance(p, PrunePhase)]
    assert [p.threshold for p in pruned] == [0.15, 0.25, 0.25]
    assert [p.weight_decay for p in pruned] == [5e-5, 1e-4, 1e-5]
    assert all(p.epochs == 20 and p.batch_size == 1024 for p in phases)


@pytest.mark.parametrize("name", ["bacalhaunet_v1", "imperial_ipc1", "imperial_ipc1_8bit"])
def test_a_recipe_for_one_core_has_the_published_network_and_phases(name: str) -> None:
    published, own = (
        read_recipe(next(p for p in RECIPES if p.stem == stem)) for stem in (name, f"{name}_cpu")
    )
    assert own.network == published.network
    begun, *phases = own.phases
    assert isinstance(begun, TrainPhase)
    assert not begun.quantised
    order = [(p.name, p.kind) for p in published.phases]
    assert [(p.name, p.kind) for p in phases] in (order, [*order, ("prune-4", "prune")])
    taught = [p.distill for p in own.phases if p.distill is not None]
    teachers = {p.name for p in own.phases} | set(shipped.names())
    assert all(str(teacher.phase or teacher.model) in teachers for teacher in taught)
    passes = own.data.frames_per_epoch * sum(stage.phase.epochs for stage in stages(own))
    # At 700 frames/s, half of what one core does with either network, eight hours.
    assert passes < 8 * 3600 * 700 + 1


@pytest.mark.parametrize("source", ["twin", "hdf5"])
def test_scale_shortens_the_epochs_alone(source: str, tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    text = RECIPE
    if source == "hdf5":
        from boltmod.data.make import make
        from boltmod.data.provenance import Plan

        make(Plan(frames_per_cell=4, seed=5), tmp_path / "small.hdf5")
        where = f'[data]\nsource = "hdf5"\npath = "{tmp_path}/small.hdf5"'
        text = text.replace("[data]", where)
    path.write_text(text)
    sources = [
        open_source(read_recipe(path, scale).data, Sampling(seed=7, batch_size=64))
        for scale in (None, 0.5)
    ]
    assert [s.frames_per_epoch for s in sources] == [384, 192]
    assert len({len(s.validation().class_ids) for s in sources}) == 1


def test_scale_is_kept_and_never_mixed(tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    watcher = Watcher()
    with pytest.raises(KeyboardInterrupt):
        run(path, tmp_path / "run", Watcher(1), watcher.notify, scale=0.5)
    assert read_recipe(tmp_path / "run" / "recipe.toml").data.scale == 0.5
    with pytest.raises(ConfigError, match="holds the run of another recipe"):
        run(path, tmp_path / "run", watcher, watcher.notify)
    whole, half = read_recipe(path), read_recipe(path, 0.5)
    assert stages(whole)[0].identity != stages(half)[0].identity
    with pytest.raises(CheckpointError, match="was made with another recipe"):
        run_phases(whole, RunFolder(tmp_path / "run"), watcher)


@pytest.mark.usefixtures("uncounted")
def test_scale_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE[: RECIPE.index('[[phases]]\nname = "prune"')]
                    + RECIPE[RECIPE.index("[export]") :])  # fmt: skip
    out = tmp_path / "run"
    result = CliRunner().invoke(app, ["run", str(path), "--out", str(out), "--scale", "0.25"])
    assert result.exit_code == 0, result.output
    assert "0.25 of the recipe's frames an epoch" in result.output
    assert "an epoch saw 0.25 of the recipe" in (out / "report.html").read_text()
    assert {r["scale"] for r in metrics(RunFolder(out)) if r["event"] == "phase"} == {0.25}


def test_scale_has_bounds(tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    with pytest.raises(ConfigError, match=r"data\.scale must be less than or equal to 1, not 2"):
        read_recipe(path, 2.0)
