"""What is said of signals: tables, files and SigMF, from files, pipes and streams."""

import contextlib
import csv
import io
import json
import struct
import wave as wave_files

import numpy as np
import pytest
import sigmf
from rich.console import Console
from typer.testing import CliRunner

import hand_made_networks as hand_made
from boltmod.cli.app import app
from boltmod.cli.classify import outputs as outputs_module
from boltmod.cli.classify.job import Job
from boltmod.cli.classify.live_signals import LiveSignals
from boltmod.cli.classify.outputs import outputs
from boltmod.cli.classify.request import Request
from boltmod.cli.classify.summary import summary
from boltmod.errors import ConfigError
from boltmod.modulation import CLASSES, FIELD_CLASSES
from boltmod.recording.live.buffer import LiveRecording
from boltmod.recording.opening import open_recording
from boltmod.recording.raw import SampleFormat
from boltmod.runtime.labelling import label_all
from boltmod.runtime.session import Classifier
from boltmod.runtime.sink.signal_detail import detail_of
from hand_made_signals import QPSK, linear, noise, shifted
from hand_made_streams import Clock, Pieces

N = 100_000
STARTED = "2026-11-30T12:00:00.250000Z"


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "net.onnx"
    path.write_bytes(hand_made.convolutional().SerializeToString())
    return path


@pytest.fixture(scope="module")
def samples():
    """A QPSK of 5 kBd at -20 kHz in 100 kS/s, on from sample 30,000 to the end, and some more."""
    rng = np.random.default_rng(7)
    wave = noise(rng, N + 77, 0.05)
    wave[30_000:] += shifted(linear(rng, N + 77 - 30_000, 0.05, QPSK), -0.2)
    return wave.astype(np.complex64)


@pytest.fixture
def recorded(tmp_path, samples):
    """It as SigMF, tuned to 433.92 MHz at a time that is known, annotated by somebody."""
    samples.tofile(tmp_path / "air.sigmf-data")
    meta = {
        "global": {"core:datatype": "cf32_le", "core:version": "1.2.0", "core:sample_rate": 1e5},
        "captures": [
            {"core:sample_start": 0, "core:frequency": 433.92e6, "core:datetime": STARTED}
        ],
        "annotations": [{"core:sample_start": 5, "core:sample_count": 9, "core:label": "a click"}],
    }
    (tmp_path / "air.sigmf-meta").write_text(json.dumps(meta))
    return tmp_path / "air.sigmf-meta"


def run(*arguments, content=None):
    done = CliRunner().invoke(app, ["classify", *map(str, arguments)], input=content)
    assert done.exception is None or isinstance(done.exception, ConfigError), done.output
    return done


def test_a_table_of_signals_says_where_and_when(recorded, model_path, tmp_path):
    options = ("-m", model_path, "--channel", "auto")
    run(recorded, *options, "-o", tmp_path / "found.csv")
    run(recorded, *options, "-o", tmp_path / "found.jsonl")
    (row,) = csv.DictReader((tmp_path / "found.csv").read_text().splitlines())
    (line,) = map(json.loads, (tmp_path / "found.jsonl").read_text().splitlines())
    assert row == {name: "" if v is None else str(v) for name, v in line.items()}
    assert line["frequency_hz"] == pytest.approx(433.9e6, abs=50)
    assert line["symbol_rate_hz"] == pytest.approx(5e3, rel=1e-3)
    assert line["time_s"] == pytest.approx(0.3, abs=0.01)
    assert line["utc"] == f"2026-11-30T12:00:00.{round((0.25 + line['time_s']) * 1e6):06d}Z"
    assert line["duration_s"] == pytest.approx(0.7, abs=0.02)
    assert line["offset_per_sample"] == line["offset_hz"] / 1e5
    shares = [line[each] for each in ("probability", "second_probability", "third_probability")]
    assert shares == sorted(shares, reverse=True)
    assert len({line[each] for each in ("class_name", "second_class", "third_class")}) == 3
    text = run(recorded, *options).stdout
    assert "433.9000" in text
    assert line["utc"] in text
    document = json.loads(run(recorded, *options, "--json").stdout)
    (signal,) = document["signals"]
    assert {name: signal[name] for name in ("frequency_hz", "utc", "time_s", "duration_s")} == {
        name: line[name] for name in ("frequency_hz", "utc", "time_s", "duration_s")
    }


def test_a_pipe_gets_the_answer_of_the_file(samples, model_path, tmp_path):
    path = tmp_path / "air.cf32"
    samples.tofile(path)
    for known in (("-r", "1e5"), ()):
        options = ("-f", "cf32", *known, "-m", model_path, "--summary")
        file = run(path, *options)
        pipe = run("-", *options, content=path.read_bytes())
        assert (pipe.stdout, pipe.stderr) == (file.stdout, file.stderr)
        file = json.loads(run(path, *options, "--json").stdout)
        pipe = json.loads(run("-", *options, "--json", content=path.read_bytes()).stdout)
        assert pipe["signals"] == file["signals"]
        assert len(file["signals"]) == 1


