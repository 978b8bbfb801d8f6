"""Labels as lines of JSON."""

from __future__ import annotations

import json
from typing import TextIO

from boltmod.runtime.labels import Labels
from boltmod.runtime.sink.columns import Columns
from boltmod.runtime.window import Windows


class JsonLines:
    """Writes an object a line and label, and hands it to the system.

    Args:
        file: The file.
        columns: What to say of a window.
    """

    def __init__(self, file: TextIO, columns: Columns) -> None:
        self._file, self._columns = file, columns

    def add(self, windows: Windows, labels: Labels) -> None:
        """Write a line for each."""
        names = self._columns.names
        rows = (
            dict(zip(names, values, strict=True)) for values in self._columns.rows(windows, labels)
        )
        self._file.writelines(json.dumps(row, allow_nan=False) + "\n" for row in rows)
        self._file.flush()
