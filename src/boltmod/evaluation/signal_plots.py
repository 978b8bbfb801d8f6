"""Pictures of frames: waveforms, constellations at the symbols' instants, and spectra."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from boltmod.data.loader import Batch
from boltmod.errors import ConfigError
from boltmod.evaluation.plots import BLUE, MUTED, ORANGE, signed, styled
from boltmod.modulation import CLASSES, Family, Modulation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Frames = Mapping[tuple[int, int], npt.NDArray[np.complex128]]
"""Complex frames (k, 1024) of each (class label, SNR label)."""

SAMPLES_PER_SYMBOL = 8
"""What RadioML's linear classes have; the instants of other signals are not found."""

_SHEET_COLUMNS = 3
_WAVEFORM_SAMPLES = 160
_LARGEST_OFFSET = 1.2e-3
_ANALOG = (Family.AM, Family.FM)

_SYMMETRY = {
    "OOK": 1, "4ASK": 1, "8ASK": 1, "BPSK": 2, "QPSK": 4, "8PSK": 8, "16PSK": 16,
    "16APSK": 12, "32APSK": 16, "16QAM": 4, "32QAM": 4, "64QAM": 4, "128QAM": 4, "256QAM": 4,
    "OQPSK": 4,
}  # fmt: skip
"""Power of a symbol whose phase does not depend on the symbol, by which the carrier is found."""


def frames_by_cell(batches: Iterable[Batch]) -> Frames:
    """Sorts labelled I/Q planes (k, 2, 1024) by class and SNR label."""
    cells: dict[tuple[int, int], list[npt.NDArray[np.complex128]]] = {}
    for iq_planes, class_ids, snr_labels in batches:
        iq = iq_planes[:, 0] + 1j * iq_planes[:, 1].astype(np.float64)
        for frame, label, snr_label in zip(iq, class_ids, snr_labels, strict=True):
            cells.setdefault((int(label), int(snr_label)), []).append(frame)
    return {cell: np.stack(frames) for cell, frames in cells.items()}


def at_symbols(
    frame: npt.NDArray[np.complex128], modulation: Modulation
) -> npt.NDArray[np.complex128]:
    """The samples of a linear frame at its symbols' instants, carrier offset and phase removed.

    Timing is the phase of the power's line at the symbol rate; of OQPSK, I and Q by themselves.
    Where a class has too many phases for its carrier to be found, it is left as it is.

    Source: M. Oerder, H. Meyr, "Digital filter and square timing recovery", IEEE Trans. Commun.
    36(5), 1988.
    """
    spectrum = np.fft.fft(frame)
    frequency = np.fft.fftfreq(len(frame))
    if modulation is Modulation.OQPSK:
        return _without_carrier(frame, modulation)[::2]
    line = np.exp(-2j * np.pi / SAMPLES_PER_SYMBOL * np.arange(len(frame)))
    delay = -SAMPLES_PER_SYMBOL * np.angle((np.abs(frame) ** 2 * line).sum()) / (2 * np.pi)
    late = np.fft.ifft(spectrum * np.exp(2j * np.pi * frequency * (delay % SAMPLES_PER_SYMBOL)))
    # The transform takes the frame for a circle: its ends are left out.
    return _without_carrier(late[4 * SAMPLES_PER_SYMBOL : -4 * SAMPLES_PER_SYMBOL], modulation)[
        ::SAMPLES_PER_SYMBOL
    ]


def _without_carrier(
    iq: npt.NDArray[np.complex128], modulation: Modulation
) -> npt.NDArray[np.complex128]:
    """Samples turned so that the symbol-independent phase of their power stands still at zero."""
    power = _SYMMETRY.get(modulation.label)
    if power is None:
        return iq
    step = 1 if modulation is Modulation.OQPSK else SAMPLES_PER_SYMBOL
    symbols, time = iq[::step], np.arange(0, len(iq), step)
    phasor = np.abs(symbols) * np.exp(1j * power * np.angle(symbols))
    offsets = np.linspace(-_LARGEST_OFFSET, _LARGEST_OFFSET, 241)
    lines = np.exp(-1j * power * np.outer(offsets, time)) @ phasor
    best = np.abs(lines).argmax()
    turn = offsets[best] * np.arange(len(iq)) + np.angle(lines[best]) / power
    if modulation.family is Family.QAM or modulation is Modulation.QPSK:
        turn = turn - np.pi / 4
    return np.asarray(iq * np.exp(-1j * turn))


