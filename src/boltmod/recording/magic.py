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


def refuse_header(path: Path) -> None:
    """Refuse a file of nothing but samples that begins as another kind does.

    Raises:
        DataFormatError: It does.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        content = file.read(64)
    for magic, kind, suffix in _MAGICS:
        if content.startswith(magic):
            raise _refusal(path, kind, suffix)
    if sdriq.is_header(content):
        raise _refusal(path, "a recording of SDRangel's", sdriq.SUFFIX)


def _refusal(path: Path, kind: str, suffix: str) -> DataFormatError:
    return DataFormatError(
        f"{path} must hold nothing but samples, and begins like {kind}: "
        f"name it {path.stem}{suffix} and leave --format out"
    )
