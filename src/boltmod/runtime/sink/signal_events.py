"""Windows and labels to events: when a signal comes on, and when it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from boltmod.recording.clock import utc
from boltmod.runtime.labels import Labels
from boltmod.runtime.sink.event import Event
from boltmod.runtime.verdict import Tallies, Verdict
from boltmod.runtime.window import Windows

_GAP_S = 1.0
"""A longer silence ends an appearance."""


@dataclass
class _Appearance:
    """A signal that is on, and its windows so far."""

    id: int
    windows: Windows
    tallies: Tallies
    first: int
    end: int

    @property
    def verdict(self) -> Verdict:
        signal = self.windows.signal
        assert signal is not None
        return self.tallies.of(signal.number).verdict(signal)

    def event(self, kind: str) -> Event:
        """What is told of it now."""
        verdict, windows = self.verdict, self.windows
        signal, rate_hz = verdict.signal, windows.rate_hz or 1.0
        offset_hz = signal.middle_hz
        moment_s = (self.first if kind == "start" else self.end) / rate_hz
        tuned_hz = windows.tuned_hz
        return Event(
            utc(windows.zero, moment_s), round(moment_s, 6), kind, self.id, signal.number,
            verdict.class_name, _rounded(verdict.probability, 4),
            None if tuned_hz is None else round((tuned_hz + offset_hz) / 1e6, 6),
            round(offset_hz, 1), round(signal.bandwidth_hz, 1), round(signal.symbol_rate_hz, 1),
            _rounded(signal.snr_db, 1), round((self.end - self.first) / rate_hz, 6),
        )  # fmt: skip


def _rounded(value: float | None, n_digits: int) -> float | None:
    return None if value is None else round(value, n_digits)


class SignalEvents:
    """A sink that tells of each signal when it has a class, and when it has gone.

    Args:
        classes: Name of each class.
        send: Takes an event.
        n_piece: Samples that the band is searched in at a time: signals of a piece come one after
            the other, so that the samples of one say nothing of another's silence before that.
    """

    def __init__(
        self, classes: tuple[str, ...], send: Callable[[Event], None], n_piece: int
    ) -> None:
        self._classes, self._send, self._n_piece = classes, send, n_piece
        self._on: dict[int, _Appearance] = {}
        self._n = 0
        self._latest = 0

    def add(self, windows: Windows, labels: Labels) -> None:
        """Take the windows of a signal."""
        signal = windows.signal
        if signal is None or not labels:
            return
        gap = _GAP_S * (windows.rate_hz or 1.0)
        first, end = windows.starts[0], windows.starts[-1] + windows.count
        self._latest = max(self._latest, end)
        known = self._on.get(signal.number)
        if known is not None and first - known.end > gap:
            self._end(signal.number)
            known = None
        if known is None:
            self._n += 1
            known = _Appearance(self._n, windows, Tallies(self._classes), first, end)
            self._on[signal.number] = known
        had_class = known.verdict.class_name is not None
        known.tallies.add(windows, labels)
        known.windows, known.end = windows, max(known.end, end)
        if not had_class and known.verdict.class_name is not None:
            self._send(known.event("start"))
        for number, each in list(self._on.items()):
            if self._latest - each.end > gap + 2 * self._n_piece:
                self._end(number)

    def close(self) -> None:
        """The stream is over, and with it what is on."""
        for number in list(self._on):
            self._end(number)

    def _end(self, number: int) -> None:
        gone = self._on.pop(number)
        if gone.verdict.class_name is not None:
            self._send(gone.event("end"))
