import math
import shutil
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch

from boltmod.errors import CheckpointError, ConfigError
from boltmod.export.qonnx import trace
from boltmod.model.metadata import Metadata
from boltmod.model.onnx_file import load
from boltmod.modulation import CLASSES
from boltmod.nn import registry
from boltmod.pipeline.phase.train import TrainPhase
from boltmod.pipeline.recipe import Recipe
from boltmod.pipeline.stages import run_phases
from boltmod.run_folder import RunFolder
from boltmod.train.checkpoint import open_trainee
from boltmod.train.distill import distillation_loss, network_teacher, onnx_teacher
from boltmod.train.settings import Distillation
from small_runs import FLOAT, Watcher, metrics, recipe, timeless

pytestmark = pytest.mark.usefixtures("uncounted")

CPU = torch.device("cpu")
FRAMES = torch.randn(64, 2, 1024, generator=torch.Generator().manual_seed(9))


def settings(**changes: float) -> Distillation:
    return Distillation(phase="teacher").model_copy(update=changes)


def test_the_loss_is_the_weighted_sum_it_says() -> None:
    """Two classes, by hand: the student says 1 : 1, the teacher 3 : 1 at T = 1."""
    student = torch.zeros(1, 2)
    teacher = torch.tensor([[math.log(3.0), 0.0]])
    hard = torch.tensor(math.log(2.0))
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    got = distillation_loss(student, teacher, hard, settings(temperature=1.0))
    assert float(got) == pytest.approx(0.5 * math.log(2.0) + 0.5 * divergence)
    # At T = 2 the teacher says sqrt(3) : 1, and the divergence counts fourfold.
    p = math.sqrt(3.0) / (math.sqrt(3.0) + 1)
    divergence = p * math.log(p / 0.5) + (1 - p) * math.log((1 - p) / 0.5)
    got = distillation_loss(student, teacher, hard, settings(hard_weight=0.0))
    assert float(got) == pytest.approx(0.5 * 4 * divergence, rel=1e-5)


def test_a_student_that_agrees_has_only_the_labels_to_learn_from() -> None:
    scores = torch.randn(5, 24, requires_grad=True)
    loss = distillation_loss(scores, scores.detach() + 3.0, torch.tensor(2.0), settings())
    assert float(loss.detach()) == pytest.approx(1.0, abs=1e-6)
    loss.backward()
    assert float(scores.grad.abs().max()) < 1e-6


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    files = RunFolder(tmp_path_factory.mktemp("taught"))
    run_phases(by_phase(), files, Watcher())
    return files


def by_phase() -> Recipe:
    student = {"name": "student", "kind": "train", "epochs": 2, "distill": {"phase": "float"}}
    return recipe(FLOAT, student)


def test_an_earlier_phase_teaches_and_an_interruption_changes_nothing(
    taught: RunFolder, tmp_path: Path
) -> None:
    files = RunFolder(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_phases(by_phase(), files, Watcher(interrupt_after=6))
    network, _ = run_phases(by_phase(), files, Watcher())
    expected = open_trainee(taught.checkpoints / "01-student" / "final.safetensors").network
    for ours, theirs in zip(network.parameters(), expected.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert timeless(metrics(files)) == timeless(metrics(taught))


def test_a_teacher_changes_what_is_learnt(taught: RunFolder, tmp_path: Path) -> None:
    alone = recipe(FLOAT, {"name": "student", "kind": "train", "epochs": 2})
    run_phases(alone, RunFolder(tmp_path), Watcher())
    losses = [[r["loss"] for r in metrics(f) if r.get("phase") == "student" and "loss" in r]
              for f in (taught, RunFolder(tmp_path))]  # fmt: skip
    assert losses[0] != losses[1]


def test_a_run_folder_or_an_exported_model_teaches_the_same(
    taught: RunFolder, tmp_path: Path
) -> None:
    opened = open_trainee(taught.checkpoints / "01-student" / "final.safetensors")
    facts = Metadata(classes=CLASSES)
    path = tmp_path / "teacher.onnx"
    onnx.save(trace(opened.network, facts), path)
    by_network = network_teacher(taught.path, CPU)(FRAMES)
    by_model = onnx_teacher(path, CPU)(FRAMES)
    assert by_network.shape == by_model.shape == (64, 24)
    assert torch.allclose(by_network, by_model, atol=1e-3)
    reversed_facts = replace(facts, classes=CLASSES[::-1])
    onnx.save(trace(opened.network, reversed_facts), path)
    assert torch.equal(onnx_teacher(path, CPU)(FRAMES), by_model.flip(1))


def test_a_teacher_of_other_classes_is_refused(taught: RunFolder, tmp_path: Path) -> None:
    opened = open_trainee(taught.checkpoints / "00-float" / "final.safetensors")
    path = tmp_path / "teacher.onnx"
    classes = tuple(f"class {i}" for i in range(24))
    onnx.save(trace(opened.network, Metadata(classes=classes)), path)
    with pytest.raises(ConfigError, match="a teacher must know the 24 classes of RadioML"):
        onnx_teacher(path, CPU)


def test_a_folder_without_a_finished_phase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        network_teacher(tmp_path, CPU)
    assert str(caught.value) == (
        f"{tmp_path}: holds no finished phase to learn from; name a run folder, a phase's folder "
        "in its checkpoints, or a .safetensors file"
    )


def test_recipes_name_exactly_one_teacher_that_exists() -> None:
    with pytest.raises(ValueError, match="exactly one of phase, checkpoint and model must be"):
        Distillation(phase="a", model=Path("b.onnx"))
    late = {"name": "early", "kind": "train", "distill": {"phase": "late"}}
    with pytest.raises(ValueError, match=r"distill.phase of early must be an earlier phase"):
        recipe(late, {"name": "late", "kind": "train"})
    assert TrainPhase(kind="train", name="a", epochs=1).distill is None


@pytest.mark.referee
def test_a_published_model_teaches(referees: Path, tmp_path: Path) -> None:
    path = referees / "bacalhaunet_v1.onnx"
    student = {"name": "student", "kind": "train", "distill": {"model": str(path)}}
    run_phases(recipe(FLOAT, student), RunFolder(tmp_path), Watcher())
    opened = open_trainee(tmp_path / "checkpoints" / "01-student" / "final.safetensors")
    assert opened.config == registry.parse(
        "bacalhaunet",
        {"pool": 8, "channels": [4, 4], "kernel_sizes": [5, 3], "strides": [2, 2]},
    )
    assert load(path).classes == CLASSES


def test_a_finished_phase_of_another_teacher_is_refused(tmp_path: Path, taught: RunFolder) -> None:
    teacher = tmp_path / "teacher.safetensors"
    folders = [taught.checkpoints / name for name in ("00-float", "01-student")]
    student = {"name": "student", "kind": "train", "distill": {"checkpoint": str(teacher)}}
    files = RunFolder(tmp_path / "run")
    for folder in folders:
        shutil.copy(folder / "final.safetensors", teacher)
        if folder is folders[0]:
            run_phases(recipe(student), files, Watcher())
    with pytest.raises(CheckpointError, match="was made with another recipe"):
        run_phases(recipe(student), files, Watcher())
    teacher.unlink()
    assert run_phases(recipe(student), files, Watcher())[1] is False
