"""What cuts a recording into windows: the band as it is, or the signals in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from boltmod.recording.recording import Recording
from boltmod.runtime.window import Windows


class Cut(Protocol):
    """A way to cut."""

    def __call__(self, recording: Recording) -> Iterator[Windows]:
        """Windows of a recording, as they come."""
