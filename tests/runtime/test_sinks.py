"""Whoever is to be told of signals is told: of each beginning and end, one JSON object."""

import contextlib
import json
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from boltmod.cli.app import app
from boltmod.errors import ConfigError, SourceError
from boltmod.runtime.cut.signal import Signal
from boltmod.runtime.labels import Labels
from boltmod.runtime.sink import outlet
from boltmod.runtime.sink.event import Event
from boltmod.runtime.sink.outlet import Outlets
from boltmod.runtime.sink.signal_events import SignalEvents
from boltmod.runtime.window import Windows
from hand_made_signals import QPSK, linear, noise, shifted

EVENT = Event("2026-01-01T00:00:00Z", 0.0, "start", 1, 1, "QPSK", 0.9, 433.92, 1e3, 2e3, 1e3, 12.0,
              0.5)  # fmt: skip


@pytest.fixture(autouse=True)
def _a_busy_machine_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "_PATIENCE_S", 240.0)


# Events


def windows_at(number: int, *starts: int) -> tuple[Windows, Labels]:
    signal = Signal(number, 1e3, 2e3, None, 0, 1e3, True, 10.0, ((0, 1),))
    samples = np.ones((len(starts), 1024), np.complex64)
    windows = Windows(samples, starts, 1000, 1e4, signal, tuned_hz=100e6)
    shares = np.array([[0.9, 0.1]] * len(starts), np.float32)
    return windows, Labels(windows, ("QPSK", "BPSK"), shares, np.zeros(len(starts), np.bool_))


def told(*batches: tuple[Windows, Labels], n_piece: int = 10_000) -> list[tuple[Any, ...]]:
    events: list[Event] = []
    sink = SignalEvents(("QPSK", "BPSK"), events.append, n_piece)
    for batch in batches:
        sink.add(*batch)
    sink.close()
    return [(each.event, each.id, each.signal, each.time_s) for each in events]


def test_a_signal_begins_and_ends_once() -> None:
    assert told(windows_at(1, 0, 1000), windows_at(1, 2000)) == [
        ("start", 1, 1, 0.0), ("end", 1, 1, 0.3),
    ]  # fmt: skip


def test_a_second_of_silence_is_an_end() -> None:
    assert told(windows_at(1, 0), windows_at(1, 11_500), windows_at(1, 22_000)) == [
        ("start", 1, 1, 0.0), ("end", 1, 1, 0.1), ("start", 2, 1, 1.15), ("end", 2, 1, 2.3),
    ]  # fmt: skip


def test_what_others_say_ends_a_signal_only_after_whole_pieces() -> None:
    assert told(windows_at(1, 0), windows_at(2, 30_000), windows_at(1, 9000)) == [
        ("start", 1, 1, 0.0), ("start", 2, 2, 3.0), ("end", 1, 1, 1.0), ("end", 2, 2, 3.1),
    ]  # fmt: skip
    assert told(windows_at(1, 0), windows_at(2, 31_500)) == [
        ("start", 1, 1, 0.0), ("start", 2, 2, 3.15), ("end", 1, 1, 0.1), ("end", 2, 2, 3.25),
    ]  # fmt: skip


def test_an_event_has_the_words_of_rtl_433() -> None:
    document = EVENT.as_dict()
    assert list(document)[:2] == ["time", "model"]
    assert document["model"] == "boltmod"
    assert (document["mod"], document["freq"], document["snr"]) == ("QPSK", 433.92, 12.0)


# Outlets


@contextlib.contextmanager
def web_server(answer: int = 204) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    taken: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append({
                "path": self.path, "type": self.headers["Content-Type"],
                "who": self.headers["Authorization"], "event": json.loads(content),
            })  # fmt: skip
            self.send_response(answer)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1], taken
        finally:
            server.shutdown()
            thread.join()


def test_a_web_server_gets_a_post_an_event() -> None:
    with web_server() as (port, taken):
        with Outlets([f"http://me:s%20t@127.0.0.1:{port}/events?x=1"]) as outlets:
            outlets.send(EVENT)
            outlets.send(EVENT)
        assert [each["event"] for each in taken] == [EVENT.as_dict()] * 2
        assert taken[0]["path"] == "/events?x=1"
        assert taken[0]["type"] == "application/json"
        assert taken[0]["who"] == "Basic bWU6cyB0"
        assert outlets.losses == []


