"""What a whole recording holds: a row a signal, so that many recordings make one table."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from boltmod.errors import BoltmodError, first_line
from boltmod.recording.clock import utc, zero_of
from boltmod.recording.opening import FileFacts, open_as
from boltmod.recording.raw import RawRecording
from boltmod.recording.recording import Recording
from boltmod.runtime.classify import counted_in_samples
from boltmod.runtime.cut.listener import Listener
from boltmod.runtime.cut.signal import Constraints
from boltmod.runtime.cut.whole_band import WholeBand
from boltmod.runtime.found_signal import FoundSignal
from boltmod.runtime.labelling import label_all
from boltmod.runtime.session import Classifier
from boltmod.runtime.verdict import Tallies, Verdict

_OF_RATE = ("frequency_hz", "offset_hz", "bandwidth_hz", "symbol_rate_hz")


@dataclass(frozen=True)
class Row:
    """A signal of a recording; None for what is unknown or does not apply.

    Args:
        file: The recording.
        error: Why it could not be read, or not to its end; then there is no signal.
        signal: Number of the signal; None if nothing was found or the band was taken as it is.
        class_name: What it is.
        probability: Mean probability of that class over the windows.
        second_class: The class that the network gave most, but for that one.
        second_probability: Its mean probability.
        third_class: The next one.
        third_probability: Its mean probability.
        reason: Why a signal has no class: `too short`, `too quiet` or `constant`.
        n_windows: Windows that were given a class.
        time_s: When it is first on, counted from sample 0.
        utc: The same moment by the clock, in ISO 8601.
        duration_s: How long it is on.
        frequency_hz: Its carrier, or the middle of its band, on the air.
        offset_hz: The same from the middle of the recording's band.
        bandwidth_hz: Width that holds 99 % of its power.
        symbol_rate_hz: Symbols a second.
        symbol_rate_is_sure: Whether that was measured; else it follows from the bandwidth.
        offset_per_sample: The offset in cycles a sample, which needs no sample rate.
        bandwidth_per_sample: The bandwidth likewise.
        symbols_per_sample: The symbol rate over the sample rate.
        carrier_is_measured: Whether the offset is that of a carrier; else of the band's middle.
        snr_db: Power over the noise in its band, while it is on.
        first_sample: Where it is first heard.
        end_sample: Where it is last heard.
        n_samples_on: For how many samples it is on.
        rate_hz: Samples of the recording a second; if it is unknown, so is all in hertz or seconds.
        centre_hz: Middle of the recording's band on the air.
        notes: What had to be assumed to read the recording.
    """

    file: str
    error: str | None = None
    signal: int | None = None
    class_name: str | None = None
    probability: float | None = None
    second_class: str | None = None
    second_probability: float | None = None
    third_class: str | None = None
    third_probability: float | None = None
    reason: str | None = None
    n_windows: int | None = None
    time_s: float | None = None
    utc: str | None = None
    duration_s: float | None = None
    frequency_hz: float | None = None
    offset_hz: float | None = None
    bandwidth_hz: float | None = None
    symbol_rate_hz: float | None = None
    symbol_rate_is_sure: bool | None = None
    offset_per_sample: float | None = None
    bandwidth_per_sample: float | None = None
    symbols_per_sample: float | None = None
    carrier_is_measured: bool | None = None
    snr_db: float | None = None
    first_sample: int | None = None
    end_sample: int | None = None
    n_samples_on: int | None = None
    rate_hz: float | None = None
    centre_hz: float | None = None
    notes: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Its columns by name."""
        return asdict(self)


@dataclass(frozen=True)
class Search:
    """What is looked for in each recording.

    Args:
        facts: What is known of the files.
        constraints: What is known of the signals.
        finds_signals: Whether the band is searched; else it is taken as it is.
    """

    facts: FileFacts = field(default_factory=FileFacts)
    constraints: Constraints = field(default_factory=Constraints)
    finds_signals: bool = True


def shown(path: object) -> str:
    """A file's name as text that every table can hold, whatever bytes it is made of."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def survey(classifier: Classifier, search: Search, path: Path) -> list[Row]:
    """Read a recording and name what it holds.

    Returns:
        A row a signal; one without a signal if there is none, one with an error if it cannot be
        read.
    """
    try:
        recording = open_as(path, search.facts)
        return _rows(classifier, search, recording, shown(path))
    except (BoltmodError, OSError) as error:
        return [Row(shown(path), error=shown(first_line(error)))]
    except Exception as error:  # noqa: BLE001  one recording must not end the work on all others
        reason = f"{path} must be readable; this is boltmod's fault: {first_line(error)}"
        return [Row(shown(path), error=shown(reason))]


def _rows(classifier: Classifier, search: Search, recording: RawRecording, file: str) -> list[Row]:
    tallies, listener = Tallies(classifier.classes), Listener(search.constraints)
    bare = bare_row(file, recording, recording.rate_hz)
    if search.finds_signals and search.constraints == Constraints():
        recording = counted_in_samples(recording)
    cut = listener if search.finds_signals else WholeBand(classifier.frame_length)
    label_all(cut, recording, classifier, (tallies,))
    if not search.finds_signals:
        name, probability = tallies.of(None).decision()
        n_windows = tallies.of(None).n_windows
        return [replace(bare, class_name=name, probability=probability, n_windows=n_windows)]
    verdicts = tallies.verdicts(listener.signals)
    return [row_of(each, recording, bare) for each in verdicts] or [bare]


def bare_row(file: str, recording: Recording, rate_hz: float | None) -> Row:
    """A row that says what a recording is, and of no signal.

    Args:
        file: What to call it.
        recording: The recording.
        rate_hz: Its sample rate; None if nobody knows it and it is counted in samples.
    """
    notes = shown("; ".join(recording.notes)) or None
    return Row(file, rate_hz=rate_hz, centre_hz=recording.centre_hz, notes=notes)


def row_of(verdict: Verdict, recording: Recording, bare: Row) -> Row:
    """The row of a signal.

    Args:
        verdict: What was decided of it.
        recording: What it was found in, whose rate is 1 if nobody knows it.
        bare: What is known of the recording.
    """
    found = asdict(FoundSignal.of(verdict, recording))
    rate_hz = recording.rate_hz or 1.0
    others = [each for each in verdict.top_classes.items() if each[0] != verdict.class_name]
    second, third = [*others, (None, None), (None, None)][:2]
    known: dict[str, Any] = {
        **found,
        "second_class": second[0],
        "second_probability": second[1],
        "third_class": third[0],
        "third_probability": third[1],
        "reason": verdict.reason,
        "offset_per_sample": found["offset_hz"] / rate_hz,
        "bandwidth_per_sample": found["bandwidth_hz"] / rate_hz,
        "symbols_per_sample": found["symbol_rate_hz"] / rate_hz,
        "carrier_is_measured": verdict.signal.carrier_hz is not None,
    }
    if bare.rate_hz is None:  # what it is in hertz is a share of a rate that nobody knows
        return replace(bare, **known | dict.fromkeys(_OF_RATE))
    begins_s = found["first_sample"] / bare.rate_hz
    return replace(
        bare,
        **known,
        time_s=begins_s,
        utc=utc(zero_of(recording), begins_s),
        duration_s=found["n_samples_on"] / bare.rate_hz,
    )
