"""What a search space says, when a trial is given up, which trials are best."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from rich.console import Console

from boltmod.cli.search import _live_table
from boltmod.errors import ConfigError
from boltmod.pipeline.phase.train import TrainPhase
from boltmod.pipeline.recipe import Recipe
from boltmod.search import keys
from boltmod.search.draw import drawn, recipe_from
from boltmod.search.run import View
from boltmod.search.space import RecipeSpace, Stopping, changed, kept_weights, read_space
from boltmod.search.stopping import Curve, reason_to_stop
from boltmod.search.trials import TrialRecord, front, shown
from small_space import SPACE

EXAMPLE = Path(__file__).parents[2] / "recipes" / "spaces" / "boltnet.toml"

TRIED = """
[search]
network.stem_channels = { low = 4, high = 8, step = 2 }
network.channels.2 = [6, 10]
network.features = ["max", "mean"]
network.bit_widths.stem.0.conv = [3, 4]
phases.prune.fraction = { low = 0.2, high = 0.6 }
phases.0.learning_rate = { low = 0.001, high = 0.1, log = true }
[[together]]
keys = ["network.channels", "network.kernel_sizes", "network.strides", "network.max_pools"]
choices = [
  [[4, 8], [3, 3], [1, 1], ["before", "before"]],
  [[4, 8, 8], [3, 3, 3], [1, 1, 1], ["before", "before", "none"]],
]
"""


def opened(tmp_path: Path, tried: str = TRIED, head: str = "") -> RecipeSpace:
    path = tmp_path / "space.toml"
    path.write_text(head + SPACE + tried)
    return read_space(path)


def test_dimensions_come_whole_lists_first(tmp_path: Path) -> None:
    space = opened(tmp_path).space
    names = [dimension.name for dimension in space.dimensions]
    assert names[0] == (
        "network.channels + network.kernel_sizes + network.strides + network.max_pools"
    )
    assert names.index("network.features") < names.index("network.channels.2")
    assert names.index("network.bit_widths.stem.0.conv") > 0


def test_the_base_is_written_out_with_its_defaults(tmp_path: Path) -> None:
    base = opened(tmp_path).base
    assert base["network"]["dense_act_bit_width"] == 6
    assert base["phases"][0]["schedule"] == "one_cycle"


def deep(deepest: bool) -> dict[str, Any]:
    n = 2 if not deepest else 3
    together = "network.channels + network.kernel_sizes + network.strides + network.max_pools"
    lists = [[4, 8, 8], [3, 3, 3], [1, 1, 1], ["before", "before", "none"]]
    chosen = "[" + ", ".join(_json(each[:n]) for each in lists) + "]"
    return {
        together: chosen, "network.stem_channels": 6, "network.features": "mean",
        "network.channels.2": 10, "network.bit_widths.stem.0.conv": 3,
        "phases.prune.fraction": 0.25, "phases.0.learning_rate": 0.01,
    }  # fmt: skip


def _json(value: list[Any]) -> str:
    return str(value).replace("'", '"')


def test_a_trial_changes_the_recipe_where_it_says(tmp_path: Path) -> None:
    space = opened(tmp_path)
    trial = optuna.trial.FixedTrial(deep(True))
    recipe = drawn(space, trial, 7)  # type: ignore[arg-type]
    assert recipe.name == "small-7"
    assert recipe.network.parameters["channels"] == [4, 8, 10]
    assert recipe.network.parameters["stem_channels"] == 6
    assert recipe.network.parameters["bit_widths"] == {"stem.0.conv": 3}
    assert [p.learning_rate for p in recipe.phases] == [0.01, 0.01]
    assert isinstance(recipe.phases[0], TrainPhase)
    assert recipe.phases[1].model_dump()["fraction"] == 0.25
    assert recipe_from(space, trial.params, 7) == recipe


def test_entries_that_a_short_list_lacks_are_not_asked_for(tmp_path: Path) -> None:
    trial = optuna.trial.FixedTrial(deep(False))
    recipe = drawn(opened(tmp_path), trial, 0)  # type: ignore[arg-type]
    assert recipe.network.parameters["channels"] == [4, 8]
    assert "network.channels.2" not in trial.params


def test_the_example_makes_recipes() -> None:
    space = read_space(EXAMPLE)
    assert len(space.space.dimensions) == 21
    last = changed(space, lambda d: d.choices[-1] if d.range is None else (d.range.high,))
    assert len(last.network.parameters["channels"]) == 5
    assert kept_weights(space.space, last) == 0.4


def test_a_base_may_be_a_file_beside_the_space(tmp_path: Path) -> None:
    base = SPACE[SPACE.index("[base]") :].replace("[base]", "").replace("base.", "")
    (tmp_path / "base.toml").write_text(base)
    path = tmp_path / "space.toml"
    path.write_text('name = "small"\nbase = "base.toml"\n[search]\nnetwork.pool = [4, 8]\n')
    assert read_space(path).base == opened(tmp_path).base


def test_kept_weights_follow_from_the_pruning(tmp_path: Path) -> None:
    space = opened(tmp_path)
    recipe = Recipe.model_validate(space.base)
    assert kept_weights(space.space, recipe) == 0.25
    stated = opened(tmp_path, head="kept_weights = 0.1\n")
    assert kept_weights(stated.space, recipe) == 0.1


def test_phases_are_found_by_name_and_number() -> None:
    document = {"phases": [{"name": "a"}, {"name": "b"}], "network": {}}
    keys.put(document, "phases.b.epochs", 3)
    keys.put(document, "phases.0.epochs", 2)
    keys.put(document, "network.bit_widths.blocks.0.pw.conv", 4)
    assert document == {
        "phases": [{"name": "a", "epochs": 2}, {"name": "b", "epochs": 3}],
        "network": {"bit_widths": {"blocks.0.pw.conv": 4}},
    }
    assert not keys.has_place(document, "phases.c.epochs")
    assert not keys.has_place(document, "phases.2.epochs")


@pytest.mark.parametrize(
    ("head", "tried", "message"),
    [
        ("", "", "space: search must say what is tried, not nothing"),
        (
            "maximum_scor = 1\n", "[search]\nnetwork.pool = [1]\n",
            "maximum_scor is not a known key; did you mean maximum_score?",
        ),
        (
            "", "[search]\nnetwork.pool = 4\n",
            "space: search.network.pool must be a list of choices or a range "
            "{low = .., high = ..}, not 4",
        ),
        (
            "", "[search]\nnetwork.pool = { low = 8, high = 4 }\n",
            "space: search.network.pool: range: high must be at least low = 8, not 4",
        ),
        (
            "", "[search]\nnetwork.pool = { low = 1, high = 4, step = 2 }\n",
            "space: search.network.pool: range: high must be low and a multiple of step, "
            "not 1 and 1.5 times 2",
        ),
        (
            "", "[search]\nnetwork.channels.5 = [4, 8]\n",
            "search.network.channels.5 must be a key of the recipe, and has no place there",
        ),
        (
            "", "[search]\nphases.quantise.epochs = [1]\n",
            "search.phases.quantise.epochs must be a key of the recipe, and has no place there",
        ),
        (
            "", "[search]\nnetwork.chanels = [[4]]\n",
            "network (boltnet): chanels is not a known key",
        ),
        (
            "", '[[together]]\nkeys = ["network.pool", "seed"]\nchoices = [[4]]\n',
            "together.0: every choice must have 2 values, one a key, not 1",
        ),
        (
            "", '[search]\nseed = [1]\n[[together]]\nkeys = ["seed"]\nchoices = [[4]]\n',
            "space: seed must be tried in one place, not in two",
        ),
    ],
)  # fmt: skip
def test_a_wrong_space_is_refused_in_one_line(
    head: str, tried: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        opened(tmp_path, tried, head)
    found = str(caught.value).removeprefix(f"{tmp_path}/space.toml: ")
    assert found.split("; did you mean channels")[0] == message


RULE = Stopping(after_epochs=1, trials=3, similar_cost=1.5, margin=0.01)


def curves(reached: list[float], cost: float = 0.01) -> list[Curve]:
    return [Curve(cost, {"float 1": 0.1, "float 2": value}) for value in reached]


def test_a_trial_below_the_median_of_its_like_is_given_up() -> None:
    others = curves([0.2, 0.3, 0.4])
    assert reason_to_stop(Curve(0.011, {"float 1": 0.1, "float 2": 0.28}), others, RULE) == (
        "0.280 after float 2, where half of 3 trials of similar cost had reached 0.300"
    )
    for curve in (
        Curve(0.011, {"float 1": 0.1, "float 2": 0.295}),  # within the margin
        Curve(0.011, {"float 1": 0.0}),  # too early
        Curve(0.016, {"float 1": 0.1, "float 2": 0.28}),  # dearer than all
        Curve(0.006, {"float 1": 0.1, "float 2": 0.28}),  # cheaper than all
        Curve(0.011, {"float 1": 0.1, "float 3": 0.28}),  # further than all
    ):
        assert reason_to_stop(curve, others, RULE) is None
    bad = Curve(0.011, {"float 1": 0.1, "float 2": 0.1})
    assert reason_to_stop(bad, others[:2], RULE) is None
    assert reason_to_stop(bad, others, Stopping(enabled=False)) is None


def trained(number: int, accuracy: float, score: float, strict: float) -> TrialRecord:
    return TrialRecord(number, "trained", {}, accuracy=accuracy, score=score, strict_score=strict)


def test_the_front_is_what_no_other_beats() -> None:
    trials = [
        trained(0, 0.5, 0.01, 0.05), trained(1, 0.6, 0.02, 0.02), trained(2, 0.5, 0.02, 0.02),
        trained(3, 0.4, 0.005, 0.005), trained(4, 0.5, 0.01, 0.04),
        TrialRecord(5, "stopped", {}, accuracies={"float 1": 0.9}), TrialRecord(6, "running", {}),
    ]  # fmt: skip
    assert [t.number for t in front(trials, strict=False)] == [3, 0, 1]
    assert [t.number for t in front(trials, strict=True)] == [3, 1]


def test_the_live_table_ranks_by_the_score_that_is_searched_for() -> None:
    trials = (trained(0, 0.5, 0.01, 0.05), trained(1, 0.6, 0.02, 0.02))
    assert [t.number for t in View(trials, strict=False).front] == [0, 1]
    assert [t.number for t in View(trials, strict=True).front] == [1]
    shown_rows = []
    for strict in (False, True):
        console = Console(width=100)
        with console.capture() as capture:
            console.print(_live_table(View(trials, strict), 60.0))
        shown_rows.append(["50.00%" in capture.get(), "60.00%" in capture.get()])
    assert shown_rows == [[True, True], [False, True]]


def test_what_was_tried_is_shown_short() -> None:
    values = {"network.pool": 4, "phases.0.learning_rate": 0.0123456, "network.channels": "[1, 2]"}
    assert shown(values) == "pool 4  phases.0.learning_rate 0.0123  channels [1,2]"
