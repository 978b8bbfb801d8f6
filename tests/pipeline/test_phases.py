import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from boltmod.compress import prune
from boltmod.data.loader import Share
from boltmod.data.make import make
from boltmod.data.provenance import Plan
from boltmod.data.section import DataSection
from boltmod.data.source.frames import Frames, Sampling
from boltmod.data.source.opening import open_source
from boltmod.errors import CheckpointError, ConfigError
from boltmod.pipeline.phase import feedback
from boltmod.pipeline.recipe import Recipe
from boltmod.pipeline.stages import run_phases
from boltmod.run_folder import RunFolder
from boltmod.train import checkpoint
from small_runs import FLOAT, Watcher, last_phase, metrics, recipe, timeless

pytestmark = pytest.mark.usefixtures("uncounted")

FEEDBACK = {
    "name": "feedback", "kind": "feedback", "fraction": 0.4, "smallest_fraction": 0.15,
    "floor": 0.5,
}  # fmt: skip


def share_of_weights_left(network: nn.Module, frames: Frames) -> float:
    weights = prune.prunable(network).values()
    return sum(int(w.count_nonzero()) for w in weights) / sum(w.numel() for w in weights)


@pytest.fixture(scope="module")
def predictable() -> Iterator[None]:
    """An accuracy that says before the training which attempts are kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feedback, "accuracy", share_of_weights_left)
        yield


@pytest.fixture(scope="module")
def after_feedback(predictable: None, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    files = RunFolder(tmp_path_factory.mktemp("feedback"))
    run_phases(recipe(FLOAT, FEEDBACK), files, Watcher())
    return files


def test_feedback_pruning_keeps_what_reaches_the_floor(after_feedback: RunFolder) -> None:
    record = last_phase(after_feedback)
    attempts = record["attempts"]
    assert [attempt["kept"] for attempt in attempts] == [True, False, False]
    fraction, kept = 0.4, {"sparsity": 0.0}
    for attempt in attempts:
        assert attempt["fraction"] == fraction
        assert attempt["kept"] == (attempt["validation_accuracy"] >= 0.5)
        assert attempt["sparsity"] == pytest.approx(
            1 - (1 - kept["sparsity"]) * (1 - fraction), abs=0.02
        )
        if attempt["kept"]:
            kept = attempt
        else:
            fraction /= 2
    assert fraction < 0.15
    assert record["sparsity"] == kept["sparsity"]
    final = checkpoint.load(after_feedback.checkpoints / "01-feedback" / "final.safetensors")
    for name, mask in final.masks.items():
        assert not final.network[name][mask == 0].any()


@pytest.mark.parametrize("after", [6, 9, 14])
def test_interrupted_feedback_ends_the_same(
    after: int, after_feedback: RunFolder, tmp_path: Path
) -> None:
    files = RunFolder(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_phases(recipe(FLOAT, FEEDBACK), files, Watcher(interrupt_after=after))
    network, trained = run_phases(recipe(FLOAT, FEEDBACK), files, Watcher())
    assert trained
    expected = checkpoint.load(after_feedback.checkpoints / "01-feedback" / "final.safetensors")
    assert all(torch.equal(t, expected.network[n]) for n, t in network.state_dict().items())
    assert timeless(metrics(files)) == timeless(metrics(after_feedback))
    again, trained = run_phases(recipe(FLOAT, FEEDBACK), files, Watcher())
    assert not trained
    assert all(torch.equal(t, expected.network[n]) for n, t in again.state_dict().items())


def test_thresholds_by_phase(tmp_path: Path) -> None:
    settings = {"kind": "prune", "threshold": 0.05, "measure": "absolute", "batch_size": 128}
    files = RunFolder(tmp_path)
    phases = [{"name": f"prune{i}", "threshold": 0.05 * i} for i in (1, 2)]
    run_phases(recipe(FLOAT, *(settings | phase for phase in phases)), files, Watcher())
    sparsities = [r["sparsity"] for r in metrics(files) if r["event"] == "phase"]
    assert 0 == sparsities[0] < sparsities[1] < sparsities[2]
    final = checkpoint.load(files.checkpoints / "02-prune2" / "final.safetensors")
    assert json.dumps(sorted(final.masks)) == json.dumps(
        sorted(name for name, tensor in final.network.items() if tensor.ndim > 1)
    )


def test_processes_share_the_twin_s_batches() -> None:
    def batch(share: Share) -> tuple[torch.Tensor, torch.Tensor]:
        source = open_source(
            DataSection(frames_per_epoch=256),
            Sampling(seed=1, batch_size=64, minimum_snr=0, share=share),
        )
        found = next(iter(source.batches(epoch=2, first_step=1)))
        return found.iq_planes, found.class_ids

    whole, parts = batch(Share()), [batch(Share(rank, 2)) for rank in range(2)]
    assert torch.equal(torch.cat([part[1] for part in parts]), whole[1])
    torch.testing.assert_close(torch.cat([part[0] for part in parts]), whole[0])


def test_a_batch_the_processes_cannot_share_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        open_source(DataSection(), Sampling(seed=1, batch_size=63, share=Share(0, 2)))
    assert str(caught.value) == (
        "batch_size must be a multiple of the 2 processes, not 63; choose another batch_size or "
        "another --processes"
    )


def test_scaled_batches_shrink_to_no_less_than_128() -> None:
    assert DataSection(scale=0.5).scaled_batch_size(1024) == 512
    assert DataSection(scale=0.01).scaled_batch_size(1024) == 128
    assert DataSection(scale=0.01).scaled_batch_size(100) == 100
    assert DataSection().scaled_batch_size(1024) == 1024


def test_a_finished_phase_of_another_recipe_is_refused_as_an_unfinished_one_is(
    after_feedback: RunFolder,
) -> None:
    other = recipe(FLOAT | {"learning_rate": 0.02}, FEEDBACK)
    path = after_feedback.checkpoints / "00-float" / "final.safetensors"
    with pytest.raises(CheckpointError) as caught:
        run_phases(other, after_feedback, Watcher())
    assert str(caught.value) == (
        f"{path}: was made with another recipe, or its frames or its teacher have changed; "
        "choose another run folder, or delete this one"
    )


def test_dropout_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    network = {"name": "teacher", "channels": [4], "kernel_sizes": [5], "dilations": [1],
               "strides": [8], "dense": [8], "dropout": 0.5}  # fmt: skip
    dropping = Recipe.model_validate({
        "name": "dropping", "network": network, "export": {"unquantised": True},
        "data": {"frames_per_epoch": 512, "validation_frames": 96}, "phases": [FLOAT],
    })  # fmt: skip
    whole, halves = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "halves")
    expected, _ = run_phases(dropping, whole, Watcher())
    with pytest.raises(KeyboardInterrupt):
        run_phases(dropping, halves, Watcher(interrupt_after=2))
    torch.manual_seed(99)
    network_again, _ = run_phases(dropping, halves, Watcher())
    for name, tensor in network_again.state_dict().items():
        assert torch.equal(tensor, expected.state_dict()[name])


def test_a_file_of_frames_that_was_exchanged_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "small.hdf5"
    document = recipe(FLOAT, {"name": "more", "kind": "train"}).model_dump(mode="json")
    document["data"] = {"source": "hdf5", "path": str(path), "frames_per_epoch": 256,
                        "validation_frames": 96}  # fmt: skip
    files = RunFolder(tmp_path / "run")
    make(Plan(frames_per_cell=4, seed=5), path)
    with pytest.raises(KeyboardInterrupt):
        run_phases(Recipe.model_validate(document), files, Watcher(interrupt_after=6))
    path.unlink()
    make(Plan(frames_per_cell=4, seed=6), path)
    with pytest.raises(CheckpointError, match="or its frames or its teacher have changed"):
        run_phases(Recipe.model_validate(document), files, Watcher())
