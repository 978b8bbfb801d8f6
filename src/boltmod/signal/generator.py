"""Frames of any class at any SNR: one function from labels and a seed to samples.

A frame depends on the seed, its global index, its class, its SNR and the profile, and on nothing
else: neither on the batch it is asked for in nor on the number of threads.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from boltmod import framing
from boltmod.errors import ConfigError, ShapeError
from boltmod.modulation import CLASSES, FIELD_CLASSES, FRAME_LENGTH, UNKNOWN_ID
from boltmod.signal import analog, channel, noise
from boltmod.signal.draws import Draws, draw, source_window
from boltmod.signal.labels import Labels, as_labels
from boltmod.signal.modulators import Parts, groups
from boltmod.signal.others import kinds, numbers
from boltmod.signal.others.voice import VOICES
from boltmod.signal.profile import TWIN, Profile, profile_from

_CHUNK = {"cpu": 512, "cuda": 16384}
"""Frames made at once: what fits a processor's cache, or fills a GPU."""


def generate(
    class_ids: Labels,
    snr_labels: Labels,
    seed: int,
    *,
    first_frame: int = 0,
    profile: Profile | str = TWIN,
    device: torch.device | str | None = None,
) -> Float[Tensor, "n 2 1024"]:
    """Makes one frame for each (class, SNR label).

    Args:
        class_ids: (n,) class numbers, 0 to 23, in the order of `boltmod.CLASSES`, or names; 24, or
            `unknown`, is a signal that is none of them (`boltmod.signal.unknown`).
        snr_labels: (n,) SNR labels in RadioML's sense, any finite number, or one for all. **The
            twin's true SNR is 2·label + 0.8 dB**: see `noise.snr_db_of_label`.
        seed: 0 to 2^63 − 1.
        first_frame: Global index of the first frame; frame i has index `first_frame + i`.
        profile: What the classes look like, or a profile's name.
        device: Where the frames are made; the class ids' own if None. Each device type has its
            own random stream.

    Returns:
        iq_planes: (n, 2, 1024) float32 on `device`, plane 0 = I.

    Raises:
        ShapeError: The labels are not two vectors of one length.
        ConfigError: A class, an SNR, the seed or the first index is out of range.

    Examples:
        >>> import boltmod
        >>> frames = boltmod.generate(["BPSK", "QPSK"], 20, seed=1)
        >>> frames.shape
        torch.Size([2, 2, 1024])
        >>> boltmod.generate([3, 4], [20, -10], seed=1, profile="textbook").std().round(decimals=1)
        tensor(0.7000)
    """
    class_ids, snr_labels = as_labels(class_ids, snr_labels)
    profile = profile_from(profile) if isinstance(profile, str) else profile
    _check(class_ids, snr_labels, seed, first_frame)
    where = torch.device(device) if device is not None else class_ids.device
    ids = class_ids.to(where, torch.int64)
    labels = snr_labels.to(where, torch.float32)
    frames = torch.empty(len(ids), 2, FRAME_LENGTH, device=where)
    chunk = _CHUNK.get(where.type, _CHUNK["cpu"])
    hissing = torch.tensor([m.index for m in analog.hissing_classes(profile.analog)], device=where)
    start = 0
    while start < len(ids):
        first = first_frame + start
        stop = min(len(ids), start + chunk - first % chunk)
        part = slice(start, stop)
        hiss = bool(torch.isin(ids[part], hissing).any())
        draws = draw(seed, first, stop - start, profile, where, hiss=hiss)
        _make_mixed(ids[part], labels[part], draws, profile, frames[part], (seed, first))
        start = stop
    return frames


def _check(class_ids: Tensor, snr_labels: Tensor, seed: int, first_frame: int) -> None:
    if class_ids.dim() != 1 or class_ids.shape != snr_labels.shape:
        msg = (
            f"class_ids and snr_labels must be vectors of one length, not of shapes "
            f"{tuple(class_ids.shape)} and {tuple(snr_labels.shape)}; give one of each a frame"
        )
        raise ShapeError(msg)
    if class_ids.is_floating_point() or class_ids.is_complex():
        msg = f"class_ids must be integers, not {class_ids.dtype}; convert them to int64"
        raise ConfigError(msg)
    last = len(FIELD_CLASSES) - 1
    for value in class_ids[(class_ids < 0) | (class_ids > last)][:1].tolist():
        msg = f"class_ids must be 0 to {last}, not {value}; see boltmod.modulation.FIELD_CLASSES"
        raise ConfigError(msg)
    for value in snr_labels[~torch.isfinite(snr_labels)][:1].tolist():
        msg = f"snr_labels must be finite, not {value}; the data set's are -20 to 30"
        raise ConfigError(msg)
    if not 0 <= seed < 2**63:
        msg = f"seed must be 0 to 2^63 - 1, not {seed}; take another"
        raise ConfigError(msg)
    if first_frame < 0:
        msg = f"first_frame must be 0 or more, not {first_frame}; frames count from 0"
        raise ConfigError(msg)


