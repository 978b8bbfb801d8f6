"""The columns of a window: what there is to say of it, and where that is known from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from boltmod.recording.clock import utc
from boltmod.runtime.label import Label
from boltmod.runtime.labels import Labels
from boltmod.runtime.window import Windows

_BEGINNING = ("signal", "sample_start", "sample_count")
_CLASSES = (
    "class_name", "probability",
    "second_class", "second_probability", "third_class", "third_probability",
)  # fmt: skip
WINDOW_COLUMNS = (
    *_BEGINNING, "time_s", "utc", *_CLASSES,
    "frequency_hz", "offset_hz", "bandwidth_hz", "symbol_rate_hz", "snr_db", "n_dropped",
)  # fmt: skip
"""Of a window of a signal; frequency and offset are those of its carrier or its band's middle."""
SAMPLE_COLUMNS = (
    *_BEGINNING, *_CLASSES,
    "offset_per_sample", "bandwidth_per_sample", "symbols_per_sample", "snr_db", "n_dropped",
)  # fmt: skip
"""The same where the sample rate is unknown, in cycles and symbols a sample."""
_OF_LABEL = frozenset(Label.__dataclass_fields__) - {"snr_db"}
_RANKED = {
    "second_class": (1, 0), "second_probability": (1, 1),
    "third_class": (2, 0), "third_probability": (2, 1),
}  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """Some columns of a table of windows.

    Args:
        names: Their names.
        classes: Name of each class, where more than the most probable one is asked for.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...] = ()

    def rows(self, windows: Windows, labels: Labels) -> Iterator[tuple[Any, ...]]:
        """A row a label."""
        signal = windows.signal
        if signal is None:
            return zip(*map(labels.column, self.names), strict=True)
        shared = _of_signal(windows)
        return (self._row(shared, windows, each) for each in labels)

    def _row(self, shared: dict[str, Any], windows: Windows, label: Label) -> tuple[Any, ...]:
        known = shared
        if label.shares is not None and self.classes:
            order = np.argsort(-label.shares)
            ranked = [(self.classes[i], float(label.shares[i])) for i in order[:3].tolist()]
            known = shared | {
                name: ranked[rank][part]
                for name, (rank, part) in _RANKED.items()
                if rank < len(ranked)
            }
        if "utc" in self.names and label.time_s is not None:
            known = known | {"utc": utc(windows.zero, label.time_s)}
        return tuple(
            getattr(label, name) if name in _OF_LABEL and name not in shared else known.get(name)
            for name in self.names
        )


def _of_signal(windows: Windows) -> dict[str, Any]:
    """What is alike for all windows of a signal."""
    signal, rate_hz = windows.signal, windows.rate_hz
    if signal is None or rate_hz is None:
        return {}
    offset_hz = signal.middle_hz
    return {
        "frequency_hz": None if windows.tuned_hz is None else windows.tuned_hz + offset_hz,
        "offset_hz": offset_hz,
        "bandwidth_hz": signal.bandwidth_hz,
        "symbol_rate_hz": signal.symbol_rate_hz,
        "offset_per_sample": offset_hz / rate_hz,
        "bandwidth_per_sample": signal.bandwidth_hz / rate_hz,
        "symbols_per_sample": signal.symbol_rate_hz / rate_hz,
        "snr_db": signal.snr_db,
    }
