"""The MCP tool, called by the protocol's own client (mcp 2)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

mcp = pytest.importorskip("mcp", reason="mcp is not installed here")
pytest.importorskip("sv_sandbox", reason="our package is not installed here")


@pytest.fixture(scope="module")
def url(start_server: Any) -> Any:
    with start_server("--mcp") as (url, _):
        yield f"{url}/mcp"


def call(url: str, arguments: dict[str, Any]) -> Any:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def work() -> Any:
        async with (
            streamable_http_client(url) as streams,
            ClientSession(streams[0], streams[1]) as session,
        ):
            await session.initialize()
            tools = (await session.list_tools()).tools
            assert [tool.name for tool in tools] == ["run_python"]
            return await session.call_tool("run_python", arguments)

    return asyncio.run(work())


def test_a_program_runs(url: str) -> None:
    told = call(url, {"code": "print(input())", "stdin": "hello"})
    assert told.structured_content["stdout"] == "hello\n"
    assert told.structured_content["verdict"] == "pass"


@pytest.mark.parametrize(
    ("code", "verdict"),
    [("1 / 0", "exception"), ("while True: pass", "timeout"), ("import sys; sys.exit(0)", "pass")],
)
def test_how_programs_end(url: str, code: str, verdict: str) -> None:
    told = call(url, {"code": code, "timeout_s": 1.0})
    assert told.structured_content["verdict"] == verdict
