"""OFDM, chirps, carriers, noise, impulses and two signals at once.

Sources: OFDM with cyclic prefix: R. van Nee, R. Prasad, "OFDM for Wireless Multimedia
Communications", 2000, chapter 2; chirps: M. Chiani, A. Elzanaty, "On the LoRa Modulation for IoT",
IEEE IoT J. 6(5), 2019; impulses: D. Middleton, "Statistical-Physical Models of Electromagnetic
Interference", IEEE Trans. EMC 19(3), 1977.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from boltmod.signal import linear
from boltmod.signal.draws import source_window
from boltmod.signal.others.numbers import N_BYTES, Numbers, turning
from boltmod.signal.profile import Profile


def ofdm(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """OFDM of 6 to 460 carriers with QPSK or 16QAM and a cyclic prefix of 1/32 to 1/4."""
    size = ofdm_size(numbers)
    planes = torch.empty_like(numbers.noise)
    for n_points in torch.unique(size).tolist():
        rows = (size == n_points).nonzero()[:, 0]
        planes[rows] = _ofdm(numbers.of(rows), n_points)
    return planes


def ofdm_size(numbers: Numbers) -> Tensor:
    """Points of each frame's transform, 32 to 512, (n,)."""
    return 2 ** numbers.chances.whole("transform", 5, 9)


