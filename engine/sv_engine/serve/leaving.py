"""A request ends with its client: whoever hangs up before the answer wants none, and what runs for
it must not keep a worker from others. Plain ASGI.

The rest of the request is read here once the route has the whole body: what comes then is the
client's end. Cancelling the route cancels its job, whose program is ended at once.
"""

from __future__ import annotations

import asyncio
import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class EndsWithItsClient:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and cancel what was handed on when the client is gone."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        has_body, is_answered = asyncio.Event(), False

        async def received() -> Message:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                has_body.set()
            return message

        async def sent(message: Message) -> None:
            nonlocal is_answered
            await send(message)
            is_answered |= message["type"] == "http.response.body" and not message.get("more_body")

        async def left() -> None:
            await has_body.wait()
            while (await receive())["type"] != "http.disconnect":
                pass

        route = asyncio.ensure_future(self.app(scope, received, sent))
        client = asyncio.create_task(left())
        try:
            await asyncio.wait({route, client}, return_when=asyncio.FIRST_COMPLETED)
            if not route.done() and not is_answered:
                route.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await route
            else:
                await route
        finally:
            client.cancel()
            route.cancel()
