"""Labels as lines of text under a heading."""

from __future__ import annotations

from typing import TextIO

from boltmod.runtime.label import Label
from boltmod.runtime.labels import Labels
from boltmod.runtime.sink.columns import Columns
from boltmod.runtime.window import Windows
from boltmod.untrusted import visible

NO_SIGNAL = "(no signal)"
_HEADING = f"{'start':>14}  {'class':<11}  probability"


def heading(columns: tuple[str, ...]) -> str:
    """The line above the first."""
    return f"{'signal':>6}  {_HEADING}" if "signal" in columns else _HEADING


def row(label: Label, is_in_samples: bool = False) -> str:
    """One label as a line; the start in seconds, in samples if the rate is unknown."""
    in_samples = is_in_samples or label.time_s is None
    start = f"{label.sample_start:,}" if in_samples else f"{label.time_s:.6f} s"
    probability = "" if label.probability is None else f"{label.probability:11.3f}"
    text = f"{start:>14}  {visible(label.class_name or NO_SIGNAL):<11}  {probability}".rstrip()
    return text if label.signal is None else f"{label.signal:>6}  {text}"


class Table:
    """Writes them to a file.

    Args:
        file: The file.
        columns: What there is to say of a window.
    """

    def __init__(self, file: TextIO, columns: Columns) -> None:
        self._file = file
        file.write(heading(columns.names) + "\n")

    def add(self, windows: Windows, labels: Labels) -> None:
        """Write a line for each."""
        self._file.writelines(row(each) + "\n" for each in labels)
