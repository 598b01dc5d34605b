"""From problems to pass matrices, generation and execution overlapped.

In: problems without ground truth. Out: an `Outcome` of each, handed to `on_outcome` the moment it
is complete, in any order; one with timeouts that an overload of the machine may have caused comes
last, when nothing else is in flight and they were run again (`timeouts`). Stages:

    problems -> players (sample solutions and tests, derive, critique) -> boards -> execution -> out

What a cell costs is mostly its row: a process for the program, whatever the number of tests. So a
program runs once, on all tests of its problem, when the problem is complete; such rows go to the
sandbox at once. Only a worker that would otherwise have nothing to do gets rows before that:
first of problems whose tests are all there, where nothing has to be run twice, then borders of at
least `min_cells` cells, whose programs will run once more on the tests that come later.

Bounds: `problems_in_flight` problems are being sampled, as many more wait for their last cells, so
memory is flat, but for those that are run again; generation waits for execution only when that
second bound is reached. The first failure of any stage cancels the others and is raised alone,
without its group.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from sv_engine.config.sections import Execute, Generate, Roles, TestSampling
from sv_engine.execute.timeouts import Judge, recheck
from sv_engine.generate.protocol import GenerationRequest, Sampler, sampling_of, seed_of
from sv_engine.play.board import Board, Rectangle
from sv_engine.play.tasks import one_error
from sv_engine.problems.extract import Drop
from sv_engine.prompts.roles import RoleTemplates, answer, read_solution, read_tests, written
from sv_engine.records import Completion, Outcome, Problem, Recheck, Verdicts


class CellRunner(Judge, Protocol):
    """The part of `execute.Executor` that the pipeline uses."""

    @property
    def workers(self) -> int:
        """Rows that run at the same time."""

    @property
    def idle(self) -> bool:
        """Whether some worker has nothing to do."""


class GroundTruthError(ValueError):
    """A problem with its reference came where only unlabelled problems may come."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the pipeline tells its caller; all are called on the event loop and must not block."""

    on_completion: Callable[[GenerationRequest, Completion], None] = lambda *_: None
    on_cells: Callable[[int], None] = lambda _: None
    """Number of cells judged."""
    on_outcome: Callable[[Outcome], None] = lambda _: None


@dataclass(slots=True)
class PipelineStatistics:
    """Counters of one run of the pipeline."""

    boards: int = 0
    peak_boards: int = 0
    """Problems that were sampled or executed at the same time: the bound on memory."""
    jobs: int = 0
    rows: int = 0
    """Programs run, each time counted."""
    cells: int = 0
    rechecks: Counter[Recheck] = field(default_factory=Counter)
    """Cells of the problems whose timeouts were run again, by what became of them."""


@dataclass(frozen=True, slots=True)
class Player:
    """What plays a problem: the model, its prompts and how they are sampled."""

    generator: Sampler
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
    async with one_error(), asyncio.TaskGroup() as jobs:
        run = _Run(player, executor, execute, hooks, jobs)
        async with asyncio.TaskGroup() as players:
            for problem in problems:
                if problem.reference_solution is not None or problem.reference_test is not None:
                    raise GroundTruthError(f"problem {problem.id} carries its reference")
                await run.admit()
                players.create_task(run.play(problem))
    await run.finish_doubtful()
    return run.statistics


