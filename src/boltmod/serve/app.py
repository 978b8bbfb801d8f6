"""The page and what it asks for: an ASGI application.

| method and path             | answer                                                       |
|-----------------------------|--------------------------------------------------------------|
| GET /                       | the page                                                     |
| WebSocket /live             | what is new: JSON, and lines of the waterfall as bytes       |
| GET /api/state              | what is listened to, and how it goes                         |
| GET /api/signals            | the session's signals                                        |
| GET /api/signals/{id}       | one of them, with constellation, spectrum and reasons        |
| GET /api/history.{kind}     | the same as a file: csv, jsonl, sigmf-meta                   |
| /plugins                    | IQEngine's plugin interface, if it is asked for              |
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketDisconnect

from boltmod.errors import ConfigError
from boltmod.serve.export import KINDS, written_as
from boltmod.serve.guard import Guard
from boltmod.serve.iqengine import plugin
from boltmod.serve.station import Station
from boltmod.serve.viewers import Viewers, json_of, row_message, signals_message

PAGE = Path(__file__).parent / "page"
_AT_ONCE = 200
"""Signals that a new viewer is given in one message."""
_SECURITY = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class _Page(StaticFiles):
    """The page's files, which load nothing from anywhere else."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_SECURITY)
        return response


def application(
    station: Station, viewers: Viewers, token: str | None = None, iqengine: str | None = None
) -> Starlette:
    """Make the application.

    Args:
        station: What is listened to; started and stopped with the application.
        viewers: Everybody who looks; the station tells them what is new.
        token: What whoever comes must know; None if nobody must.
        iqengine: Origin of the IQEngine whose plugin this is; None if it is none.
    """
    plugins = [] if iqengine is None else [Mount("/plugins", plugin(station.classifier, iqengine))]
    guests = {} if iqengine is None else {"/plugins": iqengine}

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        viewers.attach(asyncio.get_running_loop())
        station.start()
        yield
        await asyncio.to_thread(station.stop)

    async def live(socket: WebSocket) -> None:
        await _live(socket, station, viewers)

    async def state(request: Request) -> Response:
        return JSONResponse(station.hello() | {"status": station.status()})

    async def signals(request: Request) -> Response:
        return JSONResponse([each.as_dict() for each in station.history()])

    async def signal(request: Request) -> Response:
        detail = await asyncio.to_thread(station.detail, request.path_params["id"])
        if detail is None:
            return JSONResponse({"error": "no such signal is remembered"}, 404)
        return JSONResponse(detail)

    async def history(request: Request) -> Response:
        kind = request.path_params["kind"]
        try:
            author = f"boltmod, {station.hello()['model']}"
            text = written_as(kind, station.history(), station.recording, author)
        except ConfigError as error:
            return JSONResponse({"error": str(error)}, 404)
        name = f'attachment; filename="boltmod-signals.{kind}"'
        return Response(text, media_type=KINDS[kind], headers={"Content-Disposition": name})

    return Starlette(
        routes=[
            WebSocketRoute("/live", live),
            Route("/api/state", state),
            Route("/api/signals", signals),
            Route("/api/signals/{id:int}", signal),
            Route("/api/history.{kind}", history),
            *plugins,
            Mount("/", _Page(directory=PAGE, html=True)),
        ],
        middleware=[Middleware(Guard, token=token, guests=guests)],
        lifespan=lifespan,
    )


async def _live(socket: WebSocket, station: Station, viewers: Viewers) -> None:
    """Tell a viewer what there is, then what is new, until it goes."""
    await socket.accept()
    queue = viewers.join()
    try:
        await socket.send_text(json_of(station.hello()))
        known = station.history()
        for start in range(0, len(known), _AT_ONCE):
            await socket.send_text(signals_message(known[start : start + _AT_ONCE]))
        for row, utc in station.backlog():
            await socket.send_bytes(row_message(row, utc))
        await socket.send_text(json_of(station.status() | {"n_viewers": viewers.n}))
        leaving = asyncio.create_task(_gone(socket))
        while not leaving.done():
            new = asyncio.create_task(queue.get())
            await asyncio.wait({new, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not new.done():
                new.cancel()
                break
            message = new.result()
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_text(message)
    except (WebSocketDisconnect, RuntimeError):
        pass  # it went away while it was told something
    finally:
        viewers.leave(queue)


async def _gone(socket: WebSocket) -> None:
    """Wait until a viewer goes; whatever it says meanwhile is not listened to."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
