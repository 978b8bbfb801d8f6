import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from boltmod.compress import prune


def network(seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Conv1d(2, 8, 5), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 4)
    )


@pytest.mark.parametrize("scope", ["global", "layer"])
@given(seed=st.integers(0, 99), fraction=st.floats(0.05, 0.95))
def test_the_asked_share_of_what_is_left_is_zeroed(scope: str, seed: int, fraction: float) -> None:
    net = network(seed)
    first = prune.smallest(net, {}, fraction, scope)  # type: ignore[arg-type]
    prune.apply(net, first)
    second = prune.smallest(net, first, fraction, scope)  # type: ignore[arg-type]
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
    masks = prune.smallest(net, {}, 0.5, "layer")
    assert masks["0.weight"].tolist() == [[0.0, 1.0, 0.0, 1.0]]


def test_layers_of_other_sizes_compete_fairly() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(8, 8, bias=False), torch.nn.Linear(8, 8, bias=False))
    torch.manual_seed(1)
    with torch.no_grad():
        net[0].weight.normal_()
        net[1].weight.copy_(1000 * net[0].weight)
    masks = prune.smallest(net, {}, 0.5, "global")
    assert torch.equal(masks["0.weight"], masks["1.weight"])


def test_no_tensor_loses_its_last_weight() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 1, bias=False))
    masks = prune.smallest(net, {}, 0.99, "layer")
    masks = prune.smallest(net, masks, 0.99, "layer")
    assert float(masks["0.weight"].sum()) >= 1


def test_biases_and_normalisation_are_never_pruned() -> None:
    assert set(prune.prunable(network(0))) == {"0.weight", "2.weight"}


def test_sparsity() -> None:
    assert prune.sparsity({}) == 0
    assert prune.sparsity({"a": torch.tensor([1.0, 0.0, 0.0, 1.0])}) == 0.5
