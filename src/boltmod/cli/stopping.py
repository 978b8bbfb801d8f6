"""Ctrl-C and SIGTERM, heard alike by every command that can end gently."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_REQUESTS = (signal.SIGINT, signal.SIGTERM)
"""Signals that ask for an end: Ctrl-C, and what a batch system sends."""


@contextmanager
def asked_to_stop(stop: Callable[[], None]) -> Iterator[None]:
    """Let the first request to stop end the body gently, and the second one at once.

    Args:
        stop: Called at the first one; it asks the body to end where nothing is lost.
    """
    asked = False

    def hear(*_: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        stop()

    before = {number: signal.signal(number, hear) for number in _REQUESTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
