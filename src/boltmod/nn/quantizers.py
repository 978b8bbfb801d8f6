"""Quantisers: the only file that names Brevitas.

Every quantiser is uniform with zero point 0, as the challenge demands: integers times one scale.
Weights take their scale from their largest magnitude, or learn it; activations learn theirs.

Source: A. Pappalardo, "Xilinx/brevitas", doi 10.5281/zenodo.3333552; the learned scale follows
S. Esser et al., "Learned Step Size Quantization", ICLR 2020.
"""

from __future__ import annotations

import warnings
from math import log2
from typing import Any

import torch
from torch import Tensor, nn

from boltmod.errors import ConfigError
from boltmod.nn import quick_steps
from boltmod.nn.conv_norm_act import Steps
from boltmod.nn.number_format import NumberFormat

with warnings.catch_warnings():
    # Brevitas reaches into torch interfaces that announce their own end.
    warnings.simplefilter("ignore")
    import brevitas.nn as qnn
    from brevitas.core.function_wrapper import RoundSte
    from brevitas.core.scaling import ScalingImplType
    from brevitas.inject.enum import RestrictValueType
    from brevitas.quant.fixed_point import (
        Int8ActPerTensorFixedPointMinMaxInit,
        Int8WeightPerChannelFixedPoint,
        Int8WeightPerTensorFixedPoint,
        Uint8ActPerTensorFixedPointMaxInit,
    )
    from brevitas.quant.scaled_int import (
        Int8ActPerTensorFloatMinMaxInit,
        Int8WeightPerChannelFloat,
        Int8WeightPerTensorFloat,
        Int32Bias,
        Uint8ActPerTensorFloatMaxInit,
    )

_WEIGHT_QUANTISERS = {
    (False, False): Int8WeightPerTensorFloat,
    (True, False): Int8WeightPerChannelFloat,
    (False, True): Int8WeightPerTensorFixedPoint,
    (True, True): Int8WeightPerChannelFixedPoint,
}
"""Quantisers of weights, by (per channel, powers of two)."""


def _learned(quantiser: Any) -> Any:
    """Return a weight quantiser whose scale is learned, from the largest magnitude on."""
    name = f"Learned{quantiser.__name__}"
    return type(name, (quantiser,), {"scaling_impl_type": ScalingImplType.PARAMETER_FROM_STATS})


_LEARNED_WEIGHT_QUANTISERS = {key: _learned(each) for key, each in _WEIGHT_QUANTISERS.items()}
"""The same with learned scales."""

_FIXED_POINT_ACTS = {
    Uint8ActPerTensorFloatMaxInit: Uint8ActPerTensorFixedPointMaxInit,
    Int8ActPerTensorFloatMinMaxInit: Int8ActPerTensorFixedPointMinMaxInit,
}
"""What takes an activation quantiser's place where scales are powers of two."""


class _QuantConv1d(qnn.QuantConv1d):  # type: ignore[misc]
    def inner_forward_impl(self, x: Any, quant_weight: Any, quant_bias: Any) -> Any:
        if not self.training or type(x) is not Tensor or quant_bias is not None:
            return super().inner_forward_impl(x, quant_weight, quant_bias)
        weight = getattr(quant_weight, "value", quant_weight)
        return quick_steps.convolve(self, x, weight, quant_bias)


class _QuantReLU(qnn.QuantReLU):  # type: ignore[misc]
    def forward(self, input: Any) -> Any:
        return _quick_act(self, input) if _is_quick(self, input) else super().forward(input)


class _QuantIdentity(qnn.QuantIdentity):  # type: ignore[misc]
    def forward(self, input: Any) -> Any:
        return _quick_act(self, input) if _is_quick(self, input) else super().forward(input)


def _is_quick(layer: Any, x: Any) -> bool:
    return (
        layer.training
        and type(x) is Tensor
        and not layer.return_quant_tensor
        and layer.act_quant.is_quant_enabled
    )


def is_plain(layer: nn.Module, x: Tensor) -> bool:
    """Tell whether an activation, given these while training, is a ReLU or rounds, nothing else."""
    return type(layer) is nn.ReLU or (isinstance(layer, _QuantReLU) and _is_quick(layer, x))


def plain_act(layer: nn.Module, x: Tensor) -> tuple[Tensor | None, Steps | None] | None:
    """Return step and range of an activation that `is_plain`.

    Args:
        layer: The activation.
        x: What it is given while training.

    Returns:
        No step and no range for a ReLU; None for any other activation.
    """
    if not is_plain(layer, x):
        return None
    return (None, None) if type(layer) is nn.ReLU else _steps(layer, x)


