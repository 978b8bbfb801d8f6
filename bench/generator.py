"""How fast the generator makes frames, beside the Gaussian noise that they contain.

    python bench/generator.py

Bar: 25,000 frames a second on one core.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable

import torch

from boltmod.data.twin import labels_at, n_frames
from boltmod.modulation import FRAME_LENGTH
from boltmod.signal.generator import generate

FRAMES_PER_CELL = 16
REPEATS = 5


def best_rate(make: Callable[[], object], n: int) -> float:
    """Frames a second in the fastest of several runs."""
    make()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        make()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return n / min(times)


def rates(device: str) -> dict[str, float]:
    """Frames a second: in file order, in random order, and Gaussian noise of the same size."""
    class_ids, snr_labels = labels_at(0, n_frames(FRAMES_PER_CELL), FRAMES_PER_CELL)
    n = len(class_ids)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    noise = torch.empty(64, 2, FRAME_LENGTH, device=device)

    def noise_alone() -> None:
        for _ in range(n // len(noise)):
            noise.normal_()

    return {
        "twin, file order": best_rate(lambda: generate(class_ids, snr_labels, 1, device=device), n),
        "twin, random order": best_rate(
            lambda: generate(class_ids[order], snr_labels[order], 1, device=device), n
        ),
        "Gaussian noise alone": best_rate(noise_alone, n // 64 * 64),
    }


def one_core(_: int = 0) -> dict[str, float]:
    torch.set_num_threads(1)
    return rates("cpu")


def main() -> None:
    one = one_core()
    print(f"{'frames a second':<24}" + "".join(f"{k:>22}" for k in one))
    show("one core", one)
    n_cores = len(os.sched_getaffinity(0))
    with multiprocessing.get_context("spawn").Pool(n_cores) as pool:
        each = pool.map(one_core, range(n_cores), chunksize=1)
    show(f"{n_cores} cores, a process each", {k: sum(r[k] for r in each) for k in each[0]})
    if torch.cuda.is_available():
        show(torch.cuda.get_device_name(), rates("cuda"))
    twin, _, noise = one.values()
    part = f"{twin / noise:.3f} of Gaussian noise alone"
    print(f"twin, file order, one core: {twin:,.0f} frames/s, {part}")


def show(name: str, figures: dict[str, float]) -> None:
    print(f"{name:<24}" + "".join(f"{v:>22,.0f}" for v in figures.values()))


if __name__ == "__main__":
    main()