def _ofdm(numbers: Numbers, n_points: int) -> Float[Tensor, "n 2 time"]:
    chances = numbers.chances
    prefix = torch.round(n_points * chances.log_between("prefix", 1 / 32, 1 / 4)).clamp_min(1)
    time = numbers.time.long()
    length = n_points + prefix.long()[:, None]
    n_symbols = time.shape[1] // (n_points + 1) + 2
    sixteen = chances.under("16QAM", 0.5)
    # Low bits of a normal number's mantissa are as good as uniform.
    raw = numbers.noise.flatten(1)
    index = torch.arange(n_symbols * n_points, device=raw.device) % raw.shape[1]
    bits = (raw[:, index].contiguous().view(torch.int32) >> 3) & 15
    levels = torch.where(sixteen[:, None], 1, 3)
    real = ((bits & 3) // levels * levels).float() - 1.5
    imaginary = ((bits >> 2) // levels * levels).float() - 1.5
    points = torch.complex(real, imaginary).view(len(raw), n_symbols, n_points)
    frequency = torch.fft.fftfreq(n_points, device=raw.device)
    used = frequency.abs() < chances.log_between("used half-band", 0.1, 0.45)[:, None]
    used &= (frequency != 0) | chances.under("carrier at 0", 0.5)[:, None]
    symbols = torch.fft.ifft(points * used[:, None], dim=-1).flatten(1)
    shifted = time + (chances.uniform("timing")[:, None] * length).long()
    place = (shifted % length - prefix.long()[:, None]) % n_points
    samples = symbols.gather(1, (shifted // length) * n_points + place)
    return torch.stack([samples.real, samples.imag], 1)


def chirps(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """Linear sweeps up or down, each from its own start as LoRa's symbols, or all from the edge."""
    chances = numbers.chances
    length = chances.log_between("length", 48.0, 6000.0)[:, None]
    width = chances.log_between("width", 0.04, 0.7)[:, None]
    time = numbers.time / length + chances.uniform("timing")[:, None]
    preamble = chances.under("preamble", 0.4)[:, None]
    starts = torch.where(preamble, 0.0, numbers.bytes.float() / 256)
    sweep = (time % 1 + starts.gather(1, time.floor().long())) % 1 - 0.5
    direction = torch.where(chances.under("down", 0.5)[:, None], 1.0, -1.0)
    return turning((direction * width * sweep).cumsum(-1))


def carrier(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """One carrier, its frequency drifting in some frames."""
    return _line(numbers, "first")


def several_carriers(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """Two to four carriers, the others no stronger than the first."""
    chances = numbers.chances
    count = chances.whole("count", 2, 4)
    planes = _line(numbers, "first")
    for place, name in enumerate(("second", "third", "fourth"), start=1):
        level = torch.where(place < count, chances.between(f"level {name}", 0.3, 1.0), 0.0)
        planes = planes + level[:, None, None] * _line(numbers, name)
    return planes


def _line(numbers: Numbers, name: str) -> Float[Tensor, "n 2 time"]:
    chances, time = numbers.chances, numbers.time
    frequency = 0.2 * chances.between(f"frequency {name}", -1.0, 1.0).pow(3)
    drift = chances.between("drift", -0.004, 0.004) * chances.under("drifts", 0.3)
    phase = frequency[:, None] * time + drift[:, None] * time.square() / time.shape[1]
    return turning(phase + chances.uniform(f"phase {name}")[:, None])


def noise_alone(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """Noise, white or of a band; its level slowly changing in some frames."""
    chances = numbers.chances
    length = numbers.noise.shape[-1]
    frequency = torch.fft.fftfreq(length, device=numbers.noise.device)
    white = chances.under("white", 0.25)
    width = torch.where(white, 2.0, chances.log_between("width", 0.04, 1.0))
    centre = chances.between("centre", -0.1, 0.1)
    edge = chances.log_between("edge", 0.005, 0.1)
    distance = (frequency - centre[:, None]).abs() - width[:, None] / 2
    shape = torch.sigmoid(-distance / edge[:, None] * 4)
    spectrum = torch.fft.fft(torch.complex(numbers.noise[:, 0], numbers.noise[:, 1]))
    samples = torch.fft.ifft(spectrum * shape)
    slope = chances.between("slope", -2.0, 2.0) * chances.under("slopes", 0.2)
    level = torch.exp(slope[:, None] * (numbers.time / length - 0.5))
    return torch.stack([samples.real, samples.imag], 1) * level[:, None]


def two_signals(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """Two signals of linear classes, the weaker at most 8 dB below, apart in frequency or not."""
    chances = numbers.chances
    window = source_window(profile)
    half = N_BYTES // 2
    total = torch.zeros_like(numbers.noise)
    for place, name in enumerate(("stronger", "weaker")):
        picks = torch.tensor([0, 3, 4, 5, 12, 12], device=total.device)
        ids = picks[chances.whole(f"class {name}", 0, len(picks) - 1)]
        symbols = numbers.bytes[:, place * half : (place + 1) * half]
        n_symbols = linear.n_symbols(window, profile.linear)
        parts = linear.modulate(
            ids, symbols[:, :n_symbols], chances.uniform(f"timing {name}"),
            chances.between(f"roll-off {name}", 0.15, 0.5), profile.linear,
            type(window)(window.total, 0),
        )  # fmt: skip
        offset = chances.between(f"offset {name}", -0.13, 0.13)[:, None] * numbers.time
        turn = turning(offset + chances.uniform(f"phase {name}")[:, None])
        i, q = parts[0][:, 0], parts[0][:, 1]
        level = 10 ** (-0.4 * place * chances.uniform("level"))[:, None, None]
        real, imaginary = i * turn[:, 0] - q * turn[:, 1], i * turn[:, 1] + q * turn[:, 0]
        total += level * torch.stack([real, imaginary], 1)
    return total


def impulses(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """Pulses at random times that ring and die out, on a faint noise."""
    chances = numbers.chances
    length = numbers.noise.shape[-1]
    frequency = torch.fft.fftfreq(length, device=numbers.noise.device)
    often = chances.log_between("rate", 2e-3, 5e-2)
    threshold = torch.special.ndtri(1 - often.double() / 2).float()[:, None]
    hit = numbers.noise[:, 0].abs() > threshold
    strokes = torch.where(hit, numbers.noise[:, 1], 0.0)
    damping = chances.log_between("damping", 0.01, 0.3)[:, None]
    tuned = chances.between("frequency", -0.2, 0.2)[:, None]
    ring = 1 / torch.complex(damping, 6.28 * (frequency - tuned))
    samples = torch.fft.ifft(torch.fft.fft(strokes) * ring)
    faint = 0.02 * samples.abs().square().mean(-1, keepdim=True).sqrt()
    planes = torch.stack([samples.real, samples.imag], 1)
    result: Tensor = planes + faint[:, None] * numbers.noise
    return result
