"""Windows of a recording, cut to a network's frame length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.occupancy import Place
from boltmod.runtime.cut.signal import Signal


@dataclass(frozen=True)
class Windows:
    """Some windows, in the order of time, and what is known of them.

    Args:
        samples: (n, 1024) complex64; none if nothing has come for a moment.
        starts: First sample of the recording that each is about, (n,).
        count: How many samples of the recording each is about.
        rate_hz: Samples of the recording a second; None if nobody knows.
        signal: The signal that they hold, alone, at 8 samples a symbol; None if they hold the band.
        places: Where in the band each one's signal is, (n,); None where nothing stands out, and
            empty if that was not measured.
        n_quiet: Windows between these that were left out, for they hold little more than noise.
        n_dropped: Windows of a stream that were lost, up to these.
        tuned_hz: Radio frequency of the middle of the recording's band; None if nobody knows.
        zero: When the recording's sample number 0 was taken, in UTC; None if nobody knows.
    """

    samples: Samples
    starts: Sequence[int]
    count: int
    rate_hz: float | None
    signal: Signal | None = None
    places: Sequence[Place | None] = ()
    n_quiet: int = 0
    n_dropped: int = 0
    tuned_hz: float | None = None
    zero: datetime | None = None
