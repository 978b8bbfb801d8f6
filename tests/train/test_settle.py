import copy
from pathlib import Path

import pytest
import torch

from boltmod.data.section import DataSection
from boltmod.data.source.frames import Sampling
from boltmod.data.source.opening import open_source
from boltmod.nn import registry
from boltmod.pipeline.stages import run_phases
from boltmod.run_folder import RunFolder
from boltmod.train.loop import settle
from small_runs import Watcher, recipe
from tiny_recipe import NETWORK

pytestmark = pytest.mark.usefixtures("uncounted")

SOURCE = open_source(
    DataSection(frames_per_epoch=1024), Sampling(seed=3, batch_size=128, minimum_snr=0)
)


def tiny() -> torch.nn.Module:
    torch.manual_seed(1)
    parameters = {key: value for key, value in NETWORK.items() if key != "name"}
    return registry.build(registry.parse("bacalhaunet", parameters).in_float())


def test_the_statistics_become_those_of_the_frames_and_nothing_else_changes() -> None:
    network = tiny().eval()
    before = copy.deepcopy(network)
    first = next(m for m in network.modules() if isinstance(m, torch.nn.BatchNorm1d))
    seen: list[torch.Tensor] = []
    hook = first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    settle(network, SOURCE, 400)
    hook.remove()
    assert [len(x) for x in seen] == [128, 128, 128]
    assert first.running_mean is not None
    assert torch.allclose(first.running_mean, torch.cat(seen).mean((0, 2)), atol=1e-6)
    assert first.momentum == 0.1
    assert not network.training
    for (name, parameter), (_, old) in zip(
        network.named_parameters(), before.named_parameters(), strict=True
    ):
        assert torch.equal(parameter, old), name


def test_none_are_measured_unless_asked_for() -> None:
    network = tiny()
    before = copy.deepcopy(network.state_dict())
    settle(network, SOURCE, 0)
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())


@pytest.mark.parametrize("frames", [0, 128])
def test_a_phase_ends_with_them(frames: int, tmp_path: Path) -> None:
    phase = {"name": "float", "kind": "train", "keep": "last", "norm_frames": frames}
    network, _ = run_phases(recipe(phase), RunFolder(tmp_path), Watcher())
    norm = next(m for m in network.modules() if isinstance(m, torch.nn.BatchNorm1d))
    assert norm.num_batches_tracked == (2 if frames else 4)
