# amaranth: UnusedElaboratable=no
"""A proof, for a small circuit and any input, that the handshake loses and invents nothing.

By induction over time: whatever comes in, in whatever clock, with or without resets, the frames
that were taken whole are those whose results were given, are queued, are on the way or wait in the
memory; and a result never meets a full queue.
"""

from __future__ import annotations

from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("amaranth", reason="needs boltmod[hardware]")

from amaranth import Elaboratable, Module, Mux, Signal
from amaranth.back import rtlil
from amaranth.hdl import Assert
from amaranth.lib.fifo import SyncFIFOBuffered

from boltmod.errors import ToolNotFoundError
from boltmod.integer import form
from boltmod.integer.form import FRAMES, Program
from boltmod.integer.steps import Growing, live_steps
from boltmod.rtl import top as top_module
from boltmod.rtl.compose import compose
from boltmod.rtl.tools import yosys
from boltmod.rtl.top import Top

pytestmark = pytest.mark.skipif(not find_spec("pyosys"), reason="needs boltmod[hardware]")

LENGTH = 16

PROOF = (
    "read_rtlil proof.il", "prep -flatten -top proof", "memory_map", "opt -full", "async2sync",
    "chformal -lower", "opt -full", "sat -tempinduct -prove-asserts -maxsteps 4 -verify",
)  # fmt: skip


def sums_of_a_frame() -> Program:
    """Two sums of two levels: what there must be around a handshake, and no more."""
    growing = Growing(LENGTH)
    bounds = (np.full(2, -1), np.full(2, 0))
    x = growing.add(
        form.Quantise, (FRAMES,), (2, LENGTH), bounds,
        thresholds=np.zeros(1, np.float32), lowest=-1, scale=1.0,
    )  # fmt: skip
    steps = live_steps(growing.steps, growing.total(x, LENGTH, LENGTH, 1, 1))
    return Program("sums", ("a", "b"), "unit_std", steps, Fraction(1), {})


def ones(bits: Any) -> Any:
    return sum((bit for bit in bits), start=0)


class Proof(Elaboratable):  # type: ignore[misc]
    """A circuit, what is counted of it from outside, and what must be true in every clock."""

    def __init__(self, top: Top) -> None:
        self.top = top
        self.in_valid, self.in_first, self.out_ready = Signal(), Signal(), Signal()

    def elaborate(self, _: object) -> Module:
        m, top = Module(), self.top
        fabric = top.composition.fabric
        m.submodules.top = top.elaborate(None)
        m.d.comb += [
            top.in_valid.eq(self.in_valid),
            top.in_first.eq(self.in_first),
            top.out_ready.eq(self.out_ready),
        ]
        n = fabric.n_clocks
        beat, owed = Signal(range(n)), Signal(range(32))
        now, whole = Mux(top.in_first, 0, beat), Signal()
        taken = top.in_valid & top.in_ready
        m.d.comb += whole.eq(taken & (now == n - 1))
        with m.If(taken):
            m.d.sync += beat.eq(Mux(whole, 0, now + 1))
        m.d.sync += owed.eq(owed + whole - (top.out_valid & top.out_ready))
        marks = [fabric.mark(k) for k in range(fabric.latency)]
        must = [
            top.found == marks[-1],
            owed == top.n_full + ones(marks[n - 1 :]) + top.n_queued,
            top.room + ones(marks) + top.n_queued == top.depth,
            ~top.out_valid | (owed != 0),
            ~top.found | (top.n_queued != top.depth),
            top.n_full >= ones(marks[: n - 1]),
            beat == top.place_in,
            top.n_full <= 2,
            *(ones(marks[k : k + fabric.slot]) <= 1 for k in range(len(marks))),
            *(~marks[k] | (top.busy == fabric.slot - 1 - k) for k in range(fabric.slot)),
        ]  # fmt: skip
        for each in must:
            m.d.comb += Assert(each)
        return m


def prove(folder: Path) -> None:
    proof = Proof(Top(compose(sums_of_a_frame(), 1)))
    ports = [proof.in_valid, proof.in_first, proof.out_ready]
    text = rtlil.convert(proof, ports=ports, name="proof", emit_src=False)
    (folder / "proof.il").write_text(text)
    yosys(folder, *PROOF)


def test_every_frame_has_its_result_and_no_result_is_without_a_frame(tmp_path: Path) -> None:
    prove(tmp_path)


def test_the_proof_fails_for_a_queue_that_is_too_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_short(width: int, depth: int) -> SyncFIFOBuffered:
        return SyncFIFOBuffered(width=width, depth=depth - 1)

    monkeypatch.setattr(top_module, "SyncFIFOBuffered", too_short)
    with pytest.raises(ToolNotFoundError, match="proof did fail"):
        prove(tmp_path)
