"""One's own runs among the published results, and the picture of accuracy over score."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boltmod.cost.published import Result, pareto_front, ranked
from boltmod.cost.score import MINIMUM_ACCURACY, shortfall
from boltmod.errors import DataFormatError
from boltmod.evaluation.metrics import Evaluation
from boltmod.evaluation.plots import BLUE, INK, MUTED, ORANGE, blank, styled
from boltmod.run_folder import RunFolder
from boltmod.untrusted import MOST_TEXT_BYTES, read_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def own_result(folder: Path) -> Result:
    """Read a run folder's place in the table.

    Raises:
        DataFormatError: The folder holds no cost or no evaluation.
    """
    files = RunFolder(folder)
    cost = _document(files.cost, "boltmod cost --json")
    evaluation = Evaluation.from_dict(_document(files.evaluation, "boltmod evaluate --json"))
    try:
        figures = [float(cost["score"]), evaluation.accuracy]
        if cost["strict"] is not None:
            figures.append(float(cost["strict"]["score"]))
        if not all(0 <= figure < 1e12 for figure in figures):
            raise ValueError("figures that are numbers")
        return Result(
            name=folder.resolve().name,
            accuracy=evaluation.accuracy,
            score=float(cost["score"]),
            measured_on=evaluation.data,
            source=str(folder),
            bops=int(cost["bops"]),
            weight_bits=int(cost["weight_bits"]),
            strict_score=None if cost["strict"] is None else float(cost["strict"]["score"]),
            remarks=shortfall(evaluation.accuracy),
            is_own=True,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataFormatError(
            f"{files.cost} must be what `boltmod cost --json` prints, and lacks {error}: "
            "count it again with `boltmod cost`"
        ) from None


def _document(path: Path, command: str) -> dict[str, Any]:
    try:
        document = json.loads(read_bytes(path, MOST_TEXT_BYTES, "a text"))
    except (OSError, ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise DataFormatError(
            f"{path} must be what `{command}` prints, and is not there or damaged: "
            "let the run finish"
        )
    return document


@styled
def accuracy_over_score(
    results: tuple[Result, ...],
    *,
    others: tuple[Result, ...] = (),
    title: str = "Published: real test split. Dotted: the 56 % asked for.",
    ceiling: float | None = None,
) -> Figure:
    """Accuracy over score of all results, the front that no other beats as a line.

    One's own runs are orange and named with the data they were measured on; only published
    results, all measured on the real data, make up the front.

    Args:
        results: What is shown by name.
        others: More runs of one's own, faint and without names; with them, one's own results have
            a front of their own.
        title: What stands above.
        ceiling: The best accuracy that is possible on the twin, drawn as a line.
    """
    figure, axes = blank(8.2, 4.6)
    published = tuple(result for result in results if not result.is_own)
    front = pareto_front(published)
    axes.plot(
        [result.score for result in front], [100 * result.accuracy for result in front],
        color=BLUE, drawstyle="steps-post", linewidth=1.2, alpha=0.6, zorder=1,
    )  # fmt: skip
    if others:
        _draw_others(axes, others, tuple(result for result in results if result.is_own))
    for own, colour in ((False, BLUE), (True, ORANGE)):
        chosen = [result for result in results if result.is_own is own]
        axes.scatter(
            [result.score for result in chosen], [100 * result.accuracy for result in chosen],
            s=34, color=colour, zorder=2, marker="D" if own else "o",
        )  # fmt: skip
    axes.axhline(100 * MINIMUM_ACCURACY, color=MUTED, linestyle=":", linewidth=1.2, zorder=0)
    if ceiling is not None:
        axes.axhline(100 * ceiling, color=MUTED, linestyle="--", linewidth=1.2, zorder=0)
        axes.text(
            0.01, 100 * ceiling, f"ceiling of the twin: {ceiling:.1%}", fontsize=7.5, color=INK,
            transform=axes.get_yaxis_transform(), va="bottom",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda score, _: f"{score:g}")
    axes.set_xlabel("score (VGG10 baseline = 1), cheaper to the left")
    axes.set_ylabel("accuracy (%)")
    axes.set_title(title)
    axes.margins(x=0.14, y=0.14)
    lines = [front]
    if others:
        lines.append(ranked(tuple(result for result in results if result.is_own)))
    _name_points(axes, results, lines)
    return figure


def _draw_others(axes: Any, others: tuple[Result, ...], own: tuple[Result, ...]) -> None:
    axes.scatter(
        [other.score for other in others], [100 * other.accuracy for other in others],
        s=14, color=ORANGE, alpha=0.35, linewidths=0, zorder=1, marker="D",
    )  # fmt: skip
    axes.plot(
        [result.score for result in own], [100 * result.accuracy for result in own],
        color=ORANGE, drawstyle="steps-post", linewidth=1.2, alpha=0.6, zorder=1,
    )  # fmt: skip


_PLACES = (
    (-7, 4, "right", "bottom"), (-7, 0, "right", "center"), (7, 0, "left", "center"),
    (7, -4, "left", "top"), (7, 4, "left", "bottom"), (0, 8, "center", "bottom"),
    (0, -8, "center", "top"), (-7, -4, "right", "top"), (0, -18, "center", "top"),
)  # fmt: skip
"""Where a name may stand beside its point: offset in points, alignment; the first that is free."""


def _name_points(axes: Any, results: tuple[Result, ...], lines: list[list[Result]]) -> None:
    """Write each name where it covers no point, no other name and no line, as far as that goes."""
    axes.figure.draw_without_rendering()
    taken = [_box_around(axes, each.score, each.accuracy) for each in results]
    for line in lines:
        for cheaper, dearer in pairwise(line):
            taken += _step_boxes(axes, cheaper, dearer)
    for result in ranked(results):
        frames = result.measured_on.partition(",")[0] if result.is_own else ""
        where = f" ({frames})" if frames else ""
        label = f"{result.name}{where}"
        point = (result.score, 100 * result.accuracy)
        for dx, dy, horizontal, vertical in _PLACES:
            text = axes.annotate(
                label, point, (dx, dy), textcoords="offset points", fontsize=7.5, color=INK,
                ha=horizontal, va=vertical,
            )  # fmt: skip
            box = text.get_window_extent()
            inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 and box.y0 >= axes.bbox.y0
            if inside and not any(box.overlaps(other) for other in taken):
                break
            text.remove()
        else:
            text = axes.annotate(label, point, (7, 0), textcoords="offset points", fontsize=7.5)
        taken.append(text.get_window_extent())


def _box_around(axes: Any, score: float, accuracy: float) -> Any:
    from matplotlib.transforms import Bbox

    x, y = axes.transData.transform((score, 100 * accuracy))
    return Bbox.from_extents(x - 5, y - 5, x + 5, y + 5)


def _step_boxes(axes: Any, cheaper: Result, dearer: Result) -> list[Any]:
    from matplotlib.transforms import Bbox

    (x, y), (next_x, next_y) = axes.transData.transform(
        [(each.score, 100 * each.accuracy) for each in (cheaper, dearer)]
    )
    tread = Bbox.from_extents(x, y - 2, next_x, y + 2)
    return [tread, Bbox.from_extents(next_x - 2, y, next_x + 2, next_y)]
