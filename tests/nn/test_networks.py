"""AaronNet and the teacher: what they cost, and training in floating point alone."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from boltmod.cost import inference_cost
from boltmod.errors import ConfigError
from boltmod.export.qonnx import trace
from boltmod.model.metadata import Metadata
from boltmod.model.onnx_file import Model, load
from boltmod.modulation import CLASSES
from boltmod.nn import registry
from boltmod.nn.aaronnet import AaronNetConfig
from boltmod.nn.teacher import TeacherConfig
from boltmod.pipeline.recipe import Recipe
from boltmod.pipeline.run import run
from boltmod.run_folder import RunFolder
from boltmod.toml_table import validated
from small_runs import Watcher
from tiny_recipe import RECIPE

FACTS = Metadata(classes=CLASSES)


@pytest.mark.parametrize("filters", [11, 16])
def test_aaronnets_count(filters: int) -> None:
    """32, 26, 18 taps on two planes at 256 places, then pointwise; five halved blocks; dense."""
    width = 3 * filters
    branches = 2 * filters * (32 + 26 + 18) + 3 * filters * filters
    block = 3 * width + width * width
    dense = width * 48 + 48 * 48 + 48 * 24
    network = registry.build(AaronNetConfig(filters=filters))
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.fill_(1.0)
    cost = inference_cost.count(Model(trace(network, FACTS), FACTS, None))
    assert cost.weight_bits == 6 * (branches + 5 * block + dense)
    assert cost.macs == 256 * branches + (256 + 128 + 64 + 32 + 16) * block + dense


def test_the_teacher_has_about_200_000_parameters() -> None:
    network = registry.build(TeacherConfig())
    assert 180_000 < sum(p.numel() for p in network.parameters()) < 220_000


SMALL_TEACHER = """
name = "teacher"
channels = [4, 4]
kernel_sizes = [3, 3]
dilations = [1, 2]
strides = [8, 1]
dense = [8]
"""


def teacher_recipe(tmp_path: Path) -> Path:
    head, tail = RECIPE.split("[network]")
    body = tail[tail.index("[data]") : tail.index('[[phases]]\nname = "quantise"')]
    path = tmp_path / "teacher.toml"
    end = "[export]\nunquantised = true\nframes = 256\n[evaluation]\nframes_per_cell = 1\n"
    path.write_text(f"{head}[network]{SMALL_TEACHER}{body}{end}")
    return path


def test_a_floating_point_run_ends_in_a_model_at_the_cost_of_32_bits(tmp_path: Path) -> None:
    watcher = Watcher()
    outcome = run(teacher_recipe(tmp_path), tmp_path / "run", watcher, watcher.notify)
    layers = inference_cost.count(load(RunFolder(tmp_path / "run").model)).layers
    assert {(x.act_datatype, x.weight_datatype) for x in layers} == {("FLOAT32", "FLOAT32")}
    assert outcome.weight_bits == 32 * sum(x.nonzero_weights for x in layers)


def test_networks_without_quantisers_refuse_quantised_phases() -> None:
    phases = [{"name": "a", "kind": "train", "epochs": 1}]
    with pytest.raises(ConfigError) as caught:
        validated(Recipe, {"name": "t", "network": {"name": "teacher"}, "phases": phases})
    assert str(caught.value) == (
        "recipe: phases of teacher, which has no quantisers, must be floating-point training: "
        "say quantised = false"
    )
    assert replace(TeacherConfig(), dense=()).in_float().quantised is False
