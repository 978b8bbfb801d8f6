"""What a network says of the signals of a recording, window by window and altogether."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from boltmod.runtime.centre import centred, filled
from boltmod.runtime.listener import Windows
from boltmod.runtime.session import Classifier
from boltmod.runtime.signals import Signal
from boltmod.runtime.windows import scale

_FLOOR = 0.01
"""Least probability that a window gives a class when a signal's windows are taken together."""


@dataclass(frozen=True)
class SignalLabel:
    """What a network says of one window of one signal.

    Args:
        signal: Number of the signal.
        sample_start: First sample of the recording that it is about.
        sample_count: How many samples of the recording.
        time_s: When it begins.
        class_name: The most probable class.
        probability: That class's probability.
    """

    signal: int
    sample_start: int
    sample_count: int
    time_s: float
    class_name: str
    probability: float


@dataclass(frozen=True)
class Verdict:
    """What a network says of a whole signal.

    Args:
        signal: The signal.
        class_name: The class that makes the windows most probable together; None if no window was
            whole.
        probability: Mean probability of that class over the windows.
        n_windows: Windows looked at.
        n_windows_by_class: How many of them were given each class.
    """

    signal: Signal
    class_name: str | None
    probability: float | None
    n_windows: int
    n_windows_by_class: dict[str, int]


@dataclass
class Tally:
    """What a network has said of a signal so far.

    Args:
        classes: Name of each class.
    """

    classes: tuple[str, ...]
    n_windows: int = 0
    by_class: Counter[str] = field(default_factory=Counter)
    shares: NDArray[np.float64] | None = None
    log_shares: NDArray[np.float64] | None = None

    def add(self, class_name: str, probabilities: NDArray[np.float32]) -> None:
        """Count one window in."""
        self.n_windows += 1
        self.by_class[class_name] += 1
        new = probabilities.astype(np.float64)
        # The floor keeps one window that is something else from deciding against all others.
        logs = np.log(new + _FLOOR)
        self.shares = new if self.shares is None else self.shares + new
        self.log_shares = logs if self.log_shares is None else self.log_shares + logs

    def verdict(self, signal: Signal) -> Verdict:
        """Decide what the signal is over all its windows."""
        if self.shares is None or self.log_shares is None:
            return Verdict(signal, None, None, 0, {})
        best = int(np.argmax(self.log_shares))
        return Verdict(
            signal,
            self.classes[best],
            float(self.shares[best]) / self.n_windows,
            self.n_windows,
            dict(self.by_class.most_common()),
        )


def label(
    classifier: Classifier, windows: Windows, tally: Tally, rate_hz: float
) -> list[SignalLabel]:
    """Classify windows of a signal.

    Args:
        classifier: The network.
        windows: What is heard of the signal.
        tally: What the network says is counted there.
        rate_hz: Samples of the recording a second.

    Returns:
        A label for each window that is not constant.
    """
    samples = centred(filled(windows.samples))
    planes, is_constant = scale(samples, classifier.model.metadata.input_scaling)
    labels = []
    rows = classifier.probabilities(planes)
    for start, row, constant in zip(windows.starts, rows, is_constant, strict=True):
        if constant:
            continue
        best = int(row.argmax())
        name = classifier.classes[best]
        tally.add(name, row)
        labels.append(
            SignalLabel(
                windows.signal.number, start, windows.count, start / rate_hz, name, float(row[best])
            )
        )
    return labels
