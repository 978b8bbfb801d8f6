"""RadioML 2018.01A's HDF5 layout, read and checked; `radioml_writer` writes it.

    X  (n, 1024, 2)  float32   I and Q of every sample
    Y  (n, 24)       int64     one-hot class, in the order of `boltmod.modulation.CLASSES`
    Z  (n, 1)        int64     SNR label in dB, one of `SNR_LABELS`

Frames lie class-major, then by SNR; X is contiguous and uncompressed, so that single frames can be
read through memory mapping.

What other programs make of it when they save it again is read where it can mean one thing only:
other types of number, planes (n, 2, 1024), flat labels, class numbers from 0 in place of rows,
lower-case names.

A data set of other classes, or of frames of another length, is laid out alike: X (n, length, 2), Y
(n, n_classes), Z whole numbers of dB, and an attribute `boltmod_classes` of the file, a JSON list
of the names of Y's columns.

Source: T. O'Shea, T. Roy, T. C. Clancy, JSTSP 12(1), 2018; the layout is that of the published
GOLD_XYZ_OSC.0001_1024.hdf5.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
import numpy.typing as npt

from boltmod.data import hdf5_file
from boltmod.data.layout import CLASSES_ATTRIBUTE, RADIOML, Layout, check_length, parse_classes
from boltmod.data.mapped import MappedFrames
from boltmod.errors import DataFormatError, ShapeError
from boltmod.modulation import FRAME_LENGTH, N_CLASSES, SNR_LABELS
from boltmod.untrusted import read_by

FILE_NAME = "GOLD_XYZ_OSC.0001_1024.hdf5"
"""What the real data set's file is called."""

WAY_OUT = (
    "give a file in RadioML 2018.01A's layout, or make one with `boltmod data make` or "
    "`boltmod data convert`"
)

FRAME_BYTES = FRAME_LENGTH * 2 * 4

_Arrays = dict[str, tuple[tuple[tuple[int, ...], ...], str, str]]
"""Of each data set the shapes of a row that are read, the kinds of number, and the rule."""

LABEL_ROWS_AT_ONCE = 65536

Indices = npt.NDArray[np.int64]
IQPlanes = npt.NDArray[np.float32]
Samples = npt.NDArray[np.float32]


