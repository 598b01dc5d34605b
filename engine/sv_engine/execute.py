"""The door to the sandbox: rollouts in, executed rollouts out. Nothing else imports sv_sandbox.

Every distinct solution of a problem runs against every distinct test of it, and against the
benchmark's own test under its own limit. Many problems are in flight, so that the sandbox's
workers never wait for the end of one; each is handed out the moment it is finished. Memory is
bounded by the number in flight. Verdicts are copied out of shared memory before they are handed
out, so that an `Executed` outlives its pool.

A job of which no cell could be judged leaves holes; `MAX_LOST_JOBS` such in succession mean that
the sandbox is gone, a `SandboxFault`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sv_engine.records import Executed, PassMatrix, Rollout

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


class Cells(Protocol):
    """What the sandbox returns for a matrix: `sv_sandbox` matrices, or a scripted one in tests."""

    @property
    def verdict_ST(self) -> Any: ...
    @property
    def cpu_us_ST(self) -> Any: ...


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
        self, solutions: Sequence[str], tests: Sequence[str], *, limits: Any, judge: str
    ) -> Job: ...


@dataclass(frozen=True, slots=True)
class Budget:
    """What decides a verdict besides the texts: CPU seconds of a cell, and the judge."""

    cpu_s: float = 0.3
    """A test of the model."""
    reference_cpu_s: float = 1.0
    """The benchmark's own test, which is many asserts in one."""
    judge: str = "split"
    """Of the sandbox: `split` keeps solution and test apart, `inline` runs both in one process."""


class SandboxFault(RuntimeError):
    """The sandbox cannot run here, or failed: what happened, and where."""


class Executor:
    """A sandbox pool that executes rollouts; a context manager, to be used from one event loop.

    `workers` defaults to the cores; below the level `require` of the jail nothing runs. Raises
    SandboxFault where the sandbox cannot be opened.
    """

    def __init__(
        self, budget: Budget | None = None, *, workers: int | None = None, require: str = "basic"
    ) -> None:
        self.budget = budget or Budget()
        self._pool = open_pool(workers, require)
        self._cells_done = 0
        self._rows_done = 0
        self._lost_jobs = 0
        self._live: dict[Job, int] = {}  # job -> tests per row

    def __enter__(self) -> Self:
        self._pool.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._pool.__exit__(*exception)

    @property
    def rows_done(self) -> int:
        """Rows finished so far (one solution on all tests), unfinished problems included."""
        return self._rows_done + sum(job.rows_done for job in self._live)

    @property
    def cells_done(self) -> int:
        """Cells finished so far, unfinished problems included."""
        return self._cells_done + sum(job.rows_done * tests for job, tests in self._live.items())

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
        sources = [solution.source for solution in rollout.solutions]
        tests = [test.source for test in rollout.tests]
        reference = [problem.reference_test] if problem.reference_test is not None else []
        (verdict_ST, cpu_us_ST), (judged_ST, judged_us_ST) = await asyncio.gather(
            self.matrix(sources, tests, budget.cpu_s),
            self.matrix(sources, reference, budget.reference_cpu_s),
        )
        reference_S = judged_ST[:, 0] if reference else np.zeros(len(sources), np.uint8)
        reference_us_S = judged_us_ST[:, 0] if reference else np.zeros(len(sources), np.uint32)
        return Executed(
            rollout=rollout,
            matrix=PassMatrix(
                problem_id=problem.id,
                verdict_ST=verdict_ST,
                cpu_us_ST=cpu_us_ST,
                weight_S=np.array([s.weight for s in rollout.solutions], dtype=np.float64),
                weight_T=np.array([t.weight for t in rollout.tests], dtype=np.float64),
            ),
            near_limit_ST=near_limit(cpu_us_ST, budget.cpu_s),
            reference_S=reference_S,
            reference_cpu_us_S=reference_us_S,
            reference_near_limit_S=near_limit(reference_us_S, budget.reference_cpu_s),
        )

    async def matrix(
        self, solutions: Sequence[str], tests: Sequence[str], cpu_s: float
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
        """Return verdicts and CPU times of shape (S, T); raises SandboxFault."""
        shape = (len(solutions), len(tests))
        verdict_ST, cpu_us_ST = np.zeros(shape, np.uint8), np.zeros(shape, np.uint32)
        if not solutions:
            return verdict_ST, cpu_us_ST
        spans = list(_spans(tests))
        jobs = [self._job(solutions, tests[span], cpu_s) for span in spans]
        for span, cells in zip(spans, await asyncio.gather(*jobs), strict=True):
            if cells is not None:
                verdict_ST[:, span] = cells.verdict_ST
                cpu_us_ST[:, span] = cells.cpu_us_ST
        return verdict_ST, cpu_us_ST

    async def _job(
        self, solutions: Sequence[str], tests: Sequence[str], cpu_s: float
    ) -> Cells | None:
        """Return the cells of one job, None if none of them could be judged."""
        try:
            limits, judge = limits_of(cpu_s), self.budget.judge
            job = self._pool.submit(solutions, tests, limits=limits, judge=judge)
            self._live[job] = len(tests)
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


def open_pool(workers: int | None, require: str) -> SandboxPool:
    """Return a pool; raises SandboxFault."""
    from sv_sandbox import Pool, SandboxError

    try:
        return Pool(workers=workers, require=require)
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


def doctor_report() -> Any:
    """What the jail can do on this machine: an object with `.text()` and `.to_dict()`."""
    from sv_sandbox import doctor

    return doctor.report()
