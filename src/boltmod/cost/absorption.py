"""Which scalings a hardware engineer would never build.

A quantiser compares its input with thresholds. Whatever monotone function is applied to a value on
its way to a quantiser only shifts those thresholds: a batch normalisation or a scale factor between
a convolution and a quantiser costs no multiplication.
Source: Y. Umuroglu, M. Jahre, "Streamlined Deployment for Quantized Neural Networks",
arXiv 1709.04060.
"""

from __future__ import annotations

from enum import Enum

import onnx

from boltmod.cost.network import MOVING, SELECTING, CostedNetwork

QUANTISERS = frozenset({"Quant", "IntQuant", "FloatQuant", "BipolarQuant", "Trunc",
                        "QuantizeLinear", "Sign", "MultiThreshold"})  # fmt: skip
"""Operators that compare with thresholds."""

AVERAGING = frozenset({"AveragePool", "GlobalAveragePool", "ReduceMean"})
"""Operators that add values of a channel and divide by their number."""

AFFINE = frozenset({"BatchNormalization", "Mul", "Div", "Add", "Sub"})
"""Operators that, one operand being constant, scale and shift."""

MONOTONE = frozenset({"Sigmoid", "Tanh", "Elu", "Selu", "HardSigmoid", "Softplus", "Softsign",
                      "LeakyRelu", "Erf", "Exp", "Log", "Sqrt"})  # fmt: skip
"""Elementwise functions that keep the order of values."""


class Change(Enum):
    """What is done to a value before it reaches a quantiser."""

    ONE_FACTOR = "one factor for all values"
    CHANNEL_FACTORS = "a factor for each channel"
    FUNCTION = "a monotone function"


def is_absorbed(network: CostedNetwork, tensor: str, change: Change) -> bool:
    """Tell whether a change of a tensor's values shows nowhere but in quantisers' thresholds.

    At the network's output only the order of the classes matters: one factor or one function for
    all of them can be left out as well, a factor for each class cannot.
    """
    readers = network.consumers(tensor)
    if tensor == network.output and change is Change.CHANNEL_FACTORS:
        return False
    if not readers and tensor != network.output:
        return False
    return all(_passes(network, tensor, reader, change) for reader in readers)


def _passes(network: CostedNetwork, tensor: str, reader: onnx.NodeProto, change: Change) -> bool:
    operator = reader.op_type
    if operator in QUANTISERS:
        return bool(reader.input[0] == tensor)
    following = change
    if operator in AVERAGING and change is Change.FUNCTION:
        return False
    if operator in AFFINE and not is_by_constants(network, reader):
        return False
    if operator in MONOTONE:
        following = Change.FUNCTION
    elif operator not in MOVING | SELECTING | AVERAGING | AFFINE:
        return False
    return all(is_absorbed(network, output, following) for output in reader.output)


def is_by_constants(network: CostedNetwork, node: onnx.NodeProto) -> bool:
    """Tell whether all operands but one are constant, and constant over time."""
    constants = [network.constant(tensor) for tensor in node.input if tensor]
    known = [value for value in constants if value is not None]
    if len(known) != len(constants) - 1:
        return False
    if node.op_type == "Div" and constants[0] is not None:
        return False
    n_axes = len(network.shape(node.output[0]))
    varies = node.op_type != "BatchNormalization" and n_axes > 2
    return not varies or all(value.ndim == 0 or value.shape[-1] == 1 for value in known)
