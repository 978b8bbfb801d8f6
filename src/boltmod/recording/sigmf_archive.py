"""SigMF archives, read without unpacking them: a tar file of one recording, compressed or not.

Source: SigMF 1.2, "SigMF Archives"; `.sigmf.gz`, `.sigmf.xz` and `.sigmf.zip` are compressed.
"""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, cast

import sigmf

from boltmod.errors import DataFormatError
from boltmod.recording import sigmf_meta
from boltmod.recording.file_names import DATA_SUFFIX, META_SUFFIX
from boltmod.recording.raw import RawRecording
from boltmod.recording.sigmf import Data, recording_of
from boltmod.untrusted import MOST_TEXT_BYTES, read_by

_MOST_HEADER_BYTES = 1 << 26
"""Read at once of a tar file: its samples are not read by way of it."""
_MOST_MEMBERS = 10_000
_Open = Callable[[Path], IO[bytes]]


def open_archive(path: Path, channels: tuple[int, ...] | None = None) -> RawRecording:
    """Open a SigMF archive.

    Args:
        path: A `.sigmf`, `.sigmf.gz`, `.sigmf.xz` or `.sigmf.zip` file.
        channels: Of several channels the one to read, from 1.

    Raises:
        DataFormatError: It is no archive, holds none or several recordings, or the recording in
            it is refused as `open_sigmf` would.
    """
    suffix = path.suffix.lower()
    kind = "a zip file" if suffix == ".zip" else "an uncompressed tar file"
    kind = "a compressed tar file" if suffix in (".gz", ".xz") else kind
    with read_by("archives", path, f"a SigMF archive, {kind}", "fetch it again"):
        members = _members(path)
        meta_names = [name for name in members if name.endswith(META_SUFFIX)]
        if len(meta_names) != 1:
            raise DataFormatError(
                f"{path} must hold one recording, not {len(meta_names)}: "
                f"unpack it with tar -xf {path.name}"
            )
        if members[meta_names[0]].size > MOST_TEXT_BYTES:
            raise DataFormatError(
                f"{path} must hold metadata of at most {MOST_TEXT_BYTES >> 20} MiB, and holds "
                "more: leave annotations out"
            )
        text = b"".join(members[meta_names[0]].blocks())
    meta = sigmf_meta.parse(text, path / meta_names[0])
    data = members.get(meta_names[0].removesuffix(META_SUFFIX) + DATA_SUFFIX)
    if data is None:
        raise DataFormatError(f"{path} must hold the samples too, and does not: archive both files")
    recording = recording_of(meta, data, channels)
    if not data.has_sha512(meta.facts.get(sigmf.SHA512_KEY)):
        raise DataFormatError(
            f"{path} must hold the samples that its metadata's checksum names, and holds others: "
            "fetch it again"
        )
    return recording


def _members(path: Path) -> dict[str, Data]:
    """The files in an archive, by their names."""
    with path.open("rb") as file:
        begin = file.read(6)
    if begin.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            return {
                each.filename: Data(path, 0, each.file_size, partial(_open_zipped, each.filename))
                for each in archive.infolist()
                if not each.is_dir()
            }
    opened = next((t for magic, t in _TARS.items() if begin.startswith(magic)), None)
    with path.open("rb") as raw:
        content = cast(IO[bytes], raw) if opened is None else opened(path)
        with content, tarfile.open(fileobj=_Headers(content), mode="r:") as tar:
            return _of_tar(tar, path, opened)


def _of_tar(tar: tarfile.TarFile, path: Path, opened: _Open | None) -> dict[str, Data]:
    members: dict[str, Data] = {}
    for n_seen, each in enumerate(tar):
        if n_seen >= _MOST_MEMBERS:
            raise DataFormatError(f"{path} must hold one recording, and holds a whole disk")
        if each.issparse():
            raise DataFormatError(
                f"{path} must hold its samples as they are, and {each.name} is sparse: archive "
                "them without --sparse"
            )
        if each.isfile():
            members[each.name] = Data(path, each.offset_data, each.size, opened)
    return members


class _Headers(io.BufferedIOBase):
    """A tar file of which headers are read, and no more at once than a header may have.

    Args:
        content: The file, unpacked.
    """

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content

    def read(self, n_bytes: int | None = -1, /) -> bytes:
        if n_bytes is None or not 0 <= n_bytes <= _MOST_HEADER_BYTES:
            raise tarfile.ReadError("a header of it is longer than any file's")
        return self._content.read(n_bytes)

    def seek(self, place: int, whence: int = io.SEEK_SET, /) -> int:
        return self._content.seek(place, whence)

    def tell(self) -> int:
        return self._content.tell()


def _open_gzipped(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb"))


def _open_xz(path: Path) -> IO[bytes]:
    return cast(IO[bytes], lzma.open(path, "rb"))


_TARS: dict[bytes, _Open] = {b"\x1f\x8b": _open_gzipped, b"\xfd7zXZ": _open_xz}
"""How compressed tar files begin, and what gives their content."""


def _open_zipped(name: str, path: Path) -> IO[bytes]:
    with read_by("archives", path, "a SigMF archive that can be read", "fetch it again"):
        return zipfile.ZipFile(path).open(name)
