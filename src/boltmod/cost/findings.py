"""What the cost rules treat specially in a network, said in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from boltmod.cost.layers import LayerCost, layer_cost
from boltmod.cost.network import FLOAT_BITS, LAYER_TYPES, WIDTH_KEEPING, CostedNetwork
from boltmod.cost.strict import Multiplication, StrictCost, uncountable

_KINDS = {
    "product": "products of two activations",
    "scaling": "products by constants that no quantiser absorbs",
    "function": "evaluations of a function that no quantiser absorbs",
    "narrowed": "products at the width of the first of the tensors joined, which is not the widest",
    "table": "look-ups in a table of constants",
}


@dataclass(frozen=True)
class Finding:
    """One thing worth knowing about a cost.

    Args:
        name: What kind of thing, always the same word for the same kind.
        message: What it is here, in one sentence, with figures.
    """

    name: str
    message: str


def find(
    network: CostedNetwork,
    layers: tuple[LayerCost, ...],
    strict: StrictCost | None,
    unsupported: Iterable[str],
) -> tuple[Finding, ...]:
    """Look for everything in a network that the rules treat specially.

    Args:
        network: The network.
        layers: Its official cost by layer.
        strict: Its strict cost.
        unsupported: Operators that the official tool reports as unsupported.
    """
    return (
        *_unsupported(unsupported),
        *_uncounted(network, strict),
        *_wide_inputs(network, layers),
        *_float_weights(network, layers),
        *_zero_points(network),
        *_zeros(layers),
    )


def _unsupported(unsupported: Iterable[str]) -> Iterator[Finding]:
    names = sorted(unsupported)
    if names:
        yield Finding(
            "unsupported operator",
            f"the official tool does not know {', '.join(names)} and counts "
            f"{'it' if len(names) == 1 else 'them'} as free; the challenge wants such networks "
            "cleared with its organisers",
        )


def _uncounted(network: CostedNetwork, strict: StrictCost | None) -> Iterator[Finding]:
    if strict is None:
        yield Finding(
            "no strict score",
            f"{', '.join(uncountable(network))} may multiply in ways that cannot be counted here",
        )
        return
    alike: dict[tuple[object, ...], list[Multiplication]] = defaultdict(list)
    for each in strict.added:
        alike[each.type, each.kind, each.n_products, each.bits, each.weight_bits].append(each)
    for group in alike.values():
        each = group[0]
        widths = "×".join(map(str, each.bits))
        bops, bits = len(group) * each.bops, len(group) * each.weight_bits
        memory = f" and {bits:,} weight bits" if bits else ""
        yield Finding(
            "free by the official rules",
            f"{_listed([g.name for g in group])}: {each.n_products:,} {_KINDS[each.kind]}"
            f"{'' if len(group) == 1 else ' each'}, {widths} bits: "
            f"{bops:,} bit operations{memory} that only the strict score counts",
        )


def _wide_inputs(network: CostedNetwork, layers: tuple[LayerCost, ...]) -> Iterator[Finding]:
    """Layers whose weights are quantised and whose input is not, by the operator they follow."""
    total = sum(layer.bops for layer in layers)
    for operator, found in _wide_by_operator(network).items():
        bops = sum(layer.bops for layer in found)
        if bops:
            alone = len(found) == 1
            yield Finding(
                "input of 32 bits",
                f"{_listed([layer.name for layer in found])} {'takes' if alone else 'take'} "
                f"what comes out of {operator} unquantised, at {FLOAT_BITS} bits: "
                f"{bops / total:.0%} of all bit operations; a quantiser in between would make "
                f"{'it' if alone else 'them'} cheaper",
            )


def _wide_by_operator(network: CostedNetwork) -> dict[str, list[LayerCost]]:
    found: dict[str, list[LayerCost]] = defaultdict(list)
    for node in network.nodes:
        if node.op_type in LAYER_TYPES and (
            network.official_bits(node.input[0])
            >= FLOAT_BITS
            > network.official_bits(node.input[1])
        ):
            found[_source(network, node.input[0])].append(layer_cost(network, node))
    return found


def _source(network: CostedNetwork, tensor: str) -> str:
    """What made the values of a tensor, as opposed to what handed them on."""
    maker = network.producer(tensor)
    if maker is None:
        return "the receiver"
    if maker.op_type in WIDTH_KEEPING:
        return _source(network, maker.input[0])
    return str(maker.op_type)


def _float_weights(network: CostedNetwork, layers: tuple[LayerCost, ...]) -> Iterator[Finding]:
    names: dict[int, list[str]] = defaultdict(list)
    nodes = [node for node in network.nodes if node.op_type in LAYER_TYPES]
    for node, layer in zip(nodes, layers, strict=True):
        if layer.weight_datatype == "FLOAT32" and layer.weights:
            names[network.float_weight_bits(node)].append(layer.name)
    for n_bits, found in names.items():
        has = "has" if len(found) == 1 else "have"
        what = f"unquantised weights, counted at {FLOAT_BITS} bits each"
        if n_bits < FLOAT_BITS:
            what = (
                f"weights of {n_bits} bit floats, which the official tool counts at {FLOAT_BITS} "
                "bits each unless their scale is 1"
            )
        yield Finding(f"weights of {n_bits} bits", f"{_listed(found)} {has} {what}")


def _zero_points(network: CostedNetwork) -> Iterator[Finding]:
    shifted = [
        network.name(node)
        for node in network.nodes
        if node.op_type in ("Quant", "IntQuant")
        and ((value := network.constant(node.input[2])) is None or value.any())
    ]
    if shifted:
        yield Finding(
            "zero point",
            f"{_listed(shifted)}: a zero point other than 0 makes the official tool count "
            f"{FLOAT_BITS} bits, and the challenge does not allow it",
        )


def _zeros(layers: tuple[LayerCost, ...]) -> Iterator[Finding]:
    n_weights = sum(layer.weights for layer in layers)
    n_zero = n_weights - sum(layer.nonzero_weights for layer in layers)
    n_rounded = sum(layer.rounded_to_zero or 0 for layer in layers)
    if n_zero:
        yield Finding(
            "zero weights",
            f"{n_zero:,} of {n_weights:,} weights ({n_zero / n_weights:.0%}) are zero and cost "
            f"nothing, {n_rounded:,} of them only because quantisation rounds them to zero",
        )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
