"""The program's steps as C functions and constant tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from boltmod.errors import UnsupportedOperatorError
from boltmod.integer import form
from boltmod.integer.c import helpers
from boltmod.integer.c.arena import BYTES, Layout, c_type, in_little_memory, lay_out
from boltmod.integer.form import Integers, Program, Step

_INLINED = (form.Convolve, form.Total, form.Add, form.Product)
"""Steps that are made row by row where a requantisation alone reads them."""

_A_LINE = 16

_BYTES = BYTES | {"int64_t": 8, "float": 4}


class Emitter:
    """Writes the C of a program.

    Args:
        program: The network, with multiplications.
    """

    def __init__(self, program: Program) -> None:
        self.program = program = in_little_memory(program)
        self.inlined = frozenset(
            step.name
            for step in program.steps
            if isinstance(step, _INLINED)
            and [type(each) for each in program.consumers(step.name)] == [form.Requantise]
        )
        rows = {
            step.name: len(step.sources) * step.shape[1]
            for step in program.steps
            if isinstance(step, form.Requantise)
        }
        rows |= {
            s.name: s.shape[1]
            for s in program.steps
            if isinstance(s, form.Convolve) and s.name not in self.inlined
        }
        self.layout: Layout = lay_out(program, self.inlined, rows)
        self.tables: list[str] = []
        self.functions: list[str] = []
        self.needed: dict[str, None] = {}
        self.constant_bytes = 0
        self.kept = [
            step
            for step in program.steps
            if step.name not in self.inlined and not isinstance(step, (form.Reshape, form.Quantise))
        ]
        for step in self.kept:
            self._function(step)

    def table(self, name: str, values: Iterable[Any], kind: str | None = None) -> str:
        """Add a constant table of the narrowest type; its name."""
        numbers = np.asarray(list(values))
        kind = kind or c_type(int(numbers.min()), int(numbers.max()))
        lines = [
            ", ".join(map(_literal, numbers[i : i + _A_LINE].tolist()))
            for i in range(0, len(numbers), _A_LINE)
        ]
        body = ",\n    ".join(lines)
        self.tables.append(f"static const {kind} {name}[{len(numbers)}] = {{\n    {body}\n}};\n")
        self.constant_bytes += len(numbers) * _BYTES[kind]
        return name

    def need(self, name: str) -> str:
        """Ask for a shared function; its name."""
        self.needed[name] = None
        return name

    def at(self, name: str) -> str:
        """Return the pointer to a tensor."""
        return self.layout.places[name].expression

    def kind(self, name: str) -> str:
        """Return a tensor's C type."""
        return self.layout.places[name].type

    def _function(self, step: Step) -> None:
        lines = _BODIES[type(step)](self, step)
        body = "\n".join(f"    {line}" if line else "" for line in lines)
        self.functions.append(f"static void {step.name}(net_workspace *w)\n{{\n{body}\n}}\n")

    @property
    def source(self) -> str:
        """Tables and functions, shared ones first."""
        shared = [helpers.text(name) for name in self.needed]
        if any(name.startswith("shift") for name in self.needed):
            shared.insert(0, helpers.SHIFTED)
        return "\n".join([*self.tables, *shared, *self.functions])


def _literal(value: int | float) -> str:
    if isinstance(value, float):
        return float(value).hex() + "f"
    if value == -(2**31):
        return "(-2147483647 - 1)"
    return f"{value}" if abs(value) < 2**31 else f"INT64_C({value})"


def _loops(e: Emitter, step: Step, assignment: str, before: Iterable[str] = ()) -> list[str]:
    """Loops over channels c and samples t with one assignment to y[…]."""
    n_channels, length = step.shape
    sources = [f"const {e.kind(name)} *x{i} = {e.at(name)};" for i, name in enumerate(step.sources)]
    return [
        *sources,
        f"{e.kind(step.name)} *y = {e.at(step.name)};",
        *before,
        f"for (int32_t c = 0; c < {n_channels}; c++) {{",
        f"    for (int32_t t = 0; t < {length}; t++) {{",
        *(f"        {line}" for line in assignment.splitlines()),
        "    }",
        "}",
    ]


