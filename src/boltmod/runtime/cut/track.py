"""Signals as they are known so far, from one piece of a recording to the next."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from boltmod.modulation import FRAME_LENGTH
from boltmod.runtime.cut.band import Band
from boltmod.runtime.cut.channel.detection import Detection
from boltmod.runtime.cut.channel.measure import Measured
from boltmod.runtime.cut.channel.select import Channel
from boltmod.runtime.cut.channel.symbol_rate import SymbolRate
from boltmod.runtime.cut.signal import BareCarrier, Constraints, Evidence, Signal, Span

SAMPLES_PER_SYMBOL = 8
"""What the networks learned at."""
NEAR = 2048
"""Samples between two spans that are taken for one."""
_FINEST = 8
"""Times eight samples that a symbol of a short packet is cut in, at most."""
_ROLLOFF = 0.35
"""Excess bandwidth that is assumed when the symbol rate cannot be measured."""
LEAST_PART = 0.25
"""A burst that fills no window is looked at if it fills that much of one."""
_LEAST_SHARE = 0.8
"""Of a signal's power, in the channel that is cut out of the band for it."""
_MOST_SIGNALS = 256
_MOST_SPANS = 4096
_MOST_OUT_OF_ORDER = 256
"""Spans that one may have to be put before."""
_SAME_CLOCK = 0.01
"""Symbol rates that differ by less are one, as a share of them."""
_WITHOUT_CLOCK = 2
"""Measurements that found no clock, after which one must be found twice: in a voice, and in noise,
one is seen now and then."""
_SHARED = 0.25
"""Of the shorter of two stretches of samples: what shows a clock in both, if they share more, may
be one chance that is seen twice."""
_SAME_PLACE = 0.02
"""Carriers that differ by less are one, as a share of the symbol rate."""
_SAME_CARRIER = 2 / 512
"""Lines nearer to each other are one, in cycles a sample."""


