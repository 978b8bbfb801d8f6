"""Frames a second of training: boltmod's loop beside the challenge's own, on the same network.

    boltmod data make million.hdf5 --frames-per-cell 1603
    python bench/training.py million.hdf5 [--network bacalhaunet] [--batch-size 1024] [--threads 1]
        [--pruned 0.85]

The challenge's loop: every frame read by itself with h5py, a DataLoader without workers, the plain
layers of Brevitas, cross-entropy and Adam. Each loop runs in a process of its own, boltmod's with
freed memory kept and standing objects out of Python's search for garbage, as in `boltmod run`. The
two take turns, and the middle turn counts. The file is asked out of memory before every turn of a
loader. `--pruned` zeroes the smallest weights of both. Memory is that of a process of its own that
does nothing but take random batches from the file. On a machine that other work shares,
`--clock processor` counts the seconds that a loop's own process had, not those it waited for one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import resource
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from boltmod.compress import prune
from boltmod.data.loader import random_batches
from boltmod.data.radioml import RadioMLFile
from boltmod.data.source.frames import Sampling
from boltmod.data.source.twin import TwinSource
from boltmod.data.split import official_split
from boltmod.nn import conv_norm_act, registry
from boltmod.pipeline.phase.train import TrainPhase
from boltmod.signal.profile import TWIN
from boltmod.train.allocator import keep_freed_memory, standing_objects_skipped
from boltmod.train.optimiser import make_optimiser

Batches = Iterator[tuple[Tensor, Tensor]]
Step = Callable[[Tensor, Tensor], None]


class FrameByFrame(torch.utils.data.Dataset[tuple[np.ndarray, int]]):
    """One h5py read a frame."""

    def __init__(self, path: Path) -> None:
        file = h5py.File(path)
        self.samples = file["X"]
        self.class_ids = np.argmax(file["Y"][:], axis=1)

    def __len__(self) -> int:
        return len(self.class_ids)

    def __getitem__(self, position: int) -> tuple[np.ndarray, int]:
        return self.samples[position].transpose(), int(self.class_ids[position])


def challenge_batches(path: Path, train: np.ndarray, batch_size: int) -> Batches:
    sampler = torch.utils.data.SubsetRandomSampler(train.tolist())
    loader = torch.utils.data.DataLoader(FrameByFrame(path), batch_size, sampler=sampler)
    yield from loader


def our_batches(path: Path, train: np.ndarray, batch_size: int) -> Batches:
    with RadioMLFile(path) as file:
        for iq_planes, class_ids, _ in random_batches(file, train, batch_size, seed=0, epoch=0):
            yield torch.from_numpy(iq_planes), torch.from_numpy(class_ids)


def twin_batches(batch_size: int) -> Batches:
    source = TwinSource(Sampling(0, batch_size), 1_000_000, 24, TWIN)
    for batch in source.batches(0):
        yield batch.iq_planes, batch.class_ids


def build(name: str, plain: bool) -> nn.Module:
    """Return a quantised network; plain ones have the libraries' own layers."""
    torch.manual_seed(0)
    network = registry.build(registry.parse(name, {}))
    for module in network.modules():
        library = type(module).__mro__[1]
        if (
            plain
            and library.__module__.startswith(("torch.nn.modules", "brevitas.nn"))
            and (type(module).__module__ in ("boltmod.nn.quick_steps", "boltmod.nn.quantizers"))
        ):
            module.__class__ = library
    return network.train()


def prune_smallest(network: nn.Module, share: float) -> dict[str, Tensor]:
    """Zero a share of a network's weights; return the masks."""
    masks = prune.smallest(network, {}, share, prune.Pruning()) if share else {}
    prune.apply(network, masks)
    return masks


