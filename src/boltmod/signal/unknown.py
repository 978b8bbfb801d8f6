"""Signals that are none of the 24 classes, so that a network learns to say so.

Sources: M-ary FSK with any index and smoothed transitions: J. B. Anderson, T. Aulin, C.-E.
Sundberg, "Digital Phase Modulation", 1986, section 2.2 (raised-cosine frequency pulses); OFDM with
cyclic prefix: R. van Nee, R. Prasad, "OFDM for Wireless Multimedia Communications", 2000, chapter
2; chirps: M. Chiani, A. Elzanaty, "On the LoRa Modulation for IoT", IEEE IoT J. 6(5), 2019;
impulses: D. Middleton, "Statistical-Physical Models of Electromagnetic Interference", IEEE Trans.
EMC 19(3), 1977.

A frame depends on the seed, its global index and the profile; each has a random stream of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from boltmod.signal import linear
from boltmod.signal.draws import block_seed, source_window
from boltmod.signal.profile import Profile

_STREAM = 0x75_6E_6B_6E
_N_UNIFORMS = 16
_N_BYTES = 1024


@dataclass(frozen=True)
class Numbers:
    """The random numbers of n frames."""

    uniforms: Float[Tensor, "n 16"]
    noise: Float[Tensor, "n 2 time"]
    bytes: UInt8[Tensor, "n 1024"]

    def of(self, rows: Tensor) -> Numbers:
        """Those of some of the frames."""
        return Numbers(*(getattr(self, item.name)[rows] for item in fields(self)))

    def between(self, place: int, low: float, high: float) -> Float[Tensor, " n"]:
        """A number from `low` to `high`."""
        return low + (high - low) * self.uniforms[:, place]

    def log_between(self, place: int, low: float, high: float) -> Float[Tensor, " n"]:
        """A number from `low` to `high`, every octave as often."""
        exponent = self.uniforms[:, place].double() * math.log(high / low)
        return (low * torch.exp(exponent)).float()


def draw(seed: int, indices: Tensor, profile: Profile, device: torch.device) -> Numbers:
    """The random numbers of the frames of some global indices."""
    length = source_window(profile).total
    n = len(indices)
    numbers = Numbers(
        torch.empty(n, _N_UNIFORMS, device=device),
        torch.empty(n, 2, length, device=device),
        torch.empty(n, _N_BYTES, dtype=torch.uint8, device=device),
    )
    stream = torch.Generator(device)
    for row, index in enumerate(indices.tolist()):
        stream.manual_seed(block_seed(seed ^ _STREAM, index))
        numbers.uniforms[row].uniform_(generator=stream)
        numbers.noise[row].normal_(generator=stream)
        numbers.bytes[row].view(torch.int64).random_(-(2**63), None, generator=stream)
    return numbers


def modulate(
    numbers: Numbers, profile: Profile
) -> tuple[Float[Tensor, "n 2 time"], Float[Tensor, "n 2 rest"]]:
    """The window's samples, and those outside it (which follow it), of mean power one."""
    window = source_window(profile)
    edges = torch.tensor(_KINDS_UP_TO, device=numbers.uniforms.device)
    kinds = torch.bucketize(numbers.uniforms[:, 0].contiguous(), edges, right=True).clamp_max(
        len(edges) - 1
    )
    planes = torch.empty_like(numbers.noise)
    for kind in torch.unique(kinds).tolist():
        rows = (kinds == kind).nonzero()[:, 0]
        signal = _KINDS[kind][1](numbers.of(rows), profile)
        power = signal.square().mean(-1).sum(-1)
        planes[rows] = signal * power.clamp_min(1e-12).rsqrt()[:, None, None]
    return planes[:, :, : window.length], planes[:, :, window.length :: window.stride]


