"""How fast `boltmod classify` is, beside ONNX Runtime as it comes and beside PyTorch.

    python bench/classify.py
    python bench/classify.py MODEL.onnx --recipe recipes/bacalhaunet_v1.toml

Without a model it takes the demo's network, untrained, which is as fast as the trained one.
Throughput: the median of several rounds, in each of which every way has its turn, so that what else
the machine does falls on all alike; the ratio is that of a round. Frames by a second of processor
time, all threads together, hardly depend on what else runs. "classify" goes from a file's
samples to labels, the others from frames in memory to scores. ONNX Runtime gets the network in
standard operators, its own optimisations and threads, and its best batch. PyTorch runs the recipe's
network with the model's weights. Latency: from the last sample of a window to its label, one window
at a time, on a live stream of the given rate (boltmod) or frame by frame (the others).
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from boltmod.errors import BoltmodError
from boltmod.model import onnx_file
from boltmod.model.lowering import lower
from boltmod.model.onnx_file import Model
from boltmod.modulation import FRAME_LENGTH
from boltmod.recording.live.buffer import LiveRecording
from boltmod.recording.raw import RawRecording, SampleFormat
from boltmod.runtime.cut.whole_band import WholeBand
from boltmod.runtime.labelling import label
from boltmod.runtime.session import Classifier

ROOT = Path(__file__).resolve().parents[1]
BATCHES = (1, 16, 128)

Frames = NDArray[np.float32]


@dataclass
class Way:
    """One way of classifying.

    Args:
        name: Its name in the table.
        n_frames: How many frames `run` classifies.
        run: Classifies them once.
        latencies_s: Measures how long single windows take.
    """

    name: str
    n_frames: int
    run: Callable[[], object]
    latencies_s: Callable[[], list[float]]
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)


def machine() -> str:
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        name = next(
            (x.partition(":")[2].strip() for x in lines if x.startswith("model name")), name
        )
    load = (
        ", ".join(f"{each:.1f}" for each in os.getloadavg()) if hasattr(os, "getloadavg") else "?"
    )
    return f"{name}, {os.cpu_count()} processors, {platform.system()}; load {load}"


def made_here(folder: Path, recipe: Path) -> Path:
    """The recipe's network as it is before training."""
    import onnx
    import torch

    from boltmod.export.qonnx import trace
    from boltmod.model.metadata import Metadata
    from boltmod.nn.registry import build, parse
    from boltmod.pipeline.recipe import read_recipe

    section = read_recipe(recipe).network
    torch.manual_seed(0)
    network = build(parse(section.name, section.model_extra or {}))
    network.train()(torch.randn(64, 2, FRAME_LENGTH))
    path = folder / f"{recipe.stem}_untrained.onnx"
    onnx.save(trace(network, Metadata()), path)
    return path


def torch_network(model: Model, recipe: Path) -> Any:
    """The recipe's network with the model's weights, checked to name the same classes."""
    import torch

    from boltmod.nn.registry import build, parse
    from boltmod.pipeline.recipe import read_recipe
    from boltmod.train.published import import_weights

    section = read_recipe(recipe).network
    network = build(parse(section.name, section.model_extra or {}))
    network.train()(torch.randn(64, 2, FRAME_LENGTH))
    import_weights(model, network)
    return network.eval()


