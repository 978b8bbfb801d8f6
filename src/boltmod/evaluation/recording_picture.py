"""A recording in one picture: its waterfall with the signals found, and what each looks like."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from boltmod.evaluation.plots import BLUE, INK, MUTED, ORANGE, require_matplotlib, styled
from boltmod.files import check_target
from boltmod.recording.analytic import Samples
from boltmod.recording.raw import SampleFormat
from boltmod.runtime.cut.channel.spectrogram import Spectrogram
from boltmod.runtime.symbols import symbols
from boltmod.runtime.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_SIGNALS = 12
"""Signals whose symbols are drawn; of further ones only the boxes are."""
_MOST_BOXES = 400
_LEAST_COLUMNS, _COLUMNS = 4, 6
_RANGE_DB = 50.0
_NOTHING = 1e-6
"""Bins that never have more of the strongest one's power are beyond the receiver's filters."""
_WIDTH_IN = 9.6
_WHY_LETTERS = 44
"""Letters of a line of reasons under a signal's symbols."""
_MULTIPLES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


class Pictured(Protocol):
    """What a picture tells of where its signals come from."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def rate_hz(self) -> float | None:
        """Samples a second."""

    @property
    def centre_hz(self) -> float | None:
        """Radio frequency of the middle of the band."""

    @property
    def sample_format(self) -> SampleFormat:
        """How its samples are stored."""


def check_path(path: Path) -> None:
    """Refuse what no picture can be written to, before anything is worked out.

    Raises:
        ConfigError: The ending is not .png, or the folder does not exist.
        ToolNotFoundError: matplotlib is not installed.
    """
    check_target(path, (".png",), "picture")
    require_matplotlib()


@styled
def draw(
    source: Pictured,
    seen: Spectrogram,
    verdicts: Sequence[Verdict],
    windows: Mapping[int, Samples],
) -> Figure:
    """The power over time and frequency, a box for each signal, and each signal's symbols.

    Args:
        source: Where the signals come from.
        seen: Its power.
        verdicts: The signals and what they are.
        windows: Some windows (n, 1024) of each signal, by its number.
    """
    from matplotlib.figure import Figure

    shown = [v for v in verdicts if v.signal.number in windows][:MOST_SIGNALS]
    columns = min(max(len(shown), _LEAST_COLUMNS), _COLUMNS)
    n_rows = math.ceil(len(shown) / columns)
    side = (_WIDTH_IN - 0.3) / columns
    height = 4.6 + n_rows * (side + 0.42)
    figure = Figure(figsize=(_WIDTH_IN, height))
    waterfall = figure.add_axes((0.75 / _WIDTH_IN, 1 - 4.05 / height,
                                 1 - 0.95 / _WIDTH_IN, 3.6 / height))  # fmt: skip
    _draw_waterfall(waterfall, source, seen)
    _crop(waterfall, source, seen, verdicts)
    _draw_boxes(waterfall, source, seen, verdicts)
    for place, verdict in enumerate(shown):
        left = 0.15 + place % columns * side
        bottom = height - 4.52 - (place // columns + 1) * (side + 0.42) + 0.1
        size = (side - 0.15) / _WIDTH_IN, (side - 0.15) / height
        axes = figure.add_axes((left / _WIDTH_IN, bottom / height, *size))
        _draw_symbols(axes, verdict, windows[verdict.signal.number])
    return figure


def _draw_waterfall(axes: Axes, source: Pictured, seen: Spectrogram) -> None:
    rate_hz = source.rate_hz or 1.0
    power = seen.power if len(seen.power) else np.zeros((1, 2))
    first = power.shape[1] // 2 if source.sample_format.is_real else 0
    level = 10 * np.log10(np.maximum(power[:, first:], 1e-30))
    heard = level[level > level.max() - 100]
    low = float(np.quantile(heard, 0.05)) if len(heard) else 0.0
    high = max(float(level.max()), low + 10)
    unit_hz, prefix = _unit(rate_hz / 2)
    edge = rate_hz / 2 / unit_hz
    axes.imshow(
        level.T,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="magma",
        vmin=max(low - 3, high - _RANGE_DB),
        vmax=high,
        extent=(0, max(seen.n_samples, 1) / rate_hz, 0 if first else -edge, edge),
    )
    axes.grid(False)
    axes.set_xlabel("time (s)")
    about = "frequency" if source.sample_format.is_real else "offset from the middle of the band"
    if source.centre_hz is not None:
        about = f"offset from {source.centre_hz / 1e6:.6g} MHz"
    axes.set_ylabel(f"{about} ({prefix}Hz)")
    axes.set_title(Path(source.name).name, color=INK)


def _crop(axes: Axes, source: Pictured, seen: Spectrogram, verdicts: Sequence[Verdict]) -> None:
    """Leave out what a receiver's filters have left nothing of."""
    if not len(seen.power):
        return
    rate_hz = source.rate_hz or 1.0
    unit_hz, _ = _unit(rate_hz / 2)
    mean = np.median(seen.power, axis=0)
    heard = seen.frequencies[mean > mean.max() * _NOTHING] * rate_hz
    edges = [float(heard.min()), float(heard.max())] if len(heard) else []
    for each in verdicts:
        half = each.signal.bandwidth_hz / 2
        edges += [each.signal.offset_hz - half, each.signal.offset_hz + half]
    spare = 0.05 * rate_hz / 2
    bottom, top = axes.get_ylim()
    if edges:
        axes.set_ylim(max(bottom, (min(edges) - spare) / unit_hz),
                      min(top, (max(edges) + spare) / unit_hz))  # fmt: skip


