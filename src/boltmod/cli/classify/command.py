"""`boltmod classify`: samples to labels, whatever they come from and wherever they go."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from boltmod.cli.sinks import SinkOption
from boltmod.cli.source_options import (
    ChannelsOption,
    EngineOption,
    FormatOption,
    FrequencyOption,
    GainOption,
    RateOption,
    RealOption,
    TopicOption,
)
from boltmod.cli.stopping import asked_to_stop
from boltmod.cli.strangers import LimitOption, rehearse
from boltmod.cli.terminal import JsonOption, stderr

if TYPE_CHECKING:
    from boltmod.cli.classify.request import Request
    from boltmod.recording.live.buffer import LiveRecording
    from boltmod.recording.raw import RawRecording


def classify(  # noqa: PLR0913 (the command's options)
    recordings: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="A SigMF, WAV, SDRangel, NumPy or raw recording; - for a pipe; zmq://HOST:PORT (a "
            "publisher), rtl_tcp://HOST:PORT or soapy://driver=NAME. Or a folder, or several "
            "recordings.",
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
    sample_format: FormatOption = None,
    is_real: RealOption = None,
    channels: ChannelsOption = None,
    rate: RateOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write to a .csv, .jsonl, .txt (table) or .sigmf-meta file instead; "
            "streams to .csv or .jsonl; several recordings to .parquet, .csv or .jsonl.",
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
    windows: Annotated[
        bool, typer.Option("--windows", help="A line a window, of files too.")
    ] = False,
    truth: Annotated[
        bool,
        typer.Option("--truth", help="Say beside each window what its annotation says it is."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over files that exist.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say of each signal why: its carrier, clock, channel.")
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(help="Write a picture of the band and its signals to a .png file."),
    ] = None,
    sink: SinkOption = None,
    frequency: FrequencyOption = None,
    gain: GainOption = None,
    topic: TopicOption = None,
    live: Annotated[
        bool,
        typer.Option("--live", help="Drop and count windows of a pipe that come too fast."),
    ] = False,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds of silence that end a stream; none do if not.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Processors to use; all if not.")
    ] = None,
    engine: EngineOption = "auto",
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="auto|ADDRESS",
            help="Share several recordings out over a Ray cluster: the one that runs here, or "
            "HOST:PORT.",
        ),
    ] = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Name the modulation of the signals in INPUT, with probability, place and time.

    A file or pipe gets a summary at its end, a line a signal, or with --windows a line for every
    1024-sample window; a stream is told of as it comes.

    With --channel auto, or any of --offset, --bandwidth, --symbol-rate, --summary, --explain,
    --picture and --sink, the signals in the band are found, and each is filtered and resampled to
    8 samples a symbol.

    Of a folder or several recordings it makes one table, a row a signal. Interrupted, the same
    command goes on.
    """
    from boltmod.cli.classify.request import Request, is_many
    from boltmod.recording.quantity import parse_channels, parse_offset, parse_rate
    from boltmod.runtime.cut.signal import Constraints

    constraints = Constraints(
        None if offset is None else parse_offset(offset),
        None if bandwidth is None else parse_rate(bandwidth, "bandwidth", "hertz"),
        None if symbol_rate is None else parse_rate(symbol_rate, "symbol rate", "symbols"),
    )
    request = Request(
        source=recordings[0],
        model=model,
        sample_format=sample_format,
        is_real=is_real,
        channels=None if channels is None else parse_channels(channels),
        rate_hz=None if rate is None else parse_rate(rate),
        frequency_hz=None if frequency is None else parse_rate(frequency, "frequency", "hertz"),
        channel=channel,
        constraints=constraints,
        summary_only=summary_only,
        shows_windows=windows,
        compares=truth,
        overwrites=force,
        explains=explain,
        output=output,
        picture=picture,
        gain_db=gain,
        topic=topic,
        is_live=live,
        timeout_s=timeout,
        threads=threads,
        engine=engine,
        as_json=as_json,
        limit_s=limit,
        sinks=tuple(sink or ()),
    )
    if is_many(recordings, output, cluster):
        from boltmod.cli.classify.many import answer_all

        answer_all(request, recordings, cluster)
        return
    if request.source == "-" and sample_format is None and not sys.stdin.isatty():
        request = _with_header(request)
    request.check()
    answer(request)


def _with_header(request: Request) -> Request:
    """The request with what the header of a WAV file in a pipe says, if there is one."""
    from boltmod.recording.live import wav_pipe

    begun = wav_pipe.beginning_of(sys.stdin.buffer)
    if begun is None:
        return request
    return replace(
        request,
        sample_format=begun.sample_format.label,
        rate_hz=request.rate_hz or begun.header.rate_hz,
        frequency_hz=request.frequency_hz or begun.centre_hz,
        wav=begun,
    )


def answer(request: Request) -> None:
    """Do what is asked: cut, label, and hand the labels to whatever takes them."""
    from boltmod.cli.classify.job import Job
    from boltmod.cli.classify.outputs import outputs, watched
    from boltmod.cli.classify.summary import summary
    from boltmod.runtime.labelling import label_all
    from boltmod.runtime.session import Classifier

    rehearse(request.model_path, request.engine, request.limit_s)
    classifier = Classifier(request.model_path, request.threads, request.engine)
    with ExitStack() as stack:
        if request.is_stream:
            live, is_in_samples = _open_stream(request)
            job = Job(request, classifier, live, live, is_in_samples)
            stack.enter_context(summary(job))
            stack.enter_context(live)
            stack.enter_context(asked_to_stop(live.stop))
            sinks = list(outputs(stack, job, None))
        else:
            file, is_in_samples = _open_file(request)
            job = Job(request, classifier, file, is_in_samples=is_in_samples)
            stack.enter_context(summary(job))
            annotated = replace(file, rate_hz=None) if is_in_samples else file
            sinks = list(outputs(stack, job, annotated))
        label_all(job.cut, watched(stack, job), classifier, sinks)
        job.finish()


def _open_file(request: Request) -> tuple[RawRecording, bool]:
    """Open it; where the rate is unknown, signals are counted in samples unless told in hertz."""
    from boltmod.recording.opening import open_as
    from boltmod.runtime.classify import NO_RATE, counted_in_samples
    from boltmod.runtime.cut.signal import Constraints

    opened = open_as(Path(request.source), request.facts)
    for note in opened.notes:
        stderr.print(note, markup=False, soft_wrap=True)
    told = request.constraints != Constraints()
    if opened.rate_hz is None and request.looks_for_signals and not told:
        stderr.print(f"{NO_RATE}; give it with --rate")
        return counted_in_samples(opened), True
    return opened, False


def _open_stream(request: Request) -> tuple[LiveRecording, bool]:
    """Open it; signals in a pipe of unknown rate are counted in samples, as a file's are."""
    from boltmod.recording.live.address import StreamFacts, open_stream
    from boltmod.recording.live.buffer import Overload
    from boltmod.runtime.classify import NO_RATE

    is_in_samples = request.looks_for_signals and request.rate_hz is None
    facts = StreamFacts(
        request.sample_format,
        1.0 if is_in_samples else request.rate_hz,
        request.frequency_hz,
        request.gain_db,
        request.topic,
        request.wav,
    )
    overload = Overload(lossless=request.is_lossless, patience_s=request.timeout_s)
    live = open_stream(request.source, facts, overload, sys.stdin.buffer)
    for note in live.notes:
        stderr.print(note, markup=False, soft_wrap=True)
    if is_in_samples:
        stderr.print(f"{NO_RATE}; give it with --rate")
    return live, is_in_samples
