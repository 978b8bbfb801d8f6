"""Samples that come through a pipe and can be read once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from boltmod.data.analytic import Samples, analytic
from boltmod.data.raw import SampleFormat, check_finite
from boltmod.errors import DataFormatError


@dataclass(frozen=True)
class PipedRecording:
    """Samples of an open file that cannot be rewound, standard input for one.

    Args:
        file: Where they come from.
        sample_format: How a sample is stored.
        rate_hz: Samples a second; None if nobody knows.
        name: What messages call it.
        centre_hz: Radio frequency that the receiver was tuned to; None if nobody knows.
    """

    file: BinaryIO
    sample_format: SampleFormat
    rate_hz: float | None = None
    name: str = "standard input"
    centre_hz: float | None = None

    @property
    def n_samples(self) -> None:
        """Nobody knows how many will come."""
        return None

    def blocks(self, n_samples: int) -> Iterator[Samples]:
        """Read what comes, a block at a time, until the other end closes.

        A part of a sample at the very end is left out, for whoever writes may be stopped anywhere.

        Args:
            n_samples: Samples a block; the last block may be shorter.

        Raises:
            DataFormatError: A sample is not a number or infinite, or none came at all.
        """
        stored = self._stored_blocks(n_samples)
        return analytic(stored) if self.sample_format.is_real else stored

    def _stored_blocks(self, n_samples: int) -> Iterator[Samples]:
        done = 0
        wanted = n_samples * self.sample_format.sample_bytes
        while True:
            content = _read_whole(self.file, wanted)
            n_read = len(content) // self.sample_format.sample_bytes
            if n_read:
                block = self.sample_format.decode(
                    content[: n_read * self.sample_format.sample_bytes]
                )
                check_finite(block, done, self.name)
                yield block
                done += n_read
            if len(content) < wanted:
                break
        if not done:
            raise DataFormatError(
                f"{self.name} must bring samples, and brought none: check what writes to it"
            )


def _read_whole(file: BinaryIO, n_bytes: int) -> bytes:
    """Read that many bytes, fewer only at the end; a pipe gives what it has, which may be less."""
    parts = []
    while n_bytes and (part := file.read(n_bytes)):
        parts.append(part)
        n_bytes -= len(part)
    return b"".join(parts)
