"""Which output of `boltmod classify` gets the labels, and what is said meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from rich.progress import Progress

from boltmod.cli.classify.job import Job
from boltmod.cli.classify.json_output import document_of, json_lines
from boltmod.cli.classify.summary import say_dropped
from boltmod.cli.terminal import stderr, stdout
from boltmod.modulation import FRAME_LENGTH
from boltmod.recording.live.buffer import LiveRecording
from boltmod.recording.raw import RawRecording
from boltmod.runtime.label import Label
from boltmod.runtime.sink import file, table
from boltmod.runtime.sink.sink import Sink
from boltmod.runtime.window import Windows

_SILENCE_S = 3.0
"""Silence that is worth a word."""


def outputs(stack: ExitStack, job: Job, annotated: RawRecording | None) -> Iterator[Sink]:
    """What takes the labels; it is completed as the stack is left, after an error too.

    Args:
        stack: Where it is entered.
        job: What is being done.
        annotated: The recording that annotations would be about; None if it is a stream.
    """
    request, live = job.request, job.live
    yield job
    if request.output is not None:
        target = file.Target(request.output, request.columns, job.author, annotated)
        yield stack.enter_context(file.writing(target))
    if request.looks_for_signals and live is not None:
        yield _Drops(live)
    if live is not None and not request.looks_for_signals:
        if stdout.is_terminal and not request.as_json:
            from boltmod.cli.classify.live_table import LiveTable

            yield stack.enter_context(LiveTable(stdout, live))
            return
        yield _Silence(live)
    yield from _printed(stack, job)


def _printed(stack: ExitStack, job: Job) -> Iterator[Sink]:
    """What standard output gets."""
    request = job.request
    has_lines = not request.is_lossless and not request.looks_for_signals
    if has_lines and request.output is None:
        yield stack.enter_context(json_lines(job))
    elif request.as_json:
        yield stack.enter_context(document_of(job))
    elif request.output is None and not request.summary_only:
        yield _Rows(request.columns)
    elif request.output is not None and job.live is None and not request.looks_for_signals:
        yield stack.enter_context(_progress((job.recording.n_samples or 0) // FRAME_LENGTH))


class _Rows:
    """A line of text a window, under a heading."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._heading: str | None = table.heading(columns)

    def add(self, windows: Windows, labels: Sequence[Label]) -> None:
        if labels and self._heading is not None:
            stdout.print(self._heading, style="bold")
            self._heading = None
        if not stdout.is_terminal:
            sys.stdout.writelines(table.row(each) + "\n" for each in labels)
            sys.stdout.flush()
            return
        for each in labels:
            sure = each.probability is not None and each.probability >= 0.5
            stdout.print(table.row(each), style=None if sure else "dim", markup=False)


class _Silence:
    """A line on standard error when the stream falls silent, and when it speaks again."""

    def __init__(self, live: LiveRecording) -> None:
        self._live = live
        self._is_silent = False

    def add(self, windows: Windows, labels: Sequence[Label]) -> None:
        live = self._live
        if labels and self._is_silent:
            stderr.print(f"{live.name}: samples come again", markup=False)
            self._is_silent = False
        elif not labels and not self._is_silent and live.silence_s >= _SILENCE_S:
            stderr.print(
                f"{live.name}: nothing for {live.silence_s:.0f} s, {live.source.state}; waiting",
                markup=False, soft_wrap=True,
            )  # fmt: skip
            self._is_silent = True


class _Drops:
    """Says that a stream is too fast whenever it is twice as bad."""

    def __init__(self, live: LiveRecording) -> None:
        self._live = live
        self._said = 0

    def add(self, windows: Windows, labels: Sequence[Label]) -> None:
        if self._live.n_dropped > 2 * self._said:
            self._said = self._live.n_dropped
            say_dropped(self._live)


@contextmanager
def _progress(n_windows: int) -> Iterator[Sink]:
    with Progress(console=stderr, transient=True) as progress:
        task = progress.add_task("classifying", total=n_windows)

        class Bar:
            def add(self, windows: Windows, labels: Sequence[Label]) -> None:
                progress.advance(task, len(labels))

        yield Bar()
