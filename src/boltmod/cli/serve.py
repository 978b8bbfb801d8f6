"""`boltmod serve`: a live page of a source's waterfall and signals."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from boltmod.cli.terminal import JsonOption, emit, stderr

if TYPE_CHECKING:
    from boltmod.recording.recording import Recording


def serve(  # noqa: PLR0913 (the command's options)
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="A recording, played back at its rate; - for a pipe; zmq://HOST:PORT, "
            "rtl_tcp://HOST:PORT or soapy://driver=rtlsdr. Generated signals if not given.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="The classifier, an ONNX file; boltmod's own if not."),
    ] = None,
    sample_format: Annotated[
        str | None, typer.Option("--format", "-f", help="cf32, ci16, ci8 or cu8.")
    ] = None,
    rate: Annotated[
        str | None, typer.Option("--rate", "-r", help="Samples a second, such as 240k or 2.4M.")
    ] = None,
    frequency: Annotated[
        str | None, typer.Option(help="Middle of the band on the air; receivers are tuned there.")
    ] = None,
    gain: Annotated[
        float | None, typer.Option(help="Gain of a receiver in dB; automatic if not.")
    ] = None,
    topic: Annotated[str | None, typer.Option(help="ZeroMQ messages to take; all if not.")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Play a recording again and again.")] = False,
    host: Annotated[
        str, typer.Option(help="Address to serve at; others than this computer's need the token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to serve at; any free one if 0.")] = 8765,
    token: Annotated[
        str | None, typer.Option(help="What whoever opens the page must know; drawn if needed.")
    ] = None,
    sink: Annotated[
        list[str] | None,
        typer.Option(
            help="Send each signal's beginning and end to mqtt://HOST/TOPIC, udp://HOST:PORT "
            "or http://HOST/PATH; may be repeated."
        ),
    ] = None,
    threads: Annotated[int, typer.Option(help="Processors that the network may use.")] = 1,
    engine: Annotated[
        str, typer.Option(help="What runs the network: auto, integer or onnxruntime.")
    ] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Show a source on a page in the browser: its waterfall, and its signals by name.

    Ctrl-C ends it.
    """
    from boltmod.extras import named
    from boltmod.model import shipped
    from boltmod.recording.quantity import parse_rate
    from boltmod.runtime.session import Classifier

    with named("boltmod serve"):
        import starlette
        import uvicorn
        import websockets  # noqa: F401 (uvicorn imports it later)

        del starlette, uvicorn
    from contextlib import ExitStack

    from boltmod.recording.live.address import StreamFacts
    from boltmod.runtime.sink.event import senders
    from boltmod.serve.app import application
    from boltmod.serve.server import Place
    from boltmod.serve.server import serve as serve_page
    from boltmod.serve.station import Station
    from boltmod.serve.viewers import Viewers

    facts = StreamFacts(
        sample_format,
        None if rate is None else parse_rate(rate),
        None if frequency is None else parse_rate(frequency, "frequency", "hertz"),
        gain,
        topic,
    )
    place = Place.of(host, port, token)
    path = shipped.path_of(shipped.DEFAULT) if model is None else model
    recording = _opened(source, facts, loop)
    for note in recording.notes:
        stderr.print(note, markup=False, soft_wrap=True)
    with ExitStack() as stack:
        outlets = stack.enter_context(senders(sink or []))
        viewers = Viewers()
        station = Station(recording, Classifier(path, threads, engine), viewers, outlets.send_row)
        listening = stack.enter_context(place.bound())
        url = place.url(listening.getsockname()[1])

        def say() -> None:
            document = {"url": url, "source": recording.name, "rate_hz": recording.rate_hz}
            emit(document, as_json, lambda console: console.print(
                f"{recording.name}: open {url} (Ctrl-C ends)", markup=False, soft_wrap=True,
                highlight=False))  # fmt: skip
            sys.stdout.flush()

        serve_page(application(station, viewers, place.token), listening, say)
    if station.failure:
        from boltmod.errors import SourceError

        raise SourceError(station.failure)


def _opened(source: str | None, facts: object, loop: bool) -> Recording:
    """What is to be shown, in real time."""
    from boltmod.errors import ConfigError
    from boltmod.recording.live.address import StreamFacts, is_address, open_stream
    from boltmod.recording.live.buffer import Overload
    from boltmod.recording.opening import FileFacts, open_as
    from boltmod.serve.paced import Paced

    assert isinstance(facts, StreamFacts)
    if source is None:
        from boltmod.serve.demonstration import demonstration

        return Paced(demonstration(), is_endless=True)
    if source == "-" or is_address(source):
        if loop:
            raise ConfigError("loop must be left out for a stream: only files can be repeated")
        return open_stream(source, facts, Overload(), sys.stdin.buffer)
    if facts.gain_db is not None or facts.topic is not None:
        raise ConfigError("gain and topic must be left out for a file: only streams have them")
    named = FileFacts(facts.sample_format, facts.rate_hz, facts.frequency_hz)
    return Paced(open_as(Path(source), named), loop)
