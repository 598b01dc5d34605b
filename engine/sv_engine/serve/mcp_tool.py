"""One tool for agents, over MCP at `/mcp`: `run_python`. Needs the extra `mcp` (2.0 or newer).

The endpoint is stateless and answers in JSON; it serves whatever speaks the protocol's streamable
HTTP: OpenEnv, NeMo-Gym, verifiers' toolsets, desktop agents.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from sv_engine.serve.service import Service

MAX_TIMEOUT_S = 60.0
WAIT_S = 10.0


def create_server(service: Callable[[], Service]) -> Any:
    """The MCP server; `service` is asked for when a call comes."""
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("sv-engine")

    async def run_python(code: str, stdin: str = "", timeout_s: float = 5.0) -> dict[str, Any]:
        """Run a Python program in a sandbox without network; its folder is gone afterwards.

        Returns stdout, stderr, exit_code, and verdict: pass, exception, timeout, memory, output.
        """
        box = service()
        terms = box.terms(min(timeout_s, MAX_TIMEOUT_S))
        ran = await box.run(code, terms, stdin=stdin, deadline_s=WAIT_S)
        if ran.verdict == "infra":
            raise RuntimeError(f"the program was not run: {ran.detail}")
        return {
            "stdout": ran.stdout.decode("utf-8", "replace"),
            "stderr": ran.stderr.decode("utf-8", "replace"),
            "exit_code": ran.exit_code,
            "verdict": "pass" if ran.verdict == "early_exit" and not ran.exit_code else ran.verdict,
        }

    server.add_tool(run_python)
    return server


@asynccontextmanager
async def mounted(app: FastAPI, host: str, max_body_bytes: int) -> AsyncIterator[None]:
    """Serve the tool at `/mcp` of `app` inside the block."""
    server = create_server(lambda: app.state.service)
    routes = server.streamable_http_app(
        stateless_http=True, json_response=True, host=host, max_request_body_size=max_body_bytes
    ).routes
    app.router.routes.extend(routes)
    async with server.session_manager.run():
        yield
