"""What files begin with that hold more than samples: a header is no sample."""

from __future__ import annotations

from pathlib import Path

from boltmod.errors import DataFormatError
from boltmod.recording import sdriq

_WAV = (b"RIFF", b"RF64", b"BW64")
_MAGICS = {
    **dict.fromkeys(_WAV, ("a WAV file", ".wav")),
    b"\x93NUMPY": ("an array of NumPy's", ".npy"),
    b"PK\x03\x04": ("a zip archive", ".sigmf.zip"),
    b"\x1f\x8b\x08\x00": ("a compressed file", ".sigmf.gz"),
    b"\x1f\x8b\x08\x08": ("a compressed file", ".sigmf.gz"),
    b"\xfd7zXZ\x00": ("a compressed file", ".sigmf.xz"),
}
"""What boltmod reads, and how it should end."""
_OTHERS = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"MATLAB 5.0 MAT-file": "a file of MATLAB's",
    b"fLaC": "a FLAC file",
    b"OggS": "an Ogg file",
    b"FORM": "an AIFF file",
    b"RIFX": "a WAV file of big-endian samples",
    b"riff\x2e\x91\xcf\x11": "a Wave64 file",
    b"caff\x00\x01": "a Core Audio file",
    b".snd\x00\x00": "a file of Sun audio",
    b"ZIQ_": "a compressed baseband of SatDump's",
    b"\x28\xb5\x2f\xfd": "a file that zstd has compressed",
    b"BZh91AY&SY": "a file that bzip2 has compressed",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"RTL0\x00\x00\x00": "what rtl_tcp sends, 12 bytes before the samples",
    b"BLUE": "a file of Midas Blue",
    b'{"': "JSON",
    b"{\n": "JSON",
    b"<?xml": "XML",
}
"""What it does not read: to be converted."""
_LOOKED_AT_BYTES = 512
_TAR = (257, b"ustar")


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
        way_out = f"name it {path.stem}{suffix} and leave --format out" if suffix else "convert it"
        raise DataFormatError(
            f"{path} must hold nothing but samples, and begins like {kind}: {way_out}"
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
    """What begins so, and how it should end if boltmod reads it."""
    for magic, found in _MAGICS.items():
        if content.startswith(magic):
            return found
    if content[_TAR[0] :].startswith(_TAR[1]):
        return "an archive", ".sigmf"
    if sdriq.is_header(content):
        return "a recording of SDRangel's", sdriq.SUFFIX
    return next(((kind, "") for magic, kind in _OTHERS.items() if content.startswith(magic)), None)
