"""Data sets and recordings that lead elsewhere, declare too much, or are damaged: one line."""

import io
import json
import pickle
import sys
import tarfile
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

import fuzz
from boltmod.challenge import form
from boltmod.challenge.archive import Archive
from boltmod.confined import Limits
from boltmod.data import hdf5_file
from boltmod.data.convert import convert
from boltmod.data.merge import merge
from boltmod.data.provenance import Plan, plain
from boltmod.data.radioml import RadioMLFile
from boltmod.data.radioml_writer import RadioMLWriter
from boltmod.data.sigmf_frames import SigMFFrames
from boltmod.errors import BoltmodError, ConfigError, DataFormatError
from boltmod.files import write_text
from boltmod.recording.opening import open_recording

N = 5


def refusal(path):
    with pytest.raises(DataFormatError) as error:
        RadioMLFile(path)
    assert "\n" not in str(error.value)
    return str(error.value).replace(str(path), "FILE")


def labels(file):
    file["Y"] = np.eye(24, dtype=np.int64)[:N]
    file["Z"] = np.zeros((N, 1), np.int64)


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"secret!!" * (N * 1024))
    return path


def test_samples_that_lie_in_another_file(tmp_path, secret):
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        labels(file)
        file.create_dataset("X", (N, 1024, 2), "<f4", external=[(secret, 0, h5py.h5f.UNLIMITED)])
    assert refusal(tmp_path / "x.hdf5") == (
        "X in FILE must lie in that file, not in others that it names: copy it with h5repack"
    )


def test_samples_that_are_put_together_of_other_files(tmp_path):
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["d"] = np.ones((N, 1024, 2), np.float32)
    layout = h5py.VirtualLayout((N, 1024, 2), np.float32)
    layout[:] = h5py.VirtualSource(tmp_path / "other.hdf5", "d", (N, 1024, 2))
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        labels(file)
        file.create_virtual_dataset("X", layout)
    assert "must lie in that file, not in others" in refusal(tmp_path / "x.hdf5")


@pytest.mark.parametrize("kind", ["external", "soft"])
@pytest.mark.parametrize("name", ["X", "Y", "Z"])
def test_links(tmp_path, kind, name):
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        labels(file)
        file["X"] = np.ones((N, 1024, 2), np.float32)
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        labels(file)
        file["X"] = np.ones((N, 1024, 2), np.float32)
        del file[name]
        other = str(tmp_path / "other.hdf5")
        file[name] = h5py.ExternalLink(other, name) if kind == "external" else h5py.SoftLink("/Y")
    assert refusal(tmp_path / "x.hdf5") == (
        f"{name} in FILE must lie there itself, not be a link: copy what it names"
    )


def test_frames_without_data(tmp_path):
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file.create_dataset("X", (10**12, 1024, 2), "<f4", chunks=(1, 1024, 2))
        file.create_dataset("Y", (10**12, 24), "i8", chunks=(64, 24))
        file.create_dataset("Z", (10**12, 1), "i8", chunks=(64, 1))
    assert "must hold the 8,192,000,000,000,000 bytes that its shape " in (
        refusal(tmp_path / "x.hdf5")
    )


def test_another_files_arrays_are_no_foreign_frames_either(tmp_path, secret):
    with h5py.File(tmp_path / "x.mat", "w") as file:
        labels(file)
        file.create_dataset("X", (N, 1024, 2), "<f4", external=[(secret, 0, h5py.h5f.UNLIMITED)])
    with pytest.raises(DataFormatError, match="must lie in that file"):
        convert(tmp_path / "x.mat", tmp_path / "out.hdf5")


def test_attributes_of_any_kind():
    strange = {
        "parameters": "[" * 100_000, "a": np.array([np.nan, 1.0]), "b": np.void(b"xy"),
        "c": h5py.Empty("f4"), "d": np.float32("inf"), "e": np.array([b"x", b"\xff"]),
    }  # fmt: skip
    json.dumps(plain(strange), allow_nan=False)


# Parts.


def parts(folder, **changes):
    paths = []
    for shard in (1, 2):
        plan = Plan(1, 5, snr_labels=(10,), shard=shard, n_shards=2)
        classes, snrs = plan.labels()
        if shard == 2 and "labels" in changes:
            classes = classes[::-1]
        if shard == 2 and "length" in changes:
            classes, snrs = classes[:-1], snrs[:-1]
        attributes = plan.attributes() | changes.get("attributes", {})
        path = folder / f"{shard}.hdf5"
        with RadioMLWriter(path, classes, snrs, attributes=attributes) as writer:
            writer.write(0, np.ones((len(classes), 2, 1024), np.float32))
        paths.append(path)
    return paths


