"""A run's figures for TensorBoard, beside metrics.jsonl."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from boltmod.pipeline.metrics import RunObserver

_OF_EPOCHS = ("loss", "accuracy", "validation_loss", "validation_accuracy")
_OF_PHASES = ("validation_accuracy", "sparsity", "score", "bops", "weight_bits")


class TensorBoard:
    """Writes a phase's figures over its epochs as event files, and hands everything on.

    A run that goes on adds to what is there: an epoch keeps its number.

    Args:
        folder: What `tensorboard --logdir` is to be given.
        observer: Who else watches.

    Raises:
        ModuleNotFoundError: tensorboardX is not installed.
    """

    def __init__(self, folder: Path, observer: RunObserver) -> None:
        from tensorboardX import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder))
        self._observer = observer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def phase_begins(self, name: str, total_frames: int, frames_after: int | None) -> None:
        """Hand the beginning of a phase on."""
        self._observer.phase_begins(name, total_frames, frames_after)

    def step(self, record: Mapping[str, Any]) -> None:
        """Hand a step on."""
        self._observer.step(record)

    def epoch(self, record: Mapping[str, Any]) -> None:
        """Write an epoch's figures and hand them on."""
        self._write(record, _OF_EPOCHS, int(record["epoch"]))
        self._observer.epoch(record)

    def phase_ends(self, record: Mapping[str, Any]) -> None:
        """Write what a phase came to and hand it on."""
        self._write(record, _OF_PHASES, 0, "end/")
        self._observer.phase_ends(record)

    def _write(
        self, record: Mapping[str, Any], names: tuple[str, ...], step: int, part: str = ""
    ) -> None:
        for name in names:
            if record.get(name) is not None:
                self._writer.add_scalar(f"{record['phase']}/{part}{name}", record[name], step)
        self._writer.flush()
