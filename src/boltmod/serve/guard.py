"""Who may look at the page: nobody from another site's page, nobody from afar without the token."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Mapping
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE = "boltmod_token"
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


def is_local(host: str) -> bool:
    """Whether only this computer reaches a page at an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name_of(host: str) -> str | None:
    """The name in a request's Host, without its port; None if it is no host."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


class Guard:
    """Refuses requests before anything is done with them.

    A page of another site can make a browser ask here. It is known by the host that was asked for
    (which a name that resolves to 127.0.0.1 would give away) and by its origin.

    Args:
        app: What is guarded.
        token: What whoever comes must know; None if nobody must.
        guests: Origins of other sites' pages, by the beginning of the paths that they may ask for.
    """

    def __init__(
        self, app: ASGIApp, token: str | None, guests: Mapping[str, str] | None = None
    ) -> None:
        self._app, self._token, self._guests = app, token, dict(guests or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As any ASGI application."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        reason = self._refusal(scope)
        if reason is not None:
            await _refuse(scope, receive, send, reason)
            return
        await self._app(scope, receive, self._with_cookie(scope, send))

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._token is None and _name_of(host) not in _LOCAL_NAMES:
            return "this page is for this computer alone: open it at 127.0.0.1"
        origin = headers.get("origin")
        is_guest = origin is not None and any(
            origin == guest and scope["path"].startswith(path)
            for path, guest in self._guests.items()
        )
        if origin is not None and not is_guest and origin.partition("://")[2] != host:
            return "another site's page may not ask"
        if self._token is not None and not self._knows_token(scope, headers):
            return "the token is missing or wrong: open the address that boltmod serve printed"
        return None

    def _knows_token(self, scope: Scope, headers: Headers) -> bool:
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        given = [*query.get("token", []), headers.get("authorization", "").removeprefix("Bearer ")]
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        if cookie is not None:
            given.append(cookie.value)
        expected = (self._token or "").encode()
        return any(secrets.compare_digest(each.encode(), expected) for each in given)

    def _with_cookie(self, scope: Scope, send: Send) -> Callable[..., Awaitable[None]]:
        """Sends answers with the token as a cookie, so that the page's own requests have it."""
        if self._token is None or scope["type"] != "http":
            return send
        cookie = f"{COOKIE}={self._token}; HttpOnly; SameSite=Strict; Path=/"

        async def sending(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", []), (b"set-cookie", cookie.encode())]  # type: ignore[misc]
                message = {**message, "headers": headers}
            await send(message)

        return sending


async def _refuse(scope: Scope, receive: Receive, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 4403, "reason": reason})
        return
    await PlainTextResponse(reason + "\n", 403)(scope, receive, send)
