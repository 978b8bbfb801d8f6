"""The band as it is: windows that follow each other, each as long as a network's frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from boltmod.errors import DataFormatError
from boltmod.modulation import FRAME_LENGTH
from boltmod.recording.analytic import Samples
from boltmod.recording.recording import Recording
from boltmod.runtime.cut.occupancy import Place, occupancy
from boltmod.runtime.window import Windows

_WINDOWS_AT_ONCE = 256
"""Taken if so many wait; a stream that is slower than the network has each window by itself."""


class WholeBand:
    """Cuts a recording into windows that do not overlap.

    Args:
        frame_length: Samples of a window.
        with_places: Whether to measure where in the band each window's signal is.
    """

    def __init__(self, frame_length: int = FRAME_LENGTH, with_places: bool = False) -> None:
        self._length = frame_length
        self._with_places = with_places
        self._n_dropped = 0

    def __call__(self, recording: Recording) -> Iterator[Windows]:
        """Cut it, in bounded memory; what is left after the last whole window is not looked at.

        Yields:
            Windows; none each time that a stream has brought nothing for a moment.

        Raises:
            DataFormatError: The recording is shorter than a window, or holds what is no number.
        """
        if recording.n_samples is not None and recording.n_samples < self._length:
            raise DataFormatError(
                f"{recording.name} must hold at least {self._length} samples, one window, "
                f"not {recording.n_samples}: give a longer recording"
            )
        held, end = np.empty(0, np.complex64), recording.first_sample
        for stretch in recording.stretches(_WINDOWS_AT_ONCE * self._length):
            if stretch.first_sample != end:
                self._n_dropped += (stretch.first_sample - end) // self._length
                held = np.empty(0, np.complex64)
            end = stretch.end
            held = np.concatenate([held, stretch.samples]) if len(held) else stretch.samples
            whole = len(held) // self._length * self._length
            if whole or not len(stretch.samples):
                windows = held[:whole].reshape(-1, self._length)
                yield self._windows(recording, windows, end - len(held))
                held = held[whole:]

    def _windows(self, recording: Recording, samples: Samples, start: int) -> Windows:
        places: list[Place | None] = []
        if self._with_places and len(samples):
            found = occupancy(samples)
            places = [None if e is None else e.place(recording.rate_hz, recording.centre_hz)
                      for e in found]  # fmt: skip
        return Windows(
            samples,
            range(start, start + samples.size, self._length),
            self._length,
            recording.rate_hz,
            places=places,
            n_dropped=self._n_dropped,
        )
