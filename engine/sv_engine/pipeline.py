"""From problems to pass matrices, generation and execution overlapped.

In: problems without ground truth. Out: a `Played` for each, handed to `on_played` the moment it
is complete, in any order. Stages, in one task group:

    problems -> players (sample solutions and tests, derive, critique) -> boards -> execution -> out

Bounds: `problems_in_flight` problems are being sampled, as many more wait for their last cells;
`jobs_in_flight` rectangles of cells run. Generation waits for execution only when that second
bound is reached, so memory is flat; a board runs as soon as `min_cells` of its cells exist, all of
its border at a time, so the borders are small while the sandbox is idle and grow when it is busy.
The first failure of any stage cancels the others and is raised alone, without its group.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sv_engine.board import Board, Played
from sv_engine.config import Execute, Generate, Roles, TestSampling
from sv_engine.extract import Drop
from sv_engine.generate.protocol import GenerationRequest, Generator, Sampling
from sv_engine.records import Completion, Problem
from sv_engine.roles import RoleTemplates, answer, read_solution, read_tests
from sv_engine.tasks import one_error


class CellRunner(Protocol):
    """The part of `execute.Executor` that the pipeline uses."""

    async def matrix(
        self, solutions: Sequence[str], tests: Sequence[str], cpu_s: float
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]: ...


class GroundTruthError(ValueError):
    """A problem with its reference came where only unlabelled problems may come."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the pipeline tells its caller; all are called on the event loop and must not block."""

    on_completion: Callable[[GenerationRequest, int, Completion], None] = lambda *_: None
    """Request, index of the sample in its order of arrival, sample."""
    on_cells: Callable[[int], None] = lambda _: None
    """Number of cells judged."""
    on_played: Callable[[Played], None] = lambda _: None


@dataclass(slots=True)
class PipelineStatistics:
    """Counters of one run of the pipeline."""

    boards: int = 0
    peak_boards: int = 0
    """Problems that were sampled or executed at the same time: the bound on memory."""
    jobs: int = 0
    cells: int = 0


@dataclass(frozen=True, slots=True)
class Player:
    """What plays a problem: the model, its prompts and how they are sampled."""

    generator: Generator
    templates: RoleTemplates
    generate: Generate
    roles: Roles
    seed: int


async def play(
    problems: Iterable[Problem],
    player: Player,
    executor: CellRunner,
    execute: Execute,
    hooks: Hooks,
) -> PipelineStatistics:
    """Play every problem.

    Raises GroundTruthError for a problem with a reference, and whatever a stage fails with.
    """
    run = _Run(player, executor, execute, hooks)
    async with one_error(), asyncio.TaskGroup() as group:
        executors = [group.create_task(run.execute()) for _ in range(execute.jobs_in_flight)]
        async with asyncio.TaskGroup() as players:
            for problem in problems:
                if problem.reference_solution is not None or problem.reference_test is not None:
                    raise GroundTruthError(f"problem {problem.id} carries its reference")
                await run.admit()
                players.create_task(run.play(problem))
        await run.finished()
        for task in executors:
            task.cancel()
    return run.statistics


