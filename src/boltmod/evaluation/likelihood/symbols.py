"""Likelihoods of the linear classes: equalise, find timing, then phase and carrier class by class.

Source: M. Oerder, H. Meyr, "Digital filter and square timing recovery", IEEE Trans. Commun. 36(5),
1988 (timing); J. G. Proakis, M. Salehi, "Digital Communications", 5th ed., section 9.4 (linear
equaliser of least mean square error); A. P. Dempster et al., "Maximum likelihood from incomplete
data via the EM algorithm", J. R. Stat. Soc. B 39(1), 1977.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Complex, Float, Int64
from torch import Tensor

from boltmod.evaluation.likelihood.observation import EDGE, INSIDE, Observation
from boltmod.modulation import FRAME_LENGTH, Modulation
from boltmod.signal import constellations, pulses
from boltmod.signal.likelihood import known_gain
from boltmod.signal.linear import SAMPLES_PER_SYMBOL
from boltmod.signal.profile import Profile

_N_SYMBOLS = FRAME_LENGTH // SAMPLES_PER_SYMBOL
_TIMINGS = (0.0, 0.5)
"""Tried, in symbols from the one that the clock's line says: noise may have made that line."""

_N_STAGGERED = 8
_N_ROLLOFFS = 18
_LEAST_NOISE = 1e-3
"""Noise to signal of a symbol, at least: neighbours that the equaliser does not quite remove."""

_FREQUENCY = torch.fft.fftfreq(FRAME_LENGTH, dtype=torch.float64) * SAMPLES_PER_SYMBOL
_TIME = torch.arange(_N_SYMBOLS) - (_N_SYMBOLS - 1) / 2
_COUNTS = ((torch.arange(_N_SYMBOLS) >= EDGE) & (torch.arange(_N_SYMBOLS) < _N_SYMBOLS - EDGE)) * 1
"""1 for a symbol that counts, 0 for those at the ends."""

_N_PHASES = 4
_N_KEPT = 2
_N_ROUNDS = 3
_GAIN_SPREAD = 0.05
"""Standard deviation of a frame's amplitude about the root of its measured power."""

_SYMMETRY = {
    Modulation.BPSK: 2, Modulation.QPSK: 4, Modulation.PSK8: 8, Modulation.PSK16: 16,
    Modulation.PSK32: 32, Modulation.OOK: 1, Modulation.ASK4: 1, Modulation.ASK8: 1,
}  # fmt: skip
"""Turns that leave an alphabet as it is; of the others a quarter turn does, or nearly."""


@dataclass(frozen=True)
class Symbols:
    """Equalised samples at each timing tried.

    Args:
        values: Estimates of symbols times amplitude, (n, timings, k), and half a symbol later.
        later: The same half a symbol later.
        noise: Their noise power.
        timing: Delay of the first, in symbols, before what each timing adds to it.
        late: What it adds.
        pulse: Spectrum of each frame's pulse.
    """

    values: Complex[Tensor, "n timings k"]
    later: Complex[Tensor, "n timings k"]
    noise: Float[Tensor, " n"]
    timing: Float[Tensor, " n"]
    late: Float[Tensor, " timings"]
    pulse: Float[Tensor, "n time"]


