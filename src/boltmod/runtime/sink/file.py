"""Labels in a file, of a kind that its ending names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from boltmod.files import check_target, replacing
from boltmod.recording.file_names import META_SUFFIX
from boltmod.recording.raw import RawRecording
from boltmod.runtime.labels import Labels
from boltmod.runtime.sink.columns import Columns
from boltmod.runtime.sink.csv_rows import CsvRows
from boltmod.runtime.sink.json_lines import JsonLines
from boltmod.runtime.sink.sink import Sink
from boltmod.runtime.sink.table import Table
from boltmod.runtime.window import Windows

_KINDS: dict[str, Callable[[TextIO, Columns], Sink]] = {
    ".txt": Table,
    ".jsonl": JsonLines,
    ".csv": CsvRows,
}
_BAND_SUFFIXES = (*_KINDS, META_SUFFIX)
_SIGNAL_SUFFIXES = (".jsonl", ".csv", META_SUFFIX)
_STREAM_SUFFIXES = (".jsonl", ".csv")


@dataclass(frozen=True)
class Target:
    """A file for labels.

    Args:
        path: Its name. A stream's grows while the stream runs, for that has no end to wait for;
            another one appears when it is complete, and not at all after an error.
        columns: What to say of a window.
        author: Who says so.
        recording: What it is about, if that is a file.
    """

    path: Path
    columns: Columns
    author: str
    recording: RawRecording | None = None


class _Growing:
    """A stream's file, which is begun when the first labels come: until then it stays as it was.

    Args:
        stack: What closes it.
        target: Where it is.
    """

    def __init__(self, stack: ExitStack, target: Target) -> None:
        self._stack, self._target = stack, target
        self._sink: Sink | None = None

    def add(self, windows: Windows, labels: Labels) -> None:
        """Write a row for each."""
        if not labels:
            return
        if self._sink is None:
            path = self._target.path
            file = self._stack.enter_context(path.open("w", encoding="utf-8", newline=""))
            self._sink = _KINDS[path.suffix](file, self._target.columns)
        self._sink.add(windows, labels)


def check(path: Path, is_of_signals: bool, is_stream: bool) -> None:
    """Refuse a name that labels cannot go to.

    Raises:
        ConfigError: Its ending is none of those, or its folder does not exist.
    """
    if is_stream:
        check_target(path, _STREAM_SUFFIXES, "output of a stream")
    elif is_of_signals:
        check_target(path, _SIGNAL_SUFFIXES, "output of signals")
    else:
        check_target(path, _BAND_SUFFIXES)


@contextmanager
def writing(target: Target) -> Iterator[Sink]:
    """Write labels to a file.

    Args:
        target: A `.txt` (lines of text), `.csv` or `.jsonl` file, a line a window, or a
            `.sigmf-meta` file of annotations.
    """
    if target.path.suffix == META_SUFFIX and target.recording is not None:
        from boltmod.runtime.sink.sigmf import annotating  # it takes a tenth of a second

        with annotating(target.path, target.recording, target.author) as notes:
            yield notes
        return
    kind = _KINDS[target.path.suffix]
    if target.recording is None:
        with ExitStack() as stack:
            yield _Growing(stack, target)
        return
    with replacing(target.path) as temporary, temporary.open("w", encoding="utf-8") as file:
        yield kind(file, target.columns)
