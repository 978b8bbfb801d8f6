from itertools import combinations
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import hilbert

from boltmod.compress.prune import prunable
from boltmod.cost import inference_cost
from boltmod.export.qonnx import trace
from boltmod.model.metadata import Metadata
from boltmod.model.onnx_file import Model
from boltmod.modulation import CLASSES
from boltmod.nn import registry
from boltmod.nn.imperial import ImperialConfig
from boltmod.nn.signal_statistics import cumulants, hilbert_taps, instantaneous, moments
from boltmod.pipeline.stages import run_phases
from boltmod.run_folder import RunFolder
from boltmod.train.checkpoint import open_trainee
from small_runs import Watcher, metrics, recipe

PLANES = torch.randn(4, 2, 1024, generator=torch.Generator().manual_seed(6)).double()
PLANES[:, 1] = 0.5 * PLANES[:, 1] + 0.3 * PLANES[:, 0]


def pairings(items: tuple[int, ...]) -> list[list[tuple[int, int]]]:
    if not items:
        return [[]]
    first, *rest = items
    return [
        [(first, other), *others]
        for other in rest
        for others in pairings(tuple(x for x in rest if x != other))
    ]


def cumulant(z: np.ndarray, order: int, conjugated: int) -> complex:
    """From the definition by set partitions, blocks of even size alone."""
    factors = [z] * (order - conjugated) + [z.conj()] * conjugated

    def moment(block: tuple[int, ...]) -> complex:
        return complex(np.prod([factors[k] for k in block], axis=0).mean())

    everything = tuple(range(order))
    if order == 2:
        return moment(everything)
    pairs = sum(prod(moment(p) for p in pairing) for pairing in pairings(everything))
    if order == 4:
        return moment(everything) - pairs
    mixed = sum(
        moment(pair) * moment(tuple(k for k in everything if k not in pair))
        for pair in combinations(everything, 2)
    )
    return moment(everything) - mixed + 2 * pairs


def test_cumulants_follow_from_their_definition() -> None:
    got = cumulants(PLANES).numpy()
    for row, planes in zip(got, PLANES.numpy(), strict=True):
        z = planes[0] + 1j * planes[1]
        names = [(2, 0), (2, 1), (4, 0), (4, 1), (4, 2), (6, 0), (6, 1), (6, 2), (6, 3)]
        expected = [cumulant(z, order, conjugated) for order, conjugated in names]
        assert row[0::2] == pytest.approx([c.real for c in expected], abs=1e-9)
        assert row[1::2] == pytest.approx([c.imag for c in expected], abs=1e-9)


def test_moments_are_numpys() -> None:
    x = PLANES.numpy()
    centred = x - x.mean(2, keepdims=True)
    expected = [x.mean(2), *((centred**k).mean(2) for k in (2, 3, 4))]
    assert np.allclose(moments(PLANES).numpy(), np.concatenate(expected, 1))


def test_statistics_of_the_analytic_signal_are_scipys() -> None:
    t = np.arange(1024)
    x = np.stack([(1 + 0.3 * np.cos(0.02 * t)) * np.cos(0.7 * t + 2 * np.sin(0.03 * t)),
                  np.cos(0.9 * t)])  # fmt: skip
    analytic = hilbert(x)
    phase = np.unwrap(np.angle(analytic))
    expected = [np.abs(analytic).std(1), (phase - phase[:, :1])[:, 1:].std(1),
                np.diff(phase).std(1)]  # fmt: skip
    planes, other = torch.from_numpy(x)[None], torch.from_numpy(analytic.imag.copy())[None]
    got = instantaneous(planes, other)[0].numpy()
    assert got == pytest.approx(np.concatenate(expected), rel=1e-2, abs=2e-3)


def test_the_hilbert_transformer_turns_cosines_into_sines() -> None:
    t = torch.arange(1024)
    taps = hilbert_taps(31).reshape(1, 1, -1)
    for omega in (0.5, 1.5, 2.5):
        turned = torch.nn.functional.conv1d(
            torch.cos(omega * t).reshape(1, 1, -1), taps, padding=15
        )
        inner = slice(31, -31)
        assert torch.allclose(turned[0, 0, inner], torch.sin(omega * t)[inner], atol=0.03)


def test_the_exported_network_has_no_auxiliary_classifiers() -> None:
    network = registry.build(ImperialConfig())
    scores, *auxiliary = network.train()(torch.randn(4, 2, 1024))
    assert scores.shape == (4, 24)
    assert [a.shape for a in auxiliary] == [(4, 24), (4, 24)]
    assert network.eval()(torch.randn(4, 2, 1024)).shape == (4, 24)
    facts = Metadata(classes=CLASSES)
    cost = inference_cost.count(Model(trace(network, facts), facts, None))
    convs = 64 * 3 * (2 + 6 * 64)
    dense = 32 * 32 + 256 * 128 + 160 * 128 + 128 * 24
    assert sum(layer.weights for layer in cost.layers) == convs + dense + 2 * 31
    assert not any(name.startswith(network.training_only) for name in prunable(network))
    assert "statistics.hilbert.weight" not in prunable(network)
    assert cost.strict is not None
    assert cost.strict.score > cost.score + 0.01


@pytest.mark.usefixtures("uncounted")
def test_an_imperial_run_trains_both_branches_and_leaves_the_transformer_alone(
    tmp_path: Path,
) -> None:
    network = {"name": "imperial", "channels": 4, "dense": 8}
    whole = recipe(
        {"name": "float", "kind": "train", "quantised": False},
        {"name": "prune", "kind": "prune", "fraction": 0.5, "scope": "kind"},
    )
    from boltmod.pipeline.recipe import Recipe

    document = whole.model_dump(mode="json") | {"network": network}
    files = RunFolder(tmp_path)
    trained, _ = run_phases(Recipe.model_validate(document), files, Watcher())
    first = next(r for r in metrics(files) if r["event"] == "epoch")
    assert first["loss"] > 2.5 * np.log(24) * 0.8
    fresh = registry.build(ImperialConfig(channels=4, dense=8)).state_dict()
    state = trained.state_dict()
    assert torch.equal(state["statistics.hilbert.weight"], fresh["statistics.hilbert.weight"])
    opened = open_trainee(files.checkpoints / "01-prune" / "final.safetensors")
    weights = prunable(opened.network)
    left = sum(int(w.count_nonzero()) for w in weights.values())
    assert left == pytest.approx(0.5 * sum(w.numel() for w in weights.values()), abs=3)
