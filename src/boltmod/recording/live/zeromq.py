"""Samples that a ZeroMQ publisher sends, as GNU Radio's ZMQ PUB Sink does.

Source: ZeroMQ RFC 29/PUBSUB; gr-zeromq `pub_sink_impl.cc`: a message holds the bytes of some items
as they lie in memory; with a key, the key comes before them as a message part of its own; with
"Pass Tags", a header of tags.
"""

from __future__ import annotations

from typing import Any

from boltmod.errors import ConfigError, ToolNotFoundError
from boltmod.recording.live import pass_tags

_MOST_MESSAGE_BYTES = 8 << 20
"""GNU Radio's sinks send what lies in a buffer, which has some hundred kilobytes."""
_MOST_WAITING = 128
"""Messages; with the above, what a publisher may make this process hold is 1 GiB."""


class Subscription:
    """A subscription to a publisher's messages, joined into one stream of bytes.

    ZeroMQ connects, and connects again, by itself: the publisher may start later and may go away.

    Args:
        address: Where it publishes: `tcp://HOST:PORT` or `ipc://PATH`.
        topic: Messages that begin so are taken. A topic that is a part of its own, and one that
            stands before the samples, are both left out of the stream.

    Raises:
        ToolNotFoundError: pyzmq is not installed.
        ConfigError: The address is none.
    """

    def __init__(self, address: str, topic: str = "") -> None:
        self._zmq = _import_zmq()
        self.name = address
        self.about = ""
        self._topic = topic.encode()
        self._has_tags: bool | None = None
        self._is_connected = self._was_connected = False
        self._context = self._zmq.Context()
        self._socket = self._context.socket(self._zmq.SUB)
        self._socket.linger = 0
        self._socket.maxmsgsize = _MOST_MESSAGE_BYTES
        self._socket.rcvhwm = _MOST_WAITING
        self._socket.ipv6 = "[" in address
        self._socket.subscribe(self._topic)
        events = self._zmq.EVENT_HANDSHAKE_SUCCEEDED | self._zmq.EVENT_DISCONNECTED
        self._monitor = self._socket.get_monitor_socket(events)
        try:
            self._socket.connect(address)
        except self._zmq.ZMQError as error:
            self.close()
            raise ConfigError(
                f"address must be such as zmq://127.0.0.1:5555, not {address!r} "
                f"({self._zmq.strerror(error.errno).lower()}): write it so"
            ) from None
        self._poller = self._zmq.Poller()
        self._poller.register(self._socket, self._zmq.POLLIN)
        self._poller.register(self._monitor, self._zmq.POLLIN)

    @property
    def state(self) -> str:
        """Whether there is a publisher."""
        if self._is_connected:
            return "its publisher is silent"
        return "its publisher went away" if self._was_connected else "nobody publishes there"

    def read(self, timeout_s: float) -> bytes | None:
        """As `ByteSource.read`; a subscription never ends."""
        ready = dict(self._poller.poll(timeout_s * 1000))
        if self._monitor in ready:
            self._note_connection()
        if self._socket not in ready:
            return None
        parts: list[bytes] = self._socket.recv_multipart()
        if len(parts) > 1:
            return self._samples_of(b"".join(parts[1:])) or None
        return self._samples_of(parts[0][len(self._topic) :]) or None

    def _samples_of(self, message: bytes) -> bytes:
        """A message without its tags; whether there are any, the first one tells."""
        if self._has_tags is False:
            return message
        samples = pass_tags.samples_of(message)
        if self._has_tags is None:
            self._has_tags = samples is not None
        return message if samples is None else samples

    def _note_connection(self) -> None:
        from zmq.utils.monitor import recv_monitor_message

        event = recv_monitor_message(self._monitor)["event"]
        self._is_connected = event == self._zmq.EVENT_HANDSHAKE_SUCCEEDED
        self._was_connected = True

    def close(self) -> None:
        """End the subscription."""
        self._socket.disable_monitor()
        self._monitor.close()
        self._socket.close()
        self._context.term()


def _import_zmq() -> Any:
    try:
        import zmq
    except ModuleNotFoundError:
        raise ToolNotFoundError(
            "pyzmq must be installed to hear a ZeroMQ publisher, and is not: "
            "install it with pip install 'boltmod[live]'"
        ) from None
    return zmq
