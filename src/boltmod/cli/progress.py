"""A progress bar over frames, on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from boltmod.cli.terminal import stderr


@contextmanager
def frames_progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with frames done, frames/s and time left while the body runs.

    Args:
        description: What is being done, in two words.

    Yields:
        A function to call with (frames done, frames in all).
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(description, total=None, rate="")

        def show(done: int, total: int) -> None:
            speed = bar.tasks[0].finished_speed or bar.tasks[0].speed
            rate = f"{speed:,.0f} frames/s" if speed else ""
            bar.update(task, completed=done, total=total, rate=rate)

        yield show
