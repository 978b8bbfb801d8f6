"""Bytes that come when they come: what a live source is to whoever makes samples of them."""

from __future__ import annotations

import io
import os
import select
from typing import BinaryIO, Protocol

_MOST_BYTES = 1 << 18


class ByteSource(Protocol):
    """Where a stream's bytes come from."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def about(self) -> str:
        """What is worth saying of it once it is open; nothing if empty."""

    @property
    def state(self) -> str:
        """Why nothing may be coming, in a few words."""

    def read(self, timeout_s: float) -> bytes | None:
        """Take what has come, in pieces of any length.

        Args:
            timeout_s: How long to wait for the first byte.

        Returns:
            The bytes; None if there were none in that time; b"" once no more will come.
        """

    def close(self) -> None:
        """Let go of the other end."""


class FileSource:
    """An open file, standard input for one, read as its other end writes it.

    Args:
        file: The file. It is read by its descriptor where it has one, past any buffer of Python's.
        name: What messages call it.
    """

    def __init__(self, file: BinaryIO, name: str = "standard input") -> None:
        self.name = name
        self.about = ""
        self.state = "its writer is silent"
        self._file = file
        try:
            self._descriptor: int | None = file.fileno()
        except io.UnsupportedOperation:
            self._descriptor = None

    def read(self, timeout_s: float) -> bytes | None:
        """As `ByteSource.read`; on Windows, where pipes cannot be asked, it waits for ever."""
        if self._descriptor is None:
            content = self._file.read(_MOST_BYTES)
        elif os.name != "nt" and not select.select([self._descriptor], [], [], timeout_s)[0]:
            return None
        else:
            content = os.read(self._descriptor, _MOST_BYTES)
        if not content:
            self.state = "its writer ended"
        return content

    def close(self) -> None:
        """Leave the file to whoever opened it."""
