"""Memory while training: what is freed only to be asked for again, and what is never garbage."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_LARGEST_MMAP_THRESHOLD = 32 << 20
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Keep freed memory in the process instead of giving it back to the system.

    Every step of a training asks for the same tensors of some megabytes. glibc gives each back at
    once, and the system hands it out again page by page, filled with zeros: a fifth of the time of
    a small network's step (bench/allocator.py), more in large batches. Elsewhere than on glibc
    nothing happens.

    Returns:
        Whether there was such an allocator to tell.

    Source: GNU C Library manual, "Malloc Tunable Parameters".
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = {
        _MMAP_THRESHOLD: _LARGEST_MMAP_THRESHOLD,
        _TRIM_THRESHOLD: _NEVER,
        # Blocks above the largest threshold too: batches of 1024 have tensors of 50 MB.
        _MMAP_MAX: 0,
    }
    told = [mallopt(name, value) for name, value in wanted.items()]
    return all(told)


@contextmanager
def standing_objects_skipped() -> Iterator[None]:
    """Keep Python's search for garbage from going over all that is there now, for a while.

    The libraries behind a training hold a million objects. The autograd graph of each step makes
    enough new ones that Python looks through all of them every few steps: a sixth of the time of a
    pruned network's step, by a profiler (docs/log.md, 2026-12-01).

    Source: Python's `gc.freeze`.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
