"""Looking for signals in a piece of a stream: what a process of its own does.

The search is that of `boltmod classify`, which takes several times as long as a fast stream lasts.
It therefore looks at the newest piece whenever it is done with the one before.
"""

from __future__ import annotations

import os
import signal
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection

import numpy as np
from numpy.typing import NDArray

from boltmod.errors import WorkerError
from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.band import Band
from boltmod.runtime.cut.channel.detection import Detection
from boltmod.runtime.cut.channel.find import find
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
        rate_hz: Samples a second; 0 if it is not known, and no voices.
    """

    samples: Samples
    start: int
    noise: NDArray[np.float64] | None
    known: tuple[Known, ...]
    rate_hz: float = 0.0


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
    found = find(question.samples, question.start, question.noise, question.rate_hz)
    measured, seen = [], []
    for detection in found.detections:
        if any(each.covers(detection) for each in question.known):
            seen.append(detection)
            continue
        new = measure(found.samples, question.start, detection, rate_hz=question.rate_hz)
        if new is not None:
            measured.append(new)
    return Findings(tuple(measured), tuple(seen), found.noise)


_MOST_IN_A_ROW = 3
"""Pieces that the process may die over one after the other, before it is given up."""


class Searcher:
    """Has one piece at a time looked at, in another process of low priority.

    That process is begun anew if it has died; what it was asked is lost then. A thread sends the
    pieces, so that who asks does not wait until that process has its turn.
    """

    def __init__(self) -> None:
        self.n_lost = 0
        """Pieces that the process died over."""
        self._n_in_a_row = 0
        self._asked: Question | None = None
        self._sender = ThreadPoolExecutor(1, "boltmod-searcher")
        self._sending: Future[None] | None = None
        self._begin()

    @property
    def is_idle(self) -> bool:
        """Whether it can be asked."""
        return self._asked is None

    def ask(self, question: Question) -> None:
        """Have a piece looked at."""
        self._asked = question
        self._sending = self._sender.submit(self._pipe.send, question)

    def answer(self) -> tuple[Question, Findings] | None:
        """What was found, once, when it is there.

        Raises:
            WorkerError: The process has died over three pieces, one after the other.
        """
        question = self._asked
        if question is None or not self._pipe.poll():  # of a process that died, there is its end
            return None
        try:
            findings: Findings = self._pipe.recv()
        except (EOFError, OSError):
            self._lose()
            return None
        self._asked, self._n_in_a_row = None, 0
        return question, findings

    def close(self) -> None:
        """End the process; what it works on is given up."""
        self._end()
        self._sender.shutdown()

    def _end(self) -> None:
        self._process.terminate()
        self._process.join()
        if self._sending is not None:
            wait([self._sending])  # nobody reads what it sends any more, and that ends it
        self._pipe.close()

    def _begin(self) -> None:
        context = get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_answer_all, args=(other,), daemon=True)
        self._process.start()
        other.close()

    def _lose(self) -> None:
        self._end()
        self.n_lost += 1
        self._n_in_a_row += 1
        self._asked = None
        if self._n_in_a_row == _MOST_IN_A_ROW:
            raise WorkerError(
                f"the process that searches has ended {_MOST_IN_A_ROW} times without an answer; a "
                'script that serves must do so under `if __name__ == "__main__":`, with memory left'
            )
        self._begin()


def _answer_all(pipe: Connection) -> None:
    """Answer questions until whoever asks has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(_LATER)
    with suppress(EOFError, OSError):
        while True:
            pipe.send(search(pipe.recv()))
