from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from boltmod.compress import prune
from boltmod.compress.prune import Pruning

ABSOLUTE = Pruning(measure="absolute")


def network(seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Conv1d(2, 8, 5), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 4)
    )


@pytest.mark.parametrize("scope", ["global", "layer"])
@given(seed=st.integers(0, 99), fraction=st.floats(0.05, 0.95))
def test_the_asked_share_of_what_is_left_is_zeroed(scope: Any, seed: int, fraction: float) -> None:
    net = network(seed)
    first = prune.smallest(net, {}, fraction, Pruning(scope=scope))
    prune.apply(net, first)
    second = prune.smallest(net, first, fraction, Pruning(scope=scope))
    total = sum(mask.numel() for mask in first.values())
    kept = sum(float(mask.sum()) for mask in first.values())
    again = sum(float(mask.sum()) for mask in second.values())
    assert kept == pytest.approx(total * (1 - fraction), abs=len(first) + 1)
    assert again == pytest.approx(kept * (1 - fraction), abs=2 * len(first) + 1)
    assert all(bool((second[name] <= first[name]).all()) for name in first)


def test_the_largest_weights_survive() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(4, 1, bias=False))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[0.1, -3.0, 0.2, 1.0]]))
    masks = prune.smallest(net, {}, 0.5, Pruning(scope="layer"))
    assert masks["0.weight"].tolist() == [[0.0, 1.0, 0.0, 1.0]]


def test_layers_of_other_sizes_compete_fairly() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(8, 8, bias=False), torch.nn.Linear(8, 8, bias=False))
    torch.manual_seed(1)
    with torch.no_grad():
        net[0].weight.normal_()
        net[1].weight.copy_(1000 * net[0].weight)
    masks = prune.smallest(net, {}, 0.5, Pruning(scope="global"))
    assert torch.equal(masks["0.weight"], masks["1.weight"])


def test_no_tensor_loses_its_last_weight() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 1, bias=False))
    masks = prune.smallest(net, {}, 0.99, Pruning(scope="layer"))
    masks = prune.smallest(net, masks, 0.99, Pruning(scope="layer"))
    assert float(masks["0.weight"].sum()) >= 1


def test_biases_and_normalisation_are_never_pruned() -> None:
    assert set(prune.prunable(network(0))) == {"0.weight", "2.weight"}


def test_sparsity() -> None:
    assert prune.sparsity({}) == 0
    assert prune.sparsity({"a": torch.tensor([1.0, 0.0, 0.0, 1.0])}) == 0.5


def two_kinds() -> torch.nn.Module:
    net = network(3)
    with torch.no_grad():
        net[0].weight.uniform_(1, 2)
        net[2].weight.uniform_(0.1, 0.2)
    return net


def share_kept(masks: dict[str, torch.Tensor]) -> list[float]:
    return [float(masks[name].mean()) for name in ("0.weight", "2.weight")]


def test_magnitudes_compete_as_they_are_or_within_their_kind() -> None:
    net = two_kinds()
    together = prune.smallest(net, {}, 0.2, Pruning(scope="global", measure="absolute"))
    assert share_kept(together) == pytest.approx([1.0, 1 - 0.2 * 112 / 32], abs=0.04)
    apart = prune.smallest(net, {}, 0.2, Pruning(scope="kind", measure="absolute"))
    assert share_kept(apart) == pytest.approx([0.8, 0.8], abs=0.02)


@pytest.mark.parametrize(("layers", "expected"), [("convolutions", [0.5, 1]), ("dense", [1, 0.5])])
def test_only_the_layers_asked_for_lose_weights(layers: Any, expected: list[float]) -> None:
    masks = prune.smallest(two_kinds(), {}, 0.5, Pruning(layers=layers))
    assert share_kept(masks) == pytest.approx(expected, abs=0.02)


def test_a_threshold_zeroes_what_lies_below_it() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(4, 1, bias=False), torch.nn.Linear(4, 1, bias=False))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[0.1, -3.0, 0.2, 1.0]]))
        net[1].weight.copy_(10 * net[0].weight)
    absolute = prune.below(net, {}, 0.2, ABSOLUTE)
    assert absolute["0.weight"].tolist() == [[0.0, 1.0, 0.0, 1.0]]
    assert absolute["1.weight"].tolist() == [[1.0, 1.0, 1.0, 1.0]]
    relative = prune.below(net, {}, 0.2, Pruning(measure="relative"))
    assert relative["0.weight"].tolist() == [[0.0, 1.0, 0.0, 1.0]]
    assert torch.equal(relative["0.weight"], relative["1.weight"])


def test_thresholds_never_bring_a_weight_back() -> None:
    net = network(1)
    first = prune.below(net, {}, 0.2, ABSOLUTE)
    second = prune.below(net, first, 0.05, ABSOLUTE)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_fixed_weights_and_those_for_training_alone_stay() -> None:
    net = network(1)
    net[0].weight.requires_grad_(False)
    assert set(prune.prunable(net)) == {"2.weight"}
    net.training_only = ("2",)  # type: ignore[assignment]
    assert not prune.prunable(net)


def test_of_weights_worth_the_same_no_more_go_than_shall() -> None:
    net = network(3)
    worth = {name: torch.zeros_like(weight) for name, weight in prune.prunable(net).items()}
    masks = prune.smallest(net, {}, 0.25, Pruning(measure="loss_per_cost"), saliency=worth)
    assert prune.sparsity(masks) == pytest.approx(0.25, abs=0.01)
