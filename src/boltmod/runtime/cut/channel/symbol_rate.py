"""How fast a signal's symbols come, from the periodicity they leave.

Source: Gardner, "Exploitation of spectral redundancy in cyclostationary signals", IEEE Signal
Processing Magazine 8 (1991) 14-36: the spectrum of |x|^2 of a pulse-shaped signal has a line at the
symbol rate; so has that of |dx| for pulses without excess bandwidth, on-off keying for instance;
that of x^2 has two, the symbol rate of an arm to either side of twice the carrier, where the arms
are half a symbol apart (offset QPSK) and none between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.channel import keying
from boltmod.runtime.cut.channel.keying import Keying
from boltmod.runtime.cut.channel.spectra import fast_length, hann, welch

_MIN_SAMPLES = 256
_BINS = 256
_CLEAR = 0.8
"""Share of the power that is the signal's, from which on the noise's part is known: 6 dB."""
OFFSET = "two lines of x²"
"""What tells the clock of offset and minimum-shift keying."""
_BESIDE = (0.53, 0.6)
"""Half bandwidths (of 1) between which a channel holds noise alone: it lets 1.25 of one through."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds:
    """When a line is taken for that of the symbols.

    Args:
        sure: Height of a line over the level of its neighbours (ratio of amplitudes). The highest
            of 10^5 of noise is 4.1, those of OFDM reach 6.
        lasting: Its height in a quarter of the samples (ratio of amplitudes), which three quarters
            must have: half of what all of them have, for a line that lasts.
        slowest: Symbols a bandwidth of 99 % of the power, at least and at most (ratio). Shaped
            pulses have 1 / (1 + rolloff), from 0.5 to 1.
        fastest: The same, at most.
        lowest: Of rectangular pulses, whose lines are a comb (ratio): 0.05 for the bandwidth that
            holds 99 %.
        comb: Lines of the comb that must be there (count).
        comb_sure: Height of each (ratio of amplitudes), a fixed place, so that chance needs less.
        pair: The weaker of two lines of x^2 over the stronger one (ratio of amplitudes).
        pair_sure: Height of the weaker one (ratio of amplitudes).
        amid: Distance of their middle from the middle of the band, at most (bandwidths), halved.
        constant: Fourth moment of a constant envelope over its second squared (ratio), at most: 1
            without noise.
    """

    sure: float = 7.0
    lasting: float = 1.8
    slowest: float = 1 / 2.4
    fastest: float = 1.08
    lowest: float = 0.02
    comb: int = 4
    comb_sure: float = 3.5
    pair: float = 0.5
    pair_sure: float = 7.0
    amid: float = 0.15
    constant: float = 1.1


THRESHOLDS = Thresholds()


@dataclass(frozen=True)
class SymbolRate:
    """An estimate.

    Args:
        rate: Symbols a sample.
        prominence: The line's height over the level of its neighbours; 0 if it is but a guess.
        is_keyed: Whether it was told from the instants at which a carrier is switched.
        clock: What told it, in words.
    """

    rate: float
    prominence: float
    is_keyed: bool = False
    clock: str = ""

    @property
    def is_sure(self) -> bool:
        """Whether noise, or another modulation, would hardly give such a line."""
        return self.prominence >= THRESHOLDS.sure


def estimate(samples: Samples, bandwidth: float, keyed: Keying | None = None) -> SymbolRate | None:
    """Find the symbol rate of a signal at 0 Hz.

    Args:
        samples: The signal alone, some hundred symbols of it or more.
        bandwidth: Its occupied bandwidth, in cycles a sample: symbols do not come faster.
        keyed: How it is keyed, if that is known already.

    Returns:
        The clock of the switching instants of a keyed carrier, else the strongest line that agrees
        with the bandwidth; None if the signal is too short or has no power.
    """
    if len(samples) < _MIN_SAMPLES or not np.any(samples):
        return None
    keyed = keyed or keying.measure(samples)
    if keyed is not None:
        prominence = 2 * THRESHOLDS.sure if keyed.is_clocked else 0.0
        what = "frequency" if keyed.is_frequency else "amplitude"
        clock = f"{keyed.n_edges} edges of the {what}"
        return SymbolRate(1 / keyed.period, prominence, True, clock)
    first, end = keying.bursts(samples)[0]
    if end - first >= _MIN_SAMPLES:
        samples = samples[first:end]
    return (
        _of_tones(samples, bandwidth)
        or _of_pair(samples, bandwidth)
        or _of_lines(samples, bandwidth)
    )


