"""Pictures of an evaluation and of a training, as matplotlib figures.

Colours are those of Okabe and Ito, which colour-blind readers tell apart; shares from 0 to 1 are
one colour's opacity, so that a picture reads on light and dark paper alike.
Source: M. Okabe, K. Ito, "Color Universal Design", 2008.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
import numpy.typing as npt

from boltmod.errors import ToolNotFoundError
from boltmod.evaluation.metrics import Calibration, Evaluation
from boltmod.evaluation.possible import ceiling_by_snr
from boltmod.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

INK, MUTED, GRID = "#1d2329", "#5c6670", "#d7dce1"
BLUE, ORANGE, PAPER = "#0072b2", "#d55e00", "#fbfbfa"

COLOUR_VARIABLES: Mapping[str, str] = {
    INK: "--ink", MUTED: "--muted", GRID: "--grid", BLUE: "--blue", ORANGE: "--orange",
    PAPER: "--paper",
}  # fmt: skip
"""CSS variable that takes a colour's place in an SVG, for pages with more than one scheme."""

PICTURED_SNRS = (-4, 4, 10, 30)
"""SNR labels in dB whose confusion is shown; the nearest ones a data set has."""

VALUES = "values"
"""The gid of what is told when pointed at (`to_svg`)."""

_LEAST_DRAWN = 0.004
_LEAST_WRITTEN = 0.1
"""Shares of a confusion that are written into their squares; smaller ones are only drawn."""

Shares = npt.NDArray[np.float64]

_STYLE: Mapping[str, Any] = {
    "font.size": 9,
    "font.family": "sans-serif",
    "text.color": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "svg.fonttype": "none",
    "svg.hashsalt": "boltmod",
}


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in boltmod's style, whatever matplotlib is set to."""

    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with _style():
            return draw(*args, **kwargs)

    return styled


@styled
def accuracy_over_snr(evaluation: Evaluation) -> Figure:
    """Accuracy at each SNR label, with chance and, where it is known, the ceiling as lines."""
    figure, axes = blank(4.8, 4.2)
    snrs, shares = zip(*evaluation.by_snr.items(), strict=True)
    ceiling = ceiling_by_snr(evaluation)
    if ceiling:
        axes.plot(*zip(*ceiling.items(), strict=True), color=MUTED, linestyle="--", linewidth=1.2)
        axes.annotate(
            "ceiling", (0, ceiling.get(0, 1.0)), (-6, 3), textcoords="offset points", ha="right",
            color=MUTED,
        )  # fmt: skip
    chance = 1 / len(evaluation.classes)
    axes.axhline(chance, color=MUTED, linestyle=":", linewidth=1.2)
    axes.annotate(
        "chance", (snrs[-1], chance), (0, 3), textcoords="offset points", ha="right", color=MUTED
    )
    axes.plot(snrs, shares, color=BLUE, marker="o", markersize=3.5, gid=VALUES)
    _share_axis(axes, "accuracy")
    axes.xaxis.set_major_formatter(lambda snr, _: signed(round(snr)))
    axes.set_xlabel("SNR label (dB)")
    return figure


@styled
def accuracy_by_class(evaluation: Evaluation) -> Figure:
    """Accuracy of every class at every SNR label, as a map."""
    figure, axes = blank(4.8, 4.2)
    _map(axes, class_shares(evaluation))
    _scale(figure, axes)
    n_snrs = len(evaluation.snr_labels)
    columns = [i for i, s in enumerate(evaluation.snr_labels) if s % 10 == 0 or n_snrs < 8]
    axes.set_xticks(columns, [signed(evaluation.snr_labels[i]) for i in columns])
    _class_ticks(axes.yaxis, evaluation.classes)
    axes.set_xlabel("SNR label (dB)")
    return figure


@styled
def confusion(evaluation: Evaluation, snr_label: int) -> Figure:
    """Which class was taken for which at one SNR label, as shares of the true class."""
    figure, axes = blank(4.6, 4.6)
    shares = confusion_shares(evaluation, snr_label)
    _map(axes, shares)
    _scale(figure, axes)
    size = min(9.0, 100 / len(shares))
    for y, x in zip(*np.nonzero(shares >= _LEAST_WRITTEN), strict=True):
        colour = PAPER if shares[y, x] > 0.5 else INK
        axes.text(
            x, y, f"{100 * shares[y, x]:.0f}",
            ha="center", va="center", fontsize=size, color=colour, in_layout=False,
        )  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis):
        _class_ticks(axis, evaluation.classes)
    axes.tick_params(axis="x", rotation=90)
    axes.set_xlabel("answered")
    axes.set_ylabel("true")
    axes.set_title(f"{signed(snr_label)} dB: {evaluation.by_snr[snr_label]:.1%} right")
    return figure


