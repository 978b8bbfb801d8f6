"""What is left of a command that is killed: the same command goes on, to the same end.

    python bench/kill.py make|run [--random 100] [--every 1] [--seed 0]

The work is done once undisturbed. Then it is begun again and again in a process that kills itself
with SIGKILL before its 1st, 2nd, ... operation on a file of the result (opening to write, writing,
syncing, renaming, removing, making a folder), and that is killed from outside at random moments;
after each, the same work is done again, undisturbed, and its end compared: `make`'s file byte by
byte, of `run` every tensor of the last checkpoint, the model, its cost and its evaluation.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_RECIPE = """
name = "killed"
seed = 7
[network]
name = "bacalhaunet"
pool = 8
channels = [4, 4]
kernel_sizes = [5, 3]
strides = [2, 2]
[data]
frames_per_epoch = 192
validation_frames = 24
[[phases]]
name = "first"
kind = "train"
epochs = 2
batch_size = 64
[[phases]]
name = "less"
kind = "prune"
epochs = 1
batch_size = 64
fraction = 0.3
[export]
frames = 256
[evaluation]
frames_per_cell = 1
"""

_EVENTS = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")
_WRITING = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True)
class Work:
    """Something that can be killed.

    Args:
        do: Does it, into a folder, and goes on where it stopped.
        end: What it came to, to compare.
    """

    do: Callable[[Path], None]
    end: Callable[[Path], dict[str, str]]


def _make(folder: Path) -> None:
    from boltmod.data import make as making
    from boltmod.data.provenance import Plan

    making.BLOCK_FRAMES = 8
    making.make(Plan(1, 7, snr_labels=(10, 12)), folder / "x.hdf5")


def _made(folder: Path) -> dict[str, str]:
    return {path.name: _digest(path.read_bytes()) for path in folder.iterdir()}


def _run(folder: Path) -> None:
    from boltmod.pipeline import run as pipeline

    # The report is drawn from the files that are compared, and takes longer than all the rest.
    setattr(pipeline, "write_report", lambda files: files.report)  # noqa: B010
    recipe = folder.parent / "killed.toml"
    recipe.write_text(_RECIPE)
    pipeline.run(recipe, folder)


def _ran(folder: Path) -> dict[str, str]:
    from boltmod.run_folder import RunFolder
    from boltmod.train import checkpoint

    files = RunFolder(folder)
    last = checkpoint.load(files.finished[-1])
    found = {path.name: _digest(path.read_bytes()) for path in
             (files.model, files.cost, files.evaluation)}  # fmt: skip
    for name, tensor in (*last.network.items(), *last.masks.items()):
        found[name] = _digest(tensor.numpy().tobytes())
    return found


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


WORKS = {"make": Work(_make, _made), "run": Work(_run, _ran)}


class Operations:
    """Counts a process's operations on files of a folder, and kills it before one of them.

    Args:
        folder: The folder.
        fatal: Number of the operation, from 1; 0 for none.
    """

    def __init__(self, folder: Path, fatal: int) -> None:
        self._folder, self._fatal = str(folder), fatal
        self.n_done = 0
        sys.addaudithook(self._hear)
        for name in ("pwrite", "fdatasync", "fsync"):
            setattr(os, name, self._counted(getattr(os, name)))

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
        if (is_write or event in _EVENTS) and str(arguments[0]).startswith(self._folder):
            self._count()

    def _counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self._count()
            return function(*arguments)

        return counted

    def _count(self) -> None:
        self.n_done += 1
        if self.n_done == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)


def attempt(work: Work, folder: Path, fatal: int = 0, after_s: float | None = None) -> int:
    """Do the work in a forked process.

    Returns:
        How many operations it took; -1 if it was killed, -2 if it failed.
    """
    inward, outward = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(inward)
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            operations = Operations(folder, fatal)
            try:
                work.do(folder)
            except BaseException as error:  # noqa: BLE001  told to the other process
                os.write(outward, f"-2 {error!r}".encode())
                os._exit(1)
            os.write(outward, str(operations.n_done).encode())
        os._exit(0)
    os.close(outward)
    if after_s is not None:
        time.sleep(after_s)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    said = b""
    while part := os.read(inward, 1000):
        said += part
    os.close(inward)
    os.waitpid(pid, 0)
    number, _, reason = said.decode().partition(" ")
    if reason:
        print(f"failed: {reason}")
    return int(number) if number else -1


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("work", choices=WORKS)
    options.add_argument("--random", type=int, default=100, help="kills at random moments")
    options.add_argument("--every", type=int, default=1, help="before every so manieth operation")
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    work, rng = WORKS[chosen.work], random.Random(chosen.seed)
    import boltmod.data.make
    import boltmod.pipeline.run
    import boltmod.signal.generator  # noqa: F401  imported once, not in every process

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "result"
        folder.mkdir()
        begun = time.monotonic()
        n_operations = attempt(work, folder)
        whole_s = time.monotonic() - begun
        wanted = work.end(folder)
        kills: list[tuple[int, float | None]] = [
            (number, None) for number in range(1, n_operations + 1, chosen.every)
        ]
        kills += [(0, rng.uniform(0, whole_s)) for _ in range(chosen.random)]
        n_killed = n_other = n_failed = 0
        for fatal, after_s in kills:
            shutil.rmtree(folder)
            folder.mkdir()
            n_killed += attempt(work, folder, fatal, after_s) == -1
            if attempt(work, folder) < 0:
                n_failed += 1
                print(f"no way on after a kill at operation {fatal} or {after_s} s")
            elif work.end(folder) != wanted:
                n_other += 1
                print(f"another end after a kill at operation {fatal} or {after_s} s")
    print(
        f"{chosen.work}: {n_operations} operations, {n_killed} kills of {len(kills)} attempts, "
        f"{n_other} other ends, {n_failed} without a way on"
    )


if __name__ == "__main__":
    main()
