"""A light HTTP client for load: keep-alive connections that post one body after another.

Nothing but sockets and content-length, so that the client costs little beside the server on the
same cores. Not for anything else.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Load:
    """What came back."""

    answers: int = 0
    refused: int = 0
    """Answers 504: the server was overloaded; asked again a second later, as verl's client does."""
    errors: list[str] = field(default_factory=list)
    latency_s: list[float] = field(default_factory=list)
    wall_s: float = 0.0

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answers / self.wall_s


def request(host: str, path: str, body: dict[str, Any]) -> bytes:
    """The bytes of one POST."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def load(
    host: str,
    port: int,
    requests: list[tuple[bytes, Callable[[int, Any], bool]]],
    connections: int,
    seconds: float,
) -> Load:
    """Post `requests` in turn over each connection for some seconds; each answer is checked by its
    function of status and body."""
    result = Load()
    start_s = time.monotonic()
    end_s = start_s + seconds

    async def client(at: int) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            while time.monotonic() < end_s:
                data, right = requests[at % len(requests)]
                at += 1
                sent_s = time.monotonic()
                writer.write(data)
                status, body = await _answer(reader)
                if status == 504:
                    result.refused += 1
                    await asyncio.sleep(1)
                    continue
                result.latency_s.append(time.monotonic() - sent_s)
                result.answers += 1
                if not right(status, body):
                    result.errors.append(f"{status}: {str(body)[:300]}")
        except (OSError, asyncio.IncompleteReadError) as error:
            result.errors.append(repr(error))
        finally:
            writer.close()

    await asyncio.gather(*(client(at) for at in range(connections)))
    result.wall_s = time.monotonic() - start_s
    return result


async def _answer(reader: asyncio.StreamReader) -> tuple[int, Any]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split(" ", 2)[1])
    length = int(head.split("content-length:")[1].split("\r\n")[0])
    return status, json.loads(await reader.readexactly(length))
