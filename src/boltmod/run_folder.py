"""Where everything lies in a run folder: the one table of its file names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFolder:
    """The folder that `boltmod run` leaves behind.

    Args:
        path: The folder itself; its files are properties, none of which need exist yet.
    """

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe as it ran (TOML, every default written out)."""
        return self.path / "recipe.toml"

    @property
    def environment(self) -> Path:
        """Versions, processor and command line (JSON)."""
        return self.path / "environment.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a line: `{"event": "epoch", ...}` and `{"event": "phase", ...}`."""
        return self.path / "metrics.jsonl"

    @property
    def lock(self) -> Path:
        """Held by the process that works in the folder."""
        return self.path / ".lock"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints, one subfolder a phase."""
        return self.path / "checkpoints"

    def phase(self, name: str) -> Path:
        """Folder of a phase's checkpoints: of a round, where a phase has several."""
        found = self.checkpoints.glob("[0-9]*-*")
        named = (each for each in found if each.name.partition("-")[2] == name)
        return next(named, self.checkpoints / name)

    @property
    def finished(self) -> list[Path]:
        """What its finished phases ended with, in their order."""
        return sorted(self.checkpoints.glob("[0-9]*-*/final.safetensors"))

    @property
    def model(self) -> Path:
        """The exported network (QONNX)."""
        return self.path / "model.onnx"

    @property
    def verification(self) -> Path:
        """How well `model` agrees with the network it was exported from (JSON)."""
        return self.path / "verification.json"

    @property
    def cost(self) -> Path:
        """The cost of `model` (JSON, as `boltmod cost --json` prints it)."""
        return self.path / "cost.json"

    @property
    def evaluation(self) -> Path:
        """The accuracy of `model` (JSON, as `boltmod evaluate --json` prints it)."""
        return self.path / "evaluation.json"

    @property
    def report(self) -> Path:
        """The report (one HTML file that opens offline)."""
        return self.path / "report.html"