def test_without_a_rate_nothing_is_in_hertz_or_seconds(samples, model_path, tmp_path):
    path = tmp_path / "air_433.92M.cf32"
    samples.tofile(path)
    options = ("-m", model_path, "--channel", "auto")
    text = run(path, *options).stdout
    assert "-0.2000 cycles/sample" in text
    assert "Hz" not in text
    assert " s " not in text
    assert "0.050000/sample" in text
    document = json.loads(run(path, *options, "--json").stdout)
    assert document["rate_hz"] is None
    (signal,) = document["signals"]
    assert signal["signal"]["symbols_per_sample"] == pytest.approx(0.05, rel=1e-3)
    assert {window["time_s"] for window in document["windows"]} == {None}
    assert signal["frequency_hz"] is signal["utc"] is signal["time_s"] is None
    run(path, *options, "-o", tmp_path / "found.jsonl")
    (line,) = map(json.loads, (tmp_path / "found.jsonl").read_text().splitlines())
    assert [name for name in line if name.endswith(("_hz", "_s")) and line[name] is not None] == [
        "centre_hz"
    ]
    run(path, *options, "-o", tmp_path / "windows.csv", "--windows")
    names = (tmp_path / "windows.csv").read_text().splitlines()[0].split(",")
    assert not [name for name in names if name.endswith(("_hz", "_s"))]
    run(path, *options, "-o", tmp_path / "air.sigmf-meta")
    notes = json.loads((tmp_path / "air.sigmf-meta").read_text())
    assert "core:sample_rate" not in notes["global"]
    assert not [note for note in notes["annotations"] if "core:freq_lower_edge" in note]
    assert notes["annotations"][0]["core:comment"].startswith("-0.200")


def test_annotations_of_a_wav_file_are_read_back(samples, model_path, tmp_path):
    path = tmp_path / "air_433.92MHz.wav"
    parts = np.round(samples.view(np.float32) / np.abs(samples).max() * 20_000).astype("<i2")
    with wave_files.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(100_000)
        file.writeframes(parts.tobytes())
    with path.open("ab") as file:
        file.write(b"LIST" + struct.pack("<I", 4) + b"abcd")
    out = tmp_path / "notes.sigmf-meta"
    run(path, "-m", model_path, "--channel", "auto", "-o", out)
    read = sigmf.fromfile(out)
    np.testing.assert_allclose(read.read_samples(0, 500), parts[:1000].view("<i2").reshape(
        -1, 2).astype(float) @ [1, 1j] / 32768, atol=1e-6)  # fmt: skip
    assert read.sample_count == N + 77
    assert read.get_captures()[0]["core:frequency"] == 433.92e6
    again = open_recording(out)
    assert (again.n_samples, again.rate_hz, again.centre_hz) == (N + 77, 1e5, 433.92e6)
    first = next(again.stretches(500)).samples
    np.testing.assert_array_equal(first, next(open_recording(path).stretches(500)).samples)
    for note in read.get_annotations():
        assert note["core:generator"].startswith("boltmod ")
        assert ": net in " in note["core:generator"]
        assert note["signal:detail"].items() >= detail_of(note["core:label"]).items()
        assert note["signal:detail"]["channel_bw"] == pytest.approx(
            note["core:freq_upper_edge"] - note["core:freq_lower_edge"]
        )


def test_nothing_is_overwritten_unasked_or_doubled(recorded, model_path, tmp_path):
    options = ("-m", model_path, "--channel", "auto")
    before = recorded.read_text()
    done = run(recorded, *options, "-o", recorded)
    assert str(done.exception) == (
        f"{recorded} must be another file than {recorded}, which would be lost: choose another name"
    )
    assert recorded.read_text() == before
    run(recorded, *options, "-o", recorded, "--force")
    once = recorded.read_text()
    assert json.loads(once)["annotations"][0]["core:label"] == "a click"
    assert len(json.loads(once)["annotations"]) > 1
    run(recorded, *options, "-o", recorded, "--force")
    assert recorded.read_text() == once
    for name in ("found.csv", "found.jsonl", "band.png"):
        (tmp_path / name).write_text("mine")
        output = ("--picture" if name.endswith("png") else "-o", tmp_path / name)
        assert "must not exist yet" in str(run(recorded, *options, *output).exception)
        assert (tmp_path / name).read_text() == "mine"
    folder = ("-o", tmp_path / "found.csv")
    assert "must not exist yet" in str(run(recorded, recorded, *folder).exception)


@pytest.mark.parametrize("name", FIELD_CLASSES)
def test_every_modulation_has_its_detail(name):
    detail = detail_of(name)
    if name in ("unknown", "carrier", "noise"):
        assert detail == {}
        return
    assert detail["type"] == ("analog" if name.startswith(("AM", "FM")) else "digital")
    digits = name.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    if digits.isdigit():
        assert detail["order"] == int(digits)
    assert (name in CLASSES) <= ("mod_class" in detail)


