"""Samples of a stream, read by a thread of their own into a buffer that cannot grow.

When whoever takes the windows is slower than the stream, the oldest windows are dropped, whole and
counted; or, for a source that can wait, the source waits.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType

import numpy as np

from boltmod.errors import SourceError
from boltmod.modulation import FRAME_LENGTH
from boltmod.recording import magic
from boltmod.recording.analytic import Samples, analytic
from boltmod.recording.live.byte_source import ByteSource
from boltmod.recording.raw import SampleFormat, check_finite
from boltmod.recording.stretch import Stretch

_TICK_S = 0.1
"""How long the reading thread may take to notice that it shall stop."""


@dataclass(frozen=True)
class Overload:
    """What happens when windows come faster than they are taken.

    Args:
        lossless: Whether the source is made to wait; else windows are dropped.
        n_buffered: Windows that may wait.
        patience_s: How long the source may be silent before the stream counts as ended; for ever
            if None.
        tick_s: How long to wait for samples before it is said that none have come.
    """

    lossless: bool = False
    n_buffered: int = 512
    patience_s: float | None = None
    tick_s: float = 0.25


class LiveRecording:
    """A stream as windows of samples. Use it as a context manager: it reads inside the body.

    Args:
        source: Where its bytes come from; closed at the end.
        sample_format: How a sample is stored.
        rate_hz: Samples a second; None if nobody knows.
        centre_hz: Radio frequency that the receiver is tuned to; None if nobody knows.
        overload: What happens when windows come faster than they are taken.
    """

    first_sample = 0
    n_samples = None
    """Nobody knows how many will come."""

    def __init__(
        self,
        source: ByteSource,
        sample_format: SampleFormat,
        rate_hz: float | None = None,
        centre_hz: float | None = None,
        overload: Overload | None = None,
    ) -> None:
        self.source = source
        self.sample_format = sample_format
        self.rate_hz = rate_hz
        self.centre_hz = centre_hz
        self.overload = overload or Overload()
        self.n_samples_read = 0
        self.n_seen = 0
        self.n_dropped = 0
        self.started: datetime | None = None
        self._waiting: deque[tuple[int, Samples]] = deque()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._reader = ThreadPoolExecutor(1, "boltmod-reader")
        self._reading: Future[None] | None = None
        self._last_came = time.monotonic()

    @property
    def name(self) -> str:
        """What messages call the stream."""
        return self.source.name

    @property
    def notes(self) -> tuple[str, ...]:
        """What the source says of itself."""
        return (f"{self.name}: {self.source.about}",) if self.source.about else ()

    @property
    def n_waiting(self) -> int:
        """Windows read and not yet taken."""
        return len(self._waiting)

    @property
    def silence_s(self) -> float:
        """How long nothing has come."""
        return time.monotonic() - self._last_came

    @property
    def n_left_over_samples(self) -> int:
        """Samples since the last whole window."""
        return self.n_samples_read - self.n_seen * FRAME_LENGTH

    def __enter__(self) -> LiveRecording:
        self._last_came = time.monotonic()
        self._reading = self._reader.submit(self._read)
        self._reading.add_done_callback(self._tell)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._reader.shutdown()
        self.source.close()

    def stop(self) -> None:
        """Read no more; what waits can still be taken. Safe to call from a signal handler."""
        self._stopping.set()

    @property
    def is_ended(self) -> bool:
        """Whether no more windows will be had."""
        return self._is_read and not self._waiting

    def stretches(self, n_samples: int) -> Iterator[Stretch]:
        """Take whole windows to the end of the stream, those first that have waited longest.

        Of a source that waits, what is left at the end comes too, though it fills no window.

        Args:
            n_samples: How many samples at a time at most, but for one window; those before a gap
                come by themselves.

        Yields:
            What has come; an empty stretch each time that nothing came in a tick.

        Raises:
            DataFormatError: The stream held what is no number; what came before has been taken.
            SourceError: It ended without having brought anything.
        """
        end = 0
        while not self.is_ended:
            stretch = self._take(max(1, n_samples // FRAME_LENGTH), end)
            yield stretch
            end = stretch.end
        if self._reading is not None:
            self._reading.result()

    def _take(self, n_windows: int, end: int) -> Stretch:
        """What waits, up to a gap; nothing, from `end` on, if nothing does."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_read, self.overload.tick_s)
            if not self._waiting:
                return Stretch(end, np.empty(0, np.complex64))
            first, window = self._waiting.popleft()
            taken = [window]
            while len(taken) < n_windows and self._waiting:
                if self._waiting[0][0] != first + len(taken) * FRAME_LENGTH:
                    break
                taken.append(self._waiting.popleft()[1])
            self._changed.notify_all()
        return Stretch(first, np.concatenate(taken))

    @property
    def _is_read(self) -> bool:
        return self._reading is not None and self._reading.done()

    def _tell(self, reading: Future[None]) -> None:
        with self._changed:
            self._changed.notify_all()

    def _read(self) -> None:
        """What the thread does: bytes to samples, samples to windows, windows to the buffer."""
        samples = self._samples()
        blocks = analytic(samples) if self.sample_format.is_real else samples
        held = np.empty(0, np.complex64)
        for block in blocks:
            held = np.concatenate([held, block]) if len(held) else block
            whole = len(held) // FRAME_LENGTH * FRAME_LENGTH
            for start in range(0, whole, FRAME_LENGTH):
                self._offer(held[start : start + FRAME_LENGTH].copy())
            held = held[whole:]
        if self.overload.lossless and len(held):
            # As of a file, what fills no window belongs to the recording too.
            with self._changed:
                self._waiting.append((self.n_seen * FRAME_LENGTH, held))
        if not self.n_samples_read and not self._stopping.is_set():
            raise SourceError(
                f"{self.name} must bring samples, and brought none ({self.source.state}): "
                "check what sends them"
            )

    def _samples(self) -> Iterator[Samples]:
        sample_bytes = self.sample_format.sample_bytes
        held = b""
        for content in self._contents():
            if not self.n_samples_read and not held:
                magic.refuse_stream(content, self.name)
            held += content
            whole = len(held) // sample_bytes * sample_bytes
            if whole:
                block = self.sample_format.decode(held[:whole])
                check_finite(block, self.n_samples_read, self.name)
                if not self.n_samples_read and not self.overload.lossless:
                    self._note_start(len(block))
                self.n_samples_read += len(block)
                yield block
                held = held[whole:]

    def _note_start(self, n_samples: int) -> None:
        """Of what comes as it is received, the clock tells when its first sample was taken."""
        before_s = 0.0 if self.rate_hz is None else n_samples / self.rate_hz
        self.started = datetime.now(UTC) - timedelta(seconds=before_s)

    def _contents(self) -> Iterator[bytes]:
        patience_s = math.inf if self.overload.patience_s is None else self.overload.patience_s
        while not self._stopping.is_set():
            content = self.source.read(_TICK_S)
            if content:
                self._last_came = time.monotonic()
                yield content
            elif content is not None or self.silence_s >= patience_s:
                return

    def _offer(self, window: Samples) -> None:
        with self._changed:
            if len(self._waiting) >= self.overload.n_buffered:
                self._make_room()
            self._waiting.append((self.n_seen * FRAME_LENGTH, window))
            self.n_seen += 1
            self._changed.notify_all()

    def _make_room(self) -> None:
        """Wait for the taker, or drop the older half: few long gaps rather than many short ones."""
        if self.overload.lossless:
            while len(self._waiting) >= self.overload.n_buffered and not self._stopping.is_set():
                self._changed.wait(_TICK_S)
            return
        for _ in range((self.overload.n_buffered + 1) // 2):
            self._waiting.popleft()
            self.n_dropped += 1
