"""Signals of a recording or a stream of any length, found piece by piece in bounded memory.

A piece is held, its signals are found and their windows given out; then the next one is read. What
is not over when a piece ends is held for the next one, and the noise and the signals that were
heard are remembered.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from boltmod.errors import ConfigError
from boltmod.modulation import FRAME_LENGTH
from boltmod.recording.analytic import Samples
from boltmod.recording.clock import zero_of
from boltmod.recording.recording import Recording
from boltmod.runtime.cut.channel.carrier import steadied
from boltmod.runtime.cut.channel.find import find
from boltmod.runtime.cut.channel.measure import Measured, measure
from boltmod.runtime.cut.channel.select import select
from boltmod.runtime.cut.channel.spectrogram import Waterfall
from boltmod.runtime.cut.signal import BareCarrier, Constraints, Signal, Span
from boltmod.runtime.cut.track import LEAST_PART, NEAR, Track, Tracks
from boltmod.runtime.window import Windows

PIECE_SAMPLES = 1 << 21
"""Samples of a file that are looked at together."""
_LEAST_PIECE = 1 << 17
_BLOCK = 1 << 16
_WINDOWS_AT_ONCE = 64
_REACH = 14
"""Samples beside a window that are filtered with it, in periods of the filter's bandwidth."""
_GAP_SYMBOLS = 16
"""A longer silence is the end of a burst; a shorter one may be a keyed carrier's."""
_QUIET = 0.05
_OVER_NOISE = 1.25
_MOST_OF = 0.6

Floats = NDArray[np.float64]
_NOTHING = np.empty((0, FRAME_LENGTH), np.complex64)


