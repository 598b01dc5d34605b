"""Executors: rows come once each, whatever happens to a server."""

from __future__ import annotations

import asyncio
import json
import pickle
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sv_engine.executors import Io, Row, RowExecutor, Terms, collect, servers
from sv_engine.executors.local import LocalExecutor
from sv_engine.executors.servers import HttpExecutor, RefusedError

TESTS = ["assert f(1) == 2", "assert f(0) == 0"]
SOLUTIONS = [f"def f(x):\n    return x + {n % 2}" for n in range(200)]


def run(executor: RowExecutor, solutions: list[str], tests: list[Any], **terms: Any) -> list[Row]:
    async def work() -> list[Row]:
        try:
            return await collect(executor, solutions, tests, Terms(**terms))
        finally:
            await executor.close()

    return asyncio.run(work())


def check(rows: list[Row], count: int = len(SOLUTIONS)) -> None:
    assert [row.index for row in rows] == list(range(count))
    for row in rows:
        assert list(row.verdict_T) == ([1, 2] if row.index % 2 else [2, 1])


@pytest.fixture(params=["local", "one server", "two servers"])
def executor(request: pytest.FixtureRequest) -> RowExecutor:
    if request.param == "local":
        return LocalExecutor()
    url = request.getfixturevalue("server_url")
    return HttpExecutor([url] * (1 if request.param == "one server" else 2))


def test_every_row_comes_once(executor: RowExecutor) -> None:
    check(run(executor, SOLUTIONS, TESTS))


def test_programs_and_assertions(executor: RowExecutor) -> None:
    tests = [Io("3", "6"), "assert f(1) == 1", Io("3", "7")]
    solutions = ["def f(x): return x\nif __name__ == '__main__': print(int(input()) * 2)"]
    rows = run(executor, solutions, tests)
    assert list(rows[0].verdict_T) == [1, 1, 2]
    assert rows[0].passed == 2


@pytest.mark.parametrize(("solutions", "tests"), [([], TESTS), (["x = 1"], []), ([], [])])
def test_nothing_to_do(executor: RowExecutor, solutions: list[str], tests: list[Any]) -> None:
    assert [list(row.verdict_T) for row in run(executor, solutions, tests)] == [[]] * len(solutions)


def test_many_tests_of_one_solution(executor: RowExecutor) -> None:
    tests = [f"assert f({n}) == {n + 1}" for n in range(1500)]
    rows = run(executor, ["def f(x): return x + 1"], tests)
    assert rows[0].passed == 1500


def test_half_of_a_character_is_its_own_cells_fault(executor: RowExecutor) -> None:
    rows = run(executor, ["def f(x): return '\ud800'", SOLUTIONS[1]], [*TESTS, "assert '\ud800'"])
    assert [list(row.verdict_T) for row in rows] == [[3, 3, 3], [1, 2, 3]]


def test_executors_can_be_pickled(executor: RowExecutor) -> None:
    check(run(pickle.loads(pickle.dumps(executor)), SOLUTIONS[:4], TESTS), 4)


Answer = Callable[[dict[str, Any], asyncio.StreamWriter], Any]