@dataclass
class Track:
    """A signal, as it is known so far.

    Args:
        number: From 1, in the order in which they were found.
        measured: What was measured of it last, and what was known better before.
        rate_hz: Samples of the recording a second.
        spans: When it is on, in samples: (first, end).
        done: Up to where its windows were cut.
        repeats_after: Samples after which the recording is played again; None if it is not.
        longest: Samples of its longest burst.
    """

    number: int
    measured: Measured
    rate_hz: float
    spans: list[Span] = field(default_factory=list)
    done: int = 0
    repeats_after: int | None = None
    longest: int = 0
    _n_without_clock: int = 0
    _clock_seen_once: Measured | None = None

    def __post_init__(self) -> None:
        self._n_without_clock = int(not _has_clock(self.measured))

    @property
    def symbol_rate(self) -> float:
        """Symbols a sample."""
        line = self.measured.line
        if line is not None and (line.is_sure or line.is_keyed):
            return line.rate
        return self.measured.detection.band.width / (1 + _ROLLOFF)

    @property
    def channel(self) -> Channel:
        """Around its carrier; wide enough for its symbols, however narrow its band was found."""
        band, carrier = self.measured.detection.band, self.measured.carrier
        centre = band.centre if carrier is None else carrier
        width = max(band.width, self.symbol_rate)
        rate = SAMPLES_PER_SYMBOL * self.symbol_rate
        share = self.measured.share_within(centre, rate)
        # Tones far apart are not in eight samples a symbol.
        while share is not None and share < _LEAST_SHARE and rate < width:
            rate *= 2
            share = self.measured.share_within(centre, rate)
        return Channel(centre, width, rate * self._finer(rate))

    def _finer(self, rate: float) -> int:
        """How many times more samples a keyed carrier's short packet is cut in, to fill a window.

        Networks for the field know on-off keying whose symbols last that long, and no other.
        """
        finer = 1
        if self.measured.character.keying != "on-off" or not self.longest:
            return finer
        needed = LEAST_PART * FRAME_LENGTH
        while self.longest * rate * finer < needed and finer < _FINEST:
            finer *= 2
        return finer

    @property
    def signal(self) -> Signal:
        """What is known of it, in hertz."""
        measured, rate_hz = self.measured, self.rate_hz
        detection = measured.detection
        return Signal(
            self.number,
            detection.band.centre * rate_hz,
            detection.band.width * rate_hz,
            None if measured.carrier is None else measured.carrier * rate_hz,
            measured.carrier_order,
            self.symbol_rate * rate_hz,
            measured.line is not None and measured.line.is_sure,
            None if np.isnan(detection.snr_db) else detection.snr_db,
            tuple(self.spans),
            self._evidence,
        )

    @property
    def _evidence(self) -> Evidence:
        measured, channel = self.measured, self.channel
        line, character = measured.line, measured.character
        prefix = measured.prefix
        is_told = line is not None and (line.is_sure or line.is_keyed)
        return Evidence(
            measured.carrier_told_by,
            line.clock if line is not None and is_told else "the bandwidth",
            measured.share_within(channel.centre, channel.cut_off),
            channel.samples_out / self.symbol_rate,
            character.keying,
            character.n_tones,
            character.deviation * self.rate_hz if character.n_tones else None,
            character.on_share,
            character.low,
            character.envelope_variation,
            measured.is_bare,
            character.is_sure,
            character.message,
            character.message_in,
            None if prefix is None else self.rate_hz / prefix.useful,
            None if prefix is None else self.rate_hz / prefix.period,
        )

    def add(self, span: Span) -> None:
        """Note when it is on; of very many spans, neighbours become one."""
        spans = sorted([*self.spans[-_MOST_OUT_OF_ORDER:], span])
        joined = [spans[0]]
        for first, end in spans[1:]:
            if first <= joined[-1][1] + NEAR:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((first, end))
        self.spans[-_MOST_OUT_OF_ORDER:] = joined
        if len(self.spans) > _MOST_SPANS:
            pairs = zip(self.spans[::2], self.spans[1::2], strict=False)
            self.spans = [(a, d) for (a, _), (_, d) in pairs]

    def update(self, measured: Measured) -> None:
        """Take a new measurement, but for what is known better."""
        known = self.measured
        if _has_clock(known) or self._is_doubtful(measured):
            measured = replace(measured, line=known.line, character=known.character)
        if measured.carrier is None and known.carrier is not None:
            measured = replace(measured, carrier=known.carrier, carrier_order=known.carrier_order)
        if known.detection.snr_db > measured.detection.snr_db:
            measured = replace(measured, detection=known.detection)
        self.measured = measured

    def _is_doubtful(self, measured: Measured) -> bool:
        """Whether it shows a clock where before there was none, and for the first time."""
        if not _has_clock(measured):
            self._n_without_clock += 1
            return False
        before = self._clock_seen_once
        is_one = before is not None and _is_one_clock(before.line, measured.line)
        if before is None or not is_one:
            self._clock_seen_once = measured
            return self._n_without_clock >= _WITHOUT_CLOCK
        is_new = not _is_of_the_same(before, measured, self.repeats_after)
        return self._n_without_clock >= _WITHOUT_CLOCK and not is_new