class RadioMLFile:
    """A data set file, checked once when opened, read at any indices.

    Args:
        path: The HDF5 file.

    Raises:
        DataFormatError: It is not HDF5, is truncated, or lacks or misshapes X, Y or Z; a label is
            not one-hot; an SNR is not on the grid.

    Examples:
        >>> import boltmod
        >>> with boltmod.RadioMLFile("twin.hdf5") as file:
        ...     iq_planes = file.read([0, 1])
        ...     print(iq_planes.shape, boltmod.CLASSES[file.class_ids[0]], file.snr_labels[0])
        (2, 2, 1024) OOK -20
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._file = _open(self.path)
        try:
            with read_by("h5py", self.path, "a readable HDF5 file", "copy or make it again"):
                self.attributes: dict[str, Any] = hdf5_file.attributes(self._file, self.path)
                """Provenance: empty in the real file."""
                self.layout = _layout(self._file, self.attributes, self.path)
                """Which classes there are, and how long a frame is."""
                found = _check_layout(self._file, self.layout, self.path)
                self._frames: h5py.Dataset = found["X"]
                self.class_ids = _class_ids(found["Y"], self.layout, self.path)
                """Integer labels, shape (n,), int64, numbers of the layout's classes."""
                self.snr_labels = _snr_labels(found["Z"], self.layout, self.path)
                """SNR labels in dB, shape (n,), int64."""
                self._mapped = _memory_map(self._frames, self.path)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.class_ids)

    @property
    def snr_grid(self) -> tuple[int, ...]:
        """RadioML's SNR labels, or those that a data set of own classes has, ascending, in dB."""
        if self.layout == RADIOML:
            return SNR_LABELS
        return tuple(np.unique(self.snr_labels).tolist())

    def must_be_radioml(self) -> None:
        """Refuse other classes and lengths where only RadioML 2018.01A's are understood.

        Raises:
            DataFormatError: It has others.
        """
        if self.layout != RADIOML:
            raise DataFormatError(
                f"{self.path} must hold RadioML 2018.01A's {RADIOML.words} for this, not "
                f"{self.layout.words}: convert it without --own-classes"
            )

    def close(self) -> None:
        """Let go of the file."""
        self._mapped = None
        self._file.close()

    @property
    def is_memory_mapped(self) -> bool:
        """Whether single frames are read without h5py: X is contiguous and uncompressed."""
        return self._mapped is not None

    def slices(self, n_frames: int) -> Iterator[tuple[int, Samples]]:
        """All frames in file order, as they lie in X, through h5py: memory stays bounded.

        Args:
            n_frames: Frames at a time.

        Yields:
            Index of the first frame, and samples of shape (k, 1024, 2), float32, unchecked.
        """
        for start in range(0, len(self), n_frames):
            with _damage_named(self.path):
                frames = self._frames[start : start + n_frames]
            yield start, _as_samples(frames)

    def read(self, indices: npt.ArrayLike) -> IQPlanes:
        """The frames at some indices.

        Args:
            indices: Shape (k,), int, 0 to n - 1, in any order, repeats allowed.

        Returns:
            I/Q planes, shape (k, 2, 1024), float32, in the order of `indices`.

        Raises:
            ShapeError: `indices` is not a flat list, or one is outside the file.
            DataFormatError: A frame holds NaN or infinite samples.
        """
        wanted = np.asarray(indices, dtype=np.int64)
        if wanted.ndim != 1:
            raise ShapeError(f"indices must be flat, not of shape {wanted.shape}; use .ravel()")
        if len(wanted) and (wanted.min() < 0 or wanted.max() >= len(self)):
            outside = wanted.min() if wanted.min() < 0 else wanted.max()
            raise ShapeError(
                f"indices must be 0 to {len(self) - 1}, not {outside}; "
                f"{self.path} has {len(self)} frames"
            )
        if self._mapped is not None:
            samples = self._mapped.read(wanted)
        else:
            with _damage_named(self.path):
                samples = _read_by_h5py(self._frames, wanted)
        check_finite(samples, wanted, self.path)
        return np.ascontiguousarray(samples.transpose(0, 2, 1))


