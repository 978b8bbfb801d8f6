"""Labels of the signals of a recording, as JSON lines, CSV or SigMF annotations."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from boltmod.files import check_target
from boltmod.recording.file_names import META_SUFFIX
from boltmod.recording.raw import RawRecording
from boltmod.runtime import label_log
from boltmod.runtime.label_files import complete_or_absent
from boltmod.runtime.signal_labels import SignalLabel
from boltmod.runtime.signals import Signal

if TYPE_CHECKING:
    from boltmod.recording.sigmf import Annotation

SUFFIXES = (*label_log.SUFFIXES, META_SUFFIX)


class Writer(Protocol):
    """Takes labels as they come."""

    def add(self, signal: Signal, labels: Sequence[SignalLabel]) -> None:
        """Write labels of one signal, in the order of time."""


@contextmanager
def writing(path: Path, recording: RawRecording | None, author: str) -> Iterator[Writer]:
    """Write labels to a file, which appears when the body is over, and not at all if it fails.

    Args:
        path: A `.jsonl` or `.csv` file, a line a window, or a `.sigmf-meta` file, an annotation
            for each run of windows of one class.
        recording: Where the signals are; None for a stream, which cannot be annotated.
        author: Who says so.
    """
    if recording is None:
        check_target(path, label_log.SUFFIXES, "output of a stream")
    check_target(path, SUFFIXES, "output of signals")
    if path.suffix == META_SUFFIX and recording is not None:
        from boltmod.recording.sigmf import write_annotations

        notes = _Annotations(recording)
        yield notes
        write_annotations(path, recording, notes.finished(), f"modulation classes by {author}")
        return
    with complete_or_absent(path) as file:
        yield _Table(file) if path.suffix == ".csv" else _Lines(file)


class _Table:
    def __init__(self, file: TextIO) -> None:
        self._table = csv.writer(file, lineterminator="\n")
        self._table.writerow([field.name for field in fields(SignalLabel)])

    def add(self, signal: Signal, labels: Sequence[SignalLabel]) -> None:
        self._table.writerows(list(asdict(each).values()) for each in labels)


class _Lines:
    def __init__(self, file: TextIO) -> None:
        self._file = file

    def add(self, signal: Signal, labels: Sequence[SignalLabel]) -> None:
        self._file.writelines(json.dumps(asdict(each), allow_nan=False) + "\n" for each in labels)


@dataclass
class _Run:
    """Windows of one class that follow each other."""

    start: int
    end: int
    label: str
    probabilities: float
    n_windows: int
    edges_hz: tuple[float, float]

    def takes(self, label: SignalLabel) -> bool:
        return label.class_name == self.label and label.sample_start <= self.end + 1

    def as_annotation(self) -> Annotation:
        from boltmod.recording.sigmf import Annotation

        return Annotation(
            self.start,
            self.end - self.start,
            self.label,
            self.probabilities / self.n_windows,
            lower_edge_hz=self.edges_hz[0],
            upper_edge_hz=self.edges_hz[1],
        )


class _Annotations:
    """Annotations with edges: radio frequencies if the centre is known, else offsets from it."""

    def __init__(self, recording: RawRecording) -> None:
        self._recording = recording
        self._open: dict[int, _Run] = {}
        self._done: list[Annotation] = []

    def add(self, signal: Signal, labels: Sequence[SignalLabel]) -> None:
        centre_hz = (self._recording.centre_hz or 0.0) + signal.offset_hz
        edges_hz = (centre_hz - signal.bandwidth_hz / 2, centre_hz + signal.bandwidth_hz / 2)
        for label in labels:
            end = min(label.sample_start + label.sample_count, self._recording.n_samples)
            run = self._open.get(label.signal)
            if run is not None and run.takes(label):
                run.end = end
                run.probabilities += label.probability
                run.n_windows += 1
                continue
            if run is not None:
                self._done.append(run.as_annotation())
            self._open[label.signal] = _Run(
                label.sample_start, end, label.class_name, label.probability, 1, edges_hz
            )

    def finished(self) -> list[Annotation]:
        return [*self._done, *(run.as_annotation() for run in self._open.values())]
