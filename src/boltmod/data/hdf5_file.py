"""HDF5 files of strangers: nothing outside the file is read, and nothing that is not in it.

A data set's samples may lie in another file (external storage), be put together of other files'
(virtual), or be a link into one: what comes back is then whatever file of this machine the stranger
has named. And a shape costs nothing: 10^12 frames may be declared and none stored.

Source: The HDF Group, "HDF5 File Format Specification 3.0", IV.A.2.i (data layout), IV.A.2.h
(external data files), IV.A.2.g (links).
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import h5py

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
    """A file's attributes.

    Raises:
        DataFormatError: One is damaged.
    """
    with read_by("h5py", path, "an HDF5 file of readable attributes", "copy or make it again"):
        return {_text(name): value for name, value in file.attrs.items()}


def _text(name: str | bytes) -> str:
    """A name; h5py leaves one that is no UTF-8 as bytes."""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
