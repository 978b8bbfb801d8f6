"""What a search leaves: a picture, a page, and the recipes of its best trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import tomli_w

from boltmod.cost.published import PUBLISHED, Result
from boltmod.evaluation import page, plots
from boltmod.evaluation.page import Bar
from boltmod.evaluation.pareto import accuracy_over_score
from boltmod.files import write_text
from boltmod.search.draw import recipe_from
from boltmod.search.folder import SearchFolder
from boltmod.search.space import RecipeSpace
from boltmod.search.trials import Standing, TrialRecord, cost_of, shown

_ENDS: dict[Standing, str] = {
    "trained": "to the end",
    "stopped": "given up while training",
    "too dear": "above the largest score, not trained",
    "repeated": "proposed again, not trained",
    "impossible": "no network, not trained",
    "failed": "failed",
    "running": "running or interrupted",
    "waiting": "interrupted",
}

_TITLE = "Search: orange, validation frames. Published: blue, real test split. Dotted: 56 %."


def write_results(
    opened: RecipeSpace,
    folder: SearchFolder,
    trials: tuple[TrialRecord, ...],
    best: tuple[TrialRecord, ...],
) -> tuple[Any, ...]:
    """Write picture, page and recipes, again if there are any.

    Args:
        opened: The space.
        folder: Where they go.
        trials: All trials.
        best: Those that no other beats.

    Returns:
        The paths of the best ones' recipes.
    """
    strict = opened.space.score == "strict"
    pictured = _figure(trials, best, strict=strict)
    plots.save(pictured, folder.picture)
    svg = plots.to_svg(
        _figure(trials, best, strict=strict), "search", "Accuracy over score of the trials"
    )
    write_text(folder.page, _html(opened, trials, best, svg))
    unfinished = folder.recipes.glob(".trial-*.part")  # of one that was killed as it wrote
    for path in (*folder.recipes.glob("trial-*.toml"), *unfinished):
        path.unlink()
    paths = []
    for trial in best:
        recipe = recipe_from(opened, dict(trial.values), trial.number)
        path = folder.recipe(trial.number)
        write_text(path, f"{_remark(trial)}{tomli_w.dumps(recipe.document)}")
        paths.append(path)
    return tuple(paths)


def _remark(trial: TrialRecord) -> str:
    return (
        f"# Trial {trial.number}: {trial.accuracy or 0:.2%} on its validation frames, "
        f"score {trial.score or 0:.6f}.\n"
    )


def _figure(trials: tuple[TrialRecord, ...], best: tuple[TrialRecord, ...], *, strict: bool) -> Any:
    own = tuple(_result(trial, strict=strict) for trial in best)
    others = tuple(
        _result(trial, strict=strict)
        for trial in trials
        if trial not in best and cost_of(trial, strict=strict) is not None
    )
    published = tuple(PUBLISHED)
    if strict:
        published = tuple(p for p in PUBLISHED if p.strict_score is not None)
    return accuracy_over_score((*published, *own), others=others, title=_TITLE)


def _result(trial: TrialRecord, *, strict: bool) -> Result:
    score = cost_of(trial, strict=strict) or 0.0
    return Result(
        f"{trial.number}", trial.accuracy or 0.0, score, measured_on="", source="", is_own=True
    )


def _html(
    opened: RecipeSpace, trials: tuple[TrialRecord, ...], best: tuple[TrialRecord, ...], svg: str
) -> str:
    space = opened.space
    ends = Counter(trial.standing for trial in trials)
    cards = [(name, str(ends[name]), what) for name, what in _ENDS.items() if ends[name]]
    caption = (
        "Every trained trial; those that no other beats are numbered. Accuracy of trials is on the "
        "validation frames that their weights were chosen by, a little too good; "
        "boltmod run measures a recipe on test frames."
    )
    return page.page(
        f"boltmod search: {space.name}",
        [
            page.header(space.name, "boltmod search", page.cards(cards)),
            page.section(
                f"Accuracy over the {space.score} score", page.figures([(svg, caption)], "wide")
            ),
            page.section(
                "The best", page.table(_without_end(_HEAD), map(_best_row, best)), *_how(best)
            ),
            page.section(
                "All trials",
                page.folded(f"{len(trials)} trials", page.table(_HEAD, map(_row, trials))),
            ),
        ],
    )


_HEAD = (
    "trial", "accuracy", "score", "strict score", "bit operations", "weight bits",
    "score untrained", "time", "how it ended", "what was tried",
)  # fmt: skip


def _row(trial: TrialRecord) -> tuple[str | Bar, ...]:
    end = _ENDS[trial.standing]
    return (
        str(trial.number),
        "–" if trial.accuracy is None else Bar(f"{trial.accuracy:.2%}", trial.accuracy),
        *(_or_dash(value, ".6f") for value in (trial.score, trial.strict_score)),
        *(_or_dash(value, ",") for value in (trial.bops, trial.weight_bits)),
        _or_dash(trial.untrained_score, ".6f"),
        "–" if trial.seconds is None else f"{trial.seconds / 60:.1f} min",
        f"{end}: {trial.remark}" if trial.remark else end,
        shown(trial.values),
    )


def _best_row(trial: TrialRecord) -> tuple[str | Bar, ...]:
    return _without_end(_row(trial))


def _without_end(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Leave out how a trial ended, the last column but one."""
    return (*row[:-2], row[-1])


def _how(best: tuple[TrialRecord, ...]) -> Iterator[str]:
    if best:
        number = best[-1].number
        yield page.paragraph("Each one's recipe lies in recipes/. To test one, beside its trial:")
        yield page.listing(f"boltmod run recipes/trial-{number:04d}.toml --out trials/{number:04d}")


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
