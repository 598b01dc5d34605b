"""Listen until SIGTERM or Ctrl-C, then let running requests end, and tell those that do not."""

from __future__ import annotations

import asyncio
import contextlib
import math
import resource
import signal
import socket
from types import FrameType

import uvicorn

from sv_engine.errors import EngineError
from sv_engine.serve.app import create_app
from sv_engine.serve.leaving import Running
from sv_engine.serve.settings import Settings

BACKLOG = 4096
"""Connections that may wait to be accepted: clients such as verl's open one per test."""

ENDING_S = 5.0
"""How long requests may take to end once they are told to."""


def serve(settings: Settings) -> None:
    """Serve; returns when the last request has ended, or `drain_s` after the signal.

    Raises OSError where the address cannot be had, EngineError where the sandbox does not start.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # one for each connection
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((settings.host, settings.port))
        app = create_app(settings, on_start=lambda: _announce(sock))
        try:
            app.state.service.start()
        except (ValueError, RuntimeError) as error:
            raise EngineError(f"the sandbox does not start: {error}") from error
        sock.listen(BACKLOG)
        config = uvicorn.Config(
            app,
            backlog=BACKLOG,
            loop="uvloop",
            http="httptools",
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=math.ceil(settings.drain_s + ENDING_S),
            ws_max_size=settings.max_body_bytes,
        )
        _Server(config, app.state.service.requests, settings.drain_s).run(sockets=[sock])


class _Server(uvicorn.Server):  # type: ignore[misc]
    """Drains for `drain_s`, or until a second Ctrl-C; then tells the requests that still run."""

    def __init__(self, config: uvicorn.Config, running: Running, drain_s: float) -> None:
        super().__init__(config)
        self.running, self.drain_s, self.is_hurried = running, drain_s, asyncio.Event()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note a signal. The second Ctrl-C ends the drain, and no more: nothing is left lying."""
        if self.should_exit and sig == signal.SIGINT:
            self.is_hurried.set()
        super().handle_exit(sig, frame)
        self.force_exit = False

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and return when the last request has ended."""
        drain = asyncio.create_task(self._drain())
        await super().shutdown(sockets)
        drain.cancel()

    async def _drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.is_hurried.wait(), self.drain_s)
        self.running.end()


def _announce(sock: socket.socket) -> None:
    host, port = sock.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"listening on http://{shown}:{port}", flush=True)
