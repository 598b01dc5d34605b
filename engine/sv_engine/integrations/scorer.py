"""Answers and ground truths in, scores out, for callers with an event loop or without.

A scorer is cheap, picklable and starts nothing until it is first used: a pool, or connections, and
a thread with an event loop of its own, so that it serves any loop and any thread of its process. A
copy in another process (pickled, or forked) starts its own.

`score` is None for a hole: the program could not be judged, or not in time, or the ground truth is
in no known shape. That is never the program's failure, and each adapter says it in its own way.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sv_engine.executors.loop_thread import LoopThread
from sv_engine.executors.protocol import RowExecutor, Terms
from sv_engine.grading import SuiteError, code_of, grade, read_suite

LOCAL = "local"
MAX_IN_FLIGHT = 256


class NotJudgedError(RuntimeError):
    """The sandbox, or the machine, could not say whether a program is right."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What one answer came to."""

    score: float | None
    """None: not known."""
    passed: int = 0
    total: int = 0
    detail: str = ""
    """Why the first test that was not passed was not, or why there is no score."""

    @property
    def known(self) -> float:
        """The score; raises NotJudgedError for a hole."""
        if self.score is None:
            raise NotJudgedError(self.detail)
        return self.score


@dataclass(frozen=True)
class Scorer:
    """How answers are scored.

    target: "local", or URLs of `sv-engine serve`, with commas between them. partial: the share of
    tests passed instead of all or nothing. cpu_s: CPU seconds of a test. deadline_s: after which an
    answer is a hole. tries: how often a hole is asked for. trust: the least that a pass needs.
    """

    target: str = LOCAL
    partial: bool = False
    cpu_s: float = 5.0
    memory_bytes: int = 512 << 20
    deadline_s: float = 120.0
    tries: int = 2
    trust: str = "proven"
    token: str | None = None
    check: str = "decimals"
    workers: int | None = None
    _started: dict[int, _Engine] = field(
        default_factory=dict, init=False, repr=False, compare=False, hash=False
    )

    async def score(self, answer: Any, truth: Any) -> Scored:
        """Score one answer (text, or chat messages) against a ground truth of any known shape."""
        return await asyncio.wrap_future(self._engine().start(self._score(answer, truth)))

    async def score_all(self, answers: Sequence[Any], truths: Sequence[Any]) -> list[Scored]:
        """Score many, in their order."""
        pairs = zip(answers, truths, strict=True)
        return list(await asyncio.gather(*(self.score(*pair) for pair in pairs)))

    def score_now(self, answer: Any, truth: Any) -> Scored:
        """`score` for callers without an event loop."""
        return self._engine().start(self._score(answer, truth)).result()

    def score_all_now(self, answers: Sequence[Any], truths: Sequence[Any]) -> list[Scored]:
        """`score_all` for callers without an event loop."""
        engine = self._engine()
        pairs = zip(answers, truths, strict=True)
        return [each.result() for each in [engine.start(self._score(*pair)) for pair in pairs]]

    def close(self) -> None:
        """End what this process started; a later call starts it again."""
        engine = self._started.pop(os.getpid(), None)
        if engine is not None:
            engine.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_started": {}}

    # -- inside

    def _engine(self) -> _Engine:
        with _STARTING:
            engine = self._started.get(os.getpid())
            if engine is None:
                engine = self._started[os.getpid()] = _Engine(self._executor())
            return engine

    def _executor(self) -> RowExecutor:
        if self.target == LOCAL:
            from sv_engine.executors.local import LocalExecutor

            return LocalExecutor(self.workers, memory_bytes=self.memory_bytes)
        from sv_engine.executors.servers import HttpExecutor

        urls = [url.strip() for url in self.target.split(",")]
        return HttpExecutor(urls, token=self.token, patience_s=self.deadline_s)

    async def _score(self, answer: Any, truth: Any) -> Scored:
        try:
            suite = read_suite(truth, check=self.check)
        except SuiteError as error:
            return Scored(None, detail=f"ground truth: {error}")
        terms = Terms(
            cpu_s=self.cpu_s, memory_bytes=self.memory_bytes, trust=self.trust, below="fail"
        )
        engine = self._engine()
        program, total = code_of(answer), len(suite.tests)
        try:
            async with asyncio.timeout(self.deadline_s), engine.places:
                for _ in range(self.tries):
                    result = await grade(engine.executor, program, suite, terms)
                    score = result.score(partial=self.partial)
                    if score is not None:
                        break
        except TimeoutError:
            return Scored(None, 0, total, f"not judged within {self.deadline_s:g} s")
        except ValueError as error:  # more than a row can hold
            return Scored(None, 0, total, str(error))
        return Scored(score, result.passed, total, result.first_fault)


_STARTING = threading.Lock()


class _Engine:
    """An executor, and the loop it lives on."""

    def __init__(self, executor: RowExecutor) -> None:
        self.executor = executor
        self.places = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._thread = LoopThread("sv-scorer")
        self.start = self._thread.start

    def close(self) -> None:
        self._thread.close(self.executor.close())


@lru_cache(maxsize=64)
def shared(**options: Any) -> Scorer:
    """The scorer of this process with these options: functions that are called often have none."""
    return Scorer(**options)
