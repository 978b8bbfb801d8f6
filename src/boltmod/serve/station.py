"""A source that is listened to: its waterfall and its signals, for whoever looks."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from boltmod import __version__
from boltmod.errors import BoltmodError, ConfigError, first_line
from boltmod.recording.live.buffer import LiveRecording
from boltmod.recording.recording import Recording
from boltmod.recording.stretch import Stretch
from boltmod.runtime.session import Classifier
from boltmod.runtime.sink.event import Event
from boltmod.serve import rows as waterfall
from boltmod.serve.appearance import Appearance, Row
from boltmod.serve.attention import Attention
from boltmod.serve.follow import Follower
from boltmod.serve.paced import Paced
from boltmod.serve.ring import Clock, Ring, written
from boltmod.serve.search import Question, Searcher

_STEP_S = 0.02
"""Time from one look at the newest windows to the next, at least; as long as the look took."""
_STATUS_S = 0.5
_GAP_S = 1.0
"""Samples that are missing for longer end what is on: nobody knows what was there."""
_PIECES = (1 << 17, 1 << 17, 1 << 17, 1 << 19)
"""Samples that a search looks at, in turn: long ones tell narrow signals better."""
_LEAST_PIECE = 1 << 16
_BACKLOG = 300
"""Rows of the waterfall that a new viewer is given."""
_REMEMBERED = 5000
"""Appearances whose row is kept."""
_DETAILED = 500
"""Appearances whose constellation and spectrum are kept."""


class Viewer(Protocol):
    """Whoever is told what is new, from the station's thread."""

    def row(self, row: waterfall.Row, utc: datetime) -> None:
        """Take a line of the waterfall."""

    def signals(self, rows: Sequence[Row]) -> None:
        """Take signals that are new, or have changed."""

    def status(self, status: dict[str, Any]) -> None:
        """Take how it goes."""


@dataclass(frozen=True)
class Progress:
    """What the search has done of late.

    Args:
        piece_s: Length of the piece looked at last.
        took_s: How long that took.
        share: Share of the stream that has been searched.
    """

    piece_s: float = 0.0
    took_s: float = 0.0
    share: float = 0.0


