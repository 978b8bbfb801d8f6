"""How simple transmitters key: unshaped pulses, patterns, pauses, leaks, a carrier that pulls.

Remote controls, sensors and beacons switch a carrier on and off, or turn its phase, without any
filter, in pulses and gaps much longer than the shortest, and send preambles before their data.
Most remotes and sensors are on for less than half of the time: the bit is in how long a pulse or
the gap after it lasts. A cheap oscillator is pulled by its own power stage when that comes on.

Sources: the on-off and phase-shift keyed frames of ETSI EN 300 220-1 devices and of AX.25 beacons
(HDLC flags before the data, ISO/IEC 13239 section 4.2); pulse-width, pulse-position and Manchester
coding: the decoders of the rtl_433 project's documentation (modulations OOK_PWM, OOK_PPM, OOK_MC).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from boltmod.modulation import Family, Modulation
from boltmod.signal.chances import Chances
from boltmod.signal.profile import Keying

N_UNIFORMS = 24
"""Columns of uniform numbers that a frame has for `manner`."""

RECTANGLE_BANDWIDTH = 2
"""Highest frequency of a rectangular pulse that is kept, cycles per symbol."""

_LONGEST_PERIOD = 12


@dataclass(frozen=True)
class Pulses:
    """On-off keying whose bits are in how long it is on or off, all in nominal symbols.

    Args:
        wanted: Whether the frame is keyed so, (n,).
        on: How long it is on for a bit 0 and for a bit 1, (n, 2).
        off: How long it is off afterwards, (n, 2).
        manchester: Whether a bit 1 is first off and then on, (n,).
        n_bits: Bits of a packet, (n,).
        pause: Between packets, (n,).
    """

    wanted: Bool[Tensor, " n"]
    on: Float[Tensor, "n 2"]
    off: Float[Tensor, "n 2"]
    manchester: Bool[Tensor, " n"]
    n_bits: Int64[Tensor, " n"]
    pause: Float[Tensor, " n"]


@dataclass(frozen=True)
class Manner:
    """How the symbols of n frames are keyed.

    Args:
        rectangular: Whether pulses are rectangular.
        held: Nominal symbols that a symbol lasts.
        skipped: How many of them lie before the first sample.
        period: Symbols after which they repeat; 0 if never.
        residual: Amplitude of OOK's off over its on.
        pulses: On-off keying by durations.
        pulled: Frequency, in cycles/sample, by which the carrier is off when it comes on.
        settling: Samples after which that is a third.
    """

    rectangular: Bool[Tensor, " n"]
    held: Float[Tensor, " n"]
    skipped: Float[Tensor, " n"]
    period: Int64[Tensor, " n"]
    residual: Float[Tensor, " n"]
    pulses: Pulses
    pulled: Float[Tensor, " n"]
    settling: Float[Tensor, " n"]


def manner(
    class_ids: Int64[Tensor, " n"], uniforms: Float[Tensor, "n columns"], keying: Keying
) -> Manner:
    """How each frame is keyed, by its class and its random numbers."""
    chances = Chances(uniforms)
    ask, psk = _of(class_ids, Family.ASK), _of(class_ids, Family.PSK)
    bpsk = class_ids == Modulation.BPSK.index
    ook = class_ids == Modulation.OOK.index
    share = keying.rectangular_ask * ask + keying.rectangular_psk * psk
    rectangular = chances.under("rectangular", share)
    slow = rectangular & (ask | bpsk) & chances.under("slow", keying.slow)
    held = torch.where(slow, chances.log_between("held", 1.5, keying.longest_symbol), 1.0)
    periodic = (ook | bpsk) & chances.under("periodic", keying.periodic)
    period = chances.whole("period", 2, _LONGEST_PERIOD)
    pulses = _pulses(chances, rectangular & ook, keying)
    pulls = rectangular & ook & chances.under("pulls", keying.pulling)
    skipped = (chances.uniform("skipped") * held).floor()
    residual = chances.between("residual", *keying.residual)
    pulled = chances.between("pulled", -1.0, 1.0) * keying.pulled
    settling = chances.log_between("settling", 4.0, 400.0)
    leaks = ook & chances.under("leaks", keying.leaking)
    return Manner(
        rectangular,
        held,
        skipped,
        torch.where(periodic, period, 0),
        torch.where(leaks, residual, 0.0),
        pulses,
        torch.where(pulls, pulled, 0.0),
        settling,
    )


def _pulses(chances: Chances, may: Bool[Tensor, " n"], keying: Keying) -> Pulses:
    """Pulse width, pulse position or Manchester coding, on for the share of time that is drawn."""
    low, high = keying.duty
    duty = chances.log_between("duty", low, high)
    unit = chances.log_between("unit", 0.7, 8.0)
    ratio = chances.log_between("ratio", 1.5, 4.0)
    code = chances.uniform("code")
    one = torch.ones_like(unit)
    # Both durations' mean is one; the gaps then follow from the duty.
    mean = (1 + ratio) / 2
    varied = torch.stack([1 / mean, ratio / mean], 1)
    gap = (1 / duty - 1)[:, None]
    width, position = (code < 0.4)[:, None], ((code >= 0.4) & (code < 0.8))[:, None]
    manchester = code >= 0.8
    same = torch.stack([one, one], 1)
    # Half of the pulse-width coders keep the sum of pulse and gap, the others the gap.
    kept = chances.under("kept sum", 0.5)[:, None] & (gap >= varied.amax(1, keepdim=True) - 1)
    on = torch.where(width, varied, same)
    off = torch.where(width & kept, 1 + gap - varied, torch.where(position, gap * varied, gap))
    off = torch.where(manchester[:, None], 1.0, off)
    n_bits = chances.whole("bits", 8, 64)
    pause = chances.log_between("pause", 3.0, 200.0)
    return Pulses(
        may & chances.under("by durations", keying.pulses),
        on * unit[:, None],
        off * unit[:, None],
        manchester,
        n_bits,
        pause * unit,
    )


def arrange(
    random_bytes: UInt8[Tensor, "n k"], class_ids: Int64[Tensor, " n"], how: Manner
) -> UInt8[Tensor, "n k"]:
    """The byte behind each nominal symbol, long and repeating symbols and pulses written out.

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
    arranged = bytes_.gather(1, number)
    rows = how.pulses.wanted.nonzero()[:, 0]
    if len(rows):
        arranged[rows] = _durations(random_bytes[rows], how.pulses, rows)
    return arranged


