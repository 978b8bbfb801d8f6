"""Where events go: an MQTT broker, a UDP port, a web server. One JSON object an event."""

from __future__ import annotations

import json
import queue
import socket
import threading
from base64 import b64encode
from collections.abc import Sequence
from http.client import HTTPException
from typing import Protocol
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import Request, urlopen

from boltmod.errors import BoltmodError, ConfigError, SourceError, ToolNotFoundError
from boltmod.runtime.sink.event import MODEL, Event

_MOST_WAITING = 1000
"""Events that may wait for an outlet that is slow."""
_PATIENCE_S = 5.0
_SCHEMES = ("mqtt", "mqtts", "udp", "http", "https")
_MQTT_PORTS = {"mqtt": 1883, "mqtts": 8883}
_TOPIC = f"{MODEL}/events"


class Outlet(Protocol):
    """What takes an event as text."""

    def send(self, content: bytes) -> None:
        """Hand it over.

        Raises:
            OSError: It was not taken.
        """

    def close(self) -> None:
        """Let go of the other end."""


class _Udp:
    """A datagram an event."""

    def __init__(self, url: SplitResult) -> None:
        address = _host(url), url.port or 0
        try:
            family, kind, *_, place = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
        except OSError as error:
            raise _unreachable(url, error) from None
        self._place = place
        self._socket = socket.socket(family, kind)

    def send(self, content: bytes) -> None:
        self._socket.sendto(content, self._place)

    def close(self) -> None:
        self._socket.close()


class _Http:
    """A POST an event."""

    def __init__(self, url: SplitResult) -> None:
        self._headers = {"Content-Type": "application/json", "User-Agent": MODEL}
        if url.username is not None:
            pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
            self._headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        self._url = url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()

    def send(self, content: bytes) -> None:
        try:
            request = Request(self._url, content, self._headers, method="POST")
            with urlopen(request, timeout=_PATIENCE_S) as answer:
                answer.read()
        except HTTPException as error:
            raise OSError(f"no answer of a web server: {error!r}") from None

    def close(self) -> None:
        pass


class _Mqtt:
    """A message an event, delivered at least once (quality of service 1)."""

    def __init__(self, url: SplitResult) -> None:
        try:
            from paho.mqtt.client import Client, MQTTMessageInfo
            from paho.mqtt.enums import CallbackAPIVersion
        except ModuleNotFoundError:
            raise ToolNotFoundError(
                "paho-mqtt must be installed to tell an MQTT broker, and is not: "
                "install it with pip install 'boltmod[mqtt]'"
            ) from None
        self._topic = unquote(url.path.strip("/")) or _TOPIC
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.max_queued_messages_set(_MOST_WAITING)
        if url.username is not None:
            self._client.username_pw_set(unquote(url.username), unquote(url.password or ""))
        if url.scheme == "mqtts":
            self._client.tls_set()
        try:
            self._client.connect(_host(url), url.port or _MQTT_PORTS[url.scheme])
        except OSError as error:
            raise _unreachable(url, error) from None
        self._client.loop_start()
        self._last: MQTTMessageInfo | None = None

    def send(self, content: bytes) -> None:
        self._last = self._client.publish(self._topic, content, qos=1)
        if self._last.rc not in (0, 4):  # 4: not connected for a moment, and queued
            raise OSError(f"the broker is gone, and {_MOST_WAITING:,} events wait for it")

    def close(self) -> None:
        if self._last is not None:
            try:
                self._last.wait_for_publish(_PATIENCE_S)
            except (RuntimeError, ValueError) as error:
                raise OSError(str(error)) from None
        self._client.disconnect()
        self._client.loop_stop()


