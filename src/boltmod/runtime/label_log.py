"""Labels of a stream in a file that grows, each line whole: a stream has no end to wait for."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from boltmod.files import check_target
from boltmod.runtime.live import LiveLabel

SUFFIXES = (".jsonl", ".csv")


def row(label: LiveLabel, n_dropped: int) -> dict[str, Any]:
    """One label as it is written: its fields, and the windows dropped up to then."""
    return asdict(label) | {"n_dropped": n_dropped}


class LabelLog:
    """The file, begun anew.

    Args:
        path: Its name, ending in `.jsonl` or `.csv`.
    """

    def __init__(self, path: Path) -> None:
        check_target(path, SUFFIXES, "output of a stream")
        self._file = path.open("w", encoding="utf-8", newline="")
        self._table = csv.writer(self._file, lineterminator="\n") if path.suffix == ".csv" else None
        if self._table is not None:
            self._table.writerow([field.name for field in fields(LiveLabel)] + ["n_dropped"])

    def write(self, labels: Sequence[LiveLabel], n_dropped: int) -> None:
        """Append labels, and hand them to the system."""
        rows = [row(label, n_dropped) for label in labels]
        if self._table is not None:
            self._table.writerows(list(each.values()) for each in rows)
        else:
            self._file.writelines(json.dumps(each, allow_nan=False) + "\n" for each in rows)
        self._file.flush()

    def close(self) -> None:
        """Write no more."""
        self._file.close()