def _of_tones(samples: Samples, bandwidth: float) -> SymbolRate | None:
    """Of four tones, by the instants at which the frequency changes."""
    found = keying.tones(samples)
    if found is None:
        return None
    spectrum = _Spectrum.of(np.abs(np.diff(found[1])))
    best = spectrum.strongest(THRESHOLDS.lowest * bandwidth, min(bandwidth, 0.48))
    if best is None or not spectrum.lasts(best):
        return None
    height = spectrum.height(best)
    best = spectrum.fundamental(best, THRESHOLDS.lowest * bandwidth, 2) or best
    kept = keying.kept_levels(found[1], 1 / best)
    if kept is None:
        return None
    clock = f"changes between {'two' if len(kept) == 2 else 'four'} tones"
    return SymbolRate(best, height, height >= THRESHOLDS.sure, clock)


def _of_pair(samples: Samples, bandwidth: float) -> SymbolRate | None:
    """Of offset QPSK, by two lines of x^2 and nothing between; also of minimum-shift keying."""
    pair = lines_of_square(samples, bandwidth)
    if pair is None:
        return None
    apart = pair[1] - pair[0]
    likely = (apart, apart / 2) if is_constant(samples, bandwidth) else (apart / 2, apart)
    fits = [rate for rate in likely if THRESHOLDS.slowest < rate / bandwidth < THRESHOLDS.fastest]
    if not fits:
        return None
    return SymbolRate(fits[0], THRESHOLDS.pair_sure, False, OFFSET)


def is_constant(samples: Samples, bandwidth: float) -> bool:
    """Whether a signal's envelope is constant, by its fourth moment without the noise's part.

    Noise of power N adds 4 S N + 2 N^2 to the mean fourth power S^2; N is told beside the band.

    Args:
        samples: The signal alone, at four samples to a bandwidth or more, around 0 Hz.
        bandwidth: Its occupied bandwidth, in cycles a sample.
    """
    power = np.abs(samples.astype(np.complex128)) ** 2
    total, fourth = float(power.mean()), float((power**2).mean())
    n = min(len(samples), _BINS)
    frequency, density = welch(samples, n)
    away = np.abs(frequency) / bandwidth
    beside = density[(away > _BESIDE[0]) & (away < _BESIDE[1])]
    noise = float(beside.mean()) * _BESIDE[1] * 2 * bandwidth if len(beside) else 0.0
    own = total - noise
    if own < _CLEAR * total:
        return fourth < THRESHOLDS.constant * total**2
    return fourth - 4 * own * noise - 2 * noise**2 < THRESHOLDS.constant * own**2


def lines_of_square(samples: Samples, bandwidth: float) -> tuple[float, float] | None:
    """Two lines in the spectrum of x^2, as strong as each other, with none in their middle.

    Returns:
        Their frequencies, in cycles a sample, the lower first; None if there are none.
    """
    phase = np.angle(samples.astype(np.complex128))
    spectrum = _Spectrum.of(np.abs(samples) * np.exp(2j * phase))
    first = spectrum.strongest(-min(0.49, 1.3 * bandwidth), min(0.49, 1.3 * bandwidth))
    if first is None or spectrum.height(first) < THRESHOLDS.pair_sure:
        return None
    own = 2 * THRESHOLDS.slowest * bandwidth
    sides = (spectrum.strongest(first + own, 0.49), spectrum.strongest(-0.49, first - own))
    others = [each for each in sides if each is not None]
    second = max(others, key=spectrum.height, default=None)
    if second is None:
        return None
    least = max(THRESHOLDS.pair_sure, THRESHOLDS.pair * spectrum.height(first))
    is_amid = abs(first + second) / 2 < 2 * THRESHOLDS.amid * bandwidth
    if (
        not is_amid
        or spectrum.height(second) < least
        or spectrum.height((first + second) / 2) > least
    ):
        return None
    return min(first, second), max(first, second)


def _of_lines(samples: Samples, bandwidth: float) -> SymbolRate | None:
    """Of pulses, by the strongest line of the power and of how it and the signal change."""
    magnitude = np.abs(samples.astype(np.complex128))
    features = {
        "|x|²": magnitude**2,
        "|d|x||²": np.abs(np.diff(magnitude)) ** 2,
        "|dx|²": np.abs(np.diff(samples)) ** 2,
    }
    candidates = []
    power = magnitude**2
    is_even = (power**2).mean() < THRESHOLDS.constant * power.mean() ** 2
    for name, feature in features.items():
        line = _line(_Spectrum.of(feature), bandwidth, name)
        if line is not None and is_even and "comb" not in line.clock:
            # Of a constant envelope it is chirps or a voice; symbols have a comb, or two lines.
            line = replace(line, prominence=0.0)
        if line is not None:
            candidates.append(line)
    return max(candidates, key=lambda each: each.prominence, default=None)


