"""Search spaces: what a space's TOML may say, validated once, at the edge."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from boltmod.errors import ConfigError
from boltmod.pipeline.phase.prune import PrunePhase
from boltmod.pipeline.recipe import Recipe, read_recipe
from boltmod.search import keys
from boltmod.toml_table import Section, read_table, validated

_MOST = 2.0**63
_Bounded = Annotated[int | float, Field(ge=-_MOST, le=_MOST)]


class Range(Section):
    """Numbers between two bounds; whole numbers if both bounds are.

    Attributes:
        low: The smallest.
        high: The largest.
        step: Their spacing from `low` on; 1 between whole numbers, none between others if 0.
        log: Whether equal ratios are equally likely, not equal differences.
    """

    low: _Bounded
    high: _Bounded
    step: _Bounded = 0
    log: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether its numbers are whole."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.step))

    @model_validator(mode="after")
    def _makes_sense(self) -> Range:
        if self.high < self.low:
            raise ValueError(f"high must be at least low = {self.low:g}, not {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low must be above 0 with log = true, not {self.low:g}")
        if self.log and self.step:
            raise ValueError("either step or log must be given, not both")
        if self.step < 0:
            raise ValueError(f"step must be above 0, not {self.step:g}")
        if self.step and not (
            self._steps < _MOST and math.isclose(self._steps, round(self._steps), abs_tol=1e-9)
        ):
            raise ValueError(
                f"high must be low and a multiple of step, not {self.low:g} and {self._steps:g} "
                f"times {self.step:g}"
            )
        return self

    @property
    def _steps(self) -> float:
        return (self.high - self.low) / self.step


class Together(Section):
    """Keys that change together.

    Attributes:
        keys: The keys.
        choices: What may be tried: for each choice one value a key.
    """

    keys: tuple[str, ...] = Field(min_length=1)
    choices: tuple[tuple[Any, ...], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_value_a_key(self) -> Together:
        for choice in self.choices:
            if len(choice) != len(self.keys):
                raise ValueError(
                    f"every choice must have {len(self.keys)} values, one a key, not {len(choice)}"
                )
        return self


class Stopping(Section):
    """When a trial is given up: where it does worse than half of those that cost about the same.

    Attributes:
        enabled: Whether trials are given up at all.
        after_epochs: Epochs that every trial may train before it is judged.
        trials: Trials of similar cost needed for a judgement.
        similar_cost: Largest ratio of two untrained costs that are still similar.
        margin: Accuracy that a trial may lie below the median.
    """

    enabled: bool = True
    after_epochs: int = Field(1, ge=1)
    trials: int = Field(5, ge=1)
    similar_cost: float = Field(1.5, ge=1)
    margin: float = Field(0.01, ge=0, lt=1)


@dataclass(frozen=True)
class Dimension:
    """One thing that is tried.

    Args:
        keys: What it sets; more than one change together.
        choices: For each choice one value a key; empty for a range.
        range: Numbers to take from; None for choices.
    """

    keys: tuple[str, ...]
    choices: tuple[tuple[Any, ...], ...] = ()
    range: Range | None = None

    @property
    def name(self) -> str:
        """Its name in tables and in the storage."""
        return " + ".join(self.keys)


class Space(Section):
    """What is tried, and what for.

    Attributes:
        name: The search's name in its storage.
        base: The recipe that is changed: a file, seen from the space's, or the recipe itself.
        search: What may be tried for each key of the recipe: a list, or a range.
        together: Keys that change together.
        score: The cost searched for: the challenge's official score, or boltmod's strict one.
        maximum_score: Largest expected score worth training: the untrained network's with every
            weight, times `kept_weights`.
        kept_weights: Share of the weights that pruning is hoped to leave; worked out from the
            recipe's pruning by fractions if not given, and 1 where that cannot be known.
        sampler: Who proposes: `tpe` learns from all trials, `nsga2` breeds the best ones, `random`
            does neither.
        first_trials: Trials at random before the sampler learns.
        seed: Of the proposals; the recipe's seed is the recipe's.
        stopping: When a trial is given up.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")
    base: Path | dict[str, Any]
    search: dict[str, Any] = {}  # noqa: RUF012 (pydantic copies it)
    together: tuple[Together, ...] = ()
    score: Literal["official", "strict"] = "official"
    maximum_score: float | None = Field(None, gt=0)
    kept_weights: float | None = Field(None, gt=0, le=1)
    sampler: Literal["tpe", "nsga2", "random"] = "tpe"
    first_trials: int = Field(10, ge=1)
    seed: int = Field(2018, ge=0, lt=2**31)
    stopping: Stopping = Stopping()

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """What is tried, whole lists before their entries."""
        joint = [Dimension(each.keys, each.choices) for each in self.together]
        single = [_dimension(key, what) for key, what in _flat(self.search)]
        return (*joint, *sorted(single, key=lambda each: len(keys.parts(each.keys[0]))))

    @model_validator(mode="after")
    def _something_is_tried_once(self) -> Space:
        found = [key for dimension in self.dimensions for key in dimension.keys]
        if not found:
            raise ValueError("search must say what is tried, not nothing")
        twice = sorted({key for key in found if found.count(key) > 1})
        if twice:
            raise ValueError(f"{twice[0]} must be tried in one place, not in two")
        return self


