from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boltmod.data.radioml import WAY_OUT, RadioMLFile, grid_labels
from boltmod.data.radioml_writer import RadioMLWriter
from boltmod.errors import DataFormatError, ShapeError


def frames(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 2, 1024)).astype(np.float32)


def write(path: Path, *, n: int = 12, compress: bool = False) -> np.ndarray:
    iq_planes = frames(n)
    class_ids = np.arange(n) % 24
    snr_labels = np.arange(n) * 2 - 20
    with RadioMLWriter(path, class_ids, snr_labels, compress=compress) as writer:
        writer.write(5, iq_planes[5:])
        writer.write(0, iq_planes[:5])
    return iq_planes


def raw(path: Path, **changes: object) -> Path:
    """A file made without our writer, with some datasets changed or left out (None)."""
    n = 4
    datasets = {
        "X": np.zeros((n, 1024, 2), np.float32),
        "Y": np.eye(24, dtype=np.int64)[:n],
        "Z": np.zeros((n, 1), np.int64),
        **changes,
    }
    with h5py.File(path, "w") as file:
        for name, data in datasets.items():
            if data is not None:
                file[name] = data
    return path


@pytest.mark.parametrize("compress", [False, True])
def test_what_is_written_is_read(tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "set.hdf5"
    iq_planes = write(path, compress=compress)
    with RadioMLFile(path) as file:
        assert file.is_memory_mapped is not compress
        assert len(file) == 12
        assert file.class_ids.tolist() == list(range(12))
        assert file.snr_labels.tolist() == list(range(-20, 4, 2))
        assert file.read([]).shape == (0, 2, 1024)
        np.testing.assert_array_equal(file.read(np.arange(12)), iq_planes)
    assert [p.name for p in tmp_path.iterdir()] == ["set.hdf5"]


@given(indices=st.lists(st.integers(0, 11), max_size=20))
@settings(deadline=None, max_examples=30)
def test_any_order_is_read_alike_by_both_roads(
    tmp_path_factory: pytest.TempPathFactory, indices: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("roads")
    iq_planes = write(folder / "plain.hdf5")
    write(folder / "gzip.hdf5", compress=True)
    with RadioMLFile(folder / "plain.hdf5") as plain, RadioMLFile(folder / "gzip.hdf5") as gzip:
        np.testing.assert_array_equal(plain.read(indices), iq_planes[indices])
        np.testing.assert_array_equal(gzip.read(indices), iq_planes[indices])


def test_the_layout_is_that_of_the_real_file(tmp_path: Path) -> None:
    iq_planes = write(tmp_path / "set.hdf5")
    with h5py.File(tmp_path / "set.hdf5") as file:
        assert {k: (v.shape, v.dtype.str, v.chunks) for k, v in file.items()} == {
            "X": ((12, 1024, 2), "<f4", None),
            "Y": ((12, 24), "<i8", None),
            "Z": ((12, 1), "<i8", None),
        }
        np.testing.assert_array_equal(file["X"][3, :, 1], iq_planes[3, 1])
        assert file["Y"][3].tolist() == [0, 0, 0, 1] + [0] * 20


def test_provenance_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "set.hdf5"
    with RadioMLWriter(path, [3], [10], attributes={"seed": 7}) as writer:
        writer.write(0, frames(1))
    with RadioMLFile(path) as file:
        assert file.attributes == {"seed": 7}


def test_the_grid_is_class_major_then_snr() -> None:
    class_ids, snr_labels = grid_labels(2, (-20, 30))
    assert class_ids[:6].tolist() == [0, 0, 0, 0, 1, 1]
    assert snr_labels[:6].tolist() == [-20, -20, 30, 30, -20, -20]
    assert len(class_ids) == len(snr_labels) == 24 * 2 * 2


def test_an_incomplete_file_does_not_appear(tmp_path: Path) -> None:
    path = tmp_path / "set.hdf5"
    with (
        pytest.raises(DataFormatError) as error,
        RadioMLWriter(path, [0, 1, 2], [0, 0, 0]) as writer,
    ):
        writer.write(0, frames(2))
    assert str(error.value) == (
        f"{path} must have every frame written, not stop short of frame 2; "
        "write all frames before closing"
    )
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_file_does_not_appear(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), RadioMLWriter(tmp_path / "set.hdf5", [0], [0]):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def refused(path: Path) -> str:
    with pytest.raises(DataFormatError) as error:
        RadioMLFile(path)
    return str(error.value)


def test_no_file(tmp_path: Path) -> None:
    path = tmp_path / "none.hdf5"
    assert refused(path) == f"{path} must be a file, and there is none; {WAY_OUT}"


def test_not_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    path.write_bytes(b"PK\3\4 and so on")
    assert refused(path) == (
        f"{path} must be an HDF5 file, not one that begins with b'PK\\x03\\x04 and'; {WAY_OUT}"
    )


def test_truncated(tmp_path: Path) -> None:
    path = raw(tmp_path / "set.hdf5")
    path.write_bytes(path.read_bytes()[:20000])
    assert refused(path) == (
        f"{path} must be complete, not cut off after 20000 bytes; copy or download it again"
    )


def test_damaged(tmp_path: Path) -> None:
    path = raw(tmp_path / "set.hdf5")
    content = bytearray(path.read_bytes())
    content[8] = 9  # a version of the superblock that does not exist
    path.write_bytes(content)
    assert refused(path).startswith(f"{path} must be a readable HDF5 file, not damaged: ")


@pytest.mark.parametrize(
    ("name", "rule", "there"),
    [
        ("X", "(n, 1024, 2) float32", "Y, Z"),
        ("Y", "(n, 24) int64", "X, Z"),
        ("Z", "(n, 1) int64", "X, Y"),
    ],
)
def test_missing_dataset(tmp_path: Path, name: str, rule: str, there: str) -> None:
    path = raw(tmp_path / "set.hdf5", **{name: None})
    assert refused(path) == (
        f"{path} must hold the dataset {name} {rule}, not only {there}; {WAY_OUT}"
    )


@pytest.mark.parametrize(
    ("name", "data", "rule", "found"),
    [
        ("X", np.zeros((4, 2, 128), np.float32), "(n, 1024, 2) float32", "(4, 2, 128) float32"),
        ("X", np.zeros((4, 1024, 2), np.int16), "(n, 1024, 2) float32", "(4, 1024, 2) int16"),
        ("Y", np.zeros((4, 11), np.int64), "(n, 24) int64", "(4, 11) int64"),
        ("Z", np.zeros((4, 2), np.float32), "(n, 1) int64", "(4, 2) float32"),
    ],
)
def test_wrong_shape_or_dtype(
    tmp_path: Path, name: str, data: np.ndarray, rule: str, found: str
) -> None:
    path = raw(tmp_path / "set.hdf5", **{name: data})
    assert refused(path) == f"{name} in {path} must be {rule}, not {found}; {WAY_OUT}"


@pytest.mark.parametrize(
    "changes",
    [
        {"X": lambda x: x.astype(np.float64), "Y": lambda y: y.astype(np.float64),
         "Z": lambda z: z.astype(np.float64)},
        {"X": lambda x: x.astype(np.float16)},
        {"X": lambda x: x.transpose(0, 2, 1)},
        {"X": lambda x: x.transpose(0, 2, 1).astype(np.float64)},
        {"Y": lambda y: y.astype(np.uint8)},
        {"Y": lambda y: y.argmax(axis=1)},
        {"Y": lambda y: y.astype(np.int32), "Z": lambda z: z.astype(np.int32)},
        {"Z": lambda z: z[:, 0]},
        {"names": str.lower},
    ],
)  # fmt: skip
def test_what_other_programs_save_again_is_read(tmp_path: Path, changes: dict) -> None:
    n = 48
    iq = np.round(frames(n).transpose(0, 2, 1) * 256) / 256
    parts = {"X": iq, "Y": np.repeat(np.eye(24, dtype=np.int64), 2, axis=0),
             "Z": np.tile([[10], [30]], (24, 1))}  # fmt: skip
    path = tmp_path / "again.hdf5"
    with h5py.File(path, "w") as file:
        for name, data in parts.items():
            stored = changes.get(name, lambda data: data)(data)
            file.create_dataset(changes.get("names", str)(name), data=stored, chunks=True)
    with RadioMLFile(path) as again:
        assert again.class_ids.tolist() == [i // 2 for i in range(n)]
        assert again.snr_labels.tolist() == [10, 30] * 24
        tolerance = 0.01 if "X" in changes else 0
        np.testing.assert_allclose(
            again.read([7, 40, 7]), iq[[7, 40, 7]].transpose(0, 2, 1), atol=tolerance
        )
        (first, some), *_ = again.slices(20)
        assert (first, some.shape, some.dtype) == (0, (20, 1024, 2), np.float32)
        np.testing.assert_allclose(some, iq[:20], atol=tolerance)


def test_class_numbers_that_may_mean_several_things(tmp_path: Path) -> None:
    path = raw(tmp_path / "matlab.hdf5", Y=np.array([1, 2, 24, 3]))
    assert refused(path) == (
        f"Y in {path} must hold class numbers from 0 to 23, not 24 at frame 2; "
        "write rows of one 1 and 23 zeros"
    )
    path = raw(tmp_path / "some.hdf5", Y=np.array([1, 2, 4, 3]))
    assert refused(path) == (
        f"Y in {path} must hold a frame of class 0, and has none, so that its class numbers may "
        "begin at 1; write rows of one 1 and 23 zeros"
    )


def test_other_number_of_labels(tmp_path: Path) -> None:
    path = raw(tmp_path / "set.hdf5", Z=np.zeros((3, 1), np.int64))
    assert refused(path) == (
        f"{path} must hold as many labels as frames, not 4 in X, 4 in Y, 3 in Z; {WAY_OUT}"
    )


def test_empty(tmp_path: Path) -> None:
    path = raw(
        tmp_path / "set.hdf5",
        X=np.zeros((0, 1024, 2), np.float32),
        Y=np.zeros((0, 24), np.int64),
        Z=np.zeros((0, 1), np.int64),
    )
    assert refused(path) == f"{path} must hold at least one frame, not 0; {WAY_OUT}"


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ([0] * 24, "all zeros"),
        ([1, 1] + [0] * 22, "1 for OOK, 1 for 4ASK"),
        ([2] + [0] * 23, "2 for OOK"),
        ([1] * 24, "1 for OOK, 1 for 4ASK, 1 for 8ASK ..."),
    ],
)
def test_labels_that_are_not_one_hot(tmp_path: Path, row: list[int], shown: str) -> None:
    labels = np.eye(24, dtype=np.int64)[:4]
    labels[2] = row
    path = raw(tmp_path / "set.hdf5", Y=labels)
    assert refused(path) == (
        f"Y in {path} must be one-hot, not {shown} at frame 2; "
        "write exactly one 1 and 23 zeros a frame"
    )


def test_an_snr_off_the_grid(tmp_path: Path) -> None:
    path = raw(tmp_path / "set.hdf5", Z=np.array([[0], [2], [3], [4]]))
    assert refused(path) == (
        f"Z in {path} must be an SNR label of -20, -18, ... 30 dB, not 3 at frame 2; "
        "leave such frames out or round them to the grid"
    )


@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_samples_that_are_not_finite(tmp_path: Path, value: float, shown: str) -> None:
    samples = np.zeros((4, 1024, 2), np.float32)
    samples[3, 17, 1] = value
    with RadioMLFile(raw(tmp_path / "set.hdf5", X=samples)) as file:
        assert file.read([2, 0]).any() == np.False_
        with pytest.raises(DataFormatError) as error:
            file.read([1, 3, 0])
    assert str(error.value) == (
        f"X in {file.path} must be finite, not {shown} in frame 3; "
        "leave the frame out or copy the file again"
    )


def test_samples_whose_energy_overflows_are_finite(tmp_path: Path) -> None:
    samples = np.full((4, 1024, 2), 3e38, np.float32)
    with RadioMLFile(raw(tmp_path / "set.hdf5", X=samples)) as file:
        assert (file.read([1]) == np.float32(3e38)).all()


def test_indices_outside(tmp_path: Path) -> None:
    with RadioMLFile(raw(tmp_path / "set.hdf5")) as file:
        for outside in (4, -1):
            with pytest.raises(ShapeError) as error:
                file.read([0, outside])
            assert str(error.value) == (
                f"indices must be 0 to 3, not {outside}; {file.path} has 4 frames"
            )
        with pytest.raises(ShapeError) as error:
            file.read([[0, 1]])
        assert str(error.value) == "indices must be flat, not of shape (1, 2); use .ravel()"


def test_the_writer_refuses_what_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "set.hdf5"
    with pytest.raises(ShapeError) as error, RadioMLWriter(path, [0], [0]) as writer:
        writer.write(0, np.zeros((1, 1024, 2), np.float32))
    assert str(error.value) == "iq_planes must be (k, 2, 1024), not (1, 1024, 2)"
    with pytest.raises(ShapeError) as error, RadioMLWriter(path, [0], [0]) as writer:
        writer.write(0, frames(2))
    assert str(error.value) == (
        "frames must be 0 to 0, not 0 to 1; give the writer as many labels as frames"
    )
    with pytest.raises(DataFormatError) as wrong:
        RadioMLWriter(path, [0, 24], [0, 0])
    assert str(wrong.value) == "class_ids must be 0 to 23, not 24 at frame 1"
    with pytest.raises(DataFormatError) as wrong:
        RadioMLWriter(path, [0, 1], [0, 1])
    assert str(wrong.value) == "snr_labels must be -20 to 30 in steps of 2 dB, not 1 at frame 1"
    with pytest.raises(ShapeError) as error:
        RadioMLWriter(path, [0, 1], [0])
    assert str(error.value) == (
        "class_ids and snr_labels must be flat and of one length, not (2,) and (1,)"
    )
    with pytest.raises(ShapeError) as error:
        RadioMLWriter(path, [], [])
    assert str(error.value) == "class_ids must name at least one frame, not 0"
    assert list(tmp_path.iterdir()) == []


def test_damaged_samples(tmp_path: Path) -> None:
    path = tmp_path / "set.hdf5"
    write(path, compress=True)
    with h5py.File(path) as file:
        place = file["X"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place : place + 100] = bytes(100)
    path.write_bytes(content)
    with RadioMLFile(path) as file:
        for read in (lambda: file.read([0]), lambda: next(file.slices(5))):
            with pytest.raises(DataFormatError) as error:
                read()
            assert str(error.value) == (
                f"X in {path} must be readable, and is not (Can't synchronously read data "
                "(filter returned failure during read)); copy or make the file again"
            )
