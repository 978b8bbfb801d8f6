"""Labelled frames as others save them: HDF5, MATLAB, `.npz`, RadioML 2016's pickles, folders.

    samples  (n, length, 2), (n, 2, length) or complex (n, length); MATLAB has the frames last
    classes  names, numbers, or rows or columns of one 1
    SNRs     (n,) or (n, 1), if any

Source: RadioML 2016.10a and b (T. O'Shea, J. Corgan, C. Clancy, "Convolutional Radio Modulation
Recognition Networks", 2016); MATLAB documentation, "MAT-File Versions" (7.3 is HDF5, its dimensions
in the opposite order, complex numbers as pairs of real and imag).
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from boltmod.data import hdf5_file, safe_pickle, torchsig
from boltmod.data.foreign_folder import of_folder
from boltmod.errors import DataFormatError, first_line
from boltmod.untrusted import read_by

_NAMES = {
    "samples": ("x", "iq", "samples", "frames", "signals", "data"),
    "classes": ("y", "classes", "class", "labels", "label", "mods", "modulation", "modulations"),
    "SNRs": ("z", "snr", "snrs", "snr_db"),
}
"""What arrays are called, in any case."""
_MOST_NPZ_BYTES = 1 << 34
_MOST_SWELLING = 1100
"""By how much deflate makes data smaller at most: by 1032."""
_SHAPES = "(n, length, 2), (n, 2, length) or complex (n, length)"
Array = NDArray[Any]


@dataclass(frozen=True)
class Foreign:
    """Labelled frames of some file.

    Args:
        samples: An array, or an HDF5 data set or files that are read piece by piece.
        frames_last: Whether its dimensions are in the opposite order, as MATLAB's.
        class_names: Name of each frame's class, (n,) of text; None if the file has numbers.
        class_numbers: Number of each frame's class, (n,) int64; None if the file has names.
        width: Classes that rows of one 1 distinguish; None if the numbers do not say.
        snrs: SNR of each frame in dB, (n,); None if the file does not say.
        path: The file.
    """

    samples: Any
    frames_last: bool
    class_names: Array | None
    class_numbers: Array | None
    width: int | None
    snrs: Array | None
    path: Path

    def __len__(self) -> int:
        classes = self.class_numbers if self.class_names is None else self.class_names
        return 0 if classes is None else len(classes)

    @property
    def length(self) -> int:
        """Complex samples of a frame."""
        shape = self._frame_shape
        return int(shape[0]) if len(shape) == 1 else int(max(shape))

    @property
    def _frame_shape(self) -> tuple[int, ...]:
        shape = self.samples.shape
        return tuple(reversed(shape[:-1])) if self.frames_last else tuple(shape[1:])

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Frames as I/Q planes.

        Args:
            indices: Which ones, (k,).

        Returns:
            (k, 2, length) float32.
        """
        unique, back = np.unique(indices, return_inverse=True)
        runs = np.split(unique, np.flatnonzero(np.diff(unique) != 1) + 1)
        parts = [self._run(int(run[0]), int(run[-1]) + 1) for run in runs if len(run)]
        frames = _real_pairs(np.concatenate(parts))
        planes = frames if frames.shape[1] == 2 else frames.transpose(0, 2, 1)
        with np.errstate(over="ignore"):
            return np.asarray(planes[back], np.float32)

    def _run(self, start: int, end: int) -> Array:
        with read_by("h5py", self.path, "readable to its end", "copy it again"):
            if not self.frames_last:
                return np.asarray(self.samples[start:end])
            part = np.asarray(self.samples[..., start:end])
        return part.transpose(tuple(reversed(range(part.ndim))))


