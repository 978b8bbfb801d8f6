"""Frames read at random through memory mapping, quickly from a cold disk too.

A page fault makes the system read ahead what follows, which is thrown away when the next frame is
somewhere else, and the processor waits for each frame in turn. So read-ahead is switched off, and
all frames of a batch are asked for before the first is touched: the disk then serves many at once.
On a file of 21 GB that no page of is in memory, this reads ten times as many frames a second
(bench/loader.py).
"""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import numpy.typing as npt

_MAPPED_BYTES = 1 << 26
"""How much is read before the pages are let go; they stay in the system's cache."""


class MappedFrames:
    """An array of float32 frames on the disk.

    Args:
        path: The file.
        offset: Where the first sample lies, in bytes.
        shape: (n, ...): n frames.
    """

    def __init__(self, path: Path, offset: int, shape: tuple[int, ...]) -> None:
        self._frame_bytes = 4 * int(np.prod(shape[1:]))
        begin = offset - offset % mmap.ALLOCATIONGRANULARITY
        self._first = offset - begin
        length = self._first + shape[0] * self._frame_bytes
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ, offset=begin)
        self._frames = np.frombuffer(
            self._map, "<f4", count=int(np.prod(shape)), offset=self._first
        ).reshape(shape)
        self._read_bytes = 0
        self._advise(getattr(mmap, "MADV_RANDOM", None), 0, length)

    def read(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """The frames at some indices, in memory, shape (k, ...)."""
        advice = getattr(mmap, "MADV_WILLNEED", None)
        for index in indices.tolist():
            start = self._first + index * self._frame_bytes
            page = start - start % mmap.PAGESIZE
            self._advise(advice, page, start + self._frame_bytes - page)
        frames = self._frames[indices]
        self._read_bytes += frames.nbytes
        if self._read_bytes > _MAPPED_BYTES:
            # Or else the process would seem to hold all of the file that it ever read.
            self._advise(getattr(mmap, "MADV_DONTNEED", None), 0, len(self._map))
            self._read_bytes = 0
        return frames

    def _advise(self, advice: int | None, start: int, length: int) -> None:
        if advice is not None:  # not every system takes advice
            self._map.madvise(advice, start, length)
