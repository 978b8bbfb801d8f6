"""metrics.jsonl: what a run reports, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, Self

from boltmod.files import write_text
from boltmod.run_folder import RunFolder
from boltmod.train import checkpoint
from boltmod.train.loop import Observer

PHASE_RECORD = "phase.json"
"""A finished phase's figures, beside its final checkpoint."""


ATTEMPTS = "attempt-*"
"""Folders of a phase's attempts, in its own folder."""


class RunObserver(Observer, Protocol):
    """Who watches a whole run."""

    def phase_begins(self, name: str, total_frames: int, frames_after: int | None) -> None:
        """See a phase begin or go on, and how many frames the phases after it will train on.

        None stands for a number that nobody knows yet.
        """

    def phase_ends(self, record: Mapping[str, Any]) -> None:
        """See a phase's figures, as metrics.jsonl will hold them."""


class MetricsFile:
    """metrics.jsonl, open for more.

    On opening it is made again from what the checkpoints remember: an interruption leaves no epoch
    in it twice, and none out.

    Args:
        run: The run folder.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run

    def __enter__(self) -> Self:
        lines = [json.dumps(record) + "\n" for record in _remembered(self._run)]
        write_text(self._run.metrics, "".join(lines))
        self._file = self._run.metrics.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a line, at once."""
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()


class Tee:
    """Hands everything on to an observer, and what lasts to the metrics file.

    Args:
        metrics: The file.
        observer: Who else watches.
    """

    def __init__(self, metrics: MetricsFile, observer: RunObserver) -> None:
        self._metrics, self._observer = metrics, observer

    def step(self, record: Mapping[str, Any]) -> None:
        """Hand a step on."""
        self._observer.step(record)

    def epoch(self, record: Mapping[str, Any]) -> None:
        """Write an epoch down and hand it on."""
        self._metrics.write(record)
        self._observer.epoch(record)

    def phase_begins(self, name: str, total_frames: int, frames_after: int | None) -> None:
        """Hand the beginning of a phase on."""
        self._observer.phase_begins(name, total_frames, frames_after)

    def phase_ends(self, record: Mapping[str, Any]) -> None:
        """Write a phase's figures down and hand them on."""
        self._metrics.write(record)
        self._observer.phase_ends(record)


def _remembered(run: RunFolder) -> Iterator[Mapping[str, Any]]:
    for folder in sorted(run.checkpoints.glob("[0-9]*-*")):
        for part in (*sorted(folder.glob(ATTEMPTS)), folder):
            kept = [part / f"{name}.safetensors" for name in ("final", "latest")]
            found = next((path for path in kept if path.exists()), None)
            if found is not None:
                yield from checkpoint.load(found).state["progress"]["records"]
        if (folder / PHASE_RECORD).exists():
            yield json.loads((folder / PHASE_RECORD).read_text(encoding="utf-8"))
