"""What every protocol of the server uses: the executor, the admission queue, the settings."""

from __future__ import annotations

import os
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from typing import TypeVar

from starlette.requests import HTTPConnection

from sv_engine.executors.local import LocalExecutor, Ran
from sv_engine.executors.protocol import Row, Terms, Test
from sv_engine.serve.admission import Admission
from sv_engine.serve.leaving import Running
from sv_engine.serve.settings import Settings

T = TypeVar("T")

HEALTH_WAIT_S = 5.0
LEAST_WALL_S = 0.1
"""A shorter guard would count the start of a program's process as its idle time."""
WORKERS_PER_CORE = 2
"""So that programs which use up their limit leave room for others, as the kernel shares the cores,
and no core is idle while the event loop is busy."""


class Service:
    """One server's sandbox; started and closed with the application."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.executor = LocalExecutor(
            settings.workers or WORKERS_PER_CORE * len(os.sched_getaffinity(0)),
            require=settings.require,
            memory_bytes=settings.memory_bytes,
            python=settings.python,
            preload=settings.preload,
        )
        self.admission = Admission(slots=1, max_waiting=settings.max_waiting)
        self.requests = Running()
        self.held = 0
        """Programs of `/run_code` that failed only because their pass had too little trust."""
        self.sessions = 0
        """Open OpenEnv sessions."""

    def start(self) -> None:
        """Start the pool; raises what the sandbox raises."""
        self.executor.start()
        self.admission.slots = self.executor.workers

    async def close(self) -> None:
        """End the pool."""
        await self.executor.close()

    def terms(
        self,
        cpu_s: float,
        *,
        memory_bytes: int = 0,
        trust: str | None = None,
        below: str = "fail",
        entry_point: str | None = None,
    ) -> Terms:
        """Limits as a request wants them, within those of the server."""
        cpu_s = min(max(cpu_s, 0.001), self.settings.max_run_s)
        ceiling = self.settings.memory_bytes
        return Terms(
            cpu_s=cpu_s,
            wall_s=max(cpu_s, LEAST_WALL_S),
            memory_bytes=min(memory_bytes, ceiling) if memory_bytes > 0 else ceiling,
            trust=trust or self.settings.trust,
            below=below,
            entry_point=entry_point,
        )

    async def run(
        self,
        program: str,
        terms: Terms,
        *,
        stdin: str | bytes = b"",
        files: Mapping[str, bytes] | None = None,
        deadline_s: float | None = None,
    ) -> Ran:
        """Run one program in a slot of its own; raises Overloaded."""
        return await self.admission.run(
            lambda: self.executor.run(program, stdin=stdin, files=files, terms=terms), deadline_s
        )

    async def blocks(
        self, solutions: Sequence[str], tests: Sequence[Test], terms: Terms, deadline_s: float
    ) -> AsyncGenerator[list[Row], None]:
        """Rows as they are finished, those that are finished together in one list; raises
        Overloaded before the first, never later."""
        first = [deadline_s]

        async def gate(work: Callable[[], Awaitable[T]]) -> T:
            return await self.admission.run(work, first.pop() if first else None)

        async with aclosing(self.executor.blocks(solutions, tests, terms, gate)) as blocks:
            async for rows in blocks:
                yield rows

    async def rows(
        self, solutions: Sequence[str], tests: Sequence[Test], terms: Terms, deadline_s: float
    ) -> AsyncIterator[Row]:
        """`blocks`, row by row."""
        async with aclosing(self.blocks(solutions, tests, terms, deadline_s)) as blocks:
            async for rows in blocks:
                for row in rows:
                    yield row

    async def row(
        self, solution: str, tests: Sequence[Test], terms: Terms, deadline_s: float
    ) -> Row:
        """The row of one solution; raises Overloaded."""
        async for row in self.rows([solution], tests, terms, deadline_s):
            return row
        raise AssertionError("one solution has one row")

    async def works(self) -> str | None:
        """None if a program runs now, else what is wrong; raises Overloaded."""
        ran = await self.run("print(6 * 7)", self.terms(HEALTH_WAIT_S), deadline_s=HEALTH_WAIT_S)
        return None if ran.stdout == b"42\n" else f"{ran.verdict}: {ran.detail}"


def service_in(connection: HTTPConnection) -> Service:
    """The service of the application that a request came to."""
    service = connection.app.state.service
    assert isinstance(service, Service)
    return service


async def service_of(connection: HTTPConnection) -> Service:
    """`service_in` as a FastAPI dependency; one that is no coroutine would cost a thread."""
    return service_in(connection)
