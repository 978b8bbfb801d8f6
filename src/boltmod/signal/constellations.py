"""The symbol alphabets of the linear classes, and one table of them all.

Source: J. G. Proakis, M. Salehi, "Digital Communications", 5th ed., section 3.2 (ASK, PSK, QAM);
ETSI EN 302 307-1 section 5.4 and EN 302 307-2 section 5.4 (APSK rings).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from boltmod.modulation import N_CLASSES, Modulation
from boltmod.signal.profile import Constellations

TABLE_SIZE = 256
"""Entries a class has in `table`; every alphabet's size divides it, so a byte picks a symbol."""


def ask(order: int) -> Complex[Tensor, " order"]:
    """Unipolar amplitude-shift keying: {0, 1, …, order − 1}; OOK is order 2."""
    return torch.arange(order, dtype=torch.float64) * (1 + 0j)


def psk(order: int, offset_rad: float = 0.0) -> Complex[Tensor, " order"]:
    """`order` points on the unit circle, the first at `offset_rad`."""
    angle = 2 * math.pi * torch.arange(order, dtype=torch.float64) / order + offset_rad
    return torch.polar(torch.ones_like(angle), angle)


def qam(order: int) -> Complex[Tensor, " order"]:
    """Square QAM for even powers of two, cross QAM (square less its corners) for 32 and 128."""
    side = math.ceil(math.sqrt(order))
    side += side % 2
    cut = 0 if side * side == order else math.isqrt((side * side - order) // 4)
    level = torch.arange(side, dtype=torch.float64) * 2 - (side - 1)
    i, q = torch.meshgrid(level, level, indexing="ij")
    reach = side - 1 - 2 * cut
    corner = (i.abs() > reach) & (q.abs() > reach)
    return torch.complex(i, q)[~corner]


def apsk(sizes: Sequence[int], radii: Sequence[float]) -> Complex[Tensor, " order"]:
    """Rings of `sizes` points at `radii`, ring n turned by π/n: no point lies on the real axis."""
    rings = [r * psk(n, math.pi / n) for n, r in zip(sizes, radii, strict=True)]
    return torch.cat(rings)


_APSK128_QUADRANT = (
    (332, 927, 1593, 2187),
    (242, 1017, 1503, 2278),
    (414, 845, 1673, 2106),
    (427, 834, 1686, 2094),
    (133, 1126, 1393, 2387),
    (111, 330, 528, 732, 929, 1149, 1372, 1590, 1789, 1993, 2190, 2408),
)
"""Phases of each ring in the first quadrant, in π/5040; the other quadrants mirror them.

Source: ETSI EN 302 307-2 section 5.4, 128APSK 16+16+16+16+16+48.
"""


def apsk128(radii: Sequence[float]) -> Complex[Tensor, " 128"]:
    """DVB-S2X's 128APSK: six rings, their points not evenly spaced."""
    rings = []
    for radius, quadrant in zip(radii, _APSK128_QUADRANT, strict=True):
        angle = torch.tensor(quadrant, dtype=torch.float64) * math.pi / 5040
        around = torch.cat([angle, math.pi - angle, math.pi + angle, -angle])
        rings.append(radius * torch.polar(torch.ones_like(around), around))
    return torch.cat(rings)


def points(modulation: Modulation, shape: Constellations) -> Complex[Tensor, " order"]:
    """The alphabet of a linear class, scaled to mean power one; complex128.

    Raises:
        KeyError: The class has no constellation (AM, FM, GMSK).
    """
    alphabet = {
        Modulation.OOK: lambda: ask(2),
        Modulation.ASK4: lambda: ask(4),
        Modulation.ASK8: lambda: ask(8),
        Modulation.BPSK: lambda: psk(2),
        Modulation.QPSK: lambda: psk(4, math.pi / 4),
        Modulation.PSK8: lambda: psk(8),
        Modulation.PSK16: lambda: psk(16),
        Modulation.PSK32: lambda: psk(32),
        Modulation.APSK16: lambda: apsk((4, 12), shape.apsk16_radii),
        Modulation.APSK32: lambda: apsk((4, 12, 16), shape.apsk32_radii),
        Modulation.APSK64: lambda: apsk((4, 12, 20, 28), shape.apsk64_radii),
        Modulation.APSK128: lambda: apsk128(shape.apsk128_radii),
        Modulation.QAM16: lambda: qam(16),
        Modulation.QAM32: lambda: qam(32),
        Modulation.QAM64: lambda: qam(64),
        Modulation.QAM128: lambda: qam(128),
        Modulation.QAM256: lambda: qam(256),
        Modulation.OQPSK: lambda: psk(4, 0.0 if shape.oqpsk == "axis" else math.pi / 4),
    }[modulation]()
    return alphabet / alphabet.abs().square().mean().sqrt()


def is_linear(modulation: Modulation) -> bool:
    """Whether the class is symbols times a pulse."""
    return modulation.family.name in ("ASK", "PSK", "APSK", "QAM")


LINEAR = tuple(m.index for m in Modulation if is_linear(m))
"""Labels of the classes that have a constellation."""


@lru_cache(maxsize=32)
def table(shape: Constellations, device: torch.device) -> Float[Tensor, "classes 256 2"]:
    """Symbols of every class by byte: [label, byte] is (I, Q); zeros for the other classes."""
    result = torch.zeros(N_CLASSES, TABLE_SIZE, 2)
    for label in LINEAR:
        alphabet = torch.view_as_real(points(list(Modulation)[label], shape)).float()
        result[label] = alphabet.repeat(TABLE_SIZE // len(alphabet), 1)
    return result.to(device)


@lru_cache(maxsize=32)
def mean_power(shape: Constellations, device: torch.device) -> Float[Tensor, " classes"]:
    """|mean symbol|² of every class: the share of the power that is a constant; 0 or more, below 1.

    Only the unipolar ASK classes have one.
    """
    return table(shape, device).mean(1).square().sum(-1)
