"""When a sample was taken."""

from __future__ import annotations

from datetime import datetime, timedelta

from boltmod.recording.live.buffer import LiveRecording
from boltmod.recording.raw import RawRecording
from boltmod.recording.recording import Recording


def zero_of(recording: Recording) -> datetime | None:
    """When a recording's sample number 0 was taken, in UTC; None if nobody knows.

    Where it continues another one, that is before its own first sample.
    """
    if not isinstance(recording, RawRecording | LiveRecording) or recording.started is None:
        return None
    before_s = recording.first_sample / (recording.rate_hz or 1.0)
    return recording.started - timedelta(seconds=before_s)


def utc(zero: datetime | None, seconds: float) -> str | None:
    """A moment in ISO 8601, to the microsecond.

    Args:
        zero: When sample number 0 was taken, in UTC; None if nobody knows.
        seconds: How long after that.
    """
    if zero is None:
        return None
    moment = zero + timedelta(seconds=seconds)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
