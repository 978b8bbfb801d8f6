"""Streams by their address: zmq://, tcp://, ipc://, rtl_tcp:// or soapy:// and what follows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

from boltmod.errors import ConfigError
from boltmod.recording.iq_or_real import is_ambiguous
from boltmod.recording.live.buffer import LiveRecording, Overload
from boltmod.recording.live.byte_source import ByteSource, FileSource
from boltmod.recording.live.wav_pipe import Beginning, WavChunks
from boltmod.recording.raw import SampleFormat

_ADDRESS = re.compile(r"([a-z_]+)://(.*)", re.ASCII)
_ZMQ_SCHEMES = ("zmq", "tcp", "ipc")
_RTL_TCP = "rtl_tcp"
_RTL_TCP_PORT = 1234
_SOAPY = "soapy"
_OF_RECEIVERS = {_RTL_TCP: SampleFormat.CU8, _SOAPY: SampleFormat.CF32}
"""What receivers send."""


@dataclass(frozen=True)
class StreamFacts:
    """What whoever asks says of a stream.

    Args:
        sample_format: Name of its sample format; cf32 over ZeroMQ, cu8 from rtl_tcp if None.
        rate_hz: Samples a second; None if nobody knows.
        frequency_hz: Middle of its band as a radio frequency; receivers tune there.
        gain_db: Gain of a receiver's tuner; its own choice if None.
        topic: What ZeroMQ messages to take; all if None.
        wav: What has been read of a WAV file in a pipe.
    """

    sample_format: str | None = None
    rate_hz: float | None = None
    frequency_hz: float | None = None
    gain_db: float | None = None
    topic: str | None = None
    wav: Beginning | None = None


def is_address(text: str) -> bool:
    """Whether something is written as an address, not as a file's name."""
    return _ADDRESS.fullmatch(text) is not None


def open_stream(
    address: str, facts: StreamFacts, overload: Overload, file: BinaryIO | None = None
) -> LiveRecording:
    """Open a live source.

    Args:
        address: One of those above, or `-` for the file.
        facts: What is known of it.
        overload: What happens when its windows come too fast.
        file: What `-` stands for.

    Raises:
        ConfigError: The address or a fact is wrong or missing.
        SourceError: Nobody answers there.
        ToolNotFoundError: pyzmq or SoapySDR is needed and not installed.
    """
    match = _ADDRESS.fullmatch(address)
    scheme = "-" if match is None else match[1]
    if facts.gain_db is not None and scheme not in (_RTL_TCP, _SOAPY):
        raise ConfigError(f"gain must be left out for {address}: only receivers can be told")
    if facts.topic is not None and scheme not in _ZMQ_SCHEMES:
        raise ConfigError(f"topic must be left out for {address}: only ZeroMQ has topics")
    sample_format = _sample_format(scheme, facts)
    source: ByteSource
    if match is None:
        if file is None:
            raise ConfigError(f"address must be such as zmq://127.0.0.1:5555, not {address!r}")
        source = FileSource(file)
        source.about = _assumed(facts, sample_format)
        if facts.wav is not None:
            source = WavChunks(source, facts.wav)
    elif scheme in _ZMQ_SCHEMES:
        from boltmod.recording.live.zeromq import Subscription

        endpoint = f"tcp://{match[2]}" if scheme == "zmq" else address
        source = Subscription(endpoint, facts.topic or "")
        source.about = _assumed(facts, sample_format)
    elif scheme == _RTL_TCP:
        source = _rtl_tcp(match[2], address, facts)
    elif scheme == _SOAPY:
        source = _soapy(match[2], facts)
    else:
        raise ConfigError(
            "address must begin with zmq://, tcp://, ipc://, rtl_tcp:// or soapy://, "
            f"not {scheme}://: convert the stream, or pipe it in with -"
        )
    live = LiveRecording(source, sample_format, facts.rate_hz, facts.frequency_hz, overload)
    live.started = None if facts.wav is None else facts.wav.started
    return live


def _sample_format(scheme: str, facts: StreamFacts) -> SampleFormat:
    own = _OF_RECEIVERS.get(scheme)
    if own is not None and facts.sample_format not in (None, own.label):
        raise ConfigError(
            f"sample format of {scheme} must be {own.label}, not {facts.sample_format}: "
            "leave --format out"
        )
    if facts.sample_format is not None:
        return SampleFormat.named(facts.sample_format)
    if scheme == "-":
        raise ConfigError(
            "sample format of standard input must be given: add --format cf32, ci16, ci8 or cu8"
        )
    return own or SampleFormat.CF32


def _assumed(facts: StreamFacts, sample_format: SampleFormat) -> str:
    """What a format of two meanings is taken for; nobody can look ahead in a stream."""
    if not is_ambiguous(facts.sample_format or ""):
        return ""
    return f"read as real samples: --format {sample_format.iq.label} if they are I and Q in turn"


def _rtl_tcp(place: str, address: str, facts: StreamFacts) -> ByteSource:
    from boltmod.recording.live.rtl_tcp import RtlTcp, Tuning

    host, _, port = place.rpartition(":") if ":" in place else (place, "", str(_RTL_TCP_PORT))
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(
            f"address must be such as rtl_tcp://127.0.0.1:1234, not {address!r}: write it so"
        )
    if facts.rate_hz is None:
        raise ConfigError("rate must be given for rtl_tcp: add --rate 2.4M")
    return RtlTcp(host.strip("[]"), int(port), Tuning(facts.rate_hz, facts.frequency_hz,
                                                      facts.gain_db))  # fmt: skip


def _soapy(arguments: str, facts: StreamFacts) -> ByteSource:
    from boltmod.recording.live.soapy import Soapy, Tuning

    if facts.rate_hz is None:
        raise ConfigError("rate must be given for soapy: add --rate 2.4M")
    return Soapy(arguments, Tuning(facts.rate_hz, facts.frequency_hz, facts.gain_db))
