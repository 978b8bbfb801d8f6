"""What a recording is to whoever looks for signals in it: a file's samples, or a stream's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from boltmod.recording.raw import SampleFormat
from boltmod.recording.stretch import Stretch


@runtime_checkable
class Recording(Protocol):
    """Samples of one channel, from a beginning to an end that may not be known.

    Examples:
        >>> import boltmod, numpy as np
        >>> recording: boltmod.Recording = boltmod.ArrayRecording(np.arange(5000) % 7 * 1j)
        >>> [(each.first_sample, len(each.samples)) for each in recording.stretches(2048)]
        [(0, 2048), (2048, 2048), (4096, 904)]
    """

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def sample_format(self) -> SampleFormat:
        """How a sample is stored; of a real one nothing lies below 0 Hz."""

    @property
    def rate_hz(self) -> float | None:
        """Samples a second; None if nobody knows."""

    @property
    def centre_hz(self) -> float | None:
        """Radio frequency that the receiver was tuned to; None if nobody knows."""

    @property
    def first_sample(self) -> int:
        """Number of its first sample; above 0 if it continues another recording."""

    @property
    def n_samples(self) -> int | None:
        """How many there are; None if nobody knows yet."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What had to be assumed, in words, or is worth knowing."""

    def stretches(self, n_samples: int) -> Iterator[Stretch]:
        """Read it from its beginning to its end.

        Args:
            n_samples: Samples a stretch at most.
        """
