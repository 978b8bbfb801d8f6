"""A recording that lies in memory as an array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boltmod.errors import DataFormatError, ShapeError
from boltmod.recording.analytic import Samples, analytic
from boltmod.recording.raw import SampleFormat, check_finite
from boltmod.recording.stretch import Stretch


@dataclass(frozen=True, eq=False)
class ArrayRecording:
    """Samples in memory.

    Args:
        samples: (n,) complex, (n, 2) of I and Q, or (n,) real.
        rate_hz: Samples a second; None if nobody knows.
        centre_hz: Radio frequency that the receiver was tuned to; None if nobody knows.
        name: What messages call it.
        notes: What had to be assumed, in words.

    Examples:
        >>> import boltmod, numpy as np
        >>> recording = boltmod.ArrayRecording(np.ones(4096, complex), 1e6, centre_hz=433.92e6)
        >>> recording.n_samples, recording.rate_hz
        (4096, 1000000.0)
    """

    samples: NDArray[Any]
    rate_hz: float | None = None
    centre_hz: float | None = None
    name: str = "the array"
    notes: tuple[str, ...] = ()

    first_sample = 0

    def __post_init__(self) -> None:
        shape, kind = self.samples.shape, self.samples.dtype.kind
        is_pair = len(shape) == 2 and shape[1] == 2 and kind in "fiu"
        if not is_pair and not (len(shape) == 1 and kind in "cfiu"):
            raise ShapeError(
                f"samples must be (n,) complex or real, or (n, 2) of I and Q, not {shape} "
                f"{self.samples.dtype}: give a recording's samples, and frames to a Classifier"
            )
        if not self.samples.size:
            raise DataFormatError(f"{self.name} must hold samples, and is empty: record again")

    @property
    def sample_format(self) -> SampleFormat:
        """As what it is read; of a real one nothing lies below 0 Hz."""
        is_real = self.samples.ndim == 1 and self.samples.dtype.kind != "c"
        return SampleFormat.RF32 if is_real else SampleFormat.CF32

    @property
    def n_samples(self) -> int:
        """Samples in the recording."""
        return len(self.samples)

    def stretches(self, n_samples: int) -> Iterator[Stretch]:
        """Read the recording from its beginning to its end, without a gap.

        Raises:
            DataFormatError: A sample is not a number, infinite, or beyond 1e15.
        """
        stored = self._blocks(n_samples)
        first_sample = 0
        for block in analytic(stored) if self.sample_format.is_real else stored:
            yield Stretch(first_sample, block)
            first_sample += len(block)

    def _blocks(self, n_samples: int) -> Iterator[Samples]:
        for start in range(0, len(self.samples), n_samples):
            part = self.samples[start : start + n_samples]
            with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
                if part.ndim == 2:
                    block = np.ascontiguousarray(part, np.float32).view(np.complex64)[:, 0]
                else:
                    block = np.ascontiguousarray(part, np.complex64)
            check_finite(block, start, self.name)
            yield block
