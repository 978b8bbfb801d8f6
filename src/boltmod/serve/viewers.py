"""Everybody who looks at the page: what is new is put into a queue for each of them."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from boltmod.serve.appearance import Row
from boltmod.serve.rows import Row as WaterfallRow

Message = str | bytes

_MOST_WAITING = 400
"""Messages that may wait for a slow viewer; then lines of the waterfall are left out."""
_HEAD = struct.Struct("<qd")


def row_message(row: WaterfallRow, utc: datetime) -> bytes:
    """A line of the waterfall: its first sample (int64), UTC in ms (float64), levels (int16)."""
    return _HEAD.pack(row.first_sample, utc.timestamp() * 1000) + row.level.tobytes()


def signals_message(rows: Sequence[Row]) -> str:
    """Signals that are new, or have changed."""
    return json_of({"type": "signals", "rows": [each.as_dict() for each in rows]})


def json_of(document: Any) -> str:
    """A document in as few letters as it takes."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False)


class Viewers:
    """Queues of messages, filled from the station's thread and emptied by the event loop.

    A viewer who is too slow loses lines of the waterfall, and never a signal's end: what it is
    told of a signal later replaces what it was told before.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queues: set[asyncio.Queue[Message]] = set()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say which loop the queues are emptied by."""
        self._loop = loop

    @property
    def n(self) -> int:
        """How many look."""
        return len(self._queues)

    def join(self) -> asyncio.Queue[Message]:
        """A queue for somebody who has come."""
        queue: asyncio.Queue[Message] = asyncio.Queue()
        self._queues.add(queue)
        return queue

    def leave(self, queue: asyncio.Queue[Message]) -> None:
        """Forget somebody who has gone."""
        self._queues.discard(queue)

    def row(self, row: WaterfallRow, utc: datetime) -> None:
        """As `Viewer.row`."""
        self._send(row_message(row, utc))

    def signals(self, rows: Sequence[Row]) -> None:
        """As `Viewer.signals`."""
        self._send(signals_message(rows))

    def status(self, status: dict[str, Any]) -> None:
        """As `Viewer.status`."""
        self._send(json_of(status | {"n_viewers": self.n}))

    def _send(self, message: Message) -> None:
        loop = self._loop
        if loop is None or loop.is_closed() or not self._queues:
            return
        try:
            loop.call_soon_threadsafe(self._put, message)
        except RuntimeError:  # the loop was closed a moment ago
            return

    def _put(self, message: Message) -> None:
        for queue in list(self._queues):
            if queue.qsize() < _MOST_WAITING:
                queue.put_nowait(message)
            elif isinstance(message, str):
                _make_room(queue)
                queue.put_nowait(message)


def _make_room(queue: asyncio.Queue[Message]) -> None:
    """Take out the lines of the waterfall that wait; if there are none, the oldest message."""
    waiting = [queue.get_nowait() for _ in range(queue.qsize())]
    kept = [each for each in waiting if isinstance(each, str)]
    for each in kept[max(0, len(kept) - _MOST_WAITING + 1) :]:
        queue.put_nowait(each)
