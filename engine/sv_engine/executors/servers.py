"""Rows spread over several `sv-engine serve`.

Rows travel in blocks to the node with the fewest blocks outstanding, over connections that stay
open. A node that fails gets no block for a while, and what it had not answered goes to another; of
a block that was cut off only the missing rows are asked for again, so that every row comes once.
When no node answers for `patience_s`, the rows that are left come as holes. A node that fails is
told in a warning of this module's logger, once until it answers again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic_core import from_json

from sv_engine.errors import EngineError
from sv_engine.executors.protocol import Io, Row, Terms, Test, lost_row

BLOCK_CELLS = 16384
PER_NODE = 4
"""Blocks outstanding at one node."""
SHARES = 2
"""Blocks for each node at least, where there is a row for each: little work is spread as well."""
REST_S = 2.0
"""How long a node that failed is left alone, doubled with each failure up to 32 times."""
WAIT_S = 10.0
"""How long a block may wait at a node for a worker."""
SILENCE_S = 30.0
"""A node that sends not even an empty line for so long is cut off."""
_AGAIN = frozenset({502, 503, 504})
"""Statuses of a node that is overloaded or ending: another one may do."""


_REMEDIES = {
    401: "give the server's token (--server-token, SV_TOKEN)",
    404: "check the URL: it is that of a `sv-engine serve`, without a path",
}


_log = logging.getLogger(__name__)


def server_url(text: str) -> str:
    """The URL of a server as it is used; raises ValueError that says what is wrong."""
    wanted = f"{text!r} is no URL of a server: it is like http://10.0.0.5:8080"
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise ValueError(f"{wanted} ({error})") from None
    if parts.scheme not in ("http", "https") or not host or port == 0 or text != text.strip():
        raise ValueError(wanted)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"{wanted}, and no more; a token is given by itself")
    return text.rstrip("/")


class RefusedError(EngineError, ValueError):
    """A server says that the request itself is wrong."""


@dataclass
class _Node:
    url: str
    outstanding: int = 0
    failures: int = 0
    why: str = "not asked"
    """Of its last failure."""
    rests_until_s: float = 0.0
    blocks: int = field(default=0)

    def failed(self, why: str, patience_s: float) -> None:
        if not self.failures:
            _log.warning(
                "%s: %s; what it was asked goes to others, or waits for up to %.0f s",
                *(self.url, why, patience_s),
            )
        self.failures += 1
        self.why = why
        self.rests_until_s = time.monotonic() + REST_S * 2 ** min(self.failures - 1, 5)

    def answered(self) -> None:
        if self.failures:
            _log.warning("%s: answers again", self.url)
        self.failures, self.rests_until_s = 0, 0.0


class HttpExecutor:
    """Judges rows on the servers at `urls` (http://host:port).

    token: sent as a bearer token. patience_s: how long to look for a node that answers.
    Raises ValueError for what is no URL, RefusedError for a request that no server would take.
    """

    def __init__(
        self, urls: Sequence[str], *, token: str | None = None, patience_s: float = 120.0
    ) -> None:
        if not urls:
            raise ValueError("at least one URL of a server is needed")
        self.urls, self.token, self.patience_s = list(urls), token, patience_s
        self._nodes = [_Node(server_url(url)) for url in urls]
        self._client: httpx.AsyncClient | None = None
        self._changed = asyncio.Event()

    async def submit(
        self, solutions: Sequence[str], tests: Sequence[Test], terms: Terms
    ) -> AsyncIterator[Row]:
        """Judge every solution on every test; rows come as they are finished, each once."""
        share = -(-len(solutions) // (SHARES * len(self._nodes)))
        size = max(1, min(BLOCK_CELLS // max(1, len(tests)), share))
        rows: asyncio.Queue[Row | None] = asyncio.Queue()
        places = asyncio.Semaphore(PER_NODE * len(self._nodes))

        async def block(indices: range) -> None:
            async with places:
                await self._block(indices, solutions, tests, terms, rows)

        async def everything() -> None:
            try:
                async with asyncio.TaskGroup() as group:
                    for start in range(0, len(solutions), size):
                        group.create_task(block(range(start, min(start + size, len(solutions)))))
            finally:
                rows.put_nowait(None)

        work = asyncio.create_task(everything())
        try:
            while (row := await rows.get()) is not None:
                yield row
            try:
                await work
            except BaseExceptionGroup as group:
                raise group.exceptions[0] from None
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def __getstate__(self) -> dict[str, Any]:
        return {"urls": self.urls, "token": self.token, "patience_s": self.patience_s}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    # -- inside

    def _connections(self) -> httpx.AsyncClient:
        if self._client is None:
            headers = {} if self.token is None else {"authorization": f"Bearer {self.token}"}
            places = PER_NODE * len(self._nodes)
            self._client = httpx.AsyncClient(
                headers=headers,
                timeout=httpx.Timeout(SILENCE_S, connect=5.0),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=places),
                trust_env=False,
            )
        return self._client

    async def _block(
        self,
        indices: range,
        solutions: Sequence[str],
        tests: Sequence[Test],
        terms: Terms,
        rows: asyncio.Queue[Row | None],
    ) -> None:
        missing = list(indices)
        given_up_s = time.monotonic() + self.patience_s
        while missing:
            node = await self._least_busy(given_up_s)
            if node is None:
                told = ", ".join(f"{each.url}: {each.why}" for each in self._nodes)
                reason = f"no server answered ({told})"
                for index in missing:
                    rows.put_nowait(lost_row(index, len(tests), reason))
                return
            body = _body([solutions[index] for index in missing], tests, terms)
            came: set[int] = set()
            try:
                async for row in self._asked(node, body, missing):
                    came.add(row.index)
                    rows.put_nowait(row)
                    given_up_s = time.monotonic() + self.patience_s
                node.answered()
            except (httpx.TransportError, _Unavailable) as error:
                node.failed(_why(error), self.patience_s)
            finally:
                node.outstanding -= 1
                self._changed.set()
            missing = [index for index in missing if index not in came]

    async def _least_busy(self, until_s: float) -> _Node | None:
        """A node that may take a block, one more outstanding there; None: there is none in time."""
        while True:
            now_s = time.monotonic()
            awake = [node for node in self._nodes if node.rests_until_s <= now_s]
            free = [node for node in awake if node.outstanding < PER_NODE]
            if free:
                node = min(free, key=lambda node: (node.failures, node.outstanding, node.blocks))
                node.outstanding += 1
                node.blocks += 1
                return node
            if not awake and now_s >= until_s:
                return None
            wake_s = min((node.rests_until_s for node in self._nodes), default=now_s)
            self._changed.clear()
            pause_s = min(0.5, max(0.01, wake_s - now_s)) if not awake else 0.5
            try:
                await asyncio.wait_for(self._changed.wait(), pause_s)
            except TimeoutError:
                continue

    async def _asked(self, node: _Node, body: bytes, indices: Sequence[int]) -> AsyncIterator[Row]:
        url = f"{node.url}/v1/matrix"
        async with self._connections().stream(
            "POST", url, content=body, headers={"content-type": "application/json"}
        ) as response:
            if response.status_code in _AGAIN:
                raise _Unavailable(f"HTTP {response.status_code}")
            if response.status_code != 200:
                text = (await response.aread()).decode("utf-8", "replace")
                code = response.status_code
                raise RefusedError(
                    f"the server refused, HTTP {code}: {text[:500]}",
                    where=url,
                    remedy=_REMEDIES.get(code, "see the server's log"),
                )
            ended = False
            async for line in _lines(response):
                value = _parsed(line)
                if "row" in value:
                    yield decode_row(value, indices)
                ended = value.get("end", False)
            if not ended:
                raise _Unavailable("the answer was cut off")


async def _lines(response: httpx.Response) -> AsyncIterator[bytes]:
    """Those that are not empty; `aiter_lines` would decode them, at the cost of reading them."""
    rest = b""
    async for chunk in response.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in filter(None, lines):
            yield line
    if rest:
        yield rest


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        value = from_json(line)
    except ValueError:
        raise _Unavailable("the answer was cut off within a line") from None
    assert isinstance(value, dict)
    return value


class _Unavailable(Exception):
    """This node cannot do it now."""


def _why(error: BaseException) -> str:
    """The reason in the system's words, where it had one: `Connection refused`."""
    seen: BaseException | None = error
    for _ in range(10):
        if isinstance(seen, BaseExceptionGroup):
            seen = seen.exceptions[0]
        if seen is None or (isinstance(seen, OSError) and seen.strerror):
            break
        seen = seen.__cause__ or seen.__context__
    if isinstance(seen, OSError) and seen.strerror:
        is_name = isinstance(seen, socket.gaierror)
        return seen.strerror if is_name or not seen.errno else os.strerror(seen.errno)
    return str(error) or _SILENT.get(type(error), type(error).__name__)


_SILENT = {
    httpx.ConnectTimeout: "no connection in time",
    httpx.ReadTimeout: f"silent for {SILENCE_S:.0f} s",
}


def decode_row(value: dict[str, Any], indices: Sequence[int]) -> Row:
    """A row from its JSON; its number counts within `indices`."""
    return Row(
        indices[value["row"]],
        bytes(value["verdict"]),
        value["cpu_us"],
        bytes(value["trust"]),
        {int(t): detail for t, detail in value["detail"].items()},
        bytes(value.get("vacuous", [])),
        bytes(value.get("held", [])),
    )


def _body(solutions: list[str], tests: Sequence[Test], terms: Terms) -> bytes:
    """In ASCII, as a program may hold half of a character."""
    request = {
        "solutions": solutions,
        "tests": [_shown(test) for test in tests],
        "cpu_s": terms.cpu_s,
        "memory_mb": max(1, terms.memory_bytes >> 20),
        "trust": terms.trust,
        "below": terms.below,
        "entry_point": terms.entry_point,
        "wait_s": WAIT_S,
    }
    return json.dumps(request).encode()


def _shown(test: Test) -> str | dict[str, str]:
    if isinstance(test, Io):
        return {"stdin": test.stdin, "expected": test.expected, "check": test.check}
    return test
