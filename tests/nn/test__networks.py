"""Laws that every network of the package must obey."""

import pytest
import torch
from torch import Tensor, nn

from boltmod.compress import prune
from boltmod.export.qonnx import trace
from boltmod.export.verify import compare
from boltmod.model.metadata import Metadata
from boltmod.model.onnx_file import Model
from boltmod.nn import registry
from boltmod.nn.network import Network
from boltmod.nn.network_config import NetworkConfig
from boltmod.runtime.session import Classifier
from small_networks import SMALL

EVERY = pytest.mark.parametrize("name", sorted(registry.NETWORKS))


def config_of(name: str) -> NetworkConfig:
    return registry.parse(name, SMALL[name])


def settled(config: NetworkConfig) -> nn.Module:
    """A network whose normalisations have seen frames."""
    torch.manual_seed(2)
    network = registry.build(config).train()
    with torch.no_grad():
        for _ in range(5):
            network(torch.randn(16, 2, 1024))
    return network.eval()


def frames(n: int) -> Tensor:
    return torch.randn(n, 2, 1024, generator=torch.Generator().manual_seed(4))


@EVERY
def test_it_keeps_the_contract(name: str) -> None:
    config = config_of(name)
    network = registry.check(config)
    assert isinstance(network, Network)
    assert isinstance(network.config, type(network).config_type)
    assert network.config == config


@EVERY
def test_its_configuration_comes_back_from_what_describes_it(name: str) -> None:
    config = config_of(name)
    described = registry.describe(config)
    assert described.pop("name") == name
    assert registry.parse(name, described) == config


@EVERY
def test_the_same_seed_builds_the_same_network(name: str) -> None:
    def built(seed: int) -> dict[str, Tensor]:
        torch.manual_seed(seed)
        return registry.build(config_of(name)).state_dict()

    first, again, other = built(1), built(1), built(2)
    assert all(torch.equal(first[each], again[each]) for each in first)
    assert not all(torch.equal(first[each], other[each]) for each in first)


@EVERY
def test_a_frame_s_scores_do_not_depend_on_the_other_frames(name: str) -> None:
    network, planes = settled(config_of(name)), frames(6)
    with torch.no_grad():
        together, alone = network(planes), torch.cat([network(planes[k : k + 1]) for k in range(6)])
    assert together.shape == (6, len(network.config.classes))
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-4)


@EVERY
def test_every_weight_that_is_pruned_learns(name: str) -> None:
    torch.manual_seed(3)
    network = registry.build(config_of(name)).train()
    answers = network(frames(16))
    scores = answers[0] if isinstance(answers, tuple) else answers
    nn.functional.cross_entropy(scores, torch.arange(16) % scores.shape[1]).backward()
    weights = prune.prunable(network)
    assert weights
    for weight_name, weight in weights.items():
        assert weight.ndim > 1, weight_name
        assert weight.grad is not None, weight_name
        assert torch.isfinite(weight.grad).all(), weight_name


@EVERY
def test_its_export_says_what_it_says(name: str) -> None:
    # As large as it is used, but for the one that alone would take as long as all the others.
    network, planes = (
        settled(registry.parse(name, SMALL[name] if name == "vgg10" else {})),
        frames(128),
    )
    facts = Metadata(classes=network.config.classes)
    model = Model(trace(network, facts), facts, None)
    # An 8-bit statistic on the edge between two steps moves the scores of that frame by a step.
    agreement = compare(network, model, planes, 0.2 if name == "imperial" else 0.05)
    assert agreement.same_class == 128
    assert agreement.identical_scores >= 125
    logits = Classifier(model, threads=1).logits(planes[:32].numpy(), scale=False)
    with torch.no_grad():
        expected = network(planes[:32])
    assert torch.equal(torch.from_numpy(logits).argmax(1), expected.argmax(1))