def used_weight(layer: nn.Conv1d) -> Tensor:
    """Return the weights that a layer convolves with, quantised if it quantises them."""
    if not isinstance(layer, _QuantConv1d):
        return layer.weight
    weight = layer.quant_weight()
    found: Tensor = getattr(weight, "value", weight)
    return found


def _quick_act(layer: Any, x: Tensor) -> Tensor:
    scale, steps = _steps(layer, x)
    return quick_steps.fake_quantise(x, scale, steps.lowest, steps.highest)


def _steps(layer: Any, x: Tensor) -> tuple[Tensor, Steps]:
    quantiser = layer.act_quant.fused_activation_quant_proxy.tensor_quant
    width = quantiser.msb_clamp_bit_width_impl()
    scale = quantiser.scaling_impl(x, quantiser.int_scaling_impl(width))
    lowest = int(quantiser.int_quant.min_int(width))
    return scale, Steps(lowest, int(quantiser.int_quant.max_int(width)))


_SMALLEST_RANGE = 1e-6

_INITIAL_ACT_MAX = 6.0
"""Where an activation's learned range starts until `calibrate` has seen data."""


def conv1d(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    numbers: NumberFormat,
    *,
    stride: int = 1,
    groups: int = 1,
    padding: int | None = None,
) -> nn.Module:
    """Return a 1-D convolution without bias.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Taps.
        numbers: How its weights are written.
        stride: Samples between outputs.
        groups: Channel groups; `in_channels` for a depthwise convolution.
        padding: Zeros before and behind; half the kernel if None.
    """
    geometry = {
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": kernel_size // 2 if padding is None else padding,
        "groups": groups,
        "bias": False,
    }
    if numbers.weight_bit_width is None:
        return quick_steps.Conv1d(in_channels, out_channels, **geometry)  # type: ignore[arg-type]
    layer: nn.Module = _QuantConv1d(
        in_channels, out_channels, **geometry, **_weights(numbers, per_channel=numbers.per_channel)
    )
    fit_weight_scales(layer)
    return layer


def linear(
    in_features: int, out_features: int, numbers: NumberFormat, *, bias: bool = True
) -> nn.Module:
    """Return a dense layer; its bias, if any, lies on the grid of its accumulator (32 bits).

    Args:
        in_features: Numbers it takes.
        out_features: Numbers it gives.
        numbers: How its weights are written; all of them have one scale.
        bias: Whether it adds one.
    """
    if numbers.weight_bit_width is None:
        return nn.Linear(in_features, out_features, bias=bias)
    layer: nn.Module = qnn.QuantLinear(
        in_features,
        out_features,
        bias=bias,
        bias_quant=Int32Bias if bias else None,
        **_weights(numbers, per_channel=False),
    )
    fit_weight_scales(layer)
    return layer


def relu(numbers: NumberFormat, *, return_scale: bool = False) -> nn.Module:
    """Return a ReLU whose output is an unsigned integer times a learned scale.

    Args:
        numbers: How its output is written.
        return_scale: Whether the next layer is told the scale (a quantised bias needs it).
    """
    if numbers.act_bit_width is None:
        return nn.ReLU()
    layer: nn.Module = _QuantReLU(
        **_acts(numbers, Uint8ActPerTensorFloatMaxInit),
        max_val=_INITIAL_ACT_MAX,
        return_quant_tensor=return_scale,
    )
    return layer


def signed_act(numbers: NumberFormat, *, return_scale: bool = False) -> nn.Module:
    """Return an identity quantised to signed integers with a learned scale.

    Args:
        numbers: How its output is written.
        return_scale: Whether the next layer is told the scale (a quantised bias needs it).
    """
    if numbers.act_bit_width is None:
        return nn.Identity()
    layer: nn.Module = _QuantIdentity(
        **_acts(numbers, Int8ActPerTensorFloatMinMaxInit),
        min_val=-_INITIAL_ACT_MAX,
        max_val=_INITIAL_ACT_MAX,
        return_quant_tensor=return_scale,
    )
    return layer


