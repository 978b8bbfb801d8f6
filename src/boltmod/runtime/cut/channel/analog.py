"""Analog messages on a carrier's frequency: a voice, a picture on a subcarrier, stereo sound.

A network that has learned frequency-shift keying takes them for that where it sees but some
hundred microseconds of them.

Source: ITU-R BS.450, "Transmission standards for FM sound broadcasting at VHF" (the pilot tone of
19 kHz); Picinbono, "On circularity", IEEE Trans. Signal Process. 42(12), 1994: what bears a real
message on both sidebands, as the 2.4 kHz of a weather picture, is improper around its carrier, and
two tones that take turns are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.channel import voice
from boltmod.runtime.cut.channel.spectra import hann

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds:
    """When a carrier's frequency bears an analog message.

    Args:
        envelope: Deviation of the amplitude over its mean, at most (ratio).
        segment: Samples of a spectrum of the frequency, at most (count).
        line_bins: Bins to both sides that a line is spread over (count).
        lowest: A subcarrier's frequency, at least (bandwidths).
        share: Share of the frequency's power in a subcarrier, at least (ratio).
        real: How improper what is around it is, at least (1 for a real message).
        depth: Deviation of its amplitude over its mean, at least (ratio): else it is but a tone.
        block: Samples over which its phase stays as it is (count).
        pilot_hz: Frequency of a stereo pilot (Hz).
        pilot_off_hz: How far off it may be (Hz): it is exact to 2 Hz.
        pilot_beside_hz: Where its neighbours are (Hz).
        pilot: Power of a pilot over that of its neighbours, at least (ratio).
    """

    envelope: float = 0.4
    segment: int = 8192
    line_bins: int = 3
    lowest: float = 0.02
    share: float = 0.3
    real: float = 0.8
    depth: float = 0.2
    block: int = 512
    pilot_hz: float = 19e3
    pilot_off_hz: float = 30.0
    pilot_beside_hz: float = 1500.0
    pilot: float = 100.0


THRESHOLDS = Thresholds()
SUBCARRIER = "a subcarrier"
_LEAST = 4


def on_frequency(samples: Samples, bandwidth: float, rate_hz: float) -> str:
    """What a carrier's frequency bears, in words; empty if it is nothing analog.

    Args:
        samples: The signal alone, around 0 Hz.
        bandwidth: Its width, in cycles a sample.
        rate_hz: Samples a second; 0 if that is not known.
    """
    amplitude = np.abs(samples)
    if len(samples) < _LEAST * THRESHOLDS.block or not amplitude.all():
        return ""
    if amplitude.std() > THRESHOLDS.envelope * amplitude.mean():
        return ""
    frequency = np.angle(samples[1:] * samples[:-1].conj()).astype(np.float64)
    frequency -= frequency.mean()
    n = min(len(frequency), THRESHOLDS.segment)
    parts = np.lib.stride_tricks.sliding_window_view(frequency, n)[:: n // 2]
    power = (np.abs(np.fft.rfft(parts * hann(n), axis=1)) ** 2).mean(axis=0)
    if _has_pilot(power, rate_hz / n):
        return "a stereo pilot"
    if _has_subcarrier(frequency, power[: int(n * bandwidth / 2) + 1], n, bandwidth):
        return SUBCARRIER
    is_spoken = rate_hz > 0 and voice.is_on_frequency(samples, rate_hz)
    return "a voice" if is_spoken else ""


def _has_pilot(power: Floats, step_hz: float) -> bool:
    """Whether there is a line at a stereo pilot's frequency."""
    if step_hz <= 0 or THRESHOLDS.pilot_hz + THRESHOLDS.pilot_beside_hz > len(power) * step_hz:
        return False
    away = np.abs(np.arange(len(power)) * step_hz - THRESHOLDS.pilot_hz)
    own = away <= max(THRESHOLDS.pilot_off_hz, step_hz)
    beside = (away < THRESHOLDS.pilot_beside_hz) & (
        away > 4 * max(THRESHOLDS.pilot_off_hz, step_hz)
    )
    if not beside.any():
        return False
    return bool(power[own].max() > THRESHOLDS.pilot * np.median(power[beside]))


def _has_subcarrier(frequency: Floats, power: Floats, n: int, bandwidth: float) -> bool:
    """Whether one line bears a real message, most of what there is."""
    first = max(1, int(n * bandwidth * THRESHOLDS.lowest))
    if len(power) < first + 2 * THRESHOLDS.line_bins:
        return False
    line = first + int(power[first:].argmax())
    reach = slice(max(0, line - THRESHOLDS.line_bins), line + THRESHOLDS.line_bins + 1)
    if power[reach].sum() < THRESHOLDS.share * power.sum():
        return False
    turn = np.exp(-2j * np.pi * line / n * np.arange(len(frequency)))
    around = frequency * turn
    n_period = max(1, n // line)
    around = ndimage.uniform_filter1d(around.real, n_period) + 1j * ndimage.uniform_filter1d(
        around.imag, n_period
    )
    blocks = around[: len(around) // THRESHOLDS.block * THRESHOLDS.block]
    blocks = blocks.reshape(-1, THRESHOLDS.block)
    whole = (np.abs(blocks) ** 2).sum()
    amplitude = np.abs(blocks)
    is_real = np.abs((blocks**2).sum(axis=1)).sum() > THRESHOLDS.real * whole
    return bool(is_real and amplitude.std() > THRESHOLDS.depth * amplitude.mean())
