"""How simple transmitters key: pulses without shaping, long symbols, patterns, an off that leaks.

Remote controls, sensors and beacons switch a carrier on and off, or turn its phase, without any
filter, in pulses and gaps much longer than the shortest, and send preambles before their data.

Source: the on-off and phase-shift keyed frames of ETSI EN 300 220-1 devices and of AX.25 beacons
(HDLC flags before the data, ISO/IEC 13239 section 4.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from boltmod.modulation import Family, Modulation
from boltmod.signal.profile import Keying

N_UNIFORMS = 6
"""Uniform numbers that `manner` takes of each frame."""

RECTANGLE_BANDWIDTH = 2
"""Highest frequency of a rectangular pulse that is kept, cycles per symbol."""

_LONGEST_PERIOD = 12


@dataclass(frozen=True)
class Manner:
    """How the symbols of n frames are keyed.

    Args:
        rectangular: Whether pulses are rectangular.
        held: Nominal symbols that a symbol lasts.
        skipped: How many of them lie before the first sample.
        period: Symbols after which they repeat; 0 if never.
        residual: Amplitude of OOK's off over its on.
    """

    rectangular: Bool[Tensor, " n"]
    held: Float[Tensor, " n"]
    skipped: Float[Tensor, " n"]
    period: Int64[Tensor, " n"]
    residual: Float[Tensor, " n"]


def manner(
    class_ids: Int64[Tensor, " n"], uniforms: Float[Tensor, "n 6"], keying: Keying
) -> Manner:
    """How each frame is keyed, by its class and its random numbers."""
    ask, psk = _of(class_ids, Family.ASK), _of(class_ids, Family.PSK)
    bpsk = class_ids == Modulation.BPSK.index
    ook = class_ids == Modulation.OOK.index
    share = keying.rectangular_ask * ask + keying.rectangular_psk * psk
    rectangular = uniforms[:, 0] < share
    slow = rectangular & (ask | bpsk) & (uniforms[:, 1] < keying.slow)
    longest = torch.exp(uniforms[:, 2].double() * math.log(keying.longest_symbol / 1.5)).float()
    held = torch.where(slow, 1.5 * longest, 1.0)
    periodic = (ook | bpsk) & (uniforms[:, 3] < keying.periodic)
    period = 2 + (uniforms[:, 4] * (_LONGEST_PERIOD - 1)).long()
    low, high = keying.residual
    return Manner(
        rectangular,
        held,
        (uniforms[:, 5] * held).floor(),
        torch.where(periodic, period, 0),
        torch.where(ook, low + (high - low) * uniforms[:, 2], 0.0),
    )


def arrange(
    random_bytes: UInt8[Tensor, "n k"], class_ids: Int64[Tensor, " n"], how: Manner
) -> UInt8[Tensor, "n k"]:
    """The byte behind each nominal symbol, long and repeating symbols written out.

    A slow or repeating frame has one symbol that is on and one that is off near its middle: what is
    the same throughout is a carrier, or nothing.
    """
    k = random_bytes.shape[1]
    time = torch.arange(k, device=random_bytes.device) + how.skipped[:, None]
    number = (time / how.held[:, None]).floor().long()
    period = how.period[:, None]
    number = torch.where(period > 0, number % period.clamp_min(1), number)
    bytes_ = random_bytes.clone()
    middle = torch.where(how.period > 0, 0, number[:, k // 2])[:, None]
    special = ((how.held > 1) | (how.period > 0))[:, None]
    ends = torch.tensor([1, 0], dtype=torch.uint8, device=bytes_.device)
    for place, value in enumerate(ends):
        where = (middle + place).clamp_max(k - 1)
        old = bytes_.gather(1, where)
        # Byte 255 is every ASK class's largest amplitude, byte 0 its smallest.
        bytes_.scatter_(1, where, torch.where(special, value * 255, old))
    return bytes_.gather(1, number)


def leak(
    planes: Float[Tensor, "n 2 k"], class_ids: Int64[Tensor, " n"], how: Manner
) -> Float[Tensor, "n 2 k"]:
    """Raises OOK's off to its residual amplitude."""
    top = math.sqrt(2) * how.residual[:, None]
    raised = torch.maximum(planes[:, 0], top)
    in_phase = torch.where(how.residual[:, None] > 0, raised, planes[:, 0])
    return torch.stack([in_phase, planes[:, 1]], 1)


def rectangle_spectrum(frequency: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Spectrum of a rectangular pulse, its edges rounded so that it ends at two cycles a symbol."""
    taper = torch.cos(math.pi / 4 * frequency.clamp(-2, 2)).square()
    return torch.sinc(frequency) * taper


def _of(class_ids: Int64[Tensor, " n"], family: Family) -> Bool[Tensor, " n"]:
    members = torch.tensor([m.index for m in Modulation if m.family is family])
    return torch.isin(class_ids, members.to(class_ids.device))
