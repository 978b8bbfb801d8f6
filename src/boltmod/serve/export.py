"""The history of a session as CSV, JSON lines, or SigMF metadata."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import sigmf

from boltmod import __version__
from boltmod.errors import ConfigError
from boltmod.recording.recording import Recording
from boltmod.runtime.sink.signal_detail import EXTENSION, KEY, detail_of
from boltmod.serve.appearance import Row

KINDS = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "sigmf-meta": "application/json",
}
"""What a history can be written as, and the media type of each."""
_COLUMNS = tuple(each.name for each in fields(Row))


def written_as(kind: str, rows: Sequence[Row], recording: Recording, author: str) -> str:
    """Write a history.

    Args:
        kind: One of `KINDS`.
        rows: The appearances.
        recording: The stream that they were heard in.
        author: Who named them.

    Raises:
        ConfigError: There is no such kind.
    """
    if kind == "csv":
        return _csv(rows)
    if kind == "jsonl":
        return "".join(json.dumps(each.as_dict(), allow_nan=False) + "\n" for each in rows)
    if kind == "sigmf-meta":
        return json.dumps(_sigmf(rows, recording, author), indent=2) + "\n"
    raise ConfigError(f"format must be one of {', '.join(KINDS)}, not {kind!r}: take one of these")


def _csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_COLUMNS)
    for row in rows:
        values = row.as_dict()
        top = ";".join(f"{name}={share:g}" for name, share in row.top_classes.items())
        values["top_classes"] = top
        table.writerow(values[name] for name in _COLUMNS)
    return text.getvalue()


def _sigmf(rows: Sequence[Row], recording: Recording, author: str) -> dict[str, Any]:
    """Metadata without samples: nobody has recorded them."""
    capture: dict[str, Any] = {sigmf.SAMPLE_START_KEY: 0}
    if recording.centre_hz is not None:
        capture[sigmf.FREQUENCY_KEY] = recording.centre_hz
    facts = {
        sigmf.VERSION_KEY: sigmf.__specification__,
        sigmf.DATATYPE_KEY: "cf32_le",
        sigmf.SAMPLE_RATE_KEY: recording.rate_hz,
        sigmf.METADATA_ONLY_KEY: True,
        sigmf.DESCRIPTION_KEY: f"signals heard live in {recording.name}",
        sigmf.RECORDER_KEY: f"boltmod {__version__}",
        sigmf.EXTENSIONS_KEY: [EXTENSION],
    }
    annotations = [
        _annotation(row, recording.centre_hz or 0.0, author)
        for row in sorted(rows, key=lambda row: row.first_sample)
    ]
    document = {"global": facts, "captures": [capture], "annotations": annotations}
    sigmf.SigMFFile(document).validate()
    return document


def _annotation(row: Row, centre_hz: float, author: str) -> dict[str, Any]:
    probability = "" if row.probability is None else f", probability {row.probability:.3f}"
    detail = detail_of(row.class_name or "")
    return {
        sigmf.SAMPLE_START_KEY: row.first_sample,
        sigmf.SAMPLE_COUNT_KEY: row.end_sample - row.first_sample,
        sigmf.FREQ_LOWER_EDGE_KEY: centre_hz + row.low_hz,
        sigmf.FREQ_UPPER_EDGE_KEY: centre_hz + row.high_hz,
        sigmf.LABEL_KEY: row.class_name or "signal",
        sigmf.GENERATOR_KEY: author,
        sigmf.COMMENT_KEY: f"signal {row.signal}, {row.start_utc} to {row.end_utc}{probability}",
    } | ({KEY: detail} if detail else {})
