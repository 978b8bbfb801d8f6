"""Weights that turn back and forth between two roundings are held where they are on the mean."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from boltmod.nn import quantizers
from boltmod.nn.number_format import NumberFormat
from boltmod.pipeline.stages import run_phases
from boltmod.run_folder import RunFolder
from boltmod.train.oscillation import Oscillations
from small_runs import FLOAT, Watcher, recipe


def layer_of(*weights: float, learned: bool = True) -> nn.Conv1d:
    """One filter of 4 bits whose largest weight, and so its scale, is 7 and 1."""
    numbers = NumberFormat(4, per_channel=True, learned_weight_scales=learned)
    layer = quantizers.conv1d(1, 1, len(weights) + 1, numbers)
    assert isinstance(layer, nn.Conv1d)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[*weights, 7.0]]]))
    quantizers.fit_weight_scales(layer, smallest=1.0)
    return layer


def walk(layer: nn.Conv1d, watching: Oscillations, steps: list[list[float]]) -> list[float]:
    """Say what the first weights are stored as, step by step; return what they end as."""
    for number, values in enumerate(steps):
        with torch.no_grad():
            layer.weight[0, 0, : len(values)] = torch.tensor(values)
        watching.after_step(number / len(steps))
    return layer.weight.detach()[0, 0, :-1].tolist()


def test_what_turns_back_and_forth_is_held_at_its_mean_and_nothing_else() -> None:
    # The first is at 2 three steps of four; the second goes up and stays; the third does not move;
    # the fourth moves within a level.
    steps = [[2.4 if n % 4 else 2.6, 1.0 + n // 30, 3.2, 4.6 + 0.2 * (n % 2)] for n in range(60)]
    layer = layer_of(2.4, 1.0, 3.2, 4.6)
    watching = Oscillations(layer, 0.1, {})
    assert walk(layer, watching, steps) == pytest.approx([2.0, 2.0, 3.2, 4.8])
    assert watching.n_held == 1


def test_without_a_threshold_nothing_is_held() -> None:
    layer = layer_of(2.4)
    watching = Oscillations(layer, 0.0, {})
    assert walk(layer, watching, [[2.4 + 0.2 * (n % 2)] for n in range(60)]) == pytest.approx([2.6])
    assert (watching.n_held, watching.tensors()) == (0, {})


def test_what_is_held_follows_its_scale() -> None:
    layer = layer_of(2.4)
    watching = Oscillations(layer, 0.1, {})
    walk(layer, watching, [[2.4 + 0.2 * (n % 2)] for n in range(60)])
    level = layer.weight[0, 0, 0].item()
    quantizers.set_weight_scales(layer, torch.tensor([[[1.5]]]))
    watching.after_step(1.0)
    assert layer.weight[0, 0, 0].item() == pytest.approx(1.5 * level)


def test_the_threshold_falls_to_a_quarter() -> None:
    def held(share_done: float) -> int:
        layer = layer_of(2.4)
        watching = Oscillations(layer, 0.2, {})
        for n in range(12):  # twelve turns: 0.113 of the last steps
            with torch.no_grad():
                layer.weight[0, 0, 0] = 2.4 + 0.2 * (n % 2 == 0)
            watching.after_step(share_done)
        return watching.n_held

    assert (held(0.0), held(1.0)) == (0, 1)


def test_an_interrupted_training_holds_the_same(tmp_path: Path) -> None:
    quantised = {"name": "quantised", "kind": "train", "epochs": 2, "learning_rate": 0.02,
                 "hold_oscillating": 0.02}  # fmt: skip
    phases = (FLOAT, quantised)
    whole, halves = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "halves")
    expected, _ = run_phases(recipe(*phases), whole, Watcher())
    with pytest.raises(KeyboardInterrupt):
        run_phases(recipe(*phases), halves, Watcher(interrupt_after=8))
    network, _ = run_phases(recipe(*phases), halves, Watcher())
    freely = recipe(FLOAT, quantised | {"hold_oscillating": 0.0})
    free, _ = run_phases(freely, RunFolder(tmp_path / "free"), Watcher())
    states = [each.state_dict() for each in (network, expected, free)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[1])
    assert not all(torch.equal(states[2][name], states[1][name]) for name in states[1])
