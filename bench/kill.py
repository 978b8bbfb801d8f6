"""What is left of a command that is killed: the same command goes on, to the same end.

    python bench/kill.py make|run|search [--random 100] [--every 1] [--seed 0]

The work is done once undisturbed, and before each of its operations on a file of the result
(opening to write, writing, syncing, renaming, removing, making a folder, and what changes or
commits to a database) the folder is copied as it is: that is what SIGKILL leaves there, for what a
process has not given to the system is lost with it. From each copy that differs from the one before
it the same work is done again. Then it is killed at random moments, and again while it goes on,
until it comes to its end. Compared are, of `make`, the file byte by byte, of `run` every tensor of
the last checkpoint, the model, its cost and its evaluation, of `search` (its worker in this one
process) all that is known of each trial but times, every tensor of its last checkpoint, and the
best ones' recipes. Ctrl-C or SIGTERM end it with what it has counted.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import importlib
import json
import os
import pickle
import random
import select
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
from types import SimpleNamespace
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


def _recipe(n_frames: int, epochs: int) -> dict[str, Any]:
    """The tests' recipe, quantised from the beginning, on fewer frames."""
    document = tomllib.loads(tiny_recipe.RECIPE)
    document["data"] = {"frames_per_epoch": n_frames, "validation_frames": 24}
    _, quantise, prune = document["phases"]
    document["phases"] = [
        quantise | {"epochs": epochs, "batch_size": 64},
        prune | {"rounds": 1, "batch_size": 64},
    ]
    return document


def _run(folder: Path) -> None:
    from boltmod.pipeline import run as pipeline

    # The report is drawn from the files that are compared, and takes longer than all the rest.
    setattr(pipeline, "write_report", lambda files: files.report)  # noqa: B010
    recipe = folder.parent / "killed.toml"
    recipe.write_text(tomli_w.dumps(_recipe(192, epochs=2)))
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

    drawn = SimpleNamespace(save=lambda *_: None, to_svg=lambda *_: "")
    setattr(results, "plots", drawn)  # noqa: B010
    setattr(results, "accuracy_over_score", lambda *_, **__: None)  # noqa: B010
    return results.write_results(opened, files, trials, best)


def _space(folder: Path) -> Path:
    tried = {"network": {"pool": [4, 8], "weight_bit_width": {"low": 3, "high": 8}}}
    base = _recipe(64, epochs=1)
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


_USED = (
    "boltmod.data.make", "boltmod.pipeline.run", "boltmod.search.run", "boltmod.signal.generator",
    "optuna.storages._rdb.storage", "torch.onnx",
)  # fmt: skip
"""What the work imports as it goes, imported once and not in every process."""

WORKS = {"make": Work(_make, _made), "run": Work(_run, _ran), "search": Work(_search, _searched)}


class Copies:
    """Copies a folder as it is before each operation of this process on a file of it.

    Args:
        folder: The folder.
        place: Where the copies go, by their numbers; None makes none.
    """

    def __init__(self, folder: Path, place: Path | None) -> None:
        self._folder, self._place = folder, place
        self._busy = threading.Lock()
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
        if (is_write or event in _EVENTS) and str(arguments[0]).startswith(str(self._folder)):
            self._count()

    def _counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self._count()
            return function(*arguments)

        return counted

    def _count(self) -> None:
        with self._busy:
            self.n_done += 1
            if self._place is not None:
                shutil.copytree(self._folder, self._place / f"{self.n_done:05d}")