def _draw_boxes(
    axes: Axes, source: Pictured, seen: Spectrogram, verdicts: Sequence[Verdict]
) -> None:
    from matplotlib.patches import Rectangle

    rate_hz = source.rate_hz or 1.0
    unit_hz, _ = _unit(rate_hz / 2)
    length_s = max(seen.n_samples, 1) / rate_hz
    left = _MOST_BOXES
    for verdict in verdicts:
        signal = verdict.signal
        low = (signal.offset_hz - signal.bandwidth_hz / 2) / unit_hz
        high = (signal.offset_hz + signal.bandwidth_hz / 2) / unit_hz
        for start, end in signal.spans[:left]:
            box = (start / rate_hz, low), (end - start) / rate_hz, high - low
            axes.add_patch(Rectangle(*box, fill=False, edgecolor="white", linewidth=1.6))
            axes.add_patch(Rectangle(*box, fill=False, edgecolor=BLUE, linewidth=0.9))
        left = max(0, left - len(signal.spans))
        if not signal.spans:
            continue
        begin = signal.spans[0][0] / rate_hz
        on_right = begin > 0.8 * length_s
        above = high < axes.get_ylim()[0] + 0.92 * (axes.get_ylim()[1] - axes.get_ylim()[0])
        axes.annotate(
            _name(verdict),
            (signal.spans[0][1] / rate_hz if on_right else begin, high if above else low),
            (0, 2 if above else -2),
            textcoords="offset points",
            ha="right" if on_right else "left",
            va="bottom" if above else "top",
            color="white",
            fontsize=8,
            fontweight="bold",
        )


def _name(verdict: Verdict) -> str:
    if verdict.class_name is None or verdict.probability is None:
        return f"{verdict.signal.number}"
    return f"{verdict.signal.number}  {verdict.class_name}  {verdict.probability:.0%}"


def _draw_symbols(axes: Axes, verdict: Verdict, windows: Samples) -> None:
    signal = verdict.signal
    # The paths between the symbols faintly, then the symbols.
    points = []
    for window in windows:
        level = np.abs(window.astype(np.complex128)).std() + np.abs(window).mean()
        points.append(symbols(window / (level or 1.0), signal.carrier_order))
    cloud = np.concatenate(points)
    reach = 1.2 * float(np.quantile(np.abs(cloud), 0.99)) or 1.0
    axes.axhline(0, color=MUTED, linewidth=0.4)
    axes.axvline(0, color=MUTED, linewidth=0.4)
    axes.plot(cloud.real, cloud.imag, ".", color=ORANGE, markersize=2.2, alpha=0.5)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(True)
    rate = _quantity(signal.symbol_rate_hz, "Bd")
    snr = "" if signal.snr_db is None else f", {signal.snr_db:.0f} dB"
    why = f"{signal.evidence.carrier}; {signal.evidence.clock}"
    axes.set_title(f"{_name(verdict)}\n{rate}{snr}", fontsize=7.5, color=INK)
    axes.set_xlabel(_wrapped(why), fontsize=5, color=MUTED, labelpad=1)


def _wrapped(text: str) -> str:
    """Text in lines that fit under a signal's symbols."""
    return "\n".join(textwrap.wrap(text, _WHY_LETTERS)[:2])


def _quantity(value: float, unit: str) -> str:
    multiple, prefix = _unit(value)
    return f"{value / multiple:.4g} {prefix}{unit}"


def _unit(value: float) -> tuple[float, str]:
    return next((pair for pair in _MULTIPLES if abs(value) >= pair[0]), _MULTIPLES[-1])
