"""How far the integer program and ONNX Runtime agree on frames of the twin, and why not farther.

    python bench/integer_agreement.py boltnet boltnet60 MODEL.onnx --frames-per-cell 17
    python bench/integer_agreement.py --recipe recipes/aaronnet32.toml

Classes and scores are the engine's, which has them from numpy to the bit (the tests). Where ONNX
Runtime names another class, the frame is explained three times over:

- where the largest integer score is shared by several classes, rounding alone chooses one of them
  in floating point: a tie;
- the same file is run in float64: whether its scores are the program's;
- the first quantiser whose integers differ is looked for, and how far what ONNX Runtime gave it
  lies from the edge between two steps, in steps: a float's rounding, or a mistake.

Of frames of the same class and other scores, some are explained too. A recipe's network is taken as
it is before training.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from boltmod.integer.build import build
from boltmod.integer.engine.engine import Engine
from boltmod.integer.execute import trace
from boltmod.integer.form import Program
from boltmod.model import onnx_file
from boltmod.model.lowering import lower
from boltmod.model.onnx_file import Model
from classify import made_here

Floats = NDArray[np.float32]

_EXPLAINED = 40
"""Frames of the same class whose other scores are explained."""


@dataclass
class Agreement:
    """What was found on some frames.

    Args:
        n_frames: How many.
        same: Frames of the same class.
        ties: Frames of another class whose integer score is as large.
        other: Frames of another class.
        same_scores: Frames whose scores differ by float rounding alone.
        in_float64: Of the frames of another class, those whose scores in float64 are the program's.
        explained: Frames whose first other quantiser was looked for.
        farthest: Largest distance from an edge, in steps, of a value that fell on its other side
            before anything else did.
    """

    n_frames: int = 0
    same: int = 0
    ties: int = 0
    other: int = 0
    same_scores: int = 0
    in_float64: int = 0
    explained: int = 0
    farthest: float = 0.0


class Pad(OpRun):
    """ONNX's Pad that cuts where pads are negative; the evaluator's own does not."""

    op_domain = ""

    def _run(self, x: NDArray[Any], pads: NDArray[np.int64], *more: Any, **how: Any) -> Any:
        before, after = pads[: x.ndim], pads[x.ndim :]
        y = np.pad(x, list(zip(np.maximum(before, 0), np.maximum(after, 0), strict=True)))
        cut = [slice(max(0, -b), n - max(0, -a))
               for b, a, n in zip(before, after, y.shape, strict=True)]  # fmt: skip
        return (y[tuple(cut)],)


class BatchNormalization(OpRun):
    """What it is once trained; the evaluator's own of old operator sets averages the batch."""

    op_domain = ""

    def _run(
        self, x: NDArray[Any], *factors: NDArray[Any], epsilon: float = 1e-5, **how: Any
    ) -> Any:
        shape = (1, -1) + (1,) * (x.ndim - 2)
        gamma, beta, mean, variance = (each.reshape(shape) for each in factors)
        return ((x - mean) / np.sqrt(variance + epsilon) * gamma + beta,)


def in_float64(model: Model) -> ReferenceEvaluator:
    """Return the network with every float32 as the float64 of the same value."""
    proto = lower(model)
    double, single = onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        if value.type.tensor_type.elem_type == single:
            value.type.tensor_type.elem_type = double
    for tensor in proto.graph.initializer:
        if tensor.data_type == single:
            wide = onnx.numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(onnx.numpy_helper.from_array(wide, tensor.name))
    return ReferenceEvaluator(proto, new_ops=[Pad, BatchNormalization])


