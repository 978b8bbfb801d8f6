"""What has been done of a long piece of work, so that the same command goes on after an end."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from boltmod import __version__
from boltmod.errors import ConfigError
from boltmod.files import alone
from boltmod.runtime.survey import Row

_SUFFIX = ".partial"


class Journal:
    """A file beside the output that gets a line a recording, on the disk before the next one.

    Args:
        output: Where the table will be.
        request: What is asked, in JSON's terms: another request must not go on with this work.

    Raises:
        ConfigError: Somebody works on it now, or another request has left it.
    """

    def __init__(self, output: Path, request: Mapping[str, Any]) -> None:
        self._path = output.with_name(output.name + _SUFFIX)
        lock = self._path.with_name(self._path.name + ".lock")
        self._held = ExitStack()
        try:
            self._held.enter_context(alone(lock, wait=False, keep=False))
        except BlockingIOError:
            raise ConfigError(
                f"{output} must be written by one command at a time, and another one is at work: "
                "wait for it, or choose another name"
            ) from None
        self._file = self._held.enter_context(self._path.open("a+b"))
        head = {"boltmod": __version__, "request": dict(request)}
        try:
            self._done = self._read(head, output)
        except BaseException:
            self._held.close()
            raise
        if not self._file.tell():
            self._write(head)

    def _read(self, head: dict[str, Any], output: Path) -> dict[str, dict[str, Any]]:
        """What has been done; a line that was not finished is cut off."""
        self._file.seek(0)
        lines = self._file.read().split(b"\n")
        self._file.truncate(self._file.tell() - len(lines.pop()))
        self._file.seek(0, os.SEEK_END)
        entries = [json.loads(line) for line in lines]
        if entries and entries[0] != json.loads(json.dumps(head)):
            raise ConfigError(
                f"{self._path} must belong to this request, and belongs to another one: give the "
                f"options it was begun with, choose another name than {output.name}, or remove it"
            )
        return {entry["file"]: entry for entry in entries[1:]}

    def rows(self, path: Path) -> list[Row] | None:
        """What is known of a recording; None if that is nothing, or the file has changed since."""
        entry = self._done.get(str(path))
        if entry is None or entry["stamp"] != _stamp(path):
            return None
        return [Row(**row) for row in entry["rows"]]

    def add(self, path: Path, rows: Sequence[Row]) -> None:
        """Note what a recording holds."""
        entry = {"file": str(path), "stamp": _stamp(path), "rows": [row.as_dict() for row in rows]}
        self._write(entry)

    def _write(self, entry: dict[str, Any]) -> None:
        self._file.write(json.dumps(entry).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self, is_finished: bool) -> None:
        """Let go of it; it is removed once the table is written."""
        self._file.close()
        if is_finished:
            self._path.unlink(missing_ok=True)
        self._held.close()


def _stamp(path: Path) -> str:
    """What changes when a file does."""
    try:
        status = path.stat()
    except OSError:
        return "missing"
    return f"{status.st_size} bytes, {status.st_mtime_ns} ns"
