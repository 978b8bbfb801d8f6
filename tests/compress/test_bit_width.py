from pathlib import Path

import pytest
import torch
from torch import nn

from boltmod.compress.bit_width import Figures, lower, lowerable
from boltmod.cost import inference_cost
from boltmod.errors import ConfigError
from boltmod.export.qonnx import trace
from boltmod.model.metadata import Metadata
from boltmod.model.onnx_file import Model
from boltmod.modulation import CLASSES
from boltmod.nn import registry
from boltmod.nn.bacalhaunet import BacalhauNetConfig
from boltmod.nn.quantizers import bit_width, learned_scale, set_bit_width
from boltmod.pipeline.phase.lower import LowerPhase
from boltmod.pipeline.recipe import Recipe
from boltmod.pipeline.stages import run_phases
from boltmod.run_folder import RunFolder
from boltmod.train.checkpoint import open_trainee
from small_runs import FLOAT, Watcher, last_phase, metrics, recipe, timeless

SMALL = {"channels": [4, 4], "kernel_sizes": [5, 3], "strides": [2, 2], "pool": 8}


def small(**more: object) -> nn.Module:
    torch.manual_seed(1)
    return registry.build(registry.parse("bacalhaunet", SMALL | more))


def phase(**changes: object) -> LowerPhase:
    return LowerPhase.model_validate({"kind": "lower", "name": "lower", **changes})


def test_bit_widths_change_and_ranges_stay() -> None:
    network = small()
    act, conv = network.get_submodule("blocks.0.dw.act"), network.get_submodule("blocks.0.dw.conv")
    with torch.no_grad():
        learned_scale(act).fill_(1.5)
    before = conv.weight.detach().clone()
    set_bit_width(act, 3)
    set_bit_width(conv, 2)
    assert (bit_width(act), bit_width(conv)) == (3, 2)
    assert torch.equal(conv.weight, before)
    values = act.eval()(torch.linspace(-1, 5, 500)).unique().detach()
    assert torch.allclose(values, torch.arange(8) * 1.5 / 7, atol=1e-5)
    assert len(conv.quant_weight().value.unique()) <= 3


def test_the_configuration_carries_bit_widths_into_network_and_export() -> None:
    network = small(bit_widths={"blocks.1.pw.conv": 3, "blocks.0.dw.act": 4})
    facts = Metadata(classes=CLASSES)
    layers = inference_cost.count(Model(trace(network, facts), facts, None)).layers
    widths = [(layer.act_datatype, layer.weight_datatype) for layer in layers]
    assert widths[1] == ("SCALEDINT<4>", "SCALEDINT<6>")
    assert widths[3] == ("SCALEDINT<6>", "SCALEDINT<3>")


def test_wrong_bit_widths_are_named() -> None:
    with pytest.raises(ConfigError) as caught:
        small(bit_widths={"blocks.0.dw.con": 3})
    assert str(caught.value) == (
        "network.bit_widths must name layers or activations, not blocks.0.dw.con; "
        "did you mean blocks.0.dw.conv?"
    )
    with pytest.raises(ConfigError, match=r"blocks\.0\.dw\.conv must be 2 to 32 bits, not 1"):
        small(bit_widths={"blocks.0.dw.conv": 1})
    with pytest.raises(ConfigError, match=r"must belong to quantised layers .* not BatchNorm1d"):
        small(bit_widths={"blocks.0.dw.norm": 4})


def test_what_may_be_lowered() -> None:
    network = small()
    weights = set(lowerable(network, phase(of="weights")))
    acts = set(lowerable(network, phase(of="activations")))
    assert weights == {f"blocks.{i}.{part}.conv" for i in (0, 1) for part in ("dw", "pw")} | {
        "dense"
    }
    assert {"input_act", "blocks.0.dw.act", "dense_act"} <= acts
    assert set(lowerable(network, phase())) == weights | acts


PRICES = {"dense": 0.004, "blocks.0.pw.conv": 0.001}


def by_table(network: nn.Module) -> Figures:
    """Every bit below six costs its layer's price in accuracy, and saves the same."""
    missing = {n: 6 - (bit_width(m) or 6) for n, m in lowerable(network, phase()).items()}
    lost = sum(PRICES.get(name, 0.02) * max(0, n) for name, n in missing.items())
    saved = sum(max(0, n) for n in missing.values())
    return Figures(0.6 - lost, 1e6 - saved, 1 - 0.01 * saved)


def test_the_cheapest_bits_go_first_until_the_budget_is_spent() -> None:
    network = small()
    steps = lower(network, phase(of="weights", largest_loss=0.0085), by_table)
    assert [(step.name, step.bits) for step in steps] == [
        ("blocks.0.pw.conv", 5), ("blocks.0.pw.conv", 4), ("blocks.0.pw.conv", 3),
        ("blocks.0.pw.conv", 2), ("dense", 5),
    ]  # fmt: skip
    assert steps[-1].figures == by_table(network)
    assert bit_width(network.get_submodule("dense")) == 5


def test_lowering_stops_at_the_score_asked_for() -> None:
    network = small()
    steps = lower(network, phase(of="weights", largest_loss=1.0, target_score=0.975), by_table)
    assert len(steps) == 3


def lowering(epochs: int) -> Recipe:
    settings = {
        "name": "lower", "kind": "lower", "of": "weights", "largest_loss": 1.0,
        "smallest_bits": 5, "epochs": epochs,
    }  # fmt: skip
    one_block = {"channels": [4], "kernel_sizes": [5], "strides": [2]}
    return recipe(FLOAT, {"name": "quantise", "kind": "train"}, settings, **one_block)


def test_a_lower_phase_costs_less(tmp_path: Path) -> None:
    files = RunFolder(tmp_path)
    run_phases(lowering(0), files, Watcher())
    scores = [r["score"] for r in metrics(files) if r["event"] == "phase" and "score" in r]
    assert scores[1] < scores[0]
    assert last_phase(files)["lowered"][-1]["figures"]["score"] == pytest.approx(scores[1])


@pytest.mark.usefixtures("uncounted")
def test_an_interrupted_lower_phase_goes_on_and_reopens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is counted without an export says nothing of bits: each that goes is worth the same.
    monkeypatch.setattr(LowerPhase, "_measure", lambda *_: by_table)
    files = RunFolder(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_phases(lowering(1), files, Watcher(interrupt_after=10))
    network, _ = run_phases(lowering(1), files, Watcher())
    assert last_phase(files)["epochs"] == 1
    opened = open_trainee(tmp_path / "checkpoints" / "02-lower" / "final.safetensors")
    assert isinstance(opened.config, BacalhauNetConfig)
    assert opened.config.bit_widths == dict.fromkeys(
        ("blocks.0.dw.conv", "blocks.0.pw.conv", "dense"), 5
    )
    again, trained = run_phases(lowering(1), files, Watcher())
    assert not trained
    frames = torch.randn(8, 2, 1024)
    with torch.no_grad():
        expected = network.eval()(frames)
        assert torch.equal(opened.network.eval()(frames), expected)
        assert torch.equal(again.eval()(frames), expected)
    assert timeless(metrics(files))[-1]["kind"] == "lower"
