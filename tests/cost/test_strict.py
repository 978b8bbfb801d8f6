"""The strict score: figures worked out by hand, and what is free in hardware stays free."""

from pathlib import Path

import numpy as np
import pytest

import hand_made_networks as hand_made
from boltmod.cost.inference_cost import count
from boltmod.cost.score import score
from boltmod.model import onnx_file


def cost_of(proto):
    return count(onnx_file.from_proto(proto))


def findings(cost, name):
    return [finding.message for finding in cost.findings if finding.name == name]


class Tail:
    """A quantised frame, something done to it, and a dense layer behind: what does that add?"""

    def __init__(self, bits=8):
        self.net = hand_made.Network()
        self.x = self.net.quant(self.net.input, 0.125, bits)

    def add(self, operator, *inputs, **attributes):
        return self.net.add(operator, *inputs, output=f"n{len(self.net.nodes)}", **attributes)

    def constant(self, value, dtype=np.float32):
        return self.net.constant(f"c{len(self.net.initializers)}", value, dtype)

    def finish(self, y, shape=(24, 2)):
        """Pool over time, quantise or not before that, and end in a dense layer."""
        flat = self.add("Flatten", self.add("GlobalMaxPool", y), axis=1)
        w = self.net.quant(self.constant(np.ones(shape)), 1.0, 4)
        return self.net.finish(self.add("Gemm", flat, w, self.constant(np.zeros(24)), transB=1))

    def quantised(self, y):
        return self.net.quant(y, 0.25, 4)


def added(proto):
    strict = cost_of(proto).strict
    return [(each.kind, each.n_products, each.bits, each.weight_bits) for each in strict.added]


def test_the_worked_example_of_the_documentation():
    cost = cost_of(hand_made.products())
    assert (cost.bops, cost.weight_bits) == (24 * 8 * 4, 24 * 4)
    assert (cost.strict.bops, cost.strict.weight_bits) == (768 + 1024 * 8 * 8, 96)
    assert cost.strict.score == score(66_304, 96)
    told = (Path(__file__).parents[2] / "docs" / "cost.md").read_text()
    assert f"| **score** | **{cost.score:.6f}** | **{cost.strict.score:.6f}** |" in told
    assert f"| **bit operations** | **{cost.bops:,}** | **{cost.strict.bops:,}** |" in told
    assert findings(cost, "free by the official rules") == [
        "Mul product: 1,024 products of two activations, 8×8 bits: 65,536 bit operations "
        "that only the strict score counts"
    ]


@pytest.mark.parametrize(("bits", "bops"), [(2, 1024 * 4), (8, 1024 * 64)])
def test_products_cost_their_operands_widths(bits, bops):
    t = Tail(bits)
    i, q = t.net.slice(t.x, 0, 1), t.net.slice(t.x, 1, 2)
    cost = cost_of(t.finish(t.add("Mul", i, q), (24, 1)))
    assert cost.strict.bops == cost.bops + bops


def test_unquantised_operands_count_32_bits():
    t = Tail()
    square = t.add("Mul", t.net.input, t.net.input)
    assert added(t.finish(square)) == [("product", 2048, (32, 32), 0)]


def test_division_counts_as_multiplication():
    t = Tail()
    assert added(t.finish(t.add("Div", t.x, t.add("Abs", t.x)))) == [("product", 2048, (8, 32), 0)]


@pytest.mark.parametrize(("power", "n_products"), [(2.0, 1), (3.0, 2), (4.0, 2), (7.0, 4)])
def test_powers_count_repeated_squaring(power, n_products):
    t = Tail()
    (one,) = added(t.finish(t.add("Pow", t.x, t.constant(power))))
    assert one == ("product", n_products * 2048, (8, 8), 0)


def test_a_root_is_one_evaluation_of_a_curve():
    t = Tail()
    y = t.add("Pow", t.add("Abs", t.x), t.constant(0.5))
    assert added(t.finish(y)) == [("function", 2048, (32, 32), 0)]


def test_sums_of_squares():
    t = Tail()
    y = t.add("ReduceSumSquare", t.x, axes=[2], keepdims=1)
    assert added(t.finish(y)) == [("product", 2048, (8, 8), 0)]


def batch_norm(t, y, scale=(0.3, -0.7)):
    parameters = [t.constant(np.array(v)) for v in (scale, (0.1, 0.2), (0.0, 0.0), (1.0, 1.0))]
    return t.add("BatchNormalization", y, *parameters)


