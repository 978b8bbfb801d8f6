"""`boltmod classify` on signals in a band, and on standard input."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import sigmf
from typer.testing import CliRunner

import hand_made_networks as hand_made
from boltmod.cli.app import app
from boltmod.errors import ConfigError
from boltmod.runtime.label import SIGNAL_COLUMNS
from boltmod.runtime.sink.columns import WINDOW_COLUMNS
from hand_made_signals import QPSK, linear, noise, shifted


@pytest.fixture
def model_path(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(hand_made.convolutional().SerializeToString())
    return path


@pytest.fixture
def band(tmp_path):
    """Two signals, the weaker in two bursts; 100 kS/s, tuned to 433.92 MHz by its name."""
    rng = np.random.default_rng(7)
    wave = shifted(linear(rng, 200_000, 0.05, QPSK), -0.2) + noise(rng, 200_000, 0.05)
    for start in (20_000, 120_000):
        wave[start : start + 60_000] += 0.7 * shifted(linear(rng, 60_000, 0.1, QPSK), 0.2)
    path = tmp_path / "air_433.92M_100k.cf32"
    wave.astype(np.complex64).tofile(path)
    return path


def run(*arguments, content=None):
    return CliRunner().invoke(app, ["classify", *map(str, arguments)], input=content)


def test_every_signal_has_its_windows_and_its_verdict(band, model_path):
    document = json.loads(run(band, "-m", model_path, "--channel", "auto", "--json").stdout)
    assert document["centre_hz"] == 433.92e6
    assert len(document["signals"]) == 2
    by_offset = {round(each["signal"]["offset_hz"], -3): each for each in document["signals"]}
    assert set(by_offset) == {-20e3, 20e3}
    assert by_offset[-20e3]["n_windows"] == pytest.approx(200_000 * 0.4 / 1024, abs=2)
    assert by_offset[20e3]["n_windows"] == pytest.approx(120_000 * 0.8 / 1024, abs=4)
    for each in document["signals"]:
        own = [w for w in document["windows"] if w["signal"] == each["signal"]["number"]]
        assert len(own) == each["n_windows"] == sum(each["n_windows_by_class"].values())
        for window in own:
            start, end = window["sample_start"], window["sample_start"] + window["sample_count"]
            assert any(a - 2 <= start and end <= b + 2 for a, b in each["signal"]["spans"])


def test_windows_that_are_too_quiet_are_counted(tmp_path, model_path):
    """A fade to a fiftieth of the power, far above the noise: no window of it is labelled."""
    rng = np.random.default_rng(3)
    wave = linear(rng, 200_000, 0.1, QPSK)
    wave[80_000:120_000] *= 0.14
    path = tmp_path / "fading_100k.cf32"
    (wave + noise(rng, 200_000, 0.003)).astype(np.complex64).tofile(path)
    document = json.loads(run(path, "-m", model_path, "--channel", "auto", "--json").stdout)
    (each,) = document["signals"]
    assert each["signal"]["spans"] == [[0, 200_000]]
    length = document["windows"][0]["sample_count"]
    assert each["n_quiet_windows"] == pytest.approx(40_000 / length, abs=2)
    assert each["n_windows"] + each["n_quiet_windows"] == pytest.approx(200_000 / length, abs=1)
    assert len(document["windows"]) == each["n_windows"]


def test_the_summary_is_a_line_a_signal(band, model_path):
    done = run(band, "-m", model_path, "--summary")
    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["signal", "class", "probability", "windows"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "2"]


def test_files_of_signals_say_the_same(band, model_path, tmp_path):
    printed = json.loads(run(band, "-m", model_path, "--channel", "auto", "--json").stdout)
    options = ("-m", model_path, "--channel", "auto", "--windows")
    for suffix in ("csv", "jsonl", "sigmf-meta"):
        path = tmp_path / f"labels.{suffix}"
        assert run(band, *options, "-o", path).exit_code == 0
    rows = list(csv.DictReader((tmp_path / "labels.csv").read_text().splitlines()))
    assert [row["class_name"] for row in rows] == [w["class_name"] for w in printed["windows"]]
    lines = [json.loads(each) for each in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert [{name: line[name] for name in SIGNAL_COLUMNS} for line in lines] == printed["windows"]
    assert list(rows[0]) == list(lines[0]) == list(WINDOW_COLUMNS)
    for row, line in zip(rows, lines, strict=True):
        assert {k: "" if v is None else str(v) for k, v in line.items()} == row
        assert line["frequency_hz"] == 433.92e6 + line["offset_hz"]
        places = [line["probability"], line["second_probability"], line["third_probability"]]
        assert places == sorted(places, reverse=True)
        assert line["utc"] is None
    notes = sigmf.fromfile(tmp_path / "labels.sigmf-meta").get_annotations()
    assert 2 <= len(notes) <= len(lines)
    middles = {
        round((n["core:freq_lower_edge"] + n["core:freq_upper_edge"]) / 2, -3) for n in notes
    }
    assert middles == {433.90e6, 433.94e6}


def test_what_is_known_is_not_estimated(band, model_path):
    options = ("--offset", "-20k", "--bandwidth", "7k", "--symbol-rate", "4.9k")
    document = json.loads(run(band, "-m", model_path, *options, "--json").stdout)
    (each,) = document["signals"]
    asked = [each["signal"][key] for key in ("offset_hz", "bandwidth_hz", "symbol_rate_hz")]
    assert asked == pytest.approx([-20e3, 7e3, 4.9e3])


def test_nothing_found_is_said(tmp_path, model_path):
    path = tmp_path / "quiet_1M_48k.cf32"
    noise(np.random.default_rng(0), 50_000, 1.0).astype(np.complex64).tofile(path)
    done = run(path, "-m", model_path, "--channel", "auto")
    assert done.exit_code == 0
    assert done.stderr == (
        "no signal found: give --offset and --bandwidth, or use --channel none\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--channel", "best"], "channel must be auto or none, not 'best': choose one of them"),
        (["--channel", "none", "--summary"], "channel must not be none where an offset, bandwidth, "
         "symbol rate, summary, picture or sink is asked for: leave --channel out"),
        (["--bandwidth", "wide"], "bandwidth must be a positive number of hertz, such as 240k or "
         "2.4M, not 'wide': write it so"),
        (["--channel", "auto", "-o", "x.txt"], "output of signals must end in .jsonl, .csv, "
         ".sigmf-meta, not 'x.txt': rename it"),
    ],
)  # fmt: skip
def test_wrong_options(band, model_path, arguments, message):
    done = run(band, "-m", model_path, *arguments)
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception) == message


def test_a_rate_is_needed_for_a_channel(tmp_path, model_path):
    path = tmp_path / "x.cf32"
    path.write_bytes(bytes(80_000))
    done = run(path, "-m", model_path, "--bandwidth", "10k")
    assert str(done.exception) == ("rate must be known to select a channel: give it with --rate")
    done = run(path, "-m", model_path, "--summary")
    assert done.exit_code == 0
    assert "the sample rate is unknown: hertz are cycles a sample" in done.stderr


def test_standard_input_gives_what_the_file_gives(band, model_path):
    content = band.read_bytes()
    document = json.loads(run(band, "-m", model_path, "--json").stdout)
    piped = run("-", "-f", "cf32", "-r", "100k", "-m", model_path, "--json", content=content)
    windows = json.loads(piped.stdout)["windows"]
    known = [{name: each[name] for name in document["windows"][0]} for each in windows]
    assert known == document["windows"]
    table = run("-", "-f", "cf32", "-r", "100k", "-m", model_path, "--windows", content=content)
    assert len(table.stdout.splitlines()) == 1 + document["n_windows"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "sample format of standard input must be given: add --format cf32, ci16, ci8 or cu8"),
        (["-f", "cu8", "--summary", "--live"],
         "rate must be known to select a channel: give it with --rate"),
        (["-f", "cu8", "-r", "1M", "--summary", "-o", "x.sigmf-meta"],
         "output of a stream must end in .jsonl, .csv, not 'x.sigmf-meta': rename it"),
        (["-f", "cu8", "--channels", "1"],
         "channels must be left out for a stream: only WAV and SigMF files have them"),
        (["-f", "cu8", "--iq"], "--real and --iq must be left out for a stream: give its --format"),
        (["-f", "cu8", "-o", "x.txt"],
         "output of a stream must end in .jsonl, .csv, not 'x.txt': rename it"),
    ],
)  # fmt: skip
def test_what_standard_input_cannot(model_path, arguments, message):
    done = run("-", "-m", model_path, *arguments, content=b"")
    assert str(done.exception) == message


def test_a_stream_holds_the_signals_that_the_file_holds(band, model_path):
    options = ("-m", model_path, "--channel", "auto", "--json")
    document = json.loads(run(band, *options).stdout)
    piped = run("-", "-f", "cf32", "-r", "100k", *options, content=band.read_bytes())
    streamed = json.loads(piped.stdout)
    assert len(streamed["signals"]) == 2
    for each in streamed["signals"]:
        same = [
            other
            for other in document["signals"]
            if abs(other["signal"]["offset_hz"] - each["signal"]["offset_hz"]) < 500
        ]
        assert len(same) == 1
        assert each["n_windows"] == pytest.approx(same[0]["n_windows"], abs=3)
        rate_hz = same[0]["signal"]["symbol_rate_hz"]
        assert each["signal"]["symbol_rate_hz"] == pytest.approx(rate_hz, rel=1e-3)
    assert len(streamed["windows"]) == sum(each["n_windows"] for each in streamed["signals"])


def test_signals_are_printed_as_they_are_heard(band, model_path):
    done = run(band, "-m", model_path, "--channel", "auto", "--windows")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["signal", "start", "class", "probability"]
    assert lines[1].split()[0] in "12"
    assert lines[-3].split()[:4] == ["signal", "class", "probability", "windows"]


_MEMORY = """
import resource, sys
from pathlib import Path
from boltmod.cli.app import app
from boltmod.runtime.cut import listener
listener.PIECE_SAMPLES = 1 << 17
try:
    app(["classify", *sys.argv[1:], "--summary", "--json"])
except SystemExit:
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def test_a_long_recording_takes_no_more_memory_than_a_short_one(tmp_path, model_path):
    rng = np.random.default_rng(0)
    piece = (shifted(linear(rng, 100_000, 0.02, QPSK), 0.2) + noise(rng, 100_000, 0.2)) * 25
    stored = np.round(piece.view(np.float64)).clip(-128, 127).astype(np.int8).tobytes()
    peaks = []
    for times in (4, 12):
        path = tmp_path / f"x{times}.ci8"
        with path.open("wb") as file:
            for _ in range(times):
                file.write(stored)
        arguments = [str(path), "-m", str(model_path), "-r", "1M"]
        done = subprocess.run(
            [sys.executable, "-c", _MEMORY, *arguments], capture_output=True, text=True, check=True
        )
        (signal,) = json.loads(done.stdout)["signals"]
        assert signal["n_windows"] == pytest.approx(
            times * 100_000 * 0.16 / 1024, abs=0.1 * times * 16
        )
        peaks.append(int(done.stderr.split()[-1]))
    assert peaks[1] < 1.15 * peaks[0]
