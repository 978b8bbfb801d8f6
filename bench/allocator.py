"""Training steps a second with freed memory given back to the system, and with it kept.

Both in processes of their own, one after the other, several times: the median of each is compared.

    python bench/allocator.py [--network boltnet] [--batch-size 512]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

import torch
from torch import nn

from boltmod.nn import registry
from boltmod.train.allocator import keep_freed_memory


def main() -> None:
    """Compare, or be one of those compared."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="boltnet")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--measure", choices=("given-back", "kept"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.measure is not None:
        if arguments.measure == "kept":
            keep_freed_memory()
        print(frames_per_second(arguments.network, arguments.batch_size, arguments.steps))
        return
    found: dict[str, list[float]] = {"given-back": [], "kept": []}
    for _ in range(arguments.repeats):
        for name, rates in found.items():
            command = [sys.executable, *sys.argv, "--measure", name]
            rates.append(float(subprocess.run(command, check=True, capture_output=True).stdout))
    medians = {name: statistics.median(rates) for name, rates in found.items()}
    for name, rate in medians.items():
        print(f"{name:>10}: {rate:,.0f} frames per processor second")
    print(f"     ratio: {medians['kept'] / medians['given-back']:.2f}")


def frames_per_second(name: str, batch_size: int, steps: int) -> float:
    """Return the frames a processor second of a training step without the optimiser."""
    network = registry.build(registry.parse(name, {})).train()
    frames, ids = torch.randn(batch_size, 2, 1024), torch.arange(batch_size) % 24

    def step() -> None:
        network.zero_grad(set_to_none=True)
        answers = network(frames)
        scores = answers[0] if isinstance(answers, tuple) else answers
        torch.autograd.backward(nn.functional.cross_entropy(scores, ids))

    step()
    begun = time.process_time()
    for _ in range(steps):
        step()
    return steps * batch_size / (time.process_time() - begun)


if __name__ == "__main__":
    main()