def _line(spectrum: _Spectrum, bandwidth: float, name: str) -> SymbolRate | None:
    slowest = THRESHOLDS.slowest * bandwidth
    best = spectrum.strongest(slowest, min(THRESHOLDS.fastest * bandwidth, 0.48))
    comb = spectrum.strongest(THRESHOLDS.lowest * bandwidth, min(2 * slowest, 0.48))
    if comb is not None and spectrum.height(comb) >= THRESHOLDS.sure:
        fundamental = spectrum.fundamental(comb, THRESHOLDS.lowest * bandwidth)
        if (
            fundamental is not None
            and fundamental < slowest
            and all(spectrum.lasts(each) for each in (comb, fundamental, 2 * fundamental))
        ):
            return SymbolRate(fundamental, spectrum.height(comb), False, f"a comb of {name}")
    if best is None:
        return None
    height = spectrum.height(best)
    if height >= THRESHOLDS.sure and not spectrum.lasts(best):
        height = 0.9 * THRESHOLDS.sure
    return SymbolRate(best, height, False, f"a line of {name}")


@dataclass(frozen=True)
class _Spectrum:
    """Heights of a feature's lines over the level of their neighbours."""

    feature: NDArray[np.complex128] | Floats
    ratio: Floats
    amplitude: Floats
    n_fft: int

    @classmethod
    def of(cls, feature: NDArray[np.complex128] | Floats) -> _Spectrum:
        """Measure it; the strongest fiftieth of a real feature's values is clipped."""
        n = len(feature)
        if not np.iscomplexobj(feature):
            feature = np.minimum(feature, np.quantile(feature, 0.98))
        feature = feature - feature.mean()
        n_fft = fast_length(4 * n)
        window = hann(n)
        amplitude = np.abs(np.fft.fft(feature * window, n_fft))
        level = ndimage.percentile_filter(
            amplitude[::4], 50, size=min(401, max(9, n // 16)), mode="wrap"
        )
        level = np.repeat(level, 4)[:n_fft]
        ratio = amplitude / np.maximum(level, amplitude.max() * 1e-9 + 1e-300)
        return cls(feature, ratio, amplitude, n_fft)

    def strongest(self, lowest: float, highest: float) -> float | None:
        """Frequency of the highest line between two."""
        first, last = int(np.ceil(lowest * self.n_fft)), int(highest * self.n_fft)
        places = np.arange(first, last)
        places = places[np.abs(places) >= _NOT_CONSTANT]
        if not len(places) or not self.amplitude.any():
            return None
        best = int(places[self.ratio[places % self.n_fft].argmax()])
        a, b, c = np.log(
            np.maximum(self.amplitude[np.arange(best - 1, best + 2) % self.n_fft], 1e-300)
        )
        bend = a - 2 * b + c
        shift = float(np.clip(0.5 * (a - c) / bend, -0.5, 0.5)) if bend < 0 else 0.0
        return (best + shift) / self.n_fft

    def height(self, frequency: float, reach: int = 2) -> float:
        """Height of what is there, within half of the resolution."""
        place = round(frequency * self.n_fft)
        return float(self.ratio[np.arange(place - reach, place + reach + 1) % self.n_fft].max())

    def fundamental(
        self, frequency: float, lowest: float, least: int = THRESHOLDS.comb
    ) -> float | None:
        """The lowest frequency whose multiples are lines all of them; None without such a comb."""
        for part in range(int(frequency / lowest), 0, -1):
            one = frequency / part
            orders = range(1, max(least, min(part, 8)) + 1)
            if one * max(orders) < 0.48 and all(
                self.height(order * one) >= THRESHOLDS.comb_sure for order in orders
            ):
                return one
        return None

    def lasts(self, frequency: float) -> bool:
        """Whether a line is there in three of four quarters."""
        n = len(self.feature) // 4
        near = frequency + np.arange(-24, 25) * 1.5 / n
        turns = np.exp(-2j * np.pi * near[:, np.newaxis] * np.arange(n))
        window = hann(n)
        n_there = 0
        for part in self.feature[: 4 * n].reshape(4, n):
            heights = np.abs(turns @ ((part - part.mean()) * window))
            n_there += int(heights[24] > THRESHOLDS.lasting * np.median(heights))
        return n_there >= 3


_NOT_CONSTANT = 24
"""Bins of a spectrum that belong to what does not change."""