def pictured_snrs(evaluation: Evaluation) -> list[int]:
    """The SNR labels, up to four, whose confusion is worth a picture."""
    there = np.array(evaluation.snr_labels)
    nearest = {int(there[np.abs(there - snr).argmin()]) for snr in PICTURED_SNRS}
    return sorted(nearest)


def signed(snr_label: int) -> str:
    """An SNR label with its sign, as typeset: −20, 0, +10."""
    return f"{snr_label:+d}".replace("-", "−") if snr_label else "0"


@styled
def reliability(calibration: Calibration) -> Figure:
    """How many are right of those that are given some probability, beside what that promises."""
    figure, axes = blank(4.8, 4.2)
    axes.plot((0, 1), (0, 1), color=MUTED, linestyle=":", linewidth=1.2)
    axes.annotate("as promised", (0.5, 0.5), (8, -12), textcoords="offset points", ha="left",
                  color=MUTED)  # fmt: skip
    there = [i for i, n in enumerate(calibration.n_frames) if n]
    axes.plot(
        [calibration.confidence[i] for i in there], [calibration.accuracy[i] for i in there],
        color=BLUE, marker="o", markersize=3.5, gid=VALUES,
    )  # fmt: skip
    _share_axis(axes, "share that is right")
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.set_xlabel("probability of the answer")
    return figure


def class_shares(evaluation: Evaluation) -> Shares:
    """Accuracy of every class at every SNR label, (n_classes, n_snr), 0 where it has no frames."""
    right = evaluation.confusion.diagonal(axis1=1, axis2=2).T
    return np.asarray(right / np.maximum(evaluation.confusion.sum(axis=2).T, 1), np.float64)


def confusion_shares(evaluation: Evaluation, snr_label: int) -> Shares:
    """Share of each true class (row) that was answered so (column) at one SNR label."""
    counts = evaluation.confusion[evaluation.snr_labels.index(snr_label)]
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), np.float64)


def told(shares: Shares, rows: Sequence[str], columns: Sequence[str], between: str) -> list[str]:
    """What each square of a map says, in the order in which they are drawn."""
    return [
        f"{rows[y]} {between} {columns[x]}: {shares[y, x]:.1%}"
        for y, x in zip(*np.nonzero(shares > _LEAST_DRAWN), strict=True)
    ]


@styled
def training_curve(epochs: Sequence[Mapping[str, Any]]) -> Figure:
    """Accuracy and loss over the epochs of all phases, training against validation.

    Args:
        epochs: Records with `phase` and any of accuracy, validation_accuracy, loss and
            validation_loss; what a record lacks is left out of the picture.
    """
    figure, (top, bottom) = blank(6.4, 4.4, rows=2)
    for axes, quantity in ((top, "accuracy"), (bottom, "loss")):
        for key, label, colour, line in (
            (quantity, "training", ORANGE, "--"),
            (f"validation_{quantity}", "validation", BLUE, "-"),
        ):
            points = [(i + 1, e[key]) for i, e in enumerate(epochs) if e.get(key) is not None]
            if points:
                x, y = zip(*points, strict=True)
                mark = "o" if len(points) < 30 else None
                axes.plot(x, y, color=colour, linestyle=line, marker=mark, ms=3, label=label)
        _mark_phases(axes, epochs, named=axes is top)
        axes.set_ylabel(quantity)
        if axes.get_legend_handles_labels()[0] and (axes is top or not top.get_legend()):
            axes.legend()
    _whole_numbers(bottom)
    bottom.set_xlabel("epoch, all phases")
    return figure


def to_svg(figure: Figure, name: str, title: str, values: Sequence[str] = ()) -> str:
    """A figure as an `<svg>` element whose colours a page's style sheet may change.

    Args:
        figure: The figure.
        name: A prefix for the ids inside, which must be unique in the page.
        title: What it shows, for readers who do not see it.
        values: What each mark of the line or map with the gid `VALUES` says when pointed at.
    """
    text = io.StringIO()
    with _style():
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'((?:xlink:)?href="#|url\(#)', rf"\g<1>{name}-", svg)
    for colour, variable in COLOUR_VARIABLES.items():
        svg = svg.replace(colour, f"var({variable}, {colour})")
    svg = _pointed_at(svg, f'id="{name}-{VALUES}"', values)
    named = f'role="img" aria-labelledby="{name}-title"'
    svg = svg.replace("<svg ", f"<svg {named} ", 1)
    return svg.replace(">", f'>\n<title id="{name}-title">{escape(title)}</title>', 1)


