"""Lowering the bits of single layers."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any, Literal

from pydantic import Field
from torch import nn

from boltmod.compress import bit_width
from boltmod.compress.bit_width import Lowering
from boltmod.files import write_json
from boltmod.nn import registry
from boltmod.pipeline.network_cost import network_cost
from boltmod.pipeline.workshop import Phase, Record, Workshop
from boltmod.train.loop import accuracy
from boltmod.train.trainee import Trainee

LOWERED = "lowered.json"
"""The bits a lower phase took away, in its folder."""


class LowerPhase(Lowering, Phase):
    """Take bits away from single layers, where they are missed least; then perhaps train.

    Attributes:
        epochs: Epochs of training afterwards; 0 for none.
    """

    kind: Literal["lower"]
    epochs: int = Field(0, ge=0)

    def run(self, trainee: Trainee, workshop: Workshop) -> tuple[Trainee, Record]:
        """Lower, and train."""
        trainee = workshop.quantised(trainee)
        trainee.network.to(workshop.fabric.device)
        steps = self._steps(trainee, workshop)
        lowered = {step["name"]: step["bits"] for step in steps}
        registry.set_bit_widths(trainee.network, lowered)
        config = replace(trainee.config, bit_widths={**trainee.config.bit_widths, **lowered})
        trainee, record = workshop.train(replace(trainee, config=config))
        return trainee, record | {"lowered": steps}

    def _steps(self, trainee: Trainee, workshop: Workshop) -> list[dict[str, Any]]:
        """Choose what to lower, or read what was chosen before an interruption."""
        path, identity = workshop.folder / LOWERED, dict(workshop.stage.identity)
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if found.get("identity") != identity:
            steps = bit_width.lower(trainee.network, self, self._measure(trainee, workshop))
            found = {"identity": identity, "steps": [asdict(step) for step in steps]}
            if workshop.fabric.is_global_zero:
                write_json(path, found)
        taken: list[dict[str, Any]] = found["steps"]
        return taken

    def _measure(self, trainee: Trainee, workshop: Workshop) -> bit_width.Measure:
        validation, device = workshop.source.validation(), workshop.fabric.device

        def measure(network: nn.Module) -> bit_width.Figures:
            reached = accuracy(network.to(device), validation)
            cost = network_cost(network, trainee.config)
            return bit_width.Figures(reached, cost.bops, cost.score)

        return measure
