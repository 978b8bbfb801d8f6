"""What is told of a signal as it comes on and as it goes, in rtl_433's words where it has some."""

from __future__ import annotations

from dataclasses import asdict, dataclass

MODEL = "boltmod"
"""Who says so: what rtl_433's readers tell its decoders apart by."""


@dataclass(frozen=True)
class Event:
    """A signal that has come on, or has gone; None for what is unknown.

    Args:
        time: When it came on, or was last heard, in ISO 8601 (UTC).
        time_s: The same moment from the stream's beginning.
        event: `start` or `end`.
        id: Number of the appearance; its start and its end have the same.
        signal: Number of the signal, the same each time that it comes on.
        mod: Its class.
        confidence: That class's probability.
        freq: Its carrier, or the middle of its band, on the air, in MHz.
        offset_hz: The same from the middle of the stream's band.
        bandwidth_hz: Width that holds 99 % of its power.
        symbol_rate_hz: Symbols a second.
        snr: Power over the noise in its band, dB.
        duration_s: For how long it has been on.
        model: `boltmod`.

    Source: names and units of `time`, `model`, `mod`, `freq` (MHz) and `snr` (dB) are those of
    rtl_433's JSON output with `-M level`.
    """

    time: str | None
    time_s: float
    event: str
    id: int
    signal: int
    mod: str | None
    confidence: float | None
    freq: float | None
    offset_hz: float
    bandwidth_hz: float
    symbol_rate_hz: float
    snr: float | None
    duration_s: float
    model: str = MODEL

    def as_dict(self) -> dict[str, object]:
        """Its fields by name, the moment and who speaks first."""
        fields = asdict(self)
        return {"time": fields.pop("time"), "model": fields.pop("model"), **fields}