def _y(e: Emitter, step: Step, value: str) -> str:
    return f"y[c * {step.shape[1]} + t] = ({e.kind(step.name)})({value});"


def _move(e: Emitter, step: form.Move) -> list[str]:
    n = e.program[step.sources[0]].shape[1]
    at = f"(c + {step.first_channel}) * {n} + t + ({step.first_sample})"
    inside = f"t + ({step.first_sample}) >= 0 && t + ({step.first_sample}) < {n}"
    return _loops(e, step, _y(e, step, f"{inside} ? x0[{at}] : 0"))


def _join(e: Emitter, step: form.Join) -> list[str]:
    lines = [f"{e.kind(step.name)} *y = {e.at(step.name)};"]
    for name in step.sources:
        shape = e.program[name].shape
        n = shape[0] * shape[1]
        lines += [
            "{",
            f"    const {e.kind(name)} *x = {e.at(name)};",
            f"    for (int32_t i = 0; i < {n}; i++) {{",
            f"        *y++ = ({e.kind(step.name)})x[i];",
            "    }",
            "}",
        ]
    return lines


def _add(e: Emitter, step: form.Add) -> list[str]:
    at = f"c * {step.shape[1]} + t"
    terms = [f"{'+' if sign > 0 else '-'} x{i}[{at}]" for i, sign in enumerate(step.signs)]
    return _loops(e, step, _y(e, step, " ".join(terms).removeprefix("+ ")))


def _product(e: Emitter, step: form.Product) -> list[str]:
    at = f"c * {step.shape[1]} + t"
    return _loops(e, step, _y(e, step, f"(int32_t)x0[{at}] * x1[{at}]"))


def _total(e: Emitter, step: form.Total) -> list[str]:
    n = e.program[step.sources[0]].shape[1]
    sample = f"x0[c * {n} + t * {step.stride} + k * {step.spacing}]"
    return _loops(e, step, "int32_t sum = 0;\n"
                  f"for (int32_t k = 0; k < {step.kernel}; k++) {{\n    sum += {sample};\n}}\n"
                  + _y(e, step, "sum"))  # fmt: skip


def _maximum(e: Emitter, step: form.Maximum) -> list[str]:
    n, kind = e.program[step.sources[0]].shape[1], e.kind(step.sources[0])
    first = f"x0 + c * {n} + t * {step.stride}"
    return _loops(e, step, f"const {kind} *at = {first};\n{kind} most = at[0];\n"
                  f"for (int32_t k = 1; k < {step.kernel}; k++) {{\n"
                  "    most = at[k] > most ? at[k] : most;\n}\n" + _y(e, step, "most"))  # fmt: skip


def _instant(e: Emitter, step: form.Instant) -> list[str]:
    n = step.shape[1]
    limits = e.table(f"{step.name}_limits", step.limits, "int32_t")
    return _loops(e, step, "int32_t largest = 1;\n"
                  f"for (int32_t i = 0; i < {n}; i++) {{\n"
                  f"    largest &= x0[i] - x0[t] <= {limits}[i - t + {n - 1}];\n}}\n"
                  + _y(e, step, "largest"))  # fmt: skip


def _choose(e: Emitter, step: form.Choose) -> list[str]:
    n = e.program[step.sources[0]].shape[1]
    sample = f"x0[c * {n} + t * {step.kernel} + j]"
    return _loops(e, step, "int32_t sum = 0;\n"
                  f"for (int32_t j = 0; j < {step.kernel}; j++) {{\n"
                  f"    sum += {sample} * x1[j];\n}}\n" + _y(e, step, "sum"))  # fmt: skip


