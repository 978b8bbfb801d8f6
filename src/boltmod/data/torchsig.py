"""TorchSig's HDF5 files, where every frame is an array of its own and holds one signal.

    1.0  /N/data, /N/metadata/0/class_name, /N/metadata/0/snr_db
    2.x  /index/N names a key; /data/KEY; /component_signals/KEY names the keys of what is in it;
         /metadata/KEY/class_name, /metadata/KEY/snr_db

Source: torchsig 1.0 and 2.x, `utils/file_handlers/hdf5.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from boltmod.confined import Limits, confined
from boltmod.data import hdf5_file
from boltmod.errors import DataFormatError
from boltmod.untrusted import read_by

VERSION_ATTRIBUTE = "torchsig_version"
"""What such a file says of itself."""

FILE_NAME = "data.h5"
"""What it is called in the folder that TorchSig writes."""

_MOST_FRAMES = 10_000_000
_LIMITS = Limits(seconds=600)

Array = NDArray[Any]


class _Frames:
    """Arrays of one length each, read when they are asked for."""

    dtype = np.dtype(np.complex64)

    def __init__(self, arrays: list[h5py.Dataset], path: Path) -> None:
        lengths = {each.shape for each in arrays}
        if len(lengths) != 1 or len(next(iter(lengths)) or ()) != 1:
            raise DataFormatError(
                f"frames of {path} must be flat and of one length, not "
                f"{', '.join(sorted(map(str, lengths))[:3])}: generate them so"
            )
        self._arrays, self.shape = arrays, (len(arrays), arrays[0].shape[0])

    def __getitem__(self, part: slice) -> Array:
        read = [np.asarray(each[()], np.complex64) for each in self._arrays[part]]
        return np.stack(read) if read else np.empty((0, self.shape[1]), self.dtype)


def frames_of(file: h5py.File, path: Path) -> dict[str, Any]:
    """The frames of a file, their classes and, where each says it, their SNRs.

    Raises:
        DataFormatError: A frame holds no signal or several, or the file is not laid out so.
    """
    # Texts lie in HDF5's heap, which its library follows unchecked (hdf5_file).
    said = confined("boltmod.data.torchsig:told", str(path), about=path, limits=_LIMITS)
    if not said:
        raise DataFormatError(f"{path} must hold frames, and holds none: generate it again")
    arrays = [_array(_group(file, group, path), name, path) for group, name, _, _ in said]
    snrs = [snr for *_, snr in said]
    known = {} if None in snrs else {"z": np.array(snrs, float)}
    return {"x": _Frames(arrays, path), "y": np.array([name for *_, name, _ in said])} | known


def told(path: str) -> list[tuple[str, str, str, float | None]]:
    """Of each frame the group and the name of its array, its class, and its SNR in dB."""
    source = Path(path)
    with hdf5_file.opened(source) as file, read_by("h5py", source, "as TorchSig writes", "copy it"):
        return [
            (group, name, _text(facts, "class_name", source), _snr(facts))
            for group, name, facts in _each(file, source)
        ]


def _each(file: h5py.File, path: Path) -> Iterator[tuple[str, str, h5py.Group]]:
    """Where each frame's samples lie, and its metadata."""
    index = _there(file, "index")
    if index is None:
        for number in range(min(len(file), _MOST_FRAMES)):
            facts = _group(_group(file, str(number), path), "metadata", path)
            _check_one(len(facts), number, path)
            yield str(number), "data", _group(facts, next(iter(facts)), path)
        return
    metadata, inside = (_group(file, name, path) for name in ("metadata", "component_signals"))
    for number in range(min(len(index), _MOST_FRAMES)):
        key = _text(index, str(number), path)
        parts = _there(inside, key)
        keys = [key] if parts is None else [_plain(each) for each in np.ravel(parts[()])]
        _check_one(len(keys), number, path)
        yield "data", key, _group(metadata, keys[0], path)


def _check_one(n_signals: int, number: int, path: Path) -> None:
    if n_signals != 1:
        raise DataFormatError(
            f"each frame of {path} must hold one signal, and frame {number} holds {n_signals}: "
            "generate a set of the narrowband kind"
        )


def _there(group: h5py.Group, name: str) -> Any:
    """What lies in a group itself; None if nothing of that name does."""
    return group[name] if isinstance(group.get(name, getlink=True), h5py.HardLink) else None


def _group(group: h5py.Group, name: str, path: Path) -> h5py.Group:
    found = _there(group, name)
    if not isinstance(found, h5py.Group):
        raise DataFormatError(f"{path} must hold the group {group.name}/{name}: copy it again")
    return found


def _array(group: h5py.Group, name: str, path: Path) -> h5py.Dataset:
    found = _there(group, name)
    if not isinstance(found, h5py.Dataset):
        raise DataFormatError(f"{path} must hold {group.name}/{name}: copy it again")
    hdf5_file.check_storage(found, name, path)
    return found


def _snr(facts: h5py.Group) -> float | None:
    found = _there(facts, "snr_db")
    return None if found is None else float(np.asarray(found[()]).reshape(-1)[0])


def _text(group: h5py.Group, name: str, path: Path) -> str:
    return _plain(_array(group, name, path)[()])


def _plain(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
