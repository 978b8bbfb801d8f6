"""What happens to a signal on its way: carrier, clock, paths, noise, and the receiver's faults.

Source: J. G. Proakis, M. Salehi, "Digital Communications", 5th ed., chapter 13 (fading); P. A.
Valkama et al., "Advanced methods for I/Q imbalance compensation", IEEE Trans. Signal Process.
49(10), 2001 (I/Q imbalance).
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from boltmod.modulation import FRAME_LENGTH
from boltmod.signal.draws import MARGIN, Draws
from boltmod.signal.linear import SAMPLES_PER_SYMBOL
from boltmod.signal.profile import Channel

_BLOCK = 32


def rotate(
    planes: Float[Tensor, "n 2 time"],
    phase_rad: Float[Tensor, " n"],
    offset_rad: Float[Tensor, " n"],
) -> Float[Tensor, "n 2 time"]:
    """Turns the planes by e^{j(phase + offset·n)}, n counting from 0.

    Args:
        planes: The length is a multiple of 32.
        phase_rad: Carrier phase of each frame at its first sample, rad.
        offset_rad: Carrier offset of each frame, rad/sample.
    """
    coarse, fine = _times(planes.shape[-1], planes.device)
    a = (phase_rad[:, None] + offset_rad[:, None] * coarse)[:, :, None]
    b = (offset_rad[:, None] * fine)[:, None, :]
    cos_a, sin_a, cos_b, sin_b = a.cos(), a.sin(), b.cos(), b.sin()
    cosine = torch.addcmul(cos_a * cos_b, sin_a, sin_b, value=-1).flatten(1)
    sine = torch.addcmul(sin_a * cos_b, cos_a, sin_b).flatten(1)
    i, q = planes[:, 0], planes[:, 1]
    turned = torch.empty_like(planes)
    torch.mul(i, cosine, out=turned[:, 0]).addcmul_(q, sine, value=-1)
    torch.mul(i, sine, out=turned[:, 1]).addcmul_(q, cosine)
    return turned


@lru_cache(maxsize=32)
def _times(
    length: int, device: torch.device
) -> tuple[Float[Tensor, " coarse"], Float[Tensor, " fine"]]:
    """Sample times as multiples of 32 plus a remainder, so that few exponentials are needed."""
    coarse = torch.arange(0, length, _BLOCK, device=device).float()
    return coarse, torch.arange(_BLOCK, device=device).float()


def propagate(
    source: Float[Tensor, "n 2 source"], draws: Draws, shape: Channel
) -> Float[Tensor, "n 2 time"]:
    """From the transmitter's samples to the antenna: clock, filling, carrier, paths.

    Where there is signal, its mean power in the frame is one again.
    """
    step = SAMPLES_PER_SYMBOL / draws.within("samples_per_symbol", shape)
    step = step * (1 + 1e-6 * draws.within("timing_drift", shape))
    planes = resample(source, step, FRAME_LENGTH + MARGIN)
    occupied = draws.within("occupied", shape).clamp_max(1)
    planes = planes * gate(draws.start * (1 - occupied), occupied, planes.shape[-1])[:, None]
    angle = draws.within("phase_noise_std", shape)[:, None] * draws.phase_steps.cumsum(-1)
    offset = draws.within("carrier_offset", shape)
    offset = offset + shape.carrier_offset_std * draws.carrier_offset
    time = torch.arange(planes.shape[-1], device=planes.device)
    angle = angle + 2 * torch.pi * draws.phase[:, None] + offset[:, None] * time
    planes = turn(planes, angle)
    planes = multipath(planes, paths(draws, shape))
    power = planes[:, :, MARGIN:].square().mean(-1).sum(-1) / occupied
    return planes * power.clamp_min(1e-12).rsqrt()[:, None, None]


def receive(
    planes: Float[Tensor, "n 2 time"], std: Float[Tensor, " n"], draws: Draws, shape: Channel
) -> Float[Tensor, "n 2 1024"]:
    """From the antenna to the samples: coloured noise, receiver filter, I/Q imbalance, DC."""
    colour = draws.within("noise_colour", shape)
    white = torch.stack([torch.ones_like(colour), colour], 1)
    noise = fir(draws.noise, white / white.square().sum(1, keepdim=True).sqrt())
    bandwidth = receiver_bandwidth(draws, shape)
    noisy = fir(planes + std[:, None, None] * noise, low_pass(bandwidth))[:, :, MARGIN:]
    noisy = strike(noisy, draws, shape)
    noisy = step_gain(noisy, draws, shape)
    gain = torch.exp(draws.within("iq_gain_db", shape) * (math.log(10) / 40))[:, None]
    skew = draws.within("iq_phase", shape)[:, None]
    i, q = noisy[:, 0], noisy[:, 1]
    imbalanced = torch.stack([i * gain, (q * skew.cos() + i * skew.sin()) / gain], 1)
    received = clip(imbalanced + shape.dc_std * draws.leak[:, :, None], draws, shape)
    if max(shape.squelched) <= 0:
        return received
    open_until = 1 - draws.within("squelched", shape).clamp_min(0)
    return received * gate(torch.zeros_like(open_until), open_until, FRAME_LENGTH)[:, None]


def clip(
    planes: Float[Tensor, "n 2 time"], draws: Draws, shape: Channel
) -> Float[Tensor, "n 2 time"]:
    """I and Q of a receiver that is driven too hard."""
    if max(shape.overload_db) <= 0:
        return planes
    over = draws.within("overload_db", shape).clamp_min(0)
    most = planes.abs().amax((1, 2)) * torch.exp(over * (-math.log(10) / 20))
    return torch.maximum(torch.minimum(planes, most[:, None, None]), -most[:, None, None])


def step_gain(
    planes: Float[Tensor, "n 2 time"], draws: Draws, shape: Channel
) -> Float[Tensor, "n 2 time"]:
    """A receiver's gain changes once, somewhere in the frame."""
    if shape.gain_step_db == (0, 0):
        return planes
    step = torch.exp(draws.within("gain_step_db", shape) * (math.log(10) / 20))
    time = torch.arange(planes.shape[-1], device=planes.device) / planes.shape[-1]
    return planes * torch.where(time >= draws.place[:, None], step[:, None], 1.0)[:, None]


