import json
from pathlib import Path

import numpy as np
import pytest
import sigmf

from boltmod.cli.app import app
from boltmod.data.choice import chosen_batches
from boltmod.data.make import make
from boltmod.data.provenance import Plan
from boltmod.data.radioml import RadioMLFile
from boltmod.data.sigmf_frames import SNR_KEY, SigMFFrames, write_frames
from boltmod.errors import ConfigError, DataFormatError
from boltmod.modulation import CLASSES


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two frames a cell."""
    path = tmp_path_factory.mktemp("data") / "set.hdf5"
    make(Plan(frames_per_cell=2, seed=5), path)
    return path


def run(*arguments: object) -> None:
    app(["data", *map(str, arguments)], standalone_mode=False)


def two_frames(length: int = 1024) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    iq_planes = np.random.default_rng(0).standard_normal((2, 2, length)).astype(np.float32)
    return [(iq_planes, np.array([3, 21]), np.array([10, -4]))]


def test_a_data_set_goes_to_sigmf_and_back(data: Path, tmp_path: Path) -> None:
    meta, back = tmp_path / "set.sigmf-meta", tmp_path / "back.hdf5"
    run("to-sigmf", data, meta, "--frames-per-cell", 2)
    run("from-sigmf", meta, back)
    with RadioMLFile(data) as one, RadioMLFile(back) as other:
        np.testing.assert_array_equal(one.class_ids, other.class_ids)
        np.testing.assert_array_equal(one.snr_labels, other.snr_labels)
        indices = np.arange(len(one))
        np.testing.assert_array_equal(one.read(indices), other.read(indices))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "back.hdf5", "set.sigmf-data", "set.sigmf-meta",
    ]  # fmt: skip


def test_the_sigmf_package_agrees(tmp_path: Path) -> None:
    meta = tmp_path / "two.sigmf-meta"
    batches = two_frames()
    assert write_frames(meta, batches, description="two frames", rate_hz=1e6) == 2
    recording = sigmf.fromfile(meta)
    recording.validate()
    samples = recording.read_samples()
    np.testing.assert_array_equal(samples[1024:].real, batches[0][0][1, 0])
    np.testing.assert_array_equal(samples[1024:].imag, batches[0][0][1, 1])
    assert recording.get_global_info()["core:sample_rate"] == 1e6
    assert recording.calculate_hash() == recording.get_global_info()["core:sha512"]
    notes = [
        (a["core:sample_start"], a["core:sample_count"], a["core:label"], a[SNR_KEY])
        for a in recording.get_annotations()
    ]
    assert notes == [(0, 1024, "BPSK", 10), (1024, 1024, "FM", -4)]


def test_a_longer_stream_comes_back_as_frames(tmp_path: Path) -> None:
    meta = tmp_path / "two.sigmf-meta"
    batches = two_frames(2500)
    write_frames(meta, batches, description="two streams")
    frames = SigMFFrames(meta)
    assert frames.class_ids.tolist() == [3, 3, 21, 21]
    assert frames.snr_labels.tolist() == [10, 10, -4, -4]
    read = frames.read([3, 0])
    np.testing.assert_array_equal(read[0], batches[0][0][1, :, 1024:2048])
    np.testing.assert_array_equal(read[1], batches[0][0][0, :, :1024])


def test_the_twin_s_frames_are_those_of_its_file(data: Path) -> None:
    choice = (["QPSK", "OOK"], [30, -20], 2, 5)
    drawn = list(chosen_batches("twin", *choice))
    read = list(chosen_batches(str(data), *choice))
    for place in range(3):
        one, other = (np.concatenate([b[place] for b in batches]) for batches in (drawn, read))
        np.testing.assert_array_equal(one, other)
    assert np.concatenate([b[1] for b in drawn]).tolist() == [0, 0, 0, 0, 4, 4, 4, 4]


def test_a_choice_that_cannot_be(data: Path) -> None:
    for classes, snr_labels, message in (
        (["8-PSK"], None, f"classes must be among {', '.join(CLASSES)}, not 8-PSK"),
        (None, [3], "SNR labels must be -20 to 30 in steps of 2 dB, not 3"),
    ):
        with pytest.raises(ConfigError) as error:
            chosen_batches(str(data), classes, snr_labels, 1, 0)
        assert str(error.value) == message


def test_another_ending(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        write_frames(tmp_path / "two.sigmf", two_frames(), description="two")
    assert str(error.value) == (
        f"{tmp_path}/two.sigmf must end in .sigmf-meta; name it two.sigmf-meta"
    )


def test_no_frames_leave_no_files(tmp_path: Path) -> None:
    meta = tmp_path / "none.sigmf-meta"
    with pytest.raises(DataFormatError) as error:
        write_frames(meta, [], description="none")
    assert str(error.value) == f"{meta} must hold at least one frame, not 0; choose more data"
    assert list(tmp_path.iterdir()) == []


def changed(meta: Path, **changes: object) -> None:
    document = json.loads(meta.read_text())
    document["annotations"][0] |= changes
    meta.write_text(json.dumps(document))


def test_annotations_that_name_no_frames(tmp_path: Path) -> None:
    meta = tmp_path / "two.sigmf-meta"
    write_frames(meta, two_frames(1000), description="too short")
    with pytest.raises(DataFormatError) as error:
        SigMFFrames(meta)
    assert str(error.value) == (
        f"{meta} must have annotations of at least 1024 samples with a class as core:label and an "
        "SNR label as boltmod:snr_label_db, and has none; write such a file with "
        "`boltmod data to-sigmf`"
    )


def test_an_snr_off_the_grid(tmp_path: Path) -> None:
    meta = tmp_path / "two.sigmf-meta"
    write_frames(meta, two_frames(), description="two")
    changed(meta, **{SNR_KEY: 3})
    with pytest.raises(DataFormatError) as error:
        SigMFFrames(meta)
    assert str(error.value) == (
        f"boltmod:snr_label_db in {meta} must be -20 to 30 in steps of 2 dB, not 3; "
        "leave such annotations out or round them to the grid"
    )


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    meta, back = tmp_path / "two.sigmf-meta", tmp_path / "back.hdf5"
    write_frames(meta, two_frames(), description="two")
    back.write_text("mine")
    with pytest.raises(ConfigError) as error:
        run("from-sigmf", meta, back)
    assert str(error.value) == f"{back} must not exist yet; choose another name, or remove it"
    assert back.read_text() == "mine"
