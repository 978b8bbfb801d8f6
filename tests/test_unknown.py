"""What is none of the 24 classes: made, mixed in, learned, and made probable."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import tomli_w
import torch

from boltmod.config import DataSection, MixPart, Recipe
from boltmod.data.source import MixedSource, open_source
from boltmod.errors import ConfigError
from boltmod.model.onnx_file import load
from boltmod.modulation import CLASSES, FIELD_CLASSES, UNKNOWN_ID, Modulation
from boltmod.nn import registry
from boltmod.pipeline.phases import run_phases
from boltmod.pipeline.run import run
from boltmod.run_folder import RunFolder
from boltmod.runtime.session import Classifier
from boltmod.signal import keying, unknown
from boltmod.signal.draws import source_window
from boltmod.signal.generator import generate
from boltmod.signal.profile import FIELD, PROFILES, TWIN, Keying, profile_from
from boltmod.train import temperature
from test_pipeline import Watcher

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["twin", "field"])
def test_an_unknown_frame_does_not_depend_on_the_others(name: str) -> None:
    ids = torch.where(torch.arange(150) % 3 == 0, UNKNOWN_ID, torch.arange(150) % 24)
    snr = torch.full((150,), 8)
    whole = generate(ids, snr, 5, profile=PROFILES[name])
    assert torch.isfinite(whole).all()
    part = generate(ids[71:90], snr[71:90], 5, first_frame=71, profile=PROFILES[name])
    assert torch.equal(part, whole[71:90])
    other = torch.where(ids == UNKNOWN_ID, UNKNOWN_ID, 3)
    same = generate(other, snr, 5, profile=PROFILES[name])
    assert torch.equal(same[ids == UNKNOWN_ID], whole[ids == UNKNOWN_ID])


def test_unknown_signals_have_power_one_and_differ() -> None:
    numbers = unknown.draw(1, torch.arange(256), FIELD, CPU)
    frame, rest = unknown.modulate(numbers, FIELD)
    window = source_window(FIELD)
    assert frame.shape == (256, 2, window.length)
    assert rest.shape[2] == 0
    power = frame.square().sum(1).mean(1)
    assert power == pytest.approx(torch.ones(256), abs=1e-3)
    assert len(torch.unique(frame[:, 0, 500])) == 256


@pytest.mark.parametrize("kind", [kind for _, kind in unknown._KINDS], ids=lambda k: k.__name__)
def test_every_kind_is_finite_and_not_silent(kind: unknown.Kind) -> None:
    signal = kind(unknown.draw(2, torch.arange(128), FIELD, CPU), FIELD)
    assert torch.isfinite(signal).all()
    assert (signal.square().mean((1, 2)) > 0).all()


def test_frequency_shift_keying_has_a_constant_envelope_and_several_frequencies() -> None:
    numbers = unknown.draw(3, torch.arange(256), FIELD, CPU)
    planes = unknown.frequency_shift_keying(numbers, FIELD)
    assert planes.square().sum(1) == pytest.approx(torch.ones(256, planes.shape[2]), abs=1e-5)
    z = torch.complex(planes[:, 0], planes[:, 1])
    turns = torch.angle(z[:, 1:] * z[:, :-1].conj()) / (2 * math.pi)
    spread = torch.quantile(turns, 0.98, dim=1) - torch.quantile(turns, 0.02, dim=1)
    assert spread.median() > 0.05
    assert spread.max() < 0.65


def test_a_carrier_is_a_line_and_noise_is_none() -> None:
    numbers = unknown.draw(4, torch.arange(64), FIELD, CPU)
    peaks = []
    for kind in (unknown.carriers, unknown.noise_alone):
        planes = kind(numbers, FIELD)
        spectrum = torch.fft.fft(torch.complex(planes[:, 0], planes[:, 1])).abs().square()
        peaks.append(spectrum.max(1).values / spectrum.sum(1))
    assert peaks[0].min() > 0.05
    assert peaks[1].median() < 0.05


def test_ofdm_repeats_its_end_before_each_symbol() -> None:
    numbers = unknown.draw(5, torch.arange(400), FIELD, CPU)
    z = torch.view_as_complex(unknown.ofdm(numbers, FIELD).transpose(1, 2).contiguous())
    size = 2 ** (5 + (numbers.uniforms[:, 1] * 5).long())
    for n_points in (64, 128):
        mine = z[size == n_points]
        # The correlation at a distance of one transform is the prefix's share of the time.
        here = (mine[:, n_points:] * mine[:, :-n_points].conj()).mean(1).abs()
        assert (here / mine.abs().square().mean(1)).mean() > 0.05


def held(uniforms: list[float], keys: Keying, label: int = Modulation.OOK.index) -> keying.Manner:
    return keying.manner(torch.tensor([label]), torch.tensor([uniforms]), keys)


def test_slow_symbols_last_and_contain_an_on_and_an_off() -> None:
    keys = Keying(rectangular_ask=1.0, slow=1.0)
    how = held([0.5, 0.5, 0.5, 0.5, 0.5, 0.5], keys)
    assert how.rectangular.all()
    assert how.held.item() == pytest.approx(1.5 * math.sqrt(32))
    bytes_ = torch.zeros(1, 200, dtype=torch.uint8)
    keyed = keying.arrange(bytes_, torch.tensor([0]), how)[0]
    assert {keyed.min().item(), keyed.max().item()} == {0, 255}
    on = torch.nonzero(keyed).flatten()
    assert len(on) in (8, 9)
    assert on[0] <= 100 <= on[-1]


def test_nothing_is_keyed_otherwise_in_the_twin() -> None:
    assert not TWIN.linear.keying.varied
    assert FIELD.linear.keying.varied
    how = held([0.0] * 6, Keying())
    assert not how.rectangular.any()
    assert how.held.item() == 1
    assert how.period.item() == 0


def test_patterns_repeat() -> None:
    how = held([0.9, 0, 0, 0.0, 0.3, 0], Keying(periodic=1.0))
    bytes_ = torch.randint(0, 256, (1, 100), dtype=torch.uint8)
    keyed = keying.arrange(bytes_, torch.tensor([0]), how)[0]
    period = how.period.item()
    assert torch.equal(keyed[period:], keyed[:-period])


def test_an_off_leaks() -> None:
    ids = torch.zeros(256, dtype=torch.int64)
    clean = {"selection": 100, "receiver_bandwidth": 1, "occupied": 1, "dc_std": 0}
    profile = profile_from("field", {
        "linear.keying.residual": [0.3, 0.3], "linear.keying.rectangular_ask": 1.0,
        "linear.keying.slow": 1.0,
        "channel": clean | {"n_paths": 1, "rice_factor_db": 60},
    })  # fmt: skip
    frames = generate(ids, torch.full((256,), 60), 1, profile=profile)
    magnitude = frames.square().sum(1).sqrt()
    low, high = (torch.quantile(magnitude, q, dim=1) for q in (0.1, 0.9))
    assert (low / high).median().item() == pytest.approx(0.3, abs=0.05)


def mixed(**changes: object) -> MixedSource:
    data = DataSection(
        mix=(
            MixPart(profile="twin", share=0.5, minimum_snr=20),
            MixPart(profile="field", share=0.5, unknown=0.4),
        ),
        frames_per_epoch=1500,
        validation_frames=600,
    )
    source = open_source(data, seed=3, batch_size=100, minimum_snr=-6, device=CPU)
    assert isinstance(source, MixedSource)
    return source


def test_a_mix_is_the_same_after_an_interruption() -> None:
    source = mixed()
    assert source.frames_per_epoch == 1500
    whole = list(source.batches(1))
    assert len(whole) == 15
    assert all(frames.shape == (100, 2, 1024) for frames, _ in whole)
    again = list(source.batches(1, first_step=12))
    assert len(again) == 3
    for (frames, ids), (frames_again, ids_again) in zip(whole[12:], again, strict=True):
        assert torch.equal(frames, frames_again)
        assert torch.equal(ids, ids_again)
    assert not torch.equal(whole[0][0], next(source.batches(2))[0])


def test_a_mix_holds_its_parts() -> None:
    found = mixed().validation()
    assert len(found.class_ids) == 600
    unknown_share = (found.class_ids == UNKNOWN_ID).float().mean().item()
    assert unknown_share == pytest.approx(0.2, abs=0.05)
    assert found.snr_labels.min() == -6
    assert (found.snr_labels >= 20).float().mean().item() == pytest.approx(0.66, abs=0.06)


def test_a_mix_stands_alone() -> None:
    with pytest.raises(ValueError, match="mix must stand alone, without path, profile and"):
        DataSection(mix=(MixPart(),), profile="field")


TINY = {
    "name": "tiny-field",
    "network": {
        "name": "fieldnet", "unknown": True, "pool": 8, "lag": 1, "channels": [4, 4],
        "kernel_sizes": [3, 3], "strides": [2, 2],
    },
    "data": {
        "mix": [{"profile": "twin"}, {"profile": "field", "unknown": 0.3}],
        "frames_per_epoch": 256, "validation_frames": 300,
    },
    "phases": [{"name": "a", "kind": "train", "epochs": 1, "batch_size": 64}],
    "export": {"calibrate": True, "frames": 256},
    "evaluation": {"frames_per_cell": 1},
}  # fmt: skip


def test_a_recipe_with_unknown_ends_in_a_calibrated_model_of_25_classes(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(tomli_w.dumps(TINY))
    watcher = Watcher()
    outcome = run(recipe, tmp_path / "run", watcher, watcher.notify)
    assert outcome.data == "field 1 and unknown, seed 2020, 1 frame a cell"
    model = load(RunFolder(tmp_path / "run").model)
    assert model.classes == FIELD_CLASSES
    assert float(model.metadata.provenance["temperature"]) > 0
    assert model.metadata.provenance["trained_on"] == "profiles twin 2 and field 1"
    assert not any(node.metadata_props or node.doc_string for node in model.proto.graph.node)
    assert Classifier(model).probabilities(np.zeros((1, 2, 1024), np.float32)).shape == (1, 25)


def test_a_network_and_its_frames_agree_on_unknown(tmp_path: Path) -> None:
    recipe = Recipe.model_validate(TINY | {"data": {"mix": [{"profile": "twin"}]}})
    with pytest.raises(ConfigError) as wrong:
        run_phases(recipe, RunFolder(tmp_path), Watcher())
    assert str(wrong.value) == (
        "network must have an output for unknown where data.mix draws such frames, and only "
        "there: set network.unknown and data.mix.unknown to agree"
    )


def test_a_field_network_answers_for_25_classes() -> None:
    config = registry.parse("fieldnet", {"unknown": True, "quantised": False})
    assert config.classes == FIELD_CLASSES == (*CLASSES, "unknown")
    network = registry.build(config).eval()
    assert network(torch.randn(3, 2, 1024)).shape == (3, 25)


def test_magnitude_and_lagged_product_do_not_turn_with_the_carrier() -> None:
    network = registry.build(registry.parse("fieldnet", {"quantised": False}))
    z = torch.randn(2, 1024, dtype=torch.complex64)
    planes = [
        network.planes(torch.stack([turned.real, turned.imag], 1))
        for turned in (z, z * np.exp(0.7j))
    ]
    assert torch.allclose(planes[0][:, 2:], planes[1][:, 2:], atol=1e-4)
    assert not torch.allclose(planes[0][:, :2], planes[1][:, :2], atol=1e-1)


def test_the_temperature_of_calibrated_scores_is_found() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(40_000, 5, generator=generator)
    truth = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    assert temperature.fit(3.0 * logits, truth) == pytest.approx(3.0, rel=0.03)


def test_a_calibrated_network_keeps_its_answers() -> None:
    torch.manual_seed(0)
    network = registry.build(registry.parse("fieldnet", {"unknown": True})).eval()
    frames = mixed().validation()
    before = network(frames.iq_planes[:64])
    found = temperature.calibrated(network, frames)
    after = network(frames.iq_planes[:64])
    assert abs(found - 1) > 0.05
    assert torch.allclose(after * found, before, atol=1e-3)


def test_a_network_without_a_last_layer_cannot_be_calibrated() -> None:
    with pytest.raises(ConfigError) as wrong:
        temperature.calibrated(torch.nn.Sequential(), mixed().validation())
    assert str(wrong.value) == (
        "export.calibrate must have a network that ends in a dense layer, not Sequential; "
        "leave it out"
    )