def stepper(network: nn.Module, masks: dict[str, Tensor]) -> Step:
    pruned = [(p, masks[name]) for name, p in network.named_parameters() if name in masks]
    optimiser = make_optimiser(
        network, TrainPhase(name="t", kind="train", epochs=1, optimiser="adam")
    )

    def step(iq_planes: Tensor, class_ids: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        answers = network(iq_planes)
        answers = answers if isinstance(answers, tuple) else (answers,)
        loss = torch.stack([nn.functional.cross_entropy(a, class_ids) for a in answers]).sum()
        torch.autograd.backward(loss)
        optimiser.step()
        with torch.no_grad():
            for parameter, mask in pruned:
                parameter.mul_(mask)

    return step


def forget(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


_CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
_MEASURED_BY = ["wall"]
"""The clock of this process, last."""


def frames_per_s(batches: Batches, step: Step | None, n_steps: int) -> float:
    """Time `n_steps` steps after one that is not timed."""
    clock = _CLOCKS[_MEASURED_BY[-1]]
    n_frames, begun = 0, 0.0
    for number, (iq_planes, class_ids) in enumerate(islice(batches, n_steps + 1)):
        if step is not None:
            step(iq_planes, class_ids)
        if number == 0:
            begun = clock()
        else:
            n_frames += len(class_ids)
    return n_frames / (clock() - begun)


def compare(rows: dict[str, Callable[[], float]], turns: int) -> list[float]:
    """Let the rows take turns; print each one's middle turn and its ratio to the first row's.

    Returns:
        The ratios.
    """
    found: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(turns):
        for name, measure in rows.items():
            found[name].append(measure())
    middles = [statistics.median(values) for values in found.values()]
    for name, middle in zip(found, middles, strict=True):
        print(f"  {name:<44} {middle:10,.0f} frames/s {middle / middles[0]:7.2f}x", flush=True)
    return [middle / middles[0] for middle in middles]


@dataclass
class Loop:
    """One of the two loops, in the process that runs it.

    Args:
        path: The data set.
        train: The positions trained on.
        batch_size: Frames a step.
        is_ours: Whether it is boltmod's.
        step: A training step.
    """

    path: Path
    train: np.ndarray
    batch_size: int
    is_ours: bool
    step: Step

    def loads(self, n_steps: int) -> float:
        """Frames a second of the loader alone."""
        return self._from_file(None, n_steps)

    def steps(self, n_steps: int) -> float:
        """Frames a second of steps on frames in memory."""
        frames = torch.randn(self.batch_size, 2, 1024), torch.randint(0, 24, (self.batch_size,))
        return frames_per_s(repeat(frames), self.step, n_steps)

    def trains(self, n_steps: int) -> float:
        """Frames a second of both."""
        return self._from_file(self.step, n_steps)

    def trains_on_the_twin(self, n_steps: int) -> float:
        """Frames a second of steps on frames drawn from the twin."""
        return frames_per_s(twin_batches(self.batch_size), self.step, n_steps)

    def _from_file(self, step: Step | None, n_steps: int) -> float:
        forget(self.path)
        batches = our_batches if self.is_ours else challenge_batches
        return frames_per_s(batches(self.path, self.train, self.batch_size), step, n_steps)


_LOOPS: list[Loop] = []
"""The loop of this process, where it is one of the two that measure."""


@dataclass
class Given:
    """What the two loops have in common.

    Args:
        path: The data set.
        network: The network's key.
        batch_size: Frames a step.
        threads: Of torch.
        clock: By which seconds count.
        pruned: Share of the weights that are zeroed, the smallest, 0 to 1.
    """

    path: Path
    network: str
    batch_size: int
    threads: int
    clock: str
    pruned: float


def begin(given: Given, is_ours: bool) -> None:
    """Make a measuring process what its loop needs."""
    _MEASURED_BY.append(given.clock)
    warnings.simplefilter("ignore")
    torch.set_num_threads(given.threads)
    if is_ours:
        keep_freed_memory()
    with RadioMLFile(given.path) as file:
        train = official_split(file.class_ids, file.snr_labels).train
    network = build(given.network, not is_ours)
    masks = prune_smallest(network, given.pruned)
    if is_ours:
        conv_norm_act.keep_only(network, masks)
    step = stepper(network, masks)
    _LOOPS.append(Loop(given.path, train, given.batch_size, is_ours, step))


def measured(what: str, n_steps: int) -> float:
    loop = _LOOPS[0]
    with standing_objects_skipped() if loop.is_ours else nullcontext():
        found: float = getattr(loop, what)(n_steps)
    return found


def memory_of_loading(path: Path, batch_size: int, n_steps: int) -> float:
    """Return the peak memory (MB) of a process that takes random batches from the file."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_load, (path, batch_size, n_steps))


def _load(path: Path, batch_size: int, n_steps: int) -> float:
    with RadioMLFile(path) as file:
        train = official_split(file.class_ids, file.snr_labels).train
        for _ in islice(random_batches(file, train, batch_size, seed=0, epoch=0), n_steps):
            pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def in_words(ratio: float) -> str:
    """Return the whole part of a ratio in words."""
    return f"more than {_WORDS[min(int(ratio), len(_WORDS) - 1)]} times"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--network", default="bacalhaunet")
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--pruned", type=float, default=0.0)
    parser.add_argument("--clock", choices=_CLOCKS, default="wall")
    args = parser.parse_args()
    path, size, n = args.dataset, args.batch_size, args.steps
    with RadioMLFile(path) as file:
        print(f"{len(file):,} frames, {args.network}, batches of {size}, {args.threads} threads, ")
        print(f"{args.pruned:.0%} of the weights pruned, ")
        print(f"seconds by the {args.clock} clock, ")
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}")
    context = multiprocessing.get_context("spawn")
    given = Given(path, args.network, size, args.threads, args.clock, args.pruned)
    with (
        context.Pool(1, begin, (given, False)) as challenge,
        context.Pool(1, begin, (given, True)) as boltmod,
    ):
        print("random batches from the file")
        compare(
            {
                "the challenge's loader": lambda: challenge.apply(measured, ("loads", n)),
                "boltmod's": lambda: boltmod.apply(measured, ("loads", 10 * n)),
            },
            args.turns,
        )
        print(f"  memory of a process with boltmod's: {memory_of_loading(path, size, 100):,.0f} MB")
        print("one training step, frames in memory")
        compare(
            {
                "the challenge's step": lambda: challenge.apply(measured, ("steps", n)),
                "boltmod's": lambda: boltmod.apply(measured, ("steps", n)),
            },
            args.turns,
        )
        print("the whole loop")
        _, ratio, _ = compare(
            {
                "the challenge's": lambda: challenge.apply(measured, ("trains", n)),
                "boltmod's, from the file": lambda: boltmod.apply(measured, ("trains", n)),
                "boltmod's, frames drawn from the twin": lambda: boltmod.apply(
                    measured, ("trains_on_the_twin", n)
                ),
            },
            args.turns,
        )
    words = in_words(ratio)
    print(f"boltmod's whole loop is {ratio:.1f} times as fast as the challenge's ({words})")


if __name__ == "__main__":
    main()
