"""What is left of a command that is killed: the same command goes on, to the same end.

    python bench/kill.py make|run|search [--random 100] [--every 1] [--seed 0]

The work is done once undisturbed. Then it is begun again and again in a process that kills itself
with SIGKILL before its 1st, 2nd, ... operation on a file of the result (opening to write, writing,
syncing, renaming, removing, making a folder, and what changes or commits to a database), and that
is killed from outside at random moments; after each, the same work is done again, undisturbed, and
its end compared: `make`'s file byte by byte, of `run` every tensor of the last checkpoint, the
model, its cost and its evaluation, of `search` (its worker in this one process) all that is known
of each trial but times, every tensor of its last checkpoint, and the best ones' recipes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w
from sqlalchemy import Engine, event

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import tiny_recipe

if TYPE_CHECKING:
    from boltmod.run_folder import RunFolder
    from boltmod.search.worker import Order

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


def _recipe(n_frames: int) -> dict[str, Any]:
    """The tests' recipe, quantised from the beginning, on fewer frames."""
    document = tomllib.loads(tiny_recipe.RECIPE)
    document["data"] = {"frames_per_epoch": n_frames, "validation_frames": 24}
    _, quantise, prune = document["phases"]
    document["phases"] = [
        quantise | {"epochs": 2, "batch_size": 64},
        prune | {"rounds": 1, "batch_size": 64},
    ]
    return document


def _run(folder: Path) -> None:
    from boltmod.pipeline import run as pipeline

    # The report is drawn from the files that are compared, and takes longer than all the rest.
    setattr(pipeline, "write_report", lambda files: files.report)  # noqa: B010
    recipe = folder.parent / "killed.toml"
    recipe.write_text(tomli_w.dumps(_recipe(192)))
    pipeline.run(recipe, folder)


def _ran(folder: Path) -> dict[str, str]:
    from boltmod.run_folder import RunFolder

    files = RunFolder(folder)
    made = (files.model, files.cost, files.evaluation)
    return _tensors(files) | {path.name: _digest(path.read_bytes()) for path in made}


def _tensors(files: RunFolder) -> dict[str, str]:
    from boltmod.train import checkpoint

    last = checkpoint.load(files.finished[-1])
    found = (*last.network.items(), *last.masks.items())
    return {name: _digest(tensor.numpy().tobytes()) for name, tensor in found}


class _Here:
    """A search's only worker in the search's own process: what kills one kills both.

    Args:
        order: What it is to do.
        size: How many workers are asked for.
    """

    exhausted = False

    def __init__(self, order: Order, size: int) -> None:
        self._order = replace(order, parent=os.getppid())
        self.n_processes = 1

    def poll(self) -> list[str]:
        """Do all the work."""
        from boltmod.search import worker

        try:
            worker.work(self._order, 1, threading.Event())
        except SystemExit as ending:
            if ending.code:
                raise RuntimeError(f"the worker ended with {ending.code}") from None
        self.n_processes = 0
        return []


def _search(folder: Path) -> None:
    from boltmod.search import run, storage, worker

    setattr(run, "Workers", _Here)  # noqa: B010
    setattr(run, "write_results", _best_recipes)  # noqa: B010
    run._LOOK_SECONDS, worker._WAIT_SECONDS, storage.HEARTBEAT_SECONDS = 0.0, 0.1, 5
    settings = run.Settings(trials=2)
    run.search(_space(folder), folder, settings, lambda view: None, lambda: False)


def _best_recipes(opened: Any, files: Any, trials: Any, best: Any) -> Any:
    """Write recipes as a search does; its picture takes longer than all the rest."""
    from boltmod.search import results

    setattr(results, "save", lambda *_: None)  # noqa: B010
    setattr(results, "accuracy_over_score", lambda *_, **__: None)  # noqa: B010
    return results.write_results(opened, files, trials, best)


def _space(folder: Path) -> Path:
    tried = {"network": {"pool": [4, 8], "weight_bit_width": {"low": 3, "high": 8}}}
    base = _recipe(64)
    base = {key: base[key] for key in ("name", "network", "data", "phases")}
    space = folder.parent / "space.toml"
    space.write_text(tomli_w.dumps({"name": "killed", "seed": 3, "base": base, "search": tried}))
    return space


