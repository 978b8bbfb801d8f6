"""A file that is played back as if it were received now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from boltmod.recording.clock import zero_of
from boltmod.recording.raw import SampleFormat
from boltmod.recording.recording import Recording
from boltmod.recording.stretch import Stretch


@dataclass(frozen=True)
class Paced:
    """A recording whose samples come at its rate.

    Args:
        recording: The recording; its rate must be known.
        is_endless: Whether it begins again when it ends.
        clock: Seconds that pass.
        sleep: Waits for some of them.
    """

    recording: Recording
    is_endless: bool = False
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    n_samples = None

    @property
    def first_sample(self) -> int:
        """The recording's."""
        return self.recording.first_sample

    @property
    def name(self) -> str:
        """The recording's."""
        return self.recording.name

    @property
    def sample_format(self) -> SampleFormat:
        """The recording's."""
        return self.recording.sample_format

    @property
    def rate_hz(self) -> float | None:
        """The recording's."""
        return self.recording.rate_hz

    @property
    def centre_hz(self) -> float | None:
        """The recording's."""
        return self.recording.centre_hz

    @property
    def notes(self) -> tuple[str, ...]:
        """The recording's."""
        return self.recording.notes

    @property
    def zero(self) -> datetime | None:
        """When its sample number 0 was taken; None if nobody knows, or if it is played again."""
        return None if self.is_endless else zero_of(self.recording)

    @property
    def repeats_after(self) -> int | None:
        """Samples after which it is played again; None if it is not, or its length is unknown."""
        return self.recording.n_samples if self.is_endless else None

    def stretches(self, n_samples: int) -> Iterator[Stretch]:
        """Give out its samples, each when as much time has passed as lies before its end."""
        rate_hz = self.recording.rate_hz or 1.0
        first = end = self.first_sample
        began = self.clock()
        while True:
            for stretch in self.recording.stretches(n_samples):
                early_s = began + (end + len(stretch.samples) - first) / rate_hz - self.clock()
                if early_s > 0:
                    self.sleep(early_s)
                yield Stretch(end, stretch.samples)
                end += len(stretch.samples)
            if not self.is_endless:
                return
