"""HDF5 files of strangers: nothing outside the file is read, and nothing that is not in it.

A data set's samples may lie in another file (external storage), be put together of other files'
(virtual), or be a link into one: what comes back is then whatever file of this machine the stranger
has named. And a shape costs nothing: 10^12 frames may be declared and none stored.

Texts of any length lie in a heap of the file, and HDF5's library follows the places and sizes in it
unchecked: past the end of memory, or for ever. They are read in a process of its own. What
boltmod writes has none.

Source: The HDF Group, "HDF5 File Format Specification 3.0", IV.A.2.i (data layout), IV.A.2.h
(external data files), IV.A.2.g (links), III.E (global heap).
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from boltmod.confined import BeyondLimitsError, Limits, confined
from boltmod.errors import DataFormatError
from boltmod.untrusted import read_by

_MOST_SWELLING = 1100
"""By how much the filters make data smaller at most: gzip by 1032."""

_MOST_CHUNK_BYTES = 1 << 28
_MOST_NAMES = 10_000
_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})
"""gzip, shuffle, checksum, szip, n-bit, scale-offset, LZF: those that are no plug-in."""


def opened(path: Path) -> h5py.File:
    """Open a file for reading.

    Raises:
        DataFormatError: It is damaged.
    """
    with read_by(
        "h5py", path, "", "",
        told=lambda reason: f"{path} must be a readable HDF5 file, not damaged: {reason}",
    ):  # fmt: skip
        return h5py.File(path, "r", locking=False)


def dataset_names(file: h5py.File, path: Path) -> list[str]:
    """Names of the data sets that lie in a file itself.

    Raises:
        DataFormatError: The file is damaged.
    """
    with read_by("h5py", path, "a readable HDF5 file", "copy it again"):
        names = list(file)
        if len(names) > _MOST_NAMES:
            raise DataFormatError(
                f"{path} must hold at most {_MOST_NAMES:,} data sets, not {len(names):,}: "
                "leave out what is no frame"
            )
        return [_text(name) for name in names if _is_own_dataset(file, name)]


def _is_own_dataset(file: h5py.File, name: str) -> bool:
    is_own = isinstance(file.get(name, getlink=True), h5py.HardLink)
    return is_own and file.get(name, getclass=True) is h5py.Dataset


def dataset(file: h5py.File, path: Path, *names: str) -> h5py.Dataset | None:
    """The first data set of some names, if all of it lies in the file; None if there is none.

    Raises:
        DataFormatError: It is a link, lies in other files, or declares more than is stored.
    """
    with read_by("h5py", path, "a readable HDF5 file", "copy it again"):
        for name in names:
            link = file.get(name, getlink=True)
            if link is None:
                continue
            if not isinstance(link, h5py.HardLink):
                raise DataFormatError(
                    f"{name} in {path} must lie there itself, not be a link: copy what it names"
                )
            if file.get(name, getclass=True) is h5py.Dataset:
                found: h5py.Dataset = file[name]
                check_storage(found, name, path)
                return found
    return None


def check_storage(found: h5py.Dataset, name: str, path: Path) -> None:
    """Refuse a data set that lies elsewhere or declares what is not there.

    Raises:
        DataFormatError: It does.
    """
    properties = found.id.get_create_plist()
    if properties.get_layout() == h5py.h5d.VIRTUAL or properties.get_external_count():
        raise DataFormatError(
            f"{name} in {path} must lie in that file, not in others that it names: "
            "copy it with h5repack"
        )
    n_filters = properties.get_nfilters()
    unknown = {properties.get_filter(i)[0] for i in range(n_filters)} - _FILTERS
    if unknown:
        raise DataFormatError(
            f"{name} in {path} must be plain or compressed by gzip, not by filter "
            f"{min(unknown)}: copy it with h5repack -f GZIP=1"
        )
    if found.shape is None:
        return
    declared = prod(found.shape) * found.dtype.itemsize
    stored = found.id.get_storage_size()
    if declared > stored * (_MOST_SWELLING if n_filters else 1):
        raise DataFormatError(
            f"{name} in {path} must hold the {declared:,} bytes that its shape {found.shape} "
            f"declares, and {stored:,} are stored: copy or make the file again"
        )
    if found.chunks and prod(found.chunks) * found.dtype.itemsize > _MOST_CHUNK_BYTES:
        raise DataFormatError(
            f"{name} in {path} must have chunks of at most {_MOST_CHUNK_BYTES >> 20} MiB, not of "
            f"shape {found.chunks}: copy it with h5repack"
        )


def attributes(file: h5py.File, path: Path) -> dict[str, Any]:
    """A file's attributes, texts as text.

    Raises:
        DataFormatError: One is damaged.
    """
    with read_by("h5py", path, _READABLE, "copy or make it again"):
        names = list(file.attrs)
        found = {name: file.attrs[name] for name in names if not _is_of_heap(file, name)}
    of_heap = {} if len(found) == len(names) else _from_heap("heap_attributes", path)
    named = ((_text(name), name) for name in names)
    return {text: _text(found[n]) if n in found else of_heap.get(text) for text, n in named}


def values(found: h5py.Dataset, path: Path) -> Any:
    """All of a data set as an array; texts of any length as objects.

    Raises:
        DataFormatError: It is damaged.
    """
    if not found.dtype.hasobject:
        return found[()]
    texts = _from_heap("heap_dataset", path, found.name)
    array = np.empty(found.shape, object)
    array.reshape(-1)[:] = texts
    return array


def heap_attributes(path: str) -> dict[str, Any]:
    """The attributes whose values lie in the heap, as JSON has them."""
    with opened(Path(path)) as file, read_by("h5py", Path(path), _READABLE, "make it again"):
        names = [name for name in file.attrs if _is_of_heap(file, name)]
        return {_text(name): _as_texts(file.attrs[name]) for name in names}


def heap_dataset(path: str, name: str) -> list[Any]:
    """The values of a data set that lie in the heap, one after the other."""
    with opened(Path(path)) as file:
        found = dataset(file, Path(path), name)
        if found is None:
            return []
        with read_by("h5py", Path(path), "an HDF5 file of readable texts", "make it again"):
            return [_as_texts(each) for each in np.asarray(found[()]).reshape(-1)]


_READABLE = "an HDF5 file of readable attributes"
_HEAP_LIMITS = Limits(seconds=10)


def _from_heap(what: str, path: Path, *names: str) -> Any:
    target = f"boltmod.data.hdf5_file:{what}"
    try:
        return confined(target, str(path), *names, about=path, limits=_HEAP_LIMITS)
    except BeyondLimitsError:
        raise DataFormatError(
            f"{path} must hold texts that HDF5's library can read, and it comes to no end or ends "
            "the process over them: copy or make it again"
        ) from None


def _is_of_heap(file: h5py.File, name: str) -> bool:
    return bool(file.attrs.get_id(name).dtype.hasobject)


def _as_texts(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_as_texts(each) for each in value.tolist()]
    return _text(value) if isinstance(value, str | bytes) else str(value)


def _text(value: Any) -> Any:
    """Text of bytes: h5py leaves names that are no UTF-8, and texts of fixed length, as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
