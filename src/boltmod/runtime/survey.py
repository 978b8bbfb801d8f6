"""What a whole recording holds: a row a signal, so that many recordings make one table."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from boltmod.errors import BoltmodError, first_line
from boltmod.recording.opening import FileFacts, open_as
from boltmod.recording.raw import RawRecording
from boltmod.runtime.classify import counted_in_samples
from boltmod.runtime.cut.listener import Listener
from boltmod.runtime.cut.signal import Constraints
from boltmod.runtime.cut.whole_band import WholeBand
from boltmod.runtime.found_signal import FoundSignal
from boltmod.runtime.labelling import label_all
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
    rate_hz, notes = recording.rate_hz, shown("; ".join(recording.notes)) or None
    bare = Row(file, rate_hz=rate_hz, centre_hz=recording.centre_hz, notes=notes)
    if search.finds_signals and search.constraints == Constraints():
        recording = counted_in_samples(recording)
    cut = listener if search.finds_signals else WholeBand()
    label_all(cut, recording, classifier, (tallies,))
    if not search.finds_signals:
        name, probability = tallies.of(None).decision()
        n_windows = tallies.of(None).n_windows
        return [replace(bare, class_name=name, probability=probability, n_windows=n_windows)]
    found = [FoundSignal.of(each, recording) for each in tallies.verdicts(listener.signals)]
    if rate_hz is None:  # its place in the band is a share of a rate that nobody knows
        found = [replace(each, frequency_hz=None) for each in found]
    return [replace(bare, **asdict(each)) for each in found] or [bare]
