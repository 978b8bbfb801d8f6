"""`boltmod classify`: what modulation a recording holds, window by window."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress

from boltmod.cli.terminal import JsonOption, emit, stderr, stdout
from boltmod.errors import ConfigError
from boltmod.files import check_target

if TYPE_CHECKING:
    from boltmod.recording.raw import RawRecording
    from boltmod.runtime.windows import Label


_DEFAULT = "field"
"""The shipped network that is taken where none is named: it knows the field, and unknown."""


def classify(  # noqa: PLR0913 (the command's options)
    recording: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="A SigMF, WAV or raw recording; - for a pipe; zmq://HOST:PORT (a publisher) or "
            "rtl_tcp://HOST:PORT.",
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            "-m",
            help="The classifier, an ONNX file; boltmod's own if not, which looks for signals.",
        ),
    ] = None,
    sample_format: Annotated[
        str | None,
        typer.Option(
            "--format", "-f", help="cf32, ci16, ci8 or cu8; told from the ending or source if not."
        ),
    ] = None,
    rate: Annotated[
        str | None, typer.Option("--rate", "-r", help="Samples a second, such as 240k or 2.4M.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write to a .csv, .jsonl, .txt (table) or .sigmf-meta file instead; "
            "streams to .csv or .jsonl.",
        ),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(help="auto: find the signals in the band. none: the band as it is (default)."),
    ] = None,
    offset: Annotated[
        str | None, typer.Option(help="Middle of the signal from the middle of the band, in Hz.")
    ] = None,
    bandwidth: Annotated[str | None, typer.Option(help="Its bandwidth, in Hz.")] = None,
    symbol_rate: Annotated[str | None, typer.Option(help="Its symbols a second.")] = None,
    summary_only: Annotated[
        bool, typer.Option("--summary", help="One line a signal, decided over its windows.")
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(help="Write a picture of the band and its signals to a .png file."),
    ] = None,
    frequency: Annotated[
        str | None, typer.Option(help="Middle of the band on the air; rtl_tcp tunes there.")
    ] = None,
    gain: Annotated[
        float | None, typer.Option(help="Gain of rtl_tcp's tuner in dB; automatic if not.")
    ] = None,
    topic: Annotated[str | None, typer.Option(help="ZeroMQ messages to take; all if not.")] = None,
    live: Annotated[
        bool,
        typer.Option("--live", help="Drop and count windows of a pipe that come too fast."),
    ] = False,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds of silence that end a stream; none do if not.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Processors to use; all if not.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Name the modulation of every 1024-sample window of INPUT, with its probability and time.

    With --channel auto, or any of --offset, --bandwidth, --symbol-rate, --summary and --picture,
    the signals in the band are found, and each is filtered and resampled to 8 samples a symbol.
    """
    from boltmod.cli.classify_stream import classify_stream
    from boltmod.model import shipped
    from boltmod.recording.live.address import StreamFacts, is_address, open_stream
    from boltmod.recording.live.buffer import Overload
    from boltmod.recording.quantity import parse_rate
    from boltmod.runtime import label_files
    from boltmod.runtime.session import Classifier
    from boltmod.runtime.windows import label_windows

    rate_hz = None if rate is None else parse_rate(rate)
    if channel not in (None, "auto", "none"):
        raise ConfigError(f"channel must be auto or none, not {channel!r}: choose one of them")
    told = [each is not None for each in (offset, bandwidth, symbol_rate)]
    if channel == "none" and (any(told) or summary_only or picture):
        raise ConfigError(
            "channel must not be none where an offset, bandwidth, symbol rate, summary or picture "
            "is asked for: leave --channel out"
        )
    by_signal = channel == "auto" or any(told) or summary_only or picture is not None
    if model is None:
        model = shipped.path_of(_DEFAULT)
        # It has learned signals that stand alone; of a stream that needs the sample rate.
        can_select = rate_hz is not None or not (recording == "-" or is_address(recording))
        by_signal = by_signal or (channel is None and can_select)
    frequency_hz = None if frequency is None else parse_rate(frequency, "frequency", "hertz")
    is_stream = recording == "-" or is_address(recording)
    if timeout is not None and not timeout > 0:
        raise ConfigError(f"timeout must be above 0 s, not {timeout:g}: leave it out to wait")
    facts = StreamFacts(sample_format, rate_hz, frequency_hz, gain, topic)
    overload = Overload(lossless=recording == "-" and not live, patience_s=timeout)
    if is_stream and not by_signal:
        classify_stream(recording, model, facts, overload, output, as_json, threads)
        return
    for name, value in (("gain", gain), ("topic", topic), ("timeout", timeout), ("live", live)):
        if value and not is_stream:
            raise ConfigError(f"{name} must be left out for a file: only streams have it")
    if by_signal:
        from boltmod.cli.classify_signals import Asked, classify_signals
        from boltmod.recording.quantity import parse_offset
        from boltmod.runtime.signals import Wish

        wish = Wish(
            None if offset is None else parse_offset(offset),
            None if bandwidth is None else parse_rate(bandwidth, "bandwidth", "hertz"),
            None if symbol_rate is None else parse_rate(symbol_rate, "symbol rate", "symbols"),
        )
        heard = (
            open_stream(recording, facts, overload, sys.stdin.buffer)
            if is_stream
            else _with_rate(_opened(recording, sample_format, rate_hz, frequency_hz), any(told))
        )
        asked = Asked(output, picture, summary_only, as_json, threads)
        classify_signals(heard, model, wish, asked)
        return
    source = _opened(recording, sample_format, rate_hz, frequency_hz)
    if output is not None:
        check_target(output, label_files.SUFFIXES)
    classifier = Classifier(model, threads)
    seen: Counter[str | None] = Counter()
    labels = _counted(label_windows(classifier, source), seen)
    summary = {"input": str(recording), "model": str(model), "rate_hz": source.rate_hz}
    if output is not None:
        label_files.write(output, _with_progress(labels, source), source, classifier.model)
        summary["output"] = str(output)
    if as_json:
        windows = [asdict(label) for label in labels] if output is None else None
        emit(_document(summary, windows, seen, source), True, lambda console: None)
    elif output is None:
        _print(labels)
    if not as_json:
        _tell(seen, source)