class Opened:
    """A model in ONNX Runtime that tells what its quantisers took and gave.

    Args:
        model: The network.
        program: Its program.
    """

    def __init__(self, model: Model, program: Program) -> None:
        self._model, self._program, self._engine = model, program, Engine(program)
        self._wide = in_float64(model)
        constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.proto.graph.initializer}
        makers = {node.output[0]: node for node in model.proto.graph.node}
        self.quantisers = {
            step: (
                makers[tensor].input[0],
                tensor,
                float(constants[makers[tensor].input[1]].item()),
            )
            for step, tensor in program.origins.items()
        }
        proto = lower(model)
        known = {value.name for value in (*proto.graph.input, *proto.graph.output)}
        for taken, given, _ in self.quantisers.values():
            for name in (taken, given):
                if name not in known:
                    proto.graph.output.append(onnx.ValueInfoProto(name=name))
                    known.add(name)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._names = [each.name for each in self._session.get_outputs()]

    def run(self, frames: Floats) -> dict[str, Floats]:
        """Return every tensor asked for, by name."""
        found = self._session.run(None, {self._model.input_name: frames})
        return dict(zip(self._names, found, strict=True)) | {self._model.input_name: frames}

    def compare(self, frames: Floats, agreement: Agreement) -> None:
        """Add what some frames say."""
        scale = float(self._program.scale)
        scores = self._engine.scores(frames)
        logits = self.run(frames)[self._model.output_name]
        near = np.abs(scores * scale - logits).max(1) < 1e-4 * logits.std()
        chosen = logits.argmax(1)
        same = chosen == scores.argmax(1)
        as_large = scores[np.arange(len(scores)), chosen] == scores.max(1)
        agreement.n_frames += len(frames)
        agreement.same += int(same.sum())
        agreement.ties += int((~same & as_large).sum())
        agreement.other += int((~same & ~as_large).sum())
        agreement.same_scores += int(near.sum())
        for frame in np.flatnonzero(~same):
            one = frames[frame : frame + 1].astype(np.float64)
            wide: NDArray[np.float64] = np.asarray(
                next(iter(self._wide.run(None, {self._model.input_name: one})))
            )
            agreement.in_float64 += bool(np.abs(scores[frame] - wide / scale).max() < 0.01)
        for frame in np.flatnonzero(~near):
            if not same[frame] or agreement.explained < _EXPLAINED:
                self._explain(frames[frame : frame + 1], agreement)

    def _explain(self, frame: Floats, agreement: Agreement) -> None:
        distance = self._first_difference(0, trace(self._program, frame), self.run(frame))
        agreement.explained += 1
        agreement.farthest = max(agreement.farthest, distance)

    def _first_difference(
        self, frame: int, ours: dict[str, Any], theirs: dict[str, Floats]
    ) -> float:
        for step, (taken, given, scale) in self.quantisers.items():
            integers = ours[step][frame].reshape(theirs[given][frame].shape)
            differ = np.rint(theirs[given][frame] / np.float64(scale)) != integers
            if differ.any():
                x = theirs[taken][frame][differ] / np.float64(scale)
                return float(np.abs(x - np.floor(x) - 0.5).max())
        return 0.0


def twin(frames_per_cell: int, seed: int) -> Iterator[Floats]:
    from boltmod.data.twin import twin_cells

    for frames, _, _ in twin_cells(frames_per_cell, seed, batch=64):
        yield frames.numpy()


def models_of(args: argparse.Namespace, folder: Path) -> Iterator[Model]:
    yield from (onnx_file.load(path) for path in args.models)
    for recipe in args.recipe:
        yield onnx_file.load(made_here(folder, recipe))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="*")
    parser.add_argument("--recipe", type=Path, action="append", default=[])
    parser.add_argument("--frames-per-cell", type=int, default=17)
    parser.add_argument("--seed", type=int, default=2020)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="boltmod-") as name:
        models = list(models_of(args, Path(name)))
    opened = [(each, Opened(each, build(each)), Agreement()) for each in models]
    for frames in twin(args.frames_per_cell, args.seed):
        for _, each, agreement in opened:
            each.compare(frames, agreement)
    print(f"{'':<26}{'frames':>8}{'same':>8}{'ties':>6}{'other':>6}{'with ties':>11}"
          f"{'float64':>9}{'same scores':>13}{'explained':>11}{'farthest':>10}")  # fmt: skip
    for model, _, a in opened:
        share = (a.same + a.ties) / a.n_frames
        print(f"{model.name:<26}{a.n_frames:>8}{a.same:>8}{a.ties:>6}{a.other:>6}{share:>11.3%}"
              f"{a.in_float64:>9}{a.same_scores / a.n_frames:>13.2%}{a.explained:>11}"
              f"{a.farthest:>10.1e}")  # fmt: skip
    found = [a for _, _, a in opened]
    n_frames, n_other = sum(a.n_frames for a in found), sum(a.ties + a.other for a in found)
    print(f"{sum(a.same + a.ties for a in found) / n_frames:.3%} of {n_frames:,} frames agree but "
          f"for ties; of {n_other} of another class float64 says the program's scores in "
          f"{sum(a.in_float64 for a in found)}")  # fmt: skip


if __name__ == "__main__":
    main()
