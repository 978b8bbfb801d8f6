"""Windows of a recording to labels, and `boltmod classify`."""

import csv
import json
import re
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import sigmf
from scipy.io import wavfile
from typer.testing import CliRunner

import hand_made_networks as hand_made
from boltmod.cli.app import app
from boltmod.errors import ConfigError, DataFormatError
from boltmod.model import metadata, onnx_file
from boltmod.model.metadata import InputScaling, Metadata
from boltmod.modulation import CLASSES
from boltmod.recording.opening import open_recording
from boltmod.recording.quantity import parse_rate
from boltmod.runtime.cut.whole_band import WholeBand
from boltmod.runtime.framing import scale
from boltmod.runtime.labelling import label
from boltmod.runtime.session import Classifier
from c_compiler import needs_compiler


@pytest.fixture
def samples():
    rng = np.random.default_rng(1)
    return (rng.standard_normal(5000) + 1j * rng.standard_normal(5000) + 3).astype(np.complex64)


@pytest.fixture
def model_path(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(hand_made.convolutional().SerializeToString())
    return path


def record(folder, samples):
    path = folder / "air.cf32"
    samples.tofile(path)
    return path


def label_windows(classifier, recording):
    for windows in WholeBand()(recording):
        yield from label(classifier, windows)


def run(*arguments):
    return CliRunner().invoke(app, ["classify", *map(str, arguments)])


def test_unit_deviation_keeps_the_mean():
    windows = np.full((2, 1024), 5 + 0j, np.complex64)
    windows[0, ::2] += 2
    planes, is_constant = scale(windows, InputScaling.UNIT_STD)
    assert planes.shape == (2, 2, 1024)
    assert planes.dtype == np.float32
    np.testing.assert_allclose(planes[0, 0, :2], [7, 5])
    np.testing.assert_allclose(planes[1, 0], 5)
    assert is_constant.tolist() == [False, True]


def test_no_scaling_leaves_the_level():
    windows = np.random.default_rng(0).standard_normal((1, 1024)).astype(np.complex64) * 40
    planes, _ = scale(windows, InputScaling.NONE)
    assert np.array_equal(planes[0, 0], windows[0].real)


def test_labels_are_the_networks_whatever_the_level(tmp_path, samples, model_path):
    classifier = Classifier(model_path)
    windows = samples[:4096].reshape(4, 1024)
    planes = windows / windows.std(axis=1, keepdims=True)
    shares = classifier.probabilities(np.stack([planes.real, planes.imag], 1).astype(np.float32))
    for gain in (1, 128):
        path = record(tmp_path, samples * np.complex64(gain))
        labels = list(label_windows(classifier, open_recording(path, rate_hz=2048.0)))
        assert [label.class_name for label in labels] == [CLASSES[i] for i in shares.argmax(1)]
        assert [label.probability for label in labels] == pytest.approx(shares.max(1), abs=1e-5)
        assert [label.sample_start for label in labels] == [0, 1024, 2048, 3072]
        assert [label.time_s for label in labels] == [0, 0.5, 1, 1.5]


def test_a_model_may_ask_for_the_level_as_it_is(tmp_path, samples):
    told = Metadata(CLASSES, InputScaling.NONE)
    classifier = Classifier(
        onnx_file.from_proto(metadata.write(hand_made.convolutional(), told)), threads=1
    )
    window = samples[:1024]
    planes = np.stack([window.real, window.imag])[np.newaxis]
    (label,) = label_windows(classifier, open_recording(record(tmp_path, window)))
    assert label.probability == classifier.probabilities(planes).max()
    assert label.time_s is None


def test_a_constant_window_has_no_class(tmp_path, samples, model_path):
    samples[1024:2048] = 0
    labels = list(label_windows(Classifier(model_path), open_recording(record(tmp_path, samples))))
    assert (labels[1].class_name, labels[1].probability) == (None, None)
    assert all(label.class_name for label in labels[:1] + labels[2:])


def test_a_recording_shorter_than_a_window(tmp_path, samples, model_path):
    path = record(tmp_path, samples[:1023])
    with pytest.raises(DataFormatError) as error:
        list(label_windows(Classifier(model_path), open_recording(path)))
    assert str(error.value) == (
        f"{path} must hold at least 1024 samples, one window, not 1023: give a longer recording"
    )


def test_no_window_of_a_long_real_recording_is_lost(tmp_path, model_path):
    path = tmp_path / "audio.wav"
    wavfile.write(path, 48000, np.random.default_rng(0).standard_normal(270_000).astype("f4"))
    labels = list(label_windows(Classifier(model_path), open_recording(path)))
    assert [label.sample_start for label in labels] == list(range(0, 270_000 - 1023, 1024))


def test_memory_does_not_grow_with_the_recording(tmp_path, model_path):
    classifier = Classifier(model_path, threads=1)
    noise = np.random.default_rng(0).integers(-99, 99, 2 * 1024 * 3000).astype(np.int8)
    path = tmp_path / "long.ci8"
    path.write_bytes(noise.tobytes())
    whole_bytes = 3000 * 1024 * 8
    tracemalloc.start()
    assert sum(1 for _ in label_windows(classifier, open_recording(path))) == 3000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < whole_bytes


@pytest.mark.parametrize(
    ("text", "rate_hz"),
    [
        ("48000", 48e3), ("240k", 240e3), ("2.4M", 2.4e6), ("1G", 1e9), ("1e6", 1e6),
        ("2.5E+5", 250e3), ("1MHz", 1e6), ("2.4 MHz", 2.4e6), ("2.048Msps", 2.048e6),
        ("2.048 MS/s", 2.048e6), ("250ksps", 250e3), ("1mhz", 1e6), (".5M", 500e3), ("3e-1M", 3e5),
    ],
)  # fmt: skip
def test_rates(text, rate_hz):
    assert parse_rate(text) == pytest.approx(rate_hz)


@pytest.mark.parametrize(
    "text", ["fast", "-3", "0", "2.4m", "2 baud", "1e", "1e400", "M", "nan", ""]
)
def test_what_is_no_rate(text):
    with pytest.raises(ConfigError) as error:
        parse_rate(text)
    assert str(error.value) == (
        "rate must be a positive number of samples a second, such as 240k or 2.4M, "
        f"not {text!r}: write it so"
    )


def squeezed(line):
    return re.sub("  +", "  ", line.strip())


def test_the_table(tmp_path, samples, model_path):
    samples[1024:2048] = 0
    source = record(tmp_path, samples)
    summary = run(source, "-m", model_path, "--rate", "1k")
    heading, *rows = summary.stdout.splitlines()
    assert heading.split() == ["class", "windows", "share", "mean", "probability"]
    assert sum(int(row.split("  ")[1]) for row in map(squeezed, rows)) == 4
    done = run(source, "-m", model_path, "--rate", "1k", "--windows")
    assert done.stderr == summary.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["start", "class", "probability"]
    assert len(lines) == 5
    assert lines[2].split() == ["1.024000", "s", "(no", "signal)"]
    assert lines[3].split()[2] in CLASSES
    assert "4 windows: " in done.stderr
    assert "904 samples at the end fill no window" in done.stderr


def test_one_json_document(tmp_path, samples, model_path):
    done = run(record(tmp_path, samples), "-m", model_path, "--json")
    document = json.loads(done.stdout)
    assert (document["n_windows"], document["n_left_over_samples"]) == (4, 904)
    assert document["rate_hz"] is None
    assert sum(document["n_windows_by_class"].values()) == len(document["windows"]) == 4
    assert set(document["windows"][0]) == {"sample_start", "time_s", "class_name", "probability"}


def test_files_say_the_same(tmp_path, samples, model_path):
    source = record(tmp_path, samples)
    printed = json.loads(run(source, "-m", model_path, "--json").stdout)["windows"]
    for name in ("labels.jsonl", "labels.txt", "labels.csv", "labels.sigmf-meta"):
        done = run(source, "-m", model_path, "-o", tmp_path / name, "--json")
        assert json.loads(done.stdout)["output"] == str(tmp_path / name)
    lines = (tmp_path / "labels.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == printed
    rows = (tmp_path / "labels.txt").read_text().splitlines()[1:]
    assert [row.split()[1] for row in rows] == [window["class_name"] for window in printed]
    table = list(csv.DictReader((tmp_path / "labels.csv").read_text().splitlines()))
    assert [row["class_name"] for row in table] == [window["class_name"] for window in printed]
    assert [float(row["probability"]) for row in table] == [w["probability"] for w in printed]
    notes = sigmf.fromfile(tmp_path / "labels.sigmf-meta").get_annotations()
    assert [note["core:label"] for note in notes] == [w["class_name"] for w in printed]
    assert [note["core:sample_start"] for note in notes] == [w["sample_start"] for w in printed]


def test_a_failure_leaves_no_file(tmp_path, samples, model_path):
    samples[4500] = np.nan
    source = record(tmp_path, samples)
    for name in ("labels.jsonl", "labels.txt", "labels.sigmf-meta"):
        assert run(source, "-m", model_path, "-o", tmp_path / name).exit_code == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["air.cf32", "net.onnx"]


def test_where_labels_cannot_go(tmp_path, samples, model_path):
    source = record(tmp_path, samples)
    for output, message in (
        ("x.xls", "output must end in .txt, .jsonl, .csv, .sigmf-meta, not 'x.xls': rename it"),
        ("no/x.txt", f"output must lie in a folder that exists, not {tmp_path / 'no'}: make it"),
    ):
        done = run(source, "-m", model_path, "-o", tmp_path / output)
        assert isinstance(done.exception, ConfigError)
        assert str(done.exception) == message


def test_errors_are_one_line_and_exit_1(tmp_path, model_path):
    (tmp_path / "x.cf32").touch()
    done = subprocess.run(
        [sys.executable, "-c", "from boltmod.cli.app import main; main()",
         "classify", tmp_path / "x.cf32", "--model", model_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"error: {tmp_path / 'x.cf32'} must hold samples, and is empty: record again\n"
    )


def test_classifying_needs_no_torch_nor_anything_else_that_is_slow_to_import(
    tmp_path, samples, model_path
):
    code = (
        "import sys; from boltmod.cli.app import app\n"
        "try: app(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "slow = {'torch', 'brevitas', 'matplotlib', 'scipy.signal', 'sigmf'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "classify", record(tmp_path, samples), "-m", model_path,
         "--windows"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"
    assert len(done.stdout.splitlines()) == 6


@pytest.mark.referee
@pytest.mark.parametrize(
    ("name", "n_windows"),
    [
        ("ask.complex", 13), ("enocean.complex", 47), ("fsk.complex", 66),
        ("homematic.complex32s", 114), ("pwm.complex16s", 1013), ("radiosonde_dfm_iq_u8.wav", 1953),
    ],
)  # fmt: skip
def test_recordings_off_the_air_are_read(recordings, referees, name, n_windows):
    model = referees / "bacalhaunet_v1.onnx"
    document = json.loads(run(recordings / name, "-m", model, "--json").stdout)
    assert document["n_windows"] == n_windows
    if name == "ask.complex":
        assert next(iter(document["n_windows_by_class"])) == "OOK"


@needs_compiler
def test_every_result_says_what_ran_the_network(tmp_path, samples):
    source = record(tmp_path, samples)
    notes = tmp_path / "notes.sigmf-meta"
    plain = ("-m", "boltnet", "--channel", "none", "--rate", "1k")
    for engine, words in (("integer", "the integer engine"), ("onnxruntime", "ONNX Runtime")):
        done = run(source, *plain, "--engine", engine)
        assert done.stderr.splitlines()[0].endswith(f"; by {words}")
        document = json.loads(run(source, *plain, "--engine", engine, "--json").stdout)
        assert document["engine"] == engine
        run(source, *plain, "--engine", engine, "-o", notes, "--force")
        assert f"modulation classes by boltnet in {words}" in notes.read_text()
    found = run(source, "-m", "boltnet", "--rate", "1k", "--channel", "auto", "--json")
    assert json.loads(found.stdout)["engine"] == "integer"


def test_an_engine_that_cannot_is_refused(tmp_path, samples):
    source = record(tmp_path, samples)
    wrong = run(source, "-m", "boltnet", "--engine", "fast")
    assert str(wrong.exception) == (
        "engine must be one of auto, integer, onnxruntime, not 'fast': take one of these"
    )
    floating = tmp_path / "floating.onnx"
    floating.write_bytes(hand_made.floating().SerializeToString())
    assert "to have a meaning in integers" in str(
        run(source, "-m", floating, "--engine", "integer").exception
    )
    document = json.loads(run(source, "-m", floating, "--json").stdout)
    assert document["engine"] == "onnxruntime"