@dataclass(frozen=True)
class Resent:
    """A frame's likeliest symbols through its pulse once more.

    Args:
        spectrum: Of the waveform.
        timing: Delay of the first symbol, in symbols.
        among: What the symbols explain of the symbol estimates: a log likelihood ratio.
    """

    spectrum: Complex[Tensor, "n time"]
    timing: Float[Tensor, " n"]
    among: Float[Tensor, " n"]

    def better_timing(self, seen: Observation) -> Float[Tensor, " n"]:
        """Where the waveform fits best, to first order."""
        wave = torch.fft.ifft(self.spectrum)[:, INSIDE]
        slope = torch.fft.ifft(-2j * math.pi * _FREQUENCY * self.spectrum)[:, INSIDE]
        wrong = (slope.conj() * (seen.iq[:, INSIDE] - wave)).real.sum(-1)
        step = wrong / slope.abs().square().sum(-1).clamp_min(1e-9)
        timing: Tensor = self.timing + step.clamp(-0.1, 0.1)
        return timing

    def worth(self, seen: Observation) -> Float[Tensor, " n"]:
        """What a gain among symbols is worth among samples, where other classes have no symbols.

        The equaliser makes noise stronger than it is behind a matched filter.
        """
        wave = torch.fft.ifft(self.spectrum)[:, INSIDE]
        explained = known_gain(seen.iq[:, INSIDE], wave, seen.noise)
        worth: Tensor = explained / self.among.clamp_min(1)
        return torch.where(self.among > 1, worth, 1.0).clamp_min(0.5)


