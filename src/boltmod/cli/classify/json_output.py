"""Labels on standard output as JSON: one document, or lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from boltmod.cli.classify.job import Job
from boltmod.errors import BoltmodError
from boltmod.runtime.labels import Labels
from boltmod.runtime.sink.json_lines import JsonLines
from boltmod.runtime.sink.sink import Sink
from boltmod.runtime.window import Windows


@contextmanager
def json_lines(job: Job) -> Iterator[Sink]:
    """JSON lines, the last of them the summary."""

    def end(error: dict[str, str]) -> None:
        summary = job.head() | job.counts() | error
        sys.stdout.write(json.dumps({"summary": summary}, allow_nan=False) + "\n")
        sys.stdout.flush()

    try:
        yield JsonLines(sys.stdout, job.window_columns)
    except BoltmodError as error:
        end({"error": str(error)})
        raise
    end({})


class _Document:
    """One JSON document, written as it grows: the windows, then how many there were."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._has_windows = job.request.output is None and not job.request.summary_only
        self._mark = ""

    @property
    def is_begun(self) -> bool:
        """Whether anything is printed."""
        return bool(self._mark)

    def add(self, windows: Windows, labels: Labels) -> None:
        if not self._has_windows:
            return
        for each in labels:
            self._begin()
            values = each.row(self._job.request.columns)
            if self._job.is_in_samples:
                values["time_s"] = None
            row = json.dumps(values, allow_nan=False)
            sys.stdout.write(f"{self._mark}    {row}")
            self._mark = ",\n"

    def end(self, more: dict[str, str]) -> None:
        """Write what there is to say at the end."""
        self._begin()
        if self._has_windows:
            sys.stdout.write("\n  ]")
        counts = json.dumps(self._job.counts() | more, indent=2, allow_nan=False)
        sys.stdout.write(",\n" + counts.removeprefix("{\n") + "\n")

    def _begin(self) -> None:
        if self.is_begun:
            return
        self._mark = "\n"
        head = json.dumps(self._job.head(), indent=2, allow_nan=False)
        sys.stdout.write(head.removesuffix("\n}"))
        if self._has_windows:
            sys.stdout.write(',\n  "windows": [')


@contextmanager
def document_of(job: Job) -> Iterator[Sink]:
    """The document; after an error it is completed if it was begun, or is a stream's."""
    document = _Document(job)
    try:
        yield document
    except BoltmodError as error:
        if document.is_begun or job.live is not None:
            document.end({"error": str(error)})
        raise
    document.end({})
