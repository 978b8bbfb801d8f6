"""`boltmod classify` when it looks for the signals in the band."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from boltmod.cli.terminal import PlainTable, stderr, stdout
from boltmod.files import check_target

if TYPE_CHECKING:
    from boltmod.recording.live.buffer import LiveRecording
    from boltmod.recording.raw import RawRecording
    from boltmod.runtime.signal_files import Writer
    from boltmod.runtime.signal_labels import SignalLabel, Verdict
    from boltmod.runtime.signals import Signal, Wish

_HEADING = f"{'signal':>6}  {'start':>14}  {'class':<11}  probability"


@dataclass(frozen=True)
class Asked:
    """What is to come out of it.

    Args:
        output: A file for the labels in place of the screen.
        picture: A file for a picture.
        summary_only: A line a signal, none a window.
        as_json: JSON on standard output.
        threads: Processors to use; all if None.
    """

    output: Path | None = None
    picture: Path | None = None
    summary_only: bool = False
    as_json: bool = False
    threads: int | None = None


def classify_signals(
    source: RawRecording | LiveRecording, model: Path, wish: Wish, asked: Asked
) -> None:
    """Find the signals of a recording or stream, classify each, and say or write what they are."""
    from boltmod.recording.live.buffer import LiveRecording
    from boltmod.runtime import signal_files
    from boltmod.runtime.channel.spectrogram import Waterfall
    from boltmod.runtime.listener import Listener
    from boltmod.runtime.session import Classifier
    from boltmod.runtime.signal_labels import Tally, label

    if asked.output is not None:
        check_target(asked.output, signal_files.SUFFIXES, "output of signals")
    if asked.picture is not None:
        from boltmod.evaluation.recording_picture import check_path

        check_path(asked.picture)
    classifier = Classifier(model, asked.threads)
    waterfall = None if asked.picture is None else Waterfall()
    listener = Listener(source, wish, waterfall)
    tallies: dict[int, Tally] = {}
    kept: dict[int, Any] = {}
    with ExitStack() as stack:
        if isinstance(source, LiveRecording):
            from boltmod.cli.classify_stream import ended_by_signals

            stack.enter_context(source)
            stack.enter_context(ended_by_signals(source))
        spool = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
        writers = list(_writers(stack, source, asked, classifier.model.name, spool))
        drops = _Drops(source)
        for windows in listener.windows():
            number = windows.signal.number
            if waterfall is not None and len(kept.get(number, ())) < 1:
                kept[number] = windows.samples[:8]
            tally = tallies.setdefault(number, Tally(classifier.classes))
            labels = label(classifier, windows, tally, source.rate_hz or 1.0)
            for writer in writers:
                writer.add(windows.signal, labels)
            drops.say_when_doubled()
        verdicts = [
            tallies.get(each.number, Tally(classifier.classes)).verdict(each)
            for each in listener.signals
        ]
        if asked.as_json:
            _print_document(_document(source, model, asked, verdicts), spool, asked)
    if waterfall is not None and asked.picture is not None:
        from boltmod.evaluation.plots import save
        from boltmod.evaluation.recording_picture import draw

        save(draw(source, waterfall.measured(), verdicts, kept), asked.picture)
    drops.say()
    if asked.as_json:
        return
    _show(stdout, verdicts)
    if not verdicts:
        stderr.print("no signal found: give --offset and --bandwidth, or use --channel none")
    if listener.n_ignored:
        stderr.print("more than 256 signals: what came after them was not looked at")


def _writers(
    stack: ExitStack,
    source: RawRecording | LiveRecording,
    asked: Asked,
    author: str,
    spool: IO[str],
) -> Iterator[Writer]:
    from boltmod.recording.raw import RawRecording
    from boltmod.runtime import signal_files

    if asked.output is not None:
        recording = source if isinstance(source, RawRecording) else None
        yield stack.enter_context(signal_files.writing(asked.output, recording, author))
    elif asked.as_json and not asked.summary_only:
        yield _Spooled(spool)
    elif not asked.summary_only:
        yield _Rows()


class _Drops:
    """Says that a stream is too fast: at once, whenever it is twice as bad, and at the end."""

    def __init__(self, source: RawRecording | LiveRecording) -> None:
        self._source = source
        self._said = 0

    @property
    def _n_dropped(self) -> int:
        return getattr(self._source, "n_dropped", 0)

    def say_when_doubled(self) -> None:
        if self._n_dropped > 2 * self._said:
            self.say()

    def say(self) -> None:
        if self._n_dropped > self._said:
            self._said = self._n_dropped
            n_seen = getattr(self._source, "n_seen", 0)
            stderr.print(
                f"{self._said:,} of {n_seen:,} times 1024 samples dropped so far: the stream is "
                "faster than they can be looked at",
                style="bold red", markup=False,
            )  # fmt: skip


class _Rows:
    """A line of text a window, under a heading."""

    def __init__(self) -> None:
        self._table = PlainTable(_HEADING)

    def add(self, signal: Signal, labels: Sequence[SignalLabel]) -> None:
        self._table.add([_row(each) for each in labels])


def _row(label: SignalLabel) -> str:
    start = f"{label.time_s:.6f} s"
    return f"{label.signal:>6}  {start:>14}  {label.class_name:<11}  {label.probability:11.3f}"


class _Spooled:
    """Windows as JSON, a line each, kept in a file until the document can be written."""

    def __init__(self, spool: IO[str]) -> None:
        self._spool = spool

    def add(self, signal: Signal, labels: Sequence[SignalLabel]) -> None:
        self._spool.writelines(json.dumps(asdict(each), allow_nan=False) + "\n" for each in labels)


def _document(
    source: RawRecording | LiveRecording, model: Path, asked: Asked, verdicts: list[Verdict]
) -> dict[str, Any]:
    document: dict[str, Any] = {
        "input": source.name,
        "model": str(model),
        "rate_hz": source.rate_hz,
        "centre_hz": source.centre_hz,
        "signals": [asdict(each) for each in verdicts],
    }
    n_dropped = getattr(source, "n_dropped", None)
    if n_dropped is not None:
        document["n_dropped"] = n_dropped
    for name, path in (("output", asked.output), ("picture", asked.picture)):
        if path is not None:
            document[name] = str(path)
    return document


def _print_document(document: dict[str, Any], spool: IO[str], asked: Asked) -> None:
    """Print it, with the windows that wait in a file, however many they are."""
    text = json.dumps(document, indent=2, allow_nan=False)
    if asked.output is not None or asked.summary_only:
        sys.stdout.write(text + "\n")
        return
    sys.stdout.write(text.removesuffix("\n}") + ',\n  "windows": [')
    spool.seek(0)
    for number, line in enumerate(spool):
        sys.stdout.write(("," if number else "") + "\n    " + line.rstrip("\n"))
    sys.stdout.write("\n  ]\n}\n")


def _show(console: Console, verdicts: list[Verdict]) -> None:
    if not verdicts:
        return
    table = Table(
        "signal", "class", "probability", "windows", "carrier", "bandwidth", "symbols/s",
        "SNR", "on for", box=None,
    )  # fmt: skip
    for verdict in verdicts:
        table.add_row(*_cells(verdict))
    console.print(table)


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
