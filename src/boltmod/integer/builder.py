"""A model while it is read: what each of its tensors is in integers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import onnx

from boltmod.errors import UnsupportedOperatorError
from boltmod.integer import receiver
from boltmod.integer.constants import Grid, refused
from boltmod.integer.form import FRAMES, Program
from boltmod.integer.real import Real
from boltmod.integer.steps import Growing, live_steps
from boltmod.integer.value import Value
from boltmod.model.onnx_file import Model


class Chosen:
    """A signal times the instant, before the sum over a symbol is taken.

    Args:
        value: The signal, (channels, symbols, samples of a symbol).
        instant: The tensor of zeros and a one.
    """

    def __init__(self, value: Value, instant: str) -> None:
        self.value, self.instant = value, instant


class Levelled:
    """A signal divided by the root of its power, before it is quantised."""

    def __init__(self, signal: Value, power: Value) -> None:
        self.signal, self.power = signal, power


class Builder:
    """The program while its model is read.

    Args:
        model: The network.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        graph = model.proto.graph
        self.constants: dict[str, Any] = {
            each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer
        }
        self.growing = Growing(model.frame_length)
        self.values: dict[str, Any] = {model.input_name: FRAMES}
        self.origins: dict[str, str] = {}
        self.patterns = receiver.Patterns(graph, self.constants)
        self.timings, self.roots = self._found(graph)
        parts = (*self.timings.values(), *self.roots.values())
        self.skipped = {name for each in parts for name in each.inner}

    def _found(self, graph: onnx.GraphProto) -> tuple[dict[str, Any], dict[str, Any]]:
        timings = {n.output[0]: self.patterns.timing(n) for n in graph.node if n.op_type == "Quant"}
        roots = {
            n.input[1]: self.patterns.root(n.input[1]) for n in graph.node if n.op_type == "Div"
        }
        return (
            {name: each for name, each in timings.items() if each},
            {name: each for name, each in roots.items() if each},
        )

    def finish(self) -> Program:
        """Return the program of what was taken."""
        value = self.values.get(self.model.output_name)
        if isinstance(value, Real):
            raise value.refusal
        if not isinstance(value, Value) or len(value.terms) != 1 or not value.is_scaled_only:
            raise UnsupportedOperatorError(
                f"{self.model.name} must end in a quantised dense layer to have a meaning in "
                "integers: run it with --engine onnxruntime"
            )
        (term,) = value.terms
        if len(set(term.gain)) != 1 or term.gain[0] <= 0:
            raise UnsupportedOperatorError(
                f"{self.model.name} must have one weight scale for all classes of its last layer, "
                "so that their integers can be compared: run it with --engine onnxruntime"
            )
        steps = live_steps(self.growing.steps, term.tensor)
        return Program(
            self.model.name,
            self.model.classes,
            str(self.model.metadata.input_scaling),
            steps,
            term.gain[0],
            {step.name: self.origins[step.name] for step in steps if step.name in self.origins},
        )

    # What the readers below ask for ----------------------------------------------------------

    def value(self, node: onnx.NodeProto, index: int = 0) -> Value:
        """Return an operand that is made of quantised values."""
        value = self.values.get(node.input[index])
        if isinstance(value, Real):
            raise value.refusal
        if not isinstance(value, Value):
            raise refused(node, "take quantised values", "what no quantiser made")
        return value

    def grid(self, node: onnx.NodeProto, index: int) -> Grid:
        """Return an operand that is a quantised constant."""
        value = self.values.get(node.input[index])
        if not isinstance(value, Grid):
            raise refused(node, "have quantised weights", "weights in floating point")
        return value

    def linear(self, node: onnx.NodeProto, index: int = 0) -> Value:
        """Return an operand whose zero is integer zero."""
        value = self.value(node, index)
        if value.clamped and all(self.growing[t.tensor].low.min() >= 0 for t in value.terms):
            value = replace(value, clamped=False)
        if not value.is_scaled_only:
            raise refused(node, "follow a quantiser", "a normalisation or a rectifier")
        return value

    def unrooted(self, node: onnx.NodeProto, index: int) -> Value:
        """Return an operand that a constant can be added to."""
        value = self.value(node, index)
        if value.clamped or any(value.rooted):
            raise refused(node, "follow a quantiser", "a rectifier or a root")
        return value

    def single(self, node: onnx.NodeProto, index: int = 0) -> tuple[Value, str]:
        """Return an operand that is one integer tensor, and that tensor."""
        value = self.value(node, index)
        if len(value.terms) != 1:
            raise refused(node, "take values of one scale", "a sum of two scales")
        return value, value.terms[0].tensor