class LinearClasses:
    """Likelihoods of ASK, PSK, APSK, QAM and OQPSK by one profile.

    Args:
        profile: Whose pulse, alphabets and carrier offset are taken for granted; the roll-off is
            looked for within its span.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        shape = profile.linear.constellations
        self.alphabets: dict[Modulation, Tensor] = {
            m: constellations.points(m, shape).to(torch.complex64)
            for m in Modulation
            if constellations.is_linear(m) and m is not Modulation.OQPSK
        }
        self.offset_std = profile.channel.carrier_offset_std * SAMPLES_PER_SYMBOL

    @cached_property
    def _pulses(self) -> Float[Tensor, "rolloffs time"]:
        """Spectra of the pulse at the frame's frequencies, of mean power one, by roll-off."""
        shape = self.profile.linear.pulse
        rolloff = torch.linspace(*shape.rolloff, _N_ROLLOFFS, dtype=torch.float64)
        grid = (_FREQUENCY.expand(_N_ROLLOFFS, -1), rolloff[:, None].expand(-1, FRAME_LENGTH))
        height = pulses.cosine_power_spectrum(*grid, shape.exponent)
        energy = pulses.energy(rolloff, shape.exponent)[:, None]
        return SAMPLES_PER_SYMBOL * height / energy.sqrt()

    def _pulse(self, seen: Observation) -> Float[Tensor, "n time"]:
        """The pulse that makes each frame's periodogram likeliest.

        Source: P. Whittle, "Estimation and information in stationary time series", Arkiv för
        Matematik 2, 1953.
        """
        window = torch.hann_window(FRAME_LENGTH, periodic=True, dtype=torch.float64)
        power = torch.fft.fft(seen.iq * window).abs().square() / window.square().sum()
        level = seen.power[:, None, None] * self._pulses.square() / SAMPLES_PER_SYMBOL
        level = level + seen.noise[:, None, None]
        likelihood = -(level.log() + power[:, None] / level).sum(-1)
        return self._pulses[likelihood.argmax(1)]

    def gains(self, seen: Observation) -> dict[int, Float[Tensor, " n"]]:
        """Log likelihood ratio to noise alone of every linear class, by class id.

        Twice: the likeliest class's symbols, sent again, tell the timing better than the clock.
        """
        pulse = self._pulse(seen)
        coarse = self._equalised(seen, pulse, _clock(seen, pulse), _TIMINGS)
        sent = self._resent(*self._best(coarse, seen), coarse)
        symbols = self._equalised(seen, pulse, sent.better_timing(seen), (0.0,))
        gains, tracks = self._best(symbols, seen)
        worth = self._resent(gains, tracks, symbols).worth(seen)
        found = {class_id: worth * gain for class_id, gain in gains.items()}
        timings = tuple(i / _N_STAGGERED for i in range(_N_STAGGERED))
        staggered = self._equalised(seen, pulse, coarse.timing, timings)
        matched = SAMPLES_PER_SYMBOL * staggered.noise / seen.noise
        found[Modulation.OQPSK.index] = matched * self._staggered(staggered, seen)
        return found

    def _best(
        self, symbols: Symbols, seen: Observation
    ) -> tuple[dict[int, Float[Tensor, " n"]], dict[int, _Tracks]]:
        """Gain and likeliest track of every class that is not staggered, by class id."""
        gains, tracks = {}, {}
        for modulation, alphabet in self.alphabets.items():
            followed = self._followed(modulation, symbols, seen)
            top = followed.gains(alphabet, symbols.noise).max(1)
            # One of so many starts was chosen.
            gains[modulation.index] = top.values.double() - math.log(_N_PHASES * len(_TIMINGS))
            tracks[modulation.index] = followed.at(top.indices)
        return gains, tracks

    def _resent(
        self,
        gains: dict[int, Float[Tensor, " n"]],
        tracks: dict[int, _Tracks],
        symbols: Symbols,
    ) -> Resent:
        """The likeliest class's symbols, sent again."""
        ids = list(tracks)
        likeliest = torch.stack([gains[class_id] for class_id in ids], 1).argmax(1)
        n = len(likeliest)
        signal = torch.zeros(n, _N_SYMBOLS, dtype=torch.complex128)
        late, among, inside = torch.zeros(n), torch.zeros(n), slice(EDGE, -EDGE)
        alphabets = {m.index: alphabet for m, alphabet in self.alphabets.items()}
        for place, class_id in enumerate(ids):
            mine, track = likeliest == place, tracks[class_id]
            if mine.any():
                sent = track.sent(alphabets[class_id], symbols.noise)
                inner = known_gain(track.values[:, 0, inside], sent[:, inside], symbols.noise)
                signal[mine] = sent[mine].to(torch.complex128)
                late[mine], among[mine] = track.late[mine, 0], inner[mine]
        timing = symbols.timing + late
        turned = symbols.pulse * torch.exp(-2j * math.pi * timing[:, None] * _FREQUENCY)
        spectrum = torch.fft.fft(signal).repeat(1, SAMPLES_PER_SYMBOL) * turned
        return Resent(spectrum, timing, among)

    def _equalised(
        self,
        seen: Observation,
        pulse: Float[Tensor, "n time"],
        timing: Float[Tensor, " n"],
        timings: tuple[float, ...],
    ) -> Symbols:
        folded = pulse.square().view(-1, SAMPLES_PER_SYMBOL, _N_SYMBOLS).sum(1)
        folded = folded / SAMPLES_PER_SYMBOL
        need = (seen.noise / seen.power)[:, None]
        share = (folded / (folded + need)).mean(-1)
        equalised = seen.spectrum * pulse / (folded.repeat(1, SAMPLES_PER_SYMBOL) + need)
        late = torch.tensor(timings)
        values = []
        for more in (0.0, 0.5):
            delay = timing[:, None] + late + more
            turned = equalised[:, None] * torch.exp(2j * math.pi * delay[:, :, None] * _FREQUENCY)
            # Every eighth sample alone is wanted: the spectrum may be folded first.
            short = turned.view(*turned.shape[:2], SAMPLES_PER_SYMBOL, _N_SYMBOLS).sum(2)
            out = torch.fft.ifft(short) / SAMPLES_PER_SYMBOL
            values.append((out / share[:, None, None]).to(torch.complex64))
        noise = torch.maximum(seen.power * (1 - share) / share, _LEAST_NOISE * seen.power)
        return Symbols(values[0], values[1], noise.float(), timing, late, pulse)

    def _followed(self, modulation: Modulation, symbols: Symbols, seen: Observation) -> _Tracks:
        """The likeliest tracks of a class, settled."""
        alphabet, amplitude = self.alphabets[modulation], seen.amplitude.float()
        n, n_timings, k = symbols.values.shape
        turn = 2 * math.pi / _SYMMETRY.get(modulation, 4)
        phases = turn * (torch.arange(_N_PHASES) + 0.5) / _N_PHASES
        first = torch.zeros(n, n_timings, 1)
        if _SYMMETRY.get(modulation) == 1:
            phases = 0.4 * (torch.arange(_N_PHASES) - 1.5)
            first = symbols.values.mean(-1, keepdim=True).angle()
        gain = torch.polar(amplitude[:, None, None].expand(n, n_timings, _N_PHASES), first + phases)
        tracks = _Tracks(
            symbols.values[:, :, None].expand(-1, -1, _N_PHASES, -1).reshape(n, -1, k),
            gain.reshape(n, -1),
            torch.zeros(n, n_timings * _N_PHASES),
            symbols.late.repeat_interleave(_N_PHASES).expand(n, -1),
        )
        smooth = torch.maximum(4 * symbols.noise, 0.02 * seen.power.float())
        tracks = self._better(tracks, alphabet, smooth, seen).best(
            alphabet, torch.maximum(symbols.noise, smooth / 4), _N_KEPT
        )
        for step in range(_N_ROUNDS):
            eased = torch.maximum(symbols.noise, smooth / 4 ** (step + 1))
            tracks = self._better(tracks, alphabet, eased, seen)
        return tracks

    def _better(
        self,
        tracks: _Tracks,
        alphabet: Complex[Tensor, " m"],
        noise: Float[Tensor, " n"],
        seen: Observation,
    ) -> _Tracks:
        """One round of expectation and maximisation: symbols, then gain, phase and carrier."""
        expected, power = tracks.expected(alphabet, noise)
        expected, power, time = expected * _COUNTS, power * _COUNTS, _TIME
        still = tracks.values * torch.polar(torch.ones(()), -tracks.offset[:, :, None] * time)
        inner = still * expected.conj()
        total = power.sum(-1)
        raw = inner.sum(-1) / total.clamp_min(1e-6)
        # A prior on the amplitude, and one on the carrier offset.
        prior = (noise / 2 / (_GAIN_SPREAD**2 * seen.power.float()))[:, None]
        size = (raw.abs() * total + seen.amplitude.float()[:, None] * prior) / (total + prior)
        gain = torch.polar(size, raw.angle())
        bend = (inner * gain[:, :, None].conj()).imag
        certain = (power * time.square()).sum(-1) * size.square()
        steady = noise[:, None] / 2 / self.offset_std**2 if self.offset_std else math.inf
        slope = ((bend * time).sum(-1) - tracks.offset * steady) / (certain + steady)
        if not self.offset_std:
            slope = torch.zeros_like(slope)
        return _Tracks(tracks.values, gain, tracks.offset + slope, tracks.late)

    def _staggered(self, symbols: Symbols, seen: Observation) -> Float[Tensor, " n"]:
        """OQPSK: a grid over timing, phase and carrier offset; four points need no more."""
        shape = self.profile.linear.constellations
        alphabet = constellations.points(Modulation.OQPSK, shape).to(torch.complex64)
        amplitude, noise = seen.amplitude.float(), symbols.noise
        found = []
        for offset in (-1.5, -0.5, 0.5, 1.5):
            for phase in torch.arange(8) * math.pi / 8:
                turn = torch.polar(torch.ones(()), -phase - offset * self.offset_std * _TIME)
                mixed = torch.complex((symbols.values * turn).real, (symbols.later * turn).imag)
                exponent = _exponents(mixed, amplitude[:, None], alphabet, noise)
                found.append(_total(exponent))
        # Averaged, not maximised: the best of so many guesses would explain noise.
        every = torch.cat(found, 1)
        return torch.logsumexp(every, 1).double() - math.log(every.shape[1])


