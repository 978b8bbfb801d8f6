"""The engine: frames to scores by the kernel, a program's tables in hand."""

from __future__ import annotations

import ctypes
import threading
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boltmod.errors import ShapeError
from boltmod.integer.engine.prepared import Prepared, Tables, keep, kept
from boltmod.native import library
from boltmod.native.compiling import ENGINE

if TYPE_CHECKING:
    from boltmod.integer.form import Program
    from boltmod.model.onnx_file import Model

Floats = NDArray[np.float32]

_LINE = 64
"""Bytes of a cache line, from which vectors are read at once."""


_HAS_QUADS = "avx512vnni"
"""The width whose processors multiply four pairs of 8 bits in a lane of 32."""


class _Plan(ctypes.Structure):
    _fields_ = (
        ("tensors", ctypes.c_void_p),
        ("ops", ctypes.c_void_p),
        ("data", ctypes.c_void_p),
        ("exact", ctypes.c_void_p),
        ("n_ops", ctypes.c_int32),
        ("n_classes", ctypes.c_int32),
        ("scores", ctypes.c_int32),
        ("input", ctypes.c_int32),
    )


class Engine:
    """A program on this processor's vectors; several threads may use one at once.

    Args:
        program: The network, or what was prepared of it.
        width: Vectors to take, one of `library.load(ENGINE).widths`; the widest if None.

    Attributes:
        by_quads: Whether some of its products are of 8 bits, four to a lane.
        prepared: What the kernel is given, and what it gives.

    Raises:
        UnsupportedOperatorError: The kernel cannot run it.
        ToolNotFoundError: There is no kernel and no compiler.
        ConfigError: The processor has no such width.
    """

    def __init__(self, program: Program | Prepared, width: str | None = None) -> None:
        kernel = library.load(ENGINE)
        self._run = kernel.function("run", width)
        if not isinstance(program, Prepared):
            program = prepare(program, kernel.chosen(width))
        self.prepared = program
        self.by_quads = program.by_quads
        self._tables = program.tables
        self._plan = _plan(self._tables, program.n_classes)
        self._own = threading.local()

    def scores(self, iq_planes: Floats) -> NDArray[np.int32]:
        """Return the scores of frames, (n, classes), those of `execute`.

        Args:
            iq_planes: Frames, (n, 2, 1024) float32, scaled as the program's metadata asks.

        Raises:
            ShapeError: The frames have another shape.
        """
        shape = self.prepared.frame_shape
        if iq_planes.ndim != 3 or iq_planes.shape[1:] != shape:
            raise ShapeError(
                f"iq_planes must have shape (n, {shape[0]}, {shape[1]}), not {iq_planes.shape}: "
                "plane 0 is I, plane 1 is Q"
            )
        frames = np.ascontiguousarray(iq_planes, np.float32)
        scores = np.empty((len(frames), self.prepared.n_classes), np.int32)
        self._run(
            ctypes.byref(self._plan),
            ctypes.c_void_p(self._workspace()),
            ctypes.c_void_p(frames.ctypes.data),
            ctypes.c_int64(len(frames)),
            ctypes.c_void_p(scores.ctypes.data),
        )
        return scores

    def _workspace(self) -> int:
        """Address of this thread's workspace: its margins are zeros and stay so."""
        if not hasattr(self._own, "memory"):
            self._own.memory = np.zeros(self._tables.workspace_bytes + _LINE, np.uint8)
        address: int = self._own.memory.ctypes.data
        return -(-address // _LINE) * _LINE


def prepare(program: Program, width: str) -> Prepared:
    """Work out what the kernel is given.

    Args:
        program: The network.
        width: Vectors that it is for.

    Raises:
        UnsupportedOperatorError: The kernel cannot run it.
    """
    from boltmod.integer.engine.tables import KINDS, tables

    made = tables(program, by_quads=width == _HAS_QUADS)
    by_quads = bool((made.ops["kind"] == KINDS["quads"]).any())
    scale, n_classes = float(program.scale), len(program.classes)
    return Prepared(made, program.frame_shape, n_classes, scale, by_quads)


def of_model(model: Model) -> Engine:
    """Return the engine that runs a model, by what is kept of it if anything is.

    Raises:
        UnsupportedOperatorError: It has no meaning in integers, or the kernel cannot run it.
        ToolNotFoundError: There is no kernel and no compiler.
    """
    width = library.load(ENGINE).chosen()
    network = model.proto.SerializeToString(deterministic=True)
    prepared = kept(network, width)
    if prepared is None:
        from boltmod.integer.build import build

        prepared = prepare(build(model), width)
        keep(network, width, prepared)
    return Engine(prepared)


def _plan(made: Tables, n_classes: int) -> _Plan:
    return _Plan(
        made.tensors.ctypes.data,
        made.ops.ctypes.data,
        made.data.ctypes.data,
        made.exact.ctypes.data,
        len(made.ops),
        n_classes,
        made.scores,
        made.first,
    )
