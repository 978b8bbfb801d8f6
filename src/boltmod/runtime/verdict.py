"""What a network says of a whole signal, or of the whole band: all windows together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from boltmod.modulation import UNKNOWN
from boltmod.runtime.cut.signal import Signal
from boltmod.runtime.labels import Labels
from boltmod.runtime.waveform import CARRIER, Waveform
from boltmod.runtime.window import Windows

_CLOCKED = 0.98
"""How often what the waveform tells is right: 134 of 136 in bench/street.py."""
_LEAST = 0.4
"""Mean probability below which the network's best guess is none: in bench/street.py 6 of 18 such
were right, of those above 9 in 10."""
_TOP = 3
_FLOOR = 0.01
"""Least probability that a window gives a class when a signal's windows are taken together."""


@dataclass(frozen=True)
class Verdict:
    """What a network says of a whole signal.

    Args:
        signal: The signal.
        class_name: The class that makes the windows most probable together; None if no window was
            whole.
        probability: Mean probability of that class over the windows; of `unknown`, where no class
            has enough of it, the probability that it is not the best one.
        n_windows: Windows that were given a class.
        n_windows_by_class: How many of them were given each class.
        n_constant_windows: Windows without a class, for nothing changes in them.
        n_quiet_windows: Windows left out, for they hold little more than noise.
        top_classes: Mean probability of the three classes that the network gave most.
        is_by_waveform: Whether the class was told from how the signal is keyed, not by the network.
    """

    signal: Signal
    class_name: str | None
    probability: float | None
    n_windows: int
    n_windows_by_class: dict[str, int]
    n_constant_windows: int = 0
    n_quiet_windows: int = 0
    top_classes: dict[str, float] = field(default_factory=dict)
    is_by_waveform: bool = False

    @property
    def reason(self) -> str | None:
        """Why it has no class; None if it has one."""
        if self.class_name is not None:
            return None
        if self.n_quiet_windows:
            return "too quiet"
        return "constant" if self.n_constant_windows else "too short"


@dataclass
class Tally:
    """What a network has said of a signal so far.

    Args:
        classes: Name of each class.
    """

    classes: tuple[str, ...]
    by_class: Counter[str] = field(default_factory=Counter)
    n_constant: int = 0
    n_quiet: int = 0
    shares: NDArray[np.float64] | None = None
    log_shares: NDArray[np.float64] | None = None
    waveform: Waveform = field(default_factory=Waveform)

    @property
    def n_windows(self) -> int:
        """Windows that were given a class."""
        return self.by_class.total()

    def add(self, class_names: Sequence[str], probabilities: NDArray[np.float32]) -> None:
        """Count windows in.

        Args:
            class_names: What each was called, (n,), n >= 1.
            probabilities: (n, n_classes).
        """
        self.by_class.update(class_names)
        new = probabilities.astype(np.float64)
        # The floor keeps one window that is something else from deciding against all others.
        self.shares = _with(self.shares, new)
        self.log_shares = _with(self.log_shares, np.log(new + _FLOOR))

    def take(self, labels: Labels) -> bool:
        """Count labels in; whether any of them has a class."""
        names = [name for name in labels.class_names if name is not None]
        self.n_constant += len(labels) - len(names)
        if names:
            self.add(names, labels.shares[~labels.is_constant])
        return bool(names)

    def decision(self) -> tuple[str | None, float | None]:
        """The class that makes all windows most probable together, and its mean probability."""
        if self.shares is None or self.log_shares is None:
            return None, None
        best = int(np.argmax(self.log_shares))
        return self.classes[best], float(self.shares[best]) / self.n_windows

    def verdict(self, signal: Signal) -> Verdict:
        """Decide what the signal is over all its windows."""
        name, probability = self.decision()
        told = self.waveform.told(name, signal)
        if told is not None:
            name, probability = told, None if told == CARRIER else _CLOCKED
        elif probability is not None and probability < _LEAST and UNKNOWN in self.classes:
            name, probability = UNKNOWN, 1 - probability
        return Verdict(
            signal,
            name,
            probability,
            self.n_windows,
            dict(self.by_class.most_common()),
            self.n_constant,
            self.n_quiet,
            self._top(),
            told is not None,
        )

    def _top(self) -> dict[str, float]:
        """Mean probability of the most probable classes."""
        if self.shares is None:
            return {}
        order = np.argsort(-self.shares)[:_TOP].tolist()
        return {self.classes[i]: float(self.shares[i]) / self.n_windows for i in order}


def _with(total: NDArray[np.float64] | None, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add rows to a sum one after the other, so that it is the same however many come at once."""
    before = rows if total is None else np.concatenate([total[np.newaxis], rows])
    return np.asarray(np.add.accumulate(before)[-1])


class Tallies:
    """A sink that counts: a tally a signal, and one for the band as it is.

    Args:
        classes: Name of each class.
    """

    def __init__(self, classes: tuple[str, ...]) -> None:
        self._classes = classes
        self._by_signal: dict[int | None, Tally] = {}

    def of(self, signal: int | None) -> Tally:
        """The tally of a signal; of the band if None."""
        return self._by_signal.setdefault(signal, Tally(self._classes))

    def add(self, windows: Windows, labels: Labels) -> None:
        """Count windows in."""
        tally = self.of(None if windows.signal is None else windows.signal.number)
        tally.n_quiet += windows.n_quiet
        if tally.take(labels) and windows.signal is not None:
            tally.waveform.add(windows.samples)

    def verdicts(self, signals: Sequence[Signal]) -> list[Verdict]:
        """What each signal is."""
        return [self.of(each.number).verdict(each) for each in signals]
