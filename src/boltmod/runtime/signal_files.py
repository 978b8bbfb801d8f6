"""Labels of the signals of a recording, as JSON lines, CSV or SigMF annotations."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from boltmod.data.raw import RawRecording
from boltmod.data.sigmf import META_SUFFIX, Annotation, write_annotations
from boltmod.errors import ConfigError
from boltmod.runtime.label_files import complete_or_absent
from boltmod.runtime.signals import Signal, SignalLabel

SUFFIXES = (".jsonl", ".csv", META_SUFFIX)


def check_path(path: Path) -> None:
    """Refuse a file name whose ending names no kind of file that `write` knows.

    Raises:
        ConfigError: The ending is none of them, or the folder does not exist.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(
            f"output of signals must end in {', '.join(SUFFIXES)}, not {path.name!r}: rename it"
        )
    if not path.parent.is_dir():
        raise ConfigError(f"output must lie in a folder that exists, not {path.parent}: make it")


def write(
    path: Path,
    labels: Sequence[SignalLabel],
    signals: Sequence[Signal],
    recording: RawRecording,
    author: str,
) -> None:
    """Write the labels of signals to a file, which appears when it is complete.

    Args:
        path: A `.jsonl`, `.csv` or `.sigmf-meta` (annotations with frequency edges) file.
        labels: What was said.
        signals: What it was said about, number 1 first.
        recording: Where they are.
        author: Who says so.
    """
    check_path(path)
    if path.suffix == META_SUFFIX:
        annotations = [_annotation(each, signals[each.signal - 1], recording) for each in labels]
        write_annotations(path, recording, annotations, f"modulation classes by {author}")
        return
    with complete_or_absent(path) as file:
        if path.suffix == ".csv":
            table = csv.writer(file, lineterminator="\n")
            table.writerow([field.name for field in fields(SignalLabel)])
            table.writerows([list(asdict(each).values()) for each in labels])
        else:
            file.writelines(json.dumps(asdict(each), allow_nan=False) + "\n" for each in labels)


def _annotation(label: SignalLabel, signal: Signal, recording: RawRecording) -> Annotation:
    """Edges are radio frequencies where the centre is known, else offsets from it."""
    centre_hz = (recording.centre_hz or 0.0) + signal.offset_hz
    return Annotation(
        label.sample_start,
        label.sample_count,
        label.class_name,
        label.probability,
        lower_edge_hz=centre_hz - signal.bandwidth_hz / 2,
        upper_edge_hz=centre_hz + signal.bandwidth_hz / 2,
    )
