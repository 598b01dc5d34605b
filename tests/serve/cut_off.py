"""Three servers in network namespaces of their own, one of which is cut off; run by `test_cut_off`.

Runs in an empty network namespace, from which a pair of virtual interfaces leads to each server.
Prints JSON: the rows that came, and how many blocks each server was given, in the three acts: all
servers in reach, one cut off while rows come, and it is back.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Any

from sv_engine.executors import Row, Terms, servers
from sv_engine.executors.servers import HttpExecutor

TESTS = ["assert f(1) == 2", "assert f(0) == 0"]
SOLUTIONS = [f"def f(x):\n    return x + {n % 2}" for n in range(600)]
MAIN = "from sv_engine.cli import main; main()"
CUT = 1
"""Which server is cut off."""


def ip(*words: str, inside: int | None = None) -> None:
    """Run `ip`, in the network namespace of a process."""
    enter = [] if inside is None else ["nsenter", "--net", "--target", str(inside)]
    subprocess.run([*enter, "ip", *words], check=True)


def start(at: int, stack: ExitStack) -> str:
    """Start a server in a namespace of its own; its URL."""
    here, there = f"10.77.{at}.1", f"10.77.{at}.2"
    serve = ["serve", "--host", there, "--port", "8080", "--token", "t", "--workers", "1"]
    wait = ["sh", "-c", 'read -r go && exec "$@"', "-", sys.executable, "-c", MAIN, *serve]
    process = stack.enter_context(
        subprocess.Popen(
            ["unshare", "--net", *wait], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    )
    stack.callback(process.terminate)
    ours = os.readlink("/proc/self/ns/net")
    while os.readlink(f"/proc/{process.pid}/ns/net") == ours:
        time.sleep(0.01)
    ip("link", "add", f"sv{at}", "type", "veth", "peer", "name", "sv", "netns", str(process.pid))
    ip("address", "add", f"{here}/30", "dev", f"sv{at}")
    ip("link", "set", f"sv{at}", "up")
    ip("address", "add", f"{there}/30", "dev", "sv", inside=process.pid)
    ip("link", "set", "sv", "up", inside=process.pid)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    assert process.stdout.readline().startswith("listening on ")
    return f"http://{there}:8080"


async def act(executor: HttpExecutor, cut_after: int | None = None) -> dict[str, Any]:
    """Judge all solutions; `cut_after` so many rows one server is out of reach."""
    before = [node.blocks for node in executor._nodes]
    rows: list[Row] = []
    async for row in executor.submit(SOLUTIONS, TESTS, Terms()):
        rows.append(row)
        if len(rows) == cut_after:
            await asyncio.to_thread(ip, "link", "set", f"sv{CUT}", "down")
    blocks = [node.blocks - was for node, was in zip(executor._nodes, before, strict=True)]
    return {"rows": [[row.index, list(row.verdict_T)] for row in rows], "blocks": blocks}


async def acts(urls: list[str]) -> list[dict[str, Any]]:
    """All three."""
    executor = HttpExecutor(urls, token="t")
    told = [await act(executor), await act(executor, cut_after=100)]
    ip("link", "set", f"sv{CUT}", "up")
    await asyncio.sleep(max(0.0, executor._nodes[CUT].rests_until_s - time.monotonic()))
    told.append(await act(executor))
    await executor.close()
    return told


def main() -> None:
    """Start the servers, play, and tell."""
    servers.SILENCE_S = 5.0
    servers.BLOCK_CELLS = 40
    ip("link", "set", "lo", "up")
    with ExitStack() as stack:
        print(json.dumps(asyncio.run(acts([start(at, stack) for at in range(3)]))))


if __name__ == "__main__":
    main()