@dataclass(frozen=True)
class _Tracks:
    """Symbol estimates, each with a guess of its gain and carrier offset.

    Args:
        values: Symbols times gain, turning with the offset.
        gain: Amplitude and phase in the middle.
        offset: Carrier offset, rad a symbol.
        late: Delay against the clock's line, in symbols.
    """

    values: Complex[Tensor, "n tracks k"]
    gain: Complex[Tensor, "n tracks"]
    offset: Float[Tensor, "n tracks"]
    late: Float[Tensor, "n tracks"]

    def _exponents(
        self, alphabet: Complex[Tensor, " m"], noise: Float[Tensor, " n"]
    ) -> Float[Tensor, "n tracks k m"]:
        size = self.gain.abs()
        angle = self.gain.angle()[:, :, None] + self.offset[:, :, None] * _TIME
        still = self.values * torch.polar(torch.ones(()), -angle)
        return _exponents(still, size, alphabet, noise)

    def gains(
        self, alphabet: Complex[Tensor, " m"], noise: Float[Tensor, " n"]
    ) -> Float[Tensor, "n tracks"]:
        """Log likelihood ratio of each track."""
        return _total(self._exponents(alphabet, noise))

    def expected(
        self, alphabet: Complex[Tensor, " m"], noise: Float[Tensor, " n"]
    ) -> tuple[Complex[Tensor, "n tracks k"], Float[Tensor, "n tracks k"]]:
        """Expected symbols, and their expected powers."""
        weight = torch.softmax(self._exponents(alphabet, noise), -1)
        parts = torch.stack([alphabet.real, alphabet.imag, alphabet.abs().square()], 1)
        mean = weight @ parts
        return torch.complex(mean[..., 0], mean[..., 1]), mean[..., 2]

    def sent(
        self, alphabet: Complex[Tensor, " m"], noise: Float[Tensor, " n"]
    ) -> Complex[Tensor, "n k"]:
        """Each first track's expected symbols, with its gain and carrier."""
        expected, _ = self.expected(alphabet, noise)
        angle = self.gain.angle()[:, :, None] + self.offset[:, :, None] * _TIME
        whole: Tensor = expected * torch.polar(self.gain.abs()[:, :, None], angle)
        return whole[:, 0]

    def best(
        self, alphabet: Complex[Tensor, " m"], noise: Float[Tensor, " n"], count: int
    ) -> _Tracks:
        """The likeliest few."""
        return self.at(self.gains(alphabet, noise).topk(count, 1).indices)

    def at(self, rows: Int64[Tensor, " n"] | Int64[Tensor, "n few"]) -> _Tracks:
        """Some of each frame's tracks."""
        rows = rows.view(len(rows), -1)
        values = self.values.gather(1, rows[:, :, None].expand(-1, -1, self.values.shape[-1]))
        parts = (part.gather(1, rows) for part in (self.gain, self.offset, self.late))
        return _Tracks(values, *parts)


