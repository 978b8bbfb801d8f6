"""A signal from when it comes on until it falls silent: a row of the page's table."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.signal import Signal
from boltmod.runtime.cut.track import Track
from boltmod.runtime.labels import Labels
from boltmod.runtime.sink.event import Event
from boltmod.runtime.symbols import symbols
from boltmod.runtime.verdict import Tally, Verdict
from boltmod.runtime.window import Windows
from boltmod.serve.ring import written

_DRAWN = 4
"""Windows that a constellation is drawn of."""
_LEAST_SHARE = 1e-5
"""Of a spectrum's strongest bin: what is less is drawn as that."""


@dataclass(frozen=True)
class Row:
    """What the table says of a signal; None for what is unknown.

    Args:
        id: Number of the appearance.
        signal: Number of the signal, the same each time that it comes on.
        start_utc: When it came on.
        end_utc: When it was last heard.
        is_on: Whether it still is on.
        first_sample: Sample of the stream at which it came on.
        end_sample: The sample after the last one that it was heard in.
        frequency_hz: Its carrier, or the middle of its band, on the air; None if nobody knows where
            the receiver is tuned to.
        offset_hz: The same from the middle of the stream's band.
        low_hz: Lower edge of its band, from the middle of the stream's.
        high_hz: Upper edge.
        bandwidth_hz: Width that holds 99 % of its power.
        symbol_rate_hz: Symbols a second.
        symbol_rate_is_sure: Whether that was measured; else it follows from the bandwidth.
        snr_db: Power over the noise in its band.
        class_name: What it is; None as long as no window was whole.
        probability: Mean probability of that class over its windows.
        n_windows: Windows that were given a class.
        top_classes: The three most probable classes and their mean probabilities.
        is_by_waveform: Whether the class was told from how it is keyed.
        label_end_sample: End of the window that was labelled last.
    """

    id: int
    signal: int
    start_utc: str
    end_utc: str
    is_on: bool
    first_sample: int
    end_sample: int
    frequency_hz: float | None
    offset_hz: float
    low_hz: float
    high_hz: float
    bandwidth_hz: float
    symbol_rate_hz: float
    symbol_rate_is_sure: bool
    snr_db: float | None
    class_name: str | None
    probability: float | None
    n_windows: int
    top_classes: dict[str, float]
    is_by_waveform: bool
    label_end_sample: int | None

    def as_dict(self) -> dict[str, Any]:
        """Its columns by name."""
        return asdict(self)

    def event(self, kind: str, rate_hz: float) -> Event:
        """What is told of it as it begins or ends.

        Args:
            kind: `start` or `end`.
            rate_hz: Samples of the stream a second.
        """
        moment, sample = (
            (self.start_utc, self.first_sample)
            if kind == "start"
            else (self.end_utc, self.end_sample)
        )
        duration_s = (self.end_sample - self.first_sample) / rate_hz
        return Event(
            moment, round(sample / rate_hz, 6), kind, self.id, self.signal,
            self.class_name, self.probability,
            None if self.frequency_hz is None else round(self.frequency_hz / 1e6, 6),
            self.offset_hz, self.bandwidth_hz, self.symbol_rate_hz, self.snr_db,
            round(duration_s, 6),
        )  # fmt: skip


