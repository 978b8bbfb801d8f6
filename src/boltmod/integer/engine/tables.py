"""The program as the tables that the kernel walks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boltmod.errors import UnsupportedOperatorError
from boltmod.integer import form
from boltmod.integer.engine.estimate import Staircase, by_floats
from boltmod.integer.engine.formula import Operation, read_formula
from boltmod.integer.engine.prepared import Tables
from boltmod.integer.engine.rooms import Room, moves
from boltmod.integer.form import Integers, Program, Step
from boltmod.integer.multiply import Found, even_shift, find_one

LANES = 32
_MARGIN = 32
"""Zeros between rows, so that taps and shifts may reach beyond their ends."""

_FARTHEST_VIEW = 12
"""Samples by which a shifted tensor may be another pointer to the same rows."""

_PACKING = 2
"""Instructions that pack 32 samples of a row by fours, about."""

_MOST_SAMPLES = 2048 - LANES
"""Of a row in the kernel's scratch."""

_AT_ONCE = 4
"""Outputs that share samples in the kernel's sums of pairs."""

_MOST_FILLED = 1.3
"""Terms of outputs that share samples, over those that are not zero: what sharing saves."""

_MOST_FULL = 0.6
"""Share of weights that are not zero from which zeros cost less than leaving them out."""

KINDS = {
    name: number
    for number, name in enumerate((
        "quantise", "convolve", "dense", "requantise", "add", "product", "total", "maximum",
        "instant", "choose", "level", "copy", "phases", "pack", "quads", "products",
        "real", "twos", "pairs",
    ))
}  # fmt: skip
"""The kernel's operations."""

TENSOR = np.dtype([("first", "<i8"), ("row", "<i4"), ("wide", "<i4"), ("channels", "<i4"),
                   ("length", "<i4")])  # fmt: skip
OP = np.dtype([("kind", "<i4"), ("n_sources", "<i4"), ("y", "<i4"), ("x", "<i4", 2),
               ("a", "<i4", 8)])  # fmt: skip
LEVEL = np.dtype([("kind", "<i4"), ("coarse", "<i4"), ("fine", "<i4"), ("addend", "<i4"),
                  ("shift", "<i4"), ("scale", "<f4", 2), ("offset", "<f4"), ("slack", "<f4"),
                  ("coefficients", "<i4"), ("thresholds", "<i4")])  # fmt: skip

_MOST_SLACK = 0.2
"""Of a line, in levels: where it is farther off, counting all thresholds is faster."""

_LONGEST_TABLE = 2048
"""Levels of a channel that are kept as they are, where nothing shorter is exact."""

_LONGEST_OF_ANY = 2**16
"""The same where a line is of no use."""

_BY_FINE, _BY_BOTH, _BY_HALVES, _BY_COUNT, _BY_TABLE, _BY_PAIR, _BY_CONSTANT, _BY_EVEN = range(1, 9)
"""Kinds of levels that are exact by themselves; the others are by floats."""

_HALF = 16
"""Bits of a half of a word: a sum shifted by as many or more has its level in the upper one."""


@dataclass(frozen=True)
class _Rows:
    """Where a tensor lies, and how much of what is there it shows.

    Args:
        number: Of the kernel's tensor.
        root: Tensor whose rows these are.
        offset: The root's sample that is the first.
        shown: The root's samples that may be read: all but for a cut.
    """

    number: int
    root: str
    offset: int
    shown: tuple[int, int]


