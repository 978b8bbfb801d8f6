"""Folders and several recordings: one table, broken ones passed over, nothing done twice."""

import json
import os
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from boltmod.cli.app import app
from boltmod.cli.classify import many
from boltmod.cli.classify.journal import Journal
from boltmod.errors import ConfigError, DataFormatError
from boltmod.recording.folder import recordings_of
from boltmod.recording.raw import SampleFormat
from boltmod.runtime.survey import Row
from classify_command import classify, table
from hand_made_signals import encode, qpsk

NAMES = ("a_250ksps.cs16", "b_250ksps.cu8", "sub/c_433.92MHz_250ksps.cf32")


@pytest.fixture
def folder(tmp_path):
    """Three recordings of one QPSK signal each."""
    (tmp_path / "air" / "sub").mkdir(parents=True)
    for seed, name in enumerate(NAMES):
        path = tmp_path / "air" / name
        path.write_bytes(encode(qpsk(seed), SampleFormat.of_suffix(path)))
    (tmp_path / "air" / "notes.txt").write_text("on a hill")
    return tmp_path / "air"


def test_a_folder_becomes_one_table(tmp_path, folder):
    out = tmp_path / "found.csv"
    done = classify(folder, "--summary", "-o", out)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{out}: 3 rows\n"
    assert done.stderr.endswith("3 recordings, 3 signals: 3 QPSK\n")
    rows = table(out)
    assert [row["file"] for row in rows] == [str(folder / name) for name in NAMES]
    for row in rows:
        assert (row["signal"], row["class_name"], row["error"]) == ("1", "QPSK", "")
        assert float(row["offset_hz"]) == pytest.approx(37.5e3, abs=50)
        assert float(row["symbol_rate_hz"]) == pytest.approx(25e3, rel=2e-3)
        assert float(row["rate_hz"]) == 250e3
    assert float(rows[2]["frequency_hz"]) == pytest.approx(433.9575e6, abs=50)
    assert rows[0]["frequency_hz"] == ""
    assert not (tmp_path / "found.csv.partial").exists()


def test_every_kind_of_table_says_the_same(tmp_path, folder):
    parquet = pytest.importorskip("pyarrow.parquet")
    for suffix in (".csv", ".jsonl", ".parquet"):
        assert classify(folder, "-o", tmp_path / f"found{suffix}").exit_code == 0
    rows = parquet.read_table(tmp_path / "found.parquet").to_pylist()
    lines = (tmp_path / "found.jsonl").read_text().splitlines()
    assert rows == [json.loads(line) for line in lines]
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows] == table(
        tmp_path / "found.csv"
    )


def test_one_recording_makes_parquet_too(tmp_path, folder):
    parquet = pytest.importorskip("pyarrow.parquet")
    classify(folder / NAMES[0], "--summary", "-o", tmp_path / "x.parquet")
    assert parquet.read_table(tmp_path / "x.parquet").num_rows == 1


def test_several_recordings_as_json(folder):
    done = classify(folder / NAMES[1], folder, "--json")
    document = json.loads(done.stdout)
    assert (document["n_recordings"], document["n_unreadable"]) == (3, 0)
    assert document["n_signals_by_class"] == {"QPSK": 3}
    names = [row["file"] for row in document["rows"]]
    assert names == [str(folder / name) for name in (NAMES[1], NAMES[0], NAMES[2])]


def test_the_band_as_it_is(folder):
    document = json.loads(classify(folder, "--channel", "none", "--json").stdout)
    for row in document["rows"]:
        assert (row["signal"], row["n_windows"]) == (None, 11)
        assert row["class_name"] is not None


def test_a_broken_file_is_noted_and_passed_over(tmp_path, folder):
    (folder / "broken.wav").write_bytes(b"RIFF....WAVE")
    (folder / "silent_250ksps.cs16").write_bytes(bytes(40_000))
    out = tmp_path / "found.csv"
    done = classify(folder, "-o", out)
    assert done.exit_code == 0
    assert f"passed over: {folder / 'broken.wav'} must be a readable WAV file" in done.stderr
    assert "5 recordings, 3 signals: 3 QPSK; 1 could not be read\n" in done.stderr
    rows = {os.path.basename(row["file"]): row for row in table(out)}
    assert "it ends within its header" in rows["broken.wav"]["error"]
    assert rows["silent_250ksps.cs16"]["signal"] == rows["silent_250ksps.cs16"]["error"] == ""