def state_of(folder: Path) -> dict[str, str]:
    """Every file of a folder by its content, and every folder in it."""
    return {
        str(path.relative_to(folder)): _digest(path.read_bytes()) if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


def remember(place: Path) -> None:
    """Do for all processes once what is made of the same things again, and kills nothing.

    Counting a network's cost, tracing it, holding the model against it and evaluating that take
    longer than the training of it; the files that they come to are written as ever.
    """
    for where, name in (  # in this order: others import the first two by their names
        ("boltmod.pipeline.network_cost", "untrained_cost"),
        ("boltmod.pipeline.network_cost", "network_cost"),
        ("boltmod.export.qonnx", "trace"),
        ("boltmod.export.qonnx", "compare"),
        ("boltmod.cost.inference_cost", "count"),
        ("boltmod.pipeline.run", "_evaluate"),
    ):
        module = importlib.import_module(where)
        setattr(module, name, _remembered(place, name, getattr(module, name)))


def _remembered(place: Path, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    from boltmod.files import replacing

    def remembered(*arguments: Any) -> Any:
        told = [name.encode(), *(part for each in arguments for part in _known_by(each))]
        path = place / f"{_digest(b' '.join(told))}.known"
        if path.exists():
            return pickle.loads(path.read_bytes())
        found = function(*arguments)
        with replacing(path) as temporary:
            temporary.write_bytes(pickle.dumps(found))
        return found

    return remembered


def _known_by(argument: Any) -> list[bytes]:
    """What tells an argument from others: weights, samples, a model's bytes, or its words."""
    import torch

    from boltmod.model.onnx_file import Model
    from boltmod.run_folder import RunFolder

    if isinstance(argument, torch.nn.Module):
        argument = tuple(argument.state_dict().values())
    if isinstance(argument, tuple) and all(isinstance(each, torch.Tensor) for each in argument):
        return [each.numpy().tobytes() for each in argument]
    if isinstance(argument, torch.Tensor):
        return [argument.numpy().tobytes()]
    if isinstance(argument, Model):
        return [argument.proto.SerializeToString()]
    if isinstance(argument, RunFolder):
        return [argument.model.read_bytes()]
    return [] if callable(argument) else [repr(argument).encode()]


def attempt(
    work: Work, folder: Path, after_s: float | None = None, copies: Path | None = None
) -> int:
    """Do the work in a forked process.

    Returns:
        How many operations it took; -1 if it was killed, -2 if it failed.
    """
    inward, outward = os.pipe()
    gc.freeze()  # what is imported is not looked through again in every process
    pid = os.fork()
    if not pid:
        os.close(inward)
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            counted = Copies(folder, copies)
            try:
                work.do(folder)
            except BaseException as error:  # noqa: BLE001  told to the other process
                os.write(outward, f"-2 {error!r}".encode())
                os._exit(1)
            os.write(outward, str(counted.n_done).encode())
        os._exit(0)
    os.close(outward)
    if after_s is not None:
        select.select([inward], [], [], after_s)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    said = b""
    while part := os.read(inward, 1000):
        said += part
    os.close(inward)
    os.waitpid(pid, 0)
    number, _, reason = said.decode().partition(" ")
    if reason:
        print(f"failed: {reason}", flush=True)
    return int(number) if number else -1


@dataclass
class Tally:
    """What came of the work after kills.

    Args:
        work: The work.
        folder: Where it is done.
        wanted: What it comes to undisturbed.
    """

    work: Work
    folder: Path
    wanted: dict[str, str]
    n_other: int = 0
    n_failed: int = 0

    def begin(self, state: Path | None = None) -> None:
        """Empty the folder, or make it what it was."""
        shutil.rmtree(self.folder)
        if state is None:
            self.folder.mkdir()
        else:
            shutil.copytree(state, self.folder)

    def finish(self, after: str) -> None:
        """Go on to the end and compare it."""
        if attempt(self.work, self.folder) < 0:
            self.n_failed += 1
            print(f"no way on after a kill {after}", flush=True)
            return
        end = self.work.end(self.folder)
        if end != self.wanted:
            self.n_other += 1
            names = [name for name in end | self.wanted if end.get(name) != self.wanted.get(name)]
            print(f"another end after a kill {after}: {names}", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("work", choices=WORKS)
    options.add_argument("--random", type=int, default=100, help="kills at random moments")
    options.add_argument("--every", type=int, default=1, help="before every so manieth operation")
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    work = WORKS[chosen.work]
    stops: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stops.append(number))
    with tempfile.TemporaryDirectory() as place:
        remember(Path(place))
        for name in _USED:
            importlib.import_module(name)

        folder, copies = Path(place) / "result", Path(place) / "copies"
        folder.mkdir()
        copies.mkdir()
        n_operations = attempt(work, folder, copies=copies)
        if n_operations < 0:
            raise SystemExit("the work fails undisturbed")
        tally = Tally(work, folder, work.end(folder))
        n_before = n_states = 0
        last: dict[str, str] | None = None
        for state in sorted(copies.iterdir())[:: chosen.every]:
            if stops:
                break  # what was counted by then stands
            n_before += 1
            if (found := state_of(state)) != last:
                last = found
                n_states += 1
                tally.begin(state)
                tally.finish(f"before operation {state.name}")
        print(f"{n_before} operations, {n_states} states of the folder", flush=True)
        n_random, n_ends = at_random(tally, chosen.random, random.Random(chosen.seed), stops)
    print(
        f"{chosen.work}: {n_operations} operations; kills before {n_before} of them, which leave "
        f"{n_states} states; {n_random} kills at random moments on the way to {n_ends} ends; "
        f"{tally.n_other} other ends, {tally.n_failed} without a way on"
    )


def at_random(tally: Tally, wanted: int, rng: random.Random, stops: list[int]) -> tuple[int, int]:
    """Kill the work at random moments, again and again, until it ends, and again from nothing.

    Returns:
        How many kills there were, and how many ends.
    """
    n_kills = n_ends = 0
    tally.begin()
    begun = time.monotonic()
    tally.finish("that never was")
    whole_s = time.monotonic() - begun
    while n_kills < wanted and not stops:
        tally.begin()
        moments: list[str] = []
        while n_kills < wanted and not stops:
            after_s = rng.uniform(0, whole_s)
            if attempt(tally.work, tally.folder, after_s) != -1:
                break
            n_kills += 1
            moments.append(f"{after_s:.2f}")
        tally.finish(f"after {', '.join(moments)} s")
        n_ends += 1
    return n_kills, n_ends


if __name__ == "__main__":
    main()