def _level(e: Emitter, step: form.Level) -> list[str]:
    source = e.program[step.sources[0]]
    most = max(-source.range[0], source.range[1])
    before = [
        f"int16_t level[{most + 1}];",
        f"const int64_t power = INT64_C({step.factor}) * x1[0] + INT64_C({step.addend});",
        "int32_t k = 0;",
        f"for (int32_t a = 0; a <= {most}; a++) {{",
        f"    while (k <= {step.most} && ((int64_t)(a * a) << {step.shift}) >="
        " (int64_t)((2 * k + 1) * (2 * k + 1)) * power) {",
        "        k++;",
        "    }",
        "    level[a] = (int16_t)k;",
        "}",
    ]
    at = f"x0[c * {step.shape[1]} + t]"
    value = f"const int32_t x = {at};\nconst int32_t z = level[x < 0 ? -x : x];\n"
    above = f"z > {step.most} ? {step.most} : z"
    return _loops(e, step, value + _y(e, step, f"x < 0 ? -z : {above}"), before)


def _convolve(e: Emitter, step: form.Convolve) -> list[str]:
    length = step.shape[1]
    rows = e.layout.places[f"{step.name} rows"].expression
    return [
        f"int32_t *x = {rows};",
        f"{e.kind(step.name)} *y = {e.at(step.name)};",
        f"for (int32_t c = 0; c < {step.shape[0]}; c++) {{",
        *(f"    {line}" for line in _convolved_row(e, step, "x")),
        f"    for (int32_t t = 0; t < {length}; t++) {{",
        f"        y[c * {length} + t] = ({e.kind(step.name)})x[t];",
        "    }",
        "}",
    ]


def _convolved_row(e: Emitter, step: form.Convolve, row: str) -> list[str]:
    terms, first = _term_tables(e, step)
    source = step.sources[0]
    bias = "0"
    if step.bias.any():
        bias = e.table(f"{step.name}_bias", step.bias) + "[c]"
    begin, count = f"{first}[c]", f"{first}[c + 1] - {first}[c]"
    return [
        f"for (int32_t t = 0; t < {step.shape[1]}; t++) {{",
        f"    {row}[t] = {bias};",
        "}",
        f"{e.need('terms_' + e.kind(source))}({row}, {step.shape[1]}, {e.at(source)}, "
        f"{e.program[source].shape[1]}, {step.stride}, {terms} + {begin}, {count});",
    ]


def _term_tables(e: Emitter, step: form.Convolve) -> tuple[str, str]:
    """The weights that are not zero, output by output, and where each output's begin."""
    n_outputs, n_inputs, _ = step.weights.shape
    if np.abs(step.weights).max() >= 2**15:
        raise UnsupportedOperatorError(
            f"{step.name} must have weights of 16 bits or fewer, not {np.abs(step.weights).max()}: "
            "give the network narrower weights"
        )
    rows, first = [], [0]
    for output in range(n_outputs):
        base = output // (n_outputs // step.groups) * n_inputs
        for channel, tap in np.argwhere(step.weights[output]):
            weight = step.weights[output, channel, tap]
            rows.append(f"{{{base + channel}, {tap - step.pad}, {weight}}}")
        first.append(len(rows))
    body = ",\n    ".join(", ".join(rows[i : i + 6]) for i in range(0, len(rows), 6))
    name = f"{step.name}_terms"
    body = body or "{0, 0, 0}"
    e.tables.append(f"static const net_term {name}[{max(1, len(rows))}] = {{\n    {body}\n}};\n")
    e.constant_bytes += 6 * max(1, len(rows))
    return name, e.table(f"{step.name}_first", first)


def _row(e: Emitter, name: str, index: int, length: int) -> list[str]:
    """Lines that put channel c of a tensor into the scratch row of that index."""
    step, row = e.program[name], "x" if index == 0 else f"(x + {index * length})"
    if name not in e.inlined:
        value = f"({e.at(name)})[c * {length} + t]"
    elif isinstance(step, form.Convolve):
        return _convolved_row(e, step, row)
    else:
        value = _row_value(e, step)
    lines = [f"for (int32_t t = 0; t < {length}; t++) {{"]
    if isinstance(step, form.Total) and name in e.inlined:
        n = e.program[step.sources[0]].shape[1]
        sample = f"({e.at(step.sources[0])})[c * {n} + t * {step.stride} + k * {step.spacing}]"
        lines += [
            "    int32_t sum = 0;",
            f"    for (int32_t k = 0; k < {step.kernel}; k++) {{",
            f"        sum += {sample};",
            "    }",
        ]
    return [*lines, f"    {row}[t] = {value};", "}"]


