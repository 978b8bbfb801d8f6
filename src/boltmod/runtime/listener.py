"""Signals of a recording or a stream of any length, found piece by piece in bounded memory.

A piece is held, its signals are found and their windows given out; then the next one is read. What
is not over when a piece ends is held for the next one, and the noise and the signals that were
heard are remembered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from boltmod.errors import ConfigError
from boltmod.modulation import FRAME_LENGTH
from boltmod.recording.analytic import Samples
from boltmod.recording.recording import Recording
from boltmod.runtime.channel.carrier import steadied
from boltmod.runtime.channel.detect import look
from boltmod.runtime.channel.detection import Detection
from boltmod.runtime.channel.measure import Measured, measure
from boltmod.runtime.channel.select import Channel, select
from boltmod.runtime.channel.spectrogram import N_BINS, Waterfall
from boltmod.runtime.channel.symbol_rate import SymbolRate
from boltmod.runtime.signals import Signal, Span, Wish

SAMPLES_PER_SYMBOL = 8
"""What the networks learned at."""
PIECE_SAMPLES = 1 << 21
"""Samples of a file that are looked at together."""
_LEAST_PIECE = 1 << 17
_ROLLOFF = 0.35
"""Excess bandwidth that is assumed when the symbol rate cannot be measured."""
_BLOCK = 1 << 16
_WINDOWS_AT_ONCE = 64
_REACH = 14
"""Samples beside a window that are filtered with it, in periods of the filter's bandwidth."""
_GAP_SYMBOLS = 16
"""A longer silence is the end of a burst; a shorter one may be a keyed carrier's."""
_LEAST_PART = 0.25
"""A burst that fills no window is looked at if it fills that much of one."""
_QUIET = 0.05
_OVER_NOISE = 1.25
_MOST_OF = 0.6
_NEAR = 2048
_ALIKE = 1.6
"""Bandwidths that differ more are those of two signals."""
_MOST_SIGNALS = 256
_MOST_SPANS = 4096

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """Windows of one signal, at 8 samples a symbol.

    Args:
        signal: The signal.
        starts: First sample of the recording that each is about, (n,).
        count: How many samples of the recording each is about.
        samples: (n, 1024).
    """

    signal: Signal
    starts: list[int]
    count: int
    samples: Samples


@dataclass
class _Track:
    """A signal, as it is known so far."""

    number: int
    measured: Measured
    spans: list[Span] = field(default_factory=list)
    done: int = 0