def _pointed_at(svg: str, place: str, values: Sequence[str]) -> str:
    """Give the marks behind a place in a picture the texts that stand there when pointed at."""
    before, found, after = svg.partition(place)
    if not values or not found:
        return svg
    left = iter(values)

    def with_title(mark: re.Match[str]) -> str:
        value = next(left, None)
        if value is None:
            return mark[0]
        return f"<{mark[1]}{mark[2]}><title>{escape(value)}</title></{mark[1]}>"

    kind = "use" if "<use" in after[: after.find("</g>")] else "path"
    marks = re.compile(rf"<({kind})\b([^>]*?)/>")
    return before + found + marks.sub(with_title, after, count=len(values))


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, on white, beside its place and then there."""
    with replacing(path) as temporary, _style():
        figure.savefig(temporary, format="png", dpi=160, facecolor="white")


def save_all(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write every picture of an evaluation into a folder, made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "accuracy-over-snr": accuracy_over_snr(evaluation),
        "accuracy-by-class": accuracy_by_class(evaluation),
    }
    if evaluation.calibration is not None:
        pictures["reliability"] = reliability(evaluation.calibration)
    for snr in pictured_snrs(evaluation):
        pictures[f"confusion-{snr}db"] = confusion(evaluation, snr)
    paths = [folder / f"{name}.png" for name in pictures]
    for path, figure in zip(paths, pictures.values(), strict=True):
        save(figure, path)
    return paths


def require_matplotlib() -> Any:
    """The matplotlib module.

    Raises:
        ToolNotFoundError: It is not installed.
    """
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise ToolNotFoundError(
            "pictures must have matplotlib, which is not installed; "
            "get it with `pip install boltmod[plot]`"
        ) from error
    return matplotlib


def _style() -> Any:
    return require_matplotlib().rc_context(_STYLE)


def blank(width_in: float, height_in: float, rows: int = 1) -> tuple[Figure, Any]:
    """An empty figure of a size in inches, and its axes, one below the other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    return figure, figure.subplots(rows, 1, sharex=True)


def _map(axes: Axes, shares: Shares) -> None:
    """Squares as opaque as their share, first row on top."""
    from matplotlib.collections import PatchCollection
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    rows, columns = np.nonzero(shares > _LEAST_DRAWN)
    squares = [Rectangle((x - 0.5, y - 0.5), 1, 1) for y, x in zip(rows, columns, strict=True)]
    colours = [to_rgba(BLUE, shares[y, x]) for y, x in zip(rows, columns, strict=True)]
    axes.add_collection(PatchCollection(squares, facecolors=colours, linewidths=0, gid=VALUES))
    axes.set_xlim(-0.5, shares.shape[1] - 0.5)
    axes.set_ylim(shares.shape[0] - 0.5, -0.5)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(True)


def _scale(figure: Figure, axes: Axes) -> None:
    """What the fullness of a map's colour stands for."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap, to_rgba

    steps = np.linspace(0, 1, 11)
    colours = ListedColormap([to_rgba(BLUE, share) for share in (steps[1:] + steps[:-1]) / 2])
    scale = figure.colorbar(
        ScalarMappable(BoundaryNorm(steps, 10), colours), ax=axes, shrink=0.5, aspect=16, pad=0.02,
        ticks=[0, 0.5, 1],
    )  # fmt: skip
    scale.ax.set_yticklabels(["0", "50 %", "100 %"], fontsize=6.5)
    scale.ax.grid(False)


def _class_ticks(axis: Any, classes: Sequence[str]) -> None:
    axis.set_ticks(range(len(classes)), classes, fontsize=6.5)


def _share_axis(axes: Axes, label: str) -> None:
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.set_ylabel(label)


def _mark_phases(axes: Axes, epochs: Sequence[Mapping[str, Any]], *, named: bool) -> None:
    """A line where each phase but the first begins, its name beside it."""
    phases = [str(e.get("phase", "")) for e in epochs]
    starts = [i for i, phase in enumerate(phases) if i == 0 or phase != phases[i - 1]]
    for order, i in enumerate(starts):
        if i:
            axes.axvline(i + 0.5, color=MUTED, linewidth=0.8)
        if named and len(starts) > 1:
            axes.annotate(
                phases[i],
                (i + 0.5, 1),
                (3, 2 + 9 * (order % 2)),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                color=MUTED,
                fontsize=7,
            )


def _whole_numbers(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
