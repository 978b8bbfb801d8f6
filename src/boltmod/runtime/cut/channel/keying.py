"""How a carrier is keyed: on and off or from tone to tone, and how long its symbols are.

A carrier that is hard keyed gives itself away by levels, of its envelope or of its frequency, with
little between. Its spectrum is far wider than its symbol rate, and lines at the rate's multiples
can be stronger than the one at the rate itself: the switching instants tell more. Packets with
pauses have two levels as well; inside them the carrier is keyed otherwise, and that is what counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.channel import shift
from boltmod.runtime.cut.channel.spectra import fast_length

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Run = tuple[int, int]


@dataclass(frozen=True)
class Thresholds:
    """When a carrier is taken for keyed.

    Args:
        two_levels: Share of a quantity's variance that lies between its two levels (ratio): 0.81
            for a sine, 0.75 for noise. Source: Otsu, equation 12 (see `_two_levels`).
        least_off: Share of the time off, at least (ratio); what only dips from symbol to symbol,
            as shaped PSK does, is not keyed.
        least_on: Share of the time on, at least (ratio), of short pulses with long pauses.
        least_tone: Share of the time at the rarer of two tones (ratio).
        edges: Edges that tell a keying, and that make a clock sure (count).
        shortest: Quantile of the runs that is taken for the shortest symbol (ratio); half of those
            of random symbols are.
        coherent: Length of the mean phasor of the edges on their clock (ratio, 1 if all are on
            it), from which on it is one.
        preferred: What a clock's coherence must be higher for being further from the shortest run
            (ratio per natural logarithm of the ratio of both).
        burst: Gap that ends a burst of edges (symbols): the clock may begin anew.
        fastest: Samples of the shortest symbol, at least (count), four to a bandwidth; what is
            faster is noise.
        dip: Samples that a packet may be without power (count), four to a bandwidth.
        pure: Share of an on's power in one line (ratio), from which on nothing else is keyed in it.
        four_levels: Share of a frequency's variance that lies between four tones (ratio): 0.94 for
            a uniform distribution, 0.88 for a Gaussian one.
        levels_kept: The same in the middle of the symbols (ratio).
        equal: The least of the distances between four tones over the greatest (ratio).
        two_kept: The same of two tones, from which on four of a Gaussian pulse's are but two
            (ratio): 0.8 for four.
        sound_symbols: Symbols that a frequency is averaged over to tell sound (count).
        sound_means: Such averages, at least (count).
        sound: The averages' variance over that of random symbols' (ratio), below which it is sound.
        seen: Distance of two tones in symbol rates, at least (ratio), that each is seen by itself:
            a filter for one is no longer than a symbol then.
        smoothings: Samples that a level is averaged over (count), tried in turn.
        slow_smoothings: The same of what is keyed by hand, whose noise needs more of it (count).
    """

    two_levels: float = 0.86
    least_off: float = 0.2
    least_on: float = 0.03
    least_tone: float = 0.15
    edges: tuple[int, int] = (8, 16)
    shortest: float = 0.2
    coherent: float = 0.5
    preferred: float = 0.5
    burst: float = 20.0
    fastest: float = 5.0
    dip: int = 64
    pure: float = 0.35
    four_levels: float = 0.955
    levels_kept: float = 0.965
    equal: float = 0.7
    two_kept: float = 0.91
    sound_symbols: int = 16
    sound_means: int = 10
    sound: float = 0.2
    seen: float = 1.0
    smoothings: tuple[int, ...] = (1, 4)
    slow_smoothings: tuple[int, ...] = (16, 64)


THRESHOLDS = Thresholds()
_SYMBOLS, _PHASES = 100, 16
"""Symbols whose middles are looked at, and the instants a symbol that may be its middle."""
_SAME_CLOCK = 0.04
"""Share that a period may be moved by to fit its edges best."""
_LEAST_OF_LEVEL = 0.05
"""Share of the time at each of four tones, at least."""


@dataclass(frozen=True)
class Keying:
    """What is told from the instants at which a carrier is switched, in samples.

    Args:
        is_frequency: Whether it goes from tone to tone; else it is on and off.
        period: Length of the shortest symbol.
        is_clocked: Whether all edges keep that clock.
        n_edges: Edges seen.
        low: Amplitude while off over that while on; of tones the lower, cycles a sample.
        high: 1; of tones the upper one.
        on_share: Share of the time that it is on.
        runs: Where it is on.
    """

    is_frequency: bool
    period: float
    is_clocked: bool
    n_edges: int
    low: float
    high: float
    on_share: float
    runs: tuple[Run, ...] = ()


def measure(samples: Samples, thresholds: Thresholds = THRESHOLDS) -> Keying | None:
    """Tell how a signal is keyed.

    Args:
        samples: The signal alone, with gaps of silence or without.
        thresholds: When it is taken for keyed.

    Returns:
        None if it is not hard keyed, or has fewer than eight edges.
    """
    magnitude = np.abs(samples).astype(np.float64)
    shifted = _shifted(samples, thresholds)
    if shifted is not None:
        return shifted
    for smoothing in thresholds.smoothings:
        found = _on_off(samples, magnitude, smoothing, thresholds)
        found = found or _tones(samples, magnitude, smoothing, thresholds)
        if found is not None:
            return found
    slow = (_on_off(samples, magnitude, n, thresholds) for n in thresholds.slow_smoothings)
    by_hand = next((each for each in slow if each is not None), None)
    # A hand keeps no clock; what seems to is faster keying, blurred.
    return None if by_hand is None else replace(by_hand, is_clocked=False)


def keeps_two_tones(samples: Samples, thresholds: Thresholds = THRESHOLDS) -> bool:
    """Whether a signal's frequency itself is at two levels, with little between."""
    magnitude = np.abs(samples).astype(np.float64)
    return any(
        _tones(samples, magnitude, smoothing, thresholds) is not None
        for smoothing in thresholds.smoothings
    )


