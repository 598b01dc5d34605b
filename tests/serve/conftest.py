"""A server in a process of its own, for all tests of this folder.

`SV_SERVER_URL` names one that runs already: the suites in `contract/` are then run by an
environment that has a client's package and nothing of ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_MAIN = "from sv_engine.cli import main; main()"


@contextmanager
def serving(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `sv-engine serve` on a free port; yields its URL and its process."""
    command = [sys.executable, "-c", _MAIN, "serve", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("listening on "), line
            yield line.split()[-1], process
        finally:
            process.terminate()
            process.wait()


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """Where a server listens that takes no token."""
    url = os.environ.get("SV_SERVER_URL")
    if url is not None:
        yield url.rstrip("/")
        return
    pytest.importorskip("fastapi", reason="needs the extra `serve`")
    with serving() as (url, _):
        yield url


@pytest.fixture(scope="session")
def post(server_url: str) -> Iterator[Callable[..., Any]]:
    """Post JSON to a path of the server."""
    import httpx

    with httpx.Client(base_url=server_url, timeout=60) as client:
        yield lambda path, body: client.post(path, json=body)


@pytest.fixture(scope="session")
def start_server():  # type: ignore[no-untyped-def]
    """The context manager that starts another one."""
    pytest.importorskip("fastapi", reason="needs the extra `serve`")
    return serving