def _row_value(e: Emitter, step: Step) -> str:
    at = [f"({e.at(name)})[c * {step.shape[1]} + t]" for name in step.sources]
    if isinstance(step, form.Add):
        signed = (f"{'+' if sign > 0 else '-'} {x}" for sign, x in zip(step.signs, at, strict=True))
        return " ".join(signed).removeprefix("+ ")
    return f"(int32_t){at[0]} * {at[1]}" if isinstance(step, form.Product) else "sum"


def _requantise(e: Emitter, step: form.Requantise) -> list[str]:
    n_channels, length = step.shape
    rows = e.layout.places[f"{step.name} rows"].expression
    lines = [
        f"int32_t *x = {rows};",
        f"{e.kind(step.name)} *y = {e.at(step.name)};",
        f"for (int32_t c = 0; c < {n_channels}; c++) {{",
    ]
    for index, name in enumerate(step.sources):
        lines += [f"    {line}" for line in _row(e, name, index, length)]
    found = step.multiply.found if step.multiply else np.zeros(n_channels, np.bool_)
    lines += [f"    {line}" for line in _levels(e, step, found)]
    return [*lines, "}"]


def _levels(e: Emitter, step: form.Requantise, found: Any) -> list[str]:
    """Lines that turn the scratch rows into channel c of the result."""
    y = f"y + c * {step.shape[1]}, x, {step.shape[1]}"
    if found.all():
        return [_by_shift(e, step, y)]
    if not found.any():
        return [_by_thresholds(e, step, y, np.arange(step.shape[0]), "c")]
    rows = np.where(found, -1, np.cumsum(~found) - 1)
    row = e.table(f"{step.name}_row", rows, "int16_t")
    return [
        f"if ({row}[c] < 0) {{",
        f"    {_by_shift(e, step, y)}",
        "} else {",
        f"    {_by_thresholds(e, step, y, np.flatnonzero(~found), f'{row}[c]')}",
        "}",
    ]


def _by_shift(e: Emitter, step: form.Requantise, y: str) -> str:
    multiply, n = step.multiply, len(step.sources)
    assert multiply is not None
    factors = e.table(f"{step.name}_factor", multiply.factors.T.ravel(), "int32_t")
    addend = e.table(f"{step.name}_addend", multiply.addend, "int32_t")
    shift = e.table(f"{step.name}_shift", multiply.shift)
    function = e.need(f"shift_{n}_{e.kind(step.name)}")
    high = step.lowest + step.thresholds.shape[1]
    at = f"{factors} + {n} * c, {addend}[c], {shift}[c]"
    return f"{function}({y}, {at}, {step.lowest}, {high});"


def _by_thresholds(e: Emitter, step: form.Requantise, y: str, channels: Integers, row: str) -> str:
    n, n_levels = len(step.sources), step.thresholds.shape[1]
    wide = "int32_t" if n == 1 else "int64_t"
    factors = step.coefficients[:, channels].T.ravel()
    factor = e.table(f"{step.name}_coefficient", factors, wide)
    threshold = e.table(f"{step.name}_threshold", step.thresholds[channels].ravel(), wide)
    function = e.need(f"level_{n}_{e.kind(step.name)}")
    at = f"{factor} + {n} * {row}, {threshold} + {n_levels} * {row}"
    return f"{function}({y}, {at}, {n_levels}, {step.lowest});"


_BODIES: dict[type[Step], Callable[[Emitter, Any], list[str]]] = {
    form.Move: _move,
    form.Join: _join,
    form.Convolve: _convolve,
    form.Total: _total,
    form.Maximum: _maximum,
    form.Add: _add,
    form.Product: _product,
    form.Requantise: _requantise,
    form.Instant: _instant,
    form.Choose: _choose,
    form.Level: _level,
}
"""How the body of each step's function is written."""
