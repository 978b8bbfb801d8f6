"""Windows to labels: the one place where a network is asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from boltmod.errors import ConfigError
from boltmod.framing import centred, filled
from boltmod.recording.analytic import Samples
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
    frames = _cut_to(classifier.frame_length, samples)
    planes, constant = scale(frames, classifier.model.metadata.input_scaling)
    by_frame = classifier.probabilities(planes, scale=False)
    shares = by_frame.reshape(len(samples), -1, by_frame.shape[1]).mean(1)
    is_constant = np.asarray(constant.reshape(len(samples), -1).all(1))
    best = shares.argmax(1)
    probabilities = shares[np.arange(len(shares)), best].tolist()
    names = classifier.classes
    return [
        _label(windows, place, None, None, None)
        if is_constant[place]
        else _label(windows, place, names[number], probability, shares[place])
        for place, (number, probability) in enumerate(
            zip(best.tolist(), probabilities, strict=True)
        )
    ]


def _cut_to(length: int, windows: Samples) -> Samples:
    """Frames of a network's length; of a signal's window as many as it fills.

    Args:
        length: Samples of a frame.
        windows: (n, time).

    Returns:
        (n · k, length), k frames of each window.

    Raises:
        ConfigError: The windows are shorter than a frame.
    """
    n_frames = windows.shape[1] // length
    if n_frames == 0:
        raise ConfigError(
            f"a network must take frames of up to {windows.shape[1]} samples where signals are "
            f"looked for, not of {length}: take the band as it is, with --channel none"
        )
    return windows[:, : n_frames * length].reshape(-1, length)


def _label(
    windows: Windows,
    number: int,
    class_name: str | None,
    probability: float | None,
    shares: NDArray[np.float32] | None,
) -> Label:
    start, signal, rate_hz = windows.starts[number], windows.signal, windows.rate_hz
    place = windows.places[number] if windows.places else None
    # In the order of Label's fields: by name it takes longer, for each window.
    return Label(
        start,
        windows.count,
        None if rate_hz is None else start / rate_hz,
        class_name,
        probability,
        None if signal is None else signal.number,
        None if place is None else place.snr_db,
        None if place is None else place.centre_hz,
        None if place is None else place.bandwidth_hz,
        windows.n_dropped,
        shares,
    )
