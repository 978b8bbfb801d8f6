"""SigMF archives, read without unpacking them: a tar file of one recording, compressed or not.

Source: SigMF 1.2, "SigMF Archives"; `.sigmf.gz`, `.sigmf.xz` and `.sigmf.zip` are compressed.
"""

from __future__ import annotations

import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, cast

import sigmf

from boltmod.errors import DataFormatError, first_line
from boltmod.recording import sigmf_meta
from boltmod.recording.file_names import DATA_SUFFIX, META_SUFFIX
from boltmod.recording.raw import RawRecording
from boltmod.recording.sigmf import Data, recording_of

_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, ValueError, EOFError,
    NotImplementedError, RuntimeError,
)  # fmt: skip
"""What the readers of archives raise where there is none, or a damaged one."""
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
    try:
        members = _members(path)
        meta_names = [name for name in members if name.endswith(META_SUFFIX)]
        if len(meta_names) != 1:
            raise DataFormatError(
                f"{path} must hold one recording, not {len(meta_names)}: "
                f"unpack it with tar -xf {path.name}"
            )
        text = b"".join(members[meta_names[0]].blocks())
    except _DAMAGE as error:
        suffix = path.suffix.lower()
        kind = "a zip file" if suffix == ".zip" else "an uncompressed tar file"
        kind = "a compressed tar file" if suffix in (".gz", ".xz") else kind
        raise DataFormatError(
            f"{path} must be a SigMF archive, {kind}, which it is not ({first_line(error)}): "
            "fetch it again"
        ) from None
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
    mode, opened = next((t for magic, t in _TARS.items() if begin.startswith(magic)), ("r:", None))
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        return {
            each.name: Data(path, each.offset_data, each.size, opened)
            for each in tar
            if each.isfile()
        }


def _open_gzipped(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb"))


def _open_xz(path: Path) -> IO[bytes]:
    return cast(IO[bytes], lzma.open(path, "rb"))


_TARS: dict[bytes, tuple[str, _Open | None]] = {
    b"\x1f\x8b": ("r:gz", _open_gzipped),
    b"\xfd7zXZ": ("r:xz", _open_xz),
}
"""How compressed tar files begin, how they are opened, and what gives their content."""


def _open_zipped(name: str, path: Path) -> IO[bytes]:
    return zipfile.ZipFile(path).open(name)
