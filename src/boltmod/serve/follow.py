"""Following signals: the newest window of each that is on, labelled as soon as it is whole.

The search (see `search`) says now and then what is there. In between, each signal known is listened
to in its own channel: whether it is on, and what its newest window is called.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.band import Band
from boltmod.runtime.cut.channel.carrier import steadied
from boltmod.runtime.cut.channel.detection import Span
from boltmod.runtime.cut.channel.measure import Measured
from boltmod.runtime.cut.channel.select import Channel
from boltmod.runtime.cut.listener import least_power
from boltmod.runtime.cut.signal import BareCarrier, Constraints
from boltmod.runtime.cut.track import NEAR, Track, Tracks
from boltmod.runtime.labelling import label
from boltmod.runtime.session import Classifier
from boltmod.runtime.window import Windows
from boltmod.serve.appearance import Appearance
from boltmod.serve.excerpt import Excerpt, length_of, margin_of
from boltmod.serve.ring import Clock, Ring
from boltmod.serve.search import Findings, Known, Question

_STEP_S = 0.02
"""Time after which a step leaves the other signals to the next one."""
_GAP_S = 1.0
"""A longer silence ends an appearance."""
_MISSED = 8
"""Searches that do not find a signal, one after the other, before it counts as silent."""
_FIRST_WINDOWS = 4
"""Windows of a piece that a signal is first named by."""
_SETTLED = 16
"""Windows after which a signal's name hardly changes, so that not every window is looked at."""
_SPACING_S = 0.1
"""Time between two windows that are looked at then."""
_AGREED = 2
"""Measurements, one after the other, that must agree until a signal is believed."""
_SAME_CARRIER = 0.02
"""Of the symbol rate: distance of carriers that agree."""
_WATCHED_S = 300.0
"""Silent signals are listened for that long."""
_FORGOTTEN_S = 1800.0
_CROWDED = 128
"""Signals of which those that are silent are dropped at once: new ones must find room."""
_CLEAR_DB = 6.0
"""Weaker signals are not told from noise by the power of one window."""
_BACK = 0.5
"""Of its former power, in a window, at which a silent signal counts as on again."""
_LONGEST = 1 << 20
"""Samples of a window, at most: narrower signals are shown without a class."""


