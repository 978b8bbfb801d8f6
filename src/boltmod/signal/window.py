"""Which samples of a signal are made: a frame, and what lies around it at a stride."""

from __future__ import annotations

from dataclasses import dataclass

from boltmod.modulation import FRAME_LENGTH


@dataclass(frozen=True)
class Window:
    """A run of samples to make in full, and more around it of which only every few are made.

    Args:
        length: Samples made in full, a multiple of 32.
        n_outside: Samples around them, a multiple of 128.
        stride: Every how many samples those outside are made: mean and power need no more.
    """

    length: int = FRAME_LENGTH
    n_outside: int = FRAME_LENGTH
    stride: int = 4

    @property
    def total(self) -> int:
        """Samples inside and outside."""
        return self.length + self.n_outside