@dataclass(frozen=True)
class RecipeSpace:
    """A space and the recipe it starts from.

    Args:
        space: The space.
        base: Every value of the recipe, those it leaves out too.
    """

    space: Space
    base: dict[str, Any]

    @property
    def signature(self) -> dict[str, Any]:
        """What may not change while a search goes on."""
        tried = self.space.model_dump(mode="json", include={"search", "together", "score"})
        return {"base": self.base, **tried}


def read_space(path: Path) -> RecipeSpace:
    """Read and validate a space and its recipe.

    Raises:
        ConfigError: A file is missing, is not TOML, or says something it cannot say; or the first
            choice and the lowest number of everything do not make a recipe.
    """
    document = read_table(path, "search space")
    try:
        space = validated(Space, document)
        opened = RecipeSpace(space, keys.copied(_base(space, path).document))
        _check_places(opened)
        changed(opened, _first)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return opened


def changed(opened: RecipeSpace, choose: Callable[[Dimension], tuple[Any, ...]]) -> Recipe:
    """Return the recipe that the base becomes.

    Args:
        opened: The space and its base.
        choose: Asked for one value a key of each dimension that has a place in the recipe as it
            is by then; the others (an entry of a list that is not so long) are left out.

    Raises:
        ConfigError: The recipe cannot be made.
    """
    document = keys.copied(opened.base)
    for dimension in opened.space.dimensions:
        if all(keys.has_place(document, key) for key in dimension.keys):
            for key, value in zip(dimension.keys, choose(dimension), strict=True):
                keys.put(document, key, keys.copied(value))
    return recipe_of(document)


def recipe_of(document: dict[str, Any]) -> Recipe:
    """Return the recipe that a document says, its network checked too.

    Raises:
        ConfigError: It cannot be made.
    """
    return validated(Recipe, document)


def kept_weights(space: Space, recipe: Recipe) -> float:
    """Return the share of the weights that is hoped to be left in the end."""
    if space.kept_weights is not None:
        return space.kept_weights
    kept = 1.0
    for phase in recipe.phases:
        if isinstance(phase, PrunePhase) and phase.share_left is not None:
            kept *= phase.share_left
    return kept


def _base(space: Space, path: Path) -> Recipe:
    if isinstance(space.base, Path):
        return read_recipe(path.parent / space.base)
    return recipe_of(space.base)


def _flat(table: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what each dotted key says; a table with bounds is a range, any other goes deeper."""
    for name, value in table.items():
        key = f"{before}.{name}" if before else name
        if isinstance(value, dict) and not {"low", "high"} & set(value):
            yield from _flat(value, key)
        else:
            yield key, value


def _dimension(key: str, what: Any) -> Dimension:
    if isinstance(what, dict):
        try:
            return Dimension((key,), range=validated(Range, what))
        except ConfigError as error:
            raise ValueError(f"search.{key}: {error}") from None
    if not isinstance(what, list) or not what:
        raise ValueError(
            f"search.{key} must be a list of choices or a range {{low = .., high = ..}}, "
            f"not {what!r}"
        )
    return Dimension((key,), tuple((choice,) for choice in what))


def _first(dimension: Dimension) -> tuple[Any, ...]:
    return dimension.choices[0] if dimension.range is None else (dimension.range.low,)


def _check_places(opened: RecipeSpace) -> None:
    """Refuse keys that no recipe of the space has a place for."""
    documents = [opened.base]
    for dimension in opened.space.dimensions:
        for choice in dimension.choices:
            document = keys.copied(opened.base)
            if all(keys.has_place(document, key) for key in dimension.keys):
                for key, value in zip(dimension.keys, choice, strict=True):
                    keys.put(document, key, value)
                documents.append(document)
    for dimension in opened.space.dimensions:
        for key in dimension.keys:
            if not any(keys.has_place(document, key) for document in documents):
                raise ConfigError(
                    f"search.{key} must be a key of the recipe, and has no place there"
                )
