"""The door to the sandbox: rollouts in, executed rollouts out. Nothing else imports sv_sandbox.

Every distinct solution of a problem runs against every distinct test of it, and against the
benchmark's own test under its own limit. Many problems are in flight, so that the sandbox's
workers never wait for the end of one; each is handed out the moment it is finished. Memory is
bounded by the number in flight. Verdicts are copied out of shared memory before they are handed
out, so that an `Executed` outlives its pool.

A timeout of a job that ends while the machine is overloaded is marked, to be run again alone
(`timeouts`). Where the budget says so, cells that passed run once more under another seed.

A job of which no cell could be judged leaves holes; `MAX_LOST_JOBS` such in succession mean that
the sandbox is gone, a `SandboxFault`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sv_engine.execute.overload import overloaded
from sv_engine.records import (
    INFRA_CODE,
    PASS_CODE,
    TIMEOUT_CODE,
    Executed,
    PassMatrix,
    Recheck,
    Rollout,
)

NEAR_LIMIT = 0.2
"""Cells within this share of their CPU limit are marked: another run may decide otherwise."""
OVERRUN_S = 0.1
"""The sandbox ends an endless cell at limit + min(20%, this), so that a cell just over its limit
is told from one without end."""
MAX_LOST_JOBS = 8
"""As many jobs in succession without a single verdict are no accident of one program."""
TESTS_PER_JOB = 1024
TEST_CHARS_PER_JOB = 8 << 20
"""A row carries its solution and its tests to the sandbox in one frame of bounded size."""
SECOND_SEED = 1
"""Of string hashes and of `random`, when passed cells run again; that of the first run is 0."""


class Cells(Protocol):
    """What the sandbox returns for a matrix: `sv_sandbox` matrices, or a scripted one in tests."""

    @property
    def verdict_ST(self) -> Any: ...
    @property
    def cpu_us_ST(self) -> Any: ...
    @property
    def trust_ST(self) -> Any: ...
    @property
    def vacuous_T(self) -> Any: ...


class Job(Awaitable[Cells], Protocol):
    """A submitted matrix."""

    @property
    def rows_done(self) -> int: ...


class SandboxPool(Protocol):
    """The part of `sv_sandbox.Pool` that is used here."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> bool | None: ...
    def submit(
        self,
        solutions: Sequence[str],
        tests: Sequence[str],
        *,
        limits: Any,
        judge: str,
        unsplit: str,
    ) -> Job: ...


@dataclass(frozen=True, slots=True)
class Budget:
    """What decides, besides the texts, what is stored: CPU seconds of a cell, and the judge."""

    cpu_s: float = 0.3
    """A test of the model."""
    reference_cpu_s: float = 1.0
    """The benchmark's own test, which is many asserts in one."""
    judge: str = "split"
    """Of the sandbox: `split` keeps solution and test apart, `inline` runs both in one process."""
    unsplit: str = "mask"
    """What becomes of cells that `split` has to judge inline: `count`, `mask` (a hole), `fail`."""
    confirm: bool = False
    """Whether cells that passed run once more under another seed."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Cells of S solutions on T tests, copied out of the sandbox; dtypes as in `Executed`."""

    verdict_ST: NDArray[np.uint8]
    cpu_us_ST: NDArray[np.uint32]
    trust_ST: NDArray[np.uint8]
    vacuous_T: NDArray[np.bool_]
    recheck_ST: NDArray[np.uint8]

    @classmethod
    def holes(cls, solutions: int, tests: int) -> Judged:
        """Nothing is known yet."""
        shape = (solutions, tests)
        return cls(
            np.zeros(shape, np.uint8),
            np.zeros(shape, np.uint32),
            np.zeros(shape, np.uint8),
            np.zeros(tests, np.bool_),
            np.zeros(shape, np.uint8),
        )

    @property
    def evidence_ST(self) -> NDArray[np.uint8]:
        """The verdicts from which something may be concluded: a vacuous test has holes."""
        return np.where(self.vacuous_T, np.uint8(INFRA_CODE), self.verdict_ST)

    @property
    def is_doubtful(self) -> bool:
        """Whether a timeout is still to be run again."""
        return bool((self.recheck_ST == Recheck.NOT_CONFIRMED).any())

    def put(self, part: Judged, row: int = 0, column: int = 0) -> None:
        """Copy `part` in, its first cell to (row, column)."""
        rows, columns = part.verdict_ST.shape
        cells = np.s_[row : row + rows, column : column + columns]
        self.verdict_ST[cells] = part.verdict_ST
        self.cpu_us_ST[cells] = part.cpu_us_ST
        self.trust_ST[cells] = part.trust_ST
        self.recheck_ST[cells] = part.recheck_ST
        self.vacuous_T[column : column + columns] |= part.vacuous_T


