"""Training, with quantisers or without."""

from __future__ import annotations

from typing import Literal

from boltmod.pipeline.workshop import Phase, Record, Workshop
from boltmod.train.trainee import Trainee


class TrainPhase(Phase):
    """Train the network, with quantisers or, to begin with, without."""

    kind: Literal["train"]
    quantised: bool = True

    @property
    def has_quantisers(self) -> bool:
        """Whether its network has quantisers."""
        return self.quantised

    def run(self, trainee: Trainee, workshop: Workshop) -> tuple[Trainee, Record]:
        """Train."""
        return workshop.train(workshop.quantised(trainee) if self.quantised else trainee)