def tones(samples: Samples, thresholds: Thresholds = THRESHOLDS) -> tuple[Floats, Floats] | None:
    """The four tones of a signal that goes from one to another, at equal distances.

    Returns:
        The tones, cycles a sample, (4,), and the frequency while the signal is on, whose changes
        have a line at the symbol rate; None if it has no four tones.
    """
    turn = samples[1:] * samples[:-1].conj()
    magnitude = np.abs(samples[1:])
    on = magnitude > 0.3 * np.quantile(magnitude, 0.9)
    if on.sum() < 4 * thresholds.edges[0]:
        return None
    for smoothing in (*thresholds.smoothings, 8):
        frequency = np.angle(ndimage.uniform_filter1d(turn, smoothing))[on] / (2 * np.pi)
        levels, share = _levels(np.asarray(frequency, np.float64), 4)
        steps = np.diff(levels)
        if share > thresholds.four_levels and steps.min() > thresholds.equal * steps.max():
            return levels, np.asarray(frequency, np.float64)
    return None


def kept_levels(
    frequency: Floats, period: float, thresholds: Thresholds = THRESHOLDS
) -> Floats | None:
    """The tones, two or four, that a frequency is at in the middle of each of its symbols.

    Two tones under a Gaussian pulse have four levels beside the middle, but two in it.

    Returns:
        The tones, (2,) or (4,); None if it keeps none at instants of that clock.
    """
    n = min(int(len(frequency) / period), _SYMBOLS)
    at = np.arange(n) * period
    phases = np.arange(_PHASES) / _PHASES * period
    instants = [
        frequency[np.minimum((at + phase).astype(int), len(frequency) - 1)] for phase in phases
    ]
    two, four = (max((_levels(each, n) for each in instants), key=lambda e: e[1]) for n in (2, 4))
    if two[1] > thresholds.two_kept:
        return two[0]
    is_kept = four[1] > thresholds.levels_kept and not _is_sound(frequency, period, thresholds)
    return four[0] if is_kept else None


