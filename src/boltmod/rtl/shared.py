# amaranth: UnusedElaboratable=no
"""One multiplier for many channels, where samples come so slowly that they can take turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth import Array, Const, Signal, Value
from amaranth.lib.memory import Memory

from boltmod.integer import form
from boltmod.integer.form import Integers
from boltmod.rtl.arithmetic import Arithmetic, clipped
from boltmod.rtl.multiplier import OPERAND_BITS
from boltmod.rtl.wire import ONCE, Wire, bounds

_PART_BITS = OPERAND_BITS - 1

_MOST_TURNS = 32
"""Values that take turns at most: the choice among more takes longer than a clock."""

_PAUSE = 16
"""Clocks that a sum over a whole frame leaves free before the next frame's begins."""


@dataclass(frozen=True, eq=False)
class Scaled:
    """One value to be requantised: (Σ factors · wires + addend) >> shift, clipped.

    Args:
        channel: Its channel.
        lane: Its lane.
        wires: One a source.
        factors: One a source.
        addend: Added before the shift.
        shift: Bits dropped.
    """

    channel: int
    lane: int
    wires: tuple[Wire, ...]
    factors: tuple[int, ...]
    addend: int
    shift: int

    @property
    def time(self) -> int:
        """The clock in which all wires are there."""
        return max(wire.time for wire in self.wires)

    @property
    def fits(self) -> bool:
        """Whether a multiplier takes its wires."""
        return all(wire.n_bits < OPERAND_BITS for wire in self.wires)


@dataclass(frozen=True)
class Turns:
    """For how many wires a multiplier is made.

    Args:
        fewest: Wires that must take turns at one at least.
        spare: Multipliers for groups of fewer wires; the first ones have them.
        least: Wires of such a group.
    """

    fewest: int = 2
    spare: int = 0
    least: int = 1


