"""What `boltmod classify` shows and prints, and which output gets the labels."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from rich.progress import Progress
from rich.table import Table

from boltmod.cli.classify.request import Request
from boltmod.cli.terminal import stderr, stdout
from boltmod.errors import BoltmodError
from boltmod.modulation import FRAME_LENGTH
from boltmod.recording.analytic import Samples
from boltmod.recording.live.buffer import LiveRecording
from boltmod.recording.raw import RawRecording
from boltmod.recording.recording import Recording
from boltmod.runtime.cut.cut import Cut
from boltmod.runtime.label import Label
from boltmod.runtime.session import Classifier
from boltmod.runtime.sink import file, table
from boltmod.runtime.sink.json_lines import JsonLines
from boltmod.runtime.sink.sink import Sink
from boltmod.runtime.verdict import Tallies, Verdict
from boltmod.runtime.window import Windows

if TYPE_CHECKING:
    from boltmod.runtime.cut.channel.spectrogram import Waterfall

_SILENCE_S = 3.0
"""Silence that is worth a word."""
_PICTURED = 8
"""Windows of a signal that its picture is drawn from."""


class Job:
    """A request that is being answered, and what has come of it so far.

    Args:
        request: What is asked.
        classifier: The network.
        recording: Where the samples come from.
        live: The same, if it is a stream.
    """

    def __init__(
        self,
        request: Request,
        classifier: Classifier,
        recording: Recording,
        live: LiveRecording | None = None,
    ) -> None:
        self.request, self.recording, self.live = request, recording, live
        self.author = classifier.model.name
        self.tallies = Tallies(classifier.classes)
        self.pictured: dict[int, Samples] = {}
        self.waterfall: Waterfall | None = None
        if request.looks_for_signals:
            from boltmod.runtime.cut.channel.spectrogram import Waterfall
            from boltmod.runtime.cut.listener import Listener

            if request.picture is not None:
                self.waterfall = Waterfall()
            self.listener = Listener(request.constraints, self.waterfall)
            self.cut: Cut = self.listener
        else:
            from boltmod.runtime.cut.whole_band import WholeBand

            self.cut = WholeBand(with_places=request.is_stream)

    def add(self, windows: Windows, labels: Sequence[Label]) -> None:
        """Count labels in, and keep what the picture needs."""
        self.tallies.add(windows, labels)
        signal = windows.signal
        if self.request.picture is not None and signal is not None and len(windows.samples):
            self.pictured.setdefault(signal.number, windows.samples[:_PICTURED])

    @property
    def verdicts(self) -> list[Verdict]:
        """What the signals are, if it was looked for them."""
        signals = self.listener.signals if self.request.looks_for_signals else []
        return self.tallies.verdicts(signals)

    @property
    def n_by_class(self) -> Counter[str | None]:
        """Windows of the whole band by their class; None has the constant ones."""
        tally = self.tallies.of(None)
        seen: Counter[str | None] = Counter()
        seen.update(tally.by_class)
        if tally.n_constant:
            seen[None] = tally.n_constant
        return seen

    @property
    def n_left_over_samples(self) -> int:
        """Samples at the end that fill no window."""
        if self.live is not None:
            return self.live.n_left_over_samples
        return (self.recording.n_samples or 0) % FRAME_LENGTH

    def head(self) -> dict[str, Any]:
        """What can be said at the beginning, for JSON."""
        request = self.request
        files = {"output": request.output, "picture": request.picture}
        return {
            "input": request.source,
            "model": str(request.model_path),
            "rate_hz": self.recording.rate_hz,
            "centre_hz": self.recording.centre_hz,
        } | {name: str(path) for name, path in files.items() if path is not None}

    def counts(self) -> dict[str, Any]:
        """What can be said at the end."""
        dropped = {} if self.live is None else {"n_dropped": self.live.n_dropped}
        if self.request.looks_for_signals:
            return dropped | {"signals": [asdict(each) for each in self.verdicts]}
        seen = self.n_by_class
        return dropped | {
            "n_windows": seen.total(),
            "n_left_over_samples": self.n_left_over_samples,
            "n_windows_by_class": {name: n for name, n in seen.most_common() if name is not None},
            "n_constant_windows": seen[None],
        }


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
        yield stack.enter_context(_json_lines(job))
    elif request.as_json:
        yield stack.enter_context(_document(job))
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
            _say_dropped(self._live)


def _say_dropped(live: LiveRecording) -> None:
    stderr.print(
        f"{live.n_dropped:,} of {live.n_seen:,} times 1024 samples dropped so far: the stream is "
        "faster than they can be looked at",
        style="bold red", markup=False,
    )  # fmt: skip


@contextmanager
def _progress(n_windows: int) -> Iterator[Sink]:
    with Progress(console=stderr, transient=True) as progress:
        task = progress.add_task("classifying", total=n_windows)

        class Bar:
            def add(self, windows: Windows, labels: Sequence[Label]) -> None:
                progress.advance(task, len(labels))

        yield Bar()


@contextmanager
def _json_lines(job: Job) -> Iterator[Sink]:
    """JSON lines, the last of them the summary."""

    def end(error: dict[str, str]) -> None:
        summary = job.head() | job.counts() | error
        sys.stdout.write(json.dumps({"summary": summary}, allow_nan=False) + "\n")
        sys.stdout.flush()

    try:
        yield JsonLines(sys.stdout, job.request.columns)
    except BoltmodError as error:
        end({"error": str(error)})
        raise
    end({})


class _Document:
    """One JSON document, written as it grows: the windows, then how many there were."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._has_windows = job.request.output is None and not job.request.summary_only
        self._mark = ""

    @property
    def is_begun(self) -> bool:
        """Whether anything is printed."""
        return bool(self._mark)

    def add(self, windows: Windows, labels: Sequence[Label]) -> None:
        if not self._has_windows:
            return
        for each in labels:
            self._begin()
            row = json.dumps(each.row(self._job.request.columns), allow_nan=False)
            sys.stdout.write(f"{self._mark}    {row}")
            self._mark = ",\n"

    def end(self, more: dict[str, str]) -> None:
        """Write what there is to say at the end."""
        self._begin()
        if self._has_windows:
            sys.stdout.write("\n  ]")
        counts = json.dumps(self._job.counts() | more, indent=2, allow_nan=False)
        sys.stdout.write(",\n" + counts.removeprefix("{\n") + "\n")

    def _begin(self) -> None:
        if self.is_begun:
            return
        self._mark = "\n"
        head = json.dumps(self._job.head(), indent=2, allow_nan=False)
        sys.stdout.write(head.removesuffix("\n}"))
        if self._has_windows:
            sys.stdout.write(',\n  "windows": [')


