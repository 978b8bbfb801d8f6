"""The header of a WAV file that comes through a pipe, which has no length yet."""

from __future__ import annotations

import io
import os
import struct
from typing import BinaryIO

from boltmod.errors import DataFormatError
from boltmod.recording import wav
from boltmod.recording.raw import SampleFormat

_NAME = "standard input"
_MOST_BYTES = 1 << 20
"""A chunk before the samples is no longer."""


def header_of(file: BinaryIO) -> wav.Header | None:
    """Read a pipe up to the samples of a WAV file; None if it does not begin like one.

    Not a byte more is read, and none past Python's buffer: what follows is left in the pipe.

    Raises:
        DataFormatError: It ends within the header, or the samples cannot be read.
    """
    begin = _read(file, 12)
    if begin[:4] not in wav.MAGICS or begin[8:] != b"WAVE":
        return None
    header = None
    try:
        while True:
            name, size = struct.unpack("<4sI", _read(file, 8))
            if name == b"data":
                break
            content = _read(file, min(size + size % 2, _MOST_BYTES))
            if name == b"fmt ":
                header = wav.parse_format(content, _NAME)
    except struct.error:
        header = None
    if header is None:
        raise DataFormatError(
            f"{_NAME} must be a whole WAV header and samples, and is not: check what writes it"
        )
    return header


def sample_format(header: wav.Header) -> SampleFormat:
    """How its samples are stored.

    Raises:
        DataFormatError: It has more channels than two.
    """
    if header.n_channels > 2:
        raise DataFormatError(
            f"{_NAME} must have one real channel, or two, I left and Q right, not "
            f"{header.n_channels}: record those of I and Q alone"
        )
    return header.component if header.n_channels == 1 else header.component.iq


def _read(file: BinaryIO, n_bytes: int) -> bytes:
    try:
        descriptor = file.fileno()
    except io.UnsupportedOperation:
        return file.read(n_bytes)
    content = b""
    while len(content) < n_bytes and (part := os.read(descriptor, n_bytes - len(content))):
        content += part
    return content
