"""Recordings cut into windows of a network's frame length, at the level the network knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boltmod.errors import DataFormatError
from boltmod.model.metadata import InputScaling
from boltmod.modulation import FRAME_LENGTH
from boltmod.recording.analytic import Samples
from boltmod.recording.raw import RawRecording
from boltmod.runtime.session import Classifier

_WINDOWS_AT_ONCE = 256

Planes = NDArray[np.float32]


@dataclass(frozen=True)
class Label:
    """What a network says of one window.

    Args:
        sample_start: First sample of the window.
        time_s: When it begins, from the recording's beginning; None if the rate is unknown.
        class_name: The most probable class; None if the window is constant, so that there is
            no signal to classify.
        probability: That class's probability; None with the class.
    """

    sample_start: int
    time_s: float | None
    class_name: str | None
    probability: float | None


def label_windows(classifier: Classifier, recording: RawRecording) -> Iterator[Label]:
    """Classify a recording window by window, in bounded memory.

    Args:
        classifier: The network.
        recording: The samples; what is left after the last whole window is not looked at.

    Raises:
        DataFormatError: The recording is shorter than a window, or holds what is no number.
    """
    if recording.n_samples < FRAME_LENGTH:
        raise DataFormatError(
            f"{recording.name} must hold at least {FRAME_LENGTH} samples, one window, "
            f"not {recording.n_samples}: give a longer recording"
        )
    start = 0
    for windows in _windows(
        each.samples for each in recording.stretches(_WINDOWS_AT_ONCE * FRAME_LENGTH)
    ):
        yield from label_stretch(classifier, windows, start, recording.rate_hz)
        start += windows.size


def label_stretch(
    classifier: Classifier, windows: Samples, sample_start: int, rate_hz: float | None
) -> list[Label]:
    """Classify windows that follow each other.

    Args:
        classifier: The network.
        windows: (n, 1024) complex64.
        sample_start: Number of the first sample.
        rate_hz: Samples a second; None if unknown.
    """
    planes, is_constant = scale(windows, classifier.model.metadata.input_scaling)
    shares = classifier.probabilities(planes)
    labels = []
    for number, (row, constant) in enumerate(zip(shares, is_constant, strict=True)):
        start = sample_start + number * FRAME_LENGTH
        best = int(row.argmax())
        labels.append(
            Label(
                start,
                None if rate_hz is None else start / rate_hz,
                None if constant else classifier.classes[best],
                None if constant else float(row[best]),
            )
        )
    return labels


def scale(windows: Samples, input_scaling: str) -> tuple[Planes, NDArray[np.bool_]]:
    """Bring windows to the level a network learned at.

    Args:
        windows: (n, 1024) complex64.
        input_scaling: As in the model's metadata.

    Returns:
        The frames, (n, 2, 1024) float32, and which of them are constant, (n,): those are left at
        the level they have.
    """
    planes = np.stack([windows.real, windows.imag], axis=1)
    centred = planes.astype(np.float64)
    centred -= centred.mean(axis=2, keepdims=True)
    deviation = np.sqrt(np.einsum("nps,nps->n", centred, centred) / FRAME_LENGTH)
    is_constant = deviation == 0
    if input_scaling == InputScaling.UNIT_STD:
        divisor = np.where(is_constant, 1.0, deviation)[:, np.newaxis, np.newaxis]
        np.divide(planes, divisor, out=planes, casting="same_kind")
    return planes, is_constant


def _windows(blocks: Iterable[Samples]) -> Iterator[Samples]:
    held = np.empty(0, np.complex64)
    for block in blocks:
        held = np.concatenate([held, block]) if len(held) else block
        n_windows = len(held) // FRAME_LENGTH
        if n_windows:
            yield held[: n_windows * FRAME_LENGTH].reshape(n_windows, FRAME_LENGTH)
            held = held[n_windows * FRAME_LENGTH :]
