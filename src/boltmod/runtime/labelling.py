"""Windows to labels: the one place where a network is asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from boltmod.errors import ConfigError
from boltmod.framing import centred, filled
from boltmod.recording.analytic import Samples
from boltmod.recording.recording import Recording
from boltmod.runtime.cut.cut import Cut
from boltmod.runtime.framing import scale
from boltmod.runtime.labels import Labels
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


def label(classifier: Classifier, windows: Windows) -> Labels:
    """Classify windows.

    Args:
        classifier: The network.
        windows: What to classify; those of a signal are first made alike to what the network has
            learned.

    Returns:
        A label for each window; those that are constant have no class.
    """
    if not len(windows.samples):
        nothing = np.empty((0, len(classifier.classes)), np.float32)
        return Labels(windows, classifier.classes, nothing, np.empty(0, np.bool_))
    samples = windows.samples if windows.signal is None else centred(filled(windows.samples))
    frames = _cut_to(classifier.frame_length, samples)
    planes, constant = scale(frames, classifier.model.metadata.input_scaling)
    by_frame = classifier.probabilities(planes, scale=False)
    shares = by_frame.reshape(len(samples), -1, by_frame.shape[1]).mean(1)
    is_constant = np.asarray(constant.reshape(len(samples), -1).all(1))
    return Labels(windows, classifier.classes, shares, is_constant)


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
