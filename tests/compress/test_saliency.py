from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from boltmod.compress import prune
from boltmod.compress.prune import Pruning
from boltmod.compress.saliency import loss_per_cost, weight_prices
from boltmod.cost import inference_cost
from boltmod.export.qonnx import trace
from boltmod.model.metadata import Metadata
from boltmod.model.onnx_file import Model
from boltmod.modulation import CLASSES
from boltmod.nn import quantizers, registry
from boltmod.pipeline.phase.prune import PrunePhase
from boltmod.pipeline.stages import run_phases
from boltmod.run_folder import RunFolder
from small_runs import Watcher, last_phase, recipe

FACTS = Metadata(classes=CLASSES)

NETWORKS: dict[str, dict[str, Any]] = {
    "boltnet": {
        "pool": 8, "lags": [0, 2], "stem_channels": 8, "channels": [8, 12], "kernel_sizes": [5, 3],
        "strides": [1, 2], "max_pools": ["before", "between"], "features": "max_and_mean",
        "weight_bit_width": 4, "act_bit_width": 6, "dense_act_bit_width": 5,
    },
    "vgg10": {},
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_prices_add_up_to_the_score(name: str) -> None:
    network = registry.build(registry.parse(name, NETWORKS[name]))
    with torch.no_grad():
        for weight in prune.prunable(network).values():
            weight.fill_(1.0)
    prices = weight_prices(network, torch.randn(1, 2, 1024))
    whole = sum(weight.numel() * prices[n] for n, weight in prune.prunable(network).items())
    cost = inference_cost.count(Model(trace(network, FACTS), FACTS, None))
    assert whole == pytest.approx(cost.score, rel=1e-6)


class OneDeafInput(nn.Module):
    """Two features, of which the second is always zero."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(2, 24)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        heard = torch.stack([x[:, 0].mean(1), torch.zeros(len(x))], 1)
        scores: torch.Tensor = self.dense(heard)
        return scores


def test_what_nobody_would_miss_goes_first_however_large() -> None:
    network = OneDeafInput()
    with torch.no_grad():
        network.dense.weight[:, 1] = 100.0
    frames = torch.randn(96, 2, 1024)
    saliency = loss_per_cost(network, frames)
    assert set(saliency) == {"dense.weight"}
    masks = prune.smallest(network, {}, 0.5, Pruning(measure="loss_per_cost"), saliency=saliency)
    assert masks["dense.weight"].tolist() == [[1.0, 0.0]] * 24


class MeansOfBoth(nn.Module):
    """I's mean tells class 0 from 1, surely; Q's tells 2 from 3, hardly."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(2, 24)
        with torch.no_grad():
            self.dense.bias.zero_()
            self.dense.weight.zero_()
            self.dense.weight[:4] = torch.tensor([[8.0, 0.0], [-8.0, 0.0], [0.0, 0.8], [0.0, -0.8]])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.dense(x.mean(2))
        return scores


def test_what_makes_answers_sure_is_worth_more_than_what_hardly_tells() -> None:
    sign = torch.sign(torch.randn(48, 1))
    i, q = torch.cat([sign, 0 * sign]), torch.cat([0 * sign, sign])
    frames = torch.stack([i, q], 1).expand(96, 2, 1024)
    worth = loss_per_cost(MeansOfBoth(), frames)["dense.weight"]
    assert worth[:2, 0].min() > worth[2:4, 1].max() > 0


def test_half_of_the_price_makes_a_weight_worth_twice_as_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = OneDeafInput()
    frames = torch.randn(96, 2, 1024)
    before = loss_per_cost(network, frames)["dense.weight"]
    prices = {name: price / 2 for name, price in weight_prices(network, frames[:1]).items()}
    monkeypatch.setattr("boltmod.compress.saliency.weight_prices", lambda *_: prices)
    assert torch.allclose(loss_per_cost(network, frames)["dense.weight"], 2 * before)


@pytest.mark.usefixtures("uncounted")
def test_a_recipe_prunes_by_it(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    phase = {"name": "prune", "kind": "prune", "fraction": 0.5, "measure": "loss_per_cost"}
    network, _ = run_phases(recipe(phase), run, Watcher())
    assert last_phase(run)["sparsity"] == pytest.approx(0.5, abs=0.01)
    left = torch.cat([w.flatten() for w in prune.prunable(network).values()])
    assert float((left != 0).float().mean()) <= 0.51


def test_it_has_no_threshold() -> None:
    with pytest.raises(ValueError, match="must go with fraction"):
        PrunePhase(name="p", kind="prune", epochs=1, threshold=0.1, measure="loss_per_cost")


def test_weights_that_a_learned_scale_clips_are_not_worthless() -> None:
    torch.manual_seed(3)
    network = registry.build(
        registry.parse(
            "boltnet",
            {"stem_channels": 4, "channels": [4], "kernel_sizes": [3], "strides": [1],
             "max_pools": ["none"], "per_channel": True, "learned_weight_scales": True},
        )
    )  # fmt: skip
    layer = network.stem[0].conv  # type: ignore[index, union-attr]
    ranges = quantizers.learned_weight_scale(layer)
    assert ranges is not None
    with torch.no_grad():
        ranges.mul_(0.5)
    clipped = layer.weight.detach().abs() > ranges.detach()
    assert clipped.any()
    worth = loss_per_cost(network, torch.randn(48, 2, 1024))
    assert (worth["stem.0.conv.weight"][clipped] > 0).all()