@contextmanager
def reading(path: Path, frame_length: int | None = None) -> Iterator[Foreign]:
    """Open a file of labelled frames, whatever it is called, for as long as the body runs.

    Args:
        path: The file, or a folder of recordings (`foreign_folder`).
        frame_length: Complex samples that frames of recordings are cut to, if one is wanted.

    Raises:
        DataFormatError: It is no such file, is damaged, or leaves doubts about what is what.
    """
    if (path / torchsig.FILE_NAME).is_file():
        path = path / torchsig.FILE_NAME
    if path.is_dir():
        with read_by("h5py", path, "a folder of labelled recordings", "save it so"):
            recordings = of_folder(path, frame_length)
        yield _sorted_out(_from_arrays, recordings, path)
        return
    if not path.is_file():
        raise DataFormatError(f"{path} must be a file, and there is none: check the name")
    if h5py.is_hdf5(path):
        with hdf5_file.opened(path) as file:
            with read_by("h5py", path, "a readable HDF5 file", "copy it again"):
                is_torchsig = torchsig.VERSION_ATTRIBUTE in file.attrs
                found = torchsig.frames_of(file, path) if is_torchsig else {}
            if is_torchsig:
                yield _sorted_out(_from_arrays, found, path)
                return
            names = hdf5_file.dataset_names(file, path)
            there = {name: hdf5_file.dataset(file, path, name) for name in names}
            yield _sorted_out(_from_arrays, there, path)
    elif zipfile.is_zipfile(path):
        yield _sorted_out(_from_arrays, _of_npz(path), path)
    elif _begins_with(path, b"MATLAB 5.0 MAT-file"):
        yield _sorted_out(_from_arrays, _of_old_matlab(path), path)
    else:
        yield _sorted_out(_from_pickle, safe_pickle.load(path), path)


def _sorted_out(find: Callable[[Any, Path], Foreign], content: Any, path: Path) -> Foreign:
    """What is what in a file's content, which may be of any shape and type."""
    with read_by("h5py", path, "labelled frames", "save it so"):
        return find(content, path)


def _of_npz(path: Path) -> dict[str, Any]:
    with read_by("numpy", path, "a readable .npz file of plain arrays", "save it again"):
        _check_npz(path)
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}


def _check_npz(path: Path) -> None:
    """Refuse arrays that declare another length than their entry has: room is made for that."""
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > _MOST_NPZ_BYTES:
            raise DataFormatError(f"{path} must hold at most 16 GiB, and holds more: cut it up")
        for entry in archive.infolist():
            if not entry.filename.endswith(".npy"):
                continue
            if entry.file_size > _MOST_SWELLING * max(1, entry.compress_size):
                raise DataFormatError(
                    f"{entry.filename} in {path} must not swell more than "
                    f"{_MOST_SWELLING}-fold: this looks like a zip bomb"
                )
            with archive.open(entry) as file:
                shape, dtype = _array_header(file)
                if prod(shape) * dtype.itemsize != entry.file_size - file.tell():
                    raise DataFormatError(
                        f"{entry.filename} in {path} must hold the values of its shape {shape}, "
                        "and does not: save it again"
                    )


def _array_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0 if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )  # fmt: skip
    shape, _, dtype = read(file)
    return shape, dtype


