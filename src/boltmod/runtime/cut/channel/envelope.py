"""Humps of a spectrum that are one signal, for together they have a constant envelope.

The sidebands of a frequency modulation come and go, and their sum does not: what varies in one of
them is made up for in the others. No two signals of different senders do that.

Source: J. Carson, "Notes on the theory of modulation", Proc. IRE 10(1), 1922 (the spectrum of a
frequency modulation by a tone: lines at its multiples).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.band import Band
from boltmod.runtime.cut.channel.detection import Detection
from boltmod.runtime.cut.channel.select import Channel, select


@dataclass(frozen=True)
class Thresholds:
    """When humps are one signal.

    Args:
        humps: Humps, at least (count).
        constant: Deviation of the amplitude of all over its mean, at most (ratio).
        varying: The same of the strongest alone, at least (ratio).
        together: Share of the time that a hump is on with the strongest, at least (ratio).
        samples: Samples that are looked at, at most (count).
        widest: Of the band, that they may fill (ratio).
        wider: Band that is looked at, over that from the first to the last (ratio).
    """

    humps: int = 3
    constant: float = 0.3
    varying: float = 0.35
    together: float = 0.9
    samples: int = 1 << 16
    widest: float = 0.8
    wider: float = 1.2


THRESHOLDS = Thresholds()


def joined(samples: Samples, start: int, found: Sequence[Detection]) -> list[Detection]:
    """What was found, humps that have a constant envelope together as one.

    Args:
        samples: A piece of the recording.
        start: Number of its first sample, which the spans count from.
        found: What was found in it, the strongest first.
    """
    if len(found) < THRESHOLDS.humps:
        return list(found)
    first = found[0]
    parts = [each for each in found if _on_together(each, first) >= THRESHOLDS.together]
    low, high = min(e.band.lower for e in parts), max(e.band.upper for e in parts)
    if len(parts) < THRESHOLDS.humps or high - low > THRESHOLDS.widest:
        return list(found)
    hull = Band((low + high) / 2, high - low)
    a, b = max(first.spans, key=lambda span: span[1] - span[0])
    part = samples[a - start : min(b, a + THRESHOLDS.samples) - start]
    if (
        _variation(part, first.band) < THRESHOLDS.varying
        or _variation(part, hull) > THRESHOLDS.constant
    ):
        return list(found)
    powers = [each.band.width * 10 ** (each.snr_db / 10) for each in parts]
    snr_db = float(10 * np.log10(sum(powers) / hull.width))
    whole = replace(first, band=hull, snr_db=snr_db)
    return [whole, *(each for each in found if each not in parts)]


def _on_together(one: Detection, other: Detection) -> float:
    """Share of the time that one is on, that another is on as well."""
    common = sum(max(0, min(b, d) - max(a, c)) for a, b in one.spans for c, d in other.spans)
    return common / sum(end - first for first, end in one.spans)


def _variation(part: Samples, band: Band) -> float:
    """Deviation of the amplitude of what is in a band over its mean."""
    width = min(1.0, THRESHOLDS.wider * band.width)
    parts = list(select([part], Channel(band.centre, width, min(1.0, 2 * width))))
    amplitude = np.abs(np.concatenate(parts)) if parts else np.empty(0)
    edge = len(amplitude) // 32
    amplitude = amplitude[edge : len(amplitude) - edge]
    if not len(amplitude) or not amplitude.any():
        return np.inf
    return float(amplitude.std() / amplitude.mean())