def _make(
    ids: Int64[Tensor, " n"],
    labels: Float[Tensor, " n"],
    draws: Draws,
    profile: Profile,
    out: Float[Tensor, "n 2 1024"],
) -> None:
    """Writes the frames of one chunk into `out`."""
    std = noise.amplitude(noise.snr_db_of_label(labels, profile.noise))
    parts = groups(ids)
    transmit = _impaired if profile.channel.impaired else _clean
    for modulator, rows in parts:
        if len(parts) == 1:
            out.copy_(transmit(modulator(ids, draws, profile), draws, std, profile))
        else:
            mine = draws.of(rows)
            signal = modulator(ids[rows], mine, profile)
            out.index_copy_(0, rows, transmit(signal, mine, std[rows], profile))


def _make_mixed(
    ids: Int64[Tensor, " n"],
    labels: Float[Tensor, " n"],
    draws: Draws,
    profile: Profile,
    out: Float[Tensor, "n 2 1024"],
    origin: tuple[int, int],
) -> None:
    """Writes frames of which some are not as RadioML has them; origin: seed and first index."""
    may_be_voice = torch.zeros_like(ids, dtype=torch.bool)
    if profile.analog.on_air:
        voices = [CLASSES.index(name) for name in VOICES]
        may_be_voice = torch.isin(ids, torch.tensor(voices, device=ids.device))
    other = (may_be_voice | (ids >= UNKNOWN_ID)).nonzero()[:, 0]
    if not len(other):
        _make(ids, labels, draws, profile, out)
        return
    seed, first = origin
    drawn = numbers.draw(seed, first + other, profile, out.device)
    is_other = drawn.chances.under("on the air", profile.analog.on_air) | (ids[other] >= UNKNOWN_ID)
    drawn, other = drawn.of(is_other.nonzero()[:, 0]), other[is_other]
    rest = torch.ones_like(ids, dtype=torch.bool).index_fill(0, other, False).nonzero()[:, 0]
    if len(rest):
        made = torch.empty(len(rest), *out.shape[1:], device=out.device)
        _make(ids[rest], labels[rest], draws.of(rest), profile, made)
        out.index_copy_(0, rest, made)
    if len(other):
        std = noise.amplitude(noise.snr_db_of_label(labels[other], profile.noise))
        signal = kinds.modulate(ids[other], drawn, profile)
        transmit = _impaired if profile.channel.impaired else _clean
        out.index_copy_(0, other, transmit(signal, draws.of(other), std, profile))


def _clean(
    signal: Parts, draws: Draws, std: Float[Tensor, " n"], profile: Profile
) -> Float[Tensor, "n 2 1024"]:
    """A carrier phase and offset, white noise, and the normalisation over the whole window."""
    stride = source_window(profile).stride
    phase = 2 * torch.pi * draws.phase
    offset = profile.channel.carrier_offset_std * draws.carrier_offset
    frame = channel.rotate(signal[0], phase, offset)
    rest = channel.rotate(signal[1], phase + FRAME_LENGTH * offset, stride * offset)
    noisy = frame.addcmul_(draws.noise, std[:, None, None])
    n_outside = profile.normalisation_samples - FRAME_LENGTH
    scale = noise.scale(noisy, rest, std, draws.rest, n_outside)
    return noisy.mul_(scale[:, None, None])


def _impaired(
    signal: Parts, draws: Draws, std: Float[Tensor, " n"], profile: Profile
) -> Float[Tensor, "n 2 1024"]:
    """Everything a radio and its surroundings may do; the frame alone is normalised."""
    shape = profile.channel
    received = channel.propagate(signal[0], draws, shape)
    noisy = channel.receive(received, std, draws, shape)
    if profile.framed:
        noisy = _framed(noisy)
    scale = noise.scale(noisy, noisy[:, :, :0], std, draws.rest, 0)
    gain = torch.exp(draws.within("gain_db", shape).double() * (math.log(10) / 20)).float()
    return noisy.mul_((scale * gain)[:, None, None])


def _framed(planes: Float[Tensor, "n 2 1024"]) -> Float[Tensor, "n 2 1024"]:
    """As the runtime makes the windows of a recording, before a network sees them."""
    windows = torch.view_as_complex(planes.transpose(1, 2).contiguous())
    near = torch.from_numpy(framing.centred(windows.cpu().numpy())).to(planes.device)
    return torch.stack([near.real, near.imag], 1)
