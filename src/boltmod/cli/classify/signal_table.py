"""Signals as a table for people: in hertz, seconds and UTC, or in samples where that is unknown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from boltmod.runtime.survey import Row
from boltmod.untrusted import visible


def signal_table(rows: Sequence[Row], with_files: bool = False) -> Table:
    """Draw a row a signal.

    Args:
        rows: The signals.
        with_files: Whether to say which recording each is of; one row stands for a recording
            without signals then.
    """
    has_utc = any(row.utc is not None for row in rows)
    drawn = Table(
        *(("file",) if with_files else ()), "signal", "class", "probability", "windows",
        "frequency", "bandwidth", "symbols/s", "SNR", "UTC" if has_utc else "from", "on for",
        box=None,
    )  # fmt: skip
    for row in rows:
        cells = cells_of(row, has_utc)
        drawn.add_row(*map(_plain, (row.file, *cells) if with_files else cells))
    return drawn


def _plain(text: str) -> str:
    """Text of a stranger's file as it stands, which steers neither the table nor the terminal."""
    return escape(visible(text))


def cells_of(row: Row, has_utc: bool = False) -> list[str]:
    """What the table says of a signal."""
    if row.error is not None:
        return ["", "(not readable)"]
    if row.signal is None and row.class_name is None:
        return ["", "(no signal)" if row.reason is None else f"({row.reason})"]
    name = row.class_name or f"({row.reason or 'too short'})"
    probability = "" if row.probability is None else f"{row.probability:.3f}"
    windows = "" if row.n_windows is None else f"{row.n_windows:,}"
    if row.signal is None:
        return ["", name, probability, windows]
    when = row.utc if has_utc else _seconds(row.time_s)
    return [
        str(row.signal),
        name,
        probability,
        windows,
        place(row),
        _width(row),
        _rate(row),
        "" if row.snr_db is None else f"{row.snr_db:.1f} dB",
        when or f"sample {row.first_sample:,}",
        _seconds(row.duration_s) or f"{row.n_samples_on:,} samples",
    ]


def place(row: Row) -> str:
    """Where a signal is: on the air, else from the middle of the band; ~ if no line tells."""
    about = "" if row.carrier_is_measured else "~"
    if row.frequency_hz is not None:
        return f"{about}{row.frequency_hz / 1e6:,.6f} MHz"
    if row.offset_hz is not None:
        return f"{about}{hertz(row.offset_hz)} Hz"
    return f"{about}{row.offset_per_sample:.4f} cycles/sample"


def hertz(value: float) -> str:
    """A number of hertz."""
    return f"{value:,.1f}"


def _width(row: Row) -> str:
    if row.bandwidth_hz is None:
        return f"{row.bandwidth_per_sample:.4f} cycles/sample"
    return f"{hertz(row.bandwidth_hz)} Hz"


def _rate(row: Row) -> str:
    guess = "" if row.symbol_rate_is_sure else " (guess)"
    if row.symbol_rate_hz is None:
        return f"{row.symbols_per_sample:.6f}/sample{guess}"
    return f"{hertz(row.symbol_rate_hz)}{guess}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:,.3f} s"
