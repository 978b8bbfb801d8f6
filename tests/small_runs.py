"""Runs that take a second, and what to watch and read them with."""

import json
from collections.abc import Mapping
from typing import Any

from boltmod.pipeline.recipe import Recipe
from boltmod.run_folder import RunFolder
from tiny_recipe import NETWORK


class Watcher:
    """Remembers everything; interrupts after a number of steps, as Ctrl-C would."""

    def __init__(self, interrupt_after: int = 0) -> None:
        self.left = interrupt_after
        self.epochs: list[Mapping[str, Any]] = []
        self.phases: list[Mapping[str, Any]] = []

    def phase_begins(self, name: str, total_frames: int, frames_after: int | None) -> None:
        pass

    def step(self, record: Mapping[str, Any]) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt

    def epoch(self, record: Mapping[str, Any]) -> None:
        self.epochs.append(record)

    def phase_ends(self, record: Mapping[str, Any]) -> None:
        self.phases.append(record)

    def notify(self, what: str, done: int, total: int) -> None:
        pass


def metrics(files: RunFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in files.metrics.read_text().splitlines()]


def timeless(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    clocks = {"seconds", "frames_per_s"}
    return [{k: v for k, v in record.items() if k not in clocks} for record in records]


FLOAT = {
    "name": "float", "kind": "train", "quantised": False, "epochs": 1, "batch_size": 64,
}  # fmt: skip


def recipe(*phases: dict[str, Any], **network: Any) -> Recipe:
    return Recipe.model_validate({
        "name": "tiny",
        "seed": 7,
        "network": NETWORK | network,
        "data": {"frames_per_epoch": 256, "validation_frames": 96},
        "phases": [{"epochs": 1, "batch_size": 64} | phase for phase in phases],
    })  # fmt: skip


def last_phase(files: RunFolder) -> dict[str, Any]:
    return [record for record in metrics(files) if record["event"] == "phase"][-1]