def frequency_shift_keying(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """2-, 4- or 8-FSK of continuous phase, its frequency changing at once or along a cosine.

    Two tones less than 0.9 symbol rates apart are left out: that is GMSK's neighbourhood.
    """
    n_tones = 2 ** (1 + (numbers.uniforms[:, 1] * 3).square().div(3).long())
    samples_per_symbol = numbers.log_between(2, 4.0, 160.0)
    bandwidth = numbers.log_between(3, 0.03, 0.5)
    least = torch.where(n_tones == 2, 0.9, 0.5)
    spacing = torch.maximum(bandwidth / n_tones, least / samples_per_symbol)
    spacing = torch.minimum(spacing, 0.6 / n_tones)
    samples_per_symbol = torch.maximum(samples_per_symbol, least / spacing)
    ramp = torch.where(numbers.uniforms[:, 4] < 0.4, 0.0, numbers.uniforms[:, 5]).clamp_min(1e-3)
    time = _time(numbers) / samples_per_symbol[:, None] + numbers.uniforms[:, 6, None]
    tone = _tones(numbers, n_tones)
    number = time.floor().long()
    repeats = numbers.uniforms[:, 7, None] < 0.12
    period = 2 + (numbers.uniforms[:, 8, None] * 6).long()
    here, after = (torch.where(repeats, k % period, k) for k in (number, number + 1))
    part = ((time - number - 1) / ramp[:, None] + 1).clamp_min(0)
    share = 0.5 - 0.5 * torch.cos(math.pi * part)
    frequency = torch.lerp(tone.gather(1, here), tone.gather(1, after), share)
    return _turning((frequency * spacing[:, None]).cumsum(-1))


def ofdm(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """OFDM of 6 to 460 carriers with QPSK or 16QAM and a cyclic prefix of 1/32 to 1/4."""
    size = 2 ** (5 + (numbers.uniforms[:, 1] * 5).long())
    planes = torch.empty_like(numbers.noise)
    for n_points in torch.unique(size).tolist():
        rows = (size == n_points).nonzero()[:, 0]
        planes[rows] = _ofdm(numbers.of(rows), n_points)
    return planes


def _ofdm(numbers: Numbers, n_points: int) -> Float[Tensor, "n 2 time"]:
    prefix = torch.round(n_points * numbers.log_between(2, 1 / 32, 1 / 4)).clamp_min(1)
    time = _time(numbers).long()
    length = n_points + prefix.long()[:, None]
    n_symbols = time.shape[1] // (n_points + 1) + 2
    sixteen = numbers.uniforms[:, 3] < 0.5
    # Low bits of a normal number's mantissa are as good as uniform.
    raw = numbers.noise.flatten(1)
    index = torch.arange(n_symbols * n_points, device=raw.device) % raw.shape[1]
    bits = (raw[:, index].contiguous().view(torch.int32) >> 3) & 15
    levels = torch.where(sixteen[:, None], 1, 3)
    real = ((bits & 3) // levels * levels).float() - 1.5
    imaginary = ((bits >> 2) // levels * levels).float() - 1.5
    points = torch.complex(real, imaginary).view(len(raw), n_symbols, n_points)
    frequency = torch.fft.fftfreq(n_points, device=raw.device)
    used = frequency.abs() < numbers.log_between(4, 0.1, 0.45)[:, None]
    used &= (frequency != 0) | (numbers.uniforms[:, 5, None] < 0.5)
    symbols = torch.fft.ifft(points * used[:, None], dim=-1).flatten(1)
    shifted = time + (numbers.uniforms[:, 6, None] * length).long()
    place = (shifted % length - prefix.long()[:, None]) % n_points
    samples = symbols.gather(1, (shifted // length) * n_points + place)
    return torch.stack([samples.real, samples.imag], 1)


def noise_alone(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """Noise, white or of a band; its level slowly changing in some frames."""
    length = numbers.noise.shape[-1]
    frequency = torch.fft.fftfreq(length, device=numbers.noise.device)
    width = torch.where(numbers.uniforms[:, 1] < 0.25, 2.0, numbers.log_between(2, 0.04, 1.0))
    centre = numbers.between(3, -0.1, 0.1)
    edge = numbers.log_between(4, 0.005, 0.1)
    distance = (frequency - centre[:, None]).abs() - width[:, None] / 2
    shape = torch.sigmoid(-distance / edge[:, None] * 4)
    spectrum = torch.fft.fft(torch.complex(numbers.noise[:, 0], numbers.noise[:, 1]))
    samples = torch.fft.ifft(spectrum * shape)
    slope = torch.where(numbers.uniforms[:, 5] < 0.8, 0.0, numbers.between(6, -2.0, 2.0))
    level = torch.exp(slope[:, None] * (_time(numbers) / length - 0.5))
    return torch.stack([samples.real, samples.imag], 1) * level[:, None]


def carriers(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """One to four carriers, mostly one."""
    count = 1 + (numbers.uniforms[:, 1].pow(3) * 4).long()
    planes = torch.zeros_like(numbers.noise)
    for place in range(4):
        frequency = 0.2 * numbers.between(2 + place, -1.0, 1.0).pow(3)
        phase = frequency[:, None] * _time(numbers)
        level = torch.where(place < count, 1.0, 0.0) * (
            1 - 0.6 * (place > 0) * numbers.uniforms[:, 8]
        )
        planes += level[:, None, None] * _turning(phase + numbers.uniforms[:, 9 + place, None])
    return planes


def chirps(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """Linear sweeps up or down, each from its own start as LoRa's symbols, or all from the edge."""
    length = numbers.log_between(1, 48.0, 3000.0)[:, None]
    width = numbers.log_between(2, 0.04, 0.6)[:, None]
    time = _time(numbers) / length + numbers.uniforms[:, 3, None]
    starts = torch.where(numbers.uniforms[:, 4, None] < 0.5, 0.0, numbers.bytes.float() / 256)
    sweep = (time % 1 + starts.gather(1, time.floor().long())) % 1 - 0.5
    direction = torch.where(numbers.uniforms[:, 5, None] < 0.5, 1.0, -1.0)
    return _turning((direction * width * sweep).cumsum(-1))


def two_signals(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """Two signals of linear classes, the weaker at most 8 dB below, apart in frequency or not."""
    window = source_window(profile)
    half = _N_BYTES // 2
    total = torch.zeros_like(numbers.noise)
    for first in (0, 1):
        picks = torch.tensor([0, 3, 4, 5, 12, 12], device=total.device)
        ids = picks[(numbers.uniforms[:, 1 + first] * len(picks)).long()]
        symbols = numbers.bytes[:, first * half : (first + 1) * half]
        n_symbols = linear.n_symbols(window, profile.linear)
        rolloff = numbers.between(3 + first, 0.15, 0.5)
        parts = linear.modulate(
            ids, symbols[:, :n_symbols], numbers.uniforms[:, 5 + first], rolloff, profile.linear,
            type(window)(window.total, 0),
        )  # fmt: skip
        offset = numbers.between(7 + first, -0.13, 0.13)[:, None] * _time(numbers)
        turn = _turning(offset + numbers.uniforms[:, 9 + first, None])
        i, q = parts[0][:, 0], parts[0][:, 1]
        level = 10 ** (-0.4 * first * numbers.uniforms[:, 11])[:, None, None]
        real, imaginary = i * turn[:, 0] - q * turn[:, 1], i * turn[:, 1] + q * turn[:, 0]
        total += level * torch.stack([real, imaginary], 1)
    return total


def impulses(numbers: Numbers, profile: Profile) -> Float[Tensor, "n 2 time"]:
    """Pulses at random times that ring and die out, on a faint noise."""
    length = numbers.noise.shape[-1]
    frequency = torch.fft.fftfreq(length, device=numbers.noise.device)
    often = numbers.log_between(1, 2e-3, 5e-2)
    threshold = torch.special.ndtri(1 - often.double() / 2).float()[:, None]
    hit = numbers.noise[:, 0].abs() > threshold
    strokes = torch.where(hit, numbers.noise[:, 1], 0.0)
    damping = numbers.log_between(2, 0.01, 0.3)[:, None]
    ring = 1 / torch.complex(damping, 6.28 * (frequency - numbers.between(3, -0.2, 0.2)[:, None]))
    samples = torch.fft.ifft(torch.fft.fft(strokes) * ring)
    faint = 0.02 * samples.abs().square().mean(-1, keepdim=True).sqrt()
    planes = torch.stack([samples.real, samples.imag], 1)
    result: Tensor = planes + faint[:, None] * numbers.noise
    return result


Kind = Callable[[Numbers, Profile], Float[Tensor, "n 2 time"]]

_KINDS: tuple[tuple[float, Kind], ...] = (
    (0.34, frequency_shift_keying),
    (0.14, ofdm),
    (0.18, noise_alone),
    (0.08, carriers),
    (0.08, chirps),
    (0.13, two_signals),
    (0.05, impulses),
)
"""How large a share of the unknown frames each kind has."""

_KINDS_UP_TO = [sum(share for share, _ in _KINDS[: k + 1]) for k in range(len(_KINDS))]


def _time(numbers: Numbers) -> Float[Tensor, "1 time"]:
    return torch.arange(numbers.noise.shape[-1], device=numbers.noise.device).float()[None]


def _tones(numbers: Numbers, n_tones: Tensor) -> Float[Tensor, "n k"]:
    """Tone of each symbol in steps of the spacing, 0 in the middle."""
    count = n_tones[:, None]
    return (numbers.bytes % count).float() - (count - 1) / 2


def _turning(turns: Float[Tensor, "n time"]) -> Float[Tensor, "n 2 time"]:
    """e^{j2π·turns}."""
    angle = 2 * math.pi * (turns - turns.floor())
    return torch.stack([torch.cos(angle), torch.sin(angle)], 1)
