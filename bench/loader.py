"""Frames a second that a data set file yields at random, from a cold and a warm disk.

    python bench/loader.py DATASET.hdf5 [--batch-size 1024] [--batches 40]

Cold: the system is asked to forget the file's pages first. Warm: the same batches once more.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import h5py
import numpy as np

from boltmod.data.loader import ordered_batches, random_batches
from boltmod.data.radioml import RadioMLFile
from boltmod.data.split import official_split


def forget(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def frames_per_s(read: Callable[[], int]) -> float:
    begun = time.perf_counter()
    n_frames = read()
    return n_frames / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--batches", type=int, default=40)
    args = parser.parse_args()
    begun = time.perf_counter()
    with RadioMLFile(args.dataset) as file:
        print(f"open and check labels  {time.perf_counter() - begun:9.2f} s")
        train = official_split(file.class_ids, file.snr_labels).train
        n_random = args.batches * args.batch_size

        def at_random() -> int:
            batches = random_batches(file, train, args.batch_size, seed=0, epoch=0)
            return sum(len(batch[0]) for batch in islice(batches, args.batches))

        def in_order() -> int:
            batches = ordered_batches(file, np.arange(min(n_random, len(file))), args.batch_size)
            return sum(len(batch[0]) for batch in batches)

        def by_h5py() -> int:
            order = np.random.default_rng(0).permutation(train)[: 4 * args.batch_size]
            with h5py.File(args.dataset) as plain:
                for start in range(0, len(order), args.batch_size):
                    plain["X"][np.sort(order[start : start + args.batch_size])]
            return len(order)

        for name, read in (
            ("at random", at_random),
            ("in order", in_order),
            ("at random, h5py alone", by_h5py),
        ):
            forget(args.dataset)
            print(f"{name + ', cold':<28} {frames_per_s(read):9,.0f} frames/s")
            print(f"{name + ', warm':<28} {frames_per_s(read):9,.0f} frames/s")


if __name__ == "__main__":
    main()
