"""Where each tensor of the program lies in the caller's workspace, and as which C type."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from boltmod.integer.form import FRAMES, Program, Reshape, Step

_TYPES = (
    ("int8_t", -(2**7), 2**7 - 1),
    ("uint8_t", 0, 2**8 - 1),
    ("int16_t", -(2**15), 2**15 - 1),
    ("uint16_t", 0, 2**16 - 1),
    ("int32_t", -(2**31), 2**31 - 1),
)

ARENAS = {1: "bytes", 2: "halves", 4: "words"}
"""Name of the workspace's part that holds values of so many bytes."""

BYTES = {"int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2, "int32_t": 4}


def c_type(low: int, high: int) -> str:
    """Return the narrowest type that holds all from `low` to `high`."""
    return next(name for name, least, most in _TYPES if least <= low and high <= most)


@dataclass(frozen=True)
class Place:
    """Where a tensor lies.

    Args:
        type: Its C type.
        first: Its first value's number within the part of the workspace for its width.
    """

    type: str
    first: int

    @property
    def expression(self) -> str:
        """The pointer to its first value."""
        n_bytes = BYTES[self.type]
        cast = f"({self.type} *)" if self.type.startswith("u") else ""
        return f"{cast}(w->{ARENAS[n_bytes]} + {self.first})"


@dataclass(frozen=True)
class Layout:
    """The workspace.

    Args:
        places: Of each tensor that is kept, and of each step's scratch rows, by name.
        sizes: Values in each part of the workspace, by their bytes.
    """

    places: dict[str, Place]
    sizes: dict[int, int]

    @property
    def n_bytes(self) -> int:
        """Size of the workspace."""
        return sum(width * size for width, size in self.sizes.items())


@dataclass(frozen=True)
class _Wanted:
    name: str
    type: str
    size: int
    begin: int
    end: int


def in_little_memory(program: Program) -> Program:
    """Return a program with its steps in an order in which few tensors wait for one another.

    Of the steps whose sources are there the next is that which adds least: its own tensor less
    those that nothing else waits for. A file's order goes by depth, and keeps all branches at once.
    """
    steps = {step.name: step for step in program.steps}
    waiting = Counter(source for step in program.steps for source in set(step.sources))
    left, order = list(program.steps), dict[str, Step]()

    def growth(step: Step) -> int:
        freed = {source for source in step.sources if waiting[source] == 1}
        return _n_bytes(step) - sum(_n_bytes(steps[source]) for source in freed if source in steps)

    while left:
        step = min(
            (each for each in left if all(s in order or s not in steps for s in each.sources)),
            key=growth,
        )
        left.remove(step)
        order[step.name] = step
        waiting.subtract(set(step.sources))
    return replace(program, steps=tuple(order.values()))


def _n_bytes(step: Step) -> int:
    return BYTES[c_type(*step.range)] * step.shape[0] * step.shape[1]


def lay_out(program: Program, inlined: frozenset[str], n_rows: dict[str, int]) -> Layout:
    """Give every tensor a place that no other has while it is needed.

    Args:
        program: The network.
        inlined: Tensors of which no more than a row exists at a time.
        n_rows: Scratch rows of 32 bits that a step needs, by its name, and how long.
    """
    wanted = _lifetimes(program, inlined, n_rows)
    places: dict[str, Place] = {}
    sizes = dict.fromkeys(ARENAS, 0)
    taken: list[tuple[_Wanted, Place]] = []
    for each in sorted(wanted, key=lambda one: -one.size * BYTES[one.type]):
        place = Place(each.type, _first_free(each, taken))
        places[each.name] = place
        taken.append((each, place))
        width = BYTES[each.type]
        sizes[width] = max(sizes[width], place.first + each.size)
    for step in program.steps:
        if isinstance(step, Reshape):
            places[step.name] = places[step.sources[0]]
    return Layout(places, sizes)


def _lifetimes(program: Program, inlined: frozenset[str], n_rows: dict[str, int]) -> list[_Wanted]:
    owners = {FRAMES: FRAMES}
    begins: dict[str, int] = {}
    ends: dict[str, int] = {}
    for number, step in enumerate(program.steps):
        owners[step.name] = owners[step.sources[0]] if isinstance(step, Reshape) else step.name
        begins.setdefault(owners[step.name], number)
        for source in _read(program, step, inlined):
            ends[owners[source]] = number
    last = len(program.steps)
    wanted = [
        _Wanted(s.name, c_type(*s.range), s.shape[0] * s.shape[1], begins[s.name],
                ends.get(s.name, last))
        for s in program.steps
        if owners[s.name] == s.name and s.name not in inlined
    ]  # fmt: skip
    numbers = {step.name: number for number, step in enumerate(program.steps)}
    return wanted + [
        _Wanted(f"{name} rows", "int32_t", size, numbers[name], numbers[name])
        for name, size in n_rows.items()
    ]


def _read(program: Program, step: Step, inlined: frozenset[str]) -> list[str]:
    """Return the tensors that are read when a step is taken, through those that are inlined."""
    found: list[str] = []
    for source in step.sources:
        if source in inlined:
            found += _read(program, program[source], inlined)
        else:
            found.append(source)
    return found


def _first_free(wanted: _Wanted, taken: list[tuple[_Wanted, Place]]) -> int:
    width = BYTES[wanted.type]
    blocks = sorted(
        (place.first, place.first + other.size)
        for other, place in taken
        if BYTES[other.type] == width and other.begin <= wanted.end and wanted.begin <= other.end
    )
    first = 0
    for begin, end in blocks:
        if first + wanted.size <= begin:
            break
        first = max(first, end)
    return first
