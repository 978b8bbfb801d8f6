"""Making a data set file of any size: block by block, in parallel, resumable.

Beside the file lie, while it is being made, `<name>.partial`, which has the layout, the labels and
the blocks done so far, and `<name>.blocks`, one byte a block, 1 when the block is on the disk. A
frame depends on its position and the seed alone, so whoever makes a block, and when, makes the
same bytes; a killed run goes on with the blocks that are missing. `<name>.partial` becomes the file
only when all are there.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path

import h5py

from boltmod.data.provenance import Plan, differences
from boltmod.data.radioml import FRAME_BYTES
from boltmod.data.radioml_writer import create_layout, repack
from boltmod.data.threads import one_thread
from boltmod.errors import ConfigError
from boltmod.files import alone, check_room

BLOCK_FRAMES = 4096
"""Frames a block: what a kill loses at most, for each process."""

GENERATE_FRAMES = 1024
"""Frames drawn from the generator at once."""

LABEL_BYTES = 8 * 25

Progress = Callable[[int, int], None]
"""Called with (frames done, frames in the file)."""


@dataclass(frozen=True)
class Made:
    """What `make` did.

    Args:
        path: The file.
        n_frames: Frames in it.
        n_resumed: Those that an earlier, interrupted run had made.
    """

    path: Path
    n_frames: int
    n_resumed: int


@dataclass(frozen=True)
class _Work:
    """Where a file is being made, from what, and where in it the samples lie."""

    plan: Plan
    path: Path
    offset: int = 0

    @property
    def partial(self) -> Path:
        return self.path.with_name(self.path.name + ".partial")

    @property
    def lock(self) -> Path:
        return self.path.with_name(self.path.name + ".lock")

    @property
    def blocks(self) -> Path:
        return self.path.with_name(self.path.name + ".blocks")

    @property
    def n_blocks(self) -> int:
        return -(-self.plan.n_frames // BLOCK_FRAMES)

    def span(self, block: int) -> tuple[int, int]:
        """First frame of a block within the file, and the first one after it."""
        start = block * BLOCK_FRAMES
        return start, min(start + BLOCK_FRAMES, self.plan.n_frames)

    def n_frames(self, block: int) -> int:
        """Frames of a block; the last one may have fewer."""
        start, end = self.span(block)
        return end - start


def make(
    plan: Plan,
    path: Path,
    *,
    workers: int = 1,
    compress: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Made:
    """Make a data set file, or finish one that an interrupted run began.

    Args:
        plan: What it holds.
        path: Where it is to lie.
        workers: Processes that draw frames; 1 draws them in this one.
        compress: Write X in gzip chunks, when all frames are made.
        force: Replace a file that is there, and begin anew where another run was interrupted.
        progress: Called after each block.

    Raises:
        ConfigError: There is another file at `path`, or the beginning of one; another process is
            making it; the disk is too full.
    """
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, not {workers}; leave it out for all")
    work = _Work(plan, path)
    if path.exists() and not force:
        _check_same(path, plan)
        _clear(work)
        if work.lock.exists():  # of one that was killed when all was done; not of one at work
            with suppress(BlockingIOError), alone(work.lock, wait=False, keep=False):
                pass
        return Made(path, plan.n_frames, plan.n_frames)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(work):
        work, missing = _begin(work, force)
        n_resumed = n_done = plan.n_frames - sum(map(work.n_frames, missing))
        for block in _fill(work, missing, workers):
            n_done += work.n_frames(block)
            if progress is not None:
                progress(n_done, plan.n_frames)
        _finish(work, compress)
    return Made(path, plan.n_frames, n_resumed)


@contextmanager
def _locked(work: _Work) -> Iterator[None]:
    """Hold `<name>.lock` so that no second process makes the same file."""
    with ExitStack() as stack:
        try:
            stack.enter_context(alone(work.lock, wait=False, keep=False))
        except BlockingIOError as error:
            raise ConfigError(
                f"{work.path} must be made by one command at a time, and another is at it; "
                "wait for it, or choose another name"
            ) from error
        yield


def _begin(work: _Work, force: bool) -> tuple[_Work, list[int]]:
    """Find or make the layout; return it with its place for samples, and the missing blocks."""
    if force:
        work.partial.unlink(missing_ok=True)
    if work.partial.exists():
        _check_same(work.partial, work.plan)
    else:
        _check_room(work)
        work.blocks.write_bytes(bytes(work.n_blocks))
        new = work.path.with_name(work.path.name + ".new")
        create_layout(new, *work.plan.labels(), attributes=work.plan.attributes())
        os.replace(new, work.partial)
    with h5py.File(work.partial) as file:
        placed = replace(work, offset=file["X"].id.get_offset())
    done = work.blocks.read_bytes()
    return placed, [block for block in range(work.n_blocks) if done[block : block + 1] != b"\1"]


def _check_same(path: Path, plan: Plan) -> None:
    """Refuse a file that is there and is not what was asked for."""
    try:
        with h5py.File(path) as file:
            other = differences(file.attrs, plan.attributes())
    except OSError as error:
        raise ConfigError(
            f"{path} must be a data set made by boltmod, and is none; "
            "choose another name, or replace it with --force"
        ) from error
    if other:
        raise ConfigError(
            f"{path} must be the data set asked for, not another ({'; '.join(other)}); "
            "choose another name, or replace it with --force"
        )


def _check_room(work: _Work) -> None:
    needed = work.plan.n_frames * (FRAME_BYTES + LABEL_BYTES)
    check_room(work.path, needed, "choose fewer frames, another disk, or --shard")


def _fill(work: _Work, missing: list[int], workers: int) -> Iterator[int]:
    """Make blocks; yield each one's number when it is on the disk."""
    if workers == 1 or len(missing) < 2:
        with one_thread():
            for block in missing:
                yield make_block(work, block)
        return
    pool = ProcessPoolExecutor(
        min(workers, len(missing)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
    )
    try:
        for future in as_completed([pool.submit(make_block, work, block) for block in missing]):
            yield future.result()
    except BrokenProcessPool as error:
        raise ConfigError(
            f"workers must be fewer than {workers}: one was killed, probably for its memory; "
            "the same command goes on where it stopped"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, end when the parent ends however it ends."""
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def end_with_parent() -> None:
            wait([sentinel])
            os._exit(1)

        threading.Thread(target=end_with_parent, daemon=True).start()


def make_block(work: _Work, block: int) -> int:
    """Draw a block's frames, put them on the disk, and only then mark the block as done."""
    start, end = work.span(block)
    with work.partial.open("r+b", buffering=0) as file:
        for first in range(start, end, GENERATE_FRAMES):
            past = min(first + GENERATE_FRAMES, end)
            _write_at(file.fileno(), _samples(work.plan, first, past), work.offset, first)
        os.fdatasync(file.fileno())
    with work.blocks.open("r+b", buffering=0) as file:
        os.pwrite(file.fileno(), b"\1", block)
    return block


def _samples(plan: Plan, start: int, end: int) -> bytes:
    """Frames of a file as X keeps them: I and Q by turns."""
    import torch

    from boltmod.signal.generator import generate

    class_ids, snr_labels = plan.labels(start, end)
    iq_planes = generate(
        torch.from_numpy(class_ids),
        torch.from_numpy(snr_labels),
        plan.seed,
        first_frame=plan.first_frame + start,
        profile=plan.profile,
    )
    return iq_planes.transpose(1, 2).contiguous().numpy().tobytes()


def _write_at(descriptor: int, content: bytes, offset: int, frame: int) -> None:
    samples = memoryview(content)
    place = offset + frame * FRAME_BYTES
    while samples:
        written = os.pwrite(descriptor, samples, place)
        place, samples = place + written, samples[written:]


def _finish(work: _Work, compress: bool) -> None:
    if compress:
        packed = work.path.with_name(work.path.name + ".packed")
        repack(work.partial, packed)
        os.replace(packed, work.path)
    else:
        os.replace(work.partial, work.path)
    _clear(work)


def _clear(work: _Work) -> None:
    work.partial.unlink(missing_ok=True)
    work.blocks.unlink(missing_ok=True)
