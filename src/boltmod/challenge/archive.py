"""Zip files of strangers, read in memory and within limits; nothing is ever extracted."""

from __future__ import annotations

import io
import stat
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from boltmod.errors import DataFormatError
from boltmod.untrusted import read_by

MAX_TOTAL_BYTES = 512 * 2**20
"""Size of all files of a submission together; the largest known one has 30 MB."""

MAX_FILE_BYTES = 128 * 2**20
"""Size of a file that is looked into."""

MAX_FILES = 20_000
MAX_RATIO = 200
"""Highest compression that real files reach; zeros reach 1000, which is what a bomb is made of."""

_RATIO_FREE_BYTES = 2**20
"""Files up to this size may be compressed as they like."""


@dataclass(frozen=True)
class Archive:
    """A zip file that has been looked at and found safe to read.

    Args:
        path: The file; in messages only, if `content` is given.
        content: Its bytes, for an archive within an archive.
    """

    path: Path
    content: bytes | None = None

    def __post_init__(self) -> None:
        with self._open() as file:
            entries = file.infolist()
        if len(entries) > MAX_FILES:
            raise DataFormatError(
                f"{self.path} must hold at most {MAX_FILES:,} files, not {len(entries):,}: "
                "pack the sources alone"
            )
        for entry in entries:
            self._check(entry)
        total = sum(entry.file_size for entry in entries)
        if total > MAX_TOTAL_BYTES:
            raise DataFormatError(
                f"{self.path} must hold at most {MAX_TOTAL_BYTES >> 20} MiB unpacked, not "
                f"{total >> 20:,} MiB: leave data sets out"
            )
        names = [entry.filename for entry in entries]
        if len(set(names)) < len(names):
            twice = Counter(names).most_common(1)[0][0]
            raise DataFormatError(
                f"{self.path} must hold each file once, not {twice!r} twice: pack it again"
            )

    def names(self) -> list[str]:
        """Names of the files in it, folders left out."""
        with self._open() as file:
            return [entry.filename for entry in file.infolist() if not entry.is_dir()]

    def read(self, name: str) -> bytes:
        """Read one file.

        Raises:
            DataFormatError: There is none of that name, it is too large or damaged.
        """
        with self._open() as file:
            try:
                entry = file.getinfo(name)
            except KeyError:
                raise DataFormatError(
                    f"{self.path} must hold {name!r}, and does not: pack it again"
                ) from None
            if entry.file_size > MAX_FILE_BYTES:
                raise DataFormatError(
                    f"{name} in {self.path} must have at most {MAX_FILE_BYTES >> 20} MiB, not "
                    f"{entry.file_size >> 20:,} MiB: make it smaller"
                )
            try:
                with read_by("archives", self.path, "readable", ""), file.open(entry) as stream:
                    return stream.read(MAX_FILE_BYTES)
            except DataFormatError:
                raise DataFormatError(
                    f"{name} in {self.path} must be readable, and is damaged: pack it again"
                ) from None

    def _open(self) -> zipfile.ZipFile:
        way_out = "give the file that `boltmod challenge pack` wrote"
        with read_by("archives", self.path, "a readable zip file", way_out):
            return zipfile.ZipFile(self.path if self.content is None else io.BytesIO(self.content))

    def _check(self, entry: zipfile.ZipInfo) -> None:
        name = entry.filename
        if not name:
            raise DataFormatError(
                f"{self.path} must name each of its files, and one has no name: pack it again"
            )
        if _climbs(name):
            raise DataFormatError(
                f"{self.path} must keep its files within its own folder, not lead to {name!r}: "
                "do not unpack it"
            )
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise DataFormatError(
                f"{self.path} must hold files, not the link {name!r}: pack what it points at"
            )
        if entry.flag_bits & 1:
            raise DataFormatError(
                f"{self.path} must be readable by all, not encrypted ({name!r}): pack it again"
            )
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataFormatError(
                f"{name} in {self.path} must be stored or deflated, not packed by method "
                f"{entry.compress_type}: pack it again with zip"
            )
        ratio = entry.file_size / max(1, entry.compress_size)
        if entry.file_size > _RATIO_FREE_BYTES and ratio > MAX_RATIO:
            raise DataFormatError(
                f"{name} in {self.path} must not swell more than {MAX_RATIO}-fold, not "
                f"{ratio:,.0f}-fold to {entry.file_size >> 20:,} MiB: this looks like a zip bomb"
            )


def _climbs(name: str) -> bool:
    slashed = name.replace("\\", "/")
    parts = PurePosixPath(slashed).parts
    return slashed.startswith("/") or ".." in parts or ":" in slashed or "\0" in name
