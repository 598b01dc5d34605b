"""The door to the sandbox: candidates in, outcomes out.

Every distinct solution of a problem runs against every distinct test of it, and against the
benchmark's own test under its own limit. Many problems are in flight, so that the sandbox's
workers never wait for the end of one; each is handed out the moment it is finished. Memory is
bounded by the number in flight. Verdicts are copied out of shared memory before they are handed
out, so that an `Outcome` outlives its pool.

A timeout of a job that ends while the machine is overloaded is marked, to be run again alone
(`timeouts`). Cells that run out of time run under a short limit first (`escalate`), unless the
budget says `exact`. Where the budget says so, cells that passed run once more under another seed.

A job of which no cell could be judged is given to the sandbox once more, as all that were in it are
lost when one of its processes is killed. Then it leaves holes; `MAX_LOST_JOBS` such in succession
mean that the sandbox is gone, a `SandboxFault`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Self

import numpy as np

from sv_engine.execute.escalate import escalating, rectangles
from sv_engine.execute.overload import overloaded
from sv_engine.execute.programs import run_programs
from sv_engine.execute.sandbox import (
    Budget,
    Job,
    SandboxFault,
    SandboxMatrix,
    SandboxPool,
    open_pool,
    sandbox_errors,
    submit_options,
)
from sv_engine.records import (
    INFRA_CODE,
    PASS_CODE,
    TIMEOUT_CODE,
    Candidates,
    Outcome,
    Recheck,
    Repeat,
    Verdicts,
)

MAX_LOST_JOBS = 8
"""As many jobs in succession without a single verdict are no accident of one program."""
TESTS_PER_JOB = 1024
TEST_CHARS_PER_JOB = 8 << 20
"""A row carries its solution and its tests to the sandbox in one frame of bounded size."""
SECOND_SEED = 1
"""Of string hashes and of `random`, when passed cells run again; that of the first run is 0."""


class Executor:
    """A sandbox pool that executes candidates; a context manager, to be used from one event loop.

    `workers` defaults to the cores; below the level `require` of the jail nothing runs. A budget
    with `confirm` gives half of the workers to the second runs. `pool` runs the cells elsewhere
    than in this machine's sandbox (`executors.row_pool`). Raises SandboxFault where the sandbox
    cannot be opened.
    """

    def __init__(
        self,
        budget: Budget | None = None,
        *,
        workers: int | None = None,
        require: str = "basic",
        pool: SandboxPool | None = None,
    ) -> None:
        self.budget = budget or Budget()
        if pool is not None and self.budget.confirm:
            raise ValueError("confirm needs the sandbox of this machine: it sets another seed")
        workers = workers or len(os.sched_getaffinity(0))
        again = max(1, workers // 2) if self.budget.confirm else 0
        self.workers = max(1, workers - again)
        """Rows that run at the same time, those run once more not counted."""
        with ExitStack() as opening:
            self._pool = opening.enter_context(pool or open_pool(self.workers, require))
            if again:
                self._second = opening.enter_context(open_pool(again, require, SECOND_SEED))
            self._pools = opening.pop_all()
        self._cells_done = 0
        self._rows_done = 0
        self._lost_jobs = 0
        self._live: dict[Job, tuple[int, int]] = {}
        """Job that has not ended -> its rows, and tests per row."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._pools.__exit__(*exception)

    @property
    def rows_done(self) -> int:
        """Rows finished so far (one solution on all tests), unfinished problems included."""
        return self._rows_done + sum(job.rows_done for job in self._live)

    @property
    def cells_done(self) -> int:
        """Cells finished so far, unfinished problems included."""
        live = self._live.items()
        return self._cells_done + sum(job.rows_done * tests for job, (_, tests) in live)

    @property
    def idle(self) -> bool:
        """Whether fewer rows than workers are running or waiting."""
        left = 0
        for job, (rows, _) in self._live.items():
            left += rows - job.rows_done
            if left >= self.workers:
                return False
        return True

    async def stream(
        self, source: Iterable[Candidates], in_flight: int = 8
    ) -> AsyncGenerator[Outcome, None]:
        """Yield each outcome when it is finished, at most `in_flight` problems running.

        `source` is pulled only as fast as problems finish. Raises SandboxFault.
        """
        waiting = iter(source)
        running: set[asyncio.Task[Outcome]] = set()
        try:
            while True:
                while len(running) < in_flight and (given := next(waiting, None)) is not None:
                    running.add(asyncio.create_task(self.execute(given)))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                faults = [fault for task in done if (fault := task.exception())]
                for task in done:
                    if not task.exception():
                        yield task.result()
                if faults:
                    raise faults[0]
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def execute(self, candidates: Candidates) -> Outcome:
        """Run every cell of one problem; raises SandboxFault."""
        problem, budget = candidates.problem, self.budget
        solutions, tests = candidates.sources()
        own = [] if problem.reference_test is None else [problem.reference_test]
        verdicts, reference = await asyncio.gather(
            self.judge(solutions, tests, budget.cpu_s, problem.entry_point),
            self.judge(solutions, own, budget.reference_cpu_s, problem.entry_point),
        )
        if budget.confirm:
            await self._repeat(solutions, tests, verdicts, problem.entry_point)
        return Outcome(candidates, verdicts, reference if own else None)

    async def judge(
        self,
        solutions: Sequence[str],
        tests: Sequence[str],
        cpu_s: float,
        entry_point: str | None = None,
    ) -> Verdicts:
        """Run every cell; raises SandboxFault."""
        return await self._judge(self._pool, solutions, tests, cpu_s, entry_point)

    async def _judge(
        self,
        pool: SandboxPool,
        solutions: Sequence[str],
        tests: Sequence[str],
        cpu_s: float,
        entry_point: str | None,
    ) -> Verdicts:
        async def run(rows: Sequence[str], columns: Sequence[str], limit_s: float) -> Verdicts:
            return await self._run(pool, rows, columns, limit_s, entry_point)

        if self.budget.timeouts == "exact":
            return await run(solutions, tests, cpu_s)
        return await escalating(run, solutions, tests, cpu_s)

    async def _run(
        self,
        pool: SandboxPool,
        solutions: Sequence[str],
        tests: Sequence[str],
        cpu_s: float,
        entry_point: str | None,
    ) -> Verdicts:
        """Run every cell once, in jobs of bounded size."""
        verdicts = Verdicts.unknown(len(solutions), len(tests), cpu_s)
        if not solutions:
            return verdicts
        if entry_point == "":
            verdicts = await run_programs(pool, solutions, tests, cpu_s, 2 * self.workers)
            return self._marked(verdicts)
        options = submit_options(self.budget, cpu_s, entry_point)
        spans = list(_spans(tests))
        jobs = [self._job(pool, solutions, tests[span], options) for span in spans]
        for span, cells in zip(spans, await asyncio.gather(*jobs), strict=True):
            if cells is not None:
                verdicts.verdict_ST[:, span] = cells.verdict_ST
                verdicts.cpu_us_ST[:, span] = cells.cpu_us_ST
                verdicts.trust_ST[:, span] = cells.trust_ST
                verdicts.held_ST[:, span] = getattr(cells, "held_ST", 0)
                verdicts.vacuous_T[span] = np.asarray(cells.vacuous_T) != 0
        return self._marked(verdicts)

    @staticmethod
    def _marked(verdicts: Verdicts) -> Verdicts:
        """Timeouts under an overload are to be run again."""
        timed_out_ST = verdicts.verdict_ST == TIMEOUT_CODE
        if timed_out_ST.any() and overloaded():
            verdicts.recheck_ST[timed_out_ST] = Recheck.NOT_CONFIRMED
        return verdicts

    async def _repeat(
        self, solutions: Sequence[str], tests: Sequence[str], verdicts: Verdicts, entry_point: str
    ) -> None:
        """Run the cells that passed once more, and note what that told.

        A hole, and a timeout that an overload may have caused, tells nothing.
        """
        # Rows that passed the same tests make one job of just the cells that passed.
        for rows, columns in rectangles(verdicts.verdict_ST == PASS_CODE):
            again = await self._run(
                self._second,
                [solutions[s] for s in rows],
                [tests[t] for t in columns],
                verdicts.cpu_s,
                entry_point,
            )
            repeat_ST = np.where(again.verdict_ST == PASS_CODE, Repeat.PASSED, Repeat.FLIPPED)
            silent_ST = (again.verdict_ST == INFRA_CODE) | (again.recheck_ST != Recheck.NONE)
            verdicts.repeat_ST[np.ix_(rows, columns)] = np.where(silent_ST, Repeat.NONE, repeat_ST)

    async def _job(
        self,
        pool: SandboxPool,
        solutions: Sequence[str],
        tests: Sequence[str],
        options: dict[str, Any],
    ) -> SandboxMatrix | None:
        """Return the cells of one job, None if none of them could be judged, twice."""
        for is_last in (False, True):
            try:
                job = pool.submit(solutions, tests, **options)
                self._live[job] = (len(solutions), len(tests))
                try:
                    cells = await job
                    break
                finally:
                    del self._live[job]
            except sandbox_errors() as error:
                self._lost_jobs += is_last
                if self._lost_jobs >= MAX_LOST_JOBS:
                    raise SandboxFault(str(error)) from error
        else:
            return None
        self._lost_jobs = 0
        self._rows_done += len(solutions)
        self._cells_done += len(solutions) * len(tests)
        return cells


def _spans(tests: Sequence[str]) -> Iterator[slice]:
    """Cut the tests into runs that one job can carry."""
    start = chars = 0
    for index, test in enumerate(tests):
        chars += len(test)
        if index - start == TESTS_PER_JOB or chars > TEST_CHARS_PER_JOB:
            yield slice(start, index)
            start, chars = index, len(test)
    if tests:
        yield slice(start, len(tests))