class Follower:
    """Signals of a stream, from when they come on until they fall silent.

    Args:
        classifier: The network.
        ring: The newest samples.
        clock: When they came.
        rate_hz: Samples a second.
        repeats_after: Samples after which the stream repeats itself; None if it does not.
    """

    def __init__(
        self,
        classifier: Classifier,
        ring: Ring,
        clock: Clock,
        rate_hz: float,
        repeats_after: int | None = None,
    ) -> None:
        self._classifier, self._ring, self._clock, self._rate_hz = classifier, ring, clock, rate_hz
        self._tracks = Tracks(Constraints())
        self._tracks.rate_hz = rate_hz
        self._tracks.repeats_after = repeats_after
        self._on: dict[int, Appearance] = {}
        self._heard: dict[int, int] = {}
        self._watched: dict[int, int] = {}
        self._turn: list[int] = []
        self._channels: dict[int, tuple[Measured, Channel]] = {}
        self._n_agreed: dict[int, int] = {}
        self._n = 0

    @property
    def known(self) -> tuple[Known, ...]:
        """Signals that are on and that need not be measured again.

        A short piece may show a line that is none: two measurements must agree.
        """
        settled = [
            each.track.measured
            for each in self._on.values()
            if each.is_measured and self._n_agreed.get(each.track.number, 0) >= _AGREED
        ]
        return tuple(Known(each.detection.band, each.detection.snr_db) for each in settled)

    @property
    def bands(self) -> list[Band]:
        """Where something is known to be: signals, silent ones too, and bare carriers."""
        carriers = [Band(each.offset_hz / self._rate_hz, 0.0) for each in self._tracks.carriers]
        return [each.measured.detection.band for each in self._tracks.known] + carriers

    @property
    def carriers(self) -> list[BareCarrier]:
        """Carriers that nothing changes in."""
        return self._tracks.carriers

    @property
    def n_on(self) -> int:
        """Signals that are on."""
        return len(self._on)

    def take(self, question: Question, findings: Findings) -> list[Appearance]:
        """Take in what a search has found.

        Returns:
            What has changed.
        """
        piece = Excerpt(question.samples, question.start)
        changed: dict[int, Appearance] = {}
        found: set[int] = set()
        for measured in findings.measured:
            if measured.is_bare:
                self._tracks.note_carrier(measured)
                continue
            before = self._carriers()
            track = self._tracks.of(measured)
            if track is not None:
                self._compare(track, before.get(track.number))
                found.add(track.number)
                changed[track.number] = self._hear(track, measured.detection.spans, piece)
        for detection in findings.seen:
            track = self._of(detection.band)
            if track is not None:
                found.add(track.number)
                changed[track.number] = self._hear(track, detection.spans, piece)
        for number, appearance in list(self._on.items()):
            if number in found:
                appearance.n_missed = 0
            elif question.start >= appearance.first_sample:
                appearance.n_missed += 1
            if appearance.n_missed >= _MISSED:
                changed[number] = self._end(number)
        self._forget()
        return list(changed.values())

    def step(self) -> list[Appearance]:
        """Label the newest window of each signal, in turn, as many as there is time for.

        Returns:
            What has changed.
        """
        began = time.monotonic()
        excerpts: dict[int, Excerpt] = {}
        changed = []
        tracks = {each.number: each for each in self._tracks.known}
        self._turn = [each for each in self._turn if each in tracks]
        self._turn += [each for each in tracks if each not in self._turn]
        for _ in range(len(self._turn)):
            number = self._turn.pop(0)
            self._turn.append(number)
            appearance = self._listen(tracks[number], excerpts)
            if appearance is not None:
                changed.append(appearance)
            if time.monotonic() - began > _STEP_S:
                break
        return changed

    def restart(self) -> list[Appearance]:
        """End all that is on, for samples are missing."""
        return [self._end(number) for number in list(self._on)]

    def _of(self, band: Band) -> Track | None:
        like = [e for e in self._tracks.known if e.measured.detection.band.is_same(band)]
        return min(
            like, default=None,
            key=lambda each: abs(each.measured.detection.band.centre - band.centre),
        )  # fmt: skip

    def _carriers(self) -> dict[int, float | None]:
        return {each.number: each.measured.carrier for each in self._tracks.known}

    def _compare(self, track: Track, before: float | None) -> None:
        """Count how often, one after the other, a signal was measured to be at the same place."""
        measured = track.measured
        if measured.line is None or not measured.line.is_sure:
            return
        now, number = measured.carrier, track.number
        reach = _SAME_CARRIER * track.symbol_rate
        is_same = before is not None and now is not None and abs(now - before) < reach
        self._n_agreed[number] = self._n_agreed.get(number, 0) + 1 if is_same or now is None else 1

    def _hear(self, track: Track, spans: tuple[Span, ...], piece: Excerpt) -> Appearance:
        """Note that a signal is on in a piece, and name it by that if it has no name yet."""
        first, end = spans[0][0], spans[-1][1]
        appearance = self._on.get(track.number) or self._begin(track, first, end)
        appearance.is_measured = True
        self._note(appearance, end)
        if not appearance.tally.n_windows:
            self._label_piece(appearance, spans, piece)
        is_over = end < piece.end - max(NEAR, self._gap(self._channel(track)))
        if is_over and self._ring.end - end > self._gap(self._channel(track)):
            return self._end(track.number)
        return appearance

    def _label_piece(self, appearance: Appearance, spans: Iterable[Span], piece: Excerpt) -> None:
        channel = self._channel(appearance.track)
        length, margin = length_of(channel), margin_of(channel)
        starts: list[int] = []
        for first, end in spans:
            low, high = max(first, piece.first + margin), min(end, piece.end - margin)
            whole = list(range(low, high - length + 1, length))
            if not whole and 4 * (end - first) >= length:
                middle = (first + end - length) // 2
                fits = piece.first <= middle and middle + length <= piece.end
                whole = [middle] if fits else []
            starts += whole
        chosen = starts[-_FIRST_WINDOWS:]
        if chosen:
            self._label(appearance, piece.windows(channel, chosen), chosen)

    def _listen(self, track: Track, excerpts: dict[int, Excerpt]) -> Appearance | None:
        """Look at the newest window of a signal, if it is whole and has not been looked at."""
        number, appearance = track.number, self._on.get(track.number)
        channel, ring = self._channel(track), self._ring
        length, margin = length_of(channel), margin_of(channel)
        end = ring.end - margin
        done = self._watched.get(number, 0) if appearance is None else appearance.done
        is_early = end - max(length, self._spacing(appearance)) < done
        if is_early or end - length < ring.first + margin or length > _LONGEST:
            return self._ended_by_silence(number)
        if appearance is None and not self._is_watched(track):
            return None
        n = 1 << (length + 2 * margin - 1).bit_length()
        if n > ring.end - ring.first:
            return self._ended_by_silence(number)
        if n not in excerpts:
            excerpts[n] = Excerpt(ring.part(ring.end - n, ring.end), ring.end - n)
        window = excerpts[n].windows(channel, [end - length])
        return self._judge(track, window, end - length)

    def _judge(self, track: Track, window: Samples, start: int) -> Appearance | None:
        end = start + length_of(self._channel(track))
        power = float(np.mean(np.abs(window) ** 2))
        appearance = self._on.get(track.number)
        if appearance is None:
            self._watched[track.number] = end
            if power < _BACK * track.measured.power:
                return None
            appearance = self._begin(track, start, end)
            appearance.is_measured = False
        appearance.done = end
        if power < least_power(track.measured):
            return self._ended_by_silence(track.number)
        self._note(appearance, end)
        self._label(appearance, window, [start])
        return appearance

    def _label(self, appearance: Appearance, cut: Samples, starts: list[int]) -> None:
        track = appearance.track
        heard = np.mean(np.abs(cut) ** 2, axis=1) >= least_power(track.measured)
        kept = [start for start, is_heard in zip(starts, heard, strict=True) if is_heard]
        if not kept:
            return
        cut = cut[heard]
        if track.measured.carrier_order > 1:
            cut = steadied(cut, track.measured.carrier_order)
        length = length_of(self._channel(track))
        windows = Windows(cut, kept, length, self._rate_hz, track.signal)
        appearance.add(windows, label(self._classifier, windows))
        appearance.label_end = kept[-1] + length
        appearance.done = max(appearance.done, appearance.label_end)

    def _begin(self, track: Track, first: int, end: int) -> Appearance:
        self._n += 1
        appearance = Appearance(
            self._n, track, self._classifier.classes, self._clock.utc(first), first, end
        )
        self._on[track.number] = appearance
        return appearance

    def _note(self, appearance: Appearance, end: int) -> None:
        """Note that a signal is heard up to there."""
        appearance.end_sample = max(appearance.end_sample, end)
        appearance.end_utc = self._clock.utc(appearance.end_sample)
        number = appearance.track.number
        self._heard[number] = max(self._heard.get(number, 0), end)

    def _end(self, number: int) -> Appearance:
        appearance = self._on.pop(number)
        appearance.is_on = False
        self._watched[number] = self._ring.end
        return appearance

    def _ended_by_silence(self, number: int) -> Appearance | None:
        appearance = self._on.get(number)
        if appearance is None:
            return None
        is_silent = self._ring.end - self._heard[number] > self._gap(
            self._channel(appearance.track)
        )
        return self._end(number) if is_silent and appearance.n_missed else None

    def _channel(self, track: Track) -> Channel:
        """The signal's channel, worked out once for what was measured last."""
        known = self._channels.get(track.number)
        if known is None or known[0] is not track.measured:
            known = track.measured, track.channel
            self._channels[track.number] = known
        return known[1]

    def _gap(self, channel: Channel) -> int:
        return max(int(_GAP_S * self._rate_hz), 2 * length_of(channel))

    def _spacing(self, appearance: Appearance | None) -> int:
        """Samples from a window that was looked at to the next one that is, at least."""
        if appearance is not None and appearance.tally.n_windows < _SETTLED:
            return 0
        return int(_SPACING_S * self._rate_hz)

    def _is_watched(self, track: Track) -> bool:
        """Whether a silent signal is listened for."""
        silent_s = (self._ring.end - self._heard.get(track.number, 0)) / self._rate_hz
        return track.measured.detection.snr_db >= _CLEAR_DB and silent_s < _WATCHED_S

    def _forget(self) -> None:
        """Drop signals that were silent for long; sooner where there are very many."""
        is_crowded = len(self._tracks.known) > _CROWDED
        patience_s = _GAP_S if is_crowded else _FORGOTTEN_S
        for track in list(self._tracks.known):
            number = track.number
            silent_s = (self._ring.end - self._heard.get(number, 0)) / self._rate_hz
            if number not in self._on and silent_s > patience_s:
                self._tracks.forget(track)
                self._heard.pop(number, None)
                self._watched.pop(number, None)
                self._channels.pop(number, None)
                self._n_agreed.pop(number, None)
