"""A request ends with its client, or with the server.

Whoever hangs up before the answer wants none, and what runs for it must not keep a worker from
others. Whoever is still waiting when the server's time to drain is over is told 503. Plain ASGI.

The rest of the request is read here once the route has the whole body: what comes then is the
client's end. Cancelling the route cancels its job, whose program is ended at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sv_engine.serve.admission import client as client_address

_ENDING = json.dumps({"detail": "the server is ending: ask again later, or another one"}).encode()


@dataclass
class Running:
    """The requests that are being answered; for one event loop."""

    ended: bool = False
    _routes: set[asyncio.Future[None]] = field(default_factory=set)

    def end(self) -> None:
        """End all that run, and all that come."""
        self.ended = True
        for route in self._routes:
            route.cancel()

    def start(self, route: asyncio.Future[None]) -> None:
        """Note a request until it is answered."""
        self._routes.add(route)
        route.add_done_callback(self._routes.discard)
        if self.ended:
            route.cancel()


class EndsWithItsClient:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, running: Running) -> None:
        self.app, self.running = app, running

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and cancel what was handed on when the client is gone, or the server ends."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        has_body, last = asyncio.Event(), ""

        async def received() -> Message:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                has_body.set()
            return message

        async def sent(message: Message) -> None:
            nonlocal last
            await send(message)
            last = "end" if message["type"] == _BODY and not message.get("more_body") else "begun"

        async def left() -> None:
            await has_body.wait()
            while (await receive())["type"] != "http.disconnect":
                pass

        client_address.set((scope.get("client") or ("", 0))[0])
        route = asyncio.ensure_future(self.app(scope, received, sent))
        self.running.start(route)
        client = asyncio.create_task(left())
        try:
            await asyncio.wait({route, client}, return_when=asyncio.FIRST_COMPLETED)
            if not route.done() and last != "end":
                route.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await route
            else:
                await route
        except asyncio.CancelledError:
            if not self.running.ended or not route.done():
                raise
            if scope["type"] == "http":
                await _tell(send, last)
        finally:
            client.cancel()
            route.cancel()


_BODY = "http.response.body"


async def _tell(send: Send, last: str) -> None:
    """Answer for a route that was ended; `last`: how far its own answer was."""
    if not last:
        headers = [(b"content-type", b"application/json"), (b"retry-after", b"10")]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": _BODY, "body": _ENDING})
    elif last == "begun":
        await send({"type": _BODY, "body": b""})