def plain_session(model: Model, n_cores: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_cores
    options.log_severity_level = 3
    proto = lower(model).SerializeToString()
    return onnxruntime.InferenceSession(proto, options, providers=["CPUExecutionProvider"])


def in_batches(run: Callable[[Frames], Any], frames: Frames, size: int) -> Callable[[], object]:
    def all_frames() -> object:
        return [run(frames[start : start + size]) for start in range(0, len(frames), size)]

    return all_frames


def best_batch(run: Callable[[Frames], Any], frames: Frames) -> int:
    def seconds(size: int) -> float:
        some = in_batches(run, frames[:256], size)
        some()
        return min(timed(some) for _ in range(2))

    return min(BATCHES, key=seconds)


def timed(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def one_by_one(run: Callable[[Frames], Any], frames: Frames) -> Callable[[], list[float]]:
    def latencies() -> list[float]:
        return [timed(lambda f=frame: run(f[np.newaxis])) for frame in frames[:300]]  # type: ignore[misc]

    return latencies


class PacedSource:
    """A stream that brings a window whenever its last sample is due."""

    name, about, state = "paced", "", "it is between two windows"

    def __init__(self, windows: NDArray[np.complex64], rate_hz: float) -> None:
        self._windows = deque(windows)
        self._period_s = FRAME_LENGTH / rate_hz
        self._due = time.perf_counter() + 0.1
        self.came: list[float] = []

    def read(self, timeout_s: float) -> bytes | None:
        """As `ByteSource.read`: waits for the next window."""
        if not self._windows:
            return b""
        time.sleep(max(0.0, self._due - time.perf_counter()))
        self.came.append(self._due)
        self._due += self._period_s
        content: bytes = self._windows.popleft().tobytes()
        return content

    def close(self) -> None:
        """Leave nothing open, for nothing is."""


def live_latencies(
    classifier: Classifier, windows: NDArray[np.complex64], rate_hz: float
) -> list[float]:
    source = PacedSource(windows, rate_hz)
    live = LiveRecording(source, SampleFormat.CF32, rate_hz)
    latencies = []
    with live:
        for some in WholeBand(with_places=True)(live):
            labels = label(classifier, some)
            now = time.perf_counter()
            latencies += [now - source.came[each.sample_start // FRAME_LENGTH] for each in labels]
    if live.n_dropped:
        print(f"  (live: {live.n_dropped} of {live.n_seen} windows dropped)")
    return latencies


def ways(
    model: Model, network: Any, recording: RawRecording, frames: Frames, args: argparse.Namespace,
    n_cores: int,
) -> list[Way]:  # fmt: skip
    classifier = Classifier(model, threads=n_cores)
    windows = next(iter(recording.stretches(args.live_windows * FRAME_LENGTH))).samples
    windows = windows.reshape(-1, FRAME_LENGTH)
    plain = plain_session(model, n_cores)

    def run_plain(some: Frames) -> Any:
        return plain.run(None, {model.input_name: some})

    size = best_batch(run_plain, frames)
    found = [
        Way(
            "boltmod classify",
            len(frames),
            lambda: sum(len(label(classifier, some)) for some in WholeBand()(recording)),
            lambda: live_latencies(classifier, windows, args.rate),
        ),
        Way(
            "boltmod, frames to scores",
            len(frames),
            lambda: classifier.logits(frames, scale=False),
            one_by_one(partial(classifier.logits, scale=False), frames),
        ),
        Way(
            f"ONNX Runtime, batches of {size}",
            len(frames),
            in_batches(run_plain, frames, size),
            one_by_one(run_plain, frames),
        ),
    ]
    if network is not None:
        import torch

        torch.set_num_threads(n_cores)

        def run_torch(some: Frames) -> Any:
            with torch.inference_mode():
                return network(torch.from_numpy(some))

        few = frames[:256]  # it is slow, and only its rate is wanted
        size = best_batch(run_torch, few)
        found.append(
            Way(
                f"PyTorch, batches of {size}",
                len(few),
                in_batches(run_torch, few, size),
                one_by_one(run_torch, few[:100]),
            )
        )
        same = run_torch(frames[:256]).numpy().argmax(1) == classifier.logits(
            frames[:256], scale=False
        ).argmax(1)
        print(f"  PyTorch and boltmod name the same class in {same.mean():.1%} of frames")
    same = run_plain(frames[:256])[0].argmax(1) == classifier.logits(
        frames[:256], scale=False
    ).argmax(1)
    print(f"  ONNX Runtime and boltmod name the same class in {same.mean():.1%} of frames")
    return found


def compare(found: list[Way], rounds: int) -> None:
    for way in found:
        way.run()
    for _ in range(rounds):
        for way in found:
            cpu_begun = time.process_time()
            way.seconds.append(timed(way.run))
            way.cpu_seconds.append(time.process_time() - cpu_begun)
    titles = (
        f"{'frames/s':>10}{'MS/s':>8}{'ratio':>8}{'frames/CPU-s':>14}{'p50 ms':>9}{'p99 ms':>9}"
    )
    print(f"  {'':<30}{titles}")
    for way in found:
        pairs = zip(found[0].seconds, way.seconds, strict=True)
        share = way.n_frames / found[0].n_frames
        ratio = statistics.median(share * ours / theirs for ours, theirs in pairs)
        rate = way.n_frames / statistics.median(way.seconds)
        cpu_rate = way.n_frames / statistics.median(way.cpu_seconds)
        p50, p99 = np.percentile(way.latencies_s(), [50, 99]) * 1e3
        print(
            f"  {way.name:<30}{rate:>10,.0f}{rate * FRAME_LENGTH / 1e6:>8.2f}{ratio:>8.2f}"
            f"{cpu_rate:>14,.0f}{p50:>9.2f}{p99:>9.2f}"
        )


def first_label_s(model: Path, samples: Path, tries: int) -> tuple[list[float], float]:
    """From the start of the process to the first line that names a class; processor time of all."""
    command = [sys.executable, "-c", "from boltmod.cli.app import main; main()"]
    command += ["classify", "-", "-f", "cf32", "-r", "240k", "-m", str(model)]
    found = []
    before = os.times()
    for _ in range(tries):
        begun = time.perf_counter()
        with samples.open("rb") as content, subprocess.Popen(
            command, stdin=content, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as running:  # fmt: skip
            assert running.stdout is not None
            running.stdout.readline()
            assert running.stdout.readline()
            found.append(time.perf_counter() - begun)
            running.stdout.read()
    after = os.times()
    cpu_s = sum(after[2:4]) - sum(before[2:4])
    return sorted(found), cpu_s / tries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--recipe", type=Path, help="the model's architecture, for PyTorch")
    parser.add_argument("--frames", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=240e3, help="of the live stream, samples/s")
    parser.add_argument("--live-windows", type=int, default=700)
    args = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads would starve the others
    print(machine(), flush=True)
    print(f"Python {platform.python_version()}, onnxruntime {version('onnxruntime')}, "
          f"torch {version('torch')}")  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="boltmod-") as name:
        folder = Path(name)
        if args.model is None:
            args.recipe = args.recipe or ROOT / "recipes" / "demo.toml"
            args.model = made_here(folder, args.recipe)
        model = onnx_file.load(args.model)
        network = None
        try:
            if args.recipe is not None:
                network = torch_network(model, args.recipe)
        except BoltmodError as error:
            print(f"PyTorch is left out: {error}")
        samples = folder / "noise.cf32"
        rng = np.random.default_rng(0)
        planes = rng.standard_normal((args.frames, 2, FRAME_LENGTH), dtype=np.float32)
        planes.transpose(0, 2, 1).tofile(samples)
        frames = planes / np.float32(2**0.5)
        recording = RawRecording(samples, SampleFormat.CF32, args.rate)
        print(f"{args.model.name}, {args.frames:,} windows; ratio: its frames/s over classify's")
        few = folder / "few.cf32"
        few.write_bytes(samples.read_bytes()[: 16 * 8 * FRAME_LENGTH])
        seconds, cpu_s = first_label_s(args.model, few, 5)
        print(f"  first label {statistics.median(seconds):.2f} s after the process starts "
              f"({seconds[0]:.2f} to {seconds[-1]:.2f}); processor time {cpu_s:.2f} s")  # fmt: skip
        everywhere = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
        for n_cores in sorted({1, os.cpu_count() or 1}):
            if everywhere is not None:
                os.sched_setaffinity(0, set(sorted(everywhere)[:n_cores]))
            print(f"{n_cores} core{'s' if n_cores > 1 else ''}")
            found = ways(model, network, recording, frames, args, n_cores)
            compare(found, args.rounds)


if __name__ == "__main__":
    main()
