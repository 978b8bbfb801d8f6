"""Which recordings lie in folders, and which of several files are recordings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from boltmod.errors import ConfigError
from boltmod.recording import npy, opening, sdriq, wav
from boltmod.recording.file_names import DATA_SUFFIX, META_SUFFIX, facts_of
from boltmod.recording.raw import SampleFormat

_CONTAINERS = (
    META_SUFFIX, DATA_SUFFIX, *opening.ARCHIVE_SUFFIXES, *wav.SUFFIXES, sdriq.SUFFIX, npy.SUFFIX,
)  # fmt: skip
_RAW = tuple(suffix for each in SampleFormat for suffix in each.suffixes)
_ANYTHING = (".raw", ".iq", ".bin", ".dat", ".bb")
"""Endings of samples that do not say of which format."""


def is_several(path: Path) -> bool:
    """Whether it stands for several recordings: a folder, or a SigMF collection."""
    return path.is_dir() or path.name.lower().endswith(opening.COLLECTION_SUFFIX)


def recordings_of(paths: Iterable[Path], has_format: bool = False) -> list[Path]:
    """Every recording that files, folders and SigMF collections stand for, once, in order.

    Args:
        paths: Files are taken whatever they are called; in a folder, and in those in it, what has
            a recording's ending and is not hidden.
        has_format: Whether the format of samples is known, so that files of a folder are taken
            too whose ending does not tell it.

    Raises:
        ConfigError: A folder holds none, or there is no such file or folder.
        DataFormatError: A collection is none.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        those = [path]
        if path.is_dir():
            those = sorted(_in_folder(path, has_format))
        elif is_several(path):
            those = [path.with_name(f"{name}{META_SUFFIX}") for name in opening.streams_of(path)]
        elif not path.exists():
            raise ConfigError(f"{path} must be a file or a folder, and is none: check the name")
        if not those:
            raise ConfigError(
                f"{path} must hold recordings, and holds none whose ending tells what it is: "
                "name the files, or give --format"
            )
        for each in those:
            # A SigMF recording is two files.
            is_pair = each.suffix == DATA_SUFFIX and each.with_suffix(META_SUFFIX).is_file()
            one = each.with_suffix(META_SUFFIX) if is_pair else each
            found.setdefault(one.resolve(), one)
    return list(found.values())


def _in_folder(folder: Path, has_format: bool) -> Iterator[Path]:
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        is_hidden = any(part.startswith(".") for part in parts)
        if path.is_file() and not is_hidden and _is_recording(path, has_format):
            yield path


def _is_recording(path: Path, has_format: bool) -> bool:
    name = path.name.lower()
    if name.endswith(_CONTAINERS) or path.suffix.lower() in _RAW:
        return True
    if path.suffix.lower() in _ANYTHING:
        return has_format or facts_of(path).sample_format is not None
    return False