def heard(live, job, sinks):
    with live:
        label_all(job.cut, live, Classifier(job.request.model_path, 1), [job, *sinks])


def test_the_live_table_of_signals(samples, model_path):
    live = LiveRecording(
        Pieces([samples.tobytes()]), SampleFormat.CF32, rate_hz=1e5, centre_hz=433.92e6
    )
    live.started = None
    request = Request("-", model=model_path, rate_hz=1e5, channel="auto", is_live=True)
    job = Job(request, Classifier(model_path, 1), live, live)
    console = Console(force_terminal=True, width=140, height=12, file=io.StringIO())
    plain = Console(width=140, file=io.StringIO())
    with LiveSignals(console, job, live, Clock()) as table:
        plain.print(table.drawing())
        assert "0 signals in 0 samples · waiting for pieces: " in plain.file.getvalue()  # type: ignore[attr-defined]
        heard(live, job, [table])
        plain.print(table.drawing())
    heading, counts, columns, row = plain.file.getvalue().splitlines()[-4:]  # type: ignore[attr-defined]
    assert heading.strip() == "pieces · 100 kS/s · at 433.92 MHz"
    assert counts.strip() == "1 signals in 100,077 samples"
    assert columns.split()[:3] == ["signal", "class", "probability"]
    assert "433.9000" in row


def test_a_stream_of_signals_is_json_lines_for_a_program(samples, model_path, capsys, monkeypatch):
    live = LiveRecording(
        Pieces([samples.tobytes()]), SampleFormat.CF32, rate_hz=1e5, centre_hz=433.92e6
    )
    request = Request("tcp://x", model=model_path, rate_hz=1e5, channel="auto")
    job = Job(request, Classifier(model_path, 1), live, live)
    with contextlib.ExitStack() as stack:
        stack.enter_context(summary(job))
        sinks = list(outputs(stack, job, None))
        heard(live, job, sinks[1:])
    *lines, last = map(json.loads, capsys.readouterr().out.splitlines())
    (signal,) = last["summary"]["signals"]
    assert len(lines) == signal["n_windows"] > 10
    assert {line["frequency_hz"] for line in lines} == {signal["frequency_hz"]}
    assert lines[0]["utc"] < lines[-1]["utc"]
    assert lines[0]["utc"][10] == "T"


def test_a_long_file_has_a_bar_with_the_time_left(samples, model_path, tmp_path, monkeypatch):
    path = tmp_path / "air_433.92MHz_100ksps.cf32"
    samples.tofile(path)
    request = Request(str(path), model=model_path, channel="auto")
    job = Job(request, Classifier(model_path, 1), open_recording(path))
    written = io.StringIO()
    console = Console(force_terminal=True, width=100, file=written)
    monkeypatch.setattr(outputs_module, "stderr", console)
    monkeypatch.setattr(outputs_module, "_BAR_AFTER_S", 0.0)
    with contextlib.ExitStack() as stack:
        watched = outputs_module.watched(stack, job)
        read = [len(each.samples) for each in watched.stretches(30_000)]
    assert sum(read) == watched.n_samples == N + 77
    assert "100%" in written.getvalue()
    assert "left" in written.getvalue()


def test_labels_stand_beside_the_truth(tmp_path, model_path):
    rng = np.random.default_rng(1)
    wave = rng.standard_normal((4 * 1024, 2)).astype(np.float32).view(np.complex64)[:, 0]
    wave.tofile(tmp_path / "air.sigmf-data")
    options = ("-m", model_path)
    meta = {
        "global": {"core:datatype": "cf32_le", "core:version": "1.2.0", "core:sample_rate": 1e3},
        "captures": [{"core:sample_start": 0}],
        "annotations": [],
    }
    path = tmp_path / "air.sigmf-meta"
    path.write_text(json.dumps(meta))
    assert str(run(path, *options, "--truth").exception) == (
        f"truth must stand in annotations of {tmp_path / 'air.sigmf-data'}, and does not: leave "
        "--truth out, or give a SigMF recording with labels"
    )
    names = [w["class_name"] for w in json.loads(run(path, *options, "--json").stdout)["windows"]]
    wrong = next(each for each in CLASSES if each != names[1])
    spans = ((0, 1024, names[0]), (1024, 1024, wrong), (2048, 2000, names[2]))
    meta["annotations"] = [
        {"core:sample_start": start, "core:sample_count": count, "core:label": label}
        for start, count, label in spans
    ]
    path.write_text(json.dumps(meta))
    heading, *lines, last = run(path, *options, "--truth").stdout.splitlines()
    assert heading.split() == ["start", "class", "probability", "true"]
    assert [line[-1] for line in lines[:3]] == ["✓", "✗", "✓"]
    assert lines[1].split()[-2] == wrong
    assert lines[3].split()[-1].replace(".", "").isdigit()  # the last window is not annotated whole
    assert last == "2 of 3 right"
    document = json.loads(run(path, *options, "--truth", "--json").stdout)
    assert (document["n_compared"], document["n_right"]) == (3, 2)
    assert "truth must be left out" in str(run(path, "--truth").exception)
