"""A formula's operations as the kernel takes them: means of products in one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from boltmod.integer import form


@dataclass(frozen=True)
class Operation:
    """One operation of a formula.

    Args:
        word: Of `form.Formula`, or "mean of products": of a·b, or a·b ± c·d by its number, a sign.
        of: Operations that it reads.
        numbers: What else is written behind the word.
        shape: Channels and samples.
        roots: The operations whose rows it shows: those it is a view of.
    """

    word: str
    of: tuple[int, ...]
    numbers: tuple[str, ...]
    shape: tuple[int, int]
    roots: tuple[int, ...] = ()

    @property
    def reads(self) -> tuple[int, ...]:
        """Operations whose rows must still be there."""
        return (*self.of, *self.roots)


_TWO = ("add", "subtract", "multiply", "divide")


def read_formula(step: form.Formula, shapes: tuple[tuple[int, int], ...]) -> list[Operation]:
    """Return a formula's operations.

    Args:
        step: The formula.
        shapes: Of its sources.
    """
    found = list[Operation]()
    for line in step.operations:
        word, *words = line.split()
        n_operands = 0 if word == "source" else 2 if word in _TWO else 1
        n_operands = len(words) if word == "join" else n_operands
        of, numbers = tuple(map(int, words[:n_operands])), tuple(words[n_operands:])
        found.append(Operation(word, of, numbers, _shape(word, of, numbers, found, shapes)))
    users = Counter(each for operation in found for each in operation.of)
    found = [_in_one(operation, found, users) for operation in found]
    return [replace(each, roots=_roots(each, found)) for each in found]


def _shape(word: str, of: tuple[int, ...], numbers: tuple[str, ...], found: list[Operation],
           shapes: tuple[tuple[int, int], ...]) -> tuple[int, int]:  # fmt: skip
    if word == "source":
        return shapes[int(numbers[0])]
    operands = [found[each].shape for each in of]
    channels, samples = (max(each) for each in zip(*operands, strict=True))
    if word == "mean":
        kernel, stride = map(int, numbers)
        return channels, (samples - kernel) // stride + 1
    if word == "move":
        return int(numbers[1]), int(numbers[3])
    return (sum(each[0] for each in operands) if word == "join" else channels), samples


def _in_one(operation: Operation, found: list[Operation], users: Counter[int]) -> Operation:
    """Return a mean over rows together with the products that nothing else reads."""
    if operation.word != "mean":
        return operation
    (of,), length = operation.of, found[operation.of[0]].shape[1]
    inner = found[of]
    signs = {"add": 1, "subtract": -1, "multiply": 0}
    if int(operation.numbers[0]) != length or users[of] > 1 or inner.word not in signs:
        return operation
    products = (of,) if inner.word == "multiply" else inner.of
    factors = tuple(each for number in products for each in found[number].of)
    alone = all(users[each] == 1 and found[each].word == "multiply" for each in products)
    if not alone or len(factors) > 4 or any(found[each].shape[1] != length for each in factors):
        return operation
    return replace(operation, word="mean of products", of=factors,
                   numbers=(str(signs[inner.word]),))  # fmt: skip


def _roots(operation: Operation, found: list[Operation]) -> tuple[int, ...]:
    roots = list[int]()
    waiting = list(operation.of)
    while waiting:
        number = waiting.pop()
        if found[number].word == "move":
            roots.append(found[number].of[0])
            waiting.append(found[number].of[0])
    return tuple(roots)
