"""The sandbox of this machine as an executor: the one module here that imports sv_sandbox.

Rows go to the pool in pieces, few at a time and each for one worker, so that one request with many
rows does not stand before all others: whoever calls may pass a `gate` that does each piece of work
when its turn has come (the server's admission queue). A pool is started on first use, never by
import or unpickling.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sv_engine.executors.checks import decimals
from sv_engine.executors.protocol import Io, Row, Terms, Test, lost_row
from sv_engine.records import INFRA_CODE

if TYPE_CHECKING:
    from sv_sandbox import Limits, Matrix, Pool

BLOCK_CELLS = 16384
"""Cells of one block at most: rows that stream."""
BLOCK_S = 0.1
"""Work of one block, once it is known how long a row takes."""
GROWTH = 8
"""How many times as many rows a block has at most as the one before: first it is one."""
TESTS_PER_JOB = 1024
FILE_BYTES = 64 << 20
"""Of the files of one program, its own and those that it is given."""
CHECKS = {"decimals": decimals}
"""Comparisons beyond those of the sandbox."""
T = TypeVar("T")


class Gate(Protocol):
    """Does a piece of work when its turn has come; it may be begun twice."""

    async def __call__(self, work: Callable[[], Awaitable[T]], /) -> T:
        """What the work gives."""


async def at_once(work: Callable[[], Awaitable[T]]) -> T:
    """The gate that is open."""
    return await work()


@dataclass(frozen=True, slots=True)
class Ran:
    """What one program did."""

    verdict: str
    """Name of the verdict in lower case; `infra`: it is not known what the program would do."""
    exit_code: int | None
    """None when a signal ended it."""
    stdout: bytes
    stderr: bytes
    cpu_s: float
    wall_s: float
    detail: str


class LocalExecutor:
    """A lazily started pool. `workers`: None is one per core; `require`: least level of the jail.

    `memory_bytes` is the most that any cell may ask for; `python` and `preload` say which packages
    programs find, as of `sv_sandbox.Pool`. Raises what that raises, when the pool is first needed
    (`start`).
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        require: str = "basic",
        memory_bytes: int = 1 << 30,
        python: str | None = None,
        preload: Sequence[str] = (),
    ) -> None:
        self._workers, self._require, self._memory_bytes = workers, require, memory_bytes
        self._python, self._preload = python, tuple(preload)
        self._pool: Pool | None = None

    def start(self) -> Pool:
        """Return the pool, started if there is none yet."""
        if self._pool is None:
            from sv_sandbox import Limits, Pool

            limits = Limits(memory_bytes=self._memory_bytes, file_bytes=FILE_BYTES)
            self._pool = Pool(
                self._workers,
                limits=limits,
                require=self._require,
                python=self._python,
                preload=self._preload,
            )
        return self._pool

    @property
    def workers(self) -> int:
        """Rows that run at once."""
        return self.start().workers

    def statistics(self) -> dict[str, int]:
        """Counters of the pool, empty before its start."""
        return {} if self._pool is None else self._pool.statistics()

    def template_bytes(self) -> dict[str, int]:
        """Memory of the pool's warm interpreters by their names, empty before its start."""
        return {} if self._pool is None else self._pool.template_bytes()

    async def run(
        self,
        program: str,
        *,
        stdin: str | bytes = b"",
        files: Mapping[str, bytes] | None = None,
        terms: Terms,
    ) -> Ran:
        """Run one program. Raises ValueError for files that no program can have."""
        from sv_sandbox import SandboxError

        if sum(map(len, (files or {}).values())) > FILE_BYTES:
            raise ValueError(f"the files exceed {FILE_BYTES >> 20} MiB")

        try:
            result = await self.start().run_async(
                program, stdin=stdin, files=files, limits=self._limits(terms)
            )
        except SandboxError as error:
            return Ran("infra", None, b"", b"", 0.0, 0.0, str(error))
        return Ran(
            result.verdict.name.lower(),
            result.exit_code,
            result.stdout,
            result.stderr,
            result.cpu_s,
            result.wall_s,
            result.detail,
        )

    async def submit(
        self,
        solutions: Sequence[str],
        tests: Sequence[Test],
        terms: Terms,
        gate: Gate = at_once,
    ) -> AsyncIterator[Row]:
        """Judge every solution on every test; rows come as their block is finished."""
        async with contextlib.aclosing(self.blocks(solutions, tests, terms, gate)) as blocks:
            async for rows in blocks:
                for row in rows:
                    yield row

    async def judge(
        self,
        solution: str,
        test: str,
        terms: Terms,
        *,
        stdin: str = "",
        files: Mapping[str, bytes] | None = None,
    ) -> Row:
        """The row of one solution on one test, a source of assertions; the solution finds `stdin`,
        and `files` in its folder."""
        (row,) = await self._cells([solution], 0, [test], terms, stdin, files)
        return row

    async def blocks(
        self,
        solutions: Sequence[str],
        tests: Sequence[Test],
        terms: Terms,
        gate: Gate = at_once,
    ) -> AsyncGenerator[list[Row], None]:
        """`submit`, with the rows that are finished together in one list."""
        most = max(1, BLOCK_CELLS // max(1, len(tests)))
        running: set[asyncio.Task[list[Row]]] = set()
        ahead = 2 * self.workers if gate is at_once else max(1, self.workers - 1)
        places = asyncio.Semaphore(ahead)
        start, size = 0, 1
        judged, cpu_us = 0, 0

        async def turn(work: Callable[[], Awaitable[T]]) -> T:
            async with places:
                return await gate(work)

        try:
            while True:
                while len(running) < ahead and start < len(solutions):
                    block = solutions[start : start + size]
                    work = self._block(block, start, tests, terms, turn)
                    running.add(asyncio.create_task(work))
                    start += size
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    rows = task.result()
                    judged += len(rows)
                    cpu_us += sum(sum(row.cpu_us_T) for row in rows)
                    fitting = int(1e6 * BLOCK_S * judged / cpu_us) if cpu_us else most
                    size = max(1, min(fitting, most, GROWTH * size))
                    yield rows
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def close(self) -> None:
        """End the pool; a later call starts another."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(pool.close)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None}  # a pool belongs to the process that started it

    # -- inside

    def _limits(self, terms: Terms) -> Limits:
        from sv_sandbox import Limits

        memory_bytes = min(terms.memory_bytes, self._memory_bytes)
        return Limits(
            cpu_s=terms.cpu_s,
            wall_s=terms.wall_s,
            memory_bytes=memory_bytes,
            output_bytes=terms.output_bytes,
            file_bytes=FILE_BYTES,
            processes=terms.processes,
        )

    async def _block(
        self,
        solutions: Sequence[str],
        start: int,
        tests: Sequence[Test],
        terms: Terms,
        turn: Gate,
    ) -> list[Row]:
        """Rows of some solutions; `turn` does each job of cells, and each program."""
        at_asserts = [t for t, test in enumerate(tests) if isinstance(test, str)]
        spans = [
            at_asserts[n : n + TESTS_PER_JOB] for n in range(0, len(at_asserts), TESTS_PER_JOB)
        ]
        jobs = [
            turn(partial(self._cells, solutions, start, [str(tests[t]) for t in span], terms))
            for span in spans
        ]
        at_programs = {t: test for t, test in enumerate(tests) if isinstance(test, Io)}
        programs = [
            turn(partial(self._program, solution, test, terms))
            for solution in solutions
            for test in at_programs.values()
        ]
        parts, ran = await asyncio.gather(asyncio.gather(*jobs), asyncio.gather(*programs))
        if len(parts) == 1 and not at_programs:
            return parts[0]
        results = iter(ran)
        rows = []
        for s in range(len(solutions)):
            row = _OpenRow(start + s, len(tests))
            for span, part in zip(spans, parts, strict=True):
                row.take_cells(span, part[s])
            for t in at_programs:
                row.take_program(t, next(results))
            rows.append(row.closed())
        return rows

    async def _cells(
        self,
        solutions: Sequence[str],
        start: int,
        tests: Sequence[str],
        terms: Terms,
        stdin: str = "",
        files: Mapping[str, bytes] | None = None,
    ) -> list[Row]:
        """Rows of solutions on asserts, judged by one worker: the first has the number `start`."""
        from sv_sandbox import SandboxError

        try:
            matrix = await self.start().submit(
                solutions,
                tests,
                limits=self._limits(terms),
                trust=terms.trust,
                below=terms.below,
                entry_point=terms.entry_point,
                stdin=stdin,
                files=files,
                workers=1,
            )
        except SandboxError as error:
            return [lost_row(start + s, len(tests), str(error)) for s in range(len(solutions))]
        return _rows(matrix, start)

    async def _program(self, solution: str, test: Io, terms: Terms) -> tuple[int, int, str]:
        """Verdict, CPU microseconds and detail of a program on one input."""
        from sv_sandbox import SandboxError

        try:
            result = await self.start().run_async(
                solution,
                stdin=test.stdin,
                expected=test.expected,
                check=CHECKS.get(test.check, test.check),
                limits=self._limits(terms),
            )
        except SandboxError as error:
            return INFRA_CODE, 0, str(error)
        return int(result.verdict), round(result.cpu_s * 1e6), result.detail


def _rows(matrix: Matrix, start: int) -> list[Row]:
    """Those of a matrix, its arrays copied at once: to ask for cell after cell takes long."""
    verdict, trust, held = (
        array.tobytes() for array in (matrix.verdict_ST, matrix.trust_ST, matrix.held_ST)
    )
    vacuous_T = _if_any(bytes(matrix.vacuous_T))
    cpu_us = matrix.cpu_us_ST.cast("B").cast("I").tolist()
    rows = []
    for s in range(matrix.shape[0]):
        at = slice(s * matrix.shape[1], (s + 1) * matrix.shape[1])
        row = Row(
            start + s,
            verdict[at],
            cpu_us[at],
            trust[at],
            matrix.details(s),
            vacuous_T,
            _if_any(held[at]),
        )
        rows.append(row)
    return rows


def _if_any(flags: bytes) -> bytes:
    return flags if 1 in flags else b""


class _OpenRow:
    """A row being put together."""

    def __init__(self, index: int, tests: int) -> None:
        self.index = index
        self.verdict_T, self.trust_T = bytearray(tests), bytearray(tests)
        self.cpu_us_T = [0] * tests
        self.detail_T: dict[int, str] = {}
        self.vacuous_T, self.held_T = bytearray(tests), bytearray(tests)

    def take_cells(self, span: list[int], row: Row) -> None:
        for to, given in (
            (self.verdict_T, row.verdict_T),
            (self.trust_T, row.trust_T),
            (self.cpu_us_T, row.cpu_us_T),
            (self.vacuous_T, row.vacuous_T),
            (self.held_T, row.held_T),
        ):
            for t, value in zip(span, given, strict=False):  # the last two may be empty
                to[t] = value
        self.detail_T |= {span[t]: detail for t, detail in row.detail_T.items()}

    def take_program(self, t: int, ran: tuple[int, int, str]) -> None:
        self.verdict_T[t], self.cpu_us_T[t], detail = ran
        self.trust_T[t] = _proven() if ran[0] != INFRA_CODE else 0
        if detail:
            self.detail_T[t] = detail

    def closed(self) -> Row:
        return Row(
            self.index,
            bytes(self.verdict_T),
            self.cpu_us_T,
            bytes(self.trust_T),
            self.detail_T,
            _if_any(bytes(self.vacuous_T)),
            _if_any(bytes(self.held_T)),
        )


def _proven() -> int:
    """Output is compared outside the jail: nothing inside can vouch for it."""
    from sv_sandbox import Trust

    return int(Trust.PROVEN)