class Listener:
    """Finds the signals of a source, and their windows.

    Args:
        source: The samples; its rate must be known.
        wish: What is known already.
        waterfall: Filled with the power over time and frequency, if given.

    Raises:
        ConfigError: The rate is not known, or the wish lies outside the band.
    """

    def __init__(self, source: Recording, wish: Wish, waterfall: Waterfall | None = None) -> None:
        if source.rate_hz is None:
            raise ConfigError("rate must be known to select a channel: give it with --rate")
        wish.check(source.rate_hz)
        self._source, self._wish, self._rate_hz = source, wish, source.rate_hz
        self._waterfall = waterfall
        self._tracks: list[_Track] = []
        self._noise: Floats | None = None
        self._keep_from = 0
        self.n_ignored = 0
        """Signals that came after the 256th."""

    @property
    def signals(self) -> list[Signal]:
        """The signals heard so far, by their numbers."""
        return [self._as_signal(track) for track in self._tracks]

    def windows(self) -> Iterator[Windows]:
        """Listen to the source, from its beginning to its end.

        Raises:
            ConfigError: At the end, if there was no signal at an offset that was asked for.
        """
        held: list[Samples] = []
        n_held, start = 0, 0
        for stretch in self._source.stretches(_BLOCK):
            first, block = stretch.first_sample, stretch.samples
            if self._waterfall is not None:
                self._waterfall.add(block)
            if n_held and first != start + n_held:
                # Samples were dropped: what comes is another recording, so to speak.
                yield from self._heard(np.concatenate(held), start, is_last=True)
                held, start, n_held = [], first, 0
            elif n_held and n_held + len(block) > self._n_piece:
                piece = np.concatenate(held)
                yield from self._heard(piece, start, is_last=False)
                # Half of a piece at most is looked at again.
                keep = min(max(self._keep_from - start, n_held // 2), n_held)
                held, start, n_held = [piece[keep:].copy()], start + keep, n_held - keep
            held.append(block)
            n_held += len(block)
        if n_held:
            yield from self._heard(np.concatenate(held), start, is_last=True)
        if self._wish.offset_hz is not None and not self._tracks:
            raise ConfigError(
                f"offset must lie in a signal, and none was found at {self._wish.offset_hz:g} Hz: "
                "give its --bandwidth too"
            )

    @property
    def _n_piece(self) -> int:
        if self._source.n_samples is not None:
            return PIECE_SAMPLES
        return int(np.clip(self._rate_hz, _LEAST_PIECE, PIECE_SAMPLES))

    def _heard(self, samples: Samples, start: int, is_last: bool) -> Iterator[Windows]:
        """Windows of the signals in a piece; sets from where it is to be looked at again."""
        end = start + len(samples)
        self._keep_from = end
        found, self._noise = look(samples, self._noise)
        found = [_moved(each, start) for each in found]
        for detection in self._wished(found, (start, end)):
            measured = measure(samples, start, detection)
            if measured is None:
                continue
            track = self._track(self._told(measured))
            if track is None:
                continue
            gap = int(_GAP_SYMBOLS / self._symbol_rate(track))
            for span in _closed(detection.spans, gap):
                goes_on = not is_last and end - span[1] <= max(gap, _NEAR)
                if goes_on and span[0] >= start + len(samples) // 2:
                    self._keep_from = min(self._keep_from, span[0] - _NEAR)
                    continue
                _add(track, span)
                yield from self._cut(samples, start, track, span)
                if goes_on:
                    self._keep_from = min(self._keep_from, track.done)
                else:
                    track.done = max(track.done, span[1])

    def _wished(self, found: list[Detection], piece: Span) -> list[Detection]:
        wish, rate_hz = self._wish, self._rate_hz
        if wish.offset_hz is None:
            if wish.bandwidth_hz is None:
                return found
            return [replace(each, bandwidth=wish.bandwidth_hz / rate_hz) for each in found]
        offset = wish.offset_hz / rate_hz
        near = [each for each in found if abs(each.centre - offset) < each.bandwidth / 2]
        near.sort(key=lambda each: abs(each.centre - offset))
        if wish.bandwidth_hz is None:
            return [replace(each, centre=offset) for each in near[:1]]
        spans: tuple[Span, ...] = (piece,)
        snr_db = float("nan")
        if near:
            spans, snr_db = near[0].spans, near[0].snr_db
        elif any(not np.isnan(track.measured.detection.snr_db) for track in self._tracks):
            return []
        return [Detection(offset, wish.bandwidth_hz / rate_hz, spans, snr_db)]

    def _told(self, measured: Measured) -> Measured:
        """What was measured, but for what is known better."""
        if self._wish.offset_hz is not None:
            told_carrier = self._wish.offset_hz / self._rate_hz
            measured = replace(measured, carrier=told_carrier, carrier_power=0)
        if self._wish.symbol_rate_hz is not None:
            told = SymbolRate(self._wish.symbol_rate_hz / self._rate_hz, float("inf"))
            measured = replace(measured, line=told)
        return measured

    def _track(self, measured: Measured) -> _Track | None:
        """The signal that this is, a new one if it is like none; None if there are too many."""
        like = [t for t in self._tracks if _is_same(t.measured.detection, measured.detection)]
        if like:
            centre = measured.detection.centre
            track = min(like, key=lambda t: abs(t.measured.detection.centre - centre))
            known = track.measured
            if known.line is not None and known.line.is_sure:
                measured = replace(measured, line=known.line)
            if measured.carrier is None and known.carrier is not None:
                measured = replace(
                    measured, carrier=known.carrier, carrier_power=known.carrier_power
                )
            if known.detection.snr_db > measured.detection.snr_db:
                measured = replace(measured, detection=known.detection)
            track.measured = measured
            return track
        if len(self._tracks) >= _MOST_SIGNALS:
            self.n_ignored += 1
            return None
        self._tracks.append(_Track(len(self._tracks) + 1, measured))
        return self._tracks[-1]

    def _symbol_rate(self, track: _Track) -> float:
        """Symbols a sample."""
        line, detection = track.measured.line, track.measured.detection
        if line is not None and (line.is_sure or line.is_keyed):
            return line.rate
        return detection.bandwidth / (1 + _ROLLOFF)

    def _as_signal(self, track: _Track) -> Signal:
        measured, rate_hz = track.measured, self._rate_hz
        detection = measured.detection
        return Signal(
            track.number,
            detection.centre * rate_hz,
            detection.bandwidth * rate_hz,
            None if measured.carrier is None else measured.carrier * rate_hz,
            measured.carrier_power,
            self._symbol_rate(track) * rate_hz,
            measured.line is not None and measured.line.is_sure,
            None if np.isnan(detection.snr_db) else detection.snr_db,
            tuple(track.spans),
        )

    def _cut(self, samples: Samples, start: int, track: _Track, span: Span) -> Iterator[Windows]:
        """Windows within a span, as many at once as are worth it."""
        measured, signal = track.measured, self._as_signal(track)
        symbol_rate = self._symbol_rate(track)
        samples_out = SAMPLES_PER_SYMBOL * symbol_rate
        detection = measured.detection
        centre = detection.centre if measured.carrier is None else measured.carrier
        # Wide enough for the symbols, however narrow their occupied band was found.
        channel = Channel(centre, max(detection.bandwidth, symbol_rate), samples_out)
        length = FRAME_LENGTH / samples_out
        starts = _starts(max(span[0], track.done), span[1], length)
        margin = _REACH / channel.cut_off
        least = _least_power(measured)
        for first in range(0, len(starts), _WINDOWS_AT_ONCE):
            group = starts[first : first + _WINDOWS_AT_ONCE]
            begin = max(start, int(group[0] - margin))
            stop = int(np.ceil(group[-1] + length + margin)) - start
            parts = list(select([samples[begin - start : max(0, stop)]], channel))
            alone = np.concatenate(parts or [np.empty(0, np.complex64)])
            cut = np.stack([_part(alone, round((s - begin) * samples_out)) for s in group])
            heard = np.mean(np.abs(cut) ** 2, axis=1) >= least
            kept = [max(0, round(s)) for s, is_heard in zip(group, heard, strict=True) if is_heard]
            if kept:
                cut = cut[heard]
                if measured.carrier_power > 1:
                    cut = steadied(cut, measured.carrier_power)
                yield Windows(signal, kept, round(length), cut)
        if len(starts):
            track.done = max(track.done, int(np.ceil(starts[-1] + length)))


def find_signals(source: Recording, wish: Wish) -> list[Signal]:
    """Look for the signals of a recording, the strongest of its beginning first.

    With an offset and a bandwidth given, the only signal is the one there; with an offset alone,
    the one found nearest to it.

    Raises:
        ConfigError: The rate is not known, or the wish lies outside the band.
    """
    listener = Listener(source, wish)
    for _ in listener.windows():
        pass
    return listener.signals


def _moved(detection: Detection, start: int) -> Detection:
    return replace(detection, spans=tuple((a + start, b + start) for a, b in detection.spans))


def _is_same(one: Detection, other: Detection) -> bool:
    narrow, wide = sorted((one.bandwidth, other.bandwidth))
    shift = abs(one.centre - other.centre)
    return wide <= _ALIKE * narrow + 2 / N_BINS and shift <= narrow / 4 + 1 / N_BINS


def _closed(spans: tuple[Span, ...], gap: int) -> list[Span]:
    """Spans without gaps that short."""
    closed: list[Span] = []
    for span in spans:
        if closed and span[0] - closed[-1][1] <= gap:
            closed[-1] = (closed[-1][0], span[1])
        else:
            closed.append(span)
    return closed


def _add(track: _Track, span: Span) -> None:
    """Note when a signal is on; of very many spans, neighbours become one."""
    if track.spans and span[0] <= track.spans[-1][1] + _NEAR:
        first, last = track.spans[-1]
        track.spans[-1] = (min(first, span[0]), max(last, span[1]))
    else:
        track.spans.append(span)
    if len(track.spans) > _MOST_SPANS:
        pairs = zip(track.spans[::2], track.spans[1::2], strict=False)
        track.spans = [(a, d) for (a, _), (_, d) in pairs]


def _starts(first: float, end: float, length: float) -> Floats:
    """Where windows of a length begin in a span; in its middle if it is too short for one."""
    n = int((end - first) / length)
    if n:
        return np.asarray(first + length * np.arange(n), np.float64)
    if end - first >= _LEAST_PART * length:
        return np.array([(first + end - length) / 2])
    return np.empty(0)


def _part(alone: Samples, first: int) -> Samples:
    """One window from there on, zero where there is nothing."""
    window = np.zeros(FRAME_LENGTH, np.complex64)
    part = alone[max(0, first) : max(0, first + FRAME_LENGTH)]
    window[max(0, -first) :][: len(part)] = part
    return window


def _least_power(measured: Measured) -> float:
    """Power that a window must have to hold more than the noise beside a signal."""
    snr_db = measured.detection.snr_db
    if np.isnan(snr_db):
        return 0.0
    share_of_noise = _OVER_NOISE / (1 + 10 ** (snr_db / 10))
    return measured.power * min(max(_QUIET, share_of_noise), _MOST_OF)