def input_quantiser(
    numbers: NumberFormat, full_scale: float, *, learned: bool = False
) -> nn.Module:
    """Return the quantiser of received samples: signed, clipping at ±`full_scale`.

    Args:
        numbers: How a sample of I or Q is written; floating point clips without quantising. With
            scales of powers of two the amplitude at which samples clip is one: the nearest.
        full_scale: The amplitude at which samples clip, in units of the frame's standard deviation.
        learned: Whether training may move the amplitude at which samples clip.
    """
    if numbers.act_bit_width is None:
        return nn.Hardtanh(-full_scale, full_scale)
    layer: nn.Module = _QuantIdentity(
        **_acts(numbers, Int8ActPerTensorFloatMinMaxInit),
        scaling_impl_type=ScalingImplType.PARAMETER if learned else ScalingImplType.CONST,
        min_val=-full_scale,
        max_val=full_scale,
    )
    return layer


def comparator(numbers: NumberFormat) -> nn.Module:
    """Return what tells of a number up to 1 whether it is above a half: 1 if so, else 0.

    It has two bits, for one bit means −1 and 1 in QONNX.

    Args:
        numbers: Floating point leaves numbers between 0 and 1 what they are.
    """
    if not numbers.is_quantised:
        return nn.Hardtanh(0.0, 1.0)
    layer: nn.Module = _QuantIdentity(
        act_quant=Uint8ActPerTensorFloatMaxInit,
        scaling_impl_type=ScalingImplType.CONST,
        max_val=3.0,
        bit_width=2,
    )
    return layer


def learned_scale(module: nn.Module) -> nn.Parameter | None:
    """Return the parameter that holds an activation's range (its largest value), if it has one."""
    proxy = getattr(module, "act_quant", None)
    fused = getattr(proxy, "fused_activation_quant_proxy", None)
    scaling = getattr(getattr(fused, "tensor_quant", None), "scaling_impl", None)
    value = getattr(scaling, "value", None)
    return value if isinstance(value, nn.Parameter) else None


def learned_weight_scale(module: nn.Module) -> nn.Parameter | None:
    """Return the parameter that holds a layer's weight ranges, if it learns them."""
    quantiser = getattr(getattr(module, "weight_quant", None), "tensor_quant", None)
    value = getattr(getattr(quantiser, "scaling_impl", None), "value", None)
    return value if isinstance(value, nn.Parameter) else None


def has_act(module: nn.Module) -> bool:
    """Tell whether a module quantises what it returns."""
    return getattr(module, "act_quant", None) is not None


def weight_quantiser(layer: nn.Module) -> nn.Module | None:
    """Return the module whose output is a layer's weights as they are used, if there is one."""
    proxy = getattr(layer, "weight_quant", None)
    return proxy if isinstance(proxy, nn.Module) else None


def weight_levels(layer: nn.Module) -> tuple[Tensor, Tensor] | None:
    """Return the integers that a layer's weights are rounded to, and their scale.

    Returns:
        Levels in the shape of the weights, and what they are multiplied by, a number or one for
        each output channel; None where there is no such layer, or it does not quantise.
    """
    if weight_quantiser(layer) is None or bit_width(layer) is None:
        return None
    quantised: Any = layer.quant_weight()  # type: ignore[operator]
    return (quantised.value / quantised.scale).round().detach(), quantised.scale.detach()


