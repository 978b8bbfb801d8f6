"""Frequency-shift keying: of a carrier (2FSK, GFSK, 4FSK), and of a tone that an FM carrier bears.

Sources: M-ary FSK with any index and smoothed transitions: J. B. Anderson, T. Aulin, C.-E.
Sundberg, "Digital Phase Modulation", 1986, section 2.2; Gaussian shaping: ETSI EN 300 175-2
section 5 (DECT); 4FSK of a deviation below half the rate: ETSI TS 102 361-1 section 10.2 (DMR);
AFSK: ITU-T V.23 and the Bell 202 tones of AX.25 packet radio.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from boltmod.signal.others.numbers import Numbers, filtered, turning
from boltmod.signal.profile import Profile

_GAUSSIAN = math.sqrt(math.log(2)) / (2 * math.pi)
"""Standard deviation of a Gaussian filter of 3 dB bandwidth 1."""


def two_tones(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """2FSK and GFSK; tones at least 0.7 symbol rates apart, closer ones being GMSK's neighbours."""
    return _keyed(numbers, 2, least=0.7)


def four_tones(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """4FSK, tones from 0.25 symbol rates apart."""
    return _keyed(numbers, 4, least=0.25)


def eight_tones(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """8FSK."""
    return _keyed(numbers, 8, least=0.5)


def _keyed(numbers: Numbers, n_tones: int, least: float) -> Float[Tensor, "n 2 time"]:
    """Tones one after the other, the phase continuous.

    From one frequency to the next at once, along a cosine, or as a Gaussian filter turns.
    """
    chances = numbers.chances
    samples_per_symbol = chances.log_between("samples per symbol", 4.0, 160.0)
    spacing = chances.log_between("bandwidth", 0.03, 0.6) / n_tones
    spacing = torch.maximum(spacing, least / samples_per_symbol).clamp_max(0.6 / n_tones)
    samples_per_symbol = torch.maximum(samples_per_symbol, least / spacing)
    shape = chances.uniform("shape of transitions")
    ramp = torch.where(shape < 0.35, chances.uniform("ramp"), 1e-3).clamp_min(1e-3)
    time = numbers.time / samples_per_symbol[:, None] + chances.uniform("timing")[:, None]
    tone = (numbers.bytes % n_tones).float() - (n_tones - 1) / 2
    number = time.floor().long()
    repeats = chances.under("repeats", 0.12)[:, None]
    period = chances.whole("period", 2, 7)[:, None]
    here, after = (torch.where(repeats, k % period, k) for k in (number, number + 1))
    part = ((time - number - 1) / ramp[:, None] + 1).clamp_min(0)
    share = 0.5 - 0.5 * torch.cos(math.pi * part)
    frequency = torch.lerp(tone.gather(1, here), tone.gather(1, after), share)
    bandwidth = chances.between("Gaussian bandwidth", 0.3, 1.0) / samples_per_symbol
    smooth = _gaussian(frequency, bandwidth)
    frequency = torch.where((shape > 0.65)[:, None], smooth, frequency)
    drift = chances.between("drift", -0.02, 0.02) * chances.under("drifts", 0.3)
    frequency = frequency * spacing[:, None] + drift[:, None] * (
        numbers.time / numbers.time.shape[1] - 0.5
    )
    return turning(frequency.cumsum(-1))


def _gaussian(
    track: Float[Tensor, "n time"], bandwidth: Float[Tensor, " n"]
) -> Float[Tensor, "n time"]:
    frequency = torch.fft.fftfreq(track.shape[1], device=track.device)
    width = _GAUSSIAN / bandwidth[:, None]
    return filtered(track, torch.exp(-2 * (math.pi * width * frequency).square()))


def audio_tones(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """AFSK: two audio tones, one for each bit, that modulate a carrier's frequency."""
    chances = numbers.chances
    samples_per_bit = chances.log_between("samples per bit", 14.0, 200.0)
    low = chances.between("lower tone", 0.7, 1.7) / samples_per_bit
    high = low + chances.between("spacing", 0.4, 1.1) / samples_per_bit
    time = numbers.time / samples_per_bit[:, None] + chances.uniform("timing")[:, None]
    number = time.floor().long()
    repeats = chances.under("repeats", 0.15)[:, None]
    number = torch.where(repeats, number % chances.whole("period", 2, 8)[:, None], number)
    bits = (numbers.bytes & 1).float().gather(1, number)
    tone = low[:, None] + (high - low)[:, None] * bits
    middle = (low + high)[:, None] / 2
    # With pre-emphasis the higher tone deviates more, by 6 dB an octave.
    emphasis = torch.where(chances.under("pre-emphasis", 0.5)[:, None], tone / middle, 1.0)
    index = chances.log_between("modulation index", 0.6, 4.0)[:, None]
    deviation = (index * middle).clamp_max(0.33) * emphasis
    audio = turning(tone.cumsum(-1) + chances.uniform("tone's phase")[:, None])[:, 0]
    return turning((deviation * audio).cumsum(-1))
