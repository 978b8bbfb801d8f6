"""Frames a second on one core: boltmod's integer engine, ONNX Runtime at its best, PyTorch.

    python bench/engine.py MODEL.onnx --recipe recipes/bacalhaunet_v1.toml
    python bench/engine.py boltnet
    python bench/engine.py boltnet --samples 10e6

Every round each way has its turn, so that what else the machine does falls on all alike; rates are
by processor time of this process, the ratio is the median of the rounds'. ONNX Runtime gets the
network in standard operators, all its optimisations, one thread, and its best batch of several.
What the engine says is compared with numpy first, to the bit.

With --samples, a file of so many is classified window by window into a CSV file, as `boltmod
classify` does on one core, by either engine, and the time of a window is told apart: reading it,
bringing it to unit deviation, the network, and labels with all that becomes of them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from boltmod.integer.build import build
from boltmod.integer.c.folder import keyed_frames
from boltmod.integer.engine.engine import Engine
from boltmod.integer.execute import execute
from boltmod.model import onnx_file
from boltmod.model.lowering import lower
from boltmod.model.onnx_file import Model
from boltmod.modulation import FRAME_LENGTH
from boltmod.recording.raw import RawRecording, SampleFormat
from boltmod.runtime.cut.whole_band import WholeBand
from boltmod.runtime.framing import scale
from boltmod.runtime.label import BAND_COLUMNS
from boltmod.runtime.labelling import label
from boltmod.runtime.session import Classifier
from boltmod.runtime.sink import file
from boltmod.runtime.sink.columns import Columns
from boltmod.runtime.verdict import Tallies

_BATCHES = (1, 4, 16, 64, 256)
_PEEK = 64

Frames = NDArray[np.float32]
Run = Callable[[Frames], Any]

_DIGITS = ("nought", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
           "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
           "eighteen", "nineteen")  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


@dataclass
class Way:
    """One way of running a network.

    Args:
        name: Its name in the table.
        run: Scores of frames.
        batch: Frames at once.
        n_frames: How many a round.
        seconds: A frame, of each round.
    """

    name: str
    run: Run
    batch: int
    n_frames: int
    seconds: list[float] = field(default_factory=list)

    def take(self, frames: Frames) -> None:
        """Run one round."""
        self.seconds.append(seconds_a_frame(self.run, frames[: self.n_frames], self.batch))

    @property
    def rate(self) -> float:
        """Frames a second of processor time."""
        return 1 / statistics.median(self.seconds)


def seconds_a_frame(run: Run, frames: Frames, batch: int) -> float:
    begun = time.process_time()
    for start in range(0, len(frames), batch):
        run(frames[start : start + batch])
    return (time.process_time() - begun) / len(frames)


def best_batch(run: Run, frames: Frames) -> int:
    """Return the batch that is fastest, of several tries each."""

    def cost(batch: int) -> float:
        run(frames[:batch])
        return min(seconds_a_frame(run, frames[: max(_BATCHES)], batch) for _ in range(3))

    return min(_BATCHES, key=cost)


def in_engine(engine: Engine, frames: Frames) -> Way:
    return Way("boltmod's engine", engine.scores, best_batch(engine.scores, frames), len(frames))


def in_onnx_runtime(model: Model, frames: Frames) -> Way:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(
        lower(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def run(some: Frames) -> Any:
        return session.run(None, {model.input_name: some})

    return Way("ONNX Runtime", run, best_batch(run, frames), min(256, len(frames)))


def in_pytorch(model: Model, recipe: Path, frames: Frames) -> Way:
    import torch

    from boltmod.nn.registry import build as build_network
    from boltmod.nn.registry import parse
    from boltmod.pipeline.recipe import read_recipe
    from boltmod.train.published import import_weights

    torch.set_num_threads(1)
    section = read_recipe(recipe).network
    network = build_network(parse(section.name, section.model_extra or {}))
    network.train()(torch.randn(64, 2, frames.shape[2]))
    import_weights(model, network)
    network.eval()

    def run(some: Frames) -> Any:
        with torch.inference_mode():
            return network(torch.from_numpy(some))

    return Way("PyTorch", run, best_batch(run, frames), _PEEK)


def noise_file(path: Path, n_samples: int) -> RawRecording:
    rng = np.random.default_rng(0)
    with path.open("wb") as out:
        for start in range(0, n_samples, 1 << 20):
            count = min(1 << 20, n_samples - start)
            rng.standard_normal(2 * count, dtype=np.float32).tofile(out)
    return RawRecording(path, SampleFormat.CF32, 1e6)


def classified_s(classifier: Classifier, recording: RawRecording, output: Path) -> float:
    """Processor time of all windows of a recording, from its file to a CSV file."""
    begun = time.process_time()
    tallies = Tallies(classifier.classes)
    with file.writing(file.Target(output, Columns(BAND_COLUMNS), "bench", recording)) as rows:
        for windows in WholeBand()(recording):
            labels = label(classifier, windows)
            tallies.add(windows, labels)
            rows.add(windows, labels)
    return time.process_time() - begun


def parts_s(classifier: Classifier, recording: RawRecording) -> dict[str, float]:
    """Processor time of the parts of it, each by itself."""
    parts = dict.fromkeys(("reading", "unit deviation", "network"), 0.0)
    begun = time.process_time()
    for windows in WholeBand()(recording):
        read = time.process_time()
        planes, _ = scale(windows.samples, classifier.model.metadata.input_scaling)
        scaled = time.process_time()
        classifier.logits(planes, scale=False)
        ended = time.process_time()
        for part, seconds in zip(parts, (read - begun, scaled - read, ended - scaled), strict=True):
            parts[part] += seconds
        begun = ended
    return parts


def end_to_end(model: Model, n_samples: int, rounds: int) -> None:
    classifiers = [Classifier(model, 1, name) for name in ("integer", "onnxruntime")]
    with tempfile.TemporaryDirectory(prefix="boltmod-") as name:
        recording = noise_file(Path(name) / "noise.cf32", n_samples)
        output = Path(name) / "labels.csv"
        seconds = [
            [classified_s(each, recording, output) for each in classifiers] for _ in range(rounds)
        ]
        parts = parts_s(classifiers[0], recording)
    n_windows = n_samples // FRAME_LENGTH
    ours, theirs = (statistics.median(column) for column in zip(*seconds, strict=True))
    parts["labels, rows"] = max(0.0, ours - sum(parts.values()))
    told = ", ".join(f"{part} {1e6 * s / n_windows:.1f} µs" for part, s in parts.items())
    print(f"{n_samples:,} samples of a file to a CSV file, one core: {n_windows / ours:,.0f} "
          f"windows/s, with ONNX Runtime {n_windows / theirs:,.0f}; a window: {told}")  # fmt: skip
    ratio = statistics.median(theirs / ours for ours, theirs in seconds)
    print(f"{model.name}: a file is classified {ratio:.1f} times as fast as with ONNX Runtime")


def in_words(number: int) -> str:
    """Return a whole number below a thousand in words."""
    if number < 20:
        return _DIGITS[number]
    if number < 100:
        rest = f"-{_DIGITS[number % 10]}" if number % 10 else ""
        return _TENS[number // 10] + rest
    rest = f" and {in_words(number % 100)}" if number % 100 else ""
    return f"{in_words(number // 100)} hundred{rest}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--recipe", type=Path, help="the model's architecture, for PyTorch")
    parser.add_argument("--frames", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--samples", type=float, help="of a file, instead of frames in memory")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    model = onnx_file.load(args.model)
    if args.samples:
        end_to_end(model, int(args.samples), min(args.rounds, 3))
        return
    frames = keyed_frames(args.frames)
    program = build(model)
    engine = Engine(program)
    same = (engine.scores(frames[:_PEEK]) == execute(program, frames[:_PEEK])).all()
    ways = [in_engine(engine, frames), in_onnx_runtime(model, frames)]
    if args.recipe is not None:
        ways.append(in_pytorch(model, args.recipe, frames))
    for _ in range(args.rounds):
        for way in ways:
            way.take(frames)
    print(f"{model.name}, one core, load {os.getloadavg()[0]:.1f}; "
          f"the engine and numpy {'agree to the bit' if same else 'DIFFER'}")  # fmt: skip
    print(f"{'':<22}{'batch':>6}{'frames/s':>12}{'MS/s':>8}{'ratio':>8}")
    ratios = []
    for way in ways:
        ratio = statistics.median(
            theirs / ours for ours, theirs in zip(ways[0].seconds, way.seconds, strict=True)
        )
        ratios.append(ratio)
        million = way.rate * frames.shape[2] / 1e6
        print(f"{way.name:<22}{way.batch:>6}{way.rate:>12,.0f}{million:>8.2f}{ratio:>8.1f}")
    whole, tenth = divmod(round(10 * ratios[1]), 10)
    print(f"{model.name}: the engine is {in_words(whole)} point {_DIGITS[tenth]} times as fast as "
          f"ONNX Runtime on one core ({ratios[1]:.1f}x)")  # fmt: skip


if __name__ == "__main__":
    main()
