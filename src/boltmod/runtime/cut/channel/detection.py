"""A signal found, as what looked for it tells the rest."""

from __future__ import annotations

from dataclasses import dataclass

from boltmod.runtime.cut.band import Band

Span = tuple[int, int]


@dataclass(frozen=True)
class Detection:
    """One signal found.

    Args:
        band: The band that holds 99 % of its power.
        spans: When it is on: (first sample, end).
        snr_db: Its power over that of the noise in its band, while it is on.
        clear: When nothing far stronger is on anywhere in the band; as when it is on if empty.
        is_doubtful: Whether it might as well be noise that a receiver's filter has shaped.
        voice_in: What of it is that of a voice, `amplitude` or `frequency`; empty if nothing is.
    """

    band: Band
    spans: tuple[Span, ...]
    snr_db: float
    is_doubtful: bool = False
    clear: tuple[Span, ...] = ()
    voice_in: str = ""


Found = tuple[Detection, float]
"""A signal and its power."""
