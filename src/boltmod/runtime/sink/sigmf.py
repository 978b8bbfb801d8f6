"""Labels as annotations of a SigMF recording."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from boltmod.recording import sigmf_meta
from boltmod.recording.raw import RawRecording
from boltmod.recording.sigmf import Annotation, write_annotations
from boltmod.runtime.cut.signal import Signal
from boltmod.runtime.label import Label
from boltmod.runtime.labels import Labels
from boltmod.runtime.sink.signal_detail import EXTENSION, KEY, detail_of
from boltmod.runtime.window import Windows


@contextmanager
def annotating(path: Path, recording: RawRecording, author: str) -> Iterator[Annotations]:
    """Write annotations to a `.sigmf-meta` file when the body is over, and not if it fails."""
    sigmf_meta.check_rate(recording.rate_hz)
    notes = Annotations(recording, author)
    yield notes
    description = f"modulation classes by {author}"
    write_annotations(path, recording, notes.finished(), description, [EXTENSION])


@dataclass
class _Run:
    """Windows of one class that follow each other."""

    start: int
    end: int
    class_name: str
    probabilities: float
    n_windows: int
    signal: Signal | None

    def takes(self, label: Label) -> bool:
        return label.class_name == self.class_name and label.sample_start <= self.end + 1


class Annotations:
    """An annotation a window of the band, one a run of a signal's windows of one class.

    A signal's have edges: radio frequencies if the centre is known, else offsets from it.
    """

    def __init__(self, recording: RawRecording, author: str = "") -> None:
        self._recording, self._author = recording, author
        self._end = recording.first_sample + recording.n_samples
        self._open: dict[int, _Run] = {}
        self._done: list[Annotation] = []

    def add(self, windows: Windows, labels: Labels) -> None:
        """Note what was said; a window without a class is not annotated."""
        for label in labels:
            if label.class_name is None or label.probability is None:
                continue
            end = min(label.sample_start + label.sample_count, self._end)
            run = _Run(label.sample_start, end, label.class_name, label.probability, 1,
                       windows.signal)  # fmt: skip
            if label.signal is None:
                self._done.append(self._annotation(run))
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
            self._done.append(self._annotation(run))
        self._open[signal] = new

    def _annotation(self, run: _Run) -> Annotation:
        lower_hz, upper_hz = self._edges_hz(run.signal)
        detail, more, comment = detail_of(run.class_name), {}, None
        if run.signal is not None and lower_hz is not None:
            more["boltmod:symbol_rate_hz"] = run.signal.symbol_rate_hz
            if detail:
                detail["channel_bw"] = run.signal.bandwidth_hz
        elif run.signal is not None:
            comment = (
                f"{run.signal.offset_hz:.6f} cycles/sample from the middle of the band, "
                f"{run.signal.bandwidth_hz:.6f} wide"
            )
        if run.signal is not None and run.signal.snr_db is not None:
            more["boltmod:snr_db"] = round(run.signal.snr_db, 3)
        return Annotation(
            run.start,
            run.end - run.start,
            run.class_name,
            run.probabilities / run.n_windows,
            comment=comment,
            lower_edge_hz=lower_hz,
            upper_edge_hz=upper_hz,
            author=self._author,
            details=({KEY: detail} if detail else {}) | more,
        )

    def _edges_hz(self, signal: Signal | None) -> tuple[float, float] | tuple[None, None]:
        """Where its band begins and ends; None where nobody knows how many hertz that is."""
        if signal is None or self._recording.rate_hz is None:
            return None, None
        centre_hz = (self._recording.centre_hz or 0.0) + signal.offset_hz
        return centre_hz - signal.bandwidth_hz / 2, centre_hz + signal.bandwidth_hz / 2

    def finished(self) -> list[Annotation]:
        """All of them."""
        return [*self._done, *(self._annotation(run) for run in self._open.values())]
