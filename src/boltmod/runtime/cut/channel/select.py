"""One channel out of a band: shifted to 0 Hz, filtered, and resampled by any ratio."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.channel.spectra import low_pass

_HALF_LENGTH = 12
"""The filter's length to either side, in periods of its bandwidth."""
_STEPS = 512
"""Points a period at which the filter is tabulated; in between it is interpolated linearly."""
_PHASES = 4096
"""Instants a period of the filter's bandwidth that a sample's time is rounded to: -68 dB."""
_PRODUCTS_AT_ONCE = 1 << 20
_GUARD = 1.25
"""Passband over the signal's bandwidth: room for a centre that is a little off."""


@cache
def _table() -> NDArray[np.float32]:
    """A low-pass filter of bandwidth 1 (cut-off 1/2), (2 * half length * steps + 2,)."""
    n = 2 * _HALF_LENGTH * _STEPS + 1
    taps = low_pass(n, 1 / _STEPS, 6.0) * _STEPS
    return np.asarray(np.append(taps, 0), np.float32)


@lru_cache(maxsize=32)
def _bank(cut_off: float, reach: int) -> NDArray[np.float32]:
    """The filter at every fraction of a sample that it is used at, (n_phases + 1, 2 reach + 1)."""
    n_phases = max(1, int(np.ceil(_PHASES * cut_off)))
    late = np.arange(n_phases + 1) / n_phases
    away = (np.arange(-reach, reach + 1) - late[:, np.newaxis]) * cut_off
    position = (np.clip(away, -_HALF_LENGTH, _HALF_LENGTH) + _HALF_LENGTH) * _STEPS
    below = position.astype(np.int64)
    part = (position - below).astype(np.float32)
    table = _table()
    weights = table[below] * (1 - part) + table[below + 1] * part
    weights[np.abs(away) >= _HALF_LENGTH] = 0
    return np.asarray(weights * np.float32(cut_off), np.float32)


@dataclass(frozen=True)
class Channel:
    """A part of a band, frequencies in cycles a sample of the whole band.

    Args:
        centre: Its middle, -1/2 to 1/2.
        bandwidth: Its width; what lies further than 1.25 times half of it away is suppressed.
        samples_out: Samples of the channel for each sample of the band, above 0.
    """

    centre: float
    bandwidth: float
    samples_out: float

    @property
    def cut_off(self) -> float:
        """Width of the filter's passband: neither the band's rate nor the new one is exceeded."""
        return min(self.bandwidth * _GUARD, self.samples_out, 1.0)


def select(blocks: Iterable[Samples], channel: Channel) -> Iterator[Samples]:
    """Take a channel out of a band.

    Sample k of the channel is the filtered band at the time of its sample k / samples_out: both
    begin together. The values do not depend on the blocks, and memory not on the length.

    Source: Crochiere, Rabiner, "Multirate Digital Signal Processing" (1983), 2.4 (sampling rate
    conversion as the evaluation of the interpolated signal at new times).

    Args:
        blocks: The band, zero before and after.
        channel: What to take.
    """
    reach = int(np.ceil(_HALF_LENGTH / channel.cut_off)) + 1
    bank = _bank(channel.cut_off, reach)
    held, start = np.zeros(reach, np.complex64), -reach
    n_in, k = 0, 0
    for block in blocks:
        times = n_in + np.arange(len(block), dtype=np.float64)
        turn = np.exp(-2j * np.pi * np.mod(channel.centre * times, 1.0))
        held = np.concatenate([held, (block * turn).astype(np.complex64)])
        n_in += len(block)
        end = _count(n_in - reach, channel.samples_out)
        yield from _interpolated(held, start, range(k, max(k, end)), channel, bank)
        k = max(k, end)
        first = int(np.floor(k / channel.samples_out)) - reach
        held, start = held[max(0, first - start) :], max(start, first)
    held = np.concatenate([held, np.zeros(reach + 1, np.complex64)])
    end = _count(n_in, channel.samples_out)
    yield from _interpolated(held, start, range(k, max(k, end)), channel, bank)


def _count(n_in: int, samples_out: float) -> int:
    """Samples of the channel whose time lies before sample n_in of the band."""
    return max(0, int(np.ceil(n_in * samples_out)))


def _interpolated(
    held: Samples, start: int, numbers: range, channel: Channel, bank: NDArray[np.float32]
) -> Iterator[Samples]:
    n_taps = bank.shape[1]
    n_at_once = max(1, _PRODUCTS_AT_ONCE // n_taps)
    for first in range(numbers.start, numbers.stop, n_at_once):
        k = np.arange(first, min(first + n_at_once, numbers.stop), dtype=np.float64)
        times = k / channel.samples_out
        nearest = np.floor(times).astype(np.int64)
        phase = np.rint((times - nearest) * (len(bank) - 1)).astype(np.int64)
        view = np.lib.stride_tricks.sliding_window_view(held, n_taps)
        picked = view[nearest - n_taps // 2 - start]
        yield np.einsum("kn,kn->k", picked, bank[phase]).astype(np.complex64)