class _Run:
    """The stages of one `play`, and the boards between them."""

    def __init__(
        self,
        player: Player,
        executor: CellRunner,
        execute: Execute,
        hooks: Hooks,
        jobs: asyncio.TaskGroup,
    ) -> None:
        self._player = player
        self._executor = executor
        self._execute = execute
        self._hooks = hooks
        self._jobs = jobs
        self._sampling = asyncio.Semaphore(player.generate.problems_in_flight)
        self._alive = asyncio.Semaphore(2 * player.generate.problems_in_flight)
        self._growing: dict[Board, None] = {}
        """Boards that are being sampled and have no job, the oldest first."""
        self._doubtful: list[Board] = []
        self._early_rows = 0
        """Rows of incomplete problems in jobs that have not ended."""
        self.statistics = PipelineStatistics()

    async def admit(self) -> None:
        """Wait until one more problem may be sampled."""
        await self._alive.acquire()
        await self._sampling.acquire()
        self.statistics.boards += 1
        self.statistics.peak_boards = max(self.statistics.peak_boards, self.statistics.boards)

    async def play(self, problem: Problem) -> None:
        """Sample one problem to its end."""
        generate = self._player.generate
        votes = generate.test_sampling is TestSampling.TWO_STAGE
        agreement = generate.agreement if votes else None
        board = Board(problem, self._execute.cpu_s, agreement=agreement)
        self._growing[board] = None
        async with asyncio.TaskGroup() as group:
            if self._player.roles.verifier_sees == "solution":
                group.create_task(self._solve(board, group, verify_each=True))
            else:
                group.create_task(self._solve(board, group, verify_each=False))
                prompt = self._player.templates.verify.fill(problem)
                async with asyncio.TaskGroup() as tests:
                    tests.create_task(self._verify(board, tests, prompt, generate.tests))
                board.has_all_tests = True
                self._use_idle_workers()
        board.close()
        self._sampling.release()
        if board in self._growing:  # or else its job will see that it is closed
            del self._growing[board]
            self._finish(board)

    async def _solve(self, board: Board, group: asyncio.TaskGroup, *, verify_each: bool) -> None:
        generate, templates = self._player.generate, self._player.templates
        prompt = templates.solve.fill(board.problem)
        sample = self._sample(
            board, "solve", prompt, generate.solutions, stop=templates.solve.of(board.problem).stop
        )
        async with sample as completions:
            async for completion in completions:
                source = read_solution(templates.solve, board.problem, completion.text)
                if isinstance(source, Drop):
                    board.drop(Counter([f"solution: {source.value}"]))
                    continue
                text = written(templates.solve, board.problem, completion.text, source)
                board.add_solution(source, text)
                number = completion.sample  # of the model's seed, not of the order of arrival
                left = generate.tests - number * generate.suites_per_solution
                if verify_each and left > 0:
                    asked = templates.verify_solution.fill(board.problem, solution=source)
                    n = min(left, generate.suites_per_solution)
                    group.create_task(self._verify(board, group, asked, n, salt=str(number)))
                self._use_idle_workers()
                if 0 < generate.enough_solutions <= board.solution_count:
                    break

    async def _verify(
        self, board: Board, group: asyncio.TaskGroup, prompt: str, n: int, salt: str = ""
    ) -> None:
        generate, template = self._player.generate, self._player.templates.verify
        stop = template.of(board.problem).stop
        sample = self._sample(board, "verify", prompt, n, salt=salt, stop=stop)
        async with sample as completions:
            async for completion in completions:
                limit = generate.max_asserts
                tests, dropped = read_tests(template, board.problem, completion.text, limit)
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
        template, limit = self._player.templates.critique, self._player.generate.max_asserts
        asked = template.fill(board.problem, tests="\n".join(tests))
        sample = self._sample(
            board, "critique", asked, 1, salt=asked, stop=template.of(board.problem).stop
        )
        async with sample as completions:
            async for completion in completions:
                kept, _ = read_tests(template, board.problem, completion.text, limit)
                board.drop(Counter({"test: dropped by critique": len(set(tests) - set(kept))}))
                self._enter_suite(board, group, prompt, kept)

    def _enter_suite(
        self, board: Board, group: asyncio.TaskGroup, prompt: str, tests: list[str]
    ) -> None:
        if not tests:
            return
        for argument in board.add_suite(prompt, tests):
            group.create_task(self._derive(board, prompt, argument))
        self._use_idle_workers()

    async def _derive(self, board: Board, prompt: str, argument: str) -> None:
        """Ask again for the expected value of one call."""
        generate, template = self._player.generate, self._player.templates.derive
        asked = template.fill(board.problem, argument=argument)
        n = generate.derivations
        sample = self._sample(
            board, "derive", asked, n, salt=argument, stop=template.of(board.problem).stop
        )
        async with sample as completions:
            async for completion in completions:
                tests, _ = read_tests(template, board.problem, completion.text, argument=argument)
                for test in tests[-1:]:  # the last is the conclusion of what was worked out
                    if answer(self._player.templates.verify, board.problem, [test]) is not None:
                        board.add_derived(prompt, test)
                self._use_idle_workers()

    @asynccontextmanager
    async def _sample(
        self,
        board: Board,
        role: str,
        prompt: str,
        n: int,
        *,
        salt: str = "",
        stop: tuple[str, ...] = (),
    ) -> AsyncIterator[AsyncIterator[Completion]]:
        """The completions of one request; leaving early stops the rest of them at once."""
        generate = self._player.generate
        hot = role != "derive"
        sampling = sampling_of(
            generate,
            temperature=generate.temperature if hot else generate.derive_temperature,
            stop=stop,
            seed=seed_of(self._player.seed, board.problem.id, role, salt),
        )
        request = GenerationRequest(board.problem.id, role, prompt, n, sampling)
        stream = self._player.generator.generate(request)

        async def told() -> AsyncGenerator[Completion, None]:
            async for completion in stream:
                self._hooks.on_completion(request, completion)
                yield completion

        async with aclosing(stream), aclosing(told()) as completions:
            yield completions

    def _use_idle_workers(self) -> None:
        """Give the sandbox rows of incomplete problems as long as a worker has nothing to do."""
        # Rows of a job that was just made are not with the sandbox yet, so they are counted here.
        while self._executor.idle and self._early_rows < self._executor.workers:
            worth = [
                board
                for board in self._growing
                if board.border_cells() >= (1 if board.has_all_tests else self._execute.min_cells)
            ]
            if not worth:
                return
            board = max(worth, key=lambda board: (board.has_all_tests, board.border_cells()))
            del self._growing[board]
            rows = sum(len(rectangle.rows) for rectangle in board.border())
            self._early_rows += rows
            self._jobs.create_task(self._run_early(board, rows))

    async def _run_early(self, board: Board, rows: int) -> None:
        await self._run_border(board)
        self._early_rows -= rows
        if board.closed:
            self._finish(board)
        else:
            self._growing[board] = None
        self._use_idle_workers()

    def _finish(self, board: Board) -> None:
        """Run what is left of a closed board without a job, and hand it out."""
        self._jobs.create_task(self._run_last(board))

    async def _run_last(self, board: Board) -> None:
        await self._run_border(board)
        if board.verdicts.is_doubtful:
            self._doubtful.append(board)
        else:
            self._hooks.on_outcome(board.outcome())
        self._alive.release()
        self.statistics.boards -= 1
        self._use_idle_workers()

    async def _run_border(self, board: Board) -> None:
        """Run all of a board's border; the board may grow meanwhile."""
        border = board.border()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._run_rectangle(board, r)) for r in border]
        board.fill([(r, task.result()) for r, task in zip(border, tasks, strict=True)])

    async def _run_rectangle(self, board: Board, rectangle: Rectangle) -> Verdicts:
        solutions, tests = board.sources(rectangle)
        verdicts = await self._executor.judge(
            solutions, tests, self._execute.cpu_s, board.problem.entry_point
        )
        self.statistics.jobs += 1
        self.statistics.rows += len(solutions)
        self.statistics.cells += verdicts.verdict_ST.size
        self._hooks.on_cells(verdicts.verdict_ST.size)
        return verdicts

    async def finish_doubtful(self) -> None:
        """Hand out the problems with timeouts that an overload may have caused, when nothing else
        is in flight and these timeouts were run again."""
        await recheck([board.block() for board in self._doubtful], self._executor)
        for board in self._doubtful:
            found = board.verdicts.recheck_ST.ravel().tolist()
            self.statistics.rechecks.update(map(Recheck, found))
            self._hooks.on_outcome(board.outcome())


def without_ground_truth(problem: Problem) -> Problem:
    """The problem as the model may see it."""
    return replace(problem, reference_solution=None, reference_test=None)
