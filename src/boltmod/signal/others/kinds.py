"""Which function makes which class, and what is "unknown"."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from boltmod.modulation import CLASSES, FIELD_CLASSES, UNKNOWN_ID
from boltmod.signal.draws import source_window
from boltmod.signal.others import keyed_tones, voice, wide_band
from boltmod.signal.others.numbers import Numbers
from boltmod.signal.profile import Profile

Kind = Callable[[Numbers, Profile], Float[Tensor, "n 2 time"]]

NAMED: dict[str, Kind] = {
    "2FSK": keyed_tones.two_tones,
    "4FSK": keyed_tones.four_tones,
    "AFSK": keyed_tones.audio_tones,
    "OFDM": wide_band.ofdm,
    "LoRa chirp": wide_band.chirps,
    "carrier": wide_band.carrier,
    "noise": wide_band.noise_alone,
}
"""What has a name beside the 24 classes."""

NAMELESS: tuple[tuple[float, Kind], ...] = (
    (0.45, wide_band.two_signals),
    (0.2, wide_band.impulses),
    (0.2, wide_band.several_carriers),
    (0.15, keyed_tones.eight_tones),
)
"""What is unknown, each with its share."""

_NAMELESS_UP_TO = [sum(share for share, _ in NAMELESS[: k + 1]) for k in range(len(NAMELESS))]


def modulate(
    class_ids: Int64[Tensor, " n"], numbers: Numbers, profile: Profile
) -> tuple[Float[Tensor, "n 2 time"], Float[Tensor, "n 2 rest"]]:
    """The window's samples, and those outside it (which follow it), of mean power one.

    Args:
        class_ids: Ids of `FIELD_CLASSES`: an analog one of the 24, unknown, or one that follows.
        numbers: The frames' random numbers.
        profile: What the frames look like.
    """
    window = source_window(profile)
    planes = torch.empty_like(numbers.noise)
    for kind, rows in _parts(class_ids, numbers):
        signal = kind(numbers.of(rows), profile)
        power = signal.square().mean(-1).sum(-1)
        planes[rows] = signal * power.clamp_min(1e-12).rsqrt()[:, None, None]
    return planes[:, :, : window.length], planes[:, :, window.length :: window.stride]


def _parts(class_ids: Int64[Tensor, " n"], numbers: Numbers) -> list[tuple[Kind, Tensor]]:
    """Which rows each kind makes."""
    named = {FIELD_CLASSES.index(name): kind for name, kind in NAMED.items()}
    named |= {CLASSES.index(name): kind for name, kind in voice.VOICES.items()}
    parts = [
        (named[i], (class_ids == i).nonzero()[:, 0])
        for i in torch.unique(class_ids).tolist()
        if i != UNKNOWN_ID
    ]
    edges = torch.tensor(_NAMELESS_UP_TO, device=class_ids.device)
    place = torch.bucketize(numbers.chances.uniform("kind").contiguous(), edges, right=True)
    place = place.clamp_max(len(edges) - 1)
    for number, (_, kind) in enumerate(NAMELESS):
        rows = ((class_ids == UNKNOWN_ID) & (place == number)).nonzero()[:, 0]
        if len(rows):
            parts.append((kind, rows))
    return parts
