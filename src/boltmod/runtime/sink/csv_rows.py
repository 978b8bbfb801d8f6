"""Labels as comma-separated values."""

from __future__ import annotations

import csv
from typing import TextIO

from boltmod.runtime.labels import Labels
from boltmod.runtime.sink.columns import Columns
from boltmod.runtime.window import Windows


class CsvRows:
    """Writes a row a label under the columns' names, and hands it to the system.

    Args:
        file: The file.
        columns: What to say of a window.
    """

    def __init__(self, file: TextIO, columns: Columns) -> None:
        self._file, self._columns = file, columns
        self._table = csv.writer(file, lineterminator="\n")
        self._table.writerow(columns.names)

    def add(self, windows: Windows, labels: Labels) -> None:
        """Write a row for each."""
        self._table.writerows(self._columns.rows(windows, labels))
        self._file.flush()