def _open(path: Path) -> h5py.File:
    if not path.is_file():
        raise DataFormatError(f"{path} must be a file, and there is none; {WAY_OUT}")
    with path.open("rb") as file:
        start = file.read(8)
    if not h5py.is_hdf5(path):
        raise DataFormatError(
            f"{path} must be an HDF5 file, not one that begins with {start!r}; {WAY_OUT}"
        )
    try:
        return hdf5_file.opened(path)
    except DataFormatError as error:
        if "truncated" in str(error):
            raise DataFormatError(
                f"{path} must be complete, not cut off after {path.stat().st_size} bytes; "
                "copy or download it again"
            ) from None
        raise


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Say which file is damaged where HDF5 says only how."""
    with read_by(
        "h5py", path, "", "",
        told=lambda reason: f"X in {path} must be readable, and is not ({reason}); "
                            "copy or make the file again",
    ):  # fmt: skip
        yield


def _layout(file: h5py.File, attributes: dict[str, Any], path: Path) -> Layout:
    """Which classes a file says it has, and how long its frames are."""
    if CLASSES_ATTRIBUTE not in attributes:
        return RADIOML
    classes = parse_classes(attributes[CLASSES_ATTRIBUTE], path)
    samples = hdf5_file.dataset(file, path, "X", "x")
    shape: tuple[int, ...] = () if samples is None else tuple(samples.shape or ())
    if len(shape) != 3 or 2 not in shape[1:]:
        return Layout(classes)
    length = int(shape[1] if shape[2] == 2 else shape[2])
    check_length(length, path)
    return Layout(classes, length)


def _check_layout(file: h5py.File, layout: Layout, path: Path) -> dict[str, h5py.Dataset]:
    """The three data sets, by their names in the layout."""
    length, n_classes = layout.frame_length, len(layout.classes)
    arrays: _Arrays = {
        "X": (((length, 2), (2, length)), "f", f"(n, {length}, 2) float32"),
        "Y": (((n_classes,), ()), "fiu", f"(n, {n_classes}) int64"),
        "Z": (((1,), ()), "fiu", "(n, 1) int64"),
    }
    found = {name: _dataset(file, path, name, *rules) for name, rules in arrays.items()}
    n_frames = {name: len(dataset) for name, dataset in found.items()}
    if len(set(n_frames.values())) != 1:
        counts = ", ".join(f"{n} in {name}" for name, n in n_frames.items())
        raise DataFormatError(f"{path} must hold as many labels as frames, not {counts}; {WAY_OUT}")
    if n_frames["X"] == 0:
        raise DataFormatError(f"{path} must hold at least one frame, not 0; {WAY_OUT}")
    return found


def _dataset(
    file: h5py.File, path: Path, name: str,
    shapes: tuple[tuple[int, ...], ...], kinds: str, rule: str,
) -> h5py.Dataset:  # fmt: skip
    dataset = hdf5_file.dataset(file, path, name, name.lower())
    if dataset is None:
        there = ", ".join(hdf5_file.dataset_names(file, path)[:10]) or "nothing"
        raise DataFormatError(
            f"{path} must hold the dataset {name} {rule}, not only {there}; {WAY_OUT}"
        )
    is_known = dataset.shape is not None and dataset.shape[1:] in shapes
    if not is_known or not dataset.shape or dataset.dtype.kind not in kinds:
        found = f"{dataset.shape} {dataset.dtype}"
        raise DataFormatError(f"{name} in {path} must be {rule}, not {found}; {WAY_OUT}")
    return dataset


def _as_samples(frames: npt.NDArray[np.floating]) -> Samples:
    """Frames as the layout has them, (k, 1024, 2) float32; what is too large becomes infinite."""
    if frames.shape[1] == 2:
        frames = frames.transpose(0, 2, 1)
    with np.errstate(over="ignore"):
        return np.asarray(frames, np.float32)


def _class_ids(dataset: h5py.Dataset, layout: Layout, path: Path) -> Indices:
    n_classes = len(layout.classes)
    if dataset.ndim == 1:
        return _class_numbers(dataset, n_classes, path)
    class_ids = np.empty(len(dataset), np.int64)
    for start in range(0, len(dataset), LABEL_ROWS_AT_ONCE):
        rows = dataset[start : start + LABEL_ROWS_AT_ONCE]
        ids = rows.argmax(axis=1)
        is_one_hot = (np.count_nonzero(rows, axis=1) == 1) & (rows.max(axis=1) == 1)
        if not is_one_hot.all():
            bad = int(np.argmin(is_one_hot))
            raise DataFormatError(
                f"Y in {path} must be one-hot, not {_row(rows[bad], layout)} at frame "
                f"{start + bad}; write exactly one 1 and {n_classes - 1} zeros a frame"
            )
        class_ids[start : start + len(ids)] = ids
    return class_ids


def _class_numbers(dataset: h5py.Dataset, n_classes: int, path: Path) -> Indices:
    """Class numbers from 0; MATLAB's begin at 1."""
    numbers = np.asarray(dataset[:])
    is_class = np.isin(numbers, np.arange(n_classes))
    if not is_class.all():
        bad = int(np.argmin(is_class))
        raise DataFormatError(
            f"Y in {path} must hold class numbers from 0 to {n_classes - 1}, not {numbers[bad]} at "
            f"frame {bad}; write rows of one 1 and {n_classes - 1} zeros"
        )
    if not (numbers == 0).any():
        raise DataFormatError(
            f"Y in {path} must hold a frame of class 0, and has none, so that its class numbers "
            f"may begin at 1; write rows of one 1 and {n_classes - 1} zeros"
        )
    return numbers.astype(np.int64)