@dataclass
class Appearance:
    """A signal that is on, or was.

    Args:
        id: Number of the appearance.
        track: The signal.
        classes: Name of each class.
        start_utc: When it came on.
        first_sample: Where it came on.
        end_sample: Up to where it was heard.
    """

    id: int
    track: Track
    classes: tuple[str, ...]
    start_utc: datetime
    first_sample: int
    end_sample: int
    is_on: bool = True
    is_measured: bool = True
    done: int = 0
    n_missed: int = 0
    label_end: int | None = None
    end_utc: datetime | None = None
    tally: Tally = field(init=False)
    windows: deque[Samples] = field(default_factory=lambda: deque(maxlen=_DRAWN))

    def __post_init__(self) -> None:
        self.tally = Tally(self.classes)
        self.end_utc = self.start_utc

    def add(self, windows: Windows, labels: Labels) -> None:
        """Count labels in."""
        if self.tally.take(labels):
            samples = windows.samples[~labels.is_constant]
            self.tally.waveform.add(samples)
            self.windows.extend(samples)

    @property
    def signal(self) -> Signal:
        """What is known of the signal."""
        return self.track.signal

    @property
    def verdict(self) -> Verdict:
        """What it is, as far as was heard."""
        return self.tally.verdict(self.signal)

    def row(self, centre_hz: float | None) -> Row:
        """What the table says of it.

        Args:
            centre_hz: Radio frequency of the middle of the stream's band.
        """
        verdict = self.verdict
        signal = verdict.signal
        middle_hz = signal.middle_hz
        probability = verdict.probability
        return Row(
            id=self.id,
            signal=signal.number,
            start_utc=written(self.start_utc),
            end_utc=written(self.end_utc or self.start_utc),
            is_on=self.is_on,
            first_sample=self.first_sample,
            end_sample=self.end_sample,
            frequency_hz=None if centre_hz is None else round(centre_hz + middle_hz, 1),
            offset_hz=round(middle_hz, 1),
            low_hz=round(signal.offset_hz - signal.bandwidth_hz / 2, 1),
            high_hz=round(signal.offset_hz + signal.bandwidth_hz / 2, 1),
            bandwidth_hz=round(signal.bandwidth_hz, 1),
            symbol_rate_hz=round(signal.symbol_rate_hz, 1),
            symbol_rate_is_sure=signal.symbol_rate_is_sure,
            snr_db=None if signal.snr_db is None else round(signal.snr_db, 1),
            class_name=verdict.class_name,
            probability=None if probability is None else round(probability, 4),
            n_windows=verdict.n_windows,
            top_classes={name: round(share, 4) for name, share in verdict.top_classes.items()},
            is_by_waveform=verdict.is_by_waveform,
            label_end_sample=self.label_end,
        )

    def detail(self) -> dict[str, Any]:
        """What is shown of a signal that was chosen: constellation, spectrum, reasons."""
        signal = self.signal
        return {
            "constellation": self._constellation(signal.carrier_order),
            "spectrum": self._spectrum(),
            "reasons": reasons(self.verdict),
        }

    def _constellation(self, carrier_order: int) -> list[list[float]]:
        points: list[list[float]] = []
        for window in self.windows:
            level = float(np.sqrt(np.mean(np.abs(window) ** 2))) or 1.0
            cloud = symbols(window / level, carrier_order)
            points += [[round(p.real, 3), round(p.imag, 3)] for p in cloud.tolist()]
        return points

    def _spectrum(self) -> dict[str, list[float]] | None:
        """Power over the offset from the middle of the stream's band, dB below the strongest."""
        spectrum = self.track.measured.spectrum
        if spectrum is None or not spectrum[1].max() > 0:
            return None
        order = np.argsort(spectrum[0])
        frequency, power = spectrum[0][order], spectrum[1][order]
        own = np.flatnonzero(power > 0)
        part = slice(int(own[0]), int(own[-1]) + 1)
        level = np.maximum(power[part] / power.max(), _LEAST_SHARE)
        return {
            "offset_hz": np.round(frequency[part] * self.track.rate_hz, 1).tolist(),
            "level_db": np.round(10 * np.log10(level), 2).tolist(),
        }


def reasons(verdict: Verdict) -> list[tuple[str, str]]:
    """Why a signal is said to be where and what it is: what is told, and what told it."""
    signal, evidence = verdict.signal, verdict.signal.evidence
    certainty = "measured" if signal.symbol_rate_is_sure else "a guess"
    told = [
        ("Carrier", evidence.carrier or "the middle of the band"),
        ("Symbol rate", f"{certainty}: {evidence.clock}"),
    ]
    if evidence.power_share is not None:
        told.append(("Channel", f"{evidence.power_share:.0%} of the signal's power, "
                     f"{evidence.samples_per_symbol:.3g} samples a symbol"))  # fmt: skip
    if evidence.frequency_deviation_hz is not None:
        told.append(("Keying", f"{evidence.n_tones} tones, deviation "
                     f"{evidence.frequency_deviation_hz:,.0f} Hz"))  # fmt: skip
    elif evidence.keying:
        told.append(("Keying", f"{evidence.keying}, on {evidence.on_share:.0%} of the time"))
    if evidence.message:
        told.append(("Message", f"{evidence.message}, on its {evidence.message_in}"))
    if evidence.subcarrier_spacing_hz is not None:
        told.append(("Prefix", f"subcarriers {evidence.subcarrier_spacing_hz:,.0f} Hz apart"))
    told.append(("Envelope", f"varies by {evidence.envelope_variation:.0%}"))
    if verdict.is_by_waveform:
        told.append(("Class", "by its waveform, whatever the network says"))
    elif verdict.class_name is not None:
        told.append(("Class", f"by the network, over {verdict.n_windows:,} windows"))
    return told