def test_names_that_are_no_text(tmp_path, folder):
    strange = os.fsencode(folder) + b"/\xff_250ksps"
    with open(strange + b".cs16", "wb") as file:
        file.write(encode(qpsk(7), SampleFormat.CI16))
    with open(strange + b".wav", "wb") as file:
        file.write(b"no")
    for suffix in (".csv", ".jsonl", ".parquet"):
        if suffix == ".parquet":
            pytest.importorskip("pyarrow")
        assert classify(folder, "-o", tmp_path / f"found{suffix}").exit_code == 0
    rows = {row["file"]: row for row in table(tmp_path / "found.csv")}
    assert rows[f"{folder}/\\udcff_250ksps.cs16"]["class_name"] == "QPSK"
    assert "must be a readable WAV file" in rows[f"{folder}/\\udcff_250ksps.wav"]["error"]
    assert classify(folder).exit_code == 0


def test_nothing_that_can_be_read(tmp_path):
    (tmp_path / "x.wav").write_bytes(b"no")
    done = CliRunner().invoke(app, ["classify", str(tmp_path)])
    assert isinstance(done.exception, DataFormatError)
    assert str(done.exception) == (
        f"{tmp_path} must hold a recording that can be read, and none of 1 can: "
        "look at what is said of each"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-", "{0}"], "- must stand alone: a stream is no recording among others"),
        (["-", "-o", "x.parquet", "--format", "cf32"],
         "output of a stream must end in .jsonl, .csv, not 'x.parquet': rename it"),
        (["{0}", "--picture", "x.png"],
         "picture must be left out for several recordings: each has its own"),
        (["{0}", "-o", "x.sigmf-meta"], "output of several recordings must end in .parquet, .csv, "
         ".jsonl, not 'x.sigmf-meta': rename it"),
        (["{0}", "--gain", "3"], "gain must be left out for a file: only streams have it"),
        (["{0}/sub", "{0}/x"], "{0}/x must be a file or a folder, and is none: check the name"),
        (["{0}/none"], "{0}/none must hold recordings, and holds none whose ending tells what it "
         "is: name the files, or give --format"),
    ],
)  # fmt: skip
def test_what_several_recordings_cannot_have(folder, arguments, message):
    (folder / "none").mkdir()
    (folder / "none" / "x.bin").write_bytes(bytes(80))
    arguments = [each.format(folder) for each in arguments]
    done = CliRunner().invoke(app, ["classify", *arguments])
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception) == message.format(folder)


def test_which_files_of_a_folder_are_recordings(folder):
    for name in ("x.sigmf-meta", "x.sigmf-data", "y.SIGMF.gz", "iq_48000_1.raw", "z.raw", "t.npy",
                 ".hidden.cs16", "found.csv"):  # fmt: skip
        (folder / name).write_bytes(bytes(80))
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x.cs16").write_bytes(bytes(80))
    found = [path.name for path in recordings_of([folder])]
    assert found == [
        "a_250ksps.cs16", "b_250ksps.cu8", "iq_48000_1.raw", "c_433.92MHz_250ksps.cf32", "t.npy",
        "x.sigmf-meta", "y.SIGMF.gz",
    ]  # fmt: skip
    twice = [folder / "x.sigmf-data", folder / "x.sigmf-meta", folder / "sub" / ".." / "t.npy"]
    assert [path.name for path in recordings_of([*twice, folder / "t.npy"])] == [
        "x.sigmf-meta", "t.npy",
    ]  # fmt: skip
    assert "z.raw" in {path.name for path in recordings_of([folder], has_format=True)}


