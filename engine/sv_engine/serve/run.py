"""Listen until SIGTERM or Ctrl-C, then let running requests end."""

from __future__ import annotations

import math
import resource
import socket

import uvicorn

from sv_engine.errors import EngineError
from sv_engine.serve.app import create_app
from sv_engine.serve.settings import Settings

BACKLOG = 4096
"""Connections that may wait to be accepted: clients such as verl's open one per test."""


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
            timeout_graceful_shutdown=math.ceil(settings.drain_s),
            ws_max_size=settings.max_body_bytes,
        )
        uvicorn.Server(config).run(sockets=[sock])


def _announce(sock: socket.socket) -> None:
    host, port = sock.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"listening on http://{shown}:{port}", flush=True)
