"""The page served: uvicorn around the application."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette

from boltmod.errors import ConfigError
from boltmod.serve.guard import is_local

_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,200}", re.ASCII)
_LINGER_S = 2
"""Time that open connections are given at the end."""


@dataclass(frozen=True)
class Place:
    """Where the page is.

    Args:
        host: Address to listen at.
        port: Port, any free one if 0.
        token: What whoever comes must know; None if only this computer reaches it.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = None

    @classmethod
    def of(cls, host: str, port: int, token: str | None) -> Place:
        """A place that is guarded by a token, made here if none is given, where it must be.

        Raises:
            ConfigError: The token could be guessed, or does not fit into an address.
        """
        if token is not None and not _TOKEN.fullmatch(token):
            raise ConfigError(
                "token must be at least 8 letters, digits, - or _, for it stands in the page's "
                "address: leave it out, and one is drawn"
            )
        if token is None and not is_local(host):
            token = secrets.token_urlsafe(16)
        return cls(host, port, token)

    def bound(self) -> socket.socket:
        """A socket that listens there.

        Raises:
            ConfigError: Somebody else does, or the address is none of this computer's.
        """
        try:
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            return socket.create_server((self.host, self.port), family=family)
        except OSError as error:
            is_number = error.errno and not isinstance(error, socket.gaierror)
            reason = os.strerror(error.errno or 0) if is_number else error.strerror or str(error)
            raise ConfigError(
                f"page must be served at a free address, and {self.host}:{self.port} is not "
                f"({reason}): give another --port or --host"
            ) from None

    def url(self, port: int) -> str:
        """The address to open."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        key = "" if self.token is None else f"?token={self.token}"
        return f"http://{host}:{port}/{key}"


def serve_page(app: Starlette, listening: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve the page until Ctrl-C.

    Args:
        app: The application.
        listening: Where it is asked.
        on_ready: Called once it answers.
    """
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    server = Server(app, on_ready)
    server.run([listening])


class Server(uvicorn.Server):
    """A server that says when it answers.

    Args:
        app: The application.
        on_ready: Called once it answers.
    """

    def __init__(self, app: Starlette, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app, log_config=None, access_log=False, timeout_graceful_shutdown=_LINGER_S,
                ws="websockets-sansio", ws_per_message_deflate=False,
            )
        )  # fmt: skip
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._on_ready()
