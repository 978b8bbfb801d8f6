"""From a space to a trial's recipe: what a sampler is asked for."""

from __future__ import annotations

import json
from typing import Any

import optuna

from boltmod.pipeline.recipe import Recipe
from boltmod.search.space import Dimension, Range, RecipeSpace, changed


def drawn(opened: RecipeSpace, trial: optuna.Trial, number: int) -> Recipe:
    """Return the recipe of a trial, which is named after the space and its number.

    Raises:
        ConfigError: What was drawn does not go together.
    """
    recipe = changed(opened, lambda dimension: _ask(trial, dimension))
    return recipe.model_copy(update={"name": f"{opened.space.name}-{number}"})


def recipe_from(opened: RecipeSpace, values: dict[str, Any], number: int) -> Recipe:
    """Return the recipe of a finished trial from what it tried."""

    def chosen(dimension: Dimension) -> tuple[Any, ...]:
        value = values[dimension.name]
        return (value,) if dimension.range else _labelled(dimension)[value]

    recipe = changed(opened, chosen)
    return recipe.model_copy(update={"name": f"{opened.space.name}-{number}"})


def _ask(trial: optuna.Trial, dimension: Dimension) -> tuple[Any, ...]:
    if dimension.range is not None:
        return (_number(trial, dimension.name, dimension.range),)
    choices = _labelled(dimension)
    return choices[trial.suggest_categorical(dimension.name, list(choices))]


def _number(trial: optuna.Trial, name: str, bounds: Range) -> int | float:
    low, high = bounds.low, bounds.high
    if bounds.is_whole:
        step = int(bounds.step) or 1
        return trial.suggest_int(name, int(low), int(high), step=step, log=bounds.log)
    return trial.suggest_float(name, low, high, step=bounds.step or None, log=bounds.log)


def _labelled(dimension: Dimension) -> dict[Any, tuple[Any, ...]]:
    """Return the choices by what a storage can hold: plain values, or JSON."""
    return {_label(choice): choice for choice in dimension.choices}


def _label(choice: tuple[Any, ...]) -> Any:
    if len(choice) == 1 and isinstance(choice[0], bool | int | float | str):
        return choice[0]
    return json.dumps(choice[0] if len(choice) == 1 else choice)
