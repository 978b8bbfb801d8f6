"""`boltmod serve`: a live page of a source's waterfall and signals."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from boltmod.cli.sinks import SinkOption, opened
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
from boltmod.cli.strangers import LimitOption, rehearse
from boltmod.cli.terminal import JsonOption, emit, stderr

if TYPE_CHECKING:
    from boltmod.recording.live.address import StreamFacts
    from boltmod.recording.opening import FileFacts
    from boltmod.recording.recording import Recording


def serve(  # noqa: PLR0913 (the command's options)
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="A recording, played back at its rate; - for a pipe; zmq://HOST:PORT, "
            "rtl_tcp://HOST:PORT or soapy://driver=NAME. Generated signals if not given.",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", "-m", help="The classifier, an ONNX file; boltmod's own if not."),
    ] = None,
    sample_format: FormatOption = None,
    is_real: RealOption = None,
    channels: ChannelsOption = None,
    rate: RateOption = None,
    frequency: FrequencyOption = None,
    gain: GainOption = None,
    topic: TopicOption = None,
    loop: Annotated[bool, typer.Option("--loop", help="Play a recording again and again.")] = False,
    host: Annotated[
        str, typer.Option(help="Address to serve at; others than this computer's need the token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to serve at; any free one if 0.")
    ] = 8765,
    token: Annotated[
        str | None, typer.Option(help="What whoever opens the page must know; drawn if needed.")
    ] = None,
    sink: SinkOption = None,
    iqengine: Annotated[
        str | None,
        typer.Option(
            metavar="ORIGIN",
            help="Be a plugin of the IQEngine at ORIGIN too, such as https://iqengine.org.",
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Processors for the network.")] = 1,
    engine: EngineOption = "auto",
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Show a source on a page in the browser: its waterfall, and its signals by name.

    Ctrl-C ends it. With --json the page's address is printed as a document, once it answers.
    """
    from boltmod.extras import named
    from boltmod.model import shipped
    from boltmod.recording.live.address import StreamFacts
    from boltmod.recording.opening import FileFacts
    from boltmod.recording.quantity import parse_channels, parse_rate
    from boltmod.runtime.session import Classifier

    with named("boltmod serve"):
        import python_multipart
        import starlette
        import uvicorn
        import websockets  # noqa: F401 (uvicorn imports it later)

        del python_multipart, starlette, uvicorn
    from boltmod.serve.app import application
    from boltmod.serve.server import Place, serve_page
    from boltmod.serve.station import Station
    from boltmod.serve.viewers import Viewers

    rate_hz = None if rate is None else parse_rate(rate)
    centre_hz = None if frequency is None else parse_rate(frequency, "frequency", "hertz")
    place = Place.of(host, port, token)
    recording = _open(
        source,
        FileFacts(sample_format, rate_hz, centre_hz, is_real,
                  None if channels is None else parse_channels(channels)),
        StreamFacts(sample_format, rate_hz, centre_hz, gain, topic),
        loop,
    )  # fmt: skip
    for note in recording.notes:
        stderr.print(note, markup=False, soft_wrap=True)
    path = shipped.path_of(shipped.DEFAULT) if model is None else model
    rehearse(path, engine, limit)
    classifier, viewers = Classifier(path, threads, engine), Viewers()
    with ExitStack() as stack:
        outlets = stack.enter_context(opened(sink or ()))
        station = Station(recording, classifier, viewers, outlets.send)
        listening = stack.enter_context(place.bound())
        url = place.url(listening.getsockname()[1])

        def say() -> None:
            document = {"url": url, "source": recording.name, "rate_hz": recording.rate_hz}
            words = f"{recording.name}: open {url} (Ctrl-C ends)"
            emit(document, as_json, lambda console: console.print(
                words, markup=False, soft_wrap=True, highlight=False))  # fmt: skip
            sys.stdout.flush()

        app = application(station, viewers, place.token, iqengine)
        serve_page(app, listening, say)
    if station.failure is not None:
        from boltmod.errors import SourceError

        raise SourceError(station.failure)


def _open(
    source: str | None, facts: FileFacts, stream_facts: StreamFacts, is_endless: bool
) -> Recording:
    """What is to be shown, in real time.

    Raises:
        ConfigError: Something was told that such a source does not have.
    """
    from boltmod.errors import ConfigError
    from boltmod.recording.live.address import is_address
    from boltmod.recording.opening import FileFacts, open_as
    from boltmod.serve.paced import Paced

    if source is None:
        from boltmod.serve.demonstration import demonstration

        if facts != FileFacts() or stream_facts != type(stream_facts)():
            raise ConfigError("options of a source must be left out without one: give a SOURCE")
        return Paced(demonstration(), is_endless=True)
    if source == "-" or is_address(source):
        if is_endless:
            raise ConfigError("loop must be left out for a stream: only files can be repeated")
        if facts.channels is not None or facts.is_real is not None:
            raise ConfigError(
                "--channels, --real and --iq must be left out for a stream: give its --format"
            )
        return _open_stream(source, stream_facts)
    if stream_facts.gain_db is not None or stream_facts.topic is not None:
        raise ConfigError("gain and topic must be left out for a file: only streams have them")
    return Paced(open_as(Path(source), facts), is_endless)


def _open_stream(source: str, facts: StreamFacts) -> Recording:
    from boltmod.recording.live import wav_pipe
    from boltmod.recording.live.address import open_stream
    from boltmod.recording.live.buffer import Overload

    if source == "-" and facts.sample_format is None and not sys.stdin.isatty():
        begun = wav_pipe.beginning_of(sys.stdin.buffer)
        if begun is not None:
            facts = replace(
                facts,
                sample_format=begun.sample_format.label,
                rate_hz=facts.rate_hz or begun.header.rate_hz,
                frequency_hz=facts.frequency_hz or begun.centre_hz,
                wav=begun,
            )
    return open_stream(source, facts, Overload(), sys.stdin.buffer)
