"""How far the integer program and ONNX Runtime agree on frames of the twin, and why not farther.

    python bench/integer_agreement.py boltnet boltnet60 MODEL.onnx --frames-per-cell 17

Where the scores of a frame differ, the first quantiser whose integers differ is looked for, and how
far what ONNX Runtime gave it lies from the edge between two steps, in steps: a float's rounding, or
a mistake. Where the largest integer score is shared by several classes, rounding alone chooses
one of them in floating point; such frames count as ties.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from boltmod.integer.build import build
from boltmod.integer.execute import trace
from boltmod.integer.form import Program
from boltmod.model import onnx_file
from boltmod.model.lowering import lower
from boltmod.model.onnx_file import Model

Floats = NDArray[np.float32]


@dataclass
class Agreement:
    """What was found on some frames.

    Args:
        n_frames: How many.
        same: Frames of the same class.
        ties: Frames of another class whose integer score is as large.
        other: Frames of another class.
        same_scores: Frames whose scores differ by float rounding alone.
        farthest: Largest distance from an edge, in steps, of a value that fell on its other side
            before anything else did.
    """

    n_frames: int = 0
    same: int = 0
    ties: int = 0
    other: int = 0
    same_scores: int = 0
    farthest: float = 0.0


class Opened:
    """A model in ONNX Runtime that tells what its quantisers took and gave.

    Args:
        model: The network.
        program: Its program.
    """

    def __init__(self, model: Model, program: Program) -> None:
        self._model, self._program = model, program
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
        ours, theirs = trace(self._program, frames), self.run(frames)
        scores = ours[self._program.steps[-1].name][:, :, 0]
        logits = theirs[self._model.output_name]
        near = np.abs(scores * float(self._program.scale) - logits).max(1) < 1e-4 * logits.std()
        chosen = logits.argmax(1)
        same = chosen == scores.argmax(1)
        as_large = scores[np.arange(len(scores)), chosen] == scores.max(1)
        agreement.n_frames += len(frames)
        agreement.same += int(same.sum())
        agreement.ties += int((~same & as_large).sum())
        agreement.other += int((~same & ~as_large).sum())
        agreement.same_scores += int(near.sum())
        for frame in np.flatnonzero(~near):
            distance = self._first_difference(int(frame), ours, theirs)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--frames-per-cell", type=int, default=17)
    parser.add_argument("--seed", type=int, default=2020)
    args = parser.parse_args()
    models = [onnx_file.load(path) for path in args.models]
    opened = [(each, Opened(each, build(each)), Agreement()) for each in models]
    for frames in twin(args.frames_per_cell, args.seed):
        for _, each, agreement in opened:
            each.compare(frames, agreement)
    print(f"{'':<18}{'frames':>8}{'same':>8}{'ties':>6}{'other':>6}{'with ties':>11}"
          f"{'same scores':>13}{'farthest':>10}")  # fmt: skip
    for model, _, a in opened:
        share = (a.same + a.ties) / a.n_frames
        print(f"{model.name:<18}{a.n_frames:>8}{a.same:>8}{a.ties:>6}{a.other:>6}{share:>11.3%}"
              f"{a.same_scores / a.n_frames:>13.2%}{a.farthest:>10.1e}")  # fmt: skip


if __name__ == "__main__":
    main()
