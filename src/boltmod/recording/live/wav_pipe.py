"""A WAV file that comes through a pipe: its header, which has no length yet, and what follows.

A length that is right is heeded: other chunks lie behind the samples, and among them (KiwiSDR).
"""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from boltmod.errors import DataFormatError
from boltmod.recording import wav
from boltmod.recording.live.byte_source import ByteSource
from boltmod.recording.raw import Lanes, SampleFormat

_NAME = "standard input"
_MOST_BYTES = 1 << 20
"""A chunk before the samples is no longer."""
_ENDLESS = 1 << 62
_COMPARED_INSTANTS = 1024
"""Instants of two channels that are waited for: a window."""


@dataclass(frozen=True)
class Beginning:
    """What comes before the samples.

    Args:
        header: How they are stored.
        n_bytes: How many there are before the next chunk, if the header is right.
        centre_hz: Middle of the band; None if nobody says.
        first: The first samples, which have been read to look at them.
        started: When the first sample was taken; None if nobody says.
    """

    header: wav.Header
    n_bytes: int
    centre_hz: float | None
    first: bytes = b""
    started: datetime | None = None

    @property
    def is_audio(self) -> bool:
        """Whether both channels begin alike, as those of audio do and I and Q do not."""
        if self.header.n_channels != 2:
            return False
        whole = len(self.first) // self.header.instant_bytes * self.header.instant_bytes
        return wav.are_equal(self.header.component.iq.decode(self.first[:whole]))

    @property
    def sample_format(self) -> SampleFormat:
        """How the samples are stored.

        Raises:
            DataFormatError: There are more channels than two.
        """
        n_channels, component = self.header.n_channels, self.header.component
        if n_channels > 2:
            raise DataFormatError(
                f"{_NAME} must have one real channel, or two, I left and Q right, not "
                f"{n_channels}: record those of I and Q alone"
            )
        return component if n_channels == 1 or self.is_audio else component.iq


def beginning_of(file: BinaryIO) -> Beginning | None:
    """Read a pipe up to the samples of a WAV file; None if it does not begin like one.

    No byte is read past Python's buffer: what follows is left in the pipe. Of two channels the
    first samples are waited for, to see whether they are alike.

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
    n_bytes = _length(size)
    looked_at = min(n_bytes, _COMPARED_INSTANTS * chunks.header.instant_bytes)
    first = _read(file, looked_at) if chunks.header.n_channels == 2 else b""
    return Beginning(chunks.header, n_bytes, chunks.centre_hz, first, chunks.started)


def _length(size: int) -> int:
    """How many bytes of samples a header announces, where some programs know no end."""
    return _ENDLESS if size in (0, 0xFFFFFFFF) else size


class WavChunks:
    """The samples of a WAV file in a pipe, without the chunks behind and among them.

    Args:
        source: The pipe.
        begun: What has been read of it.
    """

    def __init__(self, source: ByteSource, begun: Beginning) -> None:
        self._source = source
        self.name, self.about = source.name, source.about
        self._left, self._skipped = begun.n_bytes, begun.n_bytes % 2
        self._held, self._first, self._instant = b"", begun.first, b""
        self._lanes: Lanes | None = None
        self._component_bytes = begun.header.component.component_bytes
        if begun.is_audio:
            self._lanes = Lanes(2, (0,))
            self.about = "both channels are the same, as of audio: one is read, as real samples"

    @property
    def state(self) -> str:
        """As the source's."""
        return self._source.state

    def read(self, timeout_s: float) -> bytes | None:
        """As `ByteSource.read`."""
        content: bytes | None = self._first
        self._first = b""
        content = content or self._source.read(timeout_s)
        return self._taken(self._samples_of(content)) or None if content else content

    def _taken(self, samples: bytes) -> bytes:
        """Of two channels that are the same, one."""
        if self._lanes is None:
            return samples
        samples = self._instant + samples
        whole = len(samples) // (2 * self._component_bytes) * 2 * self._component_bytes
        self._instant = samples[whole:]
        return self._lanes.of(samples[:whole], self._component_bytes)

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


def _read(file: BinaryIO, n_bytes: int) -> bytes:
    try:
        descriptor = file.fileno()
    except io.UnsupportedOperation:
        return file.read(n_bytes)
    content = b""
    while len(content) < n_bytes and (part := os.read(descriptor, n_bytes - len(content))):
        content += part
    return content
