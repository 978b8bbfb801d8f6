"""A recording, a file's or an array's, to its labels: what `boltmod classify` does, in Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike

from boltmod.errors import ConfigError
from boltmod.model import shipped
from boltmod.model.onnx_file import Model
from boltmod.recording.arrays import ArrayRecording
from boltmod.recording.opening import open_recording
from boltmod.recording.raw import RawRecording
from boltmod.recording.recording import Recording
from boltmod.runtime.cut.signal import Constraints, Signal, looks_for_signals
from boltmod.runtime.found_signal import FoundSignal
from boltmod.runtime.label import Label
from boltmod.runtime.labelling import label_all
from boltmod.runtime.labels import Labels
from boltmod.runtime.session import Classifier
from boltmod.runtime.verdict import Tallies
from boltmod.runtime.window import Windows

NO_RATE = "the sample rate is unknown: hertz are cycles a sample, seconds are samples"
"""What is said where signals are looked for and nobody knows the rate."""

Known = TypeVar("Known", bound=RawRecording | ArrayRecording)


@dataclass(frozen=True)
class Classification(Sequence[Label]):
    """The labels of a recording's windows, in the order in which they were cut.

    It is a sequence of records: `pandas.DataFrame(result)` has a row a window, and
    `pandas.DataFrame(result.signals)` one a signal.

    Args:
        labels: A label a window.
        signals: The signals that were found; none if the band was taken as it is.
        rate_hz: Samples of the recording a second; None if nobody knows.
        centre_hz: Radio frequency of the middle of its band; None if nobody knows.
        notes: What had to be assumed, in words.
        engine: What ran the network, `integer` or `onnxruntime`.

    Examples:
        >>> import boltmod, numpy as np
        >>> samples = np.random.default_rng(1).standard_normal((4096, 2))
        >>> result = boltmod.classify(samples, "boltnet", rate_hz=1e6)
        >>> len(result), result[1].time_s, result.signals
        (4, 0.001024, ())
    """

    labels: tuple[Label, ...] = field(repr=False)
    signals: tuple[FoundSignal, ...] = ()
    rate_hz: float | None = None
    centre_hz: float | None = None
    notes: tuple[str, ...] = ()
    engine: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, place: int) -> Label: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Label, ...]: ...
    def __getitem__(self, place: int | slice) -> Label | tuple[Label, ...]:
        return self.labels[place]


def classify(
    source: Path | str | ArrayLike | Recording,
    model: Classifier | Model | Path | str | None = None,
    *,
    rate_hz: float | None = None,
    sample_format: str | None = None,
    channel: str | None = None,
    constraints: Constraints | None = None,
    threads: int | None = None,
) -> Classification:
    """Name the modulation of every 1024-sample window of a recording, as `boltmod classify` does.

    Args:
        source: A file of any kind that boltmod reads; an array, (n,) complex or real, or (n, 2) of
            I and Q, of any level; or what `open_recording` returned.
        model: The classifier, its `.onnx` file, or the name of a network that comes with boltmod.
            If None it is boltmod's own for the field, which looks for signals first.
        rate_hz: Samples a second, where the file does not say.
        sample_format: Of a file of nothing but samples, where its name does not tell: `cf32`,
            `ci16`, `ci8`, `cu8` and others.
        channel: `"auto"` finds the signals in the band, and filters and resamples each; `"none"`
            takes the band as it is.
        constraints: What is known of the signals; they are looked for then.
        threads: Processors to use; all if None.

    Returns:
        A label a window, the signals found, and what had to be assumed.

    Raises:
        ConfigError: Two arguments contradict each other, or one is wrong.
        DataFormatError: The recording is not what it should be.
        ModelFormatError: The model is no classifier of frames.

    Examples:
        >>> import boltmod, numpy as np
        >>> symbols = np.random.default_rng(1).choice(np.array([1, 1j, -1, -1j]), 8192)
        >>> samples = np.convolve(np.kron(symbols, np.eye(8)[0]), np.hanning(17), "same")
        >>> noise = np.random.default_rng(2).standard_normal((len(samples), 2)) @ [0.05, 0.05j]
        >>> result = boltmod.classify(samples + noise, rate_hz=1e6)
        >>> [(each.class_name, round(each.symbol_rate_hz)) for each in result.signals]
        [('QPSK', 125000)]
        >>> result[3].class_name, result[3].sample_start, result[3].time_s
        ('QPSK', 3072, 0.003072)
    """
    recording = _opened(source, rate_hz, sample_format)
    told = constraints is not None and constraints != Constraints()
    if channel not in (None, "auto", "none"):
        raise ConfigError(f"channel must be auto or none, not {channel!r}: choose one of them")
    if channel == "none" and told:
        raise ConfigError("channel must not be none where constraints are given: leave it out")
    looks = looks_for_signals(channel, told, model is not None)
    if isinstance(recording, RawRecording | ArrayRecording) and looks and not told:
        recording = counted_in_samples(recording)
    classifier = as_classifier(model, threads)
    kept, tallies = _Kept(), Tallies(classifier.classes)
    if not looks:
        from boltmod.runtime.cut.whole_band import WholeBand

        label_all(WholeBand(classifier.frame_length), recording, classifier, (kept,))
        return replace(_result(recording, kept.labels), engine=str(classifier.engine))
    from boltmod.runtime.cut.listener import Listener

    listener = Listener(constraints)
    label_all(listener, recording, classifier, (kept, tallies))
    verdicts = tallies.verdicts(listener.signals)
    by_number = {each.number: each for each in listener.signals}
    labels = [_placed(each, by_number[each.signal or 0], recording) for each in kept.labels]
    found = _result(recording, labels, [FoundSignal.of(each, recording) for each in verdicts])
    return replace(found, engine=str(classifier.engine))


def counted_in_samples(recording: Known) -> Known:
    """Let a recording whose rate nobody knows have one sample a second, and say so."""
    if recording.rate_hz is not None:
        return recording
    return replace(recording, rate_hz=1.0, notes=(*recording.notes, NO_RATE))


def as_classifier(
    model: Classifier | Model | Path | str | None, threads: int | None = None
) -> Classifier:
    """Return a classifier: what was given if it is one, boltmod's own if nothing was."""
    if isinstance(model, Classifier):
        return model
    return Classifier(shipped.path_of(shipped.DEFAULT) if model is None else model, threads)


