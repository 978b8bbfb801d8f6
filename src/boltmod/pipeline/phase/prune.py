"""Pruning in rounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, Self

from pydantic import Field, model_validator
from torch import Tensor

from boltmod.compress import prune, saliency
from boltmod.compress.prune import Pruning
from boltmod.pipeline.workshop import Phase, Record, Workshop
from boltmod.train.trainee import Trainee


class PrunePhase(Pruning, Phase):
    """Zero the smallest weights and train the rest, in rounds.

    Attributes:
        rounds: How often.
        fraction: Share of the remaining weights zeroed in each round.
        threshold: Zero every weight up to this instead, by `measure`; nobody competes.
    """

    kind: Literal["prune"]
    rounds: int = Field(1, ge=1, le=1000)
    fraction: float | None = Field(None, gt=0, lt=1)
    threshold: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one_rule(self) -> PrunePhase:
        if (self.fraction is None) == (self.threshold is None):
            raise ValueError("either fraction or threshold must be given, not both")
        if self.threshold is not None and self.measure == "loss_per_cost":
            raise ValueError('measure = "loss_per_cost" must go with fraction, not with threshold')
        return self

    @property
    def rounds_apart(self) -> tuple[Self, ...]:
        """One phase a round, numbered where there are several."""
        if self.rounds == 1:
            return (self,)
        numbers = range(1, self.rounds + 1)
        return tuple(self.model_copy(update={"name": f"{self.name}-{n}"}) for n in numbers)

    @property
    def share_left(self) -> float | None:
        """Share of all weights that the rounds leave; None where it is not known beforehand."""
        if self.fraction is None or self.layers != "all":
            return None
        return float((1 - self.fraction) ** self.rounds)

    def run(self, trainee: Trainee, workshop: Workshop) -> tuple[Trainee, Record]:
        """Prune one round, and train."""
        trainee = workshop.quantised(trainee)
        trainee.network.cpu()
        masks = self._masks(trainee, workshop)
        prune.apply(trainee.network, masks)
        return workshop.train(replace(trainee, masks=masks))

    def _masks(self, trainee: Trainee, workshop: Workshop) -> Mapping[str, Tensor]:
        network, masks = trainee.network, trainee.masks
        if self.threshold is not None:
            return prune.below(network, masks, self.threshold, self)
        assert self.fraction is not None
        worth = saliency.measured(network, self.measure, workshop.source)
        return prune.smallest(network, masks, self.fraction, self, saliency=worth)
