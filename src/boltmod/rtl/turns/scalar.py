"""What is one number a frame: scores of symbol timing, and the power that gain control needs."""

from __future__ import annotations

from boltmod.errors import UnsupportedOperatorError
from boltmod.integer import form
from boltmod.integer.form import Step
from boltmod.rtl.turns.code import FIRST, LANES, UNSIGNED, Group, Instruction, Op
from boltmod.rtl.turns.layout import words
from boltmod.rtl.turns.sums import Sums
from boltmod.rtl.turns.terms import Term, Terms

SCALARS = 32
"""Numbers that are kept."""
_PLANES = 3
"""Bytes of a lane's sum."""
MAGNITUDES = 129
"""Magnitudes of 8 bits, for each of which there is a level."""
_MOST = 2**23
"""Bound of a sum over all lanes."""
_MAKING = 8
"""Clocks of the table of levels beside its walk and the power's bits."""
_WAIT = 16
"""Clocks of one turn of waiting for it."""

Combination = dict[tuple[str, int], int]


class Scalars:
    """Writes what is one number.

    Args:
        terms: What tensors are sums of.
        sums: Writes sums.
    """

    def __init__(self, terms: Terms, sums: Sums) -> None:
        self.terms, self.sums, self.stream = terms, sums, sums.stream
        self.steps = terms.steps

    def _is_leaf(self, step: Step) -> bool:
        """Whether a step sums over a whole frame."""
        if not isinstance(step, form.Total):
            return False
        length = self.steps[step.sources[0]].shape[1]
        return step.kernel * step.spacing == length and step.shape[1] <= step.spacing

    def _combination(self, step: Step, at: int) -> Combination:
        """Return a sample of a tensor as a sum of sums over frames."""
        if not 0 <= at < step.shape[1]:
            return {}
        if self._is_leaf(step):
            return {(step.name, at): 1}
        parts: list[tuple[int, str, int]]
        if isinstance(step, form.Move):
            parts = [(1, step.sources[0], at + step.first_sample)]
        elif isinstance(step, form.Add):
            parts = [(s, name, at) for s, name in zip(step.signs, step.sources, strict=True)]
        elif isinstance(step, form.Total):
            parts = [
                (1, step.sources[0], at * step.stride + k * step.spacing)
                for k in range(step.kernel)
            ]
        else:
            raise UnsupportedOperatorError(
                f"{step.name} must be a sum over a frame to be done in turns"
            )
        found: Combination = {}
        for sign, name, where in parts:
            for key, factor in self._combination(self.steps[name], where).items():
                found[key] = found.get(key, 0) + sign * factor
        return found

    def _leaves(self, name: str) -> list[str]:
        step = self.steps[name]
        keys = [key for t in range(step.shape[1]) for key in self._combination(step, t)]
        return list(dict.fromkeys(leaf for leaf, _ in keys))

    def terms_of(self, name: str) -> list[Term]:
        """Return what the sums over frames behind a tensor are made of."""
        found = []
        for leaf in self._leaves(name):
            found += self.terms.of(self.steps[leaf].sources[0], 0, 1)
        return found

    def _leaf(self, name: str) -> Step:
        """Write a sum over a frame for each of its samples, up to its lanes; returns the step."""
        step = self.steps[name]
        assert isinstance(step, form.Total)
        source = self.steps[step.sources[0]]
        n_words, n = words(source.shape[1]), step.shape[1]
        if n_words % step.spacing or (n > 1 and step.stride != 1) or step.shape[0] != 1:
            raise UnsupportedOperatorError(f"{name} must be a sum over lanes to be done in turns")
        if not 0 <= step.range[0] <= step.range[1] < _MOST:
            raise UnsupportedOperatorError(f"{name} must have 23 bits to be done in turns")
        planes = self.sums.layout.rows((0,), 1 << (n - 1).bit_length(), _PLANES)
        self.stream.begin(n, 1, n_words)
        op = 0
        for k in range(n_words // step.spacing):
            terms = self.terms.of(source.name, 0, source.shape[1], 1, k * step.spacing)
            self.sums.emit(terms, op)
            op = Op.MULTIPLY
        for plane in range(_PLANES):
            self.stream.emit(Instruction(Op.BYTE, 0, plane))
            self.stream.store(Instruction(Op.STORE, planes.row(0, plane)))
        self.stream.groups.append(Group(0, 256))
        self.stream.end(n)
        self.stream.begin(n, 1, planes.n_words)
        for plane in reversed(range(_PLANES)):
            for lane in range(LANES):
                first = FIRST if plane == _PLANES - 1 and not lane else 0
                sign = 0 if plane == _PLANES - 1 else UNSIGNED
                op = Op.MULTIPLY | first | sign
                self.stream.emit(Instruction(op, planes.row(0, plane), 1, lane))
            if plane:
                self.stream.emit(Instruction(Op.LOW))
        return step

    def instant(self, step: form.Instant) -> None:
        """Write scores, and which is the largest."""
        source, n = self.steps[step.sources[0]], step.shape[1]
        n_scalars = n + sum(self.steps[name].shape[1] for name in self._leaves(source.name))
        if n > LANES or n_scalars > SCALARS:
            raise UnsupportedOperatorError(
                f"{step.name} must choose among {LANES} instants at most, with {SCALARS} sums, to "
                f"be done in turns, not {n} with {n_scalars}"
            )
        places: dict[tuple[str, int], int] = {}
        for name in self._leaves(source.name):
            leaf = self._leaf(name)
            self.stream.emit(Instruction(Op.WRITE_SCALAR, 0, len(places)))
            self.stream.wait(2)
            self.stream.end(leaf.shape[1])
            self.pass_group()
            for t in range(leaf.shape[1]):
                places[name, t] = len(places)
        first = len(places)
        for t in range(n):
            self._score(self._combination(source, t), places)
            self.stream.emit(Instruction(Op.STORE_SCALAR, 0, first + t))
        self.stream.wait(2)
        self.stream.emit(Instruction(Op.INSTANTS))
        for j in range(n):
            for i in range(n):
                if i != j:
                    self.stream.emit(Instruction(Op.LOAD_SCALAR, 0, first + i))
                    self.stream.emit(Instruction(Op.SUBTRACT_SCALAR, 0, first + j))
                    self.stream.emit(Instruction(Op.COMPARE_SCALAR, 0, j))
                    self.stream.groups.append(Group(addend=int(step.limits[i - j + n - 1])))
        self.stream.wait(1)

    def _score(self, parts: Combination, places: dict[tuple[str, int], int]) -> None:
        op = Op.LOAD_SCALAR
        for key, factor in parts.items():
            for _ in range(abs(factor)):
                if factor < 0 and op == Op.LOAD_SCALAR:
                    raise UnsupportedOperatorError("a score must not begin with a minus")
                also = Op.ADD_SCALAR if factor > 0 else Op.SUBTRACT_SCALAR
                self.stream.emit(Instruction(op if op == Op.LOAD_SCALAR else also, 0, places[key]))
                op = Op.ADD_SCALAR

    def power(self, step: form.Level) -> None:
        """Write the power and have the table made of it."""
        power = self.steps[step.sources[1]]
        if not self._is_leaf(power) or power.shape[1] != 1:
            raise UnsupportedOperatorError(f"{step.name} must have the power of a whole frame")
        self._leaf(power.name)
        self.stream.emit(Instruction(Op.LEVELS))
        self.pass_group()
        n_clocks = 3 * (MAGNITUDES + step.most + 2) + power.range[1].bit_length() + _MAKING
        self.stream.begin(repeats := n_clocks // _WAIT + 1, 1, 1)
        self.stream.wait(_WAIT - 2)
        self.stream.end(repeats)

    def pass_group(self) -> None:
        """Go on to the next group."""
        self.stream.emit(Instruction(Op.COMPARE_SCALAR, 0, LANES))
