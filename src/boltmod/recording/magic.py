"""What files begin with that hold more than samples: a header is no sample."""

from __future__ import annotations

from pathlib import Path

from boltmod.errors import DataFormatError
from boltmod.recording import sdriq

_MAGICS = (
    (b"RIFF", "a WAV file", ".wav"),
    (b"RF64", "a WAV file", ".wav"),
    (b"BW64", "a WAV file", ".wav"),
    (b"\x93NUMPY", "an array of NumPy's", ".npy"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", ".hdf5"),
    (b"PK\x03\x04", "a zip archive", ".sigmf.zip"),
    (b"\x1f\x8b\x08\x00", "a compressed file", ".sigmf.gz"),
    (b"\x1f\x8b\x08\x08", "a compressed file", ".sigmf.gz"),
    (b"fLaC", "a FLAC file", ".flac"),
    (b"OggS", "an Ogg file", ".ogg"),
)
_LOOKED_AT_BYTES = 64


def refuse_header(path: Path) -> None:
    """Refuse a file of nothing but samples that begins as another kind does.

    Raises:
        DataFormatError: It does.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        found = _kind_of(file.read(_LOOKED_AT_BYTES))
    if found is not None:
        kind, suffix = found
        raise DataFormatError(
            f"{path} must hold nothing but samples, and begins like {kind}: "
            f"name it {path.stem}{suffix} and leave --format out"
        )


def refuse_stream(content: bytes, name: str) -> None:
    """Refuse a stream of samples that begins as a file of another kind does.

    Raises:
        DataFormatError: It does.
    """
    found = _kind_of(content[:_LOOKED_AT_BYTES])
    if found is not None:
        raise DataFormatError(
            f"{name} must bring nothing but samples, and begins like {found[0]}: "
            "leave --format out if it is a WAV file, else convert it"
        )


def _kind_of(content: bytes) -> tuple[str, str] | None:
    """What begins so, and how it should end."""
    for magic, kind, suffix in _MAGICS:
        if content.startswith(magic):
            return kind, suffix
    if sdriq.is_header(content):
        return "a recording of SDRangel's", sdriq.SUFFIX
    return None
