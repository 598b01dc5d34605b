"""Listen until SIGTERM or Ctrl-C, then let running requests end."""

from __future__ import annotations

import math

import uvicorn

from sv_engine.serve.app import create_app
from sv_engine.serve.settings import Settings

BACKLOG = 4096
"""Connections that may wait to be accepted: clients such as verl's open one per test."""


def serve(settings: Settings) -> None:
    """Serve; returns when the last request has ended, or after `drain_s`."""
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        backlog=BACKLOG,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=math.ceil(settings.drain_s),
        ws_max_size=settings.max_body_bytes,
    )
    server = _Server(config)
    server.run()


class _Server(uvicorn.Server):
    """Says where it listens, and tells `/health` when it is about to end."""

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        for server in self.servers:
            for sock in server.sockets:
                host, port = sock.getsockname()[:2]
                print(f"listening on http://{host}:{port}", flush=True)