class SandboxFault(RuntimeError):
    """The sandbox cannot run here, or failed: what happened, and where."""


class Executor:
    """A sandbox pool that executes rollouts; a context manager, to be used from one event loop.

    `workers` defaults to the cores; below the level `require` of the jail nothing runs. A budget
    with `confirm` gives half of the workers to the second runs. Raises SandboxFault where the
    sandbox cannot be opened.
    """

    def __init__(
        self, budget: Budget | None = None, *, workers: int | None = None, require: str = "basic"
    ) -> None:
        self.budget = budget or Budget()
        workers = workers or len(os.sched_getaffinity(0))
        again = max(1, workers // 2) if self.budget.confirm else 0
        self.workers = max(1, workers - again)
        """Rows that run at the same time, those run once more not counted."""
        with ExitStack() as opening:
            self._pool = opening.enter_context(open_pool(self.workers, require))
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
        self, rollouts: Iterable[Rollout], in_flight: int = 8
    ) -> AsyncGenerator[Executed, None]:
        """Yield each rollout when it is finished, at most `in_flight` of them running.

        `rollouts` is pulled only as fast as problems finish. Raises SandboxFault.
        """
        source = iter(rollouts)
        running: set[asyncio.Task[Executed]] = set()
        try:
            while True:
                while len(running) < in_flight and (rollout := next(source, None)) is not None:
                    running.add(asyncio.create_task(self.execute(rollout)))
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

    async def execute(self, rollout: Rollout) -> Executed:
        """Run every cell of one rollout; raises SandboxFault."""
        problem, budget = rollout.problem, self.budget
        sources, tests = rollout.sources()
        reference = [problem.reference_test] if problem.reference_test is not None else []
        judged, own = await asyncio.gather(
            self.judge(sources, tests, budget.cpu_s),
            self.judge(sources, reference, budget.reference_cpu_s),
        )
        if not reference:
            own = Judged.holes(len(sources), 1)
        repeated_ST, flipped_ST = await self._repeat(sources, tests, judged)
        return Executed(
            rollout=rollout,
            matrix=PassMatrix(
                problem_id=problem.id,
                verdict_ST=judged.verdict_ST,
                cpu_us_ST=judged.cpu_us_ST,
                weight_S=np.array([s.weight for s in rollout.solutions], dtype=np.float64),
                weight_T=np.array([t.weight for t in rollout.tests], dtype=np.float64),
            ),
            trust_ST=judged.trust_ST,
            vacuous_T=judged.vacuous_T,
            near_limit_ST=near_limit(judged.cpu_us_ST, budget.cpu_s),
            recheck_ST=judged.recheck_ST,
            repeated_ST=repeated_ST,
            flipped_ST=flipped_ST,
            reference_S=own.verdict_ST[:, 0],
            reference_cpu_us_S=own.cpu_us_ST[:, 0],
            reference_trust_S=own.trust_ST[:, 0],
            reference_near_limit_S=near_limit(own.cpu_us_ST[:, 0], budget.reference_cpu_s),
            reference_recheck_S=own.recheck_ST[:, 0],
        )

    async def judge(self, solutions: Sequence[str], tests: Sequence[str], cpu_s: float) -> Judged:
        """Run every cell; raises SandboxFault."""
        return await self._judge(self._pool, solutions, tests, cpu_s)

    async def _judge(
        self, pool: SandboxPool, solutions: Sequence[str], tests: Sequence[str], cpu_s: float
    ) -> Judged:
        judged = Judged.holes(len(solutions), len(tests))
        if not solutions:
            return judged
        spans = list(_spans(tests))
        jobs = [self._job(pool, solutions, tests[span], cpu_s) for span in spans]
        for span, cells in zip(spans, await asyncio.gather(*jobs), strict=True):
            if cells is not None:
                judged.verdict_ST[:, span] = cells.verdict_ST
                judged.cpu_us_ST[:, span] = cells.cpu_us_ST
                judged.trust_ST[:, span] = cells.trust_ST
                judged.vacuous_T[span] = np.asarray(cells.vacuous_T) != 0
        timed_out_ST = judged.verdict_ST == TIMEOUT_CODE
        if timed_out_ST.any() and overloaded():
            judged.recheck_ST[timed_out_ST] = Recheck.NOT_CONFIRMED
        return judged

    async def _repeat(
        self, solutions: Sequence[str], tests: Sequence[str], judged: Judged
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Run the cells that passed once more; returns which did, and which did not pass again.

        A hole, and a timeout that an overload may have caused, tells nothing: it does not count
        as repeated.
        """
        passed_ST = judged.verdict_ST == PASS_CODE
        repeated_ST, flipped_ST = np.zeros_like(passed_ST), np.zeros_like(passed_ST)
        if not self.budget.confirm or not passed_ST.any():
            return repeated_ST, flipped_ST
        # Rows that passed the same tests make one job of just the cells that passed.
        patterns, pattern_S = np.unique(passed_ST, axis=0, return_inverse=True)
        for index, passed_T in enumerate(patterns):
            rows, columns = np.flatnonzero(pattern_S.reshape(-1) == index), np.flatnonzero(passed_T)
            if not columns.size:
                continue
            again = await self._judge(
                self._second,
                [solutions[s] for s in rows.tolist()],
                [tests[t] for t in columns.tolist()],
                self.budget.cpu_s,
            )
            told_ST = (again.verdict_ST != INFRA_CODE) & (again.recheck_ST == Recheck.NONE)
            cells = np.ix_(rows, columns)
            repeated_ST[cells] = told_ST
            flipped_ST[cells] = told_ST & (again.verdict_ST != PASS_CODE)
        return repeated_ST, flipped_ST

    async def _job(
        self, pool: SandboxPool, solutions: Sequence[str], tests: Sequence[str], cpu_s: float
    ) -> Cells | None:
        """Return the cells of one job, None if none of them could be judged."""
        budget = self.budget
        try:
            job = pool.submit(
                solutions,
                tests,
                limits=limits_of(cpu_s),
                judge=budget.judge,
                unsplit=budget.unsplit,
            )
            self._live[job] = (len(solutions), len(tests))
            try:
                cells = await job
            finally:
                del self._live[job]
        except sandbox_errors() as error:
            self._lost_jobs += 1
            if self._lost_jobs >= MAX_LOST_JOBS:
                raise SandboxFault(str(error)) from error
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


def near_limit(cpu_us: NDArray[np.uint32], cpu_s: float) -> NDArray[np.bool_]:
    """True where the CPU time is within 20% of the limit, on either side; shape as given."""
    low_us = (1 - NEAR_LIMIT) * cpu_s * 1e6
    high_us = (cpu_s + min(NEAR_LIMIT * cpu_s, OVERRUN_S)) * 1e6
    return np.asarray((cpu_us >= low_us) & (cpu_us < high_us))


# ---- the only lines that know sv_sandbox --------------------------------------------------------


def open_pool(workers: int, require: str, seed: int = 0) -> SandboxPool:
    """Return a pool; raises SandboxFault."""
    from sv_sandbox import Pool, SandboxError

    try:
        return Pool(workers=workers, require=require, seed=seed)
    except (SandboxError, ValueError) as error:  # ValueError: no such level
        raise SandboxFault(str(error)) from error


def limits_of(cpu_s: float) -> Any:
    """The sandbox's limits for a cell of `cpu_s` CPU seconds."""
    from sv_sandbox import Limits

    return Limits(cpu_s=cpu_s)


def sandbox_errors() -> type[Exception]:
    """The exception class of a failing sandbox."""
    from sv_sandbox import SandboxError

    return SandboxError


def verdict_names() -> list[str]:
    """Names of the verdicts in lower case, indexed by their codes."""
    from sv_sandbox import Verdict

    return [verdict.name.lower() for verdict in sorted(Verdict)]


def trust_names() -> list[str]:
    """Names of the kinds of trust in lower case, indexed by their codes."""
    from sv_sandbox import Trust

    return [trust.name.lower() for trust in sorted(Trust)]


def doctor_report() -> Any:
    """What the jail can do on this machine: an object with `.text()` and `.to_dict()`."""
    from sv_sandbox import doctor

    return doctor.report()