@contextmanager
def _document(job: Job) -> Iterator[Sink]:
    """The document; after an error it is completed if it was begun, or is a stream's."""
    document = _Document(job)
    try:
        yield document
    except BoltmodError as error:
        if document.is_begun or job.live is not None:
            document.end({"error": str(error)})
        raise
    document.end({})


@contextmanager
def summary(job: Job) -> Iterator[None]:
    """Say at the end how it went, in words; of a stream's whole band after an error too."""
    try:
        yield
    except BaseException:
        if job.live is not None and not job.request.looks_for_signals:
            _tell_band(job)
        raise
    if job.request.looks_for_signals:
        _tell_signals(job)
    else:
        _tell_band(job)


def _tell_band(job: Job) -> None:
    live, seen = job.live, job.n_by_class
    if (live is None and job.request.as_json) or (live is not None and not live.n_seen):
        return
    parts = [f"{n:,} {name or table.NO_SIGNAL}" for name, n in seen.most_common()]
    stderr.print(f"{seen.total():,} windows: {', '.join(parts)}", markup=False)
    if live is not None and live.n_dropped:
        stderr.print(
            f"{live.n_dropped:,} more windows dropped, {live.n_dropped / live.n_seen:.1%} of "
            f"{live.n_seen:,}: the stream is faster than the network",
            style="bold red", markup=False,
        )  # fmt: skip
    if live is None and job.n_left_over_samples:
        stderr.print(f"{job.n_left_over_samples} samples at the end fill no window")
    if job.recording.rate_hz is None and seen:
        stderr.print("times are in samples, for the sample rate is unknown: give it with --rate")


def draw_picture(job: Job) -> None:
    """Draw the band and its signals, if that is asked for."""
    if job.waterfall is None or job.request.picture is None:
        return
    from boltmod.evaluation.plots import save
    from boltmod.evaluation.recording_picture import draw

    first = job.recording.first_sample
    verdicts = [replace(each, signal=each.signal.moved(-first)) for each in job.verdicts]
    figure = draw(job.recording, job.waterfall.measured(), verdicts, job.pictured)
    save(figure, job.request.picture)


def _tell_signals(job: Job) -> None:
    verdicts = job.verdicts
    if job.live is not None and job.live.n_dropped:
        _say_dropped(job.live)
    if job.request.as_json:
        return
    if verdicts:
        stdout.print(_signal_table(verdicts))
    else:
        stderr.print("no signal found: give --offset and --bandwidth, or use --channel none")
    if job.listener.n_ignored:
        stderr.print("more than 256 signals: what came after them was not looked at")


def _signal_table(verdicts: list[Verdict]) -> Table:
    drawn = Table(
        "signal", "class", "probability", "windows", "carrier", "bandwidth", "symbols/s",
        "SNR", "on for", box=None,
    )  # fmt: skip
    for verdict in verdicts:
        drawn.add_row(*_cells(verdict))
    return drawn


def _hertz(value: float) -> str:
    """A frequency; of a recording without a sample rate it is a share of one."""
    return f"{value:,.1f}" if abs(value) >= 1 or value == 0 else f"{value:.4f}"


def _cells(verdict: Verdict) -> list[str]:
    signal = verdict.signal
    on = sum(end - start for start, end in signal.spans)
    carrier_hz = signal.carrier_hz
    return [
        str(signal.number),
        verdict.class_name or "(too short)",
        "" if verdict.probability is None else f"{verdict.probability:.3f}",
        str(verdict.n_windows),
        f"~{_hertz(signal.offset_hz)} Hz" if carrier_hz is None else f"{_hertz(carrier_hz)} Hz",
        f"{_hertz(signal.bandwidth_hz)} Hz",
        _hertz(signal.symbol_rate_hz) + ("" if signal.symbol_rate_is_sure else " (guess)"),
        "" if signal.snr_db is None else f"{signal.snr_db:.1f} dB",
        f"{on:,} samples",
    ]
