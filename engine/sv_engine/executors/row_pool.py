"""A row executor in the place of the sandbox's pool, for the engine's `Executor`.

`submit` returns at once with a job that can be awaited, as the pool's does; its arrays are copies.
Rows that came to nothing are holes, as everywhere.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from sv_engine.errors import EngineError
from sv_engine.executors.loop_thread import LoopThread
from sv_engine.executors.protocol import Io, RowExecutor, Terms, Test
from sv_engine.records import INFRA_CODE

KINDS = ("local", "http", "ray")
Kind = Literal["local", "http", "ray"]


def open_rows(kind: Kind, servers: Sequence[str] = (), token: str | None = None) -> RowExecutor:
    """The executor of a kind; `http` needs servers, `ray` a cluster that it can join.

    Raises ValueError that says what is missing, ImportError without the extra.
    """
    if servers and kind != "http":
        raise ValueError(f"servers are for http, not for {kind}")
    match kind:
        case "local":
            from sv_engine.executors.local import LocalExecutor

            return LocalExecutor()
        case "http":
            from sv_engine.executors.servers import HttpExecutor

            return HttpExecutor(servers, token=token)
        case "ray":
            import ray

            from sv_engine.executors.ray_actors import RayExecutor

            if not ray.is_initialized():
                ray.init(address="auto", log_to_driver=False)
            return RayExecutor()


@dataclass(frozen=True, slots=True)
class RowMatrix:
    """Cells of S solutions on T tests; dtypes as of the pool's matrix."""

    verdict_ST: NDArray[np.uint8]
    cpu_us_ST: NDArray[np.uint32]
    trust_ST: NDArray[np.uint8]
    held_ST: NDArray[np.uint8]
    vacuous_T: NDArray[np.uint8]

    @classmethod
    def holes(cls, solutions: int, tests: int) -> RowMatrix:
        """Nothing is known yet."""
        shape = (solutions, tests)
        return cls(
            np.zeros(shape, np.uint8),
            np.zeros(shape, np.uint32),
            np.zeros(shape, np.uint8),
            np.zeros(shape, np.uint8),
            np.zeros(tests, np.uint8),
        )


class RowJob:
    """A matrix being filled; cancelling the task that awaits it cancels the work."""

    def __init__(
        self,
        thread: LoopThread,
        executor: RowExecutor,
        solutions: Sequence[str],
        tests: Sequence[Test],
        terms: Terms,
        lost: Counter[str],
    ) -> None:
        self.lost = lost
        self._matrix = RowMatrix.holes(len(solutions), len(tests))
        self.rows_done = 0
        self._work = thread.start(self._fill(executor, solutions, tests, terms))

    def __await__(self) -> Generator[Any, None, RowMatrix]:
        """The matrix when every row is there."""
        return asyncio.wrap_future(self._work).__await__()

    async def _fill(
        self, executor: RowExecutor, solutions: Sequence[str], tests: Sequence[Test], terms: Terms
    ) -> RowMatrix:
        matrix = self._matrix
        async for row in executor.submit(solutions, tests, terms):
            matrix.verdict_ST[row.index] = list(row.verdict_T)
            matrix.cpu_us_ST[row.index] = row.cpu_us_T
            matrix.trust_ST[row.index] = list(row.trust_T)
            if row.held_T:
                matrix.held_ST[row.index] = list(row.held_T)
            if row.vacuous_T:
                matrix.vacuous_T[:] |= np.frombuffer(row.vacuous_T, np.uint8)
            for t, why in row.detail_T.items():
                if row.verdict_T[t] == INFRA_CODE and not (row.held_T and row.held_T[t]):
                    self.lost[why] += 1
            self.rows_done += 1
        return matrix


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """What one program did on one input."""

    verdict: int
    cpu_s: float


class RowPool:
    """`SandboxPool` on a row executor. The split judge only: elsewhere nothing else is offered.

    Ray's connection is the process's; everything else lives on a loop of the pool's own.
    """

    def __init__(self, executor: RowExecutor) -> None:
        self.executor = executor
        self.lost: Counter[str] = Counter()
        """Why cells were not judged, and how many."""
        self._thread = LoopThread("sv-rows")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._thread.close(self.executor.close())

    def submit(self, solutions: Sequence[str], tests: Sequence[str], **options: Any) -> RowJob:
        """Start judging every solution on every test; `options` are those of the sandbox's pool.

        Raises ValueError for another judge.
        """
        limits, judge = options["limits"], options.get("judge", "split")
        if judge != "split":
            raise ValueError(f"judge {judge!r} is for the sandbox of this machine")
        terms = Terms(
            cpu_s=limits.cpu_s,
            wall_s=limits.wall_s,
            memory_bytes=limits.memory_bytes,
            trust=options["trust"],
            below=options["below"],
            entry_point=options.get("entry_point"),
        )
        return RowJob(self._thread, self.executor, solutions, tests, terms, self.lost)

    async def run_async(
        self, program: str, *, stdin: str, expected: str, limits: Any
    ) -> ProgramResult:
        """One program on one input, as `sv_sandbox.Pool.run_async`."""
        terms = Terms(cpu_s=limits.cpu_s, wall_s=limits.wall_s, memory_bytes=limits.memory_bytes)
        test = Io(stdin, expected)
        matrix = await RowJob(self._thread, self.executor, [program], [test], terms, self.lost)
        return ProgramResult(int(matrix.verdict_ST[0, 0]), float(matrix.cpu_us_ST[0, 0]) / 1e6)


def pool_at(kind: Kind, servers: Sequence[str] = (), token: str | None = None) -> RowPool | None:
    """The pool at a place, None for the sandbox of this machine.

    Raises EngineError where an extra, a server or a cluster is missing.
    """
    if kind == "local" and not servers:
        return None
    try:
        return RowPool(open_rows(kind, servers, token))
    except ImportError as error:
        remedy = f"pip install 'sv-engine[{kind}]'"
        raise EngineError(f"{error.name} is not installed", remedy=remedy) from None
    except (ValueError, ConnectionError) as error:
        raise EngineError(str(error), where=f"executor {kind}") from None
