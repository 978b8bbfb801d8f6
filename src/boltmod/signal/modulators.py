"""Which modulator makes which class, from a frame's random numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from boltmod.modulation import Modulation
from boltmod.signal import analog, cpm, keying, linear
from boltmod.signal.draws import Draws, source_window
from boltmod.signal.profile import AmplitudeModulation, Profile

Parts = tuple[Float[Tensor, "n 2 time"], Float[Tensor, "n 2 rest"]]
"""Signals without noise: the window in full, and what is outside it at a stride."""

Modulator = Callable[[Int64[Tensor, " n"], Draws, Profile], Parts]


def _linear(ids: Int64[Tensor, " n"], draws: Draws, profile: Profile) -> Parts:
    window = source_window(profile)
    symbols = draws.symbols[:, : linear.n_symbols(window, profile.linear)]
    rolloff = draws.rolloff(profile.linear.pulse.rolloff)
    how = None
    if profile.linear.keying.varied:
        how = keying.manner(ids, draws.manners, profile.linear.keying)
    parts = linear.modulate(ids, symbols, draws.timing, rolloff, profile.linear, window, how)
    return parts if how is None else (keying.pull(parts[0], how), parts[1])


def _gmsk(ids: Int64[Tensor, " n"], draws: Draws, profile: Profile) -> Parts:
    return cpm.modulate(draws.symbols, draws.timing, profile.gmsk, source_window(profile))


def _fm(ids: Int64[Tensor, " n"], draws: Draws, profile: Profile) -> Parts:
    window = source_window(profile)
    return analog.frequency_modulation(draws.message, profile.analog.fm, window)


def _am(pick: Callable[[Profile], AmplitudeModulation], double: bool) -> Modulator:
    def modulator(ids: Int64[Tensor, " n"], draws: Draws, profile: Profile) -> Parts:
        shape, window = pick(profile), source_window(profile)
        if double:
            steps = torch.floor(draws.carrier_phase * 4096)
            phase = 2 * torch.pi * shape.carrier_frequency * steps
            parts = analog.double_sideband(draws.message, phase, shape, window)
        else:
            parts = analog.single_sideband(draws.message, shape, window)
        leak = shape.leak_std * draws.leak[:, :, None]
        scale = 1 / math.hypot(1, shape.leak_std)
        return (parts[0] + leak) * scale, (parts[1] + leak) * scale

    return modulator


MODULATORS: dict[Modulation, Modulator] = {
    Modulation.GMSK: _gmsk,
    Modulation.FM: _fm,
    Modulation.AM_SSB_WC: _am(lambda p: p.analog.am_ssb_wc, double=False),
    Modulation.AM_SSB_SC: _am(lambda p: p.analog.am_ssb_sc, double=False),
    Modulation.AM_DSB_WC: _am(lambda p: p.analog.am_dsb_wc, double=True),
    Modulation.AM_DSB_SC: _am(lambda p: p.analog.am_dsb_sc, double=True),
}
"""Every class that is not linear."""


def groups(ids: Int64[Tensor, " n"]) -> list[tuple[Modulator, Tensor]]:
    """Which rows each modulator makes."""
    other = {m.index: f for m, f in MODULATORS.items()}
    present = torch.unique(ids).tolist()
    parts = [(other[i], (ids == i).nonzero()[:, 0]) for i in present if i in other]
    if len(parts) < len(present):
        special = torch.tensor(sorted(other), device=ids.device)
        parts.append((_linear, (~torch.isin(ids, special)).nonzero()[:, 0]))
    return parts
