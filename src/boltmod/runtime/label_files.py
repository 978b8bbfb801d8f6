"""Labels of a recording as lines of text, lines of JSON, CSV, or a SigMF annotation file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import TextIO

from boltmod.files import check_target, replacing
from boltmod.model.onnx_file import Model
from boltmod.modulation import FRAME_LENGTH
from boltmod.recording.file_names import META_SUFFIX
from boltmod.recording.raw import RawRecording
from boltmod.runtime.windows import Label

TABLE_HEADING = f"{'start':>14}  {'class':<11}  probability"
NO_SIGNAL = "(no signal)"


def table_row(label: Label) -> str:
    """One label as a line under `TABLE_HEADING`; the start in seconds, in samples if unknown."""
    start = f"{label.sample_start:,}" if label.time_s is None else f"{label.time_s:.6f} s"
    probability = "" if label.probability is None else f"{label.probability:11.3f}"
    return f"{start:>14}  {label.class_name or NO_SIGNAL:<11}  {probability}".rstrip()


def write(path: Path, labels: Iterable[Label], recording: RawRecording, model: Model) -> None:
    """Write labels to a file, which appears when it is complete.

    Args:
        path: A `.txt` (table), `.jsonl` (one object a line), `.csv` or `.sigmf-meta` (annotations)
            file.
        labels: The labels; for all but annotations they need not fit into memory.
        recording: What they are about.
        model: Who says so.
    """
    check_target(path, SUFFIXES)
    _WRITERS[path.suffix](path, labels, recording, model)


def _write_table(
    path: Path, labels: Iterable[Label], recording: RawRecording, model: Model
) -> None:
    with complete_or_absent(path) as file:
        file.write(TABLE_HEADING + "\n")
        file.writelines(table_row(label) + "\n" for label in labels)


def _write_json_lines(
    path: Path, labels: Iterable[Label], recording: RawRecording, model: Model
) -> None:
    with complete_or_absent(path) as file:
        file.writelines(json.dumps(asdict(each), allow_nan=False) + "\n" for each in labels)


def _write_csv(path: Path, labels: Iterable[Label], recording: RawRecording, model: Model) -> None:
    with complete_or_absent(path) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([field.name for field in fields(Label)])
        table.writerows(list(asdict(each).values()) for each in labels)


def _write_sigmf(
    path: Path, labels: Iterable[Label], recording: RawRecording, model: Model
) -> None:
    """Annotate every window that holds a signal."""
    from boltmod.recording.sigmf import (  # it takes a tenth of a second
        Annotation,
        write_annotations,
    )

    annotations = [
        Annotation(label.sample_start, FRAME_LENGTH, label.class_name, label.probability)
        for label in labels
        if label.class_name is not None
    ]
    write_annotations(path, recording, annotations, f"modulation classes by {model.name}")


_WRITERS = {
    ".txt": _write_table,
    ".jsonl": _write_json_lines,
    ".csv": _write_csv,
    META_SUFFIX: _write_sigmf,
}

SUFFIXES = tuple(_WRITERS)
"""Endings of the files that `write` knows."""


@contextmanager
def complete_or_absent(path: Path) -> Iterator[TextIO]:
    """Write a text file that appears when it is complete, and not at all after an error."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        yield file
