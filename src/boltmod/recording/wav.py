"""WAV files: one channel of real samples, or two of I and Q.

Only the header is read here, so that a file of any size, 24 bit samples, and what an interrupted
receiver left behind can be streamed; scipy's and the standard library's readers do two of these.

Source: Microsoft, "Multimedia Programming Interface and Data Specifications 1.0" (RIFF WAVE), the
WAVEFORMATEXTENSIBLE structure; EBU Tech 3306 (RF64).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from boltmod.errors import DataFormatError
from boltmod.recording.raw import RawRecording, SampleFormat

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_UNKNOWN_SIZE = 0xFFFFFFFF
_FORMATS = {
    (_PCM, 8, 1): SampleFormat.RU8,
    (_PCM, 16, 1): SampleFormat.RI16,
    (_PCM, 24, 1): SampleFormat.RI24,
    (_PCM, 32, 1): SampleFormat.RI32,
    (_FLOAT, 32, 1): SampleFormat.RF32,
    (_FLOAT, 64, 1): SampleFormat.RF64,
    (_PCM, 8, 2): SampleFormat.CU8,
    (_PCM, 16, 2): SampleFormat.CI16,
    (_PCM, 24, 2): SampleFormat.CI24,
    (_PCM, 32, 2): SampleFormat.CI32,
    (_FLOAT, 32, 2): SampleFormat.CF32,
    (_FLOAT, 64, 2): SampleFormat.CF64,
}


def open_wav(path: Path) -> RawRecording:
    """Open a WAV file; a length that its header does not know reaches to the end of the file.

    Raises:
        DataFormatError: It is none, has more channels than two, or holds other samples than
            8, 16, 24, 32 bit integers or floats.
    """
    if not path.is_file():
        raise DataFormatError(f"{path} must be a readable file, and is none: check the name")
    with path.open("rb") as file:
        try:
            sample_format, rate_hz, stated_bytes = _read_header(file, path)
        except struct.error:
            raise _unreadable(path, "it ends within its header") from None
        offset = file.tell()
    n_bytes = min(stated_bytes, path.stat().st_size - offset)
    n_bytes -= n_bytes % sample_format.sample_bytes
    return RawRecording(path, sample_format, rate_hz, offset, n_bytes)


def _read_header(file: BinaryIO, path: Path) -> tuple[SampleFormat, float, int]:
    """Sample format, rate in Hz and stated length in bytes; leaves the file at the samples."""
    magic, _, kind = struct.unpack("<4sI4s", file.read(12))
    if magic not in (b"RIFF", b"RF64") or kind != b"WAVE":
        raise _unreadable(path, "it does not begin like one")
    fmt = None
    long_size = None
    while True:
        name, size = struct.unpack("<4sI", file.read(8))
        if name == b"data":
            break
        content = file.read(min(size, 64))
        if name == b"fmt ":
            fmt = content
        elif name == b"ds64":
            long_size = struct.unpack_from("<Q", content, 8)[0]
        file.seek(size - len(content) + size % 2, 1)
    if fmt is None:
        raise _unreadable(path, "it does not say how its samples are stored")
    sample_format, rate_hz = _parse_format(fmt, path)
    if size == _UNKNOWN_SIZE and long_size is not None:
        size = long_size
    elif size in (0, _UNKNOWN_SIZE):
        size = path.stat().st_size
    return sample_format, rate_hz, size


def _parse_format(content: bytes, path: Path) -> tuple[SampleFormat, float]:
    code, n_channels, rate_hz, _, _, n_bits = struct.unpack_from("<HHIIHH", content)
    if code == _EXTENSIBLE:
        code = struct.unpack_from("<H", content, 24)[0]
    if n_channels not in (1, 2):
        raise DataFormatError(
            f"{path} must have one real channel, or two, I left and Q right, not {n_channels}: "
            "record complex samples"
        )
    sample_format = _FORMATS.get((code, n_bits, n_channels))
    if sample_format is None:
        raise DataFormatError(
            f"{path} must hold integers of 8, 16, 24 or 32 bits or floats of 32 or 64, "
            f"not {n_bits} bits of format {code}: convert it"
        )
    if not rate_hz:
        raise _unreadable(path, "its sample rate is 0")
    return sample_format, float(rate_hz)


def _unreadable(path: Path, reason: str) -> DataFormatError:
    return DataFormatError(
        f"{path} must be a readable WAV file, which it is not ({reason}): record again"
    )
