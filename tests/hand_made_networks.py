"""Small QONNX networks made by hand, whose results and costs can be worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"


class Network:
    """An ONNX graph in the making: (1, 2, 1024) in, `finish(result)` names what comes out."""

    def __init__(self, opset: int = 13, domain: str = QONNX, batch: int | str = 1) -> None:
        self.opset, self.domain, self.batch = opset, domain, batch
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.input = "frames"

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(self, operator: str, *inputs: str, output: str, domain: str = "", **attrs: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attrs))
        return output

    def quant(
        self,
        x: str,
        scale: Any,
        n_bits: float,
        zero_point: float = 0.0,
        signed: int = 1,
        narrow: int = 0,
        rounding_mode: str = "ROUND",
    ) -> str:
        out = f"{x}_q"
        parameters = (
            self.constant(f"{out}_scale", scale),
            self.constant(f"{out}_zero_point", zero_point),
            self.constant(f"{out}_bits", n_bits),
        )
        return self.add(
            "Quant", x, *parameters, output=out, domain=self.domain,
            signed=signed, narrow=narrow, rounding_mode=rounding_mode,
        )  # fmt: skip

    def slice(self, x: str, start: int, stop: int, axis: int = 1) -> str:
        out = f"{x}_{start}_{stop}"
        bounds = [
            self.constant(f"{out}_{name}", [value], np.int64)
            for name, value in (("start", start), ("stop", stop), ("axis", axis))
        ]
        return self.add("Slice", x, *bounds, output=out)

    def finish(self, result: str, n_outputs: int = 24, frame: tuple[int, ...] = (2, 1024)) -> Any:
        graph = helper.make_graph(
            self.nodes,
            "hand_made",
            [helper.make_tensor_value_info(self.input, TensorProto.FLOAT, (self.batch, *frame))],
            [helper.make_tensor_value_info(result, TensorProto.FLOAT, (self.batch, n_outputs))],
            self.initializers,
        )
        opsets = [helper.make_opsetid("", self.opset)]
        if self.domain:
            opsets.append(helper.make_opsetid(self.domain, 1))
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def dense(
    weights: NDArray[Any] | None = None,
    weight_bits: int = 4,
    act_bits: int = 8,
    weight_scale: float = 1.0,
    **options: Any,
) -> onnx.ModelProto:
    """One quantised dense layer on the flattened frame: 24 × 2048 weights."""
    net = Network(**options)
    if weights is None:
        weights = np.random.default_rng(3).integers(-7, 8, (24, 2048))
    x = net.quant(net.input, 0.125, act_bits)
    w = net.quant(net.constant("fc.weight", weights * weight_scale), weight_scale, weight_bits)
    flat = net.add("Flatten", x, output="flat", axis=1)
    logits = net.add("Gemm", flat, w, net.constant("bias", np.zeros(24)), output="logits", transB=1)
    return net.finish(logits)


def floating(**options: Any) -> onnx.ModelProto:
    """A mean over time and a dense layer, nothing of it quantised."""
    net = Network(**options)
    flat = net.add(
        "Flatten", net.add("GlobalAveragePool", net.input, output="mean"), output="flat", axis=1
    )
    w = net.constant("fc.weight", np.random.default_rng(4).normal(0, 1, (24, 2)))
    bias = net.constant("bias", np.zeros(24))
    return net.finish(net.add("Gemm", flat, w, bias, output="logits", transB=1))


def convolutional(**options: Any) -> onnx.ModelProto:
    """A quantised convolution, ReLU, quantiser, global pooling and a dense layer."""
    rng = np.random.default_rng(5)
    net = Network(**options)
    x = net.quant(net.input, 0.1, 8)
    w = net.quant(net.constant("conv.weight", rng.normal(0, 0.3, (8, 2, 5))), 0.07, 4, narrow=1)
    y = net.add(
        "Conv", x, w, output="conv", kernel_shape=[5], pads=[2, 2], strides=[2],
        dilations=[1], group=1,
    )  # fmt: skip
    y = net.quant(net.add("Relu", y, output="relu"), 0.05, 6, signed=0)
    y = net.add("GlobalAveragePool", y, output="pool")
    shape = net.constant("shape", [1, 8], np.int64)
    y = net.add("Reshape", y, shape, output="flat")
    w = net.quant(net.constant("fc.weight", rng.normal(0, 0.3, (24, 8))), 0.1, 4, narrow=1)
    return net.finish(
        net.add("Gemm", y, w, net.constant("bias", np.zeros(24)), output="logits", transB=1)
    )


def wide(**options: Any) -> onnx.ModelProto:
    """Convolutions of 8 by 8 bits whose sums need 32: strided, in groups, and a sum of two."""
    rng = np.random.default_rng(7)
    net = Network(**options)

    def conv(x: str, name: str, shape: tuple[int, ...], stride: int, group: int) -> str:
        w = net.constant(f"{name}.weight", rng.normal(0, 1, shape) * (rng.random(shape) < 0.9))
        pad = shape[2] // 2
        return net.add(
            "Conv", x, net.quant(w, 1 / (40 + shape[2]), 8, narrow=1), output=name,
            kernel_shape=[shape[2]],
            pads=[pad, pad], strides=[stride], dilations=[1], group=group,
        )  # fmt: skip

    def active(x: str, scale: float) -> str:
        return net.quant(net.add("Relu", x, output=f"{x}_relu"), scale, 8, signed=0)

    x = net.quant(net.input, 1 / 40, 8)
    a = active(conv(x, "first", (22, 2, 9), 2, 1), 1 / 30)
    b = active(conv(a, "second", (22, 11, 5), 2, 2), 1 / 11)
    both = net.add(
        "Add", conv(b, "third", (13, 22, 3), 1, 1), conv(b, "fourth", (13, 22, 1), 1, 1),
        output="both",
    )  # fmt: skip
    c = active(both, 1 / 7)
    d = active(conv(c, "fifth", (10, 13, 3), 4, 1), 1 / 3)
    largest = net.add("GlobalMaxPool", d, output="largest")
    flat = net.quant(net.add("Flatten", largest, output="flat", axis=1), 1, 8, signed=0)
    w = net.quant(net.constant("fc.weight", rng.normal(0, 0.3, (24, 10))), 0.1, 4, narrow=1)
    bias = net.constant("bias", np.zeros(24))
    return net.finish(net.add("Gemm", flat, w, bias, output="logits", transB=1))


def magnitudes(**options: Any) -> onnx.ModelProto:
    """I and Q averaged by two, their magnitude beside them, quantised, and what a mean says."""
    rng = np.random.default_rng(6)
    net = Network(**options)
    x = net.quant(net.input, 1 / 32, 8)
    x = net.add("AveragePool", x, output="pool", kernel_shape=[2], strides=[2])
    i, q = (net.slice(x, plane, plane + 1) for plane in (0, 1))
    power = net.add(
        "Add", net.add("Mul", i, i, output="i2"), net.add("Mul", q, q, output="q2"), output="power"
    )
    some = net.add("Add", power, net.constant("smallest", 1e-6), output="some")
    size = net.add("Sqrt", some, output="magnitude")
    planes = net.quant(net.add("Concat", x, size, output="planes", axis=1), 1 / 32, 8)
    mean = net.quant(net.add("GlobalAveragePool", planes, output="mean"), 1 / 64, 8)
    flat = net.add("Flatten", mean, output="flat", axis=1)
    w = net.quant(net.constant("fc.weight", rng.normal(0, 0.3, (24, 3))), 0.1, 4, narrow=1)
    bias = net.constant("bias", np.zeros(24))
    return net.finish(net.add("Gemm", flat, w, bias, output="logits", transB=1))


def statistics(**options: Any) -> onnx.ModelProto:
    """What no quantiser made on the way: means before the first one, phases, normalised moments."""
    rng = np.random.default_rng(8)
    net = Network(**options)

    def number(name: str, value: float) -> str:
        return net.constant(name, np.float32(value))

    x = net.add("AveragePool", net.input, output="pool", kernel_shape=[2], strides=[2])
    x = net.quant(x, 1 / 32, 8)
    i, q = (net.slice(x, plane, plane + 1) for plane in (0, 1))
    power = net.add(
        "Add", net.add("Mul", i, i, output="i2"), net.add("Mul", q, q, output="q2"), output="power"
    )
    size = net.add("Sqrt", net.add("Add", power, number("few", 1e-6), output="some"), output="size")
    held = net.add("Add", size, number("silence", 0.1), output="held")
    phase = net.quant(net.add("Div", x, held, output="phase"), 1 / 128, 8)
    w = net.quant(net.constant("conv.weight", rng.normal(0, 0.3, (10, 2, 5))), 0.01, 8, narrow=1)
    y = net.add(
        "Conv", phase, w, output="conv", kernel_shape=[5], pads=[2, 2], strides=[2],
        dilations=[1], group=1,
    )  # fmt: skip
    y = net.quant(net.add("Relu", y, output="relu"), 1 / 100, 8, signed=0)
    y = net.quant(net.add("GlobalMaxPool", y, output="most"), 1 / 40, 8)
    loud = net.add("Sub", size, number("from", 0.8), output="above")
    loud = net.add("Mul", loud, number("slope", 4), output="steep")
    loud = net.add("Clip", loud, number("none", 0), number("all", 1), output="loud")
    here, before = (net.slice(loud, *ends, axis=2) for ends in ((3, 512), (0, 509)))
    net.add("Mul", here, before, output="both")
    square = net.add("Mul", power, power, output="square")
    product = net.add("Mul", phase, loud, output="product")
    flat = net.constant("flat", [1, -1], np.int64)

    def mean(name: str, length: int) -> str:
        pooled = net.add(
            "AveragePool", name, output=f"{name}_mean", kernel_shape=[length], strides=[1]
        )
        return net.add("Reshape", pooled, flat, output=f"{name}_flat")

    moments = [mean("both", 509), mean(product, 512), mean(square, 512)]
    share = net.add(
        "Div", mean("loud", 512),
        net.add("Add", "both_flat", number("bottom", 0.02), output="n"), output="share",
    )  # fmt: skip
    lines = net.add("Concat", *moments, share, output="lines", axis=1)
    norm = [net.constant(name, rng.uniform(0.5, 2, 5)) for name in ("g", "b", "m", "v")]
    lines = net.add("BatchNormalization", lines, *norm, output="normal")
    lines = net.quant(lines, 1 / 32, 8)
    flat_y = net.add("Flatten", y, output="flat_y", axis=1)
    joined = net.quant(net.add("Concat", flat_y, lines, output="joined", axis=1), 1 / 32, 8)
    w = net.quant(net.constant("fc.weight", rng.normal(0, 0.3, (24, 15))), 0.1, 4, narrow=1)
    bias = net.constant("bias", np.zeros(24))
    return net.finish(net.add("Gemm", joined, w, bias, output="logits", transB=1))


def products(**options: Any) -> onnx.ModelProto:
    """The mean of I·Q, quantised, and a dense layer of 24 × 1 weights: docs/cost.md's example."""
    net = Network(**options)
    x = net.quant(net.input, 1 / 64, 8)
    i, q = (net.slice(x, plane, plane + 1) for plane in (0, 1))
    mean = net.add("GlobalAveragePool", net.add("Mul", i, q, output="product"), output="mean")
    mean = net.quant(mean, 1 / 64, 8)
    flat = net.add("Flatten", mean, output="flat", axis=1)
    w = net.quant(net.constant("fc.weight", np.full((24, 1), 3.0)), 1.0, 4, narrow=1)
    bias = net.constant("bias", np.zeros(24))
    return net.finish(net.add("Gemm", flat, w, bias, output="logits", transB=1))
