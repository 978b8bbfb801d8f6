"""One thread for the generator.

It works on few frames at a time, which stay in a processor's cache; splitting those over threads
gains nothing, and where other work keeps the processors busy the threads wait for each other a
hundred times longer than they compute.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread for the body, and as many as before after it."""
    import torch

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
