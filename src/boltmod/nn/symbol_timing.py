"""One sample a symbol, taken when its power is largest, and the one half a symbol later.

Where the symbol rate is known, but not when symbols begin, the average power of each of the samples
of a symbol tells: it swings once a symbol. What comes out has a quarter of the samples of the
signal, and every network behind it sees the same instants in every frame, not whichever the
receiver began with.

No weight, no table, and apart from the power no product: the choice is a comparison of as many
numbers as a symbol has samples, once a frame, and in hardware an offset to read from.

Source: the timing estimate from the square of the signal, M. Oerder and H. Meyr, "Digital filter
and square timing recovery", IEEE Trans. Communications 36 (1988), 605-612, with the largest of the
smoothed powers in place of the phase of their line at the symbol rate.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from boltmod.nn.lag_products import lag_product

SAMPLES_PER_SYMBOL = 8
"""The symbol of RadioML 2018.01A and of the twin (docs/twin.md)."""

_MID = SAMPLES_PER_SYMBOL // 2
_PEAK = 2
"""How many samples behind its first one the middle of a smoothed power lies: averages of four and
of two reach from 0 to 4."""

_SHARPNESS = 2.0**20
"""What a difference of powers is multiplied by before it is compared with a half."""

_STEP = 2.0**-14
"""By how much a later instant must have more power than an earlier one, for a frame of power 1."""


class SymbolTiming(nn.Module):
    """A signal at its symbols' instants and between them.

    Args:
        pool: Received samples averaged into one before anything else, at every sample.
        samples: Quantiser of these averages.
        comparator: Quantiser to 0 and 1; see `quantizers.comparator`.
        chosen: Quantiser of the samples chosen.
    """

    lateness: Tensor

    def __init__(
        self, pool: int, samples: nn.Module, comparator: nn.Module, chosen: nn.Module
    ) -> None:
        super().__init__()
        self.pool = pool
        self.samples = samples
        self.comparator = comparator
        self.chosen = chosen
        self.register_buffer(
            "lateness", _STEP * torch.arange(float(SAMPLES_PER_SYMBOL)), persistent=False
        )

    def forward(self, iq_planes: Float[Tensor, "b 2 t"]) -> Float[Tensor, "b 4 u"]:
        """Map I and Q (b, 2, t) to both at the symbols' instants, then between: (b, 4, t / 8)."""
        before = (self.pool - 1) // 2
        padded = nn.functional.pad(iq_planes, (before, self.pool - 1 - before))
        x = self.samples(nn.functional.avg_pool1d(padded, self.pool, 1))
        instant = self._instant(x)
        later = nn.functional.pad(x, (-_PEAK, _PEAK))
        between = nn.functional.pad(later, (-_MID, _MID))
        planes: Tensor = self.chosen(torch.cat([_at(instant, later), _at(instant, between)], 1))
        return planes

    @torch.no_grad()
    def _instant(self, x: Float[Tensor, "b 2 t"]) -> Float[Tensor, "b 1 1 8"]:
        """Return 1 at the one sample of a symbol to take, 0 at the others."""
        (power,) = lag_product(x, 0)
        power = _by_symbol(power)
        power = nn.functional.avg_pool2d(power, (power.shape[2], 1)).flatten(2)
        # Round the symbol twice; not `cat`: qonnx's cleaning loses a tensor one node takes twice.
        pad = SAMPLES_PER_SYMBOL
        around = nn.functional.pad(power, (0, pad)) + nn.functional.pad(power, (pad, 0))
        smooth = nn.functional.avg_pool1d(nn.functional.avg_pool1d(around, 4, 1), 2, 1)
        smooth = nn.functional.pad(smooth, (0, SAMPLES_PER_SYMBOL - smooth.shape[2]))
        smooth = smooth - self.lateness
        below = nn.functional.max_pool1d(smooth, SAMPLES_PER_SYMBOL) - smooth
        mask: Tensor = self.comparator(1.0 - _SHARPNESS * below)
        return mask.reshape(-1, 1, 1, SAMPLES_PER_SYMBOL)


def _by_symbol(x: Float[Tensor, "b c t"]) -> Float[Tensor, "b c n 8"]:
    return x.reshape(-1, x.shape[1], x.shape[2] // SAMPLES_PER_SYMBOL, SAMPLES_PER_SYMBOL)


def _at(instant: Float[Tensor, "b 1 1 8"], x: Float[Tensor, "b c t"]) -> Float[Tensor, "b c n"]:
    """Return one sample of every symbol: a sum, seven of whose eight terms are zero."""
    average = nn.functional.avg_pool2d(_by_symbol(x) * instant, (1, SAMPLES_PER_SYMBOL))
    return average.flatten(2) * SAMPLES_PER_SYMBOL
