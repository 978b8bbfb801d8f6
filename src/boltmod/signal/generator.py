"""Frames of any class at any SNR: one function from labels and a seed to samples.

A frame depends on the seed, its global index, its class, its SNR and the profile, and on nothing
else: neither on the batch it is asked for in nor on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from boltmod.errors import ConfigError, ShapeError
from boltmod.modulation import FRAME_LENGTH, N_CLASSES, Modulation
from boltmod.signal import analog, channel, cpm, linear, noise
from boltmod.signal.profile import TWIN, AmplitudeModulation, Profile, Span

BLOCK = 64
"""Frames that share one random stream: block b holds the global indices 64b … 64b + 63."""

_CHUNK = {"cpu": 64, "cuda": 16384}
"""Frames made at once: what fits a processor's cache, or fills a GPU."""

_REST_STRIDE = 4
"""Outside the frame, only the signal's mean and power matter: every fourth sample gives them."""


def generate(
    class_ids: Tensor,
    snr_labels: Tensor,
    seed: int,
    *,
    first_frame: int = 0,
    profile: Profile = TWIN,
    device: torch.device | str | None = None,
) -> Float[Tensor, "n 2 1024"]:
    """Makes one frame for each (class, SNR label).

    Args:
        class_ids: (n,) int64, 0 to 23, in the order of `boltmod.modulation.CLASSES`.
        snr_labels: (n,) SNR labels in RadioML's sense, any finite number. **The twin's true SNR
            is 2·label + 0.8 dB**: see `noise.snr_db_of_label`.
        seed: 0 to 2^63 − 1.
        first_frame: Global index of the first frame; frame i has index `first_frame + i`.
        profile: What the classes look like.
        device: Where the frames are made; the class ids' own if None. Each device type has its
            own random stream.

    Returns:
        iq_planes: (n, 2, 1024) float32 on `device`, plane 0 = I.

    Raises:
        ShapeError: The labels are not two vectors of one length.
        ConfigError: A class, an SNR, the seed or the first index is out of range.
    """
    _check(class_ids, snr_labels, seed, first_frame)
    where = torch.device(device) if device is not None else class_ids.device
    ids = class_ids.to(where, torch.int64)
    labels = snr_labels.to(where, torch.float32)
    frames = torch.empty(len(ids), 2, FRAME_LENGTH, device=where)
    chunk = _CHUNK.get(where.type, _CHUNK["cpu"])
    start = 0
    while start < len(ids):
        first = first_frame + start
        stop = min(len(ids), start + chunk - first % chunk)
        draws = draw(seed, first, stop - start, profile, where)
        part = slice(start, stop)
        _make(ids[part], labels[part], draws, profile, frames[part])
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
    for value in class_ids[(class_ids < 0) | (class_ids >= N_CLASSES)][:1].tolist():
        msg = f"class_ids must be 0 to {N_CLASSES - 1}, not {value}; see boltmod.modulation.CLASSES"
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


@dataclass(frozen=True)
class Draws:
    """The random numbers of n frames, drawn alike for every class."""

    noise: Float[Tensor, "n 2 1024"]
    normals: Float[Tensor, "n normals"]
    uniforms: Float[Tensor, "n uniforms"]
    symbols: UInt8[Tensor, "n bytes"]

    def of(self, rows: Tensor) -> Draws:
        """Those of some of the frames."""
        return Draws(self.noise[rows], self.normals[rows], self.uniforms[rows], self.symbols[rows])

    @property
    def phase(self) -> Float[Tensor, " n"]:
        """Carrier phase, in turns."""
        return self.uniforms[:, 0]

    @property
    def timing(self) -> Float[Tensor, " n"]:
        """Delay of the first symbol, in symbols."""
        return self.uniforms[:, 1]

    @property
    def place(self) -> Float[Tensor, " n"]:
        """Where the frame lies in its normalisation window, 0 to 1."""
        return self.uniforms[:, 2]

    @property
    def carrier_phase(self) -> Float[Tensor, " n"]:
        """Phase of an analog class's carrier, in turns."""
        return self.uniforms[:, 3]

    def within(self, span: Span) -> Float[Tensor, " n"]:
        """A parameter that lies in `span`: so far the roll-off alone."""
        return span[0] + (span[1] - span[0]) * self.uniforms[:, 4]

    @property
    def carrier_offset(self) -> Float[Tensor, " n"]:
        """Standard normal."""
        return self.normals[:, 0]

    @property
    def leak(self) -> Float[Tensor, "n 2"]:
        """Complex normal of unit power."""
        return self.normals[:, 1:3] * math.sqrt(0.5)

    @property
    def rest(self) -> Float[Tensor, "n 5"]:
        """Noise outside the frame."""
        return self.normals[:, 3:8]

    @property
    def message(self) -> Float[Tensor, "n message"]:
        """Analog messages."""
        return self.normals[:, 8:]


_N_UNIFORMS = 5
_N_NORMALS = 8


