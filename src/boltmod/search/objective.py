"""One trial: a recipe drawn, weighed, trained as `boltmod run` trains it, and counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import optuna

from boltmod.cost.inference_cost import Cost
from boltmod.errors import ConfigError
from boltmod.pipeline.network_cost import network_cost, untrained_cost
from boltmod.pipeline.recipe import Recipe
from boltmod.pipeline.run import claim
from boltmod.pipeline.stages import run_phases
from boltmod.run_folder import RunFolder
from boltmod.search.draw import drawn
from boltmod.search.folder import SearchFolder
from boltmod.search.space import RecipeSpace, Space, kept_weights
from boltmod.search.stopping import Curve, reason_to_stop
from boltmod.search.storage import REMARK, frozen, own_number
from boltmod.search.trials import END, End, trials_of


def run_trial(
    opened: RecipeSpace,
    folder: SearchFolder,
    trial: optuna.Trial,
    check: Callable[[], None],
) -> tuple[float, float]:
    """Try one recipe.

    Args:
        opened: The space.
        folder: The search folder.
        trial: The trial, new or taken up again.
        check: Called every step; a KeyboardInterrupt it raises ends the trial after a checkpoint.

    Returns:
        Accuracy on the validation frames, and the score.

    Raises:
        optuna.TrialPruned: The trial is not worth training, or no longer.
    """
    if END in trial.user_attrs:  # its worker was killed when it had come to this
        raise optuna.TrialPruned(trial.user_attrs[REMARK])
    number = own_number(trial.study, frozen(trial))
    try:
        recipe = drawn(opened, trial, number)
        _refuse_repetition(trial, number)
        untrained = _untrained_score(opened.space, recipe, trial)
    except ConfigError as error:
        _end(trial, "impossible", str(error))
    expected = untrained * kept_weights(opened.space, recipe)
    limit = opened.space.maximum_score
    if limit is not None and expected > limit:
        _end(trial, "too dear", f"expected score {expected:.6f}, the limit is {limit:g}")
    files = folder.trial(number)
    claim(recipe, files)
    watcher = _Watcher(opened.space, trial, files, Curve(untrained, {}), check)
    network, _ = run_phases(recipe, files, watcher)
    cost = network_cost(network, recipe.config)
    return _finish(opened.space, trial, files, cost)


class _Watcher:
    """Watches a trial's training, writes its epochs down, and gives it up where it is bad."""

    def __init__(
        self,
        space: Space,
        trial: optuna.Trial,
        files: RunFolder,
        curve: Curve,
        check: Callable[[], None],
    ) -> None:
        self._space, self._trial, self._files = space, trial, files
        self._curve, self._check = curve, check

    def phase_begins(self, name: str, total_frames: int, frames_after: int | None) -> None:
        self._check()

    def step(self, record: Mapping[str, Any]) -> None:
        self._check()

    def epoch(self, record: Mapping[str, Any]) -> None:
        accuracies = _accuracies(self._files)
        curve = Curve(self._curve.cost, accuracies)
        self._trial.set_user_attr("accuracies", accuracies)
        self._trial.set_user_attr("seconds", _seconds(self._files))
        if self._space.stopping.enabled:
            number = own_number(self._trial.study, frozen(self._trial))
            others = [t.curve for t in trials_of(self._trial.study) if t.number != number]
            found = [each for each in others if each is not None]
            reason = reason_to_stop(curve, found, self._space.stopping)
            if reason is not None:
                _end(self._trial, "stopped", reason)

    def phase_ends(self, record: Mapping[str, Any]) -> None:
        self._check()


def _finish(space: Space, trial: optuna.Trial, files: RunFolder, cost: Cost) -> tuple[float, float]:
    accuracy = float(_records(files, "phase")[-1]["validation_accuracy"])
    strict = None if cost.strict is None else cost.strict.score
    results = {
        "accuracies": _accuracies(files),
        "accuracy": accuracy,
        "score": cost.score,
        "strict_score": strict,
        "bops": cost.bops,
        "weight_bits": cost.weight_bits,
        "seconds": _seconds(files),
    }
    for name, value in results.items():
        trial.set_user_attr(name, value)
    return accuracy, _chosen(space, cost)


def _untrained_score(space: Space, recipe: Recipe, trial: optuna.Trial) -> float:
    known = trial.user_attrs.get("untrained_score")
    if known is None:
        known = _chosen(space, untrained_cost(recipe.config))
        trial.set_user_attr("untrained_score", known)
    return float(known)


def _chosen(space: Space, cost: Cost) -> float:
    if space.score == "official":
        return cost.score
    if cost.strict is None:
        raise ConfigError(
            f"the strict score of {cost.model} cannot be counted; search for the official one"
        )
    return cost.strict.score


def _refuse_repetition(trial: optuna.Trial, number: int) -> None:
    for other in trials_of(trial.study):
        is_it = other.number < number and other.standing not in ("repeated", "failed")
        if is_it and other.values == trial.params:
            _end(trial, "repeated", f"the same as trial {other.number}")


def _end(trial: optuna.Trial, how: End, why: str) -> NoReturn:
    trial.set_user_attr(REMARK, why)
    trial.set_user_attr(END, how)
    raise optuna.TrialPruned(why)


def _accuracies(files: RunFolder) -> dict[str, float]:
    return {
        f"{each['phase']} {each['epoch']}": each["validation_accuracy"]
        for each in _records(files, "epoch")
    }


def _seconds(files: RunFolder) -> float:
    """Return the time a trial has been trained, by its epochs' records."""
    last = {record["phase"]: record["seconds"] for record in _records(files, "epoch")}
    return float(sum(last.values()))


def _records(files: RunFolder, event: str) -> list[dict[str, Any]]:
    lines = files.metrics.read_text(encoding="utf-8").splitlines()
    return [record for line in lines if (record := json.loads(line))["event"] == event]
