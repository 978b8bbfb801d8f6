"""What is beside the 24 classes: made, mixed in, learned, and made probable."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tomli_w
import torch
from torch.testing import assert_close

from boltmod import framing
from boltmod.data.section import DataSection, MixPart
from boltmod.data.source.frames import Sampling
from boltmod.data.source.mixed import MixedSource
from boltmod.data.source.opening import open_source
from boltmod.errors import ConfigError
from boltmod.model.onnx_file import load
from boltmod.modulation import CLASSES, FIELD_CLASSES, NAMED_BESIDE, UNKNOWN_ID, Modulation
from boltmod.nn import registry
from boltmod.pipeline.recipe import Recipe
from boltmod.pipeline.run import run
from boltmod.run_folder import RunFolder
from boltmod.runtime.session import Classifier
from boltmod.signal import keying
from boltmod.signal.chances import Chances
from boltmod.signal.draws import source_window
from boltmod.signal.generator import generate
from boltmod.signal.others import keyed_tones, kinds, voice, wide_band
from boltmod.signal.others.numbers import Numbers, draw
from boltmod.signal.profile import FIELD, PROFILES, TWIN, Keying, Profile, profile_from
from boltmod.toml_table import validated
from boltmod.train import temperature
from small_runs import Watcher

CPU = torch.device("cpu")


def numbers(seed: int, count: int) -> Numbers:
    return draw(seed, torch.arange(count), FIELD, CPU)


def complex_of(planes: torch.Tensor) -> torch.Tensor:
    return torch.complex(planes[:, 0], planes[:, 1])


@pytest.mark.parametrize("name", ["twin", "field"])
def test_a_frame_beside_the_24_does_not_depend_on_the_others(name: str) -> None:
    ids = torch.arange(160) % len(FIELD_CLASSES)
    snr = torch.full((160,), 8)
    whole = generate(ids, snr, 5, profile=PROFILES[name])
    assert torch.isfinite(whole).all()
    part = generate(ids[71:90], snr[71:90], 5, first_frame=71, profile=PROFILES[name])
    assert torch.equal(part, whole[71:90])
    other = torch.where(ids >= UNKNOWN_ID, ids, 3)
    same = generate(other, snr, 5, profile=PROFILES[name])
    assert torch.equal(same[ids >= UNKNOWN_ID], whole[ids >= UNKNOWN_ID])


def test_signals_have_power_one_and_differ() -> None:
    ids = torch.arange(256) % 8 + UNKNOWN_ID
    frame, rest = kinds.modulate(ids, numbers(1, 256), FIELD)
    window = source_window(FIELD)
    assert frame.shape == (256, 2, window.length)
    assert rest.shape[2] == 0
    power = frame.square().sum(1).mean(1)
    assert_close(power, torch.ones(256), rtol=0, atol=1e-3)
    assert len(torch.unique(frame[:, 0, 500])) == 256


KINDS = [*kinds.NAMED.values(), *(kind for _, kind in kinds.NAMELESS), *voice.VOICES.values()]


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_every_kind_is_finite_and_not_silent(kind: kinds.Kind) -> None:
    signal = kind(numbers(2, 128), FIELD)
    assert torch.isfinite(signal).all()
    assert (signal.square().mean((1, 2)) > 0).all()


def test_every_class_beside_the_24_is_made() -> None:
    assert (*kinds.NAMED,) == NAMED_BESIDE
    assert sum(share for share, _ in kinds.NAMELESS) == pytest.approx(1)


@pytest.mark.parametrize(
    "kind", [keyed_tones.two_tones, keyed_tones.four_tones, keyed_tones.audio_tones]
)
def test_keyed_tones_have_a_constant_envelope_and_several_frequencies(kind: kinds.Kind) -> None:
    planes = kind(numbers(3, 256), FIELD)
    envelope = planes.square().sum(1)
    assert_close(envelope, torch.ones_like(envelope), rtol=0, atol=1e-5)
    z = complex_of(planes)
    turns = torch.angle(z[:, 1:] * z[:, :-1].conj()) / (2 * math.pi)
    spread = torch.quantile(turns, 0.98, dim=1) - torch.quantile(turns, 0.02, dim=1)
    assert spread.median() > 0.04
    assert spread.max() < 1.0


def test_a_carrier_is_a_line_and_noise_is_none() -> None:
    peaks = []
    for kind in (wide_band.carrier, wide_band.noise_alone):
        spectrum = torch.fft.fft(complex_of(kind(numbers(4, 64), FIELD))).abs().square()
        peaks.append(spectrum.max(1).values / spectrum.sum(1))
    assert peaks[0].min() > 0.05
    assert peaks[1].median() < 0.05


def test_ofdm_repeats_its_end_before_each_symbol() -> None:
    drawn = numbers(5, 400)
    size = wide_band.ofdm_size(drawn)
    z = complex_of(wide_band.ofdm(drawn, FIELD))
    for n_points in (64, 128):
        mine = z[size == n_points]
        # The correlation at a distance of one transform is the prefix's share of the time.
        here = (mine[:, n_points:] * mine[:, :-n_points].conj()).mean(1).abs()
        assert (here / mine.abs().square().mean(1)).mean() > 0.05


def test_a_voice_modulates_what_its_class_says() -> None:
    drawn = numbers(6, 128)
    with_carrier = voice.double_sideband_with_carrier(drawn, FIELD)
    assert (with_carrier[:, 0] >= -1e-5).all()
    assert (with_carrier[:, 1] == 0).all()
    without = voice.double_sideband(drawn, FIELD)[:, 0]
    assert (without.mean(1).abs() < 0.2 * without.square().mean(1).sqrt()).float().mean() > 0.9
    upper_or_lower = torch.fft.fft(complex_of(voice.single_sideband_with_carrier(drawn, FIELD)))
    power = upper_or_lower.abs().square()
    half = power.shape[1] // 2
    above, below = power[:, 1:half].sum(1), power[:, half + 1 :].sum(1)
    assert (torch.minimum(above, below) < 1e-3 * torch.maximum(above, below)).all()
    envelope = voice.frequency_modulation(drawn, FIELD).square().sum(1)
    assert_close(envelope, torch.ones_like(envelope), rtol=0, atol=1e-5)


def test_a_share_of_the_analog_frames_is_a_voice() -> None:
    ids = torch.tensor([Modulation.FM.index, Modulation.QPSK.index]).repeat(200)
    snr = torch.full((400,), 30)
    never, always, mostly = (
        generate(ids, snr, 9, profile=profile_from("field", {"analog.on_air": share}))
        for share in (0.0, 1.0, 0.6)
    )
    fm = ids == Modulation.FM.index
    assert torch.equal(never[~fm], always[~fm])
    is_voice = (mostly == always).all(dim=(1, 2)) & fm
    is_other = (mostly == never).all(dim=(1, 2)) & fm
    assert is_voice.sum() + is_other.sum() == fm.sum()
    assert is_voice.sum() / fm.sum() == pytest.approx(0.6, abs=0.1)


def test_two_names_never_share_random_numbers() -> None:
    chances = Chances(torch.rand(1000, 3))
    first, second = chances.uniform("length"), chances.between("residual", 0.0, 1.0)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1
    assert torch.equal(chances.uniform("length"), first)
    rows = torch.tensor([4, 2])
    assert torch.equal(chances.of(rows).uniform("residual"), second[rows])
    chances.uniform("third")
    with pytest.raises(IndexError):
        chances.uniform("fourth")


def many(keys: Keying, count: int = 4000, label: int = Modulation.OOK.index) -> keying.Manner:
    uniforms = torch.rand(count, keying.N_UNIFORMS, generator=torch.Generator().manual_seed(1))
    return keying.manner(torch.full((count,), label), uniforms, keys)


def test_how_long_and_how_leaky_are_independent() -> None:
    how = many(Keying(rectangular_ask=1.0, slow=1.0, residual=(0.0, 0.3)))
    assert abs(np.corrcoef(how.held.log(), how.residual)[0, 1]) < 0.05
    assert how.held.min() >= 1.5
    assert how.residual.max() > 0.29


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_share_of_on_off_keying_leaks_while_it_is_off(share: float) -> None:
    how = many(Keying(residual=(0.1, 0.3), leaking=share))
    assert (how.residual > 0).float().mean() == pytest.approx(share, abs=0.03)
    assert not many(Keying(residual=(0.1, 0.3), leaking=share), label=1).residual.any()


def test_a_share_of_leaks_moves_nothing_else() -> None:
    keys = Keying(rectangular_ask=1.0, slow=0.5, pulses=0.5, pulling=0.5, residual=(0.1, 0.3))
    often, seldom = many(keys), many(replace(keys, leaking=0.2))
    for name in ("held", "skipped", "period", "pulled", "settling"):
        assert torch.equal(getattr(often, name), getattr(seldom, name)), name
    leaks = seldom.residual > 0
    assert torch.equal(often.residual[leaks], seldom.residual[leaks])


def test_slow_symbols_last_and_contain_an_on_and_an_off() -> None:
    how = many(Keying(rectangular_ask=1.0, slow=1.0), 200)
    assert how.rectangular.all()
    keyed = keying.arrange(
        torch.zeros(200, 200, dtype=torch.uint8), torch.zeros(200, dtype=torch.int64), how
    )
    assert set(keyed.min(1).values.tolist()) == {0}
    assert set(keyed.max(1).values.tolist()) == {255}
    length = (keyed > 0).sum(1)
    assert (length - how.held).abs().max() <= 1


def test_pulses_keep_their_duty_and_fill_the_middle() -> None:
    n, k = 600, 240
    for low, high in ((0.04, 0.06), (0.3, 0.4)):
        how = many(Keying(rectangular_ask=1.0, pulses=1.0, duty=(low, high)), n)
        rng = torch.Generator().manual_seed(2)
        bytes_ = torch.randint(0, 256, (n, k), dtype=torch.uint8, generator=rng)
        keyed = keying.arrange(bytes_, torch.zeros(n, dtype=torch.int64), how)
        assert how.pulses.wanted.all()
        assert set(torch.unique(keyed).tolist()) == {0, 255}
        assert (keyed[:, k // 2 - 9 : k // 2 + 1] == 255).any(1).all()
        coded = ~how.pulses.manchester
        on, off = how.pulses.on[coded].mean(1), how.pulses.off[coded].mean(1)
        duty = on / (on + off)
        assert (duty >= 0.9 * low).all()
        assert (duty <= 1.1 * high).all()


def test_packets_have_pauses() -> None:
    how = many(Keying(rectangular_ask=1.0, pulses=1.0, duty=(0.4, 0.5)), 400)
    bytes_ = torch.randint(0, 256, (400, 240), dtype=torch.uint8)
    keyed = keying.arrange(bytes_, torch.zeros(400, dtype=torch.int64), how) > 0
    begun = keyed[:, :60].any(1)
    assert 0.1 < begun.float().mean() < 0.95


def test_a_pulled_carrier_settles() -> None:
    how = many(Keying(rectangular_ask=1.0, pulling=1.0, pulled=0.2), 50)
    planes = torch.zeros(50, 2, 800)
    planes[:, 0, 100:] = 1.0
    turned = complex_of(keying.pull(planes, how))
    assert_close(turned.abs(), planes[:, 0], rtol=0, atol=1e-5)
    turns = torch.angle(turned[:, 101:] * turned[:, 100:-1].conj()) / (2 * math.pi)
    assert_close(turns[:, 0], how.pulled, rtol=0, atol=0.2 * 0.25)
    assert (turns[:, -1].abs() < turns[:, 0].abs() + 1e-4).all()


def receiver(**channel: object) -> Profile:
    clean = {
        "selection": 100, "receiver_bandwidth": 1, "occupied": 1, "dc_std": 0, "n_paths": 1,
        "rice_factor_db": 60, "overload_db": -60, "impulses": -100, "carrier_offset": 0,
    }  # fmt: skip
    return profile_from("field", {"channel": clean | channel})


def qpsk(profile: Profile) -> torch.Tensor:
    ids = torch.full((64,), Modulation.QPSK.index)
    return generate(ids, torch.full((64,), 40), 3, profile=profile)


def test_an_overloaded_receiver_clips() -> None:
    frames = qpsk(receiver(overload_db=[6, 6]))
    most = frames.abs().amax((1, 2), keepdim=True)
    assert ((frames.abs() > 0.999 * most).float().mean((1, 2)) > 0.1).all()
    assert ((qpsk(receiver()).abs() > 0.999 * most).float().mean((1, 2)) < 0.5).all()


def test_gain_steps_once() -> None:
    frames = qpsk(receiver(gain_step_db=[20, 20]))
    power = frames.square().sum(1)
    ratio = power[:, -16:].mean(1) / power[:, :16].mean(1)
    assert 10 * ratio.median().log10() == pytest.approx(20, abs=3)


def test_impulses_stand_out() -> None:
    frames = qpsk(receiver(impulses=[3, 3], impulse_db=30.0))
    magnitude = frames.square().sum(1).sqrt()
    level = magnitude.median(1, keepdim=True).values
    assert ((magnitude > 10 * level).sum(1) == 3).all()


def test_a_squelch_leaves_zeros() -> None:
    frames = qpsk(receiver(squelched=[0.25, 0.25]))
    assert (frames[:, :, -255:] == 0).all()
    assert (frames[:, :, :760] != 0).any(1).all()


def test_field_frames_are_framed_as_a_recordings_windows_are() -> None:
    frames = qpsk(profile_from("field", {"channel.carrier_offset": [1.0, 1.0]}))
    windows = np.ascontiguousarray(complex_of(frames).numpy())
    assert np.abs(framing.mean_frequency(windows)).max() < framing.LARGEST_OFFSET_RAD
    np.testing.assert_allclose(framing.centred(windows), windows, rtol=0, atol=1e-5)


def test_nothing_is_keyed_otherwise_in_the_twin() -> None:
    assert not TWIN.linear.keying.varied
    assert FIELD.linear.keying.varied
    how = many(Keying())
    assert not how.rectangular.any()
    assert not how.pulses.wanted.any()
    assert (how.held == 1).all()
    assert (how.period == 0).all()
    assert (how.pulled == 0).all()


def test_patterns_repeat() -> None:
    how = many(Keying(periodic=1.0), 20)
    bytes_ = torch.randint(0, 256, (20, 100), dtype=torch.uint8)
    keyed = keying.arrange(bytes_, torch.zeros(20, dtype=torch.int64), how)
    for row, period in zip(keyed, how.period.tolist(), strict=True):
        assert 2 <= period <= 12
        assert torch.equal(row[period:], row[:-period])


def test_an_off_leaks() -> None:
    ids = torch.zeros(256, dtype=torch.int64)
    clean = {
        "selection": 100,
        "receiver_bandwidth": 1,
        "occupied": 1,
        "dc_std": 0,
        "impulses": -100,
    }
    profile = profile_from("field", {
        "linear.keying.residual": [0.3, 0.3], "linear.keying.leaking": 1.0,
        "linear.keying.rectangular_ask": 1.0,
        "linear.keying.slow": 1.0, "linear.keying.pulses": 0.0, "linear.keying.pulling": 0.0,
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
    source = open_source(data, Sampling(seed=3, batch_size=100, minimum_snr=-6))
    assert isinstance(source, MixedSource)
    return source


def test_a_mix_is_the_same_after_an_interruption() -> None:
    source = mixed()
    assert source.frames_per_epoch == 1500
    whole = list(source.batches(1))
    assert len(whole) == 15
    assert all(batch.iq_planes.shape == (100, 2, 1024) for batch in whole)
    again = list(source.batches(1, first_step=12))
    assert len(again) == 3
    for batch, batch_again in zip(whole[12:], again, strict=True):
        assert batch.place == batch_again.place
        assert torch.equal(batch.iq_planes, batch_again.iq_planes)
        assert torch.equal(batch.class_ids, batch_again.class_ids)
    assert not torch.equal(whole[0].iq_planes, next(source.batches(2)).iq_planes)


def test_a_mix_holds_its_parts() -> None:
    found = mixed().validation()
    assert len(found.class_ids) == 600
    beside = (found.class_ids >= UNKNOWN_ID).float().mean().item()
    assert beside == pytest.approx(0.2, abs=0.05)
    assert set(found.class_ids.tolist()) >= set(range(UNKNOWN_ID, len(FIELD_CLASSES)))
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


@pytest.mark.usefixtures("uncounted")
def test_a_recipe_with_unknown_ends_in_a_calibrated_model_of_all_classes(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(tomli_w.dumps(TINY))
    watcher = Watcher()
    outcome = run(recipe, tmp_path / "run", watcher, watcher.notify)
    assert outcome.data == "field 2 and what is beside the 24, seed 2020, 1 frame a cell"
    model = load(RunFolder(tmp_path / "run").model)
    assert model.classes == FIELD_CLASSES
    assert float(model.metadata.provenance["temperature"]) > 0
    assert model.metadata.provenance["trained_on"] == "profiles twin 2 and field 2"
    assert not any(node.metadata_props or node.doc_string for node in model.proto.graph.node)
    assert Classifier(model).probabilities(np.zeros((1, 2, 1024), np.float32)).shape == (1, 32)


def test_a_network_and_its_frames_agree_on_unknown() -> None:
    with pytest.raises(ConfigError) as wrong:
        validated(Recipe, TINY | {"data": {"mix": [{"profile": "twin"}]}})
    assert str(wrong.value) == (
        "recipe: network must have an output for unknown where data.mix draws such frames, and "
        "only there: set network.unknown and data.mix.unknown to agree"
    )


def test_a_field_network_answers_for_what_is_beside_the_24() -> None:
    config = registry.parse("fieldnet", {"unknown": True, "quantised": False})
    assert config.classes == FIELD_CLASSES == (*CLASSES, "unknown", *NAMED_BESIDE)
    network = registry.build(config).eval()
    assert network(torch.randn(3, 2, 1024)).shape == (3, 32)


def test_magnitude_and_lagged_product_do_not_turn_with_the_carrier() -> None:
    network = registry.build(registry.parse("fieldnet", {"quantised": False}))
    z = torch.randn(2, 1024, dtype=torch.complex64)
    planes = [
        network.planes(network.received(torch.stack([turned.real, turned.imag], 1)))
        for turned in (z, z * np.exp(0.7j))
    ]
    assert torch.allclose(planes[0][:, 2:], planes[1][:, 2:], atol=1e-3)
    assert not torch.allclose(planes[0][:, :2], planes[1][:, :2], atol=1e-1)


def test_a_line_stands_out_at_the_power_that_the_constellation_has() -> None:
    network = registry.build(registry.parse("fieldnet", {"quantised": False}))
    ids = torch.tensor([Modulation[name].index for name in ("BPSK", "QPSK", "PSK8", "QAM64")])
    frames = generate(ids.repeat_interleave(32), torch.full((128,), 30), 2, profile=TWIN)
    n_lags = len(network.config.line_lags)
    found = network.lines(network.received(frames))
    # Of the samples near symbols: the second, fourth and eighth power at each lag.
    loud = torch.stack([found[:, 7 * k + 4 : 7 * k + 7] for k in range(n_lags)], 1).mean(1)
    squared, fourth, eighth = loud.view(4, 32, 3).mean(1).unbind(1)
    # A phasor is a little shorter than one, so a line of the squares reaches two thirds.
    assert squared[0] > 0.6
    assert squared[1:].max() < 0.3
    assert fourth[1] > 2 * fourth[2]
    assert eighth[2] > 1.5 * eighth[3]


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