def _block_seed(seed: int, block: int) -> int:
    """A seed for a block's stream: 32 bits, because torch's CPU generator reads no more.

    Blocks of one seed never share a stream (the mixing is a bijection of a counter); two seeds
    start their counters at places mixed from all of their bits.
    """
    mask = 2**64 - 1
    z = (seed + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    x = ((z ^ (z >> 31)) + block) & 0xFFFFFFFF
    x = ((x ^ (x >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
    x = ((x ^ (x >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
    return x ^ (x >> 16)


def draw(seed: int, first: int, count: int, profile: Profile, device: torch.device) -> Draws:
    """The random numbers of the frames `first` … `first + count − 1`."""
    stop = first + count
    blocks = [
        _draw_block(_block_seed(seed, b), profile, device)
        for b in range(first // BLOCK, -(-stop // BLOCK))
    ]
    skip = first % BLOCK
    noise, normals, uniforms, words = (
        (torch.cat(parts) if len(parts) > 1 else parts[0])[skip : skip + count]
        for parts in zip(*blocks, strict=True)
    )
    return Draws(noise, normals, uniforms, words.view(torch.uint8))


def _draw_block(
    seed: int, profile: Profile, device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    stream = torch.Generator(device).manual_seed(seed)
    n_bytes = linear.n_symbols(profile.normalisation_samples, profile.linear)
    n_normals = _N_NORMALS + analog.n_normals(profile.analog)
    words = torch.empty(BLOCK, -(-n_bytes // 8), dtype=torch.int64, device=device)
    return (
        torch.randn(BLOCK, 2, FRAME_LENGTH, generator=stream, device=device),
        torch.randn(BLOCK, n_normals, generator=stream, device=device),
        torch.rand(BLOCK, _N_UNIFORMS, generator=stream, device=device),
        words.random_(-(2**63), None, generator=stream),
    )


Parts = tuple[Float[Tensor, "n 2 1024"], Float[Tensor, "n 2 rest"]]
"""Signals without noise: the frames, and the rest of their windows at a stride."""

Modulator = Callable[[Int64[Tensor, " n"], Draws, Profile], Parts]


def _linear(ids: Int64[Tensor, " n"], draws: Draws, profile: Profile) -> Parts:
    rolloff = draws.within(profile.linear.pulse.rolloff)
    n_symbols = linear.n_symbols(profile.normalisation_samples, profile.linear)
    symbols = draws.symbols[:, :n_symbols]
    return linear.modulate(ids, symbols, draws.timing, rolloff, profile.linear, _REST_STRIDE)


def _gmsk(ids: Int64[Tensor, " n"], draws: Draws, profile: Profile) -> Parts:
    rate = profile.linear.samples_per_symbol
    n_bits = -(-profile.normalisation_samples // rate) + cpm.SPAN_BITS - 1
    bits = draws.symbols[:, :n_bits]
    return cpm.modulate(bits, draws.timing, profile.gmsk, rate, _REST_STRIDE)


def _fm(ids: Int64[Tensor, " n"], draws: Draws, profile: Profile) -> Parts:
    return analog.frequency_modulation(draws.message, draws.place, profile.analog.fm, _REST_STRIDE)


def _am(pick: Callable[[Profile], AmplitudeModulation], double: bool) -> Modulator:
    def modulator(ids: Int64[Tensor, " n"], draws: Draws, profile: Profile) -> Parts:
        shape = pick(profile)
        if double:
            steps = torch.floor(draws.carrier_phase * 4096)
            phase = 2 * torch.pi * shape.carrier_frequency * steps
            parts = analog.double_sideband(draws.message, draws.place, phase, shape, _REST_STRIDE)
        else:
            parts = analog.single_sideband(draws.message, draws.place, shape, _REST_STRIDE)
        leak = shape.leak_std * draws.leak[:, :, None]
        scale = 1 / math.hypot(1, shape.leak_std)
        return (parts[0] + leak) * scale, (parts[1] + leak) * scale

    return modulator


_MODULATORS: dict[Modulation, Modulator] = {
    Modulation.GMSK: _gmsk,
    Modulation.FM: _fm,
    Modulation.AM_SSB_WC: _am(lambda p: p.analog.am_ssb_wc, double=False),
    Modulation.AM_SSB_SC: _am(lambda p: p.analog.am_ssb_sc, double=False),
    Modulation.AM_DSB_WC: _am(lambda p: p.analog.am_dsb_wc, double=True),
    Modulation.AM_DSB_SC: _am(lambda p: p.analog.am_dsb_sc, double=True),
}
"""Every class that is not linear."""


def _groups(ids: Int64[Tensor, " n"]) -> list[tuple[Modulator, Tensor]]:
    """Which rows each modulator makes."""
    other = {m.index: f for m, f in _MODULATORS.items()}
    present = torch.unique(ids).tolist()
    groups = [(other[i], (ids == i).nonzero()[:, 0]) for i in present if i in other]
    if len(groups) < len(present):
        special = torch.tensor(sorted(other), device=ids.device)
        groups.append((_linear, (~torch.isin(ids, special)).nonzero()[:, 0]))
    return groups


def _make(
    ids: Int64[Tensor, " n"],
    labels: Float[Tensor, " n"],
    draws: Draws,
    profile: Profile,
    out: Float[Tensor, "n 2 1024"],
) -> None:
    """Writes the frames of one chunk into `out`."""
    std = noise.amplitude(noise.snr_db_of_label(labels, profile.noise))
    n_rest = profile.normalisation_samples - FRAME_LENGTH
    for modulator, rows in _groups(ids):
        mine = draws.of(rows)
        frame, rest = modulator(ids[rows], mine, profile)
        phase = 2 * torch.pi * mine.phase
        offset = profile.channel.carrier_offset_std * mine.carrier_offset
        frame = channel.rotate(frame, phase, offset)
        rest = channel.rotate(rest, phase + FRAME_LENGTH * offset, _REST_STRIDE * offset)
        noisy = frame.addcmul_(mine.noise, std[rows][:, None, None])
        out[rows] = noise.normalise(noisy, rest, std[rows], mine.rest, n_rest)