class _Delivery:
    """Events on their way to an outlet, in a thread: nobody who sends one waits.

    Args:
        outlet: Where they go.
        name: What messages call it.
    """

    def __init__(self, outlet: Outlet, name: str) -> None:
        self._outlet, self._name = outlet, name
        self._waiting: queue.Queue[bytes | None] = queue.Queue(_MOST_WAITING)
        self._n, self._n_lost, self._reason = 0, 0, ""
        self._thread = threading.Thread(target=self._run, name=f"boltmod-{name}", daemon=True)
        self._thread.start()

    def send(self, content: bytes) -> None:
        """Take an event; it is lost if too many wait."""
        self._n += 1
        try:
            self._waiting.put_nowait(content)
        except queue.Full:
            self._lose(f"{_MOST_WAITING:,} were waiting")

    def close(self) -> str | None:
        """Deliver what waits, within a few seconds.

        Returns:
            How many were lost, in words; None if none were.
        """
        try:
            self._waiting.put(None, timeout=_PATIENCE_S)
        except queue.Full:
            self._lose("it was too slow")
        self._thread.join(_PATIENCE_S)
        try:
            self._outlet.close()
        except OSError as error:
            self._lose(str(error))
        if not self._n_lost:
            return None
        return f"{self._name}: {self._n_lost:,} of {self._n:,} events lost ({self._reason})"

    def _run(self) -> None:
        for content in iter(self._waiting.get, None):
            try:
                self._outlet.send(content)
            except OSError as error:
                self._lose(str(error))

    def _lose(self, reason: str) -> None:
        self._n_lost, self._reason = self._n_lost + 1, reason


class Outlets:
    """Several outlets; each gets every event. Use them as a context manager.

    Args:
        addresses: mqtt://HOST[:PORT][/TOPIC], udp://HOST:PORT or http://HOST[:PORT][/PATH]; mqtts
            and https are encrypted; USER:PASSWORD@ may precede the host but for UDP.

    Raises:
        ConfigError: An address is none of these.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        self._urls = [_parsed(each) for each in addresses]
        self._deliveries: list[_Delivery] = []
        self.losses: list[str] = []
        """What was not delivered, in words, once they are left."""

    def __enter__(self) -> Outlets:
        """Open them.

        Raises:
            SourceError: Nobody answers there.
            ToolNotFoundError: paho-mqtt is needed and not installed.
        """
        try:
            for url in self._urls:
                self._deliveries.append(_Delivery(_opened(url), _name(url)))
        except BoltmodError:
            self.close()
            raise
        return self

    def __exit__(self, *ended: object) -> None:
        self.close()

    def send(self, event: Event) -> None:
        """Send an event to each."""
        content = json.dumps(event.as_dict(), allow_nan=False).encode()
        for delivery in self._deliveries:
            delivery.send(content)

    def close(self) -> None:
        """Deliver what waits, within some seconds."""
        closed = [each.close() for each in self._deliveries]
        self.losses += [each for each in closed if each is not None]
        self._deliveries = []


def _opened(url: SplitResult) -> Outlet:
    if url.scheme == "udp":
        return _Udp(url)
    return _Http(url) if url.scheme in ("http", "https") else _Mqtt(url)


def _parsed(address: str) -> SplitResult:
    try:
        url = urlsplit(address)
        is_whole = bool(url.hostname) and (url.scheme != "udp" or url.port is not None)
    except ValueError:
        is_whole = False
    if not is_whole or url.scheme not in _SCHEMES or set("#+") & set(unquote(url.path)):
        shown = address.rpartition("@")[2]  # no password in messages
        raise ConfigError(
            "sink must be such as mqtt://HOST/TOPIC, udp://HOST:PORT or http://HOST/PATH, "
            f"not {shown!r}: write it so"
        )
    return url


def _host(url: SplitResult) -> str:
    return url.hostname or ""


def _name(url: SplitResult) -> str:
    """The address without user and password."""
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"


def _unreachable(url: SplitResult, error: OSError) -> SourceError:
    reason = error.strerror or str(error)
    return SourceError(f"{_name(url)} must answer, and does not ({reason}): start it, or check it")
