"""Recordings that are nothing but samples, I and Q in turn, and the table of sample formats.

Source: SigMF 1.2, "Dataset Format" (names of datatypes); file endings as GNU Radio, librtlsdr,
hackrf_transfer, inspectrum, PortaPack, bladeRF-cli and Universal Radio Hacker write them;
libbladeRF, "SC16 Q11" (12 bits in 16: full scale is 2048).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import IO

import numpy as np

from boltmod.errors import ConfigError, DataFormatError
from boltmod.recording.analytic import Samples, analytic
from boltmod.recording.stretch import Stretch
from boltmod.untrusted import read_by

_LARGEST = 1e15
_Q11_WORDS = ("sc16q11", "sc16_q11")


def level_of(word: str) -> float:
    """What samples are to be multiplied by whose format somebody gives this name or ending."""
    return 16.0 if word.lower().removeprefix(".") in _Q11_WORDS else 1.0


class SampleFormat(Enum):
    """How one sample is stored: SigMF datatype, component, its zero, full scale, file endings.

    Unsigned components have their zero half a step above the middle code, as converters do. Real
    samples (datatypes beginning with r) are read as the analytic signal of their positive
    frequencies. The 24 bit formats are those of WAV files, SigMF has none.
    """

    CF32 = ("cf32_le", "<f4", 0.0, 1.0, (".cf32", ".fc32", ".cfile", ".complex", ".c64",
                                         ".complex64"))  # fmt: skip
    CI16 = ("ci16_le", "<i2", 0.0, 32768.0, (".ci16", ".cs16", ".sc16", ".c16", ".sc16q11",
                                             ".sc16_q11", ".complex32s"))  # fmt: skip
    CI8 = ("ci8", "i1", 0.0, 128.0, (".ci8", ".cs8", ".sc8", ".c8", ".sc8q7", ".sc8_q7",
                                     ".complex16s"))  # fmt: skip
    CU8 = ("cu8", "u1", 127.5, 127.5, (".cu8", ".uc8", ".complex16u"))
    CF64 = ("cf64_le", "<f8", 0.0, 1.0, (".cf64", ".fc64", ".c128", ".complex128"))
    CI32 = ("ci32_le", "<i4", 0.0, 2.0**31, (".ci32", ".cs32", ".sc32", ".c32"))
    CI24 = ("ci24_le", "<i4", 0.0, 2.0**31, (".ci24", ".cs24"))
    CU16 = ("cu16_le", "<u2", 32767.5, 32767.5, (".cu16", ".complex32u"))
    CU32 = ("cu32_le", "<u4", 2.0**31 - 0.5, 2.0**31 - 0.5, (".cu32",))
    RF32 = ("rf32_le", "<f4", 0.0, 1.0, (".rf32", ".f32", ".f32le"))
    RF64 = ("rf64_le", "<f8", 0.0, 1.0, (".rf64", ".f64", ".f64le"))
    RI32 = ("ri32_le", "<i4", 0.0, 2.0**31, (".ri32", ".rs32"))
    RI24 = ("ri24_le", "<i4", 0.0, 2.0**31, (".ri24", ".rs24"))
    RI16 = ("ri16_le", "<i2", 0.0, 32768.0, (".ri16", ".rs16", ".s16", ".s16le"))
    RI8 = ("ri8", "i1", 0.0, 128.0, (".ri8", ".rs8", ".s8"))
    RU32 = ("ru32_le", "<u4", 2.0**31 - 0.5, 2.0**31 - 0.5, ())
    RU16 = ("ru16_le", "<u2", 32767.5, 32767.5, (".ru16", ".u16"))
    RU8 = ("ru8", "u1", 127.5, 127.5, (".ru8", ".u8"))
    CF32_BE = ("cf32_be", ">f4", 0.0, 1.0, ())
    CF64_BE = ("cf64_be", ">f8", 0.0, 1.0, ())
    CI32_BE = ("ci32_be", ">i4", 0.0, 2.0**31, ())
    CI16_BE = ("ci16_be", ">i2", 0.0, 32768.0, ())
    CU32_BE = ("cu32_be", ">u4", 2.0**31 - 0.5, 2.0**31 - 0.5, ())
    CU16_BE = ("cu16_be", ">u2", 32767.5, 32767.5, ())
    RF32_BE = ("rf32_be", ">f4", 0.0, 1.0, ())
    RF64_BE = ("rf64_be", ">f8", 0.0, 1.0, ())
    RI32_BE = ("ri32_be", ">i4", 0.0, 2.0**31, ())
    RI16_BE = ("ri16_be", ">i2", 0.0, 32768.0, ())
    RU32_BE = ("ru32_be", ">u4", 2.0**31 - 0.5, 2.0**31 - 0.5, ())
    RU16_BE = ("ru16_be", ">u2", 32767.5, 32767.5, ())

    def __init__(
        self,
        sigmf_datatype: str,
        component: str,
        zero: float,
        full_scale: float,
        suffixes: tuple[str, ...],
    ) -> None:
        self.sigmf_datatype = sigmf_datatype
        self.component = np.dtype(component)
        self.zero = zero
        self.full_scale = full_scale
        self.suffixes = suffixes

    @property
    def label(self) -> str:
        """The name on the command line: the SigMF datatype, little-endian being understood."""
        return self.sigmf_datatype.removesuffix("_le")

    @property
    def is_real(self) -> bool:
        """Whether a sample is one real number."""
        return self.sigmf_datatype.startswith("r")

    @property
    def real(self) -> SampleFormat:
        """The same components, each a real sample."""
        return SampleFormat.named("r" + self.sigmf_datatype[1:])

    @property
    def iq(self) -> SampleFormat:
        """The same components, I and Q in turn."""
        return SampleFormat.named("c" + self.sigmf_datatype[1:])

    @property
    def component_bytes(self) -> int:
        """Bytes of one component."""
        return 3 if self._is_packed else self.component.itemsize

    @property
    def n_components(self) -> int:
        """Components of one sample."""
        return 1 if self.is_real else 2

    @property
    def _is_packed(self) -> bool:
        return self in (SampleFormat.CI24, SampleFormat.RI24)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample."""
        return self.component_bytes * self.n_components

    @classmethod
    def named(cls, name: str) -> SampleFormat:
        """Look a format up by its command line name, SigMF datatype, or ending; case is ignored.

        Raises:
            ConfigError: There is none of that name.
        """
        word = name.lower().removeprefix(".")
        for each in cls:
            if word in (each.label, each.sigmf_datatype) or f".{word}" in each.suffixes:
                return each
        known = ", ".join(each.label for each in cls)
        raise ConfigError(f"sample format must be one of {known}, not {name!r}: choose one of them")

    @classmethod
    def of_suffix(cls, path: Path) -> SampleFormat:
        """Tell a format from a file's ending.

        Raises:
            ConfigError: The ending does not say.
        """
        for each in cls:
            if path.suffix.lower() in each.suffixes:
                return each
        raise ConfigError(
            f"sample format of {path} must be given, for its ending does not tell: "
            "add --format cf32, ci16, ci8 or cu8"
        )

    def decode(self, content: bytes) -> Samples:
        """Turn stored bytes into samples, full scale being 1; real ones as complex numbers."""
        if self._is_packed:
            widened = np.zeros((len(content) // 3, 4), np.uint8)
            widened[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
            content = widened.tobytes()
        stored = np.frombuffer(content, self.component)
        if stored.dtype.itemsize == 8:
            limit = np.finfo(np.float32).max
            stored = np.where(np.isfinite(stored), stored.clip(-limit, limit), stored)
        components = stored.astype(np.float32)
        if self.full_scale != 1.0:
            components -= np.float32(self.zero)
            components /= np.float32(self.full_scale)
        return components.astype(np.complex64) if self.is_real else components.view(np.complex64)


@dataclass(frozen=True)
class Lanes:
    """Which components of several channels that are stored in turn make up the samples.

    Args:
        n_stored: Components that are stored for each instant.
        taken: Places of those that are taken, from 0: one, or that of I and that of Q.
    """

    n_stored: int
    taken: tuple[int, ...]

    def of(self, content: bytes, component_bytes: int) -> bytes:
        """The components taken of whole instants."""
        stored = np.frombuffer(content, np.uint8).reshape(-1, self.n_stored, component_bytes)
        return stored[:, self.taken].tobytes()


Piece = tuple[int, int]
"""Where samples lie in a file: first byte and number of bytes."""


@dataclass(frozen=True)
class RawRecording:
    """A stretch of a file that holds samples and nothing else.

    Args:
        path: The file.
        sample_format: How a sample is stored.
        rate_hz: Samples a second; None if nobody knows.
        offset_bytes: Where the samples begin.
        n_bytes: How long they are; up to the end of the file if None.
        centre_hz: Radio frequency that the receiver was tuned to; None if nobody knows.
        pieces: Where the samples lie, if other things lie between them; else the two above tell.
        lanes: What is taken of several channels; None if there is one.
        first_sample: Number of the first sample, if this is the continuation of another file.
        notes: What had to be assumed, in words.
        opened: Opens a file whose samples do not lie in it as they are, a compressed one; what it
            gives holds them where the offsets say.
        level: What the samples are multiplied by, if full scale is not the sample format's.
        started: When the first sample of a recording was taken, in UTC; None if nobody knows.
        meta_path: The `.sigmf-meta` file that it was opened by, if it was.
    """

    path: Path
    sample_format: SampleFormat
    rate_hz: float | None = None
    offset_bytes: int = 0
    n_bytes: int | None = None
    centre_hz: float | None = None
    pieces: tuple[Piece, ...] = ()
    lanes: Lanes | None = None
    first_sample: int = 0
    notes: tuple[str, ...] = ()
    opened: Callable[[Path], IO[bytes]] | None = None
    level: float = 1.0
    started: datetime | None = None
    meta_path: Path | None = None

    def __post_init__(self) -> None:
        if not self.path.is_file():
            raise DataFormatError(
                f"{self.path} must be a readable file, and is none: check the name"
            )
        if self._stored_bytes <= 0:
            raise DataFormatError(f"{self.path} must hold samples, and is empty: record again")
        if self._stored_bytes % self.instant_bytes:
            raise DataFormatError(
                f"{self.path} must hold whole {self.sample_format.label} samples of "
                f"{self.instant_bytes} bytes, not {self._stored_bytes} bytes: "
                "give its true format, or record again"
            )

    @property
    def _stored_bytes(self) -> int:
        if self.pieces:
            return sum(n_bytes for _, n_bytes in self.pieces)
        if self.n_bytes is not None:
            return self.n_bytes
        return max(0, self.path.stat().st_size - self.offset_bytes)

    @property
    def instant_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        if self.lanes is None:
            return self.sample_format.sample_bytes
        return self.lanes.n_stored * self.sample_format.component_bytes

    @property
    def name(self) -> str:
        """What messages call the recording."""
        return str(self.path)

    @property
    def n_samples(self) -> int:
        """Samples in the recording."""
        return self._stored_bytes // self.instant_bytes

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """Where its samples lie in the file: first byte and number of samples of each piece."""
        pieces = self.pieces or ((self.offset_bytes, self._stored_bytes),)
        return tuple((start, n_bytes // self.instant_bytes) for start, n_bytes in pieces)

    @property
    def n_trailing_bytes(self) -> int:
        """Bytes of the file behind the last sample."""
        start, n_samples = self.places[-1]
        return max(0, self.path.stat().st_size - start - n_samples * self.instant_bytes)

    def stretches(self, n_samples: int) -> Iterator[Stretch]:
        """Read the recording from its beginning to its end, without a gap.

        Real samples come as their analytic signal, so that nothing lies below 0 Hz.

        Args:
            n_samples: Samples a stretch; the last one may be shorter.

        Raises:
            DataFormatError: A sample is not a number or infinite, or the file ends early.
        """
        stored = self._stored_blocks(n_samples)
        first_sample = self.first_sample
        for block in analytic(stored) if self.sample_format.is_real else stored:
            yield Stretch(first_sample, block)
            first_sample += len(block)

    def part(self, first_sample: int, n_samples: int) -> RawRecording:
        """Some of its samples as a recording of their own, which must lie within it."""
        skipped = (first_sample - self.first_sample) * self.instant_bytes
        wanted = n_samples * self.instant_bytes
        pieces: list[Piece] = []
        for start, length in self.pieces or ((self.offset_bytes, self._stored_bytes),):
            taken = min(max(0, length - skipped), wanted)
            if taken:
                pieces.append((start + skipped, taken))
            wanted -= taken
            skipped = max(0, skipped - length)
        return replace(self, pieces=tuple(pieces), first_sample=first_sample)

    def beginning(self, n_samples: int) -> Samples:
        """Its first samples as they are stored, unchecked."""
        return self._decoded(next(self._contents(n_samples * self.instant_bytes)))

    def _decoded(self, content: bytes) -> Samples:
        if self.lanes is not None:
            content = self.lanes.of(content, self.sample_format.component_bytes)
        samples = self.sample_format.decode(content)
        return samples if self.level == 1.0 else samples * np.float32(self.level)

    def _stored_blocks(self, n_samples: int) -> Iterator[Samples]:
        done = 0
        for content in self._contents(n_samples * self.instant_bytes):
            block = self._decoded(content)
            check_finite(block, done, self.name)
            yield block
            done += len(block)

    def _contents(self, n_bytes: int) -> Iterator[bytes]:
        """The stored bytes, so many at a time; what lies between pieces is passed over."""
        held: list[bytes] = []
        n_held = 0
        with self.path.open("rb") if self.opened is None else self.opened(self.path) as file:
            for offset, length in self.pieces or ((self.offset_bytes, self._stored_bytes),):
                self._read(file, 0, offset)
                while length:
                    content = self._read(file, min(length, n_bytes - n_held))
                    if not content:
                        raise DataFormatError(
                            f"{self.path} must hold {self.n_samples} samples, and ends before: "
                            "let the recording finish"
                        )
                    held.append(content)
                    n_held += len(content)
                    length -= len(content)
                    if n_held == n_bytes:
                        yield b"".join(held)
                        held, n_held = [], 0
        if n_held:
            yield b"".join(held)

    def _read(self, file: IO[bytes], n_bytes: int, place: int | None = None) -> bytes:
        """Some bytes, from a place on if one is given."""
        with read_by("archives", self.path, "readable to its end", "fetch it again"):
            if place is not None:
                file.seek(place)
            return file.read(n_bytes)


def check_finite(block: Samples, start: int, name: str) -> None:
    """Refuse samples that are no numbers, or too large for arithmetic in single precision.

    Args:
        block: The samples.
        start: Number of the first one.
        name: Where they come from.

    Raises:
        DataFormatError: One is not a number, infinite, or beyond 1e15.
    """
    parts = block.view(np.float32)
    # A signalling NaN warns wherever it is touched, even where it is printed.
    with np.errstate(invalid="ignore"):
        if not len(parts) or (parts.min() > -_LARGEST and parts.max() < _LARGEST):
            return
        finite = (np.abs(parts) < _LARGEST).reshape(-1, 2).all(axis=1)
        first = int(np.argmin(finite))
        found = f"{block[first]}"
    raise DataFormatError(
        f"{name} must hold finite samples, not {found} at sample "
        f"{start + first}: give its true format, or record again"
    )
