"""What a network says of some windows: numbers in columns, and a `Label` where one is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from boltmod.runtime.label import Label
from boltmod.runtime.window import Windows


@dataclass(frozen=True)
class Labels(Sequence[Label]):
    """Labels of windows, in their order.

    A label is made when it is asked for: whoever takes all of them takes a column instead.

    Args:
        windows: What they are about.
        classes: Name of each class.
        shares: Probability of each class, (n, n_classes) float32.
        is_constant: Which windows hold nothing to classify, (n,).
    """

    windows: Windows
    classes: tuple[str, ...]
    shares: NDArray[np.float32]
    is_constant: NDArray[np.bool_]

    @cached_property
    def class_names(self) -> list[str | None]:
        """The most probable class of each; None where nothing changes in the window."""
        names = [self.classes[number] for number in self._best.tolist()]
        return self._where_known(names)

    @cached_property
    def probabilities(self) -> list[float | None]:
        """That class's probability."""
        return self._where_known(self.shares[np.arange(len(self)), self._best].tolist())

    @cached_property
    def times_s(self) -> list[float | None]:
        """When each window begins; None if the rate is unknown."""
        starts, rate_hz = self.windows.starts, self.windows.rate_hz
        return [None] * len(self) if rate_hz is None else [start / rate_hz for start in starts]

    def column(self, name: str) -> Sequence[Any]:
        """Return one of `Label`'s fields of all labels."""
        made = _MADE_AT_ONCE.get(name)
        return [getattr(each, name) for each in self] if made is None else made(self)

    @cached_property
    def _best(self) -> NDArray[np.intp]:
        return np.asarray(self.shares.argmax(1))

    def _where_known(self, values: list[Any]) -> list[Any]:
        for place in np.flatnonzero(self.is_constant).tolist():
            values[place] = None
        return values

    def __len__(self) -> int:
        return len(self.shares)

    def __iter__(self) -> Iterator[Label]:
        return map(self._label, range(len(self)))

    @overload
    def __getitem__(self, place: int) -> Label: ...
    @overload
    def __getitem__(self, place: slice) -> list[Label]: ...
    def __getitem__(self, place: int | slice) -> Label | list[Label]:
        chosen = range(len(self))[place]
        return self._label(chosen) if isinstance(chosen, int) else list(map(self._label, chosen))

    def _label(self, number: int) -> Label:
        windows = self.windows
        signal = windows.signal
        place = windows.places[number] if windows.places else None
        return Label(
            sample_start=windows.starts[number],
            sample_count=windows.count,
            time_s=self.times_s[number],
            class_name=self.class_names[number],
            probability=self.probabilities[number],
            signal=None if signal is None else signal.number,
            snr_db=None if place is None else place.snr_db,
            centre_hz=None if place is None else place.centre_hz,
            bandwidth_hz=None if place is None else place.bandwidth_hz,
            n_dropped=windows.n_dropped,
            shares=None if self.is_constant[number] else self.shares[number],
        )


_MADE_AT_ONCE = {
    "sample_start": lambda labels: labels.windows.starts,
    "time_s": lambda labels: labels.times_s,
    "class_name": lambda labels: labels.class_names,
    "probability": lambda labels: labels.probabilities,
}
"""Fields of which there is a column."""