class Tracks:
    """All signals known so far, within what whoever asks knows already.

    Args:
        constraints: What that is.
    """

    def __init__(self, constraints: Constraints) -> None:
        self._constraints = constraints
        self.rate_hz = 1.0
        self.repeats_after: int | None = None
        """Samples after which the recording is played again; None if it is not."""
        self.known: list[Track] = []
        self.carriers: list[BareCarrier] = []
        self.n_ignored = 0
        """Signals that came after the 256th."""
        self._n_numbered = 0

    def wanted(self, found: list[Detection], piece: Span) -> list[Detection]:
        """Of the signals found in a piece, those that are asked for, as they are asked for."""
        offset_hz, bandwidth_hz = self._constraints.offset_hz, self._constraints.bandwidth_hz
        width = None if bandwidth_hz is None else bandwidth_hz / self.rate_hz
        if offset_hz is None:
            if width is None:
                return found
            return [replace(each, band=Band(each.band.centre, width)) for each in found]
        offset = offset_hz / self.rate_hz
        near = [
            each
            for each in found
            if abs(each.band.centre - offset) < each.band.width / 2 and not np.isnan(each.snr_db)
        ]
        near.sort(key=lambda each: abs(each.band.centre - offset))
        if width is None:
            return [replace(each, band=Band(offset, each.band.width)) for each in near[:1]]
        if near:
            return [Detection(Band(offset, width), near[0].spans, near[0].snr_db)]
        if any(not np.isnan(track.measured.detection.snr_db) for track in self.known):
            return []
        return [Detection(Band(offset, width), (piece,), float("nan"))]

    def note_carrier(self, measured: Measured) -> None:
        """Note a bare carrier, once."""
        band, middle = measured.detection.band, measured.carrier
        offset_hz = (band.centre if middle is None else middle) * self.rate_hz
        near_hz = max(band.width, _SAME_CARRIER) * self.rate_hz
        if all(abs(each.offset_hz - offset_hz) > near_hz for each in self.carriers):
            self.carriers.append(BareCarrier(offset_hz, measured.detection.snr_db))

    def of(self, measured: Measured) -> Track | None:
        """The signal that this is, a new one if it is like none; None if there are too many."""
        measured = self._corrected(measured)
        band = measured.detection.band
        like = [each for each in self.known if each.measured.detection.band.is_same(band)]
        like = like or [each for each in self.known if _is_same_sender(each.measured, measured)]
        if like:
            track = min(
                like, key=lambda each: abs(each.measured.detection.band.centre - band.centre)
            )
            track.update(measured)
            return track
        if len(self.known) >= _MOST_SIGNALS:
            self.n_ignored += 1
            return None
        self._n_numbered += 1
        track = Track(self._n_numbered, measured, self.rate_hz, repeats_after=self.repeats_after)
        self.known.append(track)
        return track

    def forget(self, track: Track) -> None:
        """Drop a signal that has long been silent; its number is not given again."""
        self.known.remove(track)

    def _corrected(self, measured: Measured) -> Measured:
        """What was measured, but for what was told."""
        told = self._constraints
        if told.offset_hz is not None:
            offset = told.offset_hz / self.rate_hz
            measured = replace(
                measured, carrier=offset, carrier_order=0, carrier_told_by="as it was given"
            )
        if told.symbol_rate_hz is not None:
            rate = told.symbol_rate_hz / self.rate_hz
            line = SymbolRate(rate, float("inf"), clock="as it was given")
            measured = replace(measured, line=line)
        return measured


def _is_same_sender(one: Measured, other: Measured) -> bool:
    """Whether two are of one transmitter: of one clock, and of one carrier.

    Or packets one after the other, band on band, whose carrier moves.
    """
    if _is_one_carrier(one, other):
        return True
    if not _is_one_clock(one.line, other.line):
        return False
    is_keyed = one.character.keying != "" and one.character.keying == other.character.keying
    is_on = one.detection.band.overlap(other.detection.band) > 0
    at_once = any(a < d and c < b for a, b in one.detection.spans for c, d in other.detection.spans)
    return is_keyed and is_on and not at_once


def _is_one_carrier(one: Measured, other: Measured) -> bool:
    """Whether both are at one place and of one clock.

    Where one of the clocks is not sure, its band must lie within the other's or hold it; where both
    are and agree, it does not matter where the edges of a keyed carrier's band were seen.
    """
    sure = [each.line for each in (one, other) if each.line is not None and each.line.is_sure]
    if one.carrier is None or other.carrier is None or not sure:
        return False
    bands = one.detection.band, other.detection.band
    shared = bands[0].overlap(bands[1])
    if len(sure) == len(bands):
        is_one = shared > 0 and _is_one_clock(*sure)
    else:
        is_one = shared >= min(each.width for each in bands)
    return is_one and abs(one.carrier - other.carrier) < _SAME_PLACE * sure[0].rate


def _has_clock(measured: Measured) -> bool:
    """Whether its symbol rate is sure."""
    return measured.line is not None and measured.line.is_sure


def _is_one_clock(one: SymbolRate | None, other: SymbolRate | None) -> bool:
    if one is None or other is None or not (one.is_sure and other.is_sure):
        return False
    return abs(one.rate / other.rate - 1) < _SAME_CLOCK


def _is_of_the_same(one: Measured, other: Measured, repeats_after: int | None) -> bool:
    """Whether two were measured in samples that are mostly the same ones, or played again."""
    (first, end), (other_first, other_end) = (
        (each.detection.spans[0][0], each.detection.spans[-1][1]) for each in (one, other)
    )
    if repeats_after is not None:
        turns = round((first + end - other_first - other_end) / (2 * repeats_after))
        other_first, other_end = (each + turns * repeats_after for each in (other_first, other_end))
    shared = min(end, other_end) - max(first, other_first)
    return shared > _SHARED * min(end - first, other_end - other_first)