def _begins_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _of_old_matlab(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        return {k: each for k, each in loadmat(path).items() if isinstance(each, np.ndarray)}
    except Exception as error:  # noqa: BLE001  the reader raises whatever damage leads it to
        raise DataFormatError(
            f"{path} must be a readable file of MATLAB's, which it is not ({first_line(error)}): "
            "save it again, with -v7.3 if it is large"
        ) from None


def _from_pickle(content: Any, path: Path) -> Foreign:
    if isinstance(content, dict) and content and all(_is_cell(key) for key in content):
        cells = sorted(content.items(), key=lambda item: (str(item[0][0]), float(item[0][1])))
        counts = [len(frames) for _, frames in cells]
        arrays = {
            "x": np.concatenate([np.asarray(frames) for _, frames in cells]),
            "y": np.repeat([_text(name) for (name, _), _ in cells], counts),
            "z": np.repeat([float(snr) for (_, snr), _ in cells], counts),
        }
        return _from_arrays(arrays, path)
    if isinstance(content, dict) and all(isinstance(key, str) for key in content):
        return _from_arrays({k: v for k, v in content.items() if isinstance(v, np.ndarray)}, path)
    raise DataFormatError(
        f"{path} must be a dictionary from (class name, SNR) to frames, as RadioML 2016's, or of "
        f"arrays, not a {type(content).__name__}: save it so"
    )


def _is_cell(key: Any) -> bool:
    return isinstance(key, tuple) and len(key) == 2 and isinstance(key[0], str | bytes)


def _from_arrays(arrays: Mapping[str, Any], path: Path) -> Foreign:
    samples, classes = (_named(arrays, what, path) for what in ("samples", "classes"))
    found = _named(arrays, "SNRs", path, is_needed=False)
    snrs = None if found is None else _numbers(_all_of(found, path).reshape(-1), "SNRs", path)
    labels = _all_of(classes, path)
    n_frames = len(snrs) if snrs is not None else _n_frames(samples, labels)
    shape = samples.shape
    if n_frames not in (shape[0], shape[-1]) or len(shape) not in (2, 3):
        raise DataFormatError(
            f"samples of {path} must be {_SHAPES} with as many frames as labels, {n_frames}, "
            f"not {shape}: save it so"
        )
    frames_last = shape[0] != n_frames or (shape[-1] == n_frames and _is_matlab(samples))
    made = Foreign(samples, frames_last, *_labels(labels, n_frames, path), snrs, path)
    frame = made._frame_shape
    if not (len(frame) == 1 and _is_complex(samples.dtype)) and not (
        len(frame) == 2 and 2 in frame
    ):
        raise DataFormatError(f"samples of {path} must be {_SHAPES}, not {shape}: save it so")
    return made


def _all_of(stored: Any, path: Path) -> Array:
    is_dataset = isinstance(stored, h5py.Dataset)
    return np.asarray(hdf5_file.values(stored, path) if is_dataset else stored)


def _n_frames(samples: Any, labels: Array) -> int:
    """How many there are where no SNRs tell: the number that samples and labels share."""
    ends = (int(samples.shape[0]), int(samples.shape[-1]))
    return next((n for n in labels.shape if n in ends), ends[0])


def _named(arrays: Mapping[str, Any], what: str, path: Path, is_needed: bool = True) -> Any:
    for name in _NAMES[what]:
        for each, array in arrays.items():
            if each.lower() == name:
                return array
    if not is_needed:
        return None
    there = ", ".join(sorted(arrays)) or "nothing"
    raise DataFormatError(
        f"{path} must hold {what}, called {' or '.join(_NAMES[what][:3])}, not only {there}: "
        "rename the array"
    )


def _labels(
    labels: Array, n_frames: int, path: Path
) -> tuple[Array | None, Array | None, int | None]:
    """Names, or numbers and how many classes rows of one 1 tell apart."""
    if labels.size == n_frames:
        flat = labels.reshape(-1)
        if flat.dtype.kind in "SUO":
            return np.array([_text(each) for each in flat]), None, None
        return None, _numbers(flat, "classes", path).astype(np.int64), None
    if labels.ndim == 2 and n_frames in labels.shape:
        rows = labels if labels.shape[0] == n_frames else labels.T
        is_one_hot = (np.count_nonzero(rows, axis=1) == 1) & (rows.max(axis=1) == 1)
        if not is_one_hot.all():
            raise DataFormatError(
                f"classes of {path} must be rows of one 1 and zeros, not "
                f"{rows[int(np.argmin(is_one_hot))].tolist()} at frame {int(np.argmin(is_one_hot))}"
                ": write them so"
            )
        return None, rows.argmax(axis=1).astype(np.int64), rows.shape[1]
    raise DataFormatError(
        f"classes of {path} must be a name, a number or a row of one 1 a frame, not of shape "
        f"{labels.shape} for {n_frames} frames: save them so"
    )


def _text(name: Any) -> str:
    """A class's name; MATLAB's cells hold arrays of one."""
    name = name.item() if isinstance(name, np.ndarray) and name.size == 1 else name
    text = name.decode("latin1") if isinstance(name, bytes) else str(name)
    text.encode("utf-8")
    # NumPy makes text of whatever bytes it is given, of numbers that are no characters too.
    if any(ord(each) > sys.maxunicode for each in text):
        raise ValueError("a name in it is no text")
    return text


def _numbers(values: Array, what: str, path: Path) -> Array:
    is_number = values.dtype.kind in "fiub" and np.isfinite(values).all()
    if not is_number or (what == "classes" and not np.array_equal(values, np.round(values))):
        raise DataFormatError(
            f"{what} of {path} must be whole numbers, not {values[:3].tolist()} ...: save them so"
        )
    return values


def _is_matlab(samples: Any) -> bool:
    return isinstance(samples, h5py.Dataset) and "MATLAB_class" in samples.attrs


def _is_complex(dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "c" or dtype.names is not None


def _real_pairs(frames: Array) -> Array:
    """Complex frames, MATLAB's pairs among them, as (k, length, 2)."""
    if frames.dtype.names is not None:
        return np.stack([frames[name] for name in frames.dtype.names], axis=-1)
    return np.stack([frames.real, frames.imag], -1) if frames.dtype.kind == "c" else frames