def test_a_collection_is_its_recordings(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.sigmf-meta").write_text("{}")
    path = tmp_path / "x.sigmf-collection"
    path.write_text(json.dumps({"collection": {"core:streams": [{"name": "a"}, {"name": "b"}]}}))
    assert recordings_of([path]) == [tmp_path / "a.sigmf-meta", tmp_path / "b.sigmf-meta"]


# Going on


class StoppedError(Exception):
    pass


@pytest.fixture
def surveyed(monkeypatch):
    """Files in the order in which they are read; reading stops before the one that is named."""
    from boltmod.runtime import survey as module

    read, stop = [], []
    real = module.survey

    def survey(classifier, search, path):
        if path.name in stop:
            raise StoppedError
        read.append(path.name)
        return real(classifier, search, path)

    monkeypatch.setattr(module, "survey", survey)
    return read, stop


def test_the_same_command_goes_on(tmp_path, folder, surveyed):
    read, stop = surveyed
    out, journal = tmp_path / "found.csv", tmp_path / "found.csv.partial"
    whole = tmp_path / "whole.csv"
    classify(folder, "-o", whole)
    read.clear()
    stop.append("b_250ksps.cu8")
    with pytest.raises(StoppedError):
        classify(folder, "-o", out)
    assert not out.exists()
    assert len(journal.read_text().splitlines()) == 2
    journal.write_bytes(journal.read_bytes() + b'{"file": "half a li')
    stop.clear()
    done = classify(folder, "-o", out)
    assert "1 of 3 recordings are done already" in done.stderr
    assert read == ["a_250ksps.cs16", "b_250ksps.cu8", "c_433.92MHz_250ksps.cf32"]
    assert out.read_bytes() == whole.read_bytes()
    assert not journal.exists()


def test_a_file_that_has_changed_is_read_again(tmp_path, folder, surveyed):
    read, stop = surveyed
    stop.append("b_250ksps.cu8")
    with pytest.raises(StoppedError):
        classify(folder, "-o", tmp_path / "found.csv")
    (folder / NAMES[0]).write_bytes(encode(qpsk(9, 16_000), SampleFormat.CI16))
    stop.clear()
    classify(folder, "-o", tmp_path / "found.csv")
    assert read[0] == read[1] == "a_250ksps.cs16"
    assert table(tmp_path / "found.csv")[0]["end_sample"] == "16000"


def test_another_request_does_not_go_on(tmp_path, folder, surveyed):
    surveyed[1].append("b_250ksps.cu8")
    with pytest.raises(StoppedError):
        classify(folder, "-o", tmp_path / "found.csv")
    done = CliRunner().invoke(
        app, ["classify", str(folder), "--offset", "37k", "-o", str(tmp_path / "found.csv")]
    )
    assert str(done.exception) == (
        f"{tmp_path}/found.csv.partial must belong to this request, and belongs to another one: "
        "give the options it was begun with, choose another name than found.csv, or remove it"
    )


def test_one_command_at_a_time(tmp_path):
    out = tmp_path / "found.csv"
    first = Journal(out, {})
    with pytest.raises(ConfigError, match="another one is at work"):
        Journal(out, {})
    first.add(out, [Row("x")])
    first.close(is_finished=False)
    second = Journal(out, {})
    assert second.rows(out) == [Row("x")]
    second.close(is_finished=True)
    assert list(tmp_path.iterdir()) == []


KILLED_BEFORE_THE_THIRD = """
import os, signal
from boltmod.cli.app import main
from boltmod.runtime import survey

def killed(classifier, search, path, read=survey.survey):
    if path.name.startswith("2"):
        os.kill(os.getpid(), signal.SIGKILL)
    return read(classifier, search, path)

survey.survey = killed
main()
"""


def test_a_killed_command_has_lost_nothing(tmp_path):
    folder = tmp_path / "air"
    folder.mkdir()
    for seed in range(4):
        (folder / f"{seed}_250ksps.cs16").write_bytes(encode(qpsk(seed), SampleFormat.CI16))
    out, journal = tmp_path / "found.csv", tmp_path / "found.csv.partial"
    command = ["classify", str(folder), "--threads", "1", "-o", str(out)]
    ended = subprocess.run([sys.executable, "-c", KILLED_BEFORE_THE_THIRD, *command])
    assert ended.returncode == -signal.SIGKILL
    assert not out.exists()
    n_done = journal.read_bytes().count(b"\n") - 1
    assert n_done == 2
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert f"{n_done} of 4 recordings are done already" in done.stderr
    assert [row["file"] for row in table(out)] == sorted(map(str, folder.iterdir()))


def test_what_is_said_where_no_terminal_shows_it(monkeypatch, capsys):
    clock = iter([0.0, 20.0, 40.0, 50.0])
    monkeypatch.setattr(many.time, "monotonic", lambda: next(clock))
    with many._progress(4) as advance:
        for _ in range(3):
            advance()
    assert capsys.readouterr().err == "2 of 4 recordings, about 40 s left\n"


def test_an_engine_is_no_matter_for_a_cluster(folder):
    done = CliRunner().invoke(
        app, ["classify", str(folder), "--cluster", "127.0.0.1:1", "--engine", "onnxruntime"]
    )
    assert str(done.exception) == (
        "engine must be left out on a cluster, whose machines take what they have: "
        "leave --engine or --cluster out"
    )


def test_many_recordings_say_what_ran_the_network(folder, capsys):
    done = CliRunner().invoke(app, ["classify", str(folder), "--engine", "onnxruntime"])
    assert done.exit_code == 0, done.output
    assert "classified by ONNX Runtime" in done.stderr