def test_what_is_not_taken_is_counted_and_no_password_said() -> None:
    with web_server(answer=500) as (port, _):
        with Outlets([f"http://me:secret@127.0.0.1:{port}/"]) as outlets:
            outlets.send(EVENT)
        assert outlets.losses == [
            f"http://127.0.0.1:{port}: 1 of 1 events lost (HTTP Error 500: Internal Server Error)"
        ]


def test_a_port_gets_a_datagram_an_event() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(240)
        with Outlets([f"udp://127.0.0.1:{receiver.getsockname()[1]}"]) as outlets:
            outlets.send(EVENT)
        assert json.loads(receiver.recv(65_536)) == EVENT.as_dict()


class Broker(socketserver.StreamRequestHandler):
    """As much of MQTT 3.1.1 as a publisher needs; it may leave at any time."""

    taken: list[tuple[str, bytes]]

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            while head := self.rfile.read(1):
                self.answer(head[0] >> 4, self.rfile.read(self.length()))

    def length(self) -> int:
        length, shift = 0, 0
        while byte := self.rfile.read(1):
            length |= (byte[0] & 127) << shift
            shift += 7
            if not byte[0] & 128:
                break
        return length

    def answer(self, kind: int, body: bytes) -> None:
        if kind == 1:  # CONNECT
            self.wfile.write(b"\x20\x02\x00\x00")
        elif kind == 3:  # PUBLISH
            (n,) = struct.unpack_from(">H", body)
            number, content = body[2 + n : 4 + n], body[4 + n :]
            self.taken.append((body[2 : 2 + n].decode(), content))
            self.wfile.write(b"\x40\x02" + number)


@pytest.mark.parametrize(("path", "topic"), [("", "boltmod/events"), ("/air/433", "air/433")])
def test_a_broker_gets_a_message_an_event(path: str, topic: str) -> None:
    pytest.importorskip("paho.mqtt")
    Broker.taken = []
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Broker) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Outlets([f"mqtt://127.0.0.1:{server.server_address[1]}{path}"]) as outlets:
            outlets.send(EVENT)
        server.shutdown()
    assert [(where, json.loads(what)) for where, what in Broker.taken] == [(topic, EVENT.as_dict())]
    assert outlets.losses == []


def test_nobody_at_an_address_is_said() -> None:
    pytest.importorskip("paho.mqtt")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(SourceError) as raised, Outlets([f"mqtt://me:secret@127.0.0.1:{port}"]):
        pass
    assert str(raised.value) == (
        f"mqtt://127.0.0.1:{port} must answer, and does not (Connection refused): start it, or "
        "check it"
    )


@pytest.mark.parametrize(
    "address", ["ftp://a/b", "udp://host", "mqtt:///topic", "http://[", "mqtt://h/a/%23", "x"]
)
def test_an_address_of_no_sink_is_refused(address: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Outlets([address])
    assert str(raised.value) == (
        "sink must be such as mqtt://HOST/TOPIC, udp://HOST:PORT or http://HOST/PATH, "
        f"not {address!r}: write it so"
    )


# On the command line


def test_classify_tells_of_the_signals_of_a_recording(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    n = 1 << 17
    wave = shifted(linear(rng, n, 1 / 32, QPSK), 0.125) + noise(rng, n, 0.1)
    path = tmp_path / "air_433.92M_1000k.cf32"
    wave.astype(np.complex64).tofile(path)
    with web_server() as (port, taken):
        sink = f"http://127.0.0.1:{port}/"
        result = CliRunner().invoke(app, ["classify", str(path), "--sink", sink])
    assert result.exit_code == 0, result.output
    events = [each["event"] for each in taken]
    assert [(each["event"], each["mod"]) for each in events] == [("start", "QPSK"), ("end", "QPSK")]
    assert events[0]["freq"] == pytest.approx(434.045, abs=0.003)
    assert events[0]["symbol_rate_hz"] == pytest.approx(31_250, rel=1e-3)
    assert events[1]["duration_s"] == pytest.approx(n / 1e6, rel=0.05)


def test_a_sink_needs_one_recording_and_signals(tmp_path: Path) -> None:
    for name in ("a.cf32", "b.cf32"):
        np.ones(4096, np.complex64).tofile(tmp_path / name)
    both = [str(tmp_path / name) for name in ("a.cf32", "b.cf32")]
    result = CliRunner().invoke(app, ["classify", *both, "--sink", "udp://127.0.0.1:9"])
    assert "sink must be left out for several recordings" in str(result.exception)
    result = CliRunner().invoke(
        app, ["classify", both[0], "--channel", "none", "--sink", "udp://127.0.0.1:9"]
    )
    assert "channel must not be none" in str(result.exception)