def _is_sound(frequency: Floats, period: float, thresholds: Thresholds) -> bool:
    """Whether a frequency's mean over many symbols hardly varies: sound has none, keying has.

    Random symbols' mean over n of them has 1/n of their variance. Two tones of sound upon a
    frequency modulation, as amateurs send packets, are at four levels at some instants too.
    """
    n = int(thresholds.sound_symbols * period)
    if n < 1 or len(frequency) < thresholds.sound_means * n:
        return False
    means = ndimage.uniform_filter1d(frequency, n)[n // 2 : -n // 2]
    return bool(means.var() * thresholds.sound_symbols < thresholds.sound * frequency.var())


def _levels(values: Floats, n: int) -> tuple[Floats, float]:
    """Levels that values keep to, and the share of their variance that lies between those.

    Source: Lloyd, "Least squares quantization in PCM", IEEE Trans. Information Theory 28 (1982)
    129-137.
    """
    values = values[:: max(1, len(values) // 8192)]
    levels = np.quantile(values, (np.arange(n) + 0.5) / n)
    for _ in range(20):
        nearest = np.abs(values[:, np.newaxis] - levels).argmin(axis=1)
        counts = np.bincount(nearest, minlength=n)
        if counts.min() < _LEAST_OF_LEVEL * len(values):
            return levels, 0.0
        levels = np.bincount(nearest, weights=values, minlength=n) / counts
    left = float(((values - levels[nearest]) ** 2).mean())
    return levels, 1 - left / max(float(values.var()), 1e-300)


def bursts(samples: Samples, thresholds: Thresholds = THRESHOLDS) -> list[Run]:
    """Where a signal is on, the longest first; all of it if it never goes off."""
    magnitude = np.abs(samples).astype(np.float64)
    level = ndimage.uniform_filter1d(magnitude, 16)
    runs: list[Run] = []
    for run in _runs(_flattened(level), thresholds)[0]:
        if runs and run[0] - runs[-1][1] < thresholds.dip:
            runs[-1] = (runs[-1][0], run[1])
        else:
            runs.append(run)
    return sorted(runs, key=lambda run: run[0] - run[1]) or [(0, len(samples))]


def _on_off(
    samples: Samples, magnitude: Floats, smoothing: int, thresholds: Thresholds
) -> Keying | None:
    level = ndimage.uniform_filter1d(magnitude, smoothing)
    runs, edges = _runs(_flattened(level), thresholds)
    if len(edges) < thresholds.edges[0] or not _is_pure(samples, runs, thresholds):
        return None
    period, is_clocked = _clock(edges, thresholds)
    if period < max(thresholds.fastest, smoothing):
        return None
    if not is_clocked and len(runs) > 1:
        # They may be packets of a carrier that is never quite off.
        first, end = max(runs, key=lambda run: run[1] - run[0])
        first, end = first + (end - first) // 50, end - (end - first) // 50
        inner = _on_off(samples[first:end], magnitude[first:end], smoothing, thresholds)
        if inner is not None and inner.is_clocked:
            return replace(inner, runs=tuple((a + first, b + first) for a, b in inner.runs))
    on = np.zeros(len(level), np.bool_)
    for start, end in runs:
        on[start:end] = True
    low = float(np.median(level[~on]) / max(np.median(level[on]), 1e-30))
    n = len(edges)
    return Keying(False, period, is_clocked, n, low, 1.0, float(on.mean()), tuple(runs))


def _shifted(samples: Samples, thresholds: Thresholds) -> Keying | None:
    """Of two tones far apart, each seen by itself; what goes to and fro as a sine is sound."""
    found = shift.measure(samples)
    if found is None or len(found.edges) < thresholds.edges[0]:
        return None
    low, high, _ = _two_levels(found.balance, thresholds)
    period, is_clocked = _clock(found.edges, thresholds)
    index = period * (found.tones[1] - found.tones[0])
    if high <= low or not is_clocked or period < thresholds.fastest or index < thresholds.seen:
        return None
    return Keying(True, period, True, len(found.edges), *found.tones, found.on_share)


def _tones(
    samples: Samples, magnitude: Floats, smoothing: int, thresholds: Thresholds
) -> Keying | None:
    turn = samples[1:] * samples[:-1].conj()
    frequency = np.angle(ndimage.uniform_filter1d(turn, smoothing)) / (2 * np.pi)
    on = magnitude[1:] > 0.3 * np.quantile(magnitude, 0.9)
    own = np.asarray(frequency[on], np.float64)
    if len(own) < 4 * thresholds.edges[0]:
        return None
    low, high, share = _two_levels(own, thresholds)
    if high <= low or not thresholds.least_tone < share < 1 - thresholds.least_tone:
        return None
    edges = _edges(own, low, high)
    if len(edges) < thresholds.edges[0]:
        return None
    period, is_clocked = _clock(edges, thresholds)
    if period < thresholds.fastest:
        return None
    return Keying(True, period, is_clocked, len(edges), low, high, float(on.mean()))


def _flattened(level: Floats) -> Floats:
    """A level whose variations far above its middle are made small, those of fading for one."""
    level = np.maximum(level, 0)  # a moving mean may end a little below
    quiet, loudest = np.quantile(level, [0.05, 0.995])
    loud = level[level > np.sqrt(max(quiet, 1e-3 * loudest) * loudest)]
    middle = (level.min() + np.median(loud)) / 2 if len(loud) else 0.0
    return np.asarray(level / (level + middle) if middle > 0 else level, np.float64)


def _runs(level: Floats, thresholds: Thresholds) -> tuple[list[Run], Floats]:
    """Where a level is high, and the instants at which it changes."""
    nothing: tuple[list[Run], Floats] = [], np.empty(0)
    if len(level) < 4 * thresholds.edges[0]:
        return nothing
    low, high, off = _two_levels(level, thresholds)
    if high <= low or not thresholds.least_off < off < 1 - thresholds.least_on:
        return nothing
    edges = _edges(level, low, high)
    places = [0, *np.ceil(edges).astype(int).tolist(), len(level)]
    middle = (low + high) / 2
    runs = [(a, b) for a, b in pairwise(places) if b > a and level[a:b].mean() > middle]
    return runs, edges


def _edges(level: Floats, low: float, high: float) -> Floats:
    """Instants at which a quantity goes from one of its two levels to the other."""
    third = (high - low) / 3
    state = np.where(level > high - third, 1, np.where(level < low + third, -1, 0))
    known = np.flatnonzero(state)
    flips = np.flatnonzero(np.diff(state[known]))
    return np.asarray((known[flips] + known[flips + 1]) / 2, np.float64)


def _two_levels(level: Floats, thresholds: Thresholds) -> tuple[float, float, float]:
    """The two levels that a quantity keeps to, and the lower one's share; equal if it does not.

    Source: Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9
    (1979) 62-66, equation 12.
    """
    ordered = np.sort(level[:: max(1, len(level) // 4096)])
    n = len(ordered)
    count = np.arange(1, n)
    sums = np.cumsum(ordered)[:-1]
    low, high = sums / count, (sums[-1] + ordered[-1] - sums) / (n - count)
    between = count / n * (1 - count / n) * (high - low) ** 2
    best = int(between.argmax())
    if between[best] < thresholds.two_levels * ordered.var():
        return 0.0, 0.0, 0.0
    return float(low[best]), float(high[best]), (best + 1) / n


def _is_pure(samples: Samples, runs: list[Run], thresholds: Thresholds) -> bool:
    """Whether a carrier is but on while it is on: one line, or a slow pull."""
    long = sorted(runs, key=lambda run: run[0] - run[1])[:32]
    shares = [_share_of_line(samples[a:b]) for a, b in long[: max(4, len(runs) // 2)]]
    return bool(shares) and float(np.median(shares)) >= thresholds.pure


def _share_of_line(run: Samples) -> float:
    """Share of a run's power in its strongest line; a steady pull is taken out."""
    if len(run) < 4:
        return 1.0
    run = run[: 1 << 12].astype(np.complex128)
    late = max(1, len(run) // 8)
    shares = []
    for wave in (run, run[late:] * run[:-late].conj()):
        n_fft = fast_length(2 * len(wave))
        peak = float((np.abs(np.fft.fft(wave, n_fft)) ** 2).max())
        shares.append(peak / max(len(wave) * float((np.abs(wave) ** 2).sum()), 1e-300))
    return max(shares)


def _clock(edges: Floats, thresholds: Thresholds) -> tuple[float, bool]:
    """The clock that edges keep, each burst of them with a phase of its own."""
    runs = np.diff(edges)
    runs = runs[runs > 0.25 * np.median(runs)]
    shortest = float(np.quantile(runs, thresholds.shortest))
    unit = float(runs[runs < 1.4 * shortest].mean())
    parts = list(_bursts_of(edges, thresholds.burst * unit, thresholds.edges[0]))
    if not parts:
        return unit, False
    # The clock is tried at steps that the last edge of the longest burst would notice.
    longest = max(float(part[-1]) for part in parts)
    step = unit * min(0.02, 0.2 * unit / max(longest, unit))
    periods = np.arange(0.8 * unit, 1.25 * unit, step)
    n = sum(len(part) for part in parts)
    fit = (
        sum(np.abs(np.exp(2j * np.pi * p / periods[:, np.newaxis]).sum(axis=1)) for p in parts) / n
    )
    # Pulses that are stretched fit several clocks: the one nearest to the shortest of them wins.
    best = int(np.argmax(fit - thresholds.preferred * np.abs(np.log(periods / unit))))
    near = np.flatnonzero(np.abs(periods / periods[best] - 1) < _SAME_CLOCK)
    best = int(near[np.argmax(fit[near])])
    chance = 2 / np.sqrt(n / len(parts))
    if fit[best] < max(thresholds.coherent, min(0.9, chance)) or n < thresholds.edges[1]:
        return unit, False
    return float(periods[best]), True


def _bursts_of(edges: Floats, gap: float, least: int) -> Iterator[Floats]:
    """Edges near each other, from the first of them, at most 200 together."""
    for part in np.split(edges, np.flatnonzero(np.diff(edges) > gap) + 1)[:16]:
        if len(part) >= least:
            yield part[:200] - part[0]
