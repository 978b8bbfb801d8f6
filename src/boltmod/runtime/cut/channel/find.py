"""All steps from a piece of a recording to the signals in it, but for measuring them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.channel.detect import look
from boltmod.runtime.cut.channel.detection import Detection
from boltmod.runtime.cut.channel.envelope import joined
from boltmod.runtime.cut.channel.front_end import clean
from boltmod.runtime.cut.channel.voice import gathered


@dataclass(frozen=True)
class Found:
    """What is in a piece.

    Args:
        samples: The piece without what the receiver added, (n,) complex64.
        detections: The signals, their spans counted in samples of the recording.
        noise: Shape of the noise, to be remembered for the next piece; None if nothing is known.
    """

    samples: Samples
    detections: list[Detection]
    noise: NDArray[np.float64] | None


def find(samples: Samples, start: int, noise: NDArray[np.float64] | None, rate_hz: float) -> Found:
    """Find the signals of a piece.

    Args:
        samples: The piece, (n,) complex64.
        start: Number of its first sample.
        noise: Shape of the noise in what came before; None at first.
        rate_hz: Samples a second; 0 if that is not known, and no voices.
    """
    cleaned = clean(samples)
    found, noise = look(cleaned, noise)
    found = joined(cleaned.samples, start, [_moved(each, start) for each in found])
    return Found(cleaned.samples, gathered(cleaned.samples, start, found, rate_hz), noise)


def _moved(detection: Detection, start: int) -> Detection:
    spans, clear = (
        tuple((a + start, b + start) for a, b in each)
        for each in (detection.spans, detection.clear)
    )
    return replace(detection, spans=spans, clear=clear)
