"""Labels beside what a recording's own annotations say: a true column, and how many are right."""

from __future__ import annotations

import sys
from bisect import bisect_right

from boltmod.errors import ConfigError
from boltmod.recording.raw import RawRecording
from boltmod.runtime.labels import Labels
from boltmod.runtime.sink import table
from boltmod.runtime.window import Windows
from boltmod.untrusted import visible


class Truth:
    """What a SigMF recording says of itself, but for what a classifier has said of it.

    Args:
        recording: The recording.

    Raises:
        ConfigError: It is no SigMF recording, or has no such annotations.
    """

    def __init__(self, recording: RawRecording) -> None:
        from boltmod.recording import sigmf_meta

        entries = []
        if recording.meta_path is not None:
            entries = sigmf_meta.read(recording.meta_path).document["annotations"]
        spans = [
            (each["core:sample_start"], each.get("core:sample_count", 0), each["core:label"])
            for each in entries
            if "core:label" in each and "boltmod:probability" not in each
        ]
        if not spans:
            raise ConfigError(
                f"truth must stand in annotations of {recording.name}, and does not: leave "
                "--truth out, or give a SigMF recording with labels"
            )
        self._spans = sorted(spans)
        self._starts = [start for start, _, _ in self._spans]

    def of(self, start: int, count: int) -> str | None:
        """What some samples are; None if no annotation covers all of them."""
        place = bisect_right(self._starts, start) - 1
        if place < 0:
            return None
        begin, length, name = self._spans[place]
        return str(name) if begin + length >= start + count else None


class Comparison:
    """A sink that counts, and that prints lines of text with what is true if it shall.

    Args:
        truth: What is true.
        prints: Whether lines of text are printed.
    """

    def __init__(self, truth: Truth, prints: bool) -> None:
        self._truth, self._prints = truth, prints
        self.n_compared = self.n_right = 0

    def add(self, windows: Windows, labels: Labels) -> None:
        """Compare each."""
        for each in labels:
            if self._prints and not self.n_compared:
                head = f"{table.heading(('class_name',))}  true"
                sys.stdout.write(head + "\n")
            true = self._truth.of(each.sample_start, each.sample_count)
            is_right = true is not None and true == each.class_name
            self.n_compared += true is not None
            self.n_right += is_right
            if self._prints:
                mark = "✓" if is_right else "✗" if true is not None else ""
                line = f"{table.row(each):<42}  {visible(true or ''):<11} {mark}".rstrip()
                sys.stdout.write(line + "\n")
        sys.stdout.flush()
