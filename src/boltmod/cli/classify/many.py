"""`boltmod classify` of several recordings: one table, a row a signal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from boltmod.cli.classify.request import Request
from boltmod.cli.classify.signal_table import signal_table
from boltmod.cli.strangers import rehearse
from boltmod.cli.terminal import emit, stderr
from boltmod.errors import ConfigError, DataFormatError
from boltmod.files import sha256

if TYPE_CHECKING:
    from rich.console import Console

    from boltmod.cli.classify.journal import Journal
    from boltmod.runtime.survey import Row, Search

_SAID_EVERY_S = 30.0
"""How often it is said where the work stands where no terminal shows it."""


def answer_all(request: Request, sources: Sequence[str], cluster: str | None) -> None:
    """Survey recordings and write their table.

    Args:
        request: What is asked of each.
        sources: Files, folders and SigMF collections.
        cluster: Address of a Ray cluster; this process alone if None.

    Raises:
        DataFormatError: None of them could be read.
    """
    from boltmod.cli.classify.journal import Journal
    from boltmod.recording.folder import recordings_of

    request.check_many(sources)
    paths = recordings_of([Path(each) for each in sources], request.sample_format is not None)
    paths = [path for path in paths if request.output is None or path != request.output]
    rehearse(request.model_path, request.engine, request.limit_s)
    search = _search(request)
    journal = None if request.output is None else Journal(request.output, _terms(request, search))
    is_finished = False
    try:
        rows = _all_rows(request, search, paths, cluster, journal)
        if request.output is not None:
            from boltmod.runtime.sink import row_table

            row_table.write(request.output, rows)
        is_finished = True
    except KeyboardInterrupt:
        if journal is not None:
            stderr.print("interrupted: the same command goes on from here")
        raise
    finally:
        if journal is not None:
            journal.close(is_finished)
    _tell(request, sources, rows)
    if all(row.error is not None for row in rows):
        raise DataFormatError(
            f"{' '.join(sources)} must hold a recording that can be read, and none of "
            f"{len(paths)} can: look at what is said of each"
        )


def _search(request: Request) -> Search:
    from boltmod.runtime.survey import Search

    return Search(request.facts, request.constraints, request.channel != "none")


def _terms(request: Request, search: Search) -> dict[str, object]:
    """What the rows depend on besides the files."""
    model = sha256(request.model_path)
    return {"model": model, "search": asdict(search), "engine": request.engine}


def _all_rows(
    request: Request,
    search: Search,
    paths: Sequence[Path],
    cluster: str | None,
    journal: Journal | None,
) -> list[Row]:
    """The rows of all recordings in their order; what the journal knows is not done again."""
    known = {path: None if journal is None else journal.rows(path) for path in paths}
    found = {path: rows for path, rows in known.items() if rows is not None}
    if found:
        stderr.print(f"{len(found):,} of {len(paths):,} recordings are done already")
    left = [path for path in paths if path not in found]
    with _progress(len(left)) as advance:
        for path, rows in _surveys(request, search, left, cluster):
            if journal is not None:
                journal.add(path, rows)
            found[path] = rows
            advance()
            if rows[0].error is not None:
                stderr.print(f"passed over: {rows[0].error}", markup=False, soft_wrap=True)
    return [row for path in paths for row in found[path]]


def _surveys(
    request: Request, search: Search, paths: Sequence[Path], cluster: str | None
) -> Iterator[tuple[Path, list[Row]]]:
    if not paths:
        return
    if cluster is not None:
        if request.engine != "auto":
            raise ConfigError(
                "engine must be left out on a cluster, whose machines take what they have: "
                "leave --engine or --cluster out"
            )
        from boltmod.cluster.ray_cluster import RayCluster

        with RayCluster(cluster) as ray:
            stderr.print(ray.about, markup=False)
            yield from ray.surveys(request.model_path, search, paths)
        return
    from boltmod.runtime.session import Classifier
    from boltmod.runtime.survey import survey

    classifier = Classifier(request.model_path, request.threads, request.engine)
    stderr.print(f"classified by {classifier.engine.words}")
    for path in paths:
        yield path, survey(classifier, search, path)


@contextmanager
def _progress(n_files: int) -> Iterator[Advance]:
    """A bar with the time left on a terminal, else a line now and then."""
    columns = (
        TextColumn("classifying"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("recordings,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=stderr, disable=not stderr.is_terminal) as bar:
        yield Advance(bar, n_files)


class Advance:
    """Counts recordings that are done.

    Args:
        bar: Where it is shown.
        n_files: How many there are.
    """

    def __init__(self, bar: Progress, n_files: int) -> None:
        self._bar, self._n_files, self._n_done = bar, n_files, 0
        self._task = bar.add_task("", total=n_files)
        self._began = self._said = time.monotonic()

    def __call__(self) -> None:
        """Count one more."""
        self._n_done += 1
        self._bar.advance(self._task)
        now = time.monotonic()
        if stderr.is_terminal or now - self._said < _SAID_EVERY_S:
            return
        self._said = now
        left_s = (now - self._began) / self._n_done * (self._n_files - self._n_done)
        stderr.print(
            f"{self._n_done:,} of {self._n_files:,} recordings, about {_duration(left_s)} left"
        )


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{seconds / 3600:.1f} h"


def _tell(request: Request, sources: Sequence[str], rows: Sequence[Row]) -> None:
    found = [row for row in rows if row.class_name is not None or row.signal is not None]
    files = {row.file for row in rows}
    broken = {row.file for row in rows if row.error is not None}
    by_class = Counter(row.class_name or row.reason or "too short" for row in found)
    document = {
        "inputs": list(sources),
        "model": request.model_path,
        "output": request.output,
        "n_recordings": len(files),
        "n_unreadable": len(broken),
        "n_signals_by_class": dict(by_class.most_common()),
    }
    if request.output is None:
        document["rows"] = [row.as_dict() for row in rows]
    emit(document, request.as_json, lambda console: _show(console, request, rows))
    parts = ", ".join(f"{n:,} {name}" for name, n in by_class.most_common())
    unread = f"; {len(broken):,} could not be read" if broken else ""
    stderr.print(
        f"{len(files):,} recordings, {len(found):,} signals{': ' if parts else ''}{parts}{unread}",
        markup=False, soft_wrap=True,
    )  # fmt: skip


def _show(console: Console, request: Request, rows: Sequence[Row]) -> None:
    if request.output is not None:
        console.print(f"{request.output}: {len(rows):,} rows", markup=False, soft_wrap=True)
        return
    console.print(signal_table(rows, with_files=True))