class _Run:
    """The stages of one `play`, and the queue of boards between them."""

    def __init__(
        self, player: Player, executor: CellRunner, execute: Execute, hooks: Hooks
    ) -> None:
        self._player = player
        self._executor = executor
        self._execute = execute
        self._hooks = hooks
        self._sampling = asyncio.Semaphore(player.generate.problems_in_flight)
        self._alive = asyncio.Semaphore(2 * player.generate.problems_in_flight)
        self._ready: asyncio.Queue[Board] = asyncio.Queue()  # each board at most once
        self._queued: set[int] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self.statistics = PipelineStatistics()

    async def admit(self) -> None:
        """Wait until one more problem may be sampled."""
        await self._alive.acquire()
        await self._sampling.acquire()
        self._idle.clear()
        self.statistics.boards += 1
        self.statistics.peak_boards = max(self.statistics.peak_boards, self.statistics.boards)

    async def finished(self) -> None:
        """Wait until every board is complete."""
        await self._idle.wait()

    async def play(self, problem: Problem) -> None:
        """Sample one problem to its end."""
        generate = self._player.generate
        votes = generate.test_sampling is TestSampling.TWO_STAGE
        board = Board(problem, agreement=generate.agreement if votes else None)
        async with asyncio.TaskGroup() as group:
            if self._player.roles.verifier_sees == "solution":
                group.create_task(self._solve(board, group, verify_each=True))
            else:
                group.create_task(self._solve(board, group, verify_each=False))
                prompt = self._player.templates.verify.fill(problem)
                group.create_task(self._verify(board, group, prompt, generate.tests))
        board.close()
        self._sampling.release()
        self._offer(board)

    async def _solve(self, board: Board, group: asyncio.TaskGroup, *, verify_each: bool) -> None:
        generate, templates = self._player.generate, self._player.templates
        prompt = templates.solve.fill(board.problem)
        number = 0
        async with self._sample(board, "solve", prompt, generate.solutions) as completions:
            async for completion in completions:
                source = read_solution(templates.solve, board.problem, completion.text)
                if isinstance(source, Drop):
                    board.drop(Counter([f"solution: {source.value}"]))
                    continue
                board.add_solution(source)
                if verify_each and number < generate.tests:
                    asked = templates.verify_solution.fill(board.problem, solution=source)
                    group.create_task(self._verify(board, group, asked, 1, salt=str(number)))
                number += 1
                self._offer(board)
                if 0 < generate.enough_solutions <= board.solution_count:
                    break

    async def _verify(
        self, board: Board, group: asyncio.TaskGroup, prompt: str, n: int, salt: str = ""
    ) -> None:
        generate, template = self._player.generate, self._player.templates.verify
        async with self._sample(board, "verify", prompt, n, salt=salt) as completions:
            async for completion in completions:
                tests, dropped = read_tests(template, board.problem, completion.text)
                board.drop(Counter({f"test: {reason.value}": k for reason, k in dropped.items()}))
                if tests and generate.critique:
                    group.create_task(self._critique(board, group, prompt, tests))
                else:
                    self._enter_suite(board, group, prompt, tests)
                if 0 < generate.enough_tests <= board.test_count:
                    break

    async def _critique(
        self, board: Board, group: asyncio.TaskGroup, prompt: str, tests: list[str]
    ) -> None:
        """Put the verifier's own tests before it; what it answers takes their place."""
        template = self._player.templates.critique
        asked = template.fill(board.problem, tests="\n".join(tests))
        async with self._sample(board, "critique", asked, 1, salt=asked) as completions:
            async for completion in completions:
                kept, _ = read_tests(template, board.problem, completion.text)
                board.drop(Counter({"test: dropped by critique": len(set(tests) - set(kept))}))
                self._enter_suite(board, group, prompt, kept)

    def _enter_suite(
        self, board: Board, group: asyncio.TaskGroup, prompt: str, tests: list[str]
    ) -> None:
        if not tests:
            return
        for argument in board.add_suite(prompt, tests):
            group.create_task(self._derive(board, prompt, argument))
        self._offer(board)

    async def _derive(self, board: Board, prompt: str, argument: str) -> None:
        """Ask again for the expected value of one call."""
        generate, template = self._player.generate, self._player.templates.derive
        asked = template.fill(board.problem, argument=argument)
        n = generate.derivations
        async with self._sample(board, "derive", asked, n, salt=argument) as completions:
            async for completion in completions:
                tests, _ = read_tests(template, board.problem, completion.text, argument=argument)
                for test in tests[-1:]:  # the last is the conclusion of what was worked out
                    if answer(self._player.templates.verify, board.problem, [test]) is not None:
                        board.add_derived(prompt, test)
                self._offer(board)

    @asynccontextmanager
    async def _sample(
        self, board: Board, role: str, prompt: str, n: int, salt: str = ""
    ) -> AsyncIterator[AsyncIterator[Completion]]:
        """The completions of one request; leaving early stops the rest of them at once."""
        generate = self._player.generate
        hot = role != "derive"
        sampling = Sampling(
            temperature=generate.temperature if hot else generate.derive_temperature,
            top_p=generate.top_p,
            max_tokens=generate.max_tokens,
            seed=_seed(self._player.seed, board.problem.id, role, salt),
        )
        request = GenerationRequest(board.problem.id, role, prompt, n, sampling)
        stream = self._player.generator.generate(request)

        async def told() -> AsyncGenerator[Completion, None]:
            index = 0
            async for completion in stream:
                self._hooks.on_completion(request, index, completion)
                index += 1
                yield completion

        async with aclosing(stream), aclosing(told()) as completions:
            yield completions

    def _offer(self, board: Board) -> None:
        """Queue a board whose border is worth a job, or which is closed."""
        worth = board.closed or board.border_cells() >= self._execute.min_cells
        if worth and id(board) not in self._queued:
            self._queued.add(id(board))
            self._ready.put_nowait(board)

    async def execute(self) -> None:
        """Run the borders of boards, one at a time, until cancelled."""
        while True:
            board = await self._ready.get()
            results = []
            for rectangle in board.border():
                solutions, tests = board.sources(rectangle)
                verdict_ST, cpu_us_ST = await self._executor.matrix(
                    solutions, tests, self._execute.cpu_s
                )
                results.append((rectangle, verdict_ST, cpu_us_ST))
                self.statistics.jobs += 1
                self.statistics.cells += verdict_ST.size
                self._hooks.on_cells(verdict_ST.size)
            board.fill(results)
            self._queued.discard(id(board))
            if board.border() or not board.closed:
                self._offer(board)
                continue
            self._hooks.on_played(board.played())
            self._alive.release()
            self.statistics.boards -= 1
            if not self.statistics.boards:
                self._idle.set()


def _seed(seed: int, *parts: str) -> int:
    digest = hashlib.blake2b("\0".join([str(seed), *parts]).encode(), digest_size=4).digest()
    return int.from_bytes(digest) >> 1


def without_ground_truth(problem: Problem) -> Problem:
    """The problem as the model may see it."""
    return replace(problem, reference_solution=None, reference_test=None)
