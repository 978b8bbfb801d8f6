"""Who watches a run that nobody else watches: the logger `boltmod`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

_log = logging.getLogger("boltmod")


class LogObserver:
    """Writes a line an epoch and a phase, at level INFO."""

    def phase_begins(self, name: str, total_frames: int, frames_after: int | None) -> None:
        """Name the phase."""
        _log.info("%s: %s frames to train on", name, f"{total_frames:,}")

    def step(self, record: Mapping[str, Any]) -> None:
        """Say nothing: there are thousands."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        """Give an epoch's figures."""
        _log.info(
            "%s: epoch %d, loss %.3f, validation %.3f",
            record["phase"], record["epoch"], record["loss"], record["validation_accuracy"],
        )  # fmt: skip

    def phase_ends(self, record: Mapping[str, Any]) -> None:
        """Give a phase's figures."""
        _log.info(
            "%s: done, validation %.3f, %.0f%% of the weights zero",
            record["phase"], record["validation_accuracy"], 100 * record["sparsity"],
        )  # fmt: skip

    @staticmethod
    def notify(what: str, done: int, total: int) -> None:
        """Say what begins."""
        if done == 0:
            _log.info("%s", what)
