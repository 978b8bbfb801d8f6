"""The random numbers of a frame: drawn alike for every class, block by block.

A block of frames shares one random stream, so a frame's numbers depend on the seed, its global
index and what the profile needs, and on nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from boltmod.modulation import FRAME_LENGTH
from boltmod.signal import analog, keying, linear
from boltmod.signal.profile import Channel, Profile, Span
from boltmod.signal.window import Window

BLOCK = 64
"""Frames that share one random stream: block b holds the global indices 64b … 64b + 63."""

MARGIN = 64
"""Samples before an impaired frame, for the transients of the channel's filters."""

_N_UNIFORMS = 5
_N_NORMALS = 8
_CHANNEL_SPANS = tuple(item.name for item in fields(Channel) if item.type == "tuple[float, float]")


@dataclass(frozen=True)
class Draws:
    """The random numbers of n frames.

    `spans`, `paths` and `phase_steps` are empty where the channel is clean, `manners` where all
    frames are keyed alike, `white` where no analog message is white.
    """

    noise: Float[Tensor, "n 2 time"]
    normals: Float[Tensor, "n normals"]
    uniforms: Float[Tensor, "n uniforms"]
    symbols: UInt8[Tensor, "n bytes"]
    spans: Float[Tensor, "n spans"]
    paths: Float[Tensor, "n paths2"]
    phase_steps: Float[Tensor, "n steps"]
    manners: Float[Tensor, "n manners"]
    white: Float[Tensor, "n white"]

    def of(self, rows: Tensor | slice) -> Draws:
        """Those of some of the frames."""
        return Draws(*(getattr(self, item.name)[rows] for item in fields(self)))

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
        """How much of what is outside the window lies before it."""
        return self.uniforms[:, 2]

    @property
    def carrier_phase(self) -> Float[Tensor, " n"]:
        """Phase of an analog class's carrier, in turns."""
        return self.uniforms[:, 3]

    def rolloff(self, span: Span) -> Float[Tensor, " n"]:
        """Roll-off of the pulse."""
        return span[0] + (span[1] - span[0]) * self.uniforms[:, 4]

    def place_within(self, name: str) -> Float[Tensor, " n"]:
        """Where in its span the channel parameter of that name lies, 0 to 1."""
        return self.spans[:, _CHANNEL_SPANS.index(name)]

    def within(self, name: str, shape: Channel) -> Float[Tensor, " n"]:
        """The channel parameter of that name, within its span."""
        low, high = (float(end) for end in getattr(shape, name))
        return low + (high - low) * self.place_within(name)

    @property
    def start(self) -> Float[Tensor, " n"]:
        """Where a partly filled frame's signal starts, 0 to 1 of the room there is."""
        return self.spans[:, -1]

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
    def message(self) -> analog.Randomness:
        """Analog messages."""
        return analog.Randomness(self.normals[:, 8:], self.place, self.white)


def source_window(profile: Profile) -> Window:
    """The samples a modulator makes, so that the channel can make a frame of them."""
    outside = profile.normalisation_samples - FRAME_LENGTH
    if not profile.channel.impaired:
        return Window(n_outside=outside)
    slowest = profile.channel.samples_per_symbol[0] / linear.SAMPLES_PER_SYMBOL
    drift = 1 + 1e-6 * max(map(abs, profile.channel.timing_drift))
    needed = (FRAME_LENGTH + MARGIN) / slowest * drift + 16
    return Window(length=-(-math.ceil(needed) // 32) * 32, n_outside=0)


def block_seed(seed: int, block: int) -> int:
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


def draw(
    seed: int,
    first: int,
    count: int,
    profile: Profile,
    device: torch.device,
    *,
    hiss: bool = True,
) -> Draws:
    """The random numbers of the frames `first` … `first + count − 1`.

    `hiss` is whether `white` is wanted: it is drawn last, so nothing else depends on that.
    """
    blocks = range(first // BLOCK, -(-(first + count) // BLOCK))
    numbers = _empty(len(blocks) * BLOCK, profile, device, hiss)
    for place, block in enumerate(blocks):
        stream = torch.Generator(device).manual_seed(block_seed(seed, block))
        _fill(numbers.of(slice(place * BLOCK, (place + 1) * BLOCK)), stream)
    skip = first % BLOCK
    return numbers.of(slice(skip, skip + count))


def _empty(n: int, profile: Profile, device: torch.device, hiss: bool) -> Draws:
    """Room for the random numbers of n frames."""
    impaired = profile.channel.impaired
    length = FRAME_LENGTH + MARGIN if impaired else FRAME_LENGTH
    n_bytes = linear.n_symbols(source_window(profile), profile.linear)

    def room(*shape: int) -> Tensor:
        return torch.empty(n, *shape, device=device)

    return Draws(
        noise=room(2, length),
        normals=room(_N_NORMALS + analog.n_normals(profile.analog)),
        uniforms=room(_N_UNIFORMS),
        symbols=torch.empty(n, -(-n_bytes // 8) * 8, dtype=torch.uint8, device=device),
        spans=room(len(_CHANNEL_SPANS) + 1 if impaired else 0),
        paths=room(2 * profile.channel.n_paths + 2 if impaired else 0),
        phase_steps=room(length if impaired else 0),
        manners=room(keying.N_UNIFORMS if profile.linear.keying.varied else 0),
        white=room(analog.n_white(profile.analog, source_window(profile)) if hiss else 0),
    )


def _fill(block: Draws, stream: torch.Generator) -> None:
    """Draws one block's numbers, those of an impaired channel last."""
    block.noise.normal_(generator=stream)
    block.normals.normal_(generator=stream)
    block.uniforms.uniform_(generator=stream)
    block.symbols.view(torch.int64).random_(-(2**63), None, generator=stream)
    block.spans.uniform_(generator=stream)
    block.paths.normal_(generator=stream)
    block.phase_steps.normal_(generator=stream)
    block.manners.uniform_(generator=stream)
    block.white.normal_(generator=stream)
