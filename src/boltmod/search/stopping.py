"""When a trial is given up.

Optuna's own rules know one objective. Here a trial is compared with those that cost about the same:
after each epoch with the median of what they reached after the same epoch of the same phase.

Source: the median rule: D. Golovin et al., "Google Vizier", KDD 2017, section 3.2.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from boltmod.search.space import Stopping


@dataclass(frozen=True)
class Curve:
    """How a trial's training went.

    Args:
        cost: The score of its untrained network, every weight counted.
        accuracies: Accuracy on the validation frames, by epoch ("prune-1 2": the second epoch of
            the phase's stage prune-1), in order.
    """

    cost: float
    accuracies: Mapping[str, float]


def reason_to_stop(curve: Curve, others: Iterable[Curve], rule: Stopping) -> str | None:
    """Return why a trial is given up now; None if it goes on.

    Args:
        curve: The trial's, up to the epoch that has just ended.
        others: Those of the trials before it, finished or not.
        rule: What counts as similar and as bad.
    """
    if not rule.enabled or len(curve.accuracies) <= rule.after_epochs:
        return None
    epoch, reached = list(curve.accuracies.items())[-1]
    peers = [
        other.accuracies[epoch]
        for other in others
        if epoch in other.accuracies
        and max(other.cost, curve.cost) <= rule.similar_cost * min(other.cost, curve.cost)
    ]
    if len(peers) < rule.trials or reached >= median(peers) - rule.margin:
        return None
    return (
        f"{reached:.3f} after {epoch}, where half of {len(peers)} trials of similar cost "
        f"had reached {median(peers):.3f}"
    )