class Listener:
    """Cuts a recording into the windows of the signals that it holds.

    Args:
        constraints: What is known of the signals already.
        waterfall: Filled with the power over time and frequency, if given.
        n_piece: Samples that are looked at together; a file's 2,097,152, a stream's second if None.
    """

    def __init__(
        self,
        constraints: Constraints | None = None,
        waterfall: Waterfall | None = None,
        n_piece: int | None = None,
    ) -> None:
        self._constraints = constraints or Constraints()
        self._waterfall, self._n_piece = waterfall, n_piece
        self._tracks = Tracks(self._constraints)
        self._noise: Floats | None = None
        self._keep_from = 0
        self._n_dropped = 0
        self._tuned_hz: float | None = None
        self._zero: datetime | None = None

    @property
    def signals(self) -> list[Signal]:
        """The signals heard so far, by their numbers."""
        return [each.signal for each in self._tracks.known]

    @property
    def n_ignored(self) -> int:
        """Signals that came after the 256th."""
        return self._tracks.n_ignored

    @property
    def carriers(self) -> list[BareCarrier]:
        """Carriers that are there all the time and that nothing changes in."""
        return self._tracks.carriers

    def n_piece_of(self, recording: Recording) -> int:
        """Samples of a recording that are looked at together."""
        return self._n_piece or _n_piece(recording)

    def __call__(self, recording: Recording) -> Iterator[Windows]:
        """Listen to a recording, from its beginning to its end.

        What is found does not depend on the lengths of the stretches that it comes in.

        Args:
            recording: The samples; its rate must be known.

        Yields:
            Windows; none each time that a stream has brought nothing for a moment.

        Raises:
            ConfigError: The rate is not known, a constraint lies outside the band, or, at the end,
                there was no signal at an offset that was asked for.
        """
        if recording.rate_hz is None:
            raise ConfigError("rate must be known to select a channel: give it with --rate")
        self._constraints.check(recording.rate_hz)
        self._tracks.rate_hz = recording.rate_hz
        n_piece = self.n_piece_of(recording)
        self._tuned_hz = recording.centre_hz
        held: list[Samples] = []
        n_held, start = 0, recording.first_sample
        for stretch in recording.stretches(_BLOCK):
            first, block = stretch.first_sample, stretch.samples
            self._zero = zero_of(recording)
            if not len(block):
                yield Windows(_NOTHING, (), 0, recording.rate_hz)
                continue
            if self._waterfall is not None:
                self._waterfall.add(block)
            if first != start + n_held:
                # Samples were dropped: what comes is another recording, so to speak.
                if n_held:
                    yield from self._heard(np.concatenate(held), start, is_last=True)
                self._n_dropped += (first - start - n_held) // FRAME_LENGTH
                held, start, n_held = [], first, 0
            while n_held + len(block) > n_piece:
                piece = np.concatenate([*held, block[: n_piece - n_held]])
                block = block[n_piece - n_held :]
                n_held = len(piece)
                yield from self._heard(piece, start, is_last=False)
                # Half of a piece at most is looked at again.
                keep = min(max(self._keep_from - start, n_held // 2), n_held)
                held, start, n_held = [piece[keep:].copy()], start + keep, n_held - keep
            held.append(block)
            n_held += len(block)
        if n_held:
            yield from self._heard(np.concatenate(held), start, is_last=True)
        offset_hz = self._constraints.offset_hz
        if offset_hz is not None and not self._tracks.known:
            raise ConfigError(
                f"offset must lie in a signal, and none was found at {offset_hz:g} Hz: "
                "give its --bandwidth too"
            )

    def _heard(self, samples: Samples, start: int, is_last: bool) -> Iterator[Windows]:
        """Windows of the signals in a piece; sets from where it is to be looked at again."""
        end = start + len(samples)
        self._keep_from = end
        found = find(samples, start, self._noise, self._tracks.rate_hz)
        samples, self._noise = found.samples, found.noise
        done = {track.number: track.done for track in self._tracks.known}
        for detection in self._tracks.wanted(found.detections, (start, end)):
            measured = measure(
                samples, start, detection, self._constraints.is_whole, self._tracks.rate_hz
            )
            if measured is not None and measured.is_bare and self._constraints.offset_hz is None:
                self._tracks.note_carrier(measured)
                continue
            track = None if measured is None else self._tracks.of(measured)
            if track is None:
                continue
            gap = int(_GAP_SYMBOLS / track.symbol_rate)
            bursts = _closed(detection.spans, gap)
            track.longest = max(track.longest, *(end - first for first, end in bursts))
            for span in bursts:
                goes_on = not is_last and end - span[1] <= max(gap, NEAR)
                if goes_on and span[0] >= start + len(samples) // 2:
                    self._keep_from = min(self._keep_from, span[0] - NEAR)
                    continue
                track.add(span)
                first = max(span[0], done.get(track.number, 0))
                yield from self._cut(samples, start, track, (first, span[1]))
                if goes_on:
                    self._keep_from = min(self._keep_from, track.done)
                else:
                    track.done = max(track.done, span[1])

    def _cut(self, samples: Samples, start: int, track: Track, span: Span) -> Iterator[Windows]:
        """Windows within a span, as many at once as are worth it."""
        measured, signal, channel = track.measured, track.signal, track.channel
        samples_out = channel.samples_out
        length = FRAME_LENGTH / samples_out
        starts = _starts(span[0], span[1], length)
        margin = _REACH / channel.cut_off
        least = least_power(measured)
        for first in range(0, len(starts), _WINDOWS_AT_ONCE):
            group = starts[first : first + _WINDOWS_AT_ONCE]
            begin = max(start, int(group[0] - margin))
            stop = int(np.ceil(group[-1] + length + margin)) - start
            parts = list(select([samples[begin - start : max(0, stop)]], channel))
            alone = np.concatenate(parts or [np.empty(0, np.complex64)])
            cut = np.stack([_part(alone, round((s - begin) * samples_out)) for s in group])
            heard = np.mean(np.abs(cut) ** 2, axis=1) >= least
            kept = [max(0, round(s)) for s, is_heard in zip(group, heard, strict=True) if is_heard]
            cut = cut[heard]
            if kept and measured.carrier_order > 1:
                cut = steadied(cut, measured.carrier_order)
            yield Windows(
                cut, kept, round(length), track.rate_hz, signal,
                n_quiet=len(group) - len(kept), n_dropped=self._n_dropped,
                tuned_hz=self._tuned_hz, zero=self._zero,
            )  # fmt: skip
        if len(starts):
            track.done = max(track.done, int(np.ceil(starts[-1] + length)))


def find_signals(recording: Recording, constraints: Constraints | None = None) -> list[Signal]:
    """Look for the signals of a recording, the strongest of its beginning first.

    With an offset and a bandwidth given, the only signal is the one there; with an offset alone,
    the one found nearest to it.

    Raises:
        ConfigError: The rate is not known, or a constraint lies outside the band.
    """
    listener = Listener(constraints)
    for _ in listener(recording):
        pass
    return listener.signals


def _n_piece(recording: Recording) -> int:
    """Samples that are looked at together: of a stream, a second's."""
    if recording.n_samples is not None or recording.rate_hz is None:
        return PIECE_SAMPLES
    return int(np.clip(recording.rate_hz, _LEAST_PIECE, PIECE_SAMPLES))


def _closed(spans: tuple[Span, ...], gap: int) -> list[Span]:
    """Spans without gaps that short."""
    closed: list[Span] = []
    for span in spans:
        if closed and span[0] - closed[-1][1] <= gap:
            closed[-1] = (closed[-1][0], span[1])
        else:
            closed.append(span)
    return closed


def _starts(first: float, end: float, length: float) -> Floats:
    """Where windows of a length begin in a span; in its middle if it is too short for one."""
    n = int((end - first) / length)
    if n:
        return np.asarray(first + length * np.arange(n), np.float64)
    if end - first >= LEAST_PART * length:
        return np.array([(first + end - length) / 2])
    return np.empty(0)


def _part(alone: Samples, first: int) -> Samples:
    """One window from there on, zero where there is nothing."""
    window = np.zeros(FRAME_LENGTH, np.complex64)
    part = alone[max(0, first) : max(0, first + FRAME_LENGTH)]
    window[max(0, -first) :][: len(part)] = part
    return window


def least_power(measured: Measured) -> float:
    """Power that a window must have to hold more than the noise beside a signal."""
    snr_db = measured.detection.snr_db
    if np.isnan(snr_db):
        return 0.0
    share_of_noise = _OVER_NOISE / (1 + 10 ** (snr_db / 10))
    return measured.power * min(max(_QUIET, share_of_noise), _MOST_OF)
