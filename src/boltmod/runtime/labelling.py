"""Windows to labels: the one place where a network is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from boltmod.framing import centred, filled
from boltmod.recording.recording import Recording
from boltmod.runtime.cut.cut import Cut
from boltmod.runtime.framing import scale
from boltmod.runtime.label import Label
from boltmod.runtime.session import Classifier
from boltmod.runtime.sink.sink import Sink
from boltmod.runtime.window import Windows


def label_all(
    cut: Cut, recording: Recording, classifier: Classifier, sinks: Sequence[Sink]
) -> None:
    """Cut a recording, classify its windows, and hand the labels to whatever takes them."""
    for windows in cut(recording):
        labels = label(classifier, windows)
        for sink in sinks:
            sink.add(windows, labels)


def label(classifier: Classifier, windows: Windows) -> list[Label]:
    """Classify windows.

    Args:
        classifier: The network.
        windows: What to classify; those of a signal are first made alike to what the network has
            learned.

    Returns:
        A label for each window; those that are constant have no class.
    """
    if not len(windows.samples):
        return []
    samples = windows.samples if windows.signal is None else centred(filled(windows.samples))
    planes, is_constant = scale(samples, classifier.model.metadata.input_scaling)
    shares = classifier.probabilities(planes, scale=False)
    best = shares.argmax(1)
    probabilities = shares[np.arange(len(shares)), best].tolist()
    names = classifier.classes
    return [
        _label(windows, place, None)
        if is_constant[place]
        else _label(windows, place, _Answer(names[number], probability, shares[place]))
        for place, (number, probability) in enumerate(
            zip(best.tolist(), probabilities, strict=True)
        )
    ]


class _Answer(NamedTuple):
    """What the network says of a window."""

    class_name: str
    probability: float
    shares: NDArray[np.float32]


def _label(windows: Windows, number: int, answer: _Answer | None) -> Label:
    start = windows.starts[number]
    place = windows.places[number] if windows.places else None
    return Label(
        sample_start=start,
        sample_count=windows.count,
        time_s=None if windows.rate_hz is None else start / windows.rate_hz,
        class_name=None if answer is None else answer.class_name,
        probability=None if answer is None else answer.probability,
        signal=None if windows.signal is None else windows.signal.number,
        snr_db=None if place is None else place.snr_db,
        centre_hz=None if place is None else place.centre_hz,
        bandwidth_hz=None if place is None else place.bandwidth_hz,
        n_dropped=windows.n_dropped,
        shares=None if answer is None else answer.shares,
    )
