"""Imperial_IPC1: a branch of signal statistics beside a branch of convolutions.

Everything from raw samples to class is in the network, the statistics included, so that the
exported file is the whole classifier and its strict cost counts the multiplications they take.

Source: Imperial_IPC1, PS-007-ML5G-Hardware-Efficient-Modulation-Classification_Imperial_IPC. There
the statistics are computed before the network, the analytic signal by a Fourier transform; here a
Hilbert transformer of fixed 8-bit taps makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from boltmod.nn import quantizers
from boltmod.nn.layers import ConvNormRelu, DenseNormRelu
from boltmod.nn.number_format import NumberFormat, QuantisedConfig
from boltmod.nn.signal_statistics import (
    N_STATISTICS,
    cumulants,
    hilbert_taps,
    instantaneous,
    moments,
)


@dataclass(frozen=True)
class ImperialConfig(QuantisedConfig):
    """The shape of an Imperial_IPC1.

    Args:
        channels: Filters of every convolution.
        n_convs: Convolutions of stride 2.
        pool: Received samples averaged into one before the convolutions.
        dense: Width of the dense layers before the last.
        input_bit_width: Bits of a received sample.
        input_full_scale: Amplitude at which samples clip before the convolutions.
        statistics_full_scale: Amplitude at which samples clip before the statistics.
        hilbert_taps: Taps of the Hilbert transformer, odd.
        weight_bit_width: Bits of a weight.
        act_bit_width: Bits of an activation.
    """

    channels: int = 64
    n_convs: int = 7
    pool: int = 2
    dense: int = 128
    input_bit_width: int = 8
    input_full_scale: float = 2.0
    statistics_full_scale: float = 4.0
    hilbert_taps: int = 31
    weight_bit_width: int = 8
    act_bit_width: int = 8


class SignalStatistics(nn.Module):
    """From I/Q planes to 32 statistics, each brought to zero mean and unit variance."""

    def __init__(self, numbers: NumberFormat, full_scale: float, n_taps: int) -> None:
        super().__init__()
        self.input_act = quantizers.input_quantiser(numbers, full_scale)
        self.hilbert = quantizers.conv1d(2, 2, n_taps, numbers.fixed(8), groups=2)
        weight: nn.Parameter = self.hilbert.weight  # type: ignore[assignment]
        with torch.no_grad():
            weight.copy_(hilbert_taps(n_taps).expand(2, 1, n_taps))
        weight.requires_grad_(False)
        self.norm = nn.BatchNorm1d(N_STATISTICS, affine=False)

    def forward(self, iq_planes: Float[Tensor, "b 2 t"]) -> Float[Tensor, "b 32"]:
        """Map I/Q planes (batch, 2, time) to statistics (batch, 32)."""
        planes = self.input_act(iq_planes)
        found = [moments(planes), cumulants(planes), instantaneous(planes, self.hilbert(planes))]
        y: Tensor = self.norm(torch.cat(found, 1))
        return y


class Imperial(nn.Module):
    """From I/Q planes to class scores; in training, those of two auxiliary classifiers too."""

    config_type = ImperialConfig

    training_only = ("statistics_head", "convs_head")
    """Left out of pruning, cost and export."""

    def __init__(self, config: ImperialConfig) -> None:
        super().__init__()
        self.config = config
        numbers = config.numbers
        of_input = numbers.with_acts(config.input_bit_width)
        self.statistics = SignalStatistics(
            of_input, config.statistics_full_scale, config.hilbert_taps
        )
        self.statistics_act = quantizers.signed_act(numbers)
        self.statistics_dense = DenseNormRelu(N_STATISTICS, N_STATISTICS, numbers)
        self.pool = nn.AvgPool1d(config.pool)
        self.input_act = quantizers.input_quantiser(of_input, config.input_full_scale)
        widths = (2, *(config.channels for _ in range(config.n_convs)))
        self.convs = nn.Sequential(
            *(
                ConvNormRelu(before, after, 3, numbers, stride=2)
                for before, after in pairwise(widths)
            )
        )
        left = -(-(config.frame_length // config.pool) // 2**config.n_convs)
        features = config.channels * left
        self.convs_dense = DenseNormRelu(features, config.dense, numbers)
        # Both branches are brought to one scale before they are joined.
        self.join_act = quantizers.relu(numbers)
        self.hidden = DenseNormRelu(
            N_STATISTICS + config.dense, config.dense, numbers, return_scale=True
        )
        self.dense = quantizers.linear(config.dense, len(config.classes), numbers)
        self.statistics_head = nn.Linear(N_STATISTICS, len(config.classes))
        self.convs_head = nn.Linear(config.dense, len(config.classes))

    def forward(
        self, iq_planes: Float[Tensor, "b 2 t"]
    ) -> Float[Tensor, "b classes"] | tuple[Float[Tensor, "b classes"], ...]:
        """Map I/Q planes (batch, 2, frame length) to class scores (batch, n_classes).

        In training the scores come first in a tuple, those of each branch alone behind them.
        """
        by_statistics = self.statistics_dense(self.statistics_act(self.statistics(iq_planes)))
        by_convs = self.convs_dense(self.convs(self.input_act(self.pool(iq_planes))).flatten(1))
        joined = self.join_act(torch.cat([by_statistics, by_convs], 1))
        scores: Tensor = self.dense(self.hidden(joined))
        if not self.training:
            return scores
        return scores, self.statistics_head(by_statistics), self.convs_head(by_convs)