class _Kept:
    """A sink that keeps the labels."""

    def __init__(self) -> None:
        self.labels: list[Label] = []

    def add(self, windows: Windows, labels: Labels) -> None:
        self.labels.extend(labels)


def _opened(
    source: Path | str | ArrayLike | Recording, rate_hz: float | None, sample_format: str | None
) -> Recording:
    if isinstance(source, str | Path):
        return open_recording(source, sample_format, rate_hz)
    if sample_format is not None:
        raise ConfigError("sample_format must be left out for samples: only raw files need it")
    if not isinstance(source, Recording):
        return ArrayRecording(np.asarray(source), rate_hz)
    if rate_hz is not None:
        raise ConfigError("rate_hz must be left out for an open recording: say it as it is opened")
    return source


def _result(
    recording: Recording, labels: Sequence[Label], signals: Sequence[FoundSignal] = ()
) -> Classification:
    rate_hz, centre_hz = recording.rate_hz, recording.centre_hz
    return Classification(tuple(labels), tuple(signals), rate_hz, centre_hz, recording.notes)


def _placed(label: Label, signal: Signal, recording: Recording) -> Label:
    """The label of a signal's window, with where that signal is."""
    return replace(
        label,
        snr_db=signal.snr_db,
        centre_hz=(recording.centre_hz or 0.0) + signal.offset_hz,
        bandwidth_hz=signal.bandwidth_hz,
    )