def parameters_but_weight_scales(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return a network's parameters, by name, without the ranges that weights learn."""
    scales = {id(learned_weight_scale(module)) for module in network.modules()}
    return {name: each for name, each in network.named_parameters() if id(each) not in scales}


@torch.no_grad()
def fit_weight_scales(network: nn.Module, *, smallest: float = 0.25) -> None:
    """Set learned weight ranges to where rounding and clipping change the weights least.

    Args:
        network: The network, or one layer.
        smallest: Ranges tried are this share of the largest magnitude, up to all of it; 1 gives
            the scales of a layer that learns none.
    """
    for module in network.modules():
        ranges = learned_weight_scale(module)
        if ranges is None:
            continue
        proxy, weight = _quantiser(module), module.get_parameter("weight").detach()
        rows = weight.flatten(1) if ranges.numel() > 1 else weight.reshape(1, -1)
        bits = int(proxy.bit_width())
        largest = rows.abs().amax(1, keepdim=True).clamp_min(_SMALLEST_RANGE)
        if is_power_of_two(module):
            # Brevitas takes the next whole exponent and divides by one more than the largest.
            exponents = largest.log2().ceil() - torch.arange(1.0 - log2(smallest))
            candidates, divisor = exponents.exp2(), 2 ** (bits - 1)
        else:
            candidates, divisor = largest * torch.linspace(smallest, 1.0, 31), 2 ** (bits - 1) - 1
        errors = torch.stack(
            [_rounding_error(rows, each[:, None], divisor, bits) for each in candidates.unbind(1)]
        )
        best = candidates.gather(1, errors.argmin(0)[:, None])[:, 0]
        # In the middle between two exponents, so that learning does not flip it at once.
        stored = best.log2() - 0.5 if is_power_of_two(module) else best
        ranges.copy_(stored.reshape(ranges.shape))
        # Otherwise Brevitas would begin with the largest magnitude.
        proxy.tensor_quant.scaling_impl.init_done = True


@torch.no_grad()
def set_weight_scales(layer: nn.Module, scales: Tensor) -> None:
    """Set a layer's learned weight ranges so that it has these scales.

    Args:
        layer: A layer that learns them.
        scales: The scale of its weights, or one for each output channel; powers of two where the
            layer's are.
    """
    ranges, proxy = learned_weight_scale(layer), _quantiser(layer)
    if ranges is None or proxy is None:
        raise ConfigError(f"scales must belong to layers that learn them, not to {layer}")
    bits = int(proxy.bit_width())
    if is_power_of_two(layer):
        stored = scales.log2() + (bits - 1.5)
    else:
        stored = scales * (2 ** (bits - 1) - 1)
    ranges.copy_(stored.reshape(ranges.shape))
    proxy.tensor_quant.scaling_impl.init_done = True


def _rounding_error(rows: Tensor, ranges: Tensor, divisor: int, bits: int) -> Tensor:
    steps, highest = ranges / divisor, 2 ** (bits - 1) - 1
    rounded = (rows / steps).round().clamp(-highest, highest) * steps
    return (rounded - rows).square().sum(1)


def is_power_of_two(module: nn.Module) -> bool:
    """Tell whether a layer's weights, or an activation, have scales that are powers of two."""
    proxy = _quantiser(module)
    if proxy is None:
        return False
    return proxy.quant_injector.restrict_scaling_type is RestrictValueType.POWER_OF_TWO


@torch.no_grad()
def set_learned_range(module: nn.Module, largest: float) -> None:
    """Set an activation's learned range.

    Args:
        module: An activation with a learned range.
        largest: The largest magnitude it shall hold; the nearest power of two, where its scale is
            one.
    """
    parameter = learned_scale(module)
    if parameter is None:
        raise ConfigError(
            f"ranges must belong to activations that learn theirs, not to {type(module).__name__}"
        )
    parameter.fill_(log2(largest) if is_power_of_two(module) else largest)


def bit_width(module: nn.Module) -> int | None:
    """Return the bits of a layer's weights or of an activation's values; None in floating point."""
    proxy = _quantiser(module)
    return None if proxy is None else int(proxy.bit_width())


def set_bit_width(module: nn.Module, width: int) -> None:
    """Give a quantised layer's weights, or an activation's values, another number of bits.

    The weights themselves and an activation's learned range stay as they are; learned ranges of
    weights are fitted anew.

    Raises:
        ConfigError: The module has no quantiser.
    """
    proxy = _quantiser(module)
    if proxy is None:
        kind = type(module).__name__
        raise ConfigError(f"bit widths must belong to quantised layers or activations, not {kind}")
    learned = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
    proxy.quant_injector = proxy.quant_injector.let(bit_width=width)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        proxy.init_tensor_quant()
    proxy.to(next(iter(learned.values())).device if learned else "cpu")
    module.load_state_dict(learned)
    fit_weight_scales(module)


def _weights(numbers: NumberFormat, *, per_channel: bool) -> dict[str, Any]:
    """Return how weights are quantised, in Brevitas's words."""
    quantisers = _LEARNED_WEIGHT_QUANTISERS if numbers.learned_weight_scales else _WEIGHT_QUANTISERS
    return {
        "weight_quant": quantisers[per_channel, numbers.power_of_two],
        "weight_bit_width": numbers.weight_bit_width,
    }


def _acts(numbers: NumberFormat, quantiser: Any) -> dict[str, Any]:
    """Return how an activation is quantised, in Brevitas's words."""
    words = {"act_quant": quantiser, "bit_width": numbers.act_bit_width}
    if numbers.power_of_two:
        words["act_quant"] = _FIXED_POINT_ACTS[quantiser]
        # Brevitas would round a range up, and lose a bit where it lies just above a power of two.
        words["restrict_value_float_to_int_impl"] = RoundSte
    return words


def _quantiser(module: nn.Module) -> Any:
    """Return the Brevitas proxy of a layer's weights or of an activation."""
    for name in ("weight_quant", "act_quant"):
        proxy = getattr(module, name, None)
        if proxy is not None and proxy.is_quant_enabled:
            return proxy
    return None
