"""Looking for signals in a piece of a stream: what a process of its own does.

The search is that of `boltmod classify`, which takes several times as long as a fast stream lasts.
It therefore looks at the newest piece whenever it is done with the one before.
"""

from __future__ import annotations

import os
import signal
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.band import Band
from boltmod.runtime.cut.channel.detect import look
from boltmod.runtime.cut.channel.detection import Detection
from boltmod.runtime.cut.channel.front_end import clean
from boltmod.runtime.cut.channel.measure import Measured, measure

_CLEARER_DB = 3.0
"""What is so much clearer than before is measured again."""
_LATER = 5
"""Priority given up, so that the labels come first."""


@dataclass(frozen=True)
class Known:
    """A signal whose carrier and symbol rate are known.

    Args:
        band: Where it is.
        snr_db: How clear it was when it was measured.
    """

    band: Band
    snr_db: float

    def covers(self, found: Detection) -> bool:
        """Whether a detection is this, and no clearer than it was."""
        return self.band.is_same(found.band) and found.snr_db < self.snr_db + _CLEARER_DB


@dataclass(frozen=True)
class Question:
    """A piece to look at.

    Args:
        samples: The piece.
        start: Number of its first sample.
        noise: Shape of the noise in what came before; None at first.
        known: Signals that need not be measured again.
    """

    samples: Samples
    start: int
    noise: NDArray[np.float64] | None
    known: tuple[Known, ...]


@dataclass(frozen=True)
class Findings:
    """What is in a piece, spans counted in samples of the stream.

    Args:
        measured: Signals that were not known.
        seen: Detections of those that were.
        noise: Shape of the noise.
    """

    measured: tuple[Measured, ...]
    seen: tuple[Detection, ...]
    noise: NDArray[np.float64] | None


def search(question: Question) -> Findings:
    """Find the signals of a piece, and measure those that are not known."""
    cleaned = clean(question.samples)
    found, noise = look(cleaned, question.noise)
    measured, seen = [], []
    for detection in (_moved(each, question.start) for each in found):
        if any(each.covers(detection) for each in question.known):
            seen.append(detection)
            continue
        new = measure(cleaned.samples, question.start, detection)
        if new is not None:
            measured.append(new)
    return Findings(tuple(measured), tuple(seen), noise)


def _moved(detection: Detection, start: int) -> Detection:
    spans, clear = (
        tuple((a + start, b + start) for a, b in each)
        for each in (detection.spans, detection.clear)
    )
    return replace(detection, spans=spans, clear=clear)


class Searcher:
    """Has one piece at a time looked at, in another process of low priority."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(
            1, mp_context=get_context("spawn"), initializer=_stand_back
        )
        self._asked: tuple[Question, Future[Findings]] | None = None
        self._pool.submit(_begin)

    @property
    def is_idle(self) -> bool:
        """Whether it can be asked."""
        return self._asked is None

    def ask(self, question: Question) -> None:
        """Have a piece looked at."""
        self._asked = question, self._pool.submit(search, question)

    def answer(self) -> tuple[Question, Findings] | None:
        """What was found, once, when it is there."""
        if self._asked is None or not self._asked[1].done():
            return None
        question, findings = self._asked[0], self._asked[1].result()
        self._asked = None
        return question, findings

    def close(self) -> None:
        """End the process; what it works on is given up."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _begin() -> None:
    """Nothing, so that the process is there when it is asked."""


def _stand_back() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(_LATER)
