"""Which output of `boltmod classify` gets the labels, and what is said meanwhile."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from boltmod.cli.classify.job import Job
from boltmod.cli.classify.json_output import document_of, json_lines
from boltmod.cli.classify.summary import say_dropped
from boltmod.cli.terminal import stderr, stdout
from boltmod.recording.live.buffer import LiveRecording
from boltmod.recording.raw import RawRecording, SampleFormat
from boltmod.recording.recording import Recording
from boltmod.recording.stretch import Stretch
from boltmod.runtime.labels import Labels
from boltmod.runtime.sink import file, table
from boltmod.runtime.sink.sink import Sink
from boltmod.runtime.window import Windows

_SILENCE_S = 3.0
"""Silence that is worth a word."""
_BAR_AFTER_S = 1.0
"""Work that takes longer is worth a bar."""


def outputs(stack: ExitStack, job: Job, annotated: RawRecording | None) -> Iterator[Sink]:
    """What takes the labels; it is completed as the stack is left, after an error too.

    Args:
        stack: Where it is entered.
        job: What is being done.
        annotated: The recording that annotations would be about; None if it is a stream.
    """
    request, live = job.request, job.live
    yield job
    if request.output is not None and not request.writes_signals:
        target = file.Target(request.output, job.window_columns, job.author, annotated)
        yield stack.enter_context(file.writing(target))
    if request.sinks:
        yield _told(stack, job)
    if request.looks_for_signals and live is not None:
        yield _Drops(live)
    is_drawn = live is not None and stdout.is_terminal and not request.as_json
    if live is not None and is_drawn and not request.shows_windows:
        if request.looks_for_signals:
            from boltmod.cli.classify.live_signals import LiveSignals

            yield stack.enter_context(LiveSignals(stdout, job, live))
            return
        if not request.is_lossless:
            from boltmod.cli.classify.live_table import LiveTable

            yield stack.enter_context(LiveTable(stdout, live))
            return
    if live is not None:
        yield _Silence(live)
    yield from _printed(stack, job)


def _told(stack: ExitStack, job: Job) -> Sink:
    """What tells whoever is to be told of each signal."""
    from boltmod.cli.sinks import opened
    from boltmod.runtime.sink.signal_events import SignalEvents

    outlets = stack.enter_context(opened(job.request.sinks))
    events = SignalEvents(job.classes, outlets.send, job.listener.n_piece_of(job.recording))
    stack.callback(events.close)
    return events


def _printed(stack: ExitStack, job: Job) -> Iterator[Sink]:
    """What standard output gets."""
    request = job.request
    if job.comparison is not None:
        yield job.comparison
    if request.prints_lines:
        yield stack.enter_context(json_lines(job))
    elif request.as_json:
        yield stack.enter_context(document_of(job))
    elif request.shows_windows and request.output is None and not request.compares:
        yield _Rows(request.columns, job.is_in_samples)


class _Rows:
    """A line of text a window, under a heading."""

    def __init__(self, columns: tuple[str, ...], is_in_samples: bool) -> None:
        self._heading: str | None = table.heading(columns)
        self._is_in_samples = is_in_samples

    def add(self, windows: Windows, labels: Labels) -> None:
        if labels and self._heading is not None:
            stdout.print(self._heading, style="bold")
            self._heading = None
        lines = [table.row(each, self._is_in_samples) for each in labels]
        if not stdout.is_terminal:
            sys.stdout.writelines(line + "\n" for line in lines)
            sys.stdout.flush()
            return
        for line, each in zip(lines, labels, strict=True):
            sure = each.probability is not None and each.probability >= 0.5
            stdout.print(line, style=None if sure else "dim", markup=False)


class _Silence:
    """A line on standard error when the stream falls silent, and when it speaks again."""

    def __init__(self, live: LiveRecording) -> None:
        self._live = live
        self._is_silent = False

    def add(self, windows: Windows, labels: Labels) -> None:
        live = self._live
        if live.is_ended:
            return
        is_silent = live.silence_s >= _SILENCE_S
        if self._is_silent and not is_silent:
            stderr.print(f"{live.name}: samples come again", markup=False)
        elif is_silent and not self._is_silent:
            stderr.print(
                f"{live.name}: nothing for {live.silence_s:.0f} s, {live.source.state}; waiting",
                markup=False, soft_wrap=True,
            )  # fmt: skip
        self._is_silent = is_silent


class _Drops:
    """Says that a stream is too fast whenever it is twice as bad."""

    def __init__(self, live: LiveRecording) -> None:
        self._live = live
        self._said = 0

    def add(self, windows: Windows, labels: Labels) -> None:
        if self._live.n_dropped > 2 * self._said:
            self._said = self._live.n_dropped
            say_dropped(self._live)


def watched(stack: ExitStack, job: Job) -> Recording:
    """The recording, with a bar and the time left while a file is read that takes long.

    Args:
        stack: Where the bar is entered.
        job: What is being done.
    """
    prints = not job.request.prints_summary and job.request.output is None and stdout.is_terminal
    if job.live is not None or prints or not stderr.is_terminal:
        return job.recording
    bar = Progress(
        TextColumn("classifying"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(),
        TextColumn("left"), console=stderr, transient=True,
    )  # fmt: skip
    stack.callback(bar.stop)
    return _Watched(job.recording, bar)


class _Watched:
    """A recording that moves a bar as its samples are done with."""

    def __init__(self, recording: Recording, bar: Progress) -> None:
        self._recording, self._bar = recording, bar
        self._began = time.monotonic()
        self._task = bar.add_task("", total=recording.n_samples)

    @property
    def name(self) -> str:
        return self._recording.name

    @property
    def sample_format(self) -> SampleFormat:
        return self._recording.sample_format

    @property
    def rate_hz(self) -> float | None:
        return self._recording.rate_hz

    @property
    def centre_hz(self) -> float | None:
        return self._recording.centre_hz

    @property
    def first_sample(self) -> int:
        return self._recording.first_sample

    @property
    def n_samples(self) -> int | None:
        return self._recording.n_samples

    @property
    def notes(self) -> tuple[str, ...]:
        return self._recording.notes

    def stretches(self, n_samples: int) -> Iterator[Stretch]:
        for stretch in self._recording.stretches(n_samples):
            yield stretch
            self._bar.advance(self._task, len(stretch.samples))
            if not self._bar.live.is_started and time.monotonic() - self._began > _BAR_AFTER_S:
                self._bar.start()
