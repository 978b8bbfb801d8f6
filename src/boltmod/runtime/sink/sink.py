"""What takes labels as they come."""

from __future__ import annotations

from typing import Protocol

from boltmod.runtime.labels import Labels
from boltmod.runtime.window import Windows


class Sink(Protocol):
    """A taker of labels."""

    def add(self, windows: Windows, labels: Labels) -> None:
        """Take labels in the order of time; none if nothing has come for a moment."""
