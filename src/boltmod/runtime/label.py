"""What a network says of one window."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

BAND_COLUMNS = ("sample_start", "time_s", "class_name", "probability")
"""What there is to say of a window of the whole band."""
STREAM_COLUMNS = (*BAND_COLUMNS, "snr_db", "centre_hz", "bandwidth_hz", "n_dropped")
"""And of a stream's."""
SIGNAL_COLUMNS = ("signal", "sample_start", "sample_count", "time_s", "class_name", "probability")
"""What there is to say of a window of one signal."""


@dataclass(frozen=True)
class Label:
    """A window's class; None for what is unknown or does not apply.

    Args:
        sample_start: First sample of the recording that it is about.
        sample_count: How many samples of the recording.
        time_s: When it begins, from the recording's beginning; None if the rate is unknown.
        class_name: The most probable class; None if the window is constant, so that there is
            nothing to classify.
        probability: That class's probability; None with the class.
        signal: Number of the signal; None if the window holds the band as it is.
        snr_db: Power of what stands out of the noise over the noise in its band.
        centre_hz: Middle of its band: a radio frequency if the receiver's is known, else from the
            middle of the recording's band.
        bandwidth_hz: Its width.
        n_dropped: Windows of a stream that were lost before this one.
        shares: Probability of each class, (n_classes,).

    Examples:
        >>> import boltmod, numpy as np
        >>> label = boltmod.classify(np.ones(1024, complex), "boltnet")[0]
        >>> label.sample_count, label.class_name  # nothing changes in it, so it has no class
        (1024, None)
    """

    sample_start: int
    sample_count: int
    time_s: float | None
    class_name: str | None
    probability: float | None
    signal: int | None = None
    snr_db: float | None = None
    centre_hz: float | None = None
    bandwidth_hz: float | None = None
    n_dropped: int = 0
    shares: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)

    def row(self, columns: tuple[str, ...]) -> dict[str, Any]:
        """Some of it, by name."""
        return {name: getattr(self, name) for name in columns}
