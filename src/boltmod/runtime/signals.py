"""Signals of a recording: found, described, and classified each by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from boltmod.data.analytic import Samples
from boltmod.data.raw import RawRecording
from boltmod.errors import ConfigError
from boltmod.modulation import FRAME_LENGTH
from boltmod.runtime.channel.detect import Detection, detect
from boltmod.runtime.channel.select import Channel, select
from boltmod.runtime.channel.spectrogram import spectrogram
from boltmod.runtime.channel.symbol_rate import estimate
from boltmod.runtime.session import Classifier
from boltmod.runtime.windows import scale

SAMPLES_PER_SYMBOL = 8
"""What the networks learned at."""
_ROLLOFF = 0.35
"""Excess bandwidth that is assumed when the symbol rate cannot be measured."""
_BLOCK = 1 << 16
_MEASURED_SAMPLES = 1 << 17
_WINDOWS_AT_ONCE = 64


@dataclass(frozen=True)
class Wish:
    """What whoever asks knows already; None for what is to be estimated.

    Args:
        offset_hz: Middle of the signal, from the middle of the band (from 0 Hz, if real).
        bandwidth_hz: Its width.
        symbol_rate_hz: Symbols a second.
    """

    offset_hz: float | None = None
    bandwidth_hz: float | None = None
    symbol_rate_hz: float | None = None


@dataclass(frozen=True)
class Signal:
    """One signal of a recording.

    Args:
        number: 1 for the strongest.
        offset_hz: Middle of its band, from the middle of the recording's.
        bandwidth_hz: Width that holds 99 % of its power.
        symbol_rate_hz: Symbols a second.
        symbol_rate_is_sure: Whether it was given or measured; else it follows from the bandwidth.
        snr_db: Power over the noise in its band, while it is on; None if it was not looked for.
        spans: When it is on: (first sample, end) of the recording.
    """

    number: int
    offset_hz: float
    bandwidth_hz: float
    symbol_rate_hz: float
    symbol_rate_is_sure: bool
    snr_db: float | None
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class SignalLabel:
    """What a network says of one window of one signal.

    Args:
        signal: Number of the signal.
        sample_start: First sample of the recording that it is about.
        sample_count: How many samples of the recording.
        time_s: When it begins.
        class_name: The most probable class.
        probability: That class's probability.
    """

    signal: int
    sample_start: int
    sample_count: int
    time_s: float
    class_name: str
    probability: float


@dataclass(frozen=True)
class Verdict:
    """What a network says of a whole signal.

    Args:
        signal: The signal.
        class_name: The class of the highest mean probability; None if no window was whole.
        probability: Mean probability of that class over the windows.
        n_windows: Windows looked at.
        n_windows_by_class: How many of them were given each class.
    """

    signal: Signal
    class_name: str | None
    probability: float | None
    n_windows: int
    n_windows_by_class: dict[str, int]


def find_signals(recording: RawRecording, wish: Wish) -> list[Signal]:
    """Look for the signals of a recording, the strongest first.

    With an offset and a bandwidth given, the only signal is the one there; with an offset alone,
    the one found nearest to it.

    Args:
        recording: Its rate must be known.
        wish: What is known already.

    Raises:
        ConfigError: The rate is not known, or the wish lies outside the band.
    """
    rate_hz = recording.rate_hz
    if rate_hz is None:
        raise ConfigError("rate must be known to select a channel: give it with --rate")
    _check(wish, recording, rate_hz)
    found = detect(spectrogram(recording.blocks(_BLOCK)))
    if wish.offset_hz is not None:
        found = [_wished(wish, found, rate_hz, recording.n_samples)]
    elif wish.bandwidth_hz is not None:
        found = [replace(each, bandwidth=wish.bandwidth_hz / rate_hz) for each in found]
    return [
        _measured(recording, number, each, wish.symbol_rate_hz)
        for number, each in enumerate(found, 1)
    ]


def _check(wish: Wish, recording: RawRecording, rate_hz: float) -> None:
    if wish.offset_hz is not None and abs(wish.offset_hz) > rate_hz / 2:
        raise ConfigError(
            f"offset must lie within half the sample rate, {rate_hz / 2:g} Hz, "
            f"not at {wish.offset_hz:g}: count it from the middle of the band"
        )
    for name, value in (("bandwidth", wish.bandwidth_hz), ("symbol rate", wish.symbol_rate_hz)):
        if value is not None and value > rate_hz:
            raise ConfigError(
                f"{name} must not be above the sample rate, {rate_hz:g}, not {value:g}: lower it"
            )


def _wished(wish: Wish, found: list[Detection], rate_hz: float, n_samples: int) -> Detection:
    offset = (wish.offset_hz or 0.0) / rate_hz
    nearest = min(found, key=lambda each: abs(each.centre - offset), default=None)
    near = nearest is not None and abs(nearest.centre - offset) < nearest.bandwidth / 2
    if wish.bandwidth_hz is not None:
        spans = nearest.spans if nearest is not None and near else ((0, n_samples),)
        snr_db = nearest.snr_db if nearest is not None and near else float("nan")
        return Detection(offset, wish.bandwidth_hz / rate_hz, spans, snr_db)
    if nearest is None or not near:
        raise ConfigError(
            f"offset must lie in a signal, and none was found at {offset * rate_hz:g} Hz: "
            "give its --bandwidth too"
        )
    return replace(nearest, centre=offset)


def _measured(
    recording: RawRecording, number: int, found: Detection, symbol_rate_hz: float | None
) -> Signal:
    rate_hz = recording.rate_hz or 1.0
    sure = symbol_rate_hz is not None
    if symbol_rate_hz is None:
        line = estimate(*_longest_span(recording, found))
        sure = line is not None and line.is_sure
        wide = min(1.0, 4 * found.bandwidth)
        share = line.rate * wide if line is not None and sure else found.bandwidth / (1 + _ROLLOFF)
        symbol_rate_hz = share * rate_hz
    return Signal(
        number,
        found.centre * rate_hz,
        found.bandwidth * rate_hz,
        symbol_rate_hz,
        sure,
        None if np.isnan(found.snr_db) else found.snr_db,
        found.spans,
    )


def _longest_span(recording: RawRecording, found: Detection) -> tuple[Samples, float]:
    """The signal alone while it is on longest, and its bandwidth in cycles a sample."""
    samples_out = min(1.0, 4 * found.bandwidth)
    start, end = max(found.spans, key=lambda span: span[1] - span[0])
    end = min(end, start + int(_MEASURED_SAMPLES / samples_out))
    channel = Channel(found.centre, found.bandwidth, samples_out)
    parts = list(select(_between(recording, start, end), channel))
    return np.concatenate(parts or [np.empty(0, np.complex64)]), found.bandwidth / samples_out


def _between(recording: RawRecording, start: int, end: int) -> Iterator[Samples]:
    done = 0
    for block in recording.blocks(_BLOCK):
        part = block[max(0, start - done) : max(0, end - done)]
        if len(part):
            yield part
        done += len(block)
        if done >= end:
            return


def label_signal(
    classifier: Classifier, recording: RawRecording, signal: Signal, shares: list[float]
) -> Iterator[SignalLabel]:
    """Classify the windows in which a signal is on, in bounded memory.

    Args:
        classifier: The network.
        recording: The recording.
        signal: Where to look in it.
        shares: Filled with the sum of each class's probability over the windows.
    """
    rate_hz = recording.rate_hz or 1.0
    samples_out = SAMPLES_PER_SYMBOL * signal.symbol_rate_hz / rate_hz
    # A channel filter wide enough for the symbols, however narrow their occupied band was found.
    bandwidth = max(signal.bandwidth_hz, signal.symbol_rate_hz) / rate_hz
    channel = Channel(signal.offset_hz / rate_hz, bandwidth, samples_out)
    count = round(FRAME_LENGTH / samples_out)
    shares[:] = [0.0] * len(classifier.classes)
    for starts, windows in _grouped(_windows_on(select(recording.blocks(_BLOCK), channel), signal,
                                                samples_out)):  # fmt: skip
        planes, is_constant = scale(windows, classifier.model.metadata.input_scaling)
        rows = classifier.probabilities(planes)
        for start, row, constant in zip(starts, rows, is_constant, strict=True):
            if constant:
                continue
            shares[:] = [total + float(each) for total, each in zip(shares, row, strict=True)]
            best = int(row.argmax())
            yield SignalLabel(
                signal.number, start, count, start / rate_hz, classifier.classes[best],
                float(row[best]),
            )  # fmt: skip


def verdict(signal: Signal, labels: Iterable[SignalLabel], shares: list[float],
            classes: tuple[str, ...]) -> Verdict:  # fmt: skip
    """Decide what a signal is over all its windows.

    Args:
        signal: The signal.
        labels: Its labels, all of them, which fills `shares`.
        shares: As `label_signal` fills it.
        classes: Name of each of its entries.
    """
    seen = Counter(label.class_name for label in labels)
    n = seen.total()
    if not n:
        return Verdict(signal, None, None, 0, {})
    best = int(np.argmax(shares))
    return Verdict(signal, classes[best], shares[best] / n, n, dict(seen.most_common()))


def _windows_on(
    blocks: Iterable[Samples], signal: Signal, samples_out: float
) -> Iterator[tuple[int, Samples]]:
    """Whole windows within the signal's spans: first sample in the recording, samples."""
    starts = iter(_starts(signal, samples_out))
    wanted = next(starts, None)
    held, first = np.empty(0, np.complex64), 0
    for block in blocks:
        held = np.concatenate([held, block])
        while wanted is not None and wanted + FRAME_LENGTH <= first + len(held):
            begin = max(0, wanted - first)
            yield round(wanted / samples_out), held[begin : begin + FRAME_LENGTH]
            wanted = next(starts, None)
        if wanted is None:
            return
        drop = min(len(held), max(0, wanted - first))
        held, first = held[drop:], first + drop


def _starts(signal: Signal, samples_out: float) -> Iterator[int]:
    for begin, end in signal.spans:
        first, last = int(np.ceil(begin * samples_out)), int(end * samples_out)
        yield from range(first, last - FRAME_LENGTH + 1, FRAME_LENGTH)


def _grouped(windows: Iterable[tuple[int, Samples]]) -> Iterator[tuple[list[int], Samples]]:
    group: list[tuple[int, Samples]] = []
    for window in windows:
        group.append(window)
        if len(group) == _WINDOWS_AT_ONCE:
            yield [start for start, _ in group], np.stack([samples for _, samples in group])
            group = []
    if group:
        yield [start for start, _ in group], np.stack([samples for _, samples in group])
