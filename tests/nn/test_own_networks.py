"""Networks defined outside the package: found, held against the contract, trained to the end."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import boltmod
from boltmod.cost import inference_cost
from boltmod.errors import CheckpointError, ConfigError
from boltmod.modulation import UNKNOWN
from boltmod.nn import registry
from boltmod.nn.boltnet import BoltNet, BoltNetConfig
from boltmod.run_folder import RunFolder
from boltmod.train import checkpoint

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """The current folder, with the page's module and recipe; nothing found stays behind."""
    (tmp_path / "mynets.py").write_text(block("python"))
    (tmp_path / "tiny.toml").write_text(block("toml"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_own", {})
    for name in ("mynets", "strange"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield tmp_path
    for name in ("mynets", "strange"):
        sys.modules.pop(name, None)


def installed(folder, monkeypatch, text):
    """A package whose entry points are these."""
    site = folder / "site"
    facts = site / "mynets-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: mynets\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[boltmod.networks]\n{text}\n")
    (site / "mynets.py").write_text(block("python"))
    (folder / "mynets.py").unlink()
    monkeypatch.syspath_prepend(str(site))


@pytest.mark.usefixtures("uncounted")
def test_the_page_runs_to_the_end(workplace):
    outcome = boltmod.run("tiny.toml")
    run = RunFolder(Path("runs/tiny"))
    assert outcome.folder == run.path
    cost = inference_cost.count(run.model)
    kinds = {(each.act_datatype, each.weight_datatype) for each in cost.layers}
    assert len(kinds) == 2
    assert all("FLOAT" not in kind for pair in kinds for kind in pair)
    assert sum(each.nonzero_weights for each in cost.layers) <= 0.51 * (2 * 15 + 24) * 12
    opened = checkpoint.open_trainee(run.finished[-1])
    assert type(opened.network).__name__ == "Tiny"
    assert (vars(opened.config)["channels"], opened.config.quantised) == (12, True)
    frames = boltmod.generate(["BPSK", "QPSK"], 20, seed=3)
    with torch.no_grad():
        wanted = opened.network.eval()(frames).numpy()
    found = boltmod.Classifier(run.model, threads=1).logits(frames, scale=False)
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert 'name = "mynets:Tiny"' in run.recipe.read_text()
    again = boltmod.run("tiny.toml")
    assert again.accuracy == outcome.accuracy


def test_the_current_folder_is_searched_for_this_alone(workplace):
    before = list(sys.path)
    assert registry.find("mynets:Tiny").__name__ == "Tiny"
    assert sys.path == before


def test_a_class_that_is_written_again_takes_its_own_place(workplace, monkeypatch):
    first = registry.find("mynets:Tiny")
    module = sys.modules["mynets"]
    again = type("Tiny", (first,), {})
    monkeypatch.setattr(module, "Tiny", again)
    assert registry.find("mynets:Tiny") is again is not first
    assert type(registry.build(registry.parse("mynets:Tiny", {}))) is again


def test_an_entry_point_gives_a_name(workplace, monkeypatch):
    installed(workplace, monkeypatch, "tiny = mynets:Tiny")
    config = registry.parse("tiny", {"channels": 3})
    assert registry.describe(config) == {
        "name": "tiny", "quantised": True, "bit_widths": {}, "channels": 3, "bits": 6,
    }  # fmt: skip
    assert type(registry.build(config)).__name__ == "Tiny"
    with pytest.raises(ConfigError) as caught:
        registry.parse("resnet", {})
    assert str(caught.value).endswith("teacher, vgg10, tiny, not resnet")


def test_a_checkpoint_never_chooses_what_is_imported(workplace, monkeypatch):
    network = boltmod.check_network("mynets:Tiny", channels=3)
    state = {"network": registry.describe(network.config)}
    path = workplace / "final.safetensors"
    checkpoint.save(checkpoint.Checkpoint(network.state_dict(), state=state), path)
    assert checkpoint.open_trainee(path).config == network.config
    monkeypatch.setattr(registry, "_own", {})
    del sys.modules["mynets"]
    with pytest.raises(CheckpointError) as caught:
        checkpoint.open_trainee(path)
    assert "mynets" not in sys.modules
    assert (
        "network mynets:Tiny must be imported before a file that names it is read: import mynets "
        "first, or make it an entry point of boltmod.networks" in str(caught.value)
    )
    monkeypatch.syspath_prepend(str(workplace))
    import mynets  # noqa: F401

    assert vars(checkpoint.open_trainee(path).config)["channels"] == 3


def test_parameters_are_checked_as_for_boltmods_own(workplace):
    with pytest.raises(ConfigError) as caught:
        registry.parse("mynets:Tiny", {"chanels": 3})
    assert str(caught.value).startswith("network (mynets:Tiny): chanels is not a known key")
    with pytest.raises(ConfigError) as caught:
        registry.parse("mynets:Tiny", {"channels": "many"})
    assert str(caught.value).startswith("network (mynets:Tiny): channels must be a valid integer")


@dataclass(frozen=True)
class WiderConfig(BoltNetConfig):
    """BoltNet's, and one thing more."""

    widened: bool = True


class Wider(BoltNet):
    config_type = WiderConfig


class Same(BoltNet):
    """A network that would be saved as plain BoltNet."""


def test_a_configuration_that_extends_another_is_never_taken_for_it(monkeypatch):
    monkeypatch.setattr(registry, "_own", {})
    for action in (registry.build, registry.describe):
        with pytest.raises(ConfigError) as caught:
            action(WiderConfig())
        assert str(caught.value) == (
            "config must be that of a known network, not WiderConfig: give the network that it "
            "belongs to a name, by an entry point or as module:Class"
        )
    name = f"{__name__}:Wider"
    config = registry.parse(name, {"widened": False, "pool": 8})
    assert registry.describe(config)["name"] == name
    assert type(registry.build(config)) is Wider
    described = registry.describe(config)
    assert registry.parse(described.pop("name"), described) == config
    assert type(registry.build(BoltNetConfig())) is BoltNet
    with pytest.raises(ConfigError) as caught:
        registry.parse(f"{__name__}:Same", {})
    assert str(caught.value) == (
        f"network {__name__}:Same must have a config_type of its own, not that of boltnet: "
        "derive one from BoltNetConfig"
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("class Net: pass", "network strange:Net must be a class that extends torch.nn.Module"),
        (
            "class Net(nn.Module): pass",
            "network strange:Net must have config_type, a frozen dataclass that extends "
            "NetworkConfig",
        ),
        (
            "class C(boltmod.NetworkConfig): channels = 3\n"
            "class Net(nn.Module):\n    config_type = C",
            "network strange:Net must have a frozen dataclass as config_type, which C is not: "
            "write @dataclass(frozen=True) above it",
        ),
        (
            "@dataclass(frozen=True)\nclass C(boltmod.NetworkConfig): channels: int = 3\n"
            "class Net(nn.Module):\n    config_type = C\n"
            "    def __init__(self, config):\n        super().__init__()\n"
            "        self.dense = nn.Linear(2048, config.channels)\n"
            "    def forward(self, x): return self.dense(x.flatten(1))",
            "network Net must map frames (2, 2, 1024) to scores (2, 24), one a class of its "
            "configuration, not to (2, 3)",
        ),
        (
            "@dataclass(frozen=True)\nclass C(boltmod.NetworkConfig): channels: int = 3\n"
            "class Net(nn.Module):\n    config_type = C\n"
            "    def __init__(self, config):\n        super().__init__()\n"
            "        name = 'quantised' if config.quantised else 'floating'\n"
            "        setattr(self, name, nn.Linear(2048, 24))\n"
            "    def forward(self, x): return next(self.children())(x.flatten(1))",
            "network Net must have the same parameters with quantisers as without, and "
            "floating.weight is (24, 2048) without and missing with",
        ),
        ("", "network.name strange:Net must name a class of strange, which has no Net"),
    ],
)
def test_what_breaks_the_contract_is_said(workplace, code, message):
    head = "from dataclasses import dataclass\nfrom torch import nn\nimport boltmod\n"
    (workplace / "strange.py").write_text(head + code)
    with pytest.raises(ConfigError) as caught:
        boltmod.check_network("strange:Net")
    assert str(caught.value) == message


def test_a_run_holds_a_network_against_the_contract_first(workplace):
    text = (workplace / "mynets.py").read_text().replace("len(config.classes)", "7")
    (workplace / "mynets.py").write_text(text)
    with pytest.raises(ConfigError, match=r"^network Tiny must map frames .* not to \(2, 7\)$"):
        boltmod.run("tiny.toml")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "nowhere:Net",
            "network.name nowhere:Net must name a module that Python finds, and there is no "
            "nowhere: run where it lies, or add its folder to PYTHONPATH",
        ),
        ("a b:Net", "network.name must be a name or module:Class, not 'a b:Net'"),
    ],
)
def test_places_that_do_not_exist(workplace, name, message):
    with pytest.raises(ConfigError) as caught:
        registry.find(name)
    assert str(caught.value) == message


def test_entry_points_that_do_not_load_or_are_two(workplace, monkeypatch):
    installed(workplace, monkeypatch, "tiny = mynets:Small\ntwo = mynets:Tiny\nbig = mynets:Tiny")
    with pytest.raises(ConfigError, match=r"^network.name tiny must be an entry point that loads"):
        registry.find("tiny")
    other = workplace / "other" / "other-1.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text("[boltmod.networks]\ntwo = strange:Net\n")
    monkeypatch.syspath_prepend(str(workplace / "other"))
    with pytest.raises(ConfigError) as caught:
        registry.find("two")
    assert "must stand for one network, not for" in str(caught.value)
    assert registry.find("big").__name__ == "Tiny"


def test_what_toml_cannot_say_is_left_out_of_the_recipe(workplace):
    text = (workplace / "mynets.py").read_text().replace("bits: int = 6", "bits: int | None = None")
    (workplace / "mynets.py").write_text(text)
    recipe = boltmod.read_recipe("tiny.toml")
    assert "bits" not in recipe.document["network"]
    assert UNKNOWN not in registry.parse("mynets:Tiny", {}).classes
