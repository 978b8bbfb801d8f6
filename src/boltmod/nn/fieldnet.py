"""FieldNet: convolutions over what a receiver's phase and carrier do not change, and its lines.

The magnitude of a sample does not turn with the carrier, and the product of a sample with the
conjugate of an earlier one turns by the same angle all the time: a small network need not learn
either from thousands of rotated examples. Nor can one frame's convolutions see what only a mean
over the whole frame shows: how strongly the first, second, fourth and eighth power of the phase
stand out as a line, whatever the carrier, how the power repeats from symbol to symbol, and how it
is distributed. Those few numbers stand beside what the convolutions found.

Sources: magnitude and phase beside I and Q: M. Kulin et al., IEEE Access 6, 2018, section IV;
differential detection: J. G. Proakis, M. Salehi, "Digital Communications", 5th ed., section 4.5-5;
lines of powers of the signal: A. V. Dandawate, G. B. Giannakis, "Statistical tests for presence of
cyclostationarity", IEEE Trans. Signal Process. 42(9), 1994, and C. M. Spooner, "Classification of
co-channel communication signals using cyclic cumulants", Asilomar 1995; mean and maximum together:
S. Woo et al., "CBAM", ECCV 2018, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from boltmod.modulation import CLASSES, FIELD_CLASSES
from boltmod.nn import quantizers, quick_steps
from boltmod.nn.layers import ConvNormRelu, DenseNormRelu
from boltmod.nn.number_format import QuantisedConfig

N_PLANES = 9
"""I, Q, magnitude, the lagged product, the phase's turn over a longer lag, and four times that."""

POWERS = 4
"""The phase's first, second, fourth and eighth power."""

_SMALLEST = 1e-6
_SILENCE = 0.1
"""Amplitude below which the phase of a sample counts less and less."""
_PHASE_GAIN = 2.0
"""Unit phasors reach the convolutions as large as samples do."""
_LOUDEST = 8.0
"""Power, over the mean, at which a sample's counts no more."""
_LOUD_FROM = 0.8
_LOUD_SLOPE = 4.0
"""Samples between symbols tell little of the phase: those below 0.8 of the level count nothing,
those above 1.05 in full."""
_FEW = 0.02


Received = tuple[Float[Tensor, "b 2 u"], Float[Tensor, "b 1 u"], Float[Tensor, "b 2 u"]]
"""Pooled samples, their magnitude, and their phase as a phasor."""


@dataclass(frozen=True)
class FieldNetConfig(QuantisedConfig):
    """The shape of a FieldNet.

    Args:
        unknown: Whether the network has outputs for what is none of the 24 classes.
        pool: Received samples averaged into one first.
        lag: Samples, after pooling, between the two factors of the lagged product.
        turn_lag: Samples, after pooling, over which the phase's turn is taken.
        line_lags: Those over which powers of the phase must agree to be a line.
        power_lags: Those over which the power's correlation is taken.
        channels: Output channels of each convolution.
        kernel_sizes: Their taps.
        strides: Their strides.
        line_units: Outputs of the dense layer behind the frame's lines and moments.
        hidden_units: Outputs of the dense layer before the last.
        input_full_scale: Amplitude at which samples and planes clip.
        input_bit_width: Bits of a sample, a phasor and a value of a plane.
        weight_bit_width: Bits of a weight.
        act_bit_width: Bits of an activation.
    """

    unknown: bool = False
    pool: int = 2
    lag: int = 3
    turn_lag: int = 4
    line_lags: tuple[int, ...] = (4, 8, 16, 32)
    power_lags: tuple[int, ...] = (2, 3, 4, 5, 6, 8)
    channels: tuple[int, ...] = (32, 40, 56, 64, 64)
    kernel_sizes: tuple[int, ...] = (9, 5, 3, 3, 3)
    strides: tuple[int, ...] = (2, 2, 1, 2, 1)
    line_units: int = 48
    hidden_units: int = 96
    input_full_scale: float = 4.0
    input_bit_width: int = 8
    weight_bit_width: int = 8
    act_bit_width: int = 8

    @property
    def classes(self) -> tuple[str, ...]:
        """Name of each output."""
        return self.class_names or (FIELD_CLASSES if self.unknown else CLASSES)

    @property
    def n_lines(self) -> int:
        """Numbers that describe the whole frame: lines, correlations of the power, moments."""
        return (2 * POWERS - 1) * len(self.line_lags) + len(self.power_lags) + 3


