"""Sums of terms as instructions."""

from __future__ import annotations

from boltmod.errors import UnsupportedOperatorError
from boltmod.rtl.turns.code import FIRST, HIGH, UNSIGNED, By, Instruction, Op
from boltmod.rtl.turns.layout import Layout
from boltmod.rtl.turns.stream import Stream
from boltmod.rtl.turns.terms import ONE, Sample, Term

_MOST_REPEATED = 4
"""Times a product is added at most where it has a weight."""


class Sums:
    """Writes sums.

    Args:
        stream: Where to.
        layout: Where the samples are.
    """

    def __init__(self, stream: Stream, layout: Layout) -> None:
        self.stream, self.layout = stream, layout

    def emit(self, terms: list[Term], op: int = 0) -> int:
        """Append a sum of terms and return the constant among them, which the bias must hold.

        Args:
            terms: Its summands.
            op: `NOTHING`, or `MULTIPLY` to add to the sum that is there.
        """
        is_begun = bool(op)
        for term in terms:
            for instruction in self._of(term):
                if instruction.is_multiply and not is_begun:
                    instruction = Instruction(
                        instruction.op | FIRST, instruction.address, instruction.value,
                        instruction.lane,
                    )  # fmt: skip
                    is_begun = True
                self.stream.emit(instruction)
        if not is_begun:
            self.stream.emit(Instruction(Op.CONSTANT))
        return sum(term.weight for term in terms if term.sample == ONE)

    def stride(self, name: str, terms: list[Term], n_words: int) -> int:
        """Return the stride that all terms have, of rows of that many times a number of words."""
        samples = [t.sample for t in terms] + [t.other for t in terms if t.other]
        found = {sample.stride for sample in samples if sample.tensor} or {1}
        if len(found) > 1 or not (n := found.pop()) & (n - 1) == 0 or n > 128:
            raise UnsupportedOperatorError(
                f"{name} must be made of samples of one stride, a power of two, to be done in turns"
            )
        if any(self.layout.places[s.tensor].n_words != n * n_words for s in samples if s.tensor):
            raise UnsupportedOperatorError(f"{name} must be as long as what it is made of")
        return n

    def single(self, name: str, term: Term) -> Sample:
        """Return the sample that a term is."""
        if term.weight != 1 or term.other or term.instant is not None or term.sample == ONE:
            raise UnsupportedOperatorError(f"{name} must be made of what is stored")
        return term.sample

    def _of(self, term: Term) -> list[Instruction]:
        if term.sample == ONE:
            return []
        if term.other or term.instant is not None:
            return self._product(term) * self._times(term)
        place = self.layout.places[term.sample.tensor]
        found = []
        for plane in range(place.n_planes):
            is_last = plane == place.n_planes - 1
            address, lane = place.at(term.sample, plane)
            for weight, flag in self._weights(term, plane):
                op = Op.MULTIPLY | flag | (0 if is_last else UNSIGNED)
                found.append(Instruction(op, address, weight, lane))
        return found

    def _weights(self, term: Term, plane: int) -> list[tuple[int, int]]:
        """Split a weight into bytes."""
        high = (term.weight + 128) >> 8
        low = term.weight - (high << 8)
        parts = [(low, HIGH if plane else 0), (high, HIGH)]
        if abs(high) > 127 or (high and plane):
            raise UnsupportedOperatorError(
                f"a weight must have 16 bits at most to be done in turns, not {term.weight}"
            )
        return [(value, flag) for value, flag in parts if value]

    def _times(self, term: Term) -> int:
        n = abs(term.weight)
        if n > _MOST_REPEATED or (term.instant is not None and term.weight < 0):
            raise UnsupportedOperatorError(
                f"a product must be added {_MOST_REPEATED} times at most to be done in turns, "
                f"not {term.weight}"
            )
        return n

    def _product(self, term: Term) -> list[Instruction]:
        samples = [term.sample, *([term.other] if term.other else [])]
        places = [self.layout.places[sample.tensor] for sample in samples]
        if any(place.n_planes > 1 for place in places):
            raise UnsupportedOperatorError("factors must have 8 bits to be done in turns")
        (address, lane), *others = [p.at(s) for p, s in zip(places, samples, strict=True)]
        if term.instant is not None:
            return [Instruction(Op.MULTIPLY | By.INSTANT << 3, address, term.instant, lane)]
        ((other, moved),) = others
        if (other, moved) == (address, lane) and term.weight > 0:
            return [Instruction(Op.MULTIPLY | By.ITSELF << 3, address, 0, lane)]
        keep = Instruction(Op.KEEP, other, 0, moved)
        by = By.KEPT if term.weight > 0 else By.INVERTED
        product = Instruction(Op.MULTIPLY | by << 3, address, 0, lane)
        # −x · k = x · (−1 − k) + x
        once = [Instruction(Op.MULTIPLY, address, 1, lane)] if term.weight < 0 else []
        return [keep, product, *once]
