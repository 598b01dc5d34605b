"""The loop without a model: scripted players, and programs executed in process."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sv_engine.execute.sandbox import SandboxFault
from sv_engine.generate import EngineDiedError, GenerationRequest
from sv_engine.generate.streams import Stream, StreamingGenerator
from sv_engine.records import TIMEOUT_CODE, Completion, Recheck, Verdicts


class ScriptedGenerator(StreamingGenerator):
    """Answers by a function of request and sample index; delivers in random order, seeded."""

    def __init__(
        self, write: Callable[[GenerationRequest, int], str], max_in_flight: int = 1024
    ) -> None:
        super().__init__(max_in_flight)
        self.write = write
        self.requests: list[GenerationRequest] = []
        self.loaded: list[Path] = []
        self.sleeps: list[str] = []
        self.fail_after: int | None = None
        """Requests that are served before the engine dies."""

    async def _open(self) -> None: ...

    async def _close(self) -> None: ...

    async def _start(self, stream: Stream) -> None:
        self.requests.append(stream.request)
        if self.fail_after is not None and len(self.requests) > self.fail_after:
            self._fail(EngineDiedError("the engine died", where="scripted", remedy="run again"))
            return
        stream.handle = asyncio.create_task(self._deliver(stream))

    async def _deliver(self, stream: Stream) -> None:
        request = stream.request
        order = list(range(request.n))
        random.Random(request.prompt).shuffle(order)
        for index in order:
            await asyncio.sleep(0)
            text = self.write(request, request.first + index)
            stream.deliver(
                Completion(request.problem_id, request.role, text, token_count=1, sample=index)
            )

    def _stop(self, stream: Stream) -> None:
        if stream.handle is not None:
            stream.handle.cancel()

    async def sleep(self) -> None:
        self.sleeps.append("sleep")

    async def wake(self) -> None:
        self.sleeps.append("wake")

    async def _load_weights(self, path: Path) -> None:
        self.loaded.append(path)


class InProcessCells:
    """Runs cells in this process: only for programs that the tests themselves wrote."""

    workers = 4

    def __init__(self) -> None:
        self.idle = True
        self.cells: Counter[tuple[str, str]] = Counter()
        self.rows: Counter[str] = Counter()
        """Program -> how often it was run."""
        self.fail_after: int | None = None
        """Matrices that are run before the sandbox fails."""
        self.matrices = 0

    async def judge(
        self,
        solutions: Sequence[str],
        tests: Sequence[str],
        cpu_s: float,
        entry_point: str | None = None,
    ) -> Verdicts:
        await asyncio.sleep(0)
        self.matrices += 1
        if self.fail_after is not None and self.matrices > self.fail_after:
            raise SandboxFault("the sandbox is gone")
        self.rows.update(solutions)
        self.cells.update((s, t) for s in solutions for t in tests)
        judged = Verdicts.unknown(len(solutions), len(tests), cpu_s)
        for s, solution in enumerate(solutions):
            judged.verdict_ST[s] = [self._run(solution, test) for test in tests]
        judged.cpu_us_ST[:] = 100
        return judged

    @staticmethod
    def _run(solution: str, test: str) -> int:
        try:
            exec(solution + "\n" + test, {})
        except AssertionError:
            return 2
        except Exception:
            return 3
        return 1


@pytest.fixture
def scripted() -> Callable[[Callable[[GenerationRequest, int], str]], ScriptedGenerator]:
    """Makes a generator of a function."""
    return ScriptedGenerator


class OverloadedCells(InProcessCells):
    """Every cell of more than one at a time times out, doubtfully."""

    def __init__(self) -> None:
        super().__init__()
        self.running = 0
        self.alone: list[tuple[str, str]] = []

    async def judge(
        self,
        solutions: Sequence[str],
        tests: Sequence[str],
        cpu_s: float,
        entry_point: str | None = None,
    ) -> Verdicts:
        self.running += 1
        judged = await super().judge(solutions, tests, cpu_s)
        self.running -= 1
        if judged.verdict_ST.size == 1 and not self.running:
            self.alone.append((solutions[0], tests[0]))
        else:
            judged.verdict_ST[:] = TIMEOUT_CODE
            judged.recheck_ST[:] = Recheck.NOT_CONFIRMED
        return judged


@pytest.fixture
def overloaded() -> OverloadedCells:
    """An executor on a machine that is too full, but for a cell that runs alone."""
    return OverloadedCells()


@pytest.fixture
def cells() -> InProcessCells:
    """An executor for trusted programs."""
    return InProcessCells()
