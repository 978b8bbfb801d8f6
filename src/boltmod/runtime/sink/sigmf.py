"""Labels as annotations of a SigMF recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from boltmod.recording import sigmf_meta
from boltmod.recording.raw import RawRecording
from boltmod.recording.sigmf import Annotation, write_annotations
from boltmod.runtime.cut.signal import Signal
from boltmod.runtime.label import Label
from boltmod.runtime.window import Windows


@contextmanager
def annotating(path: Path, recording: RawRecording, author: str) -> Iterator[Annotations]:
    """Write annotations to a `.sigmf-meta` file when the body is over, and not if it fails."""
    sigmf_meta.check_rate(recording.rate_hz)
    notes = Annotations(recording)
    yield notes
    write_annotations(path, recording, notes.finished(), f"modulation classes by {author}")


@dataclass
class _Run:
    """Windows of one class that follow each other."""

    start: int
    end: int
    class_name: str
    probabilities: float
    n_windows: int
    edges_hz: tuple[float, float] | None

    def takes(self, label: Label) -> bool:
        return label.class_name == self.class_name and label.sample_start <= self.end + 1

    def as_annotation(self) -> Annotation:
        lower_hz, upper_hz = self.edges_hz or (None, None)
        return Annotation(
            self.start,
            self.end - self.start,
            self.class_name,
            self.probabilities / self.n_windows,
            lower_edge_hz=lower_hz,
            upper_edge_hz=upper_hz,
        )


class Annotations:
    """An annotation a window of the band, one a run of a signal's windows of one class.

    A signal's have edges: radio frequencies if the centre is known, else offsets from it.
    """

    def __init__(self, recording: RawRecording) -> None:
        self._recording = recording
        self._end = recording.first_sample + recording.n_samples
        self._open: dict[int, _Run] = {}
        self._done: list[Annotation] = []

    def add(self, windows: Windows, labels: Sequence[Label]) -> None:
        """Note what was said; a window without a class is not annotated."""
        edges_hz = None if windows.signal is None else self._edges_hz(windows.signal)
        for label in labels:
            if label.class_name is None or label.probability is None:
                continue
            end = min(label.sample_start + label.sample_count, self._end)
            run = _Run(label.sample_start, end, label.class_name, label.probability, 1, edges_hz)
            if label.signal is None:
                self._done.append(run.as_annotation())
            else:
                self._append(label.signal, label, run)

    def _append(self, signal: int, label: Label, new: _Run) -> None:
        run = self._open.get(signal)
        if run is not None and run.takes(label):
            run.end = new.end
            run.probabilities += new.probabilities
            run.n_windows += 1
            return
        if run is not None:
            self._done.append(run.as_annotation())
        self._open[signal] = new

    def _edges_hz(self, signal: Signal) -> tuple[float, float]:
        centre_hz = (self._recording.centre_hz or 0.0) + signal.offset_hz
        return centre_hz - signal.bandwidth_hz / 2, centre_hz + signal.bandwidth_hz / 2

    def finished(self) -> list[Annotation]:
        """All of them."""
        return [*self._done, *(run.as_annotation() for run in self._open.values())]
