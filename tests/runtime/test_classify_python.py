"""`classify` in Python says what the command says, in records that data frames take."""

import dataclasses
import json
import wave as wave_files

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import hand_made_networks as hand_made
from boltmod.cli.app import app
from boltmod.errors import ConfigError, DataFormatError, ShapeError
from boltmod.modulation import CLASSES, FIELD_CLASSES
from boltmod.recording.arrays import ArrayRecording
from boltmod.recording.opening import open_recording
from boltmod.runtime.classify import classify
from boltmod.runtime.cut.signal import Constraints
from boltmod.runtime.label import BAND_COLUMNS, SIGNAL_COLUMNS
from boltmod.runtime.session import Classifier
from boltmod.signal.generator import generate
from hand_made_signals import QPSK, linear, noise, shifted


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "net.onnx"
    path.write_bytes(hand_made.convolutional().SerializeToString())
    return path


@pytest.fixture(scope="module")
def samples():
    """A QPSK of 5 kBd at -20 kHz in 100 kS/s."""
    rng = np.random.default_rng(7)
    wave = shifted(linear(rng, 100_000, 0.05, QPSK), -0.2) + noise(rng, 100_000, 0.05)
    return wave.astype(np.complex64)


def printed(*arguments):
    result = CliRunner().invoke(app, ["classify", *map(str, arguments), "--json"])
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def as_cf32(folder, samples):
    path = folder / "air_433.92M_100k.cf32"
    samples.tofile(path)
    return path


def as_wav(folder, samples):
    path = folder / "air.wav"
    counts = np.round(samples.view(np.float32) / np.abs(samples).max() * 20_000).astype("<i2")
    with wave_files.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(100_000)
        file.writeframes(counts.tobytes())
    return path


def as_npy(folder, samples):
    np.save(folder / "air_100k.npy", samples)
    return folder / "air_100k.npy"


@pytest.mark.parametrize("write", [as_cf32, as_wav, as_npy])
def test_the_signals_of_a_file_are_the_commands(tmp_path, samples, write):
    path = write(tmp_path, samples)
    document, result = printed(path), classify(str(path))
    assert [each.row(SIGNAL_COLUMNS) for each in result] == document["windows"]
    assert len(result) == len(document["windows"]) == 39
    assert list(result.notes) == document["notes"]
    assert (result.rate_hz, result.centre_hz) == (document["rate_hz"], document["centre_hz"])
    (found,), (verdict,) = result.signals, document["signals"]
    assert found.class_name == verdict["class_name"] == "QPSK"
    assert (found.probability, found.n_windows) == (verdict["probability"], verdict["n_windows"])
    centre_hz = (document["centre_hz"] or 0) + verdict["signal"]["offset_hz"]
    assert found.offset_hz == verdict["signal"]["carrier_hz"]
    tuned_hz = document["centre_hz"]
    assert found.frequency_hz == (None if tuned_hz is None else tuned_hz + found.offset_hz)
    assert found.n_samples_on == sum(b - a for a, b in verdict["signal"]["spans"])
    assert {each.centre_hz for each in result} == {centre_hz}
    assert result[0].bandwidth_hz == verdict["signal"]["bandwidth_hz"]


def test_the_band_as_it_is_is_the_commands(tmp_path, samples, model_path):
    path = as_cf32(tmp_path, samples)
    document, result = printed(path, "-m", model_path), classify(path, model_path)
    assert [each.row(BAND_COLUMNS) for each in result] == document["windows"]
    assert result.signals == ()
    again = classify(path, Classifier(model_path), channel="auto")
    assert [each.row(SIGNAL_COLUMNS) for each in again] == printed(
        path, "-m", model_path, "--channel", "auto"
    )["windows"]


def test_an_array_is_a_recording(tmp_path, samples):
    path = as_cf32(tmp_path, samples)
    wanted = [each.row(SIGNAL_COLUMNS) for each in classify(path)]
    for given in (samples, samples.astype(np.complex128), samples.view(np.float32).reshape(-1, 2)):
        assert [each.row(SIGNAL_COLUMNS) for each in classify(given, rate_hz=100e3)] == wanted
    tensor = torch.from_numpy(samples)
    assert [each.row(SIGNAL_COLUMNS) for each in classify(tensor, rate_hz=100e3)] == wanted
    assert {each.class_name for each in classify(samples * 1e3, rate_hz=100e3)} == {"QPSK"}
    recording = open_recording(path)
    assert [each.row(SIGNAL_COLUMNS) for each in classify(recording)] == wanted


def test_real_samples_are_a_real_signal(tmp_path, samples):
    real = (shifted(samples, 0.45).real * 0.5).astype(np.float32)
    path = tmp_path / "real_100k.rf32"
    real.tofile(path)
    found = classify(real, rate_hz=100e3)
    assert [each.row(SIGNAL_COLUMNS) for each in found] == printed(path)["windows"]
    assert ArrayRecording(real).sample_format.is_real
    assert found.signals[0].offset_hz == pytest.approx(25e3, abs=200)