def _opened(
    path: str, sample_format: str | None, rate_hz: float | None, centre_hz: float | None
) -> RawRecording:
    from boltmod.recording.opening import open_recording

    source = open_recording(Path(path), sample_format, rate_hz)
    return source if centre_hz is None else replace(source, centre_hz=centre_hz)


def _with_rate(source: RawRecording, is_told: bool) -> RawRecording:
    """Count in samples where the rate is unknown, unless something was told in hertz."""
    if source.rate_hz is not None or is_told:
        return source
    stderr.print(
        "the sample rate is unknown: hertz are cycles a sample, seconds are samples; "
        "give it with --rate"
    )
    return replace(source, rate_hz=1.0)


def _print(labels: Iterable[Label]) -> None:
    from boltmod.runtime.label_files import TABLE_HEADING, table_row

    for number, label in enumerate(labels):
        if number == 0:
            stdout.print(TABLE_HEADING, style="bold")
        sure = label.probability is not None and label.probability >= 0.5
        stdout.print(table_row(label), style=None if sure else "dim", markup=False)


def _counted(labels: Iterable[Label], seen: Counter[str | None]) -> Iterator[Label]:
    for label in labels:
        seen[label.class_name] += 1
        yield label


def _with_progress(labels: Iterable[Label], recording: RawRecording) -> Iterator[Label]:
    from boltmod.modulation import FRAME_LENGTH

    with Progress(console=stderr, transient=True) as progress:
        task = progress.add_task("classifying", total=recording.n_samples // FRAME_LENGTH)
        for label in labels:
            progress.advance(task)
            yield label


def _document(
    summary: dict[str, Any],
    windows: list[dict[str, Any]] | None,
    seen: Counter[str | None],
    recording: RawRecording,
) -> dict[str, Any]:
    document = summary | {
        "n_windows": seen.total(),
        "n_left_over_samples": _left_over(recording),
        "n_windows_by_class": {name: n for name, n in seen.most_common() if name is not None},
        "n_constant_windows": seen[None],
    }
    return document if windows is None else document | {"windows": windows}


def _tell(seen: Counter[str | None], recording: RawRecording) -> None:
    from boltmod.runtime.label_files import NO_SIGNAL

    parts = [f"{n} {name or NO_SIGNAL}" for name, n in seen.most_common()]
    stderr.print(f"{seen.total()} windows: {', '.join(parts)}", markup=False)
    if _left_over(recording):
        stderr.print(f"{_left_over(recording)} samples at the end fill no window")
    if recording.rate_hz is None:
        stderr.print("times are in samples, for the sample rate is unknown: give it with --rate")


def _left_over(recording: RawRecording) -> int:
    from boltmod.modulation import FRAME_LENGTH

    return recording.n_samples % FRAME_LENGTH