def test_parts_of_another_length(tmp_path):
    with pytest.raises(DataFormatError) as error:
        merge(tmp_path / "out.hdf5", parts(tmp_path, length=True))
    assert str(error.value) == (
        f"{tmp_path}/2.hdf5 must hold the 12 frames of part 2 of 2, not 11; make it again"
    )
    assert not (tmp_path / "out.hdf5").exists()


def test_parts_of_other_labels(tmp_path):
    with pytest.raises(DataFormatError) as error:
        merge(tmp_path / "out.hdf5", parts(tmp_path, labels=True))
    assert str(error.value) == (
        f"classes of {tmp_path}/2.hdf5 must be those of its place in the data set, and are others "
        "from frame 0 on; make it again"
    )


@pytest.mark.parametrize(
    "attributes",
    [{"frames_per_cell": 2.5}, {"frames_per_cell": -1}, {"frames_per_cell": 10**9},
     {"snr_labels": [10, 10]}, {"snr_labels": "x"}, {"frames_per_cell": [1, 1]}],
)  # fmt: skip
def test_parts_that_say_strange_things(tmp_path, attributes):
    with pytest.raises(DataFormatError):
        merge(tmp_path / "out.hdf5", parts(tmp_path, attributes=attributes))


# Foreign arrays.


def test_an_array_that_declares_more_than_it_has(tmp_path):
    header = io.BytesIO()
    declared = {"descr": "<f4", "fortran_order": False, "shape": (10**11,)}
    np.lib.format.write_array_header_1_0(header, declared)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue() + bytes(64))
    with pytest.raises(DataFormatError, match="must hold the values of its shape"):
        convert(tmp_path / "x.npz", tmp_path / "out.hdf5")


@pytest.mark.parametrize(
    "content",
    [{("BPSK", 1): 3}, {("BPSK", "x"): np.ones((2, 2, 8))},
     {("A", 1): np.ones((2, 2, 8)), ("B", 1): np.ones(3)},
     {"x": np.ones(0), "y": np.ones(0)}, {1: 2}, [], {"x": np.array(None), "y": np.ones(2)}],
)  # fmt: skip
def test_odd_pickles(tmp_path, content):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content, 2))
    with pytest.raises(BoltmodError) as error:
        convert(tmp_path / "x.pkl", tmp_path / "out.hdf5")
    assert "\n" not in str(error.value)


# Archives.