def _durations(
    random_bytes: UInt8[Tensor, "n k"], pulses: Pulses, rows: Int64[Tensor, " n"]
) -> UInt8[Tensor, "n k"]:
    """255 while a frame keyed by durations is on, 0 while it is off."""
    k = random_bytes.shape[1]
    bits = (random_bytes & 1).long()
    on, off = pulses.on[rows].gather(1, bits), pulses.off[rows].gather(1, bits)
    n_bits = pulses.n_bits[rows][:, None]
    last = torch.arange(1, k + 1, device=bits.device) % n_bits == 0
    off = off + last * pulses.pause[rows][:, None]
    first = pulses.manchester[rows][:, None] & (bits == 1)
    # A Manchester 1 is off first: its pulse begins half a bit late.
    begin = (on + off).cumsum(1) - (on + off) + torch.where(first, on, 0.0)
    # A pulse of the first packet, or of the second, begins near the middle of the frame.
    reach = (2 * n_bits).clamp_max(k // 2)
    chosen = (random_bytes[:, :1] * reach / 256).long()
    late = random_bytes[:, 1:2] / 256 * on.gather(1, chosen)
    begin = begin - begin.gather(1, chosen) + k / 2 - late
    end = begin + on
    time = torch.arange(k, device=bits.device).float()[None].expand(len(rows), -1).contiguous()
    n_begun = torch.searchsorted(begin.contiguous(), time, right=True)
    n_ended = torch.searchsorted(end.contiguous(), time, right=True)
    return ((n_begun > n_ended) * 255).to(torch.uint8)


def pull(planes: Float[Tensor, "n 2 time"], how: Manner) -> Float[Tensor, "n 2 time"]:
    """Turn a keyed carrier by what pulls it: most when it comes on, less and less while it is."""
    rows = (how.pulled != 0).nonzero()[:, 0]
    if not len(rows):
        return planes
    envelope = planes[rows, 0]
    time = torch.arange(envelope.shape[1], device=planes.device).float()
    is_on = envelope.abs() > 0.5 * envelope.abs().amax(1, keepdim=True)
    begins = is_on & ~torch.nn.functional.pad(is_on[:, :-1], (1, 0))
    since = time - torch.where(begins, time, 0.0).cummax(1).values
    offset = how.pulled[rows, None] * torch.exp(-since / how.settling[rows, None])
    angle = 2 * math.pi * torch.where(is_on, offset, 0.0).cumsum(1)
    turned = planes.clone()
    turned[rows, 0], turned[rows, 1] = envelope * angle.cos(), envelope * angle.sin()
    return turned


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