@pytest.mark.parametrize(
    "between", [(), ("Relu",), ("Relu", "MaxPool"), ("Sigmoid",), ("Relu", "Identity")]
)
def test_scalings_before_a_quantiser_are_thresholds(between):
    t = Tail()
    y = batch_norm(t, t.x)
    for operator in between:
        attributes = {"kernel_shape": [2], "strides": [2]} if operator == "MaxPool" else {}
        y = t.add(operator, y, **attributes)
    assert added(t.finish(t.quantised(y))) == []


def test_scalings_before_a_mean_are_thresholds_but_curves_are_not():
    t = Tail()
    y = t.add("GlobalAveragePool", t.add("Relu", batch_norm(t, t.x)))
    assert added(t.finish(t.quantised(y))) == []
    t = Tail()
    y = t.add("GlobalAveragePool", t.add("Sigmoid", t.x))
    assert added(t.finish(t.quantised(y))) == [("function", 2048, (8, 32), 0)]


def test_scalings_that_no_quantiser_absorbs_are_counted():
    t = Tail()
    y = batch_norm(t, t.x)
    assert added(t.finish(y)) == [("scaling", 2048, (8, 32), 2 * 32)]


def test_scalings_before_a_sum_of_two_branches_are_counted():
    t = Tail()
    y = t.quantised(t.add("Add", batch_norm(t, t.x), t.x))
    assert added(t.finish(y)) == [("scaling", 2048, (8, 32), 2 * 32)]


def test_scalings_of_one_branch_of_two_are_counted_if_the_other_needs_them():
    t = Tail()
    y = batch_norm(t, t.x)
    both = t.add("Concat", t.quantised(y), y, axis=1)
    kinds = [kind for kind, *_ in added(t.finish(both, (24, 4)))]
    assert "scaling" in kinds


def test_powers_of_two_are_shifts():
    t = Tail()
    assert added(t.finish(t.add("Mul", t.x, t.constant(0.25)))) == []
    assert added(t.finish(t.add("Div", t.x, t.constant([[[4.0], [-2.0]]])))) == []


def test_zeros_and_shifts_among_factors_are_free():
    t = Tail()
    y = t.add("Mul", t.x, t.constant([[[3.0], [0.0]]]))
    assert added(t.finish(y)) == [("scaling", 1024, (8, 32), 32)]


def test_a_correlation_written_as_mul_and_sum_costs_what_it_is():
    t = Tail()
    pattern = t.net.quant(t.constant(np.full((1, 2, 1024), 0.3)), 0.1, 4)
    y = t.add("ReduceSum", t.add("Mul", t.x, pattern), t.constant([2], np.int64), keepdims=1)
    assert added(t.finish(t.quantised(y))) == [("scaling", 2048, (8, 4), 2048 * 4)]


def test_factors_that_vary_over_time_are_no_thresholds():
    t = Tail()
    y = t.quantised(t.add("Mul", t.x, t.constant(np.full((1, 1, 1024), 0.3))))
    assert added(t.finish(y)) == [("scaling", 2048, (8, 32), 1024 * 32)]


def test_means_over_powers_of_two_are_shifts_others_are_not():
    for length, expected in ((1024, []), (1000, [("scaling", 2, (8, 32), 32)])):
        t = Tail()
        y = t.add("GlobalAveragePool", t.net.slice(t.x, 0, length, axis=2))
        assert added(t.finish(y)) == expected


def ends_in(*operators, scale=None):
    t = Tail()
    proto = t.finish(t.x)
    y = proto.graph.node[-1].output[0]
    for operator in operators:
        inputs = [y] if scale is None else [y, t.constant(scale)]
        y = t.add(operator, *inputs)
    return t.net.finish(y)


def test_what_keeps_the_order_of_the_classes_is_free_at_the_end():
    assert added(ends_in("Softmax")) == []
    assert added(ends_in("Sigmoid")) == []
    assert added(ends_in("Mul", scale=0.3)) == []
    per_class = added(ends_in("Mul", scale=np.linspace(0.3, 0.9, 24)))
    assert per_class == [("scaling", 24, (32, 32), 24 * 32)]
    assert added(ends_in("Mul", scale=-0.3)) == [("scaling", 24, (32, 32), 32)]


