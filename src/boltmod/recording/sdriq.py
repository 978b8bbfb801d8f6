"""SDRangel's recordings: a header of 32 bytes, then I and Q.

Source: SDRangel, `sdrbase/dsp/filerecord.h`: sample rate (32 bits), centre frequency (64), time
(64), bits a component (32), nothing (32), CRC-32 of these 28 bytes, all little-endian; components
of 24 bits are stored in 32.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from boltmod.errors import DataFormatError
from boltmod.recording.raw import RawRecording, SampleFormat

SUFFIX = ".sdriq"
HEADER_BYTES = 32
_HEADER = struct.Struct("<IQQIII")
_FORMATS = {16: SampleFormat.CI16, 24: SampleFormat.CI32}


def is_header(content: bytes) -> bool:
    """Whether a file that begins so is SDRangel's."""
    if len(content) < HEADER_BYTES or not any(content[:28]):
        return False
    return zlib.crc32(content[:28]) == int.from_bytes(content[28:HEADER_BYTES], "little")


def open_sdriq(path: Path) -> RawRecording:
    """Open a recording of SDRangel's.

    Raises:
        DataFormatError: The header is damaged, or tells of other components than 16 or 24 bits.
    """
    with path.open("rb") as file:
        content = file.read(HEADER_BYTES)
    if not is_header(content):
        raise DataFormatError(
            f"{path} must begin with a header of SDRangel's, whose checksum is right, and does "
            "not: record again, or give the format of its samples with --format"
        )
    rate_hz, centre_hz, _, n_bits, _, _ = _HEADER.unpack(content)
    if n_bits not in _FORMATS:
        raise DataFormatError(
            f"{path} must hold components of 16 or 24 bits, not {n_bits}: record again"
        )
    sample_format = _FORMATS[n_bits]
    n_bytes = path.stat().st_size - HEADER_BYTES
    return RawRecording(
        path,
        sample_format,
        float(rate_hz) or None,
        offset_bytes=HEADER_BYTES,
        n_bytes=n_bytes - n_bytes % sample_format.sample_bytes,
        centre_hz=float(centre_hz) or None,
        level=1.0 if n_bits == 16 else 256.0,
    )
