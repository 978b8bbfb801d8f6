"""Analog modulation as it is on the air: a voice, music or a test tone on AM, SSB or FM.

The message fills anything from a hundredth to a third of the sampled band, since a receiver cuts
a channel by the width of what it sees, and that is a carrier's line or the whole of a broadcast.

Sources: spectrum of speech: ITU-T P.50; its fundamental frequency and formants: L. R. Rabiner, R.
W. Schafer, "Digital Processing of Speech Signals", 1978, chapter 3; depth and deviation: ICAO Annex
10 volume III (air band AM, 85 %), ETSI EN 300 086 (narrow-band FM), ITU-R BS.450 (broadcast FM and
its pre-emphasis).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from boltmod.signal.others.numbers import Numbers, filtered, turning
from boltmod.signal.profile import Profile

_TOP = (0.01, 0.3)
"""Highest frequency of a message, cycles/sample."""


def _top(numbers: Numbers) -> Float[Tensor, "n 1"]:
    return numbers.chances.log_between("top frequency", *_TOP)[:, None]


def message(numbers: Numbers, emphasis: float = 0.0) -> Float[Tensor, "n time"]:
    """A message of unit peak: unvoiced or voiced speech, or a tone.

    Args:
        numbers: The frames' random numbers.
        emphasis: Share of the frames whose upper four fifths rise by 6 dB an octave.
    """
    chances, time = numbers.chances, numbers.time
    top = _top(numbers)
    frequency = torch.fft.fftfreq(time.shape[1], device=time.device).abs()[None] / top
    gain = _band(numbers, frequency)
    rising = chances.under("pre-emphasis", emphasis)[:, None]
    gain = torch.where(rising, gain * (1 + (frequency / 0.2).square()).sqrt(), gain)
    unvoiced = filtered(numbers.noise[:, 0], gain)
    pitch = top / chances.log_between("harmonics", 10.0, 40.0)[:, None]
    glide = chances.between("glide", -0.2, 0.2)[:, None]
    turns = pitch * (time + glide * time.square() / time.shape[1])
    strokes = (turns.floor() - (turns - pitch).floor()).clamp(0, 1)
    voiced = filtered(strokes - strokes.mean(1, keepdim=True), gain)
    tone_frequency = top * chances.log_between("tone", 0.1, 1.0)[:, None]
    tone = torch.sin(2 * math.pi * (tone_frequency * time + chances.uniform("phase")[:, None]))
    kind = chances.uniform("message")[:, None]
    made = torch.where(kind < 0.45, unvoiced, torch.where(kind < 0.85, voiced, tone))
    slope = chances.between("slope", -2.0, 2.0) * chances.under("slopes", 0.5)
    made = made * torch.exp(slope[:, None] * (time / time.shape[1] - 0.5))
    return made / made.abs().amax(1, keepdim=True).clamp_min(1e-9)


def _band(numbers: Numbers, frequency: Float[Tensor, "n time"]) -> Float[Tensor, "n time"]:
    """Gain from about a thirteenth or a fortieth to the top (1), falling; two formants."""
    chances = numbers.chances
    low = chances.log_between("lowest frequency", 1 / 40, 1 / 10)[:, None]
    edges = torch.sigmoid((1 - frequency) * 40) * torch.sigmoid((frequency / low - 1) * 8)
    tilt = (1 + (frequency / 0.15).square()).rsqrt()
    flat = chances.under("flat", 0.25)[:, None]
    formants = torch.ones_like(frequency)
    for name, place in (("first formant", 0.15), ("second formant", 0.45)):
        centre = place * chances.log_between(name, 0.6, 1.6)[:, None]
        formants = formants + 3 * torch.exp(-((frequency / centre - 1) / 0.2).square())
    return edges * torch.where(flat, 1.0, tilt * formants)


def double_sideband_with_carrier(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """1 + depth·message, the depth 20 to 100 %."""
    depth = numbers.chances.between("depth", 0.2, 1.0)[:, None]
    real = 1 + depth * message(numbers)
    return torch.stack([real, torch.zeros_like(real)], 1)


def double_sideband(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """The message alone, on both sides of where the carrier was."""
    real = message(numbers)
    return torch.stack([real, torch.zeros_like(real)], 1)


def single_sideband(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """The upper or lower sideband, the middle of its band near 0."""
    sideband = _analytic(message(numbers))
    middle = _top(numbers) * numbers.chances.between("middle", 0.3, 0.6)[:, None]
    return _to_either_side(numbers, _times(sideband, turning(-middle * numbers.time)))


def single_sideband_with_carrier(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """A carrier at 0 and one sideband, its peak 30 to 150 % of the carrier."""
    sideband = _analytic(message(numbers))
    depth = numbers.chances.log_between("depth", 0.3, 1.5)[:, None, None]
    carrier = torch.tensor([1.0, 0.0], device=sideband.device)[:, None]
    return _to_either_side(numbers, carrier + depth * sideband)


def frequency_modulation(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """FM with a peak deviation of 0.4 to 6 times the message's top frequency."""
    top = _top(numbers)
    index = numbers.chances.log_between("modulation index", 0.4, 6.0)[:, None]
    deviation = torch.minimum(index * top, (0.35 - top).clamp_min(0.05))
    return turning((deviation * message(numbers, emphasis=0.6)).cumsum(-1))


VOICES: dict[str, Callable[[Numbers, Profile], Float[Tensor, "n 2 time"]]] = {
    "AM-SSB-WC": single_sideband_with_carrier,
    "AM-SSB-SC": single_sideband,
    "AM-DSB-WC": double_sideband_with_carrier,
    "AM-DSB-SC": double_sideband,
    "FM": frequency_modulation,
}
"""Of the 24 classes, those that a voice may be on."""


def _analytic(real: Float[Tensor, "n time"]) -> Float[Tensor, "n 2 time"]:
    """The message's positive frequencies."""
    length = real.shape[1]
    step = torch.zeros(length, device=real.device)
    step[0], step[1 : (length + 1) // 2] = 1, 2
    samples = torch.fft.ifft(torch.fft.fft(real) * step)
    return torch.stack([samples.real, samples.imag], 1)


def _to_either_side(
    numbers: Numbers, upper: Float[Tensor, "n 2 time"]
) -> Float[Tensor, "n 2 time"]:
    sign = torch.where(numbers.chances.under("lower sideband", 0.5), -1.0, 1.0)
    return torch.stack([upper[:, 0], sign[:, None] * upper[:, 1]], 1)


def _times(a: Float[Tensor, "n 2 time"], b: Float[Tensor, "n 2 time"]) -> Float[Tensor, "n 2 time"]:
    real = a[:, 0] * b[:, 0] - a[:, 1] * b[:, 1]
    return torch.stack([real, a[:, 0] * b[:, 1] + a[:, 1] * b[:, 0]], 1)