def strike(
    planes: Float[Tensor, "n 2 time"], draws: Draws, shape: Channel
) -> Float[Tensor, "n 2 time"]:
    """Single strong samples, as ignitions and switches make them; where the noise peaks."""
    if max(shape.impulses) < 1:
        return planes
    count = draws.within("impulses", shape).long().clamp_min(0)
    noise = draws.noise[:, :, -planes.shape[-1] :].square().sum(1)
    ranked = noise.topk(max(1, int(max(shape.impulses))), dim=1)
    hit = torch.arange(ranked.indices.shape[1], device=planes.device) < count[:, None]
    level = planes.square().sum(1).mean(1).sqrt() * 10 ** (shape.impulse_db / 20)
    phase = 2 * torch.pi * draws.phase[:, None] * ranked.values
    struck = torch.stack([phase.cos(), phase.sin()], 1) * (hit * level[:, None])[:, None]
    index = ranked.indices[:, None].expand(-1, 2, -1)
    return planes.scatter_add(2, index, struck)


def receiver_bandwidth(draws: Draws, shape: Channel) -> Float[Tensor, " n"]:
    """Of the receiver's filter or of the channel's selection, whichever is narrower, two-sided."""
    low, high = shape.selection
    # Narrow and wide selections are equally frequent on a logarithmic scale.
    place = draws.place_within("selection").double()
    symbol_rates = low * torch.exp(place * math.log(high / low)).float()
    selected = symbol_rates / draws.within("samples_per_symbol", shape)
    return torch.minimum(draws.within("receiver_bandwidth", shape), selected)


def turn(
    planes: Float[Tensor, "n 2 time"], angle: Float[Tensor, "n time"]
) -> Float[Tensor, "n 2 time"]:
    """Turns every sample by its angle in rad."""
    cosine, sine = angle.cos(), angle.sin()
    i, q = planes[:, 0], planes[:, 1]
    return torch.stack([i * cosine - q * sine, i * sine + q * cosine], 1)


