"""Likelihoods against plain densities, the ceiling, and the receiver without a network."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from boltmod.cli.app import app
from boltmod.errors import ConfigError
from boltmod.evaluation.ceiling import ceiling
from boltmod.evaluation.likelihood.receiver import LikelihoodReceiver
from boltmod.evaluation.metrics import Evaluation
from boltmod.evaluation.possible import ceiling_by_snr, share_of_possible
from boltmod.modulation import CLASSES, N_CLASSES, SNR_LABELS
from boltmod.signal import analog, constellations, likelihood
from boltmod.signal.generator import generate
from boltmod.signal.profile import FIELD, TEXTBOOK, TWIN, AmplitudeModulation, Message


def test_an_alphabets_gain_is_the_ratio_of_plain_densities() -> None:
    points = constellations.qam(16).to(torch.complex128)
    values = torch.complex(torch.randn(3, 5), torch.randn(3, 5)).to(torch.complex128)
    noise = torch.tensor([0.5, 1.0, 4.0], dtype=torch.float64)
    gain = likelihood.alphabet_gain(values, torch.ones(3, 2, 5).double(), points, noise)
    for row, value, power in zip(gain, values, noise, strict=True):
        density = torch.exp(-(value[:, None] - points).abs().square() / power).mean(1)
        nothing = torch.exp(-value.abs().square() / power)
        assert row.item() == pytest.approx((density / nothing).log().sum().item())


@pytest.mark.parametrize("step", [None, 5])
def test_an_envelopes_gain_is_the_ratio_of_plain_densities(step: int | None) -> None:
    shape = AmplitudeModulation(
        Message(high=4e-3, tilt_db=-3.0), depth=0.3, hiss=0.1, leak_std=0.05,
        carrier_frequency=0.0 if step is None else 1 / 32,
    )  # fmt: skip
    model = likelihood.envelope(shape, step)
    rng = np.random.default_rng(1)
    iq = rng.standard_normal((2, 1024)) + 1j * rng.standard_normal((2, 1024)) + model.mean.numpy()
    noise = 0.8
    found = model.gain(torch.from_numpy(iq), torch.full((2,), noise, dtype=torch.float64))
    scale = 1 / math.hypot(1, 0.05)
    part = scale / math.hypot(1, 0.3, 0.1)
    wave = np.ones(1024)
    if step is not None:
        wave = math.sqrt(2) * np.cos(2 * np.pi / 32 * (np.arange(1024) + step))
    lines = analog.message_lines(shape.message).numpy() * wave * part * 0.3
    leak = np.full((1024, 1024), (scale * 0.05) ** 2 / 2)
    white = noise / 2 * np.eye(1024)
    in_phase = lines.T @ lines + leak + white + (part * 0.1) ** 2 * np.eye(1024)
    for row, sample in zip(found, iq, strict=True):
        signal = multivariate_normal(part * wave, in_phase).logpdf(sample.real)
        signal += multivariate_normal(np.zeros(1024), leak + white).logpdf(sample.imag)
        nothing = multivariate_normal(np.zeros(1024), white)
        nothing = nothing.logpdf(sample.real) + nothing.logpdf(sample.imag)
        assert row.item() == pytest.approx(signal - nothing, abs=1e-5)


def test_the_genie_is_right_where_noise_is_low_and_guesses_where_it_is_high() -> None:
    found = ceiling(TWIN, 4, 3, (-20, 0, 6, 30))
    by_snr = found.by_snr
    assert by_snr[-20] < 0.2 < 0.6 < by_snr[0] < 0.99
    assert by_snr[6] > 0.97
    assert by_snr[30] == 1
    assert found.data == "twin 2, seed 3, 4 frames a cell"
    assert np.array_equal(found.confusion, ceiling(TWIN, 4, 3, (-20, 0, 6, 30)).confusion)


def test_the_textbook_has_a_ceiling_and_the_field_has_none() -> None:
    assert ceiling(TEXTBOOK, 1, 3, (30,)).accuracy == 1
    with pytest.raises(ConfigError, match="profile must have a clean channel and plain symbols"):
        ceiling(FIELD, 1, 3)


def evaluation(data: str, share: float) -> Evaluation:
    confusion = np.zeros((26, N_CLASSES, N_CLASSES), np.int64)
    confusion[:, range(N_CLASSES), range(N_CLASSES)] = round(1000 * share)
    confusion[:, range(N_CLASSES), [*range(1, N_CLASSES), 0]] = round(1000 * (1 - share))
    return Evaluation(confusion, SNR_LABELS, "net", data, CLASSES)


def test_the_twins_ceiling_is_known_and_others_are_not() -> None:
    seen = evaluation(f"{TWIN.title}, seed 1, 2 frames a cell", 0.5)
    ceilings = ceiling_by_snr(seen)
    assert ceilings is not None
    assert list(ceilings) == list(SNR_LABELS)
    assert ceilings[30] == 1
    mean = sum(ceilings.values()) / 26
    assert 0.68 < mean < 0.74
    assert share_of_possible(seen) == pytest.approx(0.5 / mean)
    assert share_of_possible(evaluation("RadioML.hdf5, official test split", 0.5)) is None


def test_the_receiver_knows_the_twins_classes_whatever_lies_beside_them() -> None:
    ids = torch.arange(N_CLASSES).repeat(2)
    frames = generate(ids, torch.full((48,), 16), 12).numpy()
    receiver = LikelihoodReceiver()
    logits = receiver.logits(frames)
    assert logits.shape == (48, N_CLASSES)
    assert (logits.argmax(1) == ids.numpy()).mean() >= 0.85
    assert np.allclose(receiver.logits(frames[5:7]), logits[5:7], rtol=1e-4)
    assert receiver.logits(frames[:0]).shape == (0, N_CLASSES)


def test_the_receiver_refuses_profiles_it_has_no_likelihood_for() -> None:
    for profile in (FIELD, TEXTBOOK):
        with pytest.raises(ConfigError, match="profile must be the twin, or one with as clean"):
            LikelihoodReceiver(profile)


def test_the_commands_tell_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["ceiling", "--snr", "20", "--frames-per-cell", "1", "--json"]
    app([*arguments, "--out", str(tmp_path)], standalone_mode=False)
    document = json.loads(capsys.readouterr().out)
    assert document["by_snr"] == {"20": 1.0}
    assert (tmp_path / "accuracy-over-snr.png").is_file()
    app(["evaluate", "likelihood", "--frames-per-cell", "1", "--minimum-snr", "30"],
        standalone_mode=False)  # fmt: skip
    out = capsys.readouterr().out
    assert out.startswith("likelihood on twin 2, seed 56000000, 1 frame a cell, from +30 dB up\n")
    assert "of the possible" in out
    assert "ceiling" in out
    with pytest.raises(ConfigError, match="--snr must be an even number from -20 to 30, not 3"):
        app(["ceiling", "--snr", "3"], standalone_mode=False)