class FieldNet(nn.Module):
    """From I/Q planes to class scores."""

    config_type = FieldNetConfig

    def __init__(self, config: FieldNetConfig) -> None:
        super().__init__()
        self.config = config
        numbers = config.numbers
        of_input = numbers.with_acts(config.input_bit_width)
        self.pool = nn.AvgPool1d(config.pool)
        self.sample_act = quantizers.input_quantiser(of_input, config.input_full_scale)
        self.phase_act = quantizers.input_quantiser(of_input, 1.0)
        self.input_act = quantizers.input_quantiser(of_input, config.input_full_scale)
        widths = (N_PLANES, *config.channels)
        self.convs = nn.Sequential(
            *(
                ConvNormRelu(
                    widths[i], widths[i + 1], kernel_size, numbers, stride=config.strides[i]
                )
                for i, kernel_size in enumerate(config.kernel_sizes)
            )
        )
        self.pooled_act = quantizers.relu(numbers)
        self.line_norm = quick_steps.BatchNorm1d(config.n_lines)
        self.line_act = quantizers.signed_act(numbers)
        self.of_lines = DenseNormRelu(config.n_lines, config.line_units, numbers)
        self.joined_act = quantizers.relu(numbers)
        self.hidden = DenseNormRelu(
            2 * widths[-1] + config.line_units, config.hidden_units, numbers, return_scale=True
        )
        self.dense = quantizers.linear(config.hidden_units, len(config.classes), numbers)

    def planes(self, received: Received) -> Float[Tensor, "b 9 u"]:
        """Return what the convolutions see, see `N_PLANES`."""
        x, magnitude, phase = received
        turn = self.phase_act(_lagged(phase, self.config.turn_lag))
        fourth = self.phase_act(_squared(self.phase_act(_squared(turn))))
        product = _lagged(x, self.config.lag)
        return torch.cat([x, magnitude, product, _PHASE_GAIN * turn, _PHASE_GAIN * fourth], 1)

    def lines(self, received: Received) -> Float[Tensor, "b lines"]:
        """Return strengths of lines, correlations of the power, and moments."""
        _, magnitude, phase = received
        powers = [phase]
        while len(powers) < POWERS:
            powers.append(self.phase_act(_squared(powers[-1])))
        real, imaginary = (torch.cat([y[:, k : k + 1] for y in powers], 1) for k in (0, 1))
        loud = ((magnitude - _LOUD_FROM) * _LOUD_SLOPE).clamp(0, 1)
        loud_real, loud_imaginary = real[:, 1:] * loud, imaginary[:, 1:] * loud
        found = []
        for lag in self.config.line_lags:
            n_loud = _mean(loud[:, :, lag:] * loud[:, :, :-lag]) + _FEW
            found += [
                _line(real, imaginary, lag),
                _line(loud_real, loud_imaginary, lag) / n_loud,
            ]
        power = magnitude.square().clamp_max(_LOUDEST)
        mean = _mean(power)
        varying = power - mean[:, :, None]
        found += [
            _mean(varying[:, :, lag:] * varying[:, :, :-lag]) for lag in self.config.power_lags
        ]
        found += [_mean(magnitude), _mean(power.square()), _mean(power.square() * power)]
        return torch.cat(found, 1)

    def forward(self, iq_planes: Float[Tensor, "b 2 t"]) -> Float[Tensor, "b classes"]:
        """Map I/Q planes (batch, 2, frame length) to class scores (batch, n_classes)."""
        received = self.received(iq_planes)
        x = self.convs(self.input_act(self.planes(received)))
        # A maximum over a window as long as the signal: the challenge's cost tool knows this
        # operator, and not the global maximum.
        highest = nn.functional.max_pool1d(x, x.shape[-1], stride=1).flatten(1)
        lines = self.of_lines(self.line_act(self.line_norm(self.lines(received))))
        joined = self.joined_act(torch.cat([_mean(x), highest, lines], 1))
        scores: Tensor = self.dense(self.hidden(joined))
        return scores

    def received(self, iq_planes: Float[Tensor, "b 2 t"]) -> Received:
        """Return what planes and lines are made of."""
        x = self.sample_act(self.pool(iq_planes))
        magnitude = (x[:, 0:1].square() + x[:, 1:2].square() + _SMALLEST).sqrt()
        return x, magnitude, self.phase_act(x / (magnitude + _SILENCE))


def _lagged(x: Float[Tensor, "b 2 u"], lag: int) -> Float[Tensor, "b 2 u"]:
    """Each sample times the conjugate of an earlier one."""
    earlier = nn.functional.pad(x[:, :, :-lag], (lag, 0))
    i, q, i_before, q_before = x[:, 0:1], x[:, 1:2], earlier[:, 0:1], earlier[:, 1:2]
    return torch.cat([i * i_before + q * q_before, q * i_before - i * q_before], 1)


def _squared(x: Float[Tensor, "b 2 u"]) -> Float[Tensor, "b 2 u"]:
    """The square of complex samples."""
    i, q = x[:, 0:1], x[:, 1:2]
    return torch.cat([i.square() - q.square(), 2 * i * q], 1)


def _line(
    real: Float[Tensor, "b powers u"], imaginary: Float[Tensor, "b powers u"], lag: int
) -> Float[Tensor, "b powers"]:
    """How well complex samples agree with those `lag` earlier, but for one angle: 0 to 1."""
    here, before = slice(lag, None), slice(None, -lag)
    i, q = real[:, :, here], imaginary[:, :, here]
    i_before, q_before = real[:, :, before], imaginary[:, :, before]
    along = _mean(i * i_before + q * q_before)
    across = _mean(q * i_before - i * q_before)
    return (along.square() + across.square() + _SMALLEST).sqrt()


def _mean(x: Float[Tensor, "b c u"]) -> Float[Tensor, "b c"]:
    return nn.functional.avg_pool1d(x, x.shape[-1], stride=1).flatten(1)
