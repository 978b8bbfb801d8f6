"""BoltNet: boltmod's own family of small networks, every number in it quantised.

Neighbouring samples are averaged first, which costs additions alone; where wanted, the two of every
symbol are kept that lie at its instant and half a symbol later, and the frame is brought to one
power. Beside what is left may stand its power and its products with what came a symbol or so
earlier, in which the carrier's phase is gone: a handful of multiplications a sample and no weight.
A few long filters look at all of this; blocks of depthwise-separable convolutions follow, each
thinned out where it is told; a global maximum, an average, or both beside each other, stand for the
frame; a dense layer, or two thin ones, decide.

Made to be fused: every convolution is followed by a normalisation and a quantiser, which hardware
merges into thresholds; residual sums add integers of one scale; maximum and average are brought to
one grid before the dense layer, which makes the scales of what they came from thresholds as well.

Sources: depthwise-separable blocks under a global maximum: BacalhauNet (see bacalhaunet.py);
products with the past: lag_products.py; symbols' instants: symbol_timing.py; the fusion of
normalisation and quantiser: Y. Umuroglu, M. Jahre, "Streamlined Deployment for Quantized
Neural Networks", arXiv 1709.04060.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from boltmod.errors import ConfigError
from boltmod.nn import quantizers, quick_steps
from boltmod.nn.gain_control import GainControl
from boltmod.nn.lag_products import LagProducts, count_planes
from boltmod.nn.layers import ConvNormAct
from boltmod.nn.magnitudes import N_PLANES, Magnitudes
from boltmod.nn.number_format import NumberFormat, QuantisedConfig
from boltmod.nn.symbol_timing import SAMPLES_PER_SYMBOL, SymbolTiming

Thinning = Literal["none", "before", "between"]
"""Where a block keeps the larger one of two neighbours: nowhere, before its depthwise convolution,
or between that and its pointwise convolution, which then costs half."""

Features = Literal["max", "mean", "max_and_mean"]
"""What stands for a channel over the whole frame."""


@dataclass(frozen=True)
class BoltNetConfig(QuantisedConfig):
    """The shape of a BoltNet; what is listed by block has one entry a block.

    Args:
        pool: Received samples averaged into one before the first convolution; 1 keeps them all.
        lags: Products of averages fed beside them: 0 is an average's power, one number; k its
            product with the conjugate of the average k earlier, two numbers. A symbol is about 8
            received samples.
        symbol_timing: Whether the averages of `pool` samples, one at every sample, are reduced to
            the two of a symbol that lie at its instant and half a symbol later, side by side;
            `lags` then count symbols, and of what lies between instants there is the power alone.
        gain_control: Whether these are divided by their root mean square over the frame; with
            symbol timing by that at the instants.
        magnitudes: Whether the average magnitude of the received samples of every symbol, and of
            their first difference, stand beside all that; with symbol timing.
        learned_front: Whether training may move the scales of all that stands before the products;
            where they stay as measured, a step is a sixth quicker.
        product_pool: Averages and products averaged into one before the first convolution.
        stem_channels: Output channels of the first convolution.
        stem_kernel_size: Its taps, odd.
        stem_stride: Its stride.
        stem_filters: 0 for a plain first convolution, every output with filters of its own for I
            and Q; otherwise each plane has this many filters, and a pointwise convolution mixes
            what they see.
        channels: Output channels of each block.
        kernel_sizes: Taps of each block's depthwise filters, odd.
        strides: Stride of each block's depthwise convolution.
        max_pools: Where each block halves the samples by maxima.
        residual: Whether blocks that keep their shape add their input.
        features: What stands for the frame in the end.
        dense_rank: 0 for one dense layer; otherwise two, with this many numbers between them.
        input_bit_width: Bits of a received sample.
        input_full_scale: Amplitude at which samples clip.
        learned_input_scale: Whether training may move that amplitude.
        factor_bit_width: Bits of an average that is multiplied.
        average_bit_width: Bits of what the first convolution takes: averages, products.
        weight_bit_width: Bits of a weight.
        act_bit_width: Bits of an activation.
        dense_act_bit_width: Bits of the dense layers' inputs.
        per_channel: Whether each output channel of a convolution has a weight scale of its own.
        learned_weight_scales: Whether the scales of weights are learned, as activations' are.
        power_of_two: Whether every scale, of weights and activations, is a power of two.
    """

    pool: Literal[1, 2, 4, 8] = 4
    lags: tuple[int, ...] = ()
    symbol_timing: bool = False
    gain_control: bool = False
    magnitudes: bool = False
    learned_front: bool = True
    product_pool: Literal[1, 2, 4] = 1
    stem_channels: int = 16
    stem_kernel_size: int = 9
    stem_stride: int = 1
    stem_filters: int = 0
    channels: tuple[int, ...] = (24, 32, 32, 48)
    kernel_sizes: tuple[int, ...] = (7, 7, 5, 5)
    strides: tuple[int, ...] = (1, 1, 1, 1)
    max_pools: tuple[Thinning, ...] = ("none", "before", "before", "before")
    residual: bool = True
    features: Features = "max"
    dense_rank: int = 0
    input_bit_width: int = 8
    input_full_scale: float = 3.0
    learned_input_scale: bool = False
    factor_bit_width: int = 8
    average_bit_width: int = 6
    weight_bit_width: int = 5
    act_bit_width: int = 5
    dense_act_bit_width: int = 6

    def __post_init__(self) -> None:
        """Refuse what cannot be built.

        Raises:
            ConfigError: Lists of different lengths, even taps, sizes below 1, bits not 2 to 8, or
                more thinning than a frame has samples.
        """
        _check_lists(self)
        _check_sizes(self)
        _check_bits(self)
        first = SAMPLES_PER_SYMBOL if self.symbol_timing else self.pool
        if self.symbol_timing and self.frame_length % SAMPLES_PER_SYMBOL:
            raise ConfigError(
                f"network.symbol_timing must have frames of whole symbols of {SAMPLES_PER_SYMBOL} "
                f"samples, not of {self.frame_length}: leave it out, or choose another frame_length"
            )
        if self.magnitudes and (not self.symbol_timing or self.product_pool != 1):
            raise ConfigError(
                "network.magnitudes needs symbol_timing and a product_pool of 1; set them, or "
                "leave magnitudes out"
            )
        thinning = first * self.product_pool * self.stem_stride * prod(self.strides)
        thinning *= 2 ** sum(where != "none" for where in self.max_pools)
        if thinning > self.frame_length:
            raise ConfigError(
                "network.pool, product_pool, strides and max_pools must leave one sample of "
                f"{self.frame_length}, not thin them by {thinning}; take some away"
            )


_CLIP = 3.0
"""Where averages of samples are clipped once magnitudes stand beside them: no class but the two of
single sideband goes beyond."""


class BoltBlock(nn.Module):
    """Depthwise, then pointwise convolution, thinned out and summed as told.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Taps of the depthwise filters.
        numbers: How its numbers are written.
        stride: Stride of the depthwise convolution.
        max_pool: Where the larger one of two neighbours is kept.
        summed: The activation that made the input, if the input is to be added to the output: it
            makes the output too, so that both arms of the sum are integers of one scale.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        numbers: NumberFormat,
        *,
        stride: int,
        max_pool: Thinning,
        summed: nn.Module | None,
    ) -> None:
        super().__init__()
        depthwise = quantizers.conv1d(
            in_channels, in_channels, kernel_size, numbers, stride=stride, groups=in_channels
        )
        self.before = quick_steps.MaxPool1d() if max_pool == "before" else nn.Identity()
        self.dw = ConvNormAct(depthwise, quantizers.relu(numbers))
        self.between = quick_steps.MaxPool1d() if max_pool == "between" else nn.Identity()
        self.pw = ConvNormAct(
            quantizers.conv1d(in_channels, out_channels, 1, numbers),
            quantizers.relu(numbers) if summed is None else summed,
        )
        self.residual = summed is not None
        self.sum_act = quantizers.relu(numbers) if self.residual else nn.Identity()

    @property
    def last_act(self) -> nn.Module:
        """The activation that makes the output."""
        return self.sum_act if self.residual else self.pw.act

    def forward(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b d u"]:
        """Map (batch, in_channels, time) to (batch, out_channels, thinned time)."""
        x = self.before(x)
        y: Tensor = self.pw(self.between(self.dw(x)))
        return self.sum_act(y + x) if self.residual else y


class BoltNet(nn.Module):
    """From I/Q planes to class scores."""

    config_type = BoltNetConfig

    def __init__(self, config: BoltNetConfig) -> None:
        super().__init__()
        self.config = config
        self.input_act = quantizers.input_quantiser(
            config.numbers.with_acts(config.input_bit_width),
            config.input_full_scale,
            learned=config.learned_input_scale,
        )
        self.pool = _pool(config)
        self.magnitudes = _magnitudes(config)
        self.stem = _stem(config)
        self.blocks = _blocks(config, self.stem[-1].act)  # type: ignore[arg-type]
        n_features = config.channels[-1] * (2 if config.features == "max_and_mean" else 1)
        self.norm = nn.BatchNorm1d(n_features)
        self.features_act = _signed(config, config.dense_act_bit_width, return_scale=True)
        self.dense = _dense(config, n_features)

    def forward(self, iq_planes: Float[Tensor, "b 2 t"]) -> Float[Tensor, "b classes"]:
        """Map I/Q planes (batch, 2, time) to class scores (batch, n_classes)."""
        x = self.blocks(self.stem(self._seen(self.input_act(iq_planes))))
        found = self.features_act(self.norm(self._features(x).flatten(1)))
        scores: Tensor = self.dense(found)
        return scores

    def _seen(self, iq_planes: Float[Tensor, "b 2 t"]) -> Float[Tensor, "b c u"]:
        *steps, last = self.pool
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.learned_front):
            # First, so that the least is held at a time where memory is scarce.
            beside = () if self.magnitudes is None else (self.magnitudes(iq_planes),)
            signal = iq_planes
            for step in steps:
                signal = step(signal)
        seen: Tensor = last(signal, *beside)
        return seen

    def _features(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b d 1"]:
        # Windows as long as the signal: operators that the challenge's cost tool knows.
        length = x.shape[-1]
        if self.config.features == "mean":
            return nn.functional.avg_pool1d(x, length)
        largest = nn.functional.max_pool1d(x, length, stride=1)
        if self.config.features == "max":
            return largest
        return torch.cat([largest, nn.functional.avg_pool1d(x, length)], 1)


def _signed(config: BoltNetConfig, bit_width: int, *, return_scale: bool = False) -> nn.Module:
    return quantizers.signed_act(config.numbers.with_acts(bit_width), return_scale=return_scale)


def _pool(config: BoltNetConfig) -> nn.Sequential:
    """Return what stands before the first convolution: averages and their products."""
    width = config.factor_bit_width
    steps: list[nn.Module] = []
    if config.symbol_timing:
        compared = quantizers.comparator(config.numbers)
        samples, chosen = _samples(config), _signed(config, width)
        steps = [SymbolTiming(config.pool, samples, compared, chosen)]
    elif config.lags or config.gain_control:
        steps = [nn.AvgPool1d(config.pool), _signed(config, width)]
    if config.gain_control:
        steps.append(GainControl(_signed(config, width)))
    if steps:
        planes, last = _n_signal_planes(config), _signed(config, config.average_bit_width)
        beside = N_PLANES if config.magnitudes else 0
        products = LagProducts(config.lags, planes, config.product_pool, last, beside)
        return nn.Sequential(*steps, products)
    if config.pool * config.product_pool == 1:
        return nn.Sequential(nn.Identity())
    average = nn.AvgPool1d(config.pool * config.product_pool)
    return nn.Sequential(average, _signed(config, config.average_bit_width))


def _samples(config: BoltNetConfig) -> nn.Module:
    """Return the quantiser of averages; what only magnitudes can tell is clipped here."""
    if not config.magnitudes:
        return _signed(config, config.factor_bit_width)
    numbers = config.numbers.with_acts(config.factor_bit_width)
    return quantizers.input_quantiser(numbers, _CLIP, learned=True)


def _magnitudes(config: BoltNetConfig) -> Magnitudes | None:
    if not config.magnitudes:
        return None
    numbers = config.numbers.with_acts(config.average_bit_width)
    sample, difference = quantizers.relu(numbers), quantizers.relu(numbers)
    return Magnitudes(SAMPLES_PER_SYMBOL, sample, difference)


def _n_signal_planes(config: BoltNetConfig) -> int:
    """Return how many planes I and Q are: those of two instants with symbol timing."""
    return 4 if config.symbol_timing else 2


def _stem(config: BoltNetConfig) -> nn.Sequential:
    """Return the first convolution: plain, or filters of each plane and their mixture."""
    size, stride = config.stem_kernel_size, config.stem_stride
    planes, numbers = count_planes(config.lags, _n_signal_planes(config)), config.numbers
    planes += N_PLANES if config.magnitudes else 0
    if config.stem_filters == 0:
        plain = quantizers.conv1d(planes, config.stem_channels, size, numbers, stride=stride)
        return nn.Sequential(ConvNormAct(plain, quantizers.relu(numbers)))
    n_filters = planes * config.stem_filters
    filters = quantizers.conv1d(planes, n_filters, size, numbers, stride=stride, groups=planes)
    mixture = quantizers.conv1d(n_filters, config.stem_channels, 1, numbers)
    # I and Q keep their signs until they are mixed: without them the phase would be lost.
    return nn.Sequential(
        ConvNormAct(filters, quantizers.signed_act(numbers)),
        ConvNormAct(mixture, quantizers.relu(numbers)),
    )


def _blocks(config: BoltNetConfig, act: nn.Module) -> nn.Sequential:
    """Return the blocks; `act` is the activation that makes the first one's input."""
    blocks: list[BoltBlock] = []
    before = config.stem_channels
    for i, after in enumerate(config.channels):
        keeps_shape = (
            before == after and config.strides[i] == 1 and config.max_pools[i] != "between"
        )
        block = BoltBlock(
            before,
            after,
            config.kernel_sizes[i],
            config.numbers,
            stride=config.strides[i],
            max_pool=config.max_pools[i],
            summed=act if config.residual and keeps_shape else None,
        )
        blocks.append(block)
        before, act = after, block.last_act
    return nn.Sequential(*blocks)


def _dense(config: BoltNetConfig, n_features: int) -> nn.Module:
    if config.dense_rank == 0:
        return quantizers.linear(n_features, len(config.classes), config.numbers)
    return nn.Sequential(
        quantizers.linear(n_features, config.dense_rank, config.numbers, bias=False),
        nn.BatchNorm1d(config.dense_rank),
        _signed(config, config.dense_act_bit_width, return_scale=True),
        quantizers.linear(config.dense_rank, len(config.classes), config.numbers),
    )


def _check_lists(config: BoltNetConfig) -> None:
    n_blocks = len(config.channels)
    if n_blocks == 0:
        raise ConfigError("network.channels must name at least one block, not none")
    for name in ("kernel_sizes", "strides", "max_pools"):
        found = len(getattr(config, name))
        if found != n_blocks:
            raise ConfigError(
                f"network.{name} must have {n_blocks} entries, one a block of network.channels, "
                f"not {found}"
            )


def _check_sizes(config: BoltNetConfig) -> None:
    sizes: dict[str, tuple[int, ...]] = {
        "stem_channels": (config.stem_channels,),
        "stem_kernel_size": (config.stem_kernel_size,),
        "stem_stride": (config.stem_stride,),
        "channels": config.channels,
        "kernel_sizes": config.kernel_sizes,
        "strides": config.strides,
    }
    for name, values in sizes.items():
        _must(name, values, "at least 1", lambda value: value >= 1)
    for name in ("stem_kernel_size", "kernel_sizes"):
        _must(name, sizes[name], "odd", lambda value: value % 2 == 1)
    _must("lags", config.lags, "at least 0", lambda value: value >= 0)
    for name in ("stem_filters", "dense_rank"):
        _must(name, (getattr(config, name),), "at least 0", lambda value: value >= 0)


def _check_bits(config: BoltNetConfig) -> None:
    for name in ("factor", "average", "weight", "act", "dense_act"):
        width = getattr(config, f"{name}_bit_width")
        _must(f"{name}_bit_width", (width,), "2 to 8", lambda value: 2 <= value <= 8)
    _must("input_bit_width", (config.input_bit_width,), "2 to 12", lambda value: 2 <= value <= 12)


def _must(name: str, values: tuple[int, ...], rule: str, holds: Any) -> None:
    for value in values:
        if not holds(value):
            raise ConfigError(f"network.{name} must be {rule}, not {value}")
