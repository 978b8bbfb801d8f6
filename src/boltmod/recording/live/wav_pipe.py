"""A WAV file that comes through a pipe: its header, which has no length yet, and what follows.

A length that is right is heeded: other chunks lie behind the samples, and among them (KiwiSDR).
"""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from boltmod.errors import DataFormatError
from boltmod.recording import wav
from boltmod.recording.live.byte_source import ByteSource
from boltmod.recording.raw import SampleFormat

_NAME = "standard input"
_MOST_BYTES = 1 << 20
"""A chunk before the samples is no longer."""
_ENDLESS = 1 << 62


@dataclass(frozen=True)
class Beginning:
    """What comes before the samples.

    Args:
        header: How they are stored.
        n_bytes: How many there are before the next chunk, if the header is right.
        centre_hz: Middle of the band; None if nobody says.
    """

    header: wav.Header
    n_bytes: int
    centre_hz: float | None


def beginning_of(file: BinaryIO) -> Beginning | None:
    """Read a pipe up to the samples of a WAV file; None if it does not begin like one.

    Not a byte more is read, and none past Python's buffer: what follows is left in the pipe.

    Raises:
        DataFormatError: It ends within the header, or the samples cannot be read.
    """
    begin = _read(file, 12)
    if begin[:4] not in wav.MAGICS or begin[8:] != b"WAVE":
        return None
    chunks, name, size = wav.Chunks(), b"", 0
    try:
        while name != b"data":
            name, size = struct.unpack("<4sI", _read(file, 8))
            if name != b"data":
                content = _read(file, min(size + size % 2, _MOST_BYTES))
                wav.note(chunks, name, content, _NAME)
    except struct.error:
        chunks.header = None
    if chunks.header is None:
        raise DataFormatError(
            f"{_NAME} must be a whole WAV header and samples, and is not: check what writes it"
        )
    size = chunks.long_bytes or size if size == 0xFFFFFFFF else size
    return Beginning(chunks.header, _length(size), chunks.centre_hz)


def _length(size: int) -> int:
    """How many bytes of samples a header announces, where some programs know no end."""
    return _ENDLESS if size in (0, 0xFFFFFFFF) else size


class WavChunks:
    """The samples of a WAV file in a pipe, without the chunks behind and among them.

    Args:
        source: The pipe, at its first sample.
        n_bytes: How many bytes of samples come before the next chunk.
    """

    def __init__(self, source: ByteSource, n_bytes: int) -> None:
        self._source = source
        self.name, self.about = source.name, source.about
        self._left, self._skipped = n_bytes, n_bytes % 2
        self._held = b""

    @property
    def state(self) -> str:
        """As the source's."""
        return self._source.state

    def read(self, timeout_s: float) -> bytes | None:
        """As `ByteSource.read`."""
        content = self._source.read(timeout_s)
        return self._samples_of(content) or None if content else content

    def _samples_of(self, content: bytes) -> bytes:
        held, samples = self._held + content, b""
        while held and not (self._left + self._skipped == 0 and len(held) < 8):
            if self._left:
                samples += held[: self._left]
                taken = min(self._left, len(held))
                self._left -= taken
            elif self._skipped:
                taken = min(self._skipped, len(held))
                self._skipped -= taken
            else:
                taken = self._begin_chunk(held)
            held = held[taken:]
        self._held = held
        return samples

    def _begin_chunk(self, held: bytes) -> int:
        """Read a chunk's name and length; how many bytes these are."""
        name, size = struct.unpack_from("<4sI", held)
        if not wav.is_name(name):  # the length was wrong, and these are samples
            self._left = _ENDLESS
            return 0
        if name == b"data":
            self._left, self._skipped = _length(size), size % 2
        else:
            self._skipped = size + size % 2
        return 8

    def close(self) -> None:
        """As the source's."""
        self._source.close()


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