def resample(
    source: Float[Tensor, "n 2 source"], step: Float[Tensor, " n"], length: int
) -> Float[Tensor, "n 2 time"]:
    """Samples at times 8 + step·n of the source, by an eight-point windowed sinc.

    Args:
        source: Band-limited to well below half a cycle a sample.
        step: Source samples from one output sample to the next.
        length: Output samples.
    """
    time = 8 + step[:, None] * torch.arange(length, device=source.device)
    whole = time.floor()
    part = time - whole
    first = whole.long()
    result = torch.zeros(len(source), 2, length, device=source.device)
    place = (part * _SINC_STEPS + 0.5).long()
    table = _sinc_table(source.device)
    first.clamp_(3, source.shape[-1] - 5)
    for row, tap in enumerate(range(-3, 5)):
        index = (first + tap)[:, None].expand(-1, 2, -1)
        result.addcmul_(table[row][place][:, None], source.gather(2, index))
    return result


_SINC_STEPS = 4096
"""Parts of a sample at which the windowed sinc is tabulated: the error is below -75 dB."""


@lru_cache(maxsize=4)
def _sinc_table(device: torch.device) -> Float[Tensor, "taps steps"]:
    """An eight-point windowed sinc: tap −3 … 4 of each part of a sample, both ends included."""
    part = torch.arange(_SINC_STEPS + 1, dtype=torch.float64) / _SINC_STEPS
    distance = part - torch.arange(-3, 5)[:, None]
    weight = torch.sinc(distance) * torch.cos(torch.pi / 8 * distance).square()
    return weight.float().to(device)


def gate(
    start: Float[Tensor, " n"], share: Float[Tensor, " n"], length: int
) -> Float[Tensor, "n time"]:
    """1 while a frame has signal and 0 elsewhere; the frame is the last 1024 of the samples."""
    time = (torch.arange(length, device=start.device) - (length - FRAME_LENGTH)) / FRAME_LENGTH
    begun, ended = time >= start[:, None], time >= (start + share)[:, None]
    return torch.where((share[:, None] >= 1) | (begun & ~ended), 1.0, 0.0)


def paths(draws: Draws, shape: Channel) -> Float[Tensor, "n 2 paths"]:
    """Complex path gains of mean total power one: a fixed first path and a Rayleigh profile."""
    rice = torch.exp(draws.within("rice_factor_db", shape).double() * (math.log(10) / 10)).float()
    index = torch.arange(shape.n_paths, device=rice.device)
    profile = torch.exp(-shape.path_decay * math.log(10) / 10 * index)
    profile = (profile / profile.sum() / 2).sqrt()
    scattered = draws.paths[:, : 2 * shape.n_paths].reshape(-1, 2, shape.n_paths) * profile
    gains = scattered / (1 + rice).sqrt()[:, None, None]
    gains[:, 0, 0] += (rice / (1 + rice)).sqrt()
    return gains


def multipath(
    planes: Float[Tensor, "n 2 time"], gains: Float[Tensor, "n 2 paths"]
) -> Float[Tensor, "n 2 time"]:
    """The sum of delayed copies, path k being k samples late."""
    real, imaginary = fir(planes, gains[:, 0]), fir(planes, gains[:, 1])
    return torch.stack([real[:, 0] - imaginary[:, 1], real[:, 1] + imaginary[:, 0]], 1)


def fir(
    planes: Float[Tensor, "n 2 time"], taps: Float[Tensor, "n taps"]
) -> Float[Tensor, "n 2 time"]:
    """Filters each frame with its own real taps; what precedes the frame counts as zero."""
    result = planes * taps[:, :1, None]
    for delay in range(1, taps.shape[1]):
        result[:, :, delay:] += taps[:, delay, None, None] * planes[:, :, :-delay]
    return result


def low_pass(bandwidth: Float[Tensor, " n"]) -> Float[Tensor, "n taps"]:
    """Receiver filters: a 33-tap Hamming-windowed sinc of a two-sided bandwidth, unity at DC."""
    time = torch.arange(-16, 17, device=bandwidth.device)
    window = 0.54 + 0.46 * torch.cos(torch.pi / 16 * time)
    taps = torch.sinc(bandwidth[:, None] * time) * window
    return taps / taps.sum(1, keepdim=True)
