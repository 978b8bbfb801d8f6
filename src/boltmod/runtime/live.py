"""Labels of a stream while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from boltmod.modulation import FRAME_LENGTH
from boltmod.recording.live.buffer import LiveRecording
from boltmod.recording.stretch import Stretch
from boltmod.runtime.occupancy import Occupancy, occupancy
from boltmod.runtime.session import Classifier
from boltmod.runtime.windows import Label, label_stretch

_WINDOWS_AT_ONCE = 64
"""Taken if so many wait; a stream that is slower than the network has each window by itself."""


@dataclass(frozen=True)
class LiveLabel(Label):
    """What is said of one window of a stream.

    Args:
        snr_db: Power of what stands out of the noise over the noise in its band; None if nothing
            does, or nothing but it is there.
        centre_hz: Middle of its band: a radio frequency if the receiver's is known, else from the
            middle of the band; None if nothing stands out or the sample rate is unknown.
        bandwidth_hz: Its width; None with the centre.
    """

    snr_db: float | None
    centre_hz: float | None
    bandwidth_hz: float | None


def label_live(classifier: Classifier, live: LiveRecording) -> Iterator[list[LiveLabel]]:
    """Classify a stream until it ends, so many windows at once as have come meanwhile.

    Every window that the stream held is either among the labels or counted in `live.n_dropped`.

    Args:
        classifier: The network.
        live: The stream, being read.

    Yields:
        The labels of what came; an empty list each time that nothing came in a tick.
    """
    for stretch in live.stretches(_WINDOWS_AT_ONCE * FRAME_LENGTH):
        yield _label(classifier, live, stretch) if len(stretch.samples) else []


def _label(classifier: Classifier, live: LiveRecording, stretch: Stretch) -> list[LiveLabel]:
    windows = stretch.samples.reshape(-1, FRAME_LENGTH)
    labels = label_stretch(classifier, windows, stretch.first_sample, live.rate_hz)
    places = occupancy(windows)
    return [_placed(*pair, live) for pair in zip(labels, places, strict=True)]


def _placed(label: Label, place: Occupancy | None, live: LiveRecording) -> LiveLabel:
    snr_db = centre_hz = bandwidth_hz = None
    if place is not None:
        snr_db = None if place.snr_db is None else round(place.snr_db, 1)
        if live.rate_hz is not None:
            centre_hz = (live.centre_hz or 0.0) + place.centre * live.rate_hz
            bandwidth_hz = place.bandwidth * live.rate_hz
    return LiveLabel(
        label.sample_start, label.time_s, label.class_name, label.probability,
        snr_db, centre_hz, bandwidth_hz,
    )  # fmt: skip
