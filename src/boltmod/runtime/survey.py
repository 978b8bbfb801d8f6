"""What a whole recording holds: a row a signal, so that many recordings make one table."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from boltmod.errors import BoltmodError, first_line
from boltmod.recording.opening import FileFacts, open_as
from boltmod.recording.raw import RawRecording
from boltmod.runtime.cut.listener import Listener
from boltmod.runtime.cut.signal import Constraints, Signal
from boltmod.runtime.cut.whole_band import WholeBand
from boltmod.runtime.labelling import label
from boltmod.runtime.session import Classifier
from boltmod.runtime.verdict import Tallies


@dataclass(frozen=True)
class Row:
    """A signal of a recording; None for what is unknown or does not apply.

    Args:
        file: The recording.
        error: Why it could not be read, or not to its end; then there is no signal.
        signal: Number of the signal; None if nothing was found or the band was taken as it is.
        class_name: What it is.
        probability: Mean probability of that class over the windows.
        n_windows: Windows that were given a class.
        frequency_hz: Its carrier, or the middle of its band, on the air.
        offset_hz: The same from the middle of the recording's band.
        bandwidth_hz: Width that holds 99 % of its power.
        symbol_rate_hz: Symbols a second.
        symbol_rate_is_sure: Whether that was measured; else it follows from the bandwidth.
        snr_db: Power over the noise in its band, while it is on.
        first_sample: Where it is first heard.
        end_sample: Where it is last heard.
        n_samples_on: For how many samples it is on.
        rate_hz: Samples of the recording a second. If it is unknown, hertz are shares of it.
        centre_hz: Middle of the recording's band on the air.
        notes: What had to be assumed to read the recording.
    """

    file: str
    error: str | None = None
    signal: int | None = None
    class_name: str | None = None
    probability: float | None = None
    n_windows: int | None = None
    frequency_hz: float | None = None
    offset_hz: float | None = None
    bandwidth_hz: float | None = None
    symbol_rate_hz: float | None = None
    symbol_rate_is_sure: bool | None = None
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


def survey(classifier: Classifier, search: Search, path: Path) -> list[Row]:
    """Read a recording and name what it holds.

    Returns:
        A row a signal; one without a signal if there is none, one with an error if it cannot be
        read.
    """
    try:
        recording = open_as(path, search.facts)
        return _rows(classifier, search, recording, str(path))
    except (BoltmodError, OSError) as error:
        return [Row(str(path), error=first_line(error))]
    except Exception as error:  # noqa: BLE001  one recording must not end the work on all others
        return [
            Row(
                str(path),
                error=f"{path} must be readable; this is boltmod's fault: {first_line(error)}",
            )
        ]


def _rows(classifier: Classifier, search: Search, recording: RawRecording, file: str) -> list[Row]:
    tallies = Tallies(classifier.classes)
    listener = Listener(search.constraints)
    cut = listener if search.finds_signals else WholeBand()
    is_in_samples = recording.rate_hz is None and search.constraints == Constraints()
    # Hertz are cycles a sample then, unless somebody has told some in hertz.
    for windows in cut(replace(recording, rate_hz=1.0) if is_in_samples else recording):
        tallies.add(windows, label(classifier, windows))
    bare = Row(
        file,
        rate_hz=recording.rate_hz,
        centre_hz=recording.centre_hz,
        notes="; ".join(recording.notes) or None,
    )
    if not search.finds_signals:
        name, probability = tallies.of(None).decision()
        n_windows = tallies.of(None).n_windows
        return [replace(bare, class_name=name, probability=probability, n_windows=n_windows)]
    return [
        replace(
            _of_signal(bare, verdict.signal),
            class_name=verdict.class_name,
            probability=verdict.probability,
            n_windows=verdict.n_windows,
        )
        for verdict in tallies.verdicts(listener.signals)
    ] or [bare]


def _of_signal(bare: Row, signal: Signal) -> Row:
    offset_hz = signal.offset_hz if signal.carrier_hz is None else signal.carrier_hz
    centre_hz = None if bare.rate_hz is None else bare.centre_hz
    return replace(
        bare,
        signal=signal.number,
        frequency_hz=None if centre_hz is None else centre_hz + offset_hz,
        offset_hz=offset_hz,
        bandwidth_hz=signal.bandwidth_hz,
        symbol_rate_hz=signal.symbol_rate_hz,
        symbol_rate_is_sure=signal.symbol_rate_is_sure,
        snr_db=signal.snr_db,
        first_sample=signal.spans[0][0],
        end_sample=signal.spans[-1][1],
        n_samples_on=sum(end - start for start, end in signal.spans),
    )