def test_joined_tensors_are_as_wide_as_the_widest():
    def cost(*order):
        t = Tail(bits=2)
        parts = {"narrow": t.x, "wide": t.add("Abs", t.net.input)}
        joined = t.add("Concat", *[parts[name] for name in order], axis=1)
        return cost_of(t.finish(joined, (24, 4)))

    sly, plain = cost("narrow", "wide"), cost("wide", "narrow")
    assert sly.bops == 96 * 2 * 4
    assert plain.bops == 96 * 32 * 4
    assert sly.strict.bops == plain.strict.bops == plain.bops


def test_tables_cost_their_memory():
    net = hand_made.Network()
    x = net.quant(net.input, 1.0, 4, signed=0)
    first = net.slice(net.slice(x, 0, 1), 0, 24, axis=2)
    flat = net.add("Flatten", first, output="flat", axis=1)
    index = net.add("Cast", flat, output="index", to=7)
    table = net.constant("table", np.arange(16))
    cost = cost_of(net.finish(net.add("Gather", table, index, output="logits")))
    assert (cost.weight_bits, cost.strict.weight_bits) == (0, 16 * 32)
    assert cost.unsupported == ("Cast", "Gather", "Slice")


def test_what_cannot_be_counted_has_no_strict_score():
    t = Tail()
    w = t.net.quant(t.constant(np.ones((2, 2, 3))), 1.0, 4)
    y = t.add("ConvTranspose", t.x, w, kernel_shape=[3])
    cost = cost_of(t.finish(y))
    assert cost.strict is None
    assert cost.as_dict()["strict"] is None
    assert findings(cost, "no strict score") == [
        "ConvTranspose may multiply in ways that cannot be counted here"
    ]


def test_findings_name_unsupported_operators():
    cost = cost_of(hand_made.products())
    assert cost.unsupported == ("GlobalAveragePool", "Slice")
    assert findings(cost, "unsupported operator") == [
        "the official tool does not know GlobalAveragePool, Slice and counts them as free; "
        "the challenge wants such networks cleared with its organisers"
    ]


def test_findings_name_layers_with_float_operands():
    t = Tail()
    cost = cost_of(t.finish(t.net.input))
    assert findings(cost, "input of 32 bits") == [
        f"{cost.layers[0].name} takes what comes out of the receiver unquantised, at 32 bits: "
        "100% of all bit operations; a quantiser in between would make it cheaper"
    ]
    net = hand_made.Network()
    flat = net.add("Flatten", net.quant(net.input, 1.0, 8), output="flat", axis=1)
    w, bias = net.constant("fc.weight", np.ones((24, 2048))), net.constant("bias", np.zeros(24))
    cost = cost_of(net.finish(net.add("Gemm", flat, w, bias, output="logits", transB=1)))
    assert findings(cost, "weights of 32 bits") == [
        "fc has unquantised weights, counted at 32 bits each"
    ]


def test_findings_tell_weights_rounded_to_zero_from_those_that_were_zero():
    weights = np.ones((24, 2048))
    weights[0] = 0
    weights[1] = 0.3
    cost = cost_of(hand_made.dense(weights))
    assert cost.layers[0].rounded_to_zero == 2048
    assert findings(cost, "zero weights") == [
        "4,096 of 49,152 weights (8%) are zero and cost nothing, 2,048 of them only because "
        "quantisation rounds them to zero"
    ]


def test_findings_name_zero_points():
    net = hand_made.Network()
    flat = net.add("Flatten", net.quant(net.input, 1.0, 8, zero_point=3), output="flat", axis=1)
    w = net.quant(net.constant("fc.weight", np.ones((24, 2048))), 1.0, 4)
    bias = net.constant("bias", np.zeros(24))
    cost = cost_of(net.finish(net.add("Gemm", flat, w, bias, output="logits", transB=1)))
    assert findings(cost, "zero point") == [
        "Quant frames_q: a zero point other than 0 makes the official tool count 32 bits, "
        "and the challenge does not allow it"
    ]
    assert cost.layers[0].act_datatype == "FLOAT32"


@pytest.mark.referee
def test_the_published_network_pays_half_its_operations_for_two_additions(referees):
    cost = count(onnx_file.load(referees / "bacalhaunet_v1.onnx"))
    assert findings(cost, "input of 32 bits") == [
        "conv.2.dw.conv and conv.4.dw.conv take what comes out of Add unquantised, at 32 bits: "
        "47% of all bit operations; a quantiser in between would make them cheaper"
    ]
    assert cost.strict.score == cost.score
    assert cost.strict.added == ()