@asynccontextmanager
async def fake(answer: Answer) -> AsyncIterator[tuple[str, list[int]]]:
    """A server that does what `answer` does with each request; its URL, and the rows asked for."""
    asked: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.split("content-length:")[1].split("\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                asked.append(len(body["solutions"]))
                await answer(body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    async with server:
        yield f"http://{host}:{port}", asked


async def overloaded(body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 504 x\r\ncontent-length: 2\r\n\r\n{}")


async def broken(body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    raise ConnectionResetError


async def cut_off(body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """Half of the rows, then the end, within a line."""
    writer.write(b"HTTP/1.1 200 x\r\nconnection: close\r\n\r\n" + b'{"format": "sv-matrix/1"}\n')
    for n in range(len(body["solutions"]) // 2):
        row = {"row": n, "verdict": [9, 9], "cpu_us": [1, 1], "trust": [1, 1], "detail": {}}
        writer.write(json.dumps(row).encode() + b"\n")
    writer.write(b'{"row": ')
    raise ConnectionResetError


async def end_is_missing(body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 x\r\nconnection: close\r\n\r\n{"format": "sv-matrix/1"}\n')
    raise ConnectionResetError


@pytest.mark.parametrize("answer", [overloaded, broken, cut_off, end_is_missing])
def test_what_one_server_does_not_do_another_does(server_url: str, answer: Answer) -> None:
    async def work() -> tuple[list[Row], list[int]]:
        async with fake(answer) as (url, asked):
            executor = HttpExecutor([url, server_url])
            rows = await collect(executor, SOLUTIONS, TESTS, Terms())
            await executor.close()
            return rows, asked

    rows, asked = asyncio.run(work())
    assert asked
    assert [row.index for row in rows] == list(range(len(SOLUTIONS)))
    theirs = [row.index for row in rows if list(row.verdict_T) == [9, 9]]
    assert bool(theirs) == (answer is cut_off)  # kept, and not run again
    for row in rows:
        if row.index not in theirs:
            assert list(row.verdict_T) == ([1, 2] if row.index % 2 else [2, 1])


def test_without_any_server_rows_are_holes() -> None:
    async def work() -> list[Row]:
        async with fake(broken) as (url, _):
            executor = HttpExecutor([url], patience_s=0.5)
            rows = await collect(executor, SOLUTIONS[:3], TESTS, Terms())
            await executor.close()
            return rows

    rows = asyncio.run(work())
    assert [row.holes for row in rows] == [2, 2, 2]
    assert url_named(rows[0].detail_T[0])


def url_named(detail: str) -> bool:
    return "http://127.0.0.1:" in detail


def test_a_wrong_request_is_not_asked_again(server_url: str) -> None:
    executor = HttpExecutor([server_url])
    with pytest.raises(RefusedError, match="trust"):
        run(executor, SOLUTIONS, TESTS, trust="blind")


def test_a_server_that_is_killed(start_server: Any, server_url: str) -> None:
    async def work() -> list[Row]:
        with start_server() as (url, process):
            executor = HttpExecutor([url, server_url])
            rows = []
            async for row in executor.submit(SOLUTIONS * 10, TESTS, Terms()):
                rows.append(row)
                if len(rows) == 20:
                    process.kill()
            await executor.close()
            return sorted(rows, key=lambda row: row.index)

    check(asyncio.run(work()), 10 * len(SOLUTIONS))


def test_a_server_that_falls_silent(
    start_server: Any, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a cable is cut: connections stand, and nothing comes any more."""
    monkeypatch.setattr(servers, "SILENCE_S", 5.0)
    monkeypatch.setattr(servers, "BLOCK_CELLS", 40)  # no block of a busy machine takes as long

    async def work() -> list[Row]:
        with start_server() as (url, process):
            executor = HttpExecutor([url, server_url])
            rows = []
            try:
                async for row in executor.submit(SOLUTIONS * 10, TESTS, Terms()):
                    rows.append(row)
                    if len(rows) == 20:
                        process.send_signal(signal.SIGSTOP)
            finally:
                process.send_signal(signal.SIGCONT)
                await executor.close()
            return sorted(rows, key=lambda row: row.index)

    check(asyncio.run(work()), 10 * len(SOLUTIONS))


def test_all_servers_give_the_same_rows_side_by_side(start_server: Any, server_url: str) -> None:
    async def work() -> tuple[list[Row], list[int]]:
        with start_server() as (second, _), start_server() as (third, _):
            executor = HttpExecutor([server_url, second, third])
            rows = await collect(executor, SOLUTIONS * 10, TESTS, Terms())
            blocks = [node.blocks for node in executor._nodes]
            await executor.close()
            return rows, blocks

    rows, blocks = asyncio.run(work())
    check(rows, 10 * len(SOLUTIONS))
    assert all(blocks)  # each had its share