def test_constraints_are_the_commands(tmp_path, samples):
    path = as_cf32(tmp_path, samples)
    told = Constraints(offset_hz=-20e3, symbol_rate_hz=5e3)
    document = printed(path, "--offset", "-20k", "--symbol-rate", "5k")
    assert [each.row(SIGNAL_COLUMNS) for each in classify(path, constraints=told)] == (
        document["windows"]
    )


def test_without_a_rate_samples_count(tmp_path, samples):
    path = tmp_path / "air.cf32"
    samples.tofile(path)
    result = classify(path)
    assert result.rate_hz == 1.0
    assert result.notes == (
        "the sample rate is unknown: hertz are cycles a sample, seconds are samples",
    )
    assert printed(path)["notes"] == list(result.notes)
    assert classify(samples, "field").rate_hz is None


def test_records_are_frozen_and_plain(samples):
    result = classify(samples, rate_hz=100e3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result[0].class_name = "BPSK"  # type: ignore[misc]
    row = dataclasses.asdict(result[0])
    assert row["shares"].argmax() == FIELD_CLASSES.index(row["class_name"])
    assert all(not dataclasses.is_dataclass(value) for value in row.values())
    assert all(
        not isinstance(value, dict | tuple)
        for value in dataclasses.asdict(result.signals[0]).values()
    )
    assert result[:2] == result.labels[:2]
    assert "Label(" not in repr(result)


def test_data_frames_take_the_records(samples):
    pandas = pytest.importorskip("pandas")
    result = classify(samples, rate_hz=100e3)
    windows, signals = pandas.DataFrame(result), pandas.DataFrame(result.signals)
    assert list(windows.columns) == [each.name for each in dataclasses.fields(result[0])]
    assert len(windows) == len(result)
    assert windows.class_name.value_counts().idxmax() == signals.class_name[0] == "QPSK"
    assert windows.time_s.iloc[1] == result[1].time_s
    assert windows.probability.dtype == signals.offset_hz.dtype == np.float64


def test_frames_one_after_the_other_are_a_recording():
    planes = generate(torch.tensor([3, 4, 11]), torch.full((3,), 24), seed=2).numpy()
    samples = (planes[:, 0] + 1j * planes[:, 1]).ravel() * 300
    result = classify(samples, "boltnet60", rate_hz=1e6)
    answers = Classifier("boltnet60").probabilities(planes)
    assert [each.class_name for each in result] == [CLASSES[i] for i in answers.argmax(1)]
    assert [each.probability for each in result] == pytest.approx(answers.max(1), abs=1e-5)
    assert [each.sample_start for each in result] == [0, 1024, 2048]
    assert [each.time_s for each in result] == [0, 0.001024, 0.002048]


@pytest.mark.parametrize(
    ("given", "options", "error", "message"),
    [
        (
            np.zeros((3, 2, 1024)),
            {},
            ShapeError,
            "samples must be (n,) complex or real, or (n, 2) of I and Q, not (3, 2, 1024) "
            "float64: give a recording's samples, and frames to a Classifier",
        ),
        (
            None,
            {},
            ShapeError,
            "samples must be (n,) complex or real, or (n, 2) of I and Q, not () object: give a "
            "recording's samples, and frames to a Classifier",
        ),
        (
            np.zeros(0, np.complex64),
            {},
            DataFormatError,
            "the array must hold samples, and is empty: record again",
        ),
        (
            np.full(4096, np.nan + 0j),
            {"model": "boltnet"},
            DataFormatError,
            "the array must hold finite samples, not (nan+0j) at sample 0: give its true format, "
            "or record again",
        ),
        (
            np.ones(4096, np.complex64),
            {"channel": "all"},
            ConfigError,
            "channel must be auto or none, not 'all': choose one of them",
        ),
        (
            np.ones(4096, np.complex64),
            {"channel": "none", "constraints": Constraints(1.0)},
            ConfigError,
            "channel must not be none where constraints are given: leave it out",
        ),
        (
            np.ones(4096, np.complex64),
            {"sample_format": "cf32"},
            ConfigError,
            "sample_format must be left out for samples: only raw files need it",
        ),
        (
            ArrayRecording(np.ones(4096, np.complex64)),
            {"rate_hz": 1e6},
            ConfigError,
            "rate_hz must be left out for an open recording: say it as it is opened",
        ),
    ],
)
def test_what_is_wrong_is_said(given, options, error, message):
    with pytest.raises(error) as caught:
        classify(given, **options)
    assert str(caught.value) == message


def test_the_result_says_what_ran_the_network() -> None:
    samples = np.random.default_rng(2).standard_normal((2048, 2))
    classifier = Classifier("boltnet", engine="onnxruntime")
    assert classify(samples, classifier, rate_hz=1e6).engine == "onnxruntime"
    found = classify(samples, classifier, rate_hz=1e6, channel="auto")
    assert found.engine == "onnxruntime"