@dataclass
class _Making:
    program: Program
    by_quads: bool
    tensors: list[tuple[int, ...]] = field(default_factory=list)
    ops: list[Any] = field(default_factory=list)
    data: list[NDArray[np.int32]] = field(default_factory=list)
    exact: list[NDArray[np.int64]] = field(default_factory=list)
    rows: dict[str, _Rows] = field(default_factory=dict)
    free: dict[tuple[int, int], list[tuple[int, int]]] = field(default_factory=dict)
    lent: dict[int, tuple[int, int]] = field(default_factory=dict)
    rooms: list[Room] = field(default_factory=list)
    n_bytes: int = 0
    n_data: int = 0
    n_exact: int = 0

    def put(self, values: Any, dtype: Any = np.int32) -> int:
        """Append to the data, from a new cache line on; where it begins."""
        words = np.ascontiguousarray(values, dtype).view(np.int32).ravel()
        begin = self.n_data
        padded = np.concatenate([words, np.zeros(-len(words) % 16, np.int32)])
        self.data.append(padded)
        self.n_data += len(padded)
        return begin

    def put_exact(self, values: Any) -> int:
        """Append to the exact numbers; where they begin."""
        begin, numbers = self.n_exact, np.asarray(values, np.int64).ravel()
        self.exact.append(numbers)
        self.n_exact += len(numbers)
        return begin

    def room(self, name: str, shape: tuple[int, int], wide: int) -> int:
        """Make room for a tensor, of 16 bits, of 32 if wide or of 64 if 2; its number."""
        if shape[1] > _MOST_SAMPLES:
            raise _too_much(name, f"{shape[1]} samples")
        width, begin = 2 << wide, self.n_bytes
        flat = shape[1] == 1
        row = 1 if flat else -(-shape[1] // LANES) * LANES + _MARGIN
        first = self.n_bytes + _MARGIN * width
        n_values = -(-shape[0] // LANES) * LANES if flat else row * shape[0]
        self.n_bytes = -(-(first + (n_values + 4 * LANES) * width) // 64) * 64
        self.tensors.append((first, row, int(wide), *shape))
        number = len(self.tensors) - 1
        self.rooms.append(Room(begin, (row, wide, shape[1]), shape[0], not flat and wide < 2))
        self.rows[name] = _Rows(number, name, 0, (0, shape[1]))
        return number

    def real_room(self, shape: tuple[int, int]) -> int:
        """Make room for real numbers, where others were that are read no more."""
        free = self.free.get((shape[0], -(-shape[1] // LANES)))
        if free:
            first, row = free.pop()
            self.tensors.append((first, row, 2, *shape))
        else:
            self.room(f"real {len(self.tensors)}", shape, 2)
        self.lent[len(self.tensors) - 1] = (shape[0], -(-shape[1] // LANES))
        return len(self.tensors) - 1

    def give_back(self, made: tuple[int, tuple[int, int]] | None) -> None:
        """Say that real numbers are read no more; views have no room of their own."""
        if made is not None and made[0] in self.lent:
            first, row = self.tensors[made[0]][:2]
            self.free.setdefault(self.lent.pop(made[0]), []).append((first, row))

    def room_for(self, step: Step) -> int:
        """Make room for a step's tensor; its number."""
        return self.room(step.name, step.shape, is_wide(step))

    def number(self, name: str) -> int:
        """Return a tensor's number."""
        return self.rows[name].number

    def op(self, kind: str, y: int, sources: tuple[int, ...], *facts: int) -> None:
        """Append an operation."""
        x = (*sources, 0, 0)[:2] if len(sources) != 1 else sources * 2
        self.ops.append((KINDS[kind], len(sources), y, x, (*facts, *(0,) * (8 - len(facts)))))

    def _share_rooms(self) -> None:
        """Move tensors to where others were that are read no more."""
        touched = []
        for kind, _, y, x, facts in self.ops:
            more = facts[:2] if kind == KINDS["products"] else ()
            more = facts[2:4] if kind == KINDS["real"] and facts[0] == _PRODUCTS else more
            touched.append([*x, *more, y])
            if kind == KINDS["pack"]:  # its margins are no zeros
                begin = self.tensors[y][0] - _MARGIN * 4
                next(room for room in self.rooms if room.begin == begin).is_shared = False
        firsts = [each[0] for each in self.tensors]
        by = moves(self.rooms, firsts, touched)
        self.tensors = [(each[0] + move, *each[1:])
                        for each, move in zip(self.tensors, by, strict=True)]  # fmt: skip

    def finish(self) -> Tables:
        last = self.program.steps[-1].name
        self._share_rooms()
        self.tensors.append((0, 0, 0, *self.program.frame_shape))
        empty: list[Any] = [np.zeros(16, np.int32)]
        return Tables(
            np.array(self.tensors, TENSOR),
            np.array(self.ops, OP),
            np.concatenate([*self.data, *empty]),
            np.concatenate([*self.exact, np.zeros(2, np.int64)]),
            self.n_bytes + 64 * LANES,
            self.number(last),
            len(self.tensors) - 1,
        )


def _too_much(name: str, what: str) -> UnsupportedOperatorError:
    return UnsupportedOperatorError(
        f"{name} must suit the engine's vectors, not have {what}: "
        "run the model with --engine onnxruntime"
    )


def is_wide(step: Step) -> bool:
    """Whether a tensor needs 32 bits."""
    low, high = step.range
    return low < -(2**15) or high >= 2**15


def tables(program: Program, by_quads: bool = False) -> Tables:
    """Return the kernel's tables of a program.

    Args:
        program: The network.
        by_quads: Whether the processor multiplies four pairs of 8 bits in a lane of 32.

    Raises:
        UnsupportedOperatorError: The kernel cannot run it.
    """
    making = _Making(program, by_quads)
    for step in program.steps:
        if not _is_fused(program, step):
            _WRITERS[type(step)](making, step)
    return making.finish()


def _is_fused(program: Program, step: Step) -> bool:
    """Whether a step is taken together with the only one that reads it."""
    readers = program.consumers(step.name)
    if isinstance(step, form.Product):
        return len(readers) == 1 and _is_of_products(program, readers[0])
    if isinstance(step, form.Add):
        return _is_of_products(program, step) and _is_summed(program, step)
    if not isinstance(step, form.Convolve) or step.shape[1] == 1:
        return False
    return [type(each) for each in readers] == [form.Requantise]


def _is_of_products(program: Program, step: Step) -> bool:
    """Whether a step is the sum of two products of 16 bits that nothing else reads."""
    if not isinstance(step, form.Add) or step.shape[1] == 1 or len(set(step.sources)) != 2:
        return False
    sources = [program[name] for name in step.sources]
    if not all(isinstance(each, form.Product) for each in sources):
        return False
    factors = [program[name] for each in sources for name in each.sources]
    alone = all(len(program.consumers(name)) == 1 for name in step.sources)
    return alone and all(s.range[0] > -(2**15) and not is_wide(s) for s in factors)


def _is_summed(program: Program, step: Step) -> bool:
    """Whether nothing but the sum of each row is taken of a tensor."""
    readers = program.consumers(step.name)
    if len(readers) != 1 or not isinstance(readers[0], form.Total):
        return False
    total = readers[0]
    return total.shape[1] == 1 and total.spacing == 1 and total.kernel == step.shape[1]


def _quantise(m: _Making, step: form.Quantise) -> None:
    high = step.lowest + len(step.thresholds)
    factor = np.float32(1 / step.scale)
    # Of x · factor in float32, and of the factor itself: each half a unit in the last place.
    slack = np.float32(2.0**-22 * (max(-step.lowest, high) + 1))
    bits = [int(each.view(np.int32)) for each in (factor, slack)]
    at = m.put(step.thresholds, np.float32)
    m.op("quantise", m.room_for(step), (0,), step.lowest, high, *bits, at)


def _move(m: _Making, step: form.Move) -> None:
    source = m.rows[step.sources[0]]
    root = m.program[source.root]
    offset = source.offset + step.first_sample
    length = root.shape[1]
    wanted = (max(0, offset), min(length, offset + step.shape[1]))
    shown = (max(source.shown[0], wanted[0]), min(source.shown[1], wanted[1]))
    is_cut = shown != (0, length)
    read_on = any(isinstance(s, form.Convolve) for s in m.program.consumers(step.name))
    if length == 1 or abs(offset) > _FARTHEST_VIEW or shown != wanted or (is_cut and read_on):
        _copied(m, step)
        return
    first, row, wide, _, _ = m.tensors[source.number]
    first += (step.first_channel * row + step.first_sample) * (4 if wide else 2)
    m.tensors.append((first, row, wide, *step.shape))
    m.rows[step.name] = _Rows(len(m.tensors) - 1, source.root, offset, shown)


def _copied(m: _Making, step: form.Move) -> None:
    first, row, wide, _, length = m.tensors[m.number(step.sources[0])]
    part = first + step.first_channel * row * (4 if wide else 2)
    m.tensors.append((part, row, wide, step.shape[0], length))
    m.op("copy", m.room_for(step), (len(m.tensors) - 2,), 0, step.first_sample)


def _reshape(m: _Making, step: form.Reshape) -> None:
    m.op("copy", m.room_for(step), (m.number(step.sources[0]),), 0, 0)


def _join(m: _Making, step: form.Join) -> None:
    number, channel = m.room_for(step), 0
    for name in step.sources:
        m.op("copy", number, (m.number(name),), channel, 0)
        channel += m.program[name].shape[0]


def _convolve(m: _Making, step: form.Convolve) -> None:
    source = m.program[step.sources[0]]
    if step.shape[1] != 1 or source.shape[1] != 1 or is_wide(source):
        raise _too_much(step.name, "no requantisation behind it")
    n_inputs = -(-source.shape[0] // LANES) * LANES
    weights = np.zeros((step.shape[0], n_inputs), np.int16)
    if np.abs(step.weights).max() >= 2**15 or step.groups != 1:
        raise _too_much(step.name, "weights of more than 16 bits")
    weights[:, : source.shape[0]] = step.weights[:, :, 0]
    at, bias = m.put(weights, np.int16), m.put(step.bias)
    number = m.room(step.name, step.shape, True)
    m.op("dense", number, (m.number(source.name),), at, bias, n_inputs)


def _requantise(m: _Making, step: form.Requantise) -> None:
    sources = [m.program[name] for name in step.sources]
    if len(sources) > 2:
        raise _too_much(step.name, f"{len(sources)} sources")
    fused = [_is_fused(m.program, each) for each in sources]
    n_levels = step.thresholds.shape[1]
    if not any(fused):
        at = m.put(_levels(m, step, sources, False, fused=False), LEVEL)
        numbers = tuple(m.number(name) for name in step.sources)
        m.op("requantise", m.room_for(step), numbers, at, n_levels, step.lowest)
        return
    if not all(fused) or is_wide(step):
        raise _too_much(step.name, "a sum of convolutions and others")
    wide = any(is_wide(each) for each in sources)
    if _pays_by_pairs(m, sources):
        _by_pairs(m, step, sources[0])  # type: ignore[arg-type]
        return
    inputs = [_input(m, each) for each in sources]  # type: ignore[arg-type]
    if m.by_quads and _pays(m, sources, inputs):  # type: ignore[arg-type]
        _by_quads(m, step, sources, inputs)  # type: ignore[arg-type]
        return
    levels = _levels(m, step, sources, wide)
    n_terms = np.count_nonzero(sources[0].weights, axis=(1, 2))  # type: ignore[attr-defined]
    # Rows of one kind and length one after the other: the processor guesses how the next one goes.
    order = np.lexsort((n_terms, levels["kind"]))
    terms = [
        _terms(m, each, rows, wide, order)  # type: ignore[arg-type]
        for each, rows in zip(sources, inputs, strict=True)
    ]
    at = m.put(levels, LEVEL)
    facts = (terms[0], terms[-1], at, n_levels, step.lowest, int(wide))
    if _is_read_by_twos(m, step):
        length = -(-step.shape[1] // 2)
        number = m.room(_phased(step.name, 2), (2 * step.shape[0], length), False)
        m.op("convolve", number, tuple(inputs), *facts, 1, step.shape[1])
        return
    m.op("convolve", m.room_for(step), tuple(inputs), *facts)


def _phased(name: str, stride: int) -> str:
    """Return what a tensor is called whose rows hold a tensor's samples by turns."""
    return f"{name} by {stride}"


def _is_read_by_twos(m: _Making, step: Step) -> bool:
    """Whether nothing but convolutions of stride two reads a tensor: it need not lie in order."""
    readers = m.program.consumers(step.name)
    fused = all(isinstance(each, form.Convolve) and _is_fused(m.program, each) for each in readers)
    return fused and {each.stride for each in readers} == {2}  # type: ignore[attr-defined]


def _input(m: _Making, step: form.Convolve) -> int:
    """Return the tensor a convolution reads: with a stride, its source's samples by turns."""
    name = step.sources[0]
    if is_wide(m.program[name]) or step.bias.any():
        raise _too_much(step.name, "input of 32 bits or a bias")
    if step.stride == 1:
        return m.number(name)
    phased = _phased(name, step.stride)
    if phased not in m.rows:
        channels, length = m.program[name].shape
        number = m.room(phased, (channels * step.stride, -(-length // step.stride)), False)
        m.op("phases", number, (m.number(name),), step.stride)
    return m.number(phased)


def _terms(m: _Making, step: form.Convolve, source: int, wide: bool, order: Integers) -> int:
    """Put each output's offsets and weights; where the outputs' beginnings and order are."""
    row = m.tensors[source][1]
    n_outputs, n_inputs, n_taps = step.weights.shape
    reach = max(step.pad, n_taps - 1 - step.pad)
    if np.abs(step.weights).max() >= 2**15 or reach > _MARGIN - _FARTHEST_VIEW:
        raise _too_much(step.name, f"{n_taps} taps, or weights of more than 16 bits")
    parts, begins = [], [0]
    for output in range(n_outputs):
        base = output // (n_outputs // step.groups) * n_inputs
        channel, tap = np.nonzero(step.weights[output])
        shift, phase = np.divmod(tap - step.pad, step.stride)
        offsets = ((base + channel) * step.stride + phase) * row + shift
        weights = step.weights[output, channel, tap] & 0xFFFF
        if wide and len(offsets) % 2:
            offsets, weights = np.append(offsets, offsets[-1]), np.append(weights, 0)
        packed = weights[::2] | weights[1::2] << 16 if wide else weights * 0x10001
        parts += [offsets, packed]
        begins.append(begins[-1] + len(offsets) + len(packed))
    at = m.put(np.concatenate(parts).astype(np.uint32).view(np.int32))
    return m.put(np.concatenate([np.array(begins) + at, order]))


def _quads(step: form.Convolve, row: int) -> list[dict[int, Integers]]:
    """Return each output's weights by fours, by where in the packed rows their samples begin.

    Rows of one turn of a stride lie together, for one turn may have a tap less than another.
    """
    n_outputs, n_inputs, _ = step.weights.shape
    n_rows = n_inputs * step.groups
    found = []
    for output in range(n_outputs):
        base = output // (n_outputs // step.groups) * n_inputs
        channel, tap = np.nonzero(step.weights[output])
        shift, phase = np.divmod(tap - step.pad, step.stride)
        packed, place = np.divmod(phase * n_rows + base + channel, 4)
        quads: dict[int, Integers] = {}
        weights = step.weights[output, channel, tap]
        for offset, k, weight in zip(packed * row + shift, place, weights, strict=True):
            quads.setdefault(int(offset), np.zeros(4, np.int64))[k] += weight
        found.append(dict(sorted(quads.items())))
    return found


def _at_one_place(
    found: list[dict[int, Integers]],
) -> tuple[list[dict[int, Integers]], bool]:
    """Outputs' weights at the places of all, with zeros where one has none, if these are few.

    Returns:
        The weights, and whether they lie at the same places.
    """
    places = sorted({place for quads in found for place in quads})
    if len(places) * len(found) > _MOST_FILLED * sum(map(len, found)):
        return found, False
    none = np.zeros(4, np.int64)
    return [{place: quads.get(place, none) for place in places} for quads in found], True


def _eighths(source: Step) -> int | None:
    """What to add to a tensor so that it is 0 to 255; None where nothing makes it so."""
    low, high = source.range
    if low >= 0 and high < 2**8:
        return 0
    return 2**7 if low >= -(2**7) and high < 2**7 else None


def _pays(m: _Making, sources: list[form.Convolve], inputs: list[int]) -> bool:
    """Whether convolutions can be taken by fours, and are fewer instructions so.

    Sums of 16 bits are not: their levels take half the time of those of 32.
    """
    if not any(map(is_wide, sources)):
        return False
    one_by_one = by_fours = 0
    for step, number in zip(sources, inputs, strict=True):
        source = m.program[step.sources[0]]
        if _eighths(source) is None or step.weights.min() < -(2**7) or step.weights.max() >= 2**7:
            return False
        n_vectors = -(-step.shape[1] // LANES)
        one_by_one += n_vectors * step.n_terms  # two sums of two products each for 32 samples
        by_fours += 2 * n_vectors * sum(len(each) for each in _quads(step, 1 << 20))
        rows = m.tensors[number][3]
        by_fours += _PACKING * rows * -(-source.shape[1] // LANES)
    return by_fours < one_by_one


def _by_quads(
    m: _Making, step: form.Requantise, sources: list[form.Convolve], inputs: list[int]
) -> None:
    packed, begins, at_one_place = [], [], True
    for each, number in zip(sources, inputs, strict=True):
        added = _eighths(m.program[each.sources[0]])
        assert added is not None
        rows, length = m.tensors[number][3:]
        name = f"tensor {number} by fours"
        if name not in m.rows:
            room = m.room(name, (-(-rows // 4), length), True)
            m.op("pack", room, (number,), added, each.stride)
        packed.append(m.number(name))
        words, first = list[int](), [0]
        found = _quads(each, m.tensors[packed[-1]][1])
        found, at_one_place = _at_one_place(found)
        for quads in found:
            words.append(-added * int(sum(weights.sum() for weights in quads.values())))
            words += quads
            words += [_as_word(weights) for weights in quads.values()]
            first.append(len(words))
        at = m.put(np.array(words, np.int64).astype(np.uint32).view(np.int32))
        begins.append(m.put(np.array(first) + at))
    levels = m.put(_levels(m, step, list(sources), True), LEVEL)
    same = int(len(sources) == 1 and at_one_place)
    facts = (begins[0], begins[-1], levels, step.thresholds.shape[1], step.lowest, same)
    m.op("quads", m.room_for(step), tuple(packed), *facts)


def _places(step: form.Convolve) -> Integers:
    """Return which pairs of channels count at which taps: (pairs, taps), of all outputs."""
    used = (step.weights != 0).any(0)
    used = np.concatenate([used, np.zeros((len(used) % 2, used.shape[1]), np.bool_)])
    return np.asarray(used[::2] | used[1::2])


def _pays_by_pairs(m: _Making, sources: list[Step]) -> bool:
    """Whether a convolution of 32 bits has nearly all weights, so that outputs share samples."""
    step, quads = sources[0], m.by_quads and _eighths(m.program[sources[0].sources[0]]) is not None
    if len(sources) > 1 or not isinstance(step, form.Convolve) or quads or not is_wide(step):
        return False
    if step.groups != 1 or step.stride > 2 or step.bias.any():
        return False
    if is_wide(m.program[step.sources[0]]) or np.abs(step.weights).max() >= 2**15:
        return False
    products = 2 * int(_places(step).sum()) * (-(-step.shape[0] // _AT_ONCE) * _AT_ONCE)
    return step.n_terms > _MOST_FULL * products


def _by_pairs(m: _Making, step: form.Requantise, convolution: form.Convolve) -> None:
    source = m.program[convolution.sources[0]]
    stride, name = convolution.stride, f"{source.name} by pairs, {convolution.stride} apart"
    if name not in m.rows:
        n_rows, length = -(-source.shape[0] // 2) * stride, -(-source.shape[1] // stride)
        m.op("twos", m.room(name, (n_rows, length), 1), (m.number(source.name),), stride)
    row = m.tensors[m.number(name)][1]
    pair, tap = np.nonzero(_places(convolution))
    shift, phase = np.divmod(tap - convolution.pad, stride)
    reach = max(convolution.pad, convolution.weights.shape[2] - 1 - convolution.pad)
    if reach > _MARGIN - _FARTHEST_VIEW:
        raise _too_much(step.name, f"{convolution.weights.shape[2]} taps")
    n_outputs, n_inputs, n_taps = convolution.weights.shape
    weights = np.zeros((-(-n_outputs // _AT_ONCE) * _AT_ONCE, n_inputs + n_inputs % 2, n_taps),
                       np.int64)  # fmt: skip
    weights[:n_outputs, :n_inputs] = convolution.weights
    words = weights[:, 2 * pair, tap] & 0xFFFF | (weights[:, 2 * pair + 1, tap] & 0xFFFF) << 16
    in_groups = words.reshape(-1, _AT_ONCE, len(pair)).transpose(0, 2, 1)
    offsets = m.put((pair * stride + phase) * row + shift)
    at = m.put(in_groups.astype(np.uint32).view(np.int32))
    levels = m.put(_levels(m, step, [convolution], True), LEVEL)
    facts = (offsets, len(pair), levels, step.thresholds.shape[1], step.lowest, at)
    m.op("pairs", m.room_for(step), (m.number(name),), *facts)


def _as_word(weights: Integers) -> int:
    """Four integers of 8 bits in one of 32, the first one lowest."""
    return int((weights & 0xFF) @ (1 << 8 * np.arange(4)))


def _levels(
    m: _Making, step: form.Requantise, sources: list[Step], wide: bool, fused: bool = True
) -> Any:
    """Each channel's way to its level: exact as it is, or bounded and with thresholds."""
    records = np.zeros(step.shape[0], LEVEL)
    for channel, record in enumerate(records):
        reach = np.array([[s.low[channel], s.high[channel]] for s in sources], np.int64)
        coefficients = step.coefficients[:, channel]
        stairs = Staircase(coefficients, step.thresholds[channel], step.lowest, reach)
        if stairs.only_level is not None:
            record["kind"], record["addend"] = _BY_CONSTANT, stairs.only_level
            record["offset"] = by_floats(stairs).addend
            continue
        if not fused and not is_wide(step) and _write_even(record, stairs):
            continue
        alone = len(reach) == 1 or fused
        found = find_one(step, channel, reach) if alone and not wide else None
        if found is not None and _write_product(record, found, int(stairs.sizes[0])):
            continue
        line = by_floats(stairs)
        low, high = (int(each) for each in reach[0])
        longest = _LONGEST_TABLE if line.slack <= _MOST_SLACK else _LONGEST_OF_ANY
        if not fused and len(reach) == 1 and high - low < longest:
            sums = coefficients[0] * np.arange(low, high + 1)
            levels = step.lowest + np.searchsorted(stairs.thresholds, sums, side="right")
            record["kind"], record["fine"], record["thresholds"] = _BY_TABLE, low, m.put(levels)
            continue
        if line.slack > _MOST_SLACK and not fused and coefficients.tolist() == [1]:
            record["kind"], record["thresholds"] = _BY_COUNT, m.put(stairs.thresholds)
            continue
        record["scale"][: len(sources)] = line.factors
        record["offset"], record["slack"] = line.addend, line.slack
        record["coefficients"] = m.put_exact(coefficients)
        record["thresholds"] = m.put_exact(stairs.thresholds)
    return records


def _write_even(record: Any, stairs: Staircase) -> bool:
    """Write a shift that rounds to the nearest, ties to even, where that is what is asked."""
    if stairs.coefficients.tolist() != [1]:
        return False
    shift = even_shift(stairs.thresholds, stairs.lowest, stairs.ends)
    if shift is None or shift > _HALF:
        return False
    record["kind"], record["shift"] = _BY_EVEN, shift
    return True


def _write_product(record: Any, found: Found, size: int) -> bool:
    """Write multiply, add, shift, with a shift of half a word or more if that fits.

    Returns:
        Whether it is written: two sums take factors of 16 bits alone.
    """
    addend, shift = found.addend, found.shift
    factor = found.factors[0]
    if len(found.factors) == 2:
        if max(map(abs, found.factors)) >= 2**15:
            return False
        record["fine"], record["coarse"] = found.factors
        record["kind"], record["addend"], record["shift"] = _BY_PAIR, addend, shift
        return True
    more = max(0, _HALF - shift)
    if abs(factor) << more < 2**15 and (abs(factor) * size + abs(addend)) << more < 2**31:
        factor, addend, shift = factor << more, addend << more, shift + more
    is_fine = abs(factor) < 2**15
    fine = factor if is_fine else ((factor + 2**14) & 0x7FFF) - 2**14
    record["kind"] = (_BY_HALVES if shift >= _HALF else _BY_FINE) if is_fine else _BY_BOTH
    record["fine"], record["coarse"] = fine, (factor - fine) >> 15
    record["addend"], record["shift"] = addend, shift
    return True


def _add(m: _Making, step: form.Add) -> None:
    if _is_of_products(m.program, step):
        _products(m, step, step)
        return
    numbers = tuple(m.number(name) for name in step.sources)
    m.op("add", m.room_for(step), numbers, *step.signs)


def _products(m: _Making, step: form.Add, made: Step) -> None:
    """Write the sum of two products, or what its rows come to."""
    one, other = (m.program[name].sources for name in step.sources)
    factors = [m.number(name) for name in (*one, *other)]
    m.op("products", m.room_for(made), tuple(factors[:2]), *factors[2:], *step.signs)


def _product(m: _Making, step: form.Product) -> None:
    m.op("product", m.room_for(step), tuple(m.number(name) for name in step.sources))


def _total(m: _Making, step: form.Total) -> None:
    added = m.program[step.sources[0]]
    if isinstance(added, form.Add) and _is_fused(m.program, added):
        _products(m, added, step)
        return
    source = m.number(step.sources[0])
    m.op("total", m.room_for(step), (source,), step.kernel, step.stride, step.spacing)


def _maximum(m: _Making, step: form.Maximum) -> None:
    source = m.number(step.sources[0])
    m.op("maximum", m.room_for(step), (source,), step.kernel, step.stride)


def _instant(m: _Making, step: form.Instant) -> None:
    at = m.put(step.limits)
    m.op("instant", m.room_for(step), (m.number(step.sources[0]),), at)


def _choose(m: _Making, step: form.Choose) -> None:
    m.op("choose", m.room_for(step), tuple(m.number(name) for name in step.sources), step.kernel)


def _level(m: _Making, step: form.Level) -> None:
    source = m.program[step.sources[0]]
    most = max(-source.range[0], source.range[1])
    if most > _MOST_SAMPLES:
        raise _too_much(step.name, f"magnitudes up to {most}")
    at = m.put_exact([step.factor, step.addend])
    numbers = tuple(m.number(name) for name in step.sources)
    m.op("level", m.room_for(step), numbers, most, step.most, step.shift, at)


_WORDS = ("frames", "integers", "times", "plus", "over", "add", "subtract", "multiply", "divide",
          "root", "least", "most", "mean", "join", "mean of products", "round")  # fmt: skip
"""The kernel's operations on real numbers, in its order."""

_PRODUCTS = _WORDS.index("mean of products")


def _formula(m: _Making, step: form.Formula) -> None:
    """Write a formula, operation by operation, in rows that are used again when they are read."""
    shapes = [m.program.frame_shape if name == form.FRAMES else m.program[name].shape
              for name in step.sources]  # fmt: skip
    operations = read_formula(step, tuple(shapes))
    last_use, made = dict[int, int](), list[Any]()
    last_use[len(operations) - 1] = len(operations)
    for number in range(len(operations) - 1, -1, -1):
        for each in operations[number].reads if number in last_use else ():
            last_use.setdefault(each, number)
    for number, operation in enumerate(operations):
        is_read = number in last_use
        write = _REALS.get(operation.word, _real)
        made.append(write(m, step, operation, made) if is_read else None)
        for each in [one for one, last in last_use.items() if last == number]:
            m.give_back(made[each])
    value, shape = made[-1]
    low, high = step.range
    scale = m.put(np.full(shape[0], step.scale), np.float64)
    m.op("real", m.room_for(step), (value,), _WORDS.index("round"), scale, low, high)


_Made = tuple[int, tuple[int, int]]
"""Number and shape of what an operation of a formula has made."""


def _real(m: _Making, step: Step, operation: Operation, made: list[_Made]) -> _Made:
    operands = [made[each][0] for each in operation.of]
    shape, facts = operation.shape, list[int]()
    if operation.word == "mean":
        facts = [int(each) for each in operation.numbers]
    elif operation.word == "mean of products":
        facts = [*operands[-2:], int(operation.numbers[0])]
    has_numbers = operation.word in ("times", "plus", "over", "least", "most")
    numbers = [float.fromhex(each) for each in operation.numbers] if has_numbers else [0.0]
    at = m.put(np.broadcast_to(np.array(numbers), (shape[0],)), np.float64)
    number = m.real_room(shape)
    m.op("real", number, tuple(operands[:2]), _WORDS.index(operation.word), at, *facts)
    return number, shape


def _real_source(m: _Making, step: Step, operation: Operation, made: list[_Made]) -> _Made:
    source = step.sources[int(operation.numbers[0])]
    shape = operation.shape
    number = m.real_room(shape)
    of = 0 if source == form.FRAMES else m.number(source)
    kind = "frames" if source == form.FRAMES else "integers"
    m.op("real", number, (of,), _WORDS.index(kind), m.put(np.zeros(shape[0]), np.float64))
    return number, shape


def _real_move(m: _Making, step: Step, operation: Operation, made: list[_Made]) -> _Made:
    channel, _, sample, _ = map(int, operation.numbers)
    first, row, wide, _, _ = m.tensors[made[operation.of[0]][0]]
    m.tensors.append((first + 8 * (channel * row + sample), row, wide, *operation.shape))
    return len(m.tensors) - 1, operation.shape


def _real_join(m: _Making, step: Step, operation: Operation, made: list[_Made]) -> _Made:
    parts, shape = [made[each] for each in operation.of], operation.shape
    number, channel, at = m.real_room(shape), 0, m.put(np.zeros(shape[0]), np.float64)
    for part, (channels, _) in parts:
        m.op("real", number, (part,), _WORDS.index("join"), at, channel)
        channel += channels
    return number, shape


_REALS = {"source": _real_source, "move": _real_move, "join": _real_join}
"""Operations of a formula that are no rows of arithmetic."""

_WRITERS: dict[type[Step], Callable[[_Making, Any], None]] = {
    form.Quantise: _quantise,
    form.Move: _move,
    form.Reshape: _reshape,
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
    form.Formula: _formula,
}
"""How each kind of step is written."""
