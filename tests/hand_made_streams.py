"""A source of samples that come in pieces, and a clock that stands until it is told."""

import time


class Pieces:
    """A source that brings the pieces it was given, and says when it has brought the last."""

    name, state, about = "pieces", "it has no more", ""

    def __init__(self, pieces, ends=True):
        self._pieces = iter(pieces)
        self._ends = ends
        self.is_closed = False

    def read(self, timeout_s):
        piece = next(self._pieces, None)
        if piece is None and not self._ends:
            time.sleep(timeout_s)
            return None
        return b"" if piece is None else piece

    def close(self):
        self.is_closed = True


class Clock:
    """Time that passes when it is told."""

    now = 0.0

    def __call__(self):
        return self.now
