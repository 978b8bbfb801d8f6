"""The random numbers of the frames that are none of the 24 classes, or of a voice on the air.

A frame depends on the seed, its global index and the profile; each has a random stream of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from boltmod.signal.chances import Chances
from boltmod.signal.draws import block_seed, source_window
from boltmod.signal.profile import Profile

N_BYTES = 1024
_STREAM = 0x75_6E_6B_6E
_N_UNIFORMS = 24


@dataclass(frozen=True)
class Numbers:
    """The random numbers of n frames."""

    chances: Chances
    noise: Float[Tensor, "n 2 time"]
    bytes: UInt8[Tensor, "n 1024"]

    def of(self, rows: Tensor) -> Numbers:
        """Those of some of the frames."""
        return Numbers(self.chances.of(rows), self.noise[rows], self.bytes[rows])

    @property
    def time(self) -> Float[Tensor, "1 time"]:
        """Number of each sample."""
        return torch.arange(self.noise.shape[-1], device=self.noise.device).float()[None]


def draw(seed: int, indices: Tensor, profile: Profile, device: torch.device) -> Numbers:
    """The random numbers of the frames of some global indices."""
    length = source_window(profile).total
    n = len(indices)
    uniforms = torch.empty(n, _N_UNIFORMS, device=device)
    noise = torch.empty(n, 2, length, device=device)
    bytes_ = torch.empty(n, N_BYTES, dtype=torch.uint8, device=device)
    stream = torch.Generator(device)
    for row, index in enumerate(indices.tolist()):
        stream.manual_seed(block_seed(seed ^ _STREAM, index))
        uniforms[row].uniform_(generator=stream)
        noise[row].normal_(generator=stream)
        bytes_[row].view(torch.int64).random_(-(2**63), None, generator=stream)
    return Numbers(Chances(uniforms), noise, bytes_)


def turning(turns: Float[Tensor, "n time"]) -> Float[Tensor, "n 2 time"]:
    """e^{j2π·turns}."""
    angle = 2 * math.pi * (turns - turns.floor())
    return torch.stack([torch.cos(angle), torch.sin(angle)], 1)


def filtered(
    noise: Float[Tensor, "n time"], gain: Float[Tensor, "n time"]
) -> Float[Tensor, "n time"]:
    """A real process through a filter, given by its gain at `torch.fft.fftfreq`."""
    result: Tensor = torch.fft.ifft(torch.fft.fft(noise) * gain).real
    return result
