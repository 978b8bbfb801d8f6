"""`boltmod classify` on what never ends by itself: standard input, ZeroMQ, rtl_tcp."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from boltmod.cli.terminal import PlainTable, stderr, stdout
from boltmod.errors import BoltmodError
from boltmod.files import check_target

if TYPE_CHECKING:
    from boltmod.recording.live.address import StreamFacts
    from boltmod.recording.live.buffer import LiveRecording, Overload
    from boltmod.runtime.live import LiveLabel

_SILENCE_S = 3.0
"""Silence that is worth a word."""


class Output(Protocol):
    """Where labels go, as they come."""

    def show(self, labels: Sequence[LiveLabel]) -> None:
        """Take labels; none, if nothing came for a while."""


def classify_stream(
    address: str,
    model: Path,
    facts: StreamFacts,
    overload: Overload,
    output: Path | None,
    as_json: bool,
    threads: int | None,
) -> None:
    """Label a stream until it ends or somebody presses Ctrl-C, and say how it went.

    Args:
        address: Of the stream, or `-`.
        model: The classifier.
        facts: What is known of the stream.
        overload: What happens when its windows come too fast.
        output: A file for the labels, beside what is printed; None for none.
        as_json: JSON alone on standard output.
        threads: Processors to use; all if None.
    """
    from boltmod.recording.live.address import open_stream
    from boltmod.runtime import label_log
    from boltmod.runtime.live import label_live
    from boltmod.runtime.session import Classifier

    if output is not None:
        check_target(output, label_log.SUFFIXES, "output of a stream")
    classifier = Classifier(model, threads)
    live = open_stream(address, facts, overload, sys.stdin.buffer)
    if live.source.about:
        stderr.print(f"{live.name}: {live.source.about}", markup=False, soft_wrap=True)
    seen: Counter[str | None] = Counter()
    head = {"input": address, "model": str(model), "rate_hz": live.rate_hz,
            "centre_hz": live.centre_hz}  # fmt: skip
    with ExitStack() as stack:
        stack.callback(_tell, live, seen)
        stack.enter_context(live)
        stack.enter_context(ended_by_signals(live))
        outputs = list(_outputs(stack, live, seen, head, output, as_json))
        for labels in label_live(classifier, live):
            seen.update(label.class_name for label in labels)
            for each in outputs:
                each.show(labels)


def _outputs(
    stack: ExitStack,
    live: LiveRecording,
    seen: Counter[str | None],
    head: dict[str, Any],
    output: Path | None,
    as_json: bool,
) -> Iterator[Output]:
    """What is written where; it is completed as the stack is left, after an error too."""
    if output is not None:
        yield stack.enter_context(_log(live, output))
        head = head | {"output": str(output)}
    if stdout.is_terminal and not as_json:
        from boltmod.cli.live_table import LiveTable

        yield stack.enter_context(LiveTable(stdout, live))
        return
    yield _Notes(live)
    if as_json and (output is not None or live.overload.lossless):
        yield stack.enter_context(_document(live, seen, head, with_windows=output is None))
    elif not live.overload.lossless and (as_json or output is None):
        yield stack.enter_context(_json_lines(live, seen, head))
    elif output is None:
        yield _Rows()


class _Rows:
    """A line of text a window, under a heading."""

    def __init__(self) -> None:
        from boltmod.runtime.label_files import TABLE_HEADING

        self._table = PlainTable(TABLE_HEADING)

    def show(self, labels: Sequence[LiveLabel]) -> None:
        from boltmod.runtime.label_files import table_row

        self._table.add([table_row(label) for label in labels])


class _Notes:
    """A line on standard error when the stream falls silent, and when it speaks again."""

    def __init__(self, live: LiveRecording) -> None:
        self._live = live
        self._is_silent = False

    def show(self, labels: Sequence[LiveLabel]) -> None:
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


class _Lines:
    """One JSON object a line and window."""

    def __init__(self, live: LiveRecording) -> None:
        self._live = live

    def show(self, labels: Sequence[LiveLabel]) -> None:
        from boltmod.runtime.label_log import row

        for label in labels:
            sys.stdout.write(json.dumps(row(label, self._live.n_dropped), allow_nan=False) + "\n")
        if labels:
            sys.stdout.flush()


@contextmanager
def _json_lines(
    live: LiveRecording, seen: Counter[str | None], head: dict[str, Any]
) -> Iterator[Output]:
    """JSON lines, the last of them the summary."""

    def end(error: dict[str, str]) -> None:
        summary = head | _counts(live, seen) | error
        sys.stdout.write(json.dumps({"summary": summary}, allow_nan=False) + "\n")
        sys.stdout.flush()

    with _told_how_it_ended(end):
        yield _Lines(live)


class _Windows:
    """Windows as the elements of a JSON array, a line each."""

    def __init__(self) -> None:
        self._mark = "\n"

    def show(self, labels: Sequence[LiveLabel]) -> None:
        for label in labels:
            sys.stdout.write(self._mark + json.dumps(asdict(label), allow_nan=False))
            self._mark = ",\n"


class _Silent:
    """Nothing a window."""

    def show(self, labels: Sequence[LiveLabel]) -> None:
        pass


@contextmanager
def _document(
    live: LiveRecording, seen: Counter[str | None], head: dict[str, Any], with_windows: bool
) -> Iterator[Output]:
    """One JSON document, written as it grows: the windows, then how many there were."""

    def end(error: dict[str, str]) -> None:
        counts = json.dumps(_counts(live, seen) | error, allow_nan=False)
        sys.stdout.write(("\n], " if with_windows else ", ") + counts[1:] + "\n")

    sys.stdout.write(json.dumps(head, allow_nan=False)[:-1])
    if with_windows:
        sys.stdout.write(', "windows": [')
    with _told_how_it_ended(end):
        yield _Windows() if with_windows else _Silent()


@contextmanager
def _told_how_it_ended(end: Callable[[dict[str, str]], None]) -> Iterator[None]:
    """Call `end` after the body, with the error that ended it if one did."""
    try:
        yield
    except BoltmodError as error:
        end({"error": str(error)})
        raise
    end({})


@contextmanager
def _log(live: LiveRecording, path: Path) -> Iterator[Output]:
    from boltmod.runtime.label_log import LabelLog

    log = LabelLog(path)

    class _Log:
        def show(self, labels: Sequence[LiveLabel]) -> None:
            if labels:
                log.write(labels, live.n_dropped)

    try:
        yield _Log()
    finally:
        log.close()


@contextmanager
def ended_by_signals(live: LiveRecording) -> Iterator[None]:
    """Let Ctrl-C end the stream, not the program, once; what has been read is still labelled."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, frame: FrameType | None) -> None:
        live.stop()
        signal.signal(number, before[signal.Signals(number)])

    for each in before:
        signal.signal(each, end)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _counts(live: LiveRecording, seen: Counter[str | None]) -> dict[str, Any]:
    return {
        "n_windows": seen.total(),
        "n_dropped": live.n_dropped,
        "n_left_over_samples": live.n_left_over_samples,
        "n_windows_by_class": {name: n for name, n in seen.most_common() if name is not None},
        "n_constant_windows": seen[None],
    }


def _tell(live: LiveRecording, seen: Counter[str | None]) -> None:
    """The summary, in words."""
    if not live.n_seen:
        return
    parts = [f"{n:,} {name or '(no signal)'}" for name, n in seen.most_common()]
    stderr.print(f"{seen.total():,} windows: {', '.join(parts)}", markup=False)
    if live.n_dropped:
        stderr.print(
            f"{live.n_dropped:,} more windows dropped, {live.n_dropped / live.n_seen:.1%} of "
            f"{live.n_seen:,}: the stream is faster than the network",
            style="bold red", markup=False,
        )  # fmt: skip
    if live.rate_hz is None and seen:
        stderr.print("times are in samples, for the sample rate is unknown: give it with --rate")
