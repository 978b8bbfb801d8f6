"""What a search has tried, as plain values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from boltmod.search.stopping import Curve
from boltmod.search.storage import MOST_DEATHS, REMARK, is_deadly, latest_attempts

End = Literal["trained", "stopped", "too dear", "repeated", "impossible", "failed"]
"""How trials end. Only the first two were trained; `failed` is a defect, or a deadly trial."""

Standing = Literal["waiting", "running"] | End

TRAINED: tuple[Standing, ...] = ("trained", "stopped")
"""Ends that took training."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Args:
        number: Its number.
        standing: Where it stands, or how it ended.
        values: What was tried, by dimension; JSON where it is no plain value.
        remark: Why it ended so, if there is more to say.
        untrained_score: Score with every weight; None if not counted yet.
        accuracies: Accuracy on the validation frames, by epoch.
        accuracy: That of the finished network; None before.
        score: Official score of the finished network.
        strict_score: Strict score of the finished network.
        bops: Bit operations of the finished network.
        weight_bits: Weight bits of the finished network.
        seconds: Time it has been trained.
    """

    number: int
    standing: Standing
    values: Mapping[str, Any]
    remark: str = ""
    untrained_score: float | None = None
    accuracies: Mapping[str, float] | None = None
    accuracy: float | None = None
    score: float | None = None
    strict_score: float | None = None
    bops: int | None = None
    weight_bits: int | None = None
    seconds: float | None = None

    @property
    def was_trained(self) -> bool:
        """Whether it is over and took training."""
        return self.standing in TRAINED

    @property
    def curve(self) -> Curve | None:
        """How its training went, as far as it went."""
        if self.untrained_score is None or not self.accuracies:
            return None
        return Curve(self.untrained_score, self.accuracies)

    def as_dict(self) -> dict[str, Any]:
        """The trial in JSON's types."""
        return asdict(self)


RESULTS = ("untrained_score", "accuracies", "accuracy", "score", "strict_score", "bops",
           "weight_bits", "seconds", REMARK)  # fmt: skip
"""The fields that a trial writes down itself, under these names."""

END = "end"
"""The name under which it writes down how it ended."""


def trials_of(study: Study) -> tuple[TrialRecord, ...]:
    """Return every trial of a search, in order."""
    return tuple(_read(number, each) for number, each in sorted(latest_attempts(study).items()))


def front(trials: Iterable[TrialRecord], *, strict: bool) -> tuple[TrialRecord, ...]:
    """Return the trained networks that no other beats in accuracy and score, cheapest first."""
    found = [(cost_of(trial, strict=strict), trial) for trial in trials]
    ranked = sorted(
        ((cost, trial) for cost, trial in found if cost is not None),
        key=lambda pair: (pair[0], -(pair[1].accuracy or 0), pair[1].number),
    )
    best: list[TrialRecord] = []
    for _, trial in ranked:
        if not best or (trial.accuracy or 0) > (best[-1].accuracy or 0):
            best.append(trial)
    return tuple(best)


def cost_of(trial: TrialRecord, *, strict: bool) -> float | None:
    """Return the score that is searched for; None before a network is finished."""
    if trial.standing != "trained":
        return None
    return trial.strict_score if strict else trial.score


def shown(values: Mapping[str, Any]) -> str:
    """Return what was tried in one line, without what all keys of a network share."""
    return "  ".join(f"{_own_part(name)} {_short(value)}" for name, value in values.items())


def _own_part(name: str) -> str:
    return " + ".join(key.removeprefix("network.") for key in name.split(" + "))


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, str) and value[:1] in "[{":
        return json.dumps(json.loads(value), separators=(",", ":"))
    return str(value)


def _read(number: int, trial: FrozenTrial) -> TrialRecord:
    own = {name: trial.user_attrs[name] for name in RESULTS if name in trial.user_attrs}
    if trial.state is TrialState.FAIL and is_deadly(trial):
        own.setdefault(REMARK, f"its worker died {MOST_DEATHS + 1} times")
    return TrialRecord(number, _standing(trial), dict(trial.params), **own)


def _standing(trial: FrozenTrial) -> Standing:
    if trial.state is TrialState.WAITING:
        return "waiting"
    if trial.state is TrialState.RUNNING:
        return "running"
    if trial.state is TrialState.COMPLETE:
        return "trained"
    if trial.state is TrialState.FAIL:
        return "failed"
    end: End = trial.user_attrs[END]
    return end