def _searched(folder: Path) -> dict[str, str]:
    from boltmod.search.folder import SearchFolder
    from boltmod.search.space import read_space
    from boltmod.search.storage import open_study
    from boltmod.search.trials import trials_of

    files = SearchFolder(folder)
    found = {path.name: _digest(path.read_bytes()) for path in files.recipes.iterdir()}
    for trial in trials_of(open_study(read_space(_space(folder)), files.storage)):
        known = json.dumps(trial.as_dict() | {"seconds": 0}, sort_keys=True)
        tensors = _tensors(files.trial(trial.number))
        found |= {f"trial {trial.number}": known}
        found |= {f"trial {trial.number} {name}": digest for name, digest in tensors.items()}
    return found


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


WORKS = {"make": Work(_make, _made), "run": Work(_run, _ran), "search": Work(_search, _searched)}


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
        event.listen(Engine, "before_cursor_execute", self._hear_statement)
        event.listen(Engine, "commit", lambda _: self._count())

    def _hear_statement(self, *arguments: Any) -> None:
        statement = str(arguments[2])
        is_change = statement.startswith(("INSERT", "UPDATE", "DELETE", "CREATE"))
        if is_change and "heartbeat" not in statement:  # these come by the clock
            self._count()

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


def remember_costs(place: Path) -> None:
    """Count a network's cost once for all processes: that takes longer than its training."""
    from boltmod.files import replacing
    from boltmod.pipeline import network_cost as counting

    def remembered(name: str) -> Callable[..., Any]:
        count = getattr(counting, name)

        def counted(*arguments: Any) -> Any:
            weights = arguments[0].state_dict() if len(arguments) == 2 else {}
            told = [name, repr(arguments[-1]), *(w.numpy().tobytes() for w in weights.values())]
            path = place / f"{_digest(repr(told).encode())}.cost"
            if path.exists():
                return pickle.loads(path.read_bytes())
            cost = count(*arguments)
            with replacing(path) as temporary:
                temporary.write_bytes(pickle.dumps(cost))
            return cost

        return counted

    for name in ("untrained_cost", "network_cost"):
        setattr(counting, name, remembered(name))


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
    with tempfile.TemporaryDirectory() as place:
        remember_costs(Path(place))
        import boltmod.data.make
        import boltmod.pipeline.run
        import boltmod.search.run
        import boltmod.signal.generator  # noqa: F401  imported once, not in every process

        folder = Path(place) / "result"
        folder.mkdir()
        begun = time.monotonic()
        n_operations = attempt(work, folder)
        whole_s = time.monotonic() - begun
        if n_operations < 0:
            raise SystemExit("the work fails undisturbed")
        wanted = work.end(folder)
        kills: list[tuple[int, float | None]] = [
            (number, None) for number in range(1, n_operations + 1, chosen.every)
        ]
        kills += [(0, rng.uniform(0, whole_s)) for _ in range(chosen.random)]
        n_tried = n_killed = n_other = n_failed = 0
        stops: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, _: stops.append(number))
        for fatal, after_s in kills:
            if stops:
                break  # what was counted by then stands
            n_tried += 1
            shutil.rmtree(folder)
            folder.mkdir()
            n_killed += attempt(work, folder, fatal, after_s) == -1
            if attempt(work, folder) < 0:
                n_failed += 1
                print(f"no way on after a kill at operation {fatal} or {after_s} s", flush=True)
            elif (end := work.end(folder)) != wanted:
                n_other += 1
                differing = [name for name in end | wanted if end.get(name) != wanted.get(name)]
                print(f"another end after a kill at operation {fatal} or {after_s} s: {differing}")
    print(
        f"{chosen.work}: {n_operations} operations, {n_killed} kills of {n_tried} attempts, "
        f"{n_other} other ends, {n_failed} without a way on"
    )


if __name__ == "__main__":
    main()