class Station:
    """Listens to a recording in a thread, and remembers what it heard.

    Args:
        recording: The source; its rate must be known.
        classifier: The network.
        viewer: Told what is new.
        on_event: Told of each appearance's beginning, once it has a class, and end.

    Raises:
        ConfigError: The rate is not known.
    """

    def __init__(
        self,
        recording: Recording,
        classifier: Classifier,
        viewer: Viewer,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        if recording.rate_hz is None:
            raise ConfigError("rate must be known to show signals: give it with --rate")
        self.recording, self.rate_hz = recording, recording.rate_hz
        self.classifier, self._viewer, self._on_event = classifier, viewer, on_event
        zero = repeats_after = None
        if isinstance(recording, Paced):
            zero, repeats_after = recording.zero, recording.repeats_after
        self._ring, self._clock = Ring(self.rate_hz), Clock(self.rate_hz, zero)
        self._rows = waterfall.Rows(self.rate_hz, recording.sample_format.is_real)
        self._attention = Attention(recording.sample_format.is_real)
        self._follower = Follower(classifier, self._ring, self._clock, self.rate_hz, repeats_after)
        self._searcher: Searcher | None = None
        self._asked_at, self._n_asked, self._searched, self._searched_end = 0.0, 0, 0, 0
        self._noise: NDArray[np.float64] | None = None
        self._progress = Progress()
        self._lock = threading.Lock()
        self._history: OrderedDict[int, Row] = OrderedDict()
        self._kept: OrderedDict[int, Appearance] = OrderedDict()
        self._backlog: deque[tuple[waterfall.Row, datetime]] = deque(maxlen=_BACKLOG)
        self._announced: set[int] = set()
        self._started = datetime.now(UTC)
        self._state, self._message = "waiting", ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="boltmod-station", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End listening, and wait for that."""
        self._stopping.set()
        if isinstance(self.recording, LiveRecording):
            self.recording.stop()
        if self._thread.is_alive():
            self._thread.join(10)

    @property
    def is_over(self) -> bool:
        """Whether the source has ended."""
        return self._state in ("ended", "failed")

    @property
    def failure(self) -> str | None:
        """Why the source ended before its end; None if it did not."""
        return self._message if self._state == "failed" else None

    def hello(self) -> dict[str, Any]:
        """What a new viewer needs to know."""
        half = self.rate_hz / 2
        is_real = self.recording.sample_format.is_real
        return {
            "type": "hello",
            "version": __version__,
            "source": self.recording.name,
            "rate_hz": self.rate_hz,
            "centre_hz": self.recording.centre_hz,
            "low_hz": 0.0 if is_real else -half,
            "high_hz": half,
            "n_bins": waterfall.N_BINS // 2 if is_real else waterfall.N_BINS,
            "samples_per_row": self._rows.samples_per_row,
            "model": self.classifier.name,
            "engine": str(self.classifier.engine),
            "notes": list(self.recording.notes),
            "session": written(self._started),
        }

    def backlog(self) -> list[tuple[waterfall.Row, datetime]]:
        """The newest rows of the waterfall."""
        with self._lock:
            return list(self._backlog)

    def history(self) -> list[Row]:
        """The appearances of the session, the oldest that are remembered first."""
        with self._lock:
            return list(self._history.values())

    def detail(self, number: int) -> dict[str, Any] | None:
        """All that is known of an appearance; None if it is not remembered."""
        with self._lock:
            row, appearance = self._history.get(number), self._kept.get(number)
            if row is None:
                return None
            detail = {} if appearance is None else appearance.detail()
        return row.as_dict() | detail

    def status(self) -> dict[str, Any]:
        """How it goes."""
        live = self.recording if isinstance(self.recording, LiveRecording) else None
        silence_s = 0.0 if live is None else live.silence_s
        state, message = self._state, self._message
        if state == "live" and live is not None and silence_s > 1:
            state, message = "waiting", f"nothing for {silence_s:.0f} s: {live.source.state}"
        return {
            "type": "status",
            "state": state,
            "message": message,
            "sample": self._ring.end,
            "utc": written(self._clock.utc(self._ring.end)),
            "n_dropped": 0 if live is None else live.n_dropped,
            "n_seen": 0 if live is None else live.n_seen,
            "n_on": self._follower.n_on,
            "carriers": [
                {"offset_hz": each.offset_hz, "snr_db": each.snr_db}
                for each in self._follower.carriers
            ],
            "search": {
                "piece_s": self._progress.piece_s,
                "took_s": self._progress.took_s,
                "share": self._progress.share,
                "n_lost": 0 if self._searcher is None else self._searcher.n_lost,
            },
        }

    def _run(self) -> None:
        try:
            self._searcher = Searcher()
            if isinstance(self.recording, LiveRecording):
                with self.recording:
                    self._listen()
            else:
                self._listen()
            self._state, self._message = "ended", "the source has ended"
        except BoltmodError as error:
            self._state, self._message = "failed", first_line(error)
        except Exception as error:
            self._state, self._message = "failed", f"boltmod's fault: {first_line(error)}"
            raise
        finally:
            if self._searcher is not None:
                self._searcher.close()
            self._tell(self._follower.restart())
            self._viewer.status(self.status())

    def _listen(self) -> None:
        next_step = told = 0.0
        n_at_once = max(1024, int(self.rate_hz * _STEP_S))
        for stretch in self.recording.stretches(n_at_once):
            if self._stopping.is_set():
                return
            if len(stretch.samples):
                self._state = "live"
                self._take(stretch)
            now = time.monotonic()
            if now >= next_step:
                self._search(now)
                with self._lock:
                    changed = self._follower.step()
                self._tell(changed)
                ended = time.monotonic()
                next_step = ended + max(_STEP_S, ended - now)
            if now - told >= _STATUS_S:
                told = now
                self._viewer.status(self.status())

    def _take(self, stretch: Stretch) -> None:
        if stretch.first_sample - self._ring.end > self.rate_hz * _GAP_S:
            with self._lock:
                ended = self._follower.restart()
            self._tell(ended)
        self._ring.add(stretch)
        self._clock.note(stretch.end)
        for row in self._rows.add(stretch):
            utc = self._clock.utc(row.first_sample)
            self._attention.note(row, self._follower.bands)
            with self._lock:
                self._backlog.append((row, utc))
            self._viewer.row(row, utc)

    def _search(self, now: float) -> None:
        """Take in what was found, and have the newest piece looked at."""
        searcher = self._searcher
        if searcher is None:
            return
        answer = searcher.answer()
        if answer is not None:
            question, findings = answer
            self._noise = findings.noise
            end = question.start + len(question.samples)
            self._searched += max(0, end - max(question.start, self._searched_end))
            self._searched_end = max(self._searched_end, end)
            self._progress = Progress(
                len(question.samples) / self.rate_hz,
                now - self._asked_at,
                self._searched / max(1, self._ring.end),
            )
            with self._lock:
                changed = self._follower.take(question, findings)
            self._tell(changed)
        if searcher.is_idle:
            self._ask(searcher, now)

    def _ask(self, searcher: Searcher, now: float) -> None:
        start, n = self._piece()
        if n < _LEAST_PIECE:
            return
        self._asked_at = now
        self._n_asked += 1
        piece = self._ring.part(start, start + n)
        known = self._follower.known
        searcher.ask(Question(piece, start, self._noise, known, self.rate_hz))

    def _piece(self) -> tuple[int, int]:
        """Where the next piece to search begins, and its length; 0 if there is none.

        Every other one is where the waterfall has something unknown, the others are the newest that
        there are; what has not been looked at comes first, if all of it is still there.
        """
        ring = self._ring
        n = _PIECES[self._n_asked // 2 % len(_PIECES)]
        if self.rate_hz < 2 * _PIECES[0]:
            n = _LEAST_PIECE
        n = min(n, 1 << max(0, (ring.end - ring.first).bit_length() - 1))
        latest = ring.end - n
        unknown = self._attention.newest(ring.first) if self._n_asked % 2 == 0 else None
        if unknown is not None:
            middle = (unknown[0] + unknown[1]) // 2
            return max(ring.first, min(middle - n // 2, latest)), n
        if ring.end - self._searched_end < n // 2:
            return latest, 0
        start = max(ring.first, min(latest, max(self._searched_end - n // 2, 0)))
        return (latest if ring.end - start > 2 * n else start), n

    def _tell(self, changed: Sequence[Appearance]) -> None:
        if not changed:
            return
        rows = []
        with self._lock:
            for appearance in changed:
                row = appearance.row(self.recording.centre_hz)
                rows.append(row)
                self._history[row.id] = row
                self._kept[row.id] = appearance
            while len(self._history) > _REMEMBERED:
                self._history.popitem(last=False)
            while len(self._kept) > _DETAILED:
                self._kept.popitem(last=False)
        self._viewer.signals(rows)
        for row in rows:
            self._announce(row)

    def _announce(self, row: Row) -> None:
        """Tell of its beginning once it has a class, and of its end."""
        if row.class_name is not None and row.id not in self._announced:
            self._announced.add(row.id)
            self._event("start", row)
        if not row.is_on and row.id in self._announced:
            self._announced.remove(row.id)
            self._event("end", row)

    def _event(self, kind: str, row: Row) -> None:
        if self._on_event is not None:
            self._on_event(row.event(kind, self.rate_hz))
