"""What happens to a signal between modulator and noise: here a carrier phase and offset."""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

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
    cosine = (cos_a * cos_b - sin_a * sin_b).flatten(1)
    sine = (sin_a * cos_b + cos_a * sin_b).flatten(1)
    i, q = planes[:, 0], planes[:, 1]
    return torch.stack([i * cosine - q * sine, i * sine + q * cosine], 1)


@lru_cache(maxsize=32)
def _times(
    length: int, device: torch.device
) -> tuple[Float[Tensor, " coarse"], Float[Tensor, " fine"]]:
    """Sample times as multiples of 32 plus a remainder, so that few exponentials are needed."""
    coarse = torch.arange(0, length, _BLOCK, device=device).float()
    return coarse, torch.arange(_BLOCK, device=device).float()
