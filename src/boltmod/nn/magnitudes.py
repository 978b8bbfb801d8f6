"""How strong a signal is over each symbol, and how much it changes from sample to sample.

The frame of a carrier with a weak message is a constant many times as large as what every other
class shows, and the message lies in the small changes about it. Magnitudes of samples tell that
constant, and magnitudes of their first difference tell a wide message from a slow one, which an
average of neighbours throws away. Additions and comparisons alone: no product, no weight.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

N_PLANES = 2
"""How many planes come out: of samples, of differences."""


class Magnitudes(nn.Module):
    """Average |I| + |Q| of a signal, and of its first difference, over every symbol.

    Args:
        samples_per_symbol: Samples averaged into one.
        sample: Quantiser of what is above zero of a sample.
        difference: Quantiser of what is above zero of the difference of two neighbours.
    """

    def __init__(self, samples_per_symbol: int, sample: nn.Module, difference: nn.Module) -> None:
        super().__init__()
        self.samples_per_symbol = samples_per_symbol
        self.sample = sample
        self.difference = difference

    def forward(self, iq_planes: Float[Tensor, "b 2 t"]) -> Float[Tensor, "b 2 u"]:
        """Map I and Q (b, 2, t) to both magnitudes (b, 2, t / samples_per_symbol)."""
        # Moved by padding, as lag_products.py does: before its first sample a signal is zero.
        past = nn.functional.pad(iq_planes, (1, -1))
        strength = self.sample(iq_planes) + self.sample(0.0 - iq_planes)
        change = self.difference(iq_planes - past) + self.difference(past - iq_planes)
        return torch.cat([self._over_symbols(strength), self._over_symbols(change)], 1)

    def _over_symbols(self, planes: Float[Tensor, "b 2 t"]) -> Float[Tensor, "b 1 u"]:
        both = nn.functional.pad(planes, (0, 0, 0, -1)) + nn.functional.pad(planes, (0, 0, -1, 0))
        return nn.functional.avg_pool1d(both, self.samples_per_symbol)
