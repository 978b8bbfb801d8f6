"""`boltmod classify --explain` says what told each signal's carrier, clock, channel and class."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import hand_made_networks as hand_made
from boltmod.cli.app import app
from boltmod.cli.classify.summary import explained
from boltmod.errors import ConfigError
from boltmod.runtime.cut.signal import Evidence, Signal
from boltmod.runtime.verdict import Tally, Verdict
from boltmod.runtime.waveform import keyed
from hand_made_signals import QPSK, linear, noise, shifted

N = 150_000


@pytest.fixture
def model_path(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(hand_made.convolutional().SerializeToString())
    return path


def run(path, wave, model_path, *options):
    wave.astype(np.complex64).tofile(path)
    arguments = ["classify", path, "-r", "100k", "-m", model_path, "--explain", *options]
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_lines_of_reasons_follow_the_table(tmp_path, model_path):
    rng = np.random.default_rng(1)
    wave = shifted(linear(rng, N, 0.05, QPSK), 0.2) + noise(rng, N, 0.1)
    lines = run(tmp_path / "x.cf32", wave, model_path, "--summary").stdout.splitlines()
    reasons = lines[lines.index("signal 1") :]
    assert [line.split()[0] for line in reasons[1:]] == ["carrier", "symbols", "channel", "network"]
    assert reasons[1].endswith("Hz: a line of x⁴")
    assert ", sure: a line of |x|²" in reasons[2]
    assert reasons[3].endswith("of the box's power, 8 samples a symbol")
    assert len(reasons[4].split(",")) == 3


def test_what_is_keyed_is_named_by_its_waveform(tmp_path, model_path):
    rng = np.random.default_rng(2)
    tones = np.repeat(rng.choice([-0.03, 0.03], N // 50), 50) + 0.1
    wave = np.exp(2j * np.pi * np.cumsum(tones)) + noise(rng, N, 0.1)
    document = json.loads(run(tmp_path / "x.cf32", wave, model_path, "--json").stdout)
    (each,) = document["signals"]
    assert each["class_name"] == "2FSK"
    assert each["is_by_waveform"]
    assert len(each["top_classes"]) == 3
    evidence = each["signal"]["evidence"]
    assert evidence["frequency_deviation_hz"] == pytest.approx(3000, rel=0.05)
    assert evidence["carrier"] == "the middle between two tones"
    assert evidence["power_share"] > 0.9
    text = run(tmp_path / "y.cf32", wave, model_path, "--summary").stdout
    assert "  keying    2 tones, deviation " in text
    assert "  class     2FSK: by its waveform, whatever the network says" in text


def test_bare_carriers_are_said_but_not_listed(tmp_path, model_path):
    rng = np.random.default_rng(3)
    wave = shifted(np.ones(N), 0.123) + noise(rng, N, 0.3)
    done = run(tmp_path / "x.cf32", wave, model_path, "--summary")
    assert "no signal found: give --offset and --bandwidth" in done.stderr
    assert "bare carriers, not listed: 12,3" in done.stderr
    document = json.loads(run(tmp_path / "y.cf32", wave, model_path, "--json").stdout)
    assert document["signals"] == []
    assert document["carriers"][0]["offset_hz"] == pytest.approx(12.3e3, abs=100)
    options = ("--json", "--offset", "12.3k", "--bandwidth", "2k")
    (each,) = json.loads(run(tmp_path / "z.cf32", wave, model_path, *options).stdout)["signals"]
    assert each["class_name"] == "carrier"
    assert each["n_windows"] > 0


def test_reasons_need_signals(tmp_path, model_path):
    done = run(tmp_path / "x.cf32", np.zeros(2000), model_path, "--channel", "none")
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception) == (
        "channel must not be none where reasons are asked for: leave --channel out"
    )


def signal_of(evidence, rate_hz=1000.0):
    return Signal(1, 0.0, 5e3, 0.0, 0, rate_hz, True, 20.0, ((0, 100),), evidence)


@pytest.mark.parametrize(
    ("evidence", "name"),
    [
        (Evidence(keying="on-off", is_clocked=True), "OOK"),
        (Evidence(keying="on-off"), None),
        (Evidence(keying="amplitude", is_clocked=True), None),
        (Evidence(keying="frequency", n_tones=2, frequency_deviation_hz=2e3, is_clocked=True),
         "2FSK"),
        (Evidence(keying="frequency", n_tones=4, frequency_deviation_hz=2e3, is_clocked=True),
         "4FSK"),
        (Evidence(keying="frequency", n_tones=2, frequency_deviation_hz=250, is_clocked=True),
         None),
        (Evidence(is_bare_carrier=True), "carrier"),
    ],
)  # fmt: skip
def test_names_that_need_no_network(evidence, name):
    assert keyed(signal_of(evidence)) == name


def test_the_three_most_probable_classes_are_kept():
    tally = Tally(("a", "b", "c", "d"))
    for shares in ([0.5, 0.3, 0.15, 0.05], [0.1, 0.6, 0.2, 0.1]):
        tally.add(["ab"[shares[1] > 0.5]], np.array([shares], np.float32))
    top = tally.verdict(signal_of(Evidence())).top_classes
    assert list(top) == ["b", "a", "c"]
    assert list(top.values()) == pytest.approx([0.45, 0.3, 0.175])


@pytest.mark.parametrize(
    ("best", "name", "probability"), [(0.39, "unknown", 0.61), (0.45, "a", 0.45)]
)
def test_a_guess_that_is_too_improbable_is_unknown(best, name, probability):
    tally = Tally(("a", "b", "unknown"))
    tally.add(["a"], np.array([[best, 0.35, 0.65 - best]], np.float32))
    verdict = tally.verdict(signal_of(Evidence()))
    assert verdict.class_name == name
    assert verdict.probability == pytest.approx(probability)
    assert next(iter(verdict.top_classes)) == "a"


@pytest.mark.parametrize(
    ("n_quiet", "n_constant", "reason"),
    [(0, 0, "(too short)"), (3, 0, "(too quiet)"), (0, 2, "(constant)")],
)
def test_why_there_is_no_class(n_quiet, n_constant, reason):
    verdict = Verdict(signal_of(Evidence()), None, None, 0, {}, n_constant, n_quiet)
    assert explained(verdict)[-1] == f"  network   {reason}"
