"""What a detected signal is like: its band in finer steps, its carrier, its symbol rate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.band import N_BINS, Band, occupied
from boltmod.runtime.cut.channel import carrier, symbol_rate
from boltmod.runtime.cut.channel.carrier import Carrier
from boltmod.runtime.cut.channel.detection import Detection, Span
from boltmod.runtime.cut.channel.noise import is_noise
from boltmod.runtime.cut.channel.select import Channel, select
from boltmod.runtime.cut.channel.symbol_rate import SymbolRate

_MEASURED_SAMPLES = 1 << 17
_NARROW = 16 / N_BINS
"""Bands of fewer bins are measured again in finer ones."""
_FINE = 256
_OVERSAMPLING = 4
_TONE_SEGMENT = 8192
_TONE_SHARE = 0.9
_TONE_BINS = 5
_CLICK_CELLS = 6
_KEYED_SPANS = 4
_KEYED_GAP = 2
"""Gaps in lengths of the longest span."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """A detection and what was measured of it, in cycles and symbols a sample.

    Args:
        detection: Where it is, its band in finer steps if it is narrow.
        carrier: Its carrier's frequency; None if no line tells.
        carrier_power: Power of the signal that the line was found in; 0 without.
        line: Its symbol rate; None if nothing tells.
        power: Mean power while it is on, noise included.
    """

    detection: Detection
    carrier: float | None
    carrier_power: int
    line: SymbolRate | None
    power: float


def measure(samples: Samples, start: int, found: Detection) -> Measured | None:
    """Look closer at a signal.

    Args:
        samples: A piece of the recording.
        start: Number of its first sample, which the spans count from.
        found: The signal.

    Returns:
        None if it is but a tone, a click, or noise that a receiver's filter has shaped.
    """
    if found.band.width < _NARROW:
        found = _narrowed(samples, start, found)
    alone, rate = _alone(samples, start, found, 1.0)
    if not len(alone) or not np.any(alone):
        return None
    always = found.spans[0][0] <= start and found.spans[-1][1] >= start + len(samples)
    if always and _is_tone(alone):
        return None
    bandwidth = found.band.width / rate
    if _is_click(alone, bandwidth):
        return None
    line = symbol_rate.estimate(alone, bandwidth)
    seen: Carrier | None = carrier.find(alone, bandwidth)
    if found.is_doubtful and not (line is not None and line.is_sure) and is_noise(alone):
        return None
    return Measured(
        found,
        None if seen is None else found.band.centre + seen.offset * rate,
        0 if seen is None else seen.power,
        None if line is None else replace(line, rate=line.rate * rate),
        float(np.mean(np.abs(alone.astype(np.complex128)) ** 2)),
    )


def _alone(samples: Samples, start: int, found: Detection, widened: float) -> tuple[Samples, float]:
    """The signal while it is on longest, around 0 Hz, and its samples a sample of the band."""
    rate = min(2.0, _OVERSAMPLING * found.band.width)
    first, end = _longest(found.spans)
    end = min(end, first + int(_MEASURED_SAMPLES / rate))
    channel = Channel(found.band.centre, found.band.width * widened, rate)
    parts = list(select([samples[first - start : end - start]], channel))
    return np.concatenate(parts or [np.empty(0, np.complex64)]), rate


def _longest(spans: tuple[Span, ...]) -> Span:
    """The longest time that a signal is on; a keyed carrier's short gaps do not end it."""
    longest = max(end - start for start, end in spans)
    if len(spans) < _KEYED_SPANS:
        return max(spans, key=lambda span: span[1] - span[0])
    joined = [spans[0]]
    for span in spans[1:]:
        if span[0] - joined[-1][1] <= _KEYED_GAP * longest:
            joined[-1] = (joined[-1][0], span[1])
        else:
            joined.append(span)
    return max(joined, key=lambda span: span[1] - span[0])


def _narrowed(samples: Samples, start: int, found: Detection) -> Detection:
    """The detection with its band in steps of a 64th of it."""
    alone, rate = _alone(samples, start, found, 2.0)
    if len(alone) < 4 * _FINE:
        return found
    _, spectrum = signal.welch(
        alone, nperseg=_FINE, return_onesided=False, detrend=False, window="hann"
    )
    spectrum = fft.fftshift(spectrum)
    offset = fft.fftshift(fft.fftfreq(_FINE)) * rate / found.band.width
    beside = (np.abs(offset) > 0.7) & (np.abs(offset) < 1.1)
    own = np.abs(offset) <= 0.75
    excess = np.maximum(spectrum - np.median(spectrum[beside]), 0)[own]
    if not excess.sum():
        return found
    first, end = occupied(excess)
    edges = offset[own][[first, end - 1]] * found.band.width
    step = rate / _FINE
    centre = found.band.centre + float(edges.mean())
    return replace(found, band=Band(centre, float(edges[1] - edges[0]) + 2 * step))


def _is_click(alone: Samples, bandwidth: float) -> bool:
    """Whether most of the power comes within the time of a few symbols."""
    power = np.abs(alone.astype(np.complex128)) ** 2
    n_lasting = power.sum() ** 2 / (power**2).sum()
    return bool(n_lasting * bandwidth < _CLICK_CELLS)


def _is_tone(alone: Samples) -> bool:
    n = min(len(alone), _TONE_SEGMENT)
    _, spectrum = signal.welch(
        alone, nperseg=n, return_onesided=False, detrend=False, window="hann"
    )
    best = int(spectrum.argmax())
    line = np.take(spectrum, range(best - _TONE_BINS // 2, best + _TONE_BINS // 2 + 1), mode="wrap")
    return bool(line.sum() > _TONE_SHARE * spectrum.sum())