@styled
def class_sheet(frames: Frames, snr_label: int) -> Figure:
    """Every class at one SNR label: waveform, constellation and spectrum.

    Raises:
        ConfigError: There is no frame with that label.
    """
    from matplotlib.figure import Figure

    labels = sorted({label for label, snr in frames if snr == snr_label})
    if not labels:
        there = ", ".join(str(snr) for snr in sorted({snr for _, snr in frames}))
        raise ConfigError(f"the SNR label must be one of {there}, not {snr_label}; choose another")
    columns = min(_SHEET_COLUMNS, len(labels))
    rows = math.ceil(len(labels) / columns)
    width, height = 6.2 * columns, 1.55 * rows + 0.8
    figure = Figure(figsize=(width, height))
    grid = figure.add_gridspec(
        rows,
        3 * columns,
        width_ratios=[2.2, 1, 1.5] * columns,
        left=0.4 / width,
        right=1 - 0.15 / width,
        bottom=0.4 / height,
        top=1 - 0.65 / height,
        hspace=0.5,
        wspace=0.2,
    )
    for place, label in enumerate(labels):
        row, column = place % rows, place // rows
        axes = [figure.add_subplot(grid[row, 3 * column + part]) for part in range(3)]
        modulation, cell = list(Modulation)[label], frames[label, snr_label]
        _waveform(axes[0], cell[0])
        axes[0].set_title(modulation.label, fontweight="bold")
        _constellation(axes[1], cell, modulation)
        _spectrum(axes[2], cell)
        if row == rows - 1 or place == len(labels) - 1:
            for part, name in zip(axes, ("samples", "I, Q", "cycles/sample"), strict=True):
                part.set_xlabel(name, fontsize=7)
    figure.suptitle(
        f"SNR label {signed(snr_label)} dB: I and Q over time; samples at the symbols' instants "
        "(analog classes, GMSK: all); average spectrum in dB below its peak",
        fontsize=9,
        color=MUTED,
        y=1 - 0.12 / height,
        va="top",
    )
    return figure


@styled
def snr_sheet(frames: Frames, snr_labels: Sequence[int]) -> Figure:
    """Constellations of every class (columns) at several SNR labels (rows)."""
    from matplotlib.figure import Figure

    labels = sorted({label for label, _ in frames})
    width, height = 0.95 * len(labels) + 0.5, 0.97 * len(snr_labels) + 0.3
    figure = Figure(figsize=(width, height))
    edges = {"left": 0.45 / width, "right": 1 - 0.05 / width, "bottom": 0.05 / height}
    grid = figure.subplots(
        len(snr_labels),
        len(labels),
        squeeze=False,
        gridspec_kw={**edges, "top": 1 - 0.25 / height, "hspace": 0.04, "wspace": 0.04},
    )
    for row, snr_label in zip(grid, snr_labels, strict=True):
        for axes, label in zip(row, labels, strict=True):
            if (label, snr_label) in frames:
                _constellation(axes, frames[label, snr_label], list(Modulation)[label])
            else:
                axes.set_axis_off()
            if snr_label == snr_labels[0]:
                axes.set_title(CLASSES[label], fontsize=7)
        row[0].set_ylabel(f"{signed(snr_label)} dB", fontsize=8)
    return figure


def _waveform(axes: Axes, frame: npt.NDArray[np.complex128]) -> None:
    part = frame[:_WAVEFORM_SAMPLES]
    axes.plot(part.real, color=BLUE, linewidth=1)
    axes.plot(part.imag, color=ORANGE, linewidth=1)
    axes.set_xlim(0, len(part))
    axes.tick_params(labelsize=6)


def _constellation(axes: Axes, cell: npt.NDArray[np.complex128], modulation: Modulation) -> None:
    """One frame's points, or where the carrier is found those of up to eight frames."""
    if modulation.family in _ANALOG or modulation is Modulation.GMSK:
        points = cell[0]
    elif modulation.label in _SYMMETRY:
        points = np.concatenate([at_symbols(frame, modulation) for frame in cell[:8]])
    else:
        points = at_symbols(cell[0], modulation)
    reach = 1.15 * float(np.quantile(np.abs(points), 0.995)) or 1.0
    axes.plot(points.real, points.imag, ".", color=BLUE, markersize=1.2, alpha=0.6)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)


def _spectrum(axes: Axes, cell: npt.NDArray[np.complex128]) -> None:
    window = np.hanning(cell.shape[1])
    power = np.fft.fftshift((np.abs(np.fft.fft(cell * window)) ** 2).mean(axis=0))
    frequency = np.fft.fftshift(np.fft.fftfreq(cell.shape[1]))
    level = 10 * np.log10(np.maximum(power / power.max(), 1e-9))
    axes.plot(frequency, level, color=BLUE, linewidth=0.9)
    axes.set_xlim(-0.5, 0.5)
    axes.set_ylim(-80, 5)
    axes.set_yticks([-60, -30, 0])
    axes.tick_params(labelsize=6)