def _total(exponents: Float[Tensor, "n tracks k m"]) -> Float[Tensor, "n tracks"]:
    """Each symbol's average over the alphabet, all symbols but those at the ends together."""
    each = torch.logsumexp(exponents, -1) - math.log(exponents.shape[-1])
    return each[..., EDGE:-EDGE].sum(-1)


def _exponents(
    still: Complex[Tensor, "n tracks k"],
    size: Float[Tensor, "n tracks"],
    alphabet: Complex[Tensor, " m"],
    noise: Float[Tensor, " n"],
) -> Float[Tensor, "n tracks k m"]:
    """(2·Re(z·(g·s)*) − |g·s|²)/N₀ of every point."""
    scale = 2 * size[:, :, None] / noise[:, None, None]
    planes = torch.stack([still.real * scale, still.imag * scale], -1)
    points = torch.stack([alphabet.real, alphabet.imag])
    power = (size.square() / noise[:, None])[:, :, None, None] * alphabet.abs().square()
    exponents: Tensor = planes @ points - power
    return exponents


def _clock(seen: Observation, pulse: Float[Tensor, "n time"]) -> Float[Tensor, " n"]:
    """Delay of the first symbol, in symbols, by the line of the squared magnitude."""
    power = torch.fft.ifft(seen.spectrum * pulse).abs().square()
    wave = torch.arange(FRAME_LENGTH) / SAMPLES_PER_SYMBOL
    line = (power * torch.exp(-2j * math.pi * wave)).sum(-1)
    delay: Tensor = -line.angle() / (2 * math.pi)
    return delay
