"""WAV files: one channel of real samples, or two of I and Q, or two chosen of several.

Only the header is read here, so that a file of any size, 24 bit samples, and what an interrupted
receiver left behind can be streamed; scipy's and the standard library's readers do two of these.

Source: Microsoft, "Multimedia Programming Interface and Data Specifications 1.0" (RIFF WAVE), the
WAVEFORMATEXTENSIBLE structure; EBU Tech 3306 (RF64), ITU-R BS.2088 (BW64); the `auxi` chunk as
SDR#, HDSDR and ka9q-radio write it (two times of 16 bytes, then the centre frequency in hertz), and
SDR Console (XML that names a RadioCenterFreq); KiwiSDR's kiwiclient, which writes a `kiwi` and a
`data` chunk every 512 samples.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import numpy as np

from boltmod.errors import ConfigError, DataFormatError
from boltmod.recording.analytic import Samples
from boltmod.recording.raw import Lanes, Piece, RawRecording, SampleFormat

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
MAGICS = (b"RIFF", b"RF64", b"BW64")
SUFFIXES = (".wav", ".wave", ".rf64", ".bw64", ".bwf")
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)
_COMPONENTS = {
    (_PCM, 8): SampleFormat.RU8,
    (_PCM, 16): SampleFormat.RI16,
    (_PCM, 24): SampleFormat.RI24,
    (_PCM, 32): SampleFormat.RI32,
    (_FLOAT, 32): SampleFormat.RF32,
    (_FLOAT, 64): SampleFormat.RF64,
}
_COMPARED_INSTANTS = 1 << 16
"""Instants at the beginning in which two channels are compared."""
_MOST_NOTED_BYTES = 1 << 16
_XML_CENTRE = re.compile(rb'RadioCenterFreq="(\d{1,12})(?:\.\d*)?"')


@dataclass(frozen=True)
class Header:
    """What a WAV file says of its samples.

    Args:
        component: How each channel's sample is stored.
        n_channels: Channels.
        rate_hz: Samples a second.
    """

    component: SampleFormat
    n_channels: int
    rate_hz: float

    @property
    def instant_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.n_channels * self.component.sample_bytes


@dataclass
class Chunks:
    """What lies in a file.

    Args:
        header: What the `fmt ` chunk says; None before it has come.
        pieces: Where samples lie.
        long_bytes: Length of the samples, where 32 bits do not hold it.
        centre_hz: What the `auxi` chunk says.
        started: When the first sample was taken, as that chunk says.
        notes: What had to be assumed.
    """

    header: Header | None = None
    pieces: list[Piece] = field(default_factory=list)
    long_bytes: int | None = None
    centre_hz: float | None = None
    started: datetime | None = None
    notes: tuple[str, ...] = ()


def open_wav(path: Path, channels: tuple[int, ...] | None = None) -> RawRecording:
    """Open a WAV file; a length that its header does not know reaches to the end of the file.

    Args:
        path: The file.
        channels: Of several channels the one that is read as real, or those of I and Q, from 1; the
            only one, or both, if None.

    Raises:
        DataFormatError: It is none, or holds other samples than 8, 16, 24, 32 bit integers or
            floats, or more than two channels of which none are chosen.
        ConfigError: There is no such channel.
    """
    with path.open("rb") as file:
        try:
            chunks = _walk(file, path)
        except struct.error:
            raise _unreadable(path, "it ends within its header") from None
    header = chunks.header
    if header is None:
        raise _unreadable(path, "it does not say how its samples are stored")
    taken = _taken(path, header, channels)
    pieces = _whole(chunks.pieces, header.instant_bytes)
    recording = RawRecording(
        path,
        header.component if len(taken) == 1 else header.component.iq,
        header.rate_hz,
        offset_bytes=pieces[0][0],
        n_bytes=pieces[0][1],
        centre_hz=chunks.centre_hz,
        pieces=pieces if len(pieces) > 1 else (),
        lanes=None if taken == tuple(range(header.n_channels)) else Lanes(header.n_channels, taken),
        notes=chunks.notes,
        started=chunks.started,
    )
    is_pair = channels is None and len(taken) == 2 and bool(recording.n_samples)
    if is_pair and are_equal(recording.beginning(_COMPARED_INSTANTS)):
        return replace(
            recording,
            sample_format=header.component,
            lanes=Lanes(2, (0,)),
            notes=(*recording.notes, f"both channels of {path.name} are the same, as of audio: "
                   "one is read, as real samples"),
        )  # fmt: skip
    return recording


def _walk(file: IO[bytes], path: Path) -> Chunks:
    """Everything before and between the samples."""
    n_all = path.stat().st_size
    magic, _, kind = struct.unpack("<4sI4s", file.read(12))
    if magic not in MAGICS or kind != b"WAVE":
        raise _unreadable(path, "it does not begin like one")
    chunks = Chunks()
    while not chunks.pieces or n_all - file.tell() >= 8:
        name, size = struct.unpack("<4sI", file.read(8))
        if name == b"data":
            size = _add_piece(chunks, file, size, path)
        else:
            content = file.read(min(size, _MOST_NOTED_BYTES))
            note(chunks, name, content, str(path))
            file.seek(-len(content), 1)
        end = file.tell() + size
        file.seek(end)
        # A chunk of an odd length has a byte more, which not everybody knows.
        if size % 2 and not is_name(file.read(4)):
            end += 1
        file.seek(end)
    return chunks


def note(chunks: Chunks, name: bytes, content: bytes, source: str) -> None:
    """Take in what a chunk says of the samples.

    Args:
        chunks: What is known so far.
        name: The chunk's.
        content: Its beginning at least.
        source: What messages call the file.
    """
    if name == b"fmt ":
        chunks.header = _parse_format(content, source)
    elif name == b"ds64":
        chunks.long_bytes = struct.unpack_from("<Q", content, 8)[0]
    elif name == b"auxi":
        chunks.centre_hz = _centre_hz(content)
        chunks.started = _started(content)


def _centre_hz(auxi: bytes) -> float | None:
    if b"<" in auxi[:4]:  # XML, in characters of one byte or of two
        match = _XML_CENTRE.search(auxi.replace(b"\x00", b""))
        return float(match[1]) or None if match else None
    return float(struct.unpack_from("<I", auxi, 32)[0]) or None if len(auxi) >= 36 else None


def _started(auxi: bytes) -> datetime | None:
    """The time that the chunk begins with, a Windows SYSTEMTIME in UTC; None if it is none."""
    if auxi[:1] == b"<" or len(auxi) < 16:
        return None
    year, month, _, day, hour, minute, second, milliseconds = struct.unpack_from("<8H", auxi)
    try:
        return datetime(year, month, day, hour, minute, second, milliseconds * 1000, UTC)
    except ValueError:
        return None


def _add_piece(chunks: Chunks, file: IO[bytes], size: int, path: Path) -> int:
    """Note where samples lie; returns how many bytes they are, whatever the header says."""
    start = file.tell()
    left = path.stat().st_size - start
    if size == 0xFFFFFFFF and chunks.long_bytes:
        size = min(chunks.long_bytes, left)  # 64 bits do not wrap
    elif (size in _UNKNOWN_SIZES and not chunks.pieces) or size > left:
        size = left
    elif not any(_goes_on(file, start + end, left - end) for end in {size, size + size % 2}):
        chunks.notes = (
            f"{path.name} says that it holds {size:,} bytes of samples, and holds {left:,}: "
            "all are read",
        )
        size = left
    file.seek(start)
    chunks.pieces.append((start, size))
    return size


def _goes_on(file: IO[bytes], place: int, left: int) -> bool:
    """Whether a file ends there, or another chunk follows: else the length was wrong."""
    if left < 8:
        return True
    file.seek(place)
    name, size = struct.unpack("<4sI", file.read(8))
    return is_name(name) and bool(size <= left - 8 or (name == b"data" and size == 0xFFFFFFFF))


def is_name(name: bytes) -> bool:
    """Whether a chunk may be called so."""
    return len(name) == 4 and name.isascii() and name.decode("ascii").isprintable()


def _parse_format(content: bytes, name: str) -> Header:
    """Read a `fmt ` chunk: samples lie in whole bytes, at the upper end of them."""
    code, n_channels, rate_hz, _, instant_bytes, n_bits = struct.unpack_from("<HHIIHH", content)
    if code == _EXTENSIBLE:
        code = struct.unpack_from("<H", content, 24)[0]
    if n_channels and instant_bytes % n_channels == 0:
        n_bits = max(n_bits, 8 * instant_bytes // n_channels)
    component = _COMPONENTS.get((code, n_bits))
    if component is None:
        raise DataFormatError(
            f"{name} must hold integers of 8, 16, 24 or 32 bits or floats of 32 or 64, "
            f"not {n_bits} bits of format {code}: convert it"
        )
    if not rate_hz or not n_channels:
        raise _unreadable(name, "its sample rate is 0" if n_channels else "it has no channel")
    return Header(component, n_channels, float(rate_hz))


def _taken(path: Path, header: Header, channels: tuple[int, ...] | None) -> tuple[int, ...]:
    """Places of the channels to read, from 0."""
    if channels is None:
        if header.n_channels > 2:
            raise DataFormatError(
                f"{path} must have one real channel, or two, I left and Q right, not "
                f"{header.n_channels}: choose with --channels 1,2"
            )
        return tuple(range(header.n_channels))
    if len(channels) > 2 or not all(0 < each <= header.n_channels for each in channels):
        raise ConfigError(
            f"channels must be one or two of the {header.n_channels} of {path}, from 1, "
            f"not {','.join(map(str, channels))}: choose others"
        )
    return tuple(each - 1 for each in channels)


def _whole(pieces: list[Piece], instant_bytes: int) -> tuple[Piece, ...]:
    """Without what is left over at the end of each, for it is no sample."""
    return tuple((start, size - size % instant_bytes) for start, size in pieces)


def are_equal(samples: Samples) -> bool:
    """Whether I and Q are the same, and not constant."""
    left, right = samples.view(np.float32).reshape(-1, 2).T
    return bool(len(left) and np.array_equal(left, right) and left.min() < left.max())


def _unreadable(path: Path | str, reason: str) -> DataFormatError:
    return DataFormatError(
        f"{path} must be a readable WAV file, which it is not ({reason}): record again"
    )