def test_members_packed_in_other_ways(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", b"x" * 1000)
    with pytest.raises(
        DataFormatError, match="must be stored or deflated, not packed by method 14"
    ):
        Archive(tmp_path / "x.zip")


def test_damaged_members(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(range(256)) * 40)
    content = bytearray((tmp_path / "x.zip").read_bytes())
    content[40:60] = b"\xff" * 20
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(DataFormatError, match="must be readable, and is damaged"):
        Archive(tmp_path / "x.zip").read("a")


def test_a_member_that_calls_itself_otherwise(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.sigmf.zip", "w") as archive:
        for name, content in fuzz._sigmf().items():
            archive.writestr(name, content)
    content = (tmp_path / "x.sigmf.zip").read_bytes()
    (tmp_path / "x.sigmf.zip").write_bytes(content.replace(b"x.sigmf-data", b"x.sigmf-dat\0", 1))
    with pytest.raises(DataFormatError, match="must be a SigMF archive that can be read"):
        for _ in open_recording(tmp_path / "x.sigmf.zip").stretches(4096):
            pass


def test_a_member_without_a_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a", "")
    content = (tmp_path / "x.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(content.replace(b"a", b"\0"))
    with pytest.raises(DataFormatError, match="must name each of its files, and one has no name"):
        Archive(tmp_path / "x.zip")


def test_halves_of_characters_are_written_out(tmp_path):
    write_text(tmp_path / "x", "a\ud800")
    assert (tmp_path / "x").read_text() == "a\\ud800"


def test_a_form_is_read_in_time_that_grows_with_its_length():
    text = "# test accuracy\n" * 200_000
    with pytest.raises(DataFormatError):
        form.parse(text)


@pytest.mark.parametrize("cost", ['{"total_bops": NaN}', "[" * 100_000, '{"total_bops": 1e999}'])
@pytest.mark.parametrize("score", ["inf", "NaN", "9" * 5000, "1e999"])
def test_figures_in_a_form_that_are_none(cost, score):
    filled = form.Form(score, score, cost, "m", "c", "r", "i")
    for value in (filled.claimed_score, filled.claimed_accuracy):
        assert value is None or np.isfinite(value)
    assert filled.claimed_cost is None or isinstance(filled.claimed_cost, dict)


def sparse_tar(path, size):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        meta = fuzz._sigmf()["x.sigmf-meta"]
        entry = tarfile.TarInfo("x.sigmf-meta")
        entry.size = len(meta)
        archive.addfile(entry, io.BytesIO(meta))
        data = tarfile.TarInfo("x.sigmf-data")
        data.pax_headers = {
            "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x.sigmf-data",
            "GNU.sparse.realsize": str(size),
        }  # fmt: skip
        content = b"1\n0\n512\n".ljust(512, b"\0") + bytes(512)
        data.size = len(content)
        archive.addfile(data, io.BytesIO(content))


def test_a_sparse_member(tmp_path):
    sparse_tar(tmp_path / "x.sigmf", 8 * 10**9)
    tracemalloc.start()
    with pytest.raises(DataFormatError, match=r"x\.sigmf-data is sparse"):
        open_recording(tmp_path / "x.sigmf")
    assert tracemalloc.get_traced_memory()[1] < 10**8
    tracemalloc.stop()


# Recordings.


def test_frames_of_a_real_recording(tmp_path):
    for name, content in fuzz._sigmf(real=True).items():
        (tmp_path / name).write_bytes(content)
    frames = SigMFFrames(tmp_path / "x.sigmf-meta")
    whole = np.concatenate(
        [each.samples for each in open_recording(tmp_path / "x.sigmf-meta").stretches(4096)]
    )
    for row, start in zip(frames.read([0, 1]), (100, 1124), strict=True):
        np.testing.assert_allclose(row[0] + 1j * row[1], whole[start : start + 1024], atol=1e-4)


def test_annotations_without_end(tmp_path):
    files = fuzz._sigmf()
    document = json.loads(files["x.sigmf-meta"])
    document["annotations"] *= 1000
    files["x.sigmf-meta"] = json.dumps(document).encode()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataFormatError, match="not more than 16 times on the same ones"):
        SigMFFrames(tmp_path / "x.sigmf-meta")


@pytest.mark.parametrize("value", ["1e400", "null", '"x"', "[]", "-1", "1e30", "true"])
@pytest.mark.parametrize("key", ["core:sample_rate", "core:frequency", "core:sample_start"])
def test_numbers_that_are_none(tmp_path, key, value):
    files = fuzz._sigmf()
    text = files["x.sigmf-meta"].decode()
    start = text.index(f'"{key}": ') + len(key) + 4
    end = min(text.index(c, start) for c in ",\n}" if c in text[start:])
    (tmp_path / "x.sigmf-meta").write_text(text[:start] + value + text[end:])
    (tmp_path / "x.sigmf-data").write_bytes(files["x.sigmf-data"])
    with suppress(DataFormatError, ConfigError):
        for _ in open_recording(tmp_path / "x.sigmf-meta").stretches(4096):
            pass


# A few of the inputs that bench/fuzz.py makes without end.


@pytest.mark.parametrize("name", ["wav", "raw", "sigmf", "archive", "hdf5", "merge", "foreign"])
def test_damage_is_refused_in_one_line_or_read(name):
    parser = fuzz.PARSERS[name]
    made = fuzz.inputs(parser, seed=1)
    for _ in range(25):
        files = next(made)
        kind, where = fuzz.outcome_of(parser, files)
        assert kind in ("clean error", "accepted"), where


def test_the_same_seed_makes_the_same_inputs():
    one, other = (fuzz.inputs(fuzz.PARSERS["wav"], seed=3) for _ in range(2))
    assert [next(one) for _ in range(9)] == [next(other) for _ in range(9)]


HEAP_OBJECT = 16
"""Where the first object of a global heap begins, and with it its index, uses and size."""


@pytest.mark.parametrize(
    ("place", "value"),
    [(HEAP_OBJECT + 33, 4)],
    ids=["without end"],
)
def test_a_heap_of_texts_that_is_damaged(tmp_path, monkeypatch, place, value):
    monkeypatch.setattr(hdf5_file, "_HEAP_LIMITS", Limits(seconds=2))
    path = tmp_path / "x.hdf5"
    with RadioMLWriter(path, [3], [10]) as writer:
        writer.write(0, np.ones((1, 2, 1024), np.float32))
    with h5py.File(path, "r+") as file:
        file.attrs["profile"] = "twin"
        file.attrs["boltmod_version"] = "0"
    with RadioMLFile(path) as file:
        assert file.attributes == {"profile": "twin", "boltmod_version": "0"}
    content = bytearray(path.read_bytes())
    content[content.index(b"GCOL") + place] = value
    path.write_bytes(content)
    assert refusal(path) == (
        "FILE must hold texts that HDF5's library can read, and it comes to no end or ends the "
        "process over them: copy or make it again"
    )