def _row(row: npt.NDArray[np.int64], layout: Layout) -> str:
    ones = ", ".join(f"{row[i]} for {layout.classes[i]}" for i in np.flatnonzero(row)[:3])
    more = " ..." if np.count_nonzero(row) > 3 else ""
    return ones + more if ones else "all zeros"


def _snr_labels(dataset: h5py.Dataset, layout: Layout, path: Path) -> Indices:
    rule = f"Z in {path} must be an SNR label"
    return on_grid(np.asarray(dataset[:]).reshape(-1), rule, layout.snr_labels)


def on_grid(snrs: npt.NDArray[Any], rule: str, grid: tuple[int, ...] = SNR_LABELS) -> Indices:
    """SNRs as labels.

    Args:
        snrs: Shape (n,), in dB.
        rule: How the message begins: what must be a label, or labels.
        grid: The labels that there are, in even steps.

    Raises:
        DataFormatError: One is none of them.
    """
    is_label = np.isin(snrs, grid)
    if not is_label.all():
        bad = int(np.argmin(is_label))
        raise DataFormatError(
            f"{rule} of {grid[0]}, {grid[1]}, ... {grid[-1]} dB, not "
            f"{snrs[bad]} at frame {bad}; leave such frames out or round them to the grid"
        )
    return snrs.astype(np.int64)


def _memory_map(dataset: h5py.Dataset, path: Path) -> MappedFrames | None:
    """X as an array on the disk, or None where its bytes do not lie there as such."""
    offset = dataset.id.get_offset()
    plain = dataset.chunks is None and dataset.dtype == np.dtype("<f4") and offset is not None
    plain = plain and dataset.shape[2] == 2
    if not plain or dataset.file.userblock_size or dataset.external:
        return None
    if offset + 4 * dataset.size > path.stat().st_size:
        return None
    return MappedFrames(path, offset, dataset.shape)


def _read_by_h5py(dataset: h5py.Dataset, wanted: Indices) -> Samples:
    """Frames in any order, by one read for every run of neighbours."""
    unique, back = np.unique(wanted, return_inverse=True)
    frames = np.empty((len(unique), *dataset.shape[1:]), np.float32)
    done = 0
    for run in np.split(unique, np.flatnonzero(np.diff(unique) != 1) + 1):
        if len(run):
            place = np.s_[done : done + len(run)]
            dataset.read_direct(frames, np.s_[int(run[0]) : int(run[-1]) + 1], place)
            done += len(run)
    return _as_samples(frames[back])


def check_finite(samples: Samples, indices: Indices, path: Path) -> None:
    """Refuse frames with NaN or infinite samples.

    Args:
        samples: Frames, shape (k, 1024, 2) or (k, 2, 1024).
        indices: Their places in the file, shape (k,), for the message.
        path: The file, for the message.

    Raises:
        DataFormatError: A sample is not finite.
    """
    flat = samples.reshape(-1)
    with np.errstate(all="ignore"):
        if np.isfinite(np.dot(flat, flat)):  # the energy: quicker than looking at every sample
            return
    finite = np.isfinite(samples).all(axis=(1, 2))
    if not finite.all():
        bad = int(np.argmin(finite))
        value = samples[bad][~np.isfinite(samples[bad])][0]
        raise DataFormatError(
            f"X in {path} must be finite, not {value} in frame {indices[bad]}; "
            "leave the frame out or copy the file again"
        )


def grid_labels(
    frames_per_cell: int, snr_labels: tuple[int, ...] = SNR_LABELS
) -> tuple[Indices, Indices]:
    """The labels of a full grid in file order: class-major, then SNR.

    Args:
        frames_per_cell: Frames of each (class, SNR) pair.
        snr_labels: The SNR labels wanted, in dB.

    Returns:
        Class labels and SNR labels, each of shape (24 · n_snr · frames_per_cell,), int64.
    """
    n_snr = len(snr_labels)
    class_ids = np.repeat(np.arange(N_CLASSES, dtype=np.int64), n_snr * frames_per_cell)
    snrs = np.tile(np.repeat(np.array(snr_labels, np.int64), frames_per_cell), N_CLASSES)
    return class_ids, snrs