class Shared:
    """Builder of what takes turns.

    Args:
        arithmetic: Additions on the same fabric.
        turns: For how many wires a multiplier is made.
    """

    def __init__(self, arithmetic: Arithmetic, turns: Turns) -> None:
        self.turns, self._n_spare = turns, turns.spare
        self.arithmetic, self.fabric = arithmetic, arithmetic.fabric

    # Requantisation -----------------------------------------------------------------------------

    def requantised(self, step: form.Requantise, period: int, n_beats: int,
                    values: Sequence[Scaled]) -> dict[tuple[int, int], Wire]:  # fmt: skip
        """Build what requantises values in turn.

        Args:
            step: The step.
            period: Clocks from one sample of a channel to the next; `ONCE` a frame.
            n_beats: Samples of a channel.
            values: What there is, in any order.

        Returns:
            Results by channel and lane; those of too few for a multiplier are left out.
        """
        most = min(self._most_turns if period == ONCE else period, _MOST_TURNS)
        # Those that are there first take the first turns; all of a turn wait for the last shift.
        order = sorted((each for each in values if each.fits), key=lambda each: each.time)
        found: dict[tuple[int, int], Wire] = {}
        n_groups = -(-len(order) // most)
        for number in range(n_groups):
            group = order[number::n_groups]
            if self._is_worth_it(group, 1 if period == 1 else sum(len(v.wires) for v in group)):
                found |= self._group(step, period, n_beats, group)
        return found

    def _is_worth_it(self, group: list[Scaled], n_wires: int) -> bool:
        if n_wires >= self.turns.fewest:
            return True
        n_multipliers = sum(len(_parts(factors)) for factors in _raised(group))
        if n_wires < self.turns.least or n_multipliers > self._n_spare:
            return False
        self._n_spare -= n_multipliers
        return True

    @property
    def _most_turns(self) -> int:
        return self.fabric.n_clocks // 2

    def _group(self, step: form.Requantise, period: int, n_beats: int,
               group: list[Scaled]) -> dict[tuple[int, int], Wire]:  # fmt: skip
        fabric = self.fabric
        begin = max(max(each.time - turn for turn, each in enumerate(group)), 1)
        turn = self._turn(begin, period, len(group))
        shift = max(each.shift for each in group)
        products = []
        for source, factors in enumerate(_raised(group)):
            wires = [
                fabric.until(each.wires[source], begin + number)
                for number, each in enumerate(group)
            ]
            products += self._products(_chosen(wires, turn), factors, turn)
        addends = [each.addend << shift - each.shift for each in group]
        addend = _listed(addends, self._later(turn))
        products.append((self._later(addend), 1))
        total = self.arithmetic.dot(products)
        low, high = step.lowest, step.lowest + step.thresholds.shape[1]
        like = Wire(total.value, low, high, total.time, 1, 1)
        value = clipped(total, shift, low, high)
        if period == ONCE:
            result = fabric.register(value, like)
        else:
            passing = fabric.during(total.time, total.time + n_beats * period)
            result = fabric.register_within(value, like, passing)
        found = {}
        for number, each in enumerate(group):
            low, high = bounds(step, each.channel)
            if period != ONCE:
                low, high = min(low, 0), max(high, 0)
            time = result.time + number
            mine = Wire(result.value, low, high, time, period, 1)
            caught = mine if period == 1 else fabric.captured(mine, period, time)
            found[each.channel, each.lane] = caught
        return found

    def _turn(self, begin: int, period: int, n_turns: int) -> Wire:
        """Return the number of the turn, 0 in clock `begin` of a frame."""
        count = self.fabric.signal(0, max(n_turns, period) - 1)
        m = self.fabric.module
        m.d.sync += count.eq(count + 1)
        with m.If(self.fabric.enable(begin - 1, period)):
            m.d.sync += count.eq(0)
        return Wire(count, 0, n_turns - 1, begin, 1, 1)

    def _later(self, wire: Wire) -> Wire:
        return self.fabric.register(wire.value, wire)

    def _products(self, x: Wire, factors: list[int], turn: Wire) -> list[tuple[Wire, int]]:
        """Return products that add up to one with the turn's factor, and what each counts."""
        found = []
        for part, weight in _parts(factors):
            factor = _listed(part, turn)
            ends = [a * b for a in (x.low, x.high) for b in (factor.low, factor.high)]
            found.append((self.fabric.product(x, factor, min(ends), max(ends)), weight))
        return found

    # Sums of products once a frame --------------------------------------------------------------

    def n_multipliers(self, n_wires: int, n_sums: int) -> int:
        """Return how many multipliers it takes to build sums of all wires in a frame's time."""
        n_rounds = (self.fabric.n_clocks - _PAUSE) // n_wires
        return -(-n_sums // n_rounds) if n_rounds else n_sums

    def sums(self, wires: Sequence[Wire], weights: Integers, addends: Integers,
             reach: Integers) -> list[Wire]:  # fmt: skip
        """Build sums of products of wires that come once a frame, one product a clock.

        Args:
            wires: What is multiplied.
            weights: (sums, wires).
            addends: (sums,).
            reach: Smallest and largest value of each sum without its addend, (sums, 2).

        Returns:
            The sums.
        """
        fabric = self.fabric
        n_sums, n = weights.shape
        n_units = self.n_multipliers(n, n_sums)
        n_rounds = -(-n_sums // n_units)
        fabric.n_multipliers += n_units
        begin = max(wire.time for wire in wires) + 1
        held = [self._held(wire, begin, begin + n_rounds * n) for wire in wires]
        place, at = self._places(begin, n, n_rounds)
        x = self._later(_chosen(held, place))
        begins = self._later(self._is_zero(place))
        found: list[Wire] = []
        for first in range(0, n_sums, n_rounds):
            mine = range(first, min(first + n_rounds, n_sums))
            total = self._unit(x, weights[mine.start : mine.stop], reach[mine], at, begins)
            for number, each in enumerate(mine):
                time = begin + number * n + n + 2
                low, high = reach[each].tolist()
                whole = Wire(total, low, high, time, ONCE, 1)
                kept = fabric.captured(whole, ONCE, time)
                found.append(self.arithmetic.dot([(kept, 1)], int(addends[each])))
        return found

    def _held(self, wire: Wire, begin: int, end: int) -> Wire:
        """Return a wire that stays from one clock to another."""
        wire = self.fabric.until(wire, begin - 1)
        return wire if wire.end >= end else self.fabric.captured(wire, ONCE, begin - 1)

    def _places(self, begin: int, n: int, n_rounds: int) -> tuple[Wire, Signal]:
        """Return which wire has its turn, from clock `begin` on, and how many had one before."""
        m = self.fabric.module
        place, at = self.fabric.signal(0, n - 1), self.fabric.signal(0, n_rounds * n - 1)
        m.d.sync += at.eq(at + 1)
        with m.If(self.fabric.mark(begin - 1)):
            m.d.sync += [place.eq(0), at.eq(0)]
        with m.Elif(place == n - 1):
            m.d.sync += place.eq(0)
        with m.Else():
            m.d.sync += place.eq(place + 1)
        return Wire(place, 0, n - 1, begin, 1, 1), at

    def _is_zero(self, wire: Wire) -> Wire:
        return self.fabric.register(wire.value == 0, Wire(wire.value, 0, 1, wire.time, 1, 1))

    def _unit(self, x: Wire, rows: Integers, reach: Integers, at: Signal, begins: Wire) -> Signal:
        """Build a multiplier and what adds up its products, anew where a sum begins."""
        fabric, m = self.fabric, self.fabric.module
        low, high = int(rows.min()), int(rows.max())
        factor = self._remembered(rows.ravel().tolist(), at)
        ends = [a * b for a in (x.low, x.high) for b in (low, high)]
        product = fabric.signal(min(ends), max(ends))
        total = fabric.signal(int(reach[:, 0].min()), int(reach[:, 1].max()))
        m.d.sync += [product.eq(x.value * factor), total.eq(total + product)]
        with m.If(begins.value):
            m.d.sync += total.eq(product)
        return total

    def _remembered(self, numbers: list[int], at: Signal) -> Value:
        """Return one of many numbers, a clock after its address."""
        shape = self.fabric.signal(min(numbers), max(numbers)).shape()
        memory = Memory(shape=shape, depth=len(numbers), init=numbers)
        self.fabric.module.submodules += memory
        read = memory.read_port()
        self.fabric.module.d.comb += read.addr.eq(at)
        return read.data


def _chosen(wires: list[Wire], turn: Wire) -> Wire:
    """Return that one of several wires whose turn it is."""
    low, high = min(w.low for w in wires), max(w.high for w in wires)
    return Wire(Array(wire.value for wire in wires)[turn.value], low, high, turn.time, 1, 1)


def _listed(numbers: list[int], turn: Wire) -> Wire:
    """Return that one of several numbers whose turn it is."""
    value = Array(Const(number) for number in numbers)[turn.value]
    return Wire(value, min(numbers), max(numbers), turn.time, 1, 1)


def _raised(group: list[Scaled]) -> list[list[int]]:
    """Return the factors of each source, of all values as if their shift were the largest."""
    shift = max(each.shift for each in group)
    return [
        [each.factors[source] << shift - each.shift for each in group]
        for source in range(len(group[0].wires))
    ]


def _parts(factors: list[int]) -> list[tuple[list[int], int]]:
    """Return what factors are sums of, in parts that a multiplier takes, and what each counts."""
    if not any(factors):
        return []
    even = min((f & -f).bit_length() - 1 for f in factors if f)
    rest, weight = [factor >> even for factor in factors], 1 << even
    found = []
    while not all(-(1 << _PART_BITS) <= each < 1 << _PART_BITS for each in rest):
        found.append(([each & ((1 << _PART_BITS) - 1) for each in rest], weight))
        rest, weight = [each >> _PART_BITS for each in rest], weight << _PART_BITS
    return [*found, (rest, weight)]
