"""What answers on a benchmark are worth, role by role.

Solver: a program counts as right if it passes every test of its task's suite; pass@k is unbiased
(`metrics.pass_at_k`), a program that could not be judged is no sample. Verifier: the asserts of
each completion against the reference and the bank of mutants, by the figures of `evaluate.heldout`
(validity, kill rate, mutation score). Every figure has its interval over problems.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from sv_engine.benchmarks.mutants import BANK_SIZE, mutants
from sv_engine.benchmarks.samples import Texts, shown
from sv_engine.benchmarks.tasks import Task
from sv_engine.evaluate.heldout import test_sums
from sv_engine.evaluate.metrics import Estimate, estimate, pass_at_k, ratio_estimates
from sv_engine.executors.protocol import Row, RowExecutor, Terms, collect
from sv_engine.grading.grade import grade
from sv_engine.play.tasks import one_error
from sv_engine.problems.distinct import distinct_solutions, distinct_tests
from sv_engine.prompts.roles import Template, read_tests
from sv_engine.records import Candidates, Outcome, Verdicts

IN_FLIGHT = 16
Bank = dict[str, tuple[str, ...]]
"""Task id -> wrong programs, frozen: the same for the same reference and tests."""
Marks = dict[str, list[float | None]]
"""Task id -> 1.0 right, 0.0 wrong, None not judged, for each sample."""


async def judge_programs(
    tasks: Sequence[Task],
    found: Texts,
    executor: RowExecutor,
    terms: Terms,
    on_task: Callable[[], None] = lambda: None,
) -> Marks:
    """Each program on its task's suite; equal programs are judged once."""
    room = asyncio.Semaphore(IN_FLIGHT)

    async def one(task: Task) -> list[float | None]:
        written = found[task.problem.id]
        own = replace(terms, entry_point=task.problem.entry_point or None)
        async with room:
            score: dict[str, float | None] = {"": 0.0}
            for program in dict.fromkeys(text for text in written if text):
                graded = await grade(executor, program, task.suite, own)
                score[program] = graded.score()
            on_task()
        return [score[program] for program in written]

    async with one_error(), asyncio.TaskGroup() as group:
        jobs = {task.problem.id: group.create_task(one(task)) for task in tasks}
    return {task_id: job.result() for task_id, job in jobs.items()}


def solver_figures(marks: Marks, ks: Sequence[int]) -> dict[str, Estimate]:
    """pass@k for each k that some task has samples for."""
    known = [[mark for mark in row if mark is not None] for row in marks.values()]
    figures = {}
    for k in ks:
        found = estimate([float(pass_at_k(len(row), round(sum(row)), k)[()]) for row in known])
        if found.count:
            figures[f"code_pass_at_{k}"] = found
    return figures


async def make_bank(tasks: Sequence[Task], executor: RowExecutor, terms: Terms) -> Bank:
    """The mutants that each task's own tests refute; no entry where the reference itself fails."""
    room = asyncio.Semaphore(IN_FLIGHT)

    async def one(task: Task) -> tuple[str, ...] | None:
        reference = task.problem.reference_solution or ""
        own = replace(terms, entry_point=task.problem.entry_point)
        async with room:
            if (await grade(executor, reference, task.suite, own)).score() != 1.0:
                return None
            tried = mutants(reference, task.problem.entry_point)
            graded = [await grade(executor, mutant, task.suite, own) for mutant in tried]
        wrong = [mutant for mutant, g in zip(tried, graded, strict=True) if g.score() == 0.0]
        return tuple(wrong[:BANK_SIZE])

    usable = [task for task in tasks if task.has_reference]
    async with one_error(), asyncio.TaskGroup() as group:
        jobs = {task.problem.id: group.create_task(one(task)) for task in usable}
    found = {task_id: job.result() for task_id, job in jobs.items()}
    return {task_id: bank for task_id, bank in found.items() if bank is not None}


async def verifier_figures(
    tasks: Sequence[Task],
    texts: Texts,
    template: Template,
    bank: Bank,
    executor: RowExecutor,
    terms: Terms,
) -> dict[str, Estimate]:
    """The figures of `evaluate.heldout` over the tasks that have a bank."""
    room = asyncio.Semaphore(IN_FLIGHT)

    async def one(task: Task) -> dict[str, tuple[float, float]]:
        problem = shown(task, "verify")
        suites = [read_tests(template, problem, text)[0] for text in texts[problem.id]]
        programs = [task.problem.reference_solution or "", *bank[problem.id]]
        solutions = distinct_solutions(programs)
        asserts = distinct_tests(test for suite in suites for test in suite)
        sources = [test.source for test in asserts]
        own = replace(terms, entry_point=problem.entry_point)
        async with room:
            judged = await collect(executor, [s.source for s in solutions], sources, own)
        candidates = Candidates(problem, solutions, asserts)
        return test_sums(Outcome(candidates, verdicts_of(judged, terms.cpu_s)), suites)

    async with one_error(), asyncio.TaskGroup() as group:
        jobs = [group.create_task(one(task)) for task in tasks if task.problem.id in bank]
    return ratio_estimates([job.result() for job in jobs])


def verdicts_of(rows: Sequence[Row], cpu_s: float) -> Verdicts:
    """Rows of an executor as the arrays of a matrix."""
    verdicts = Verdicts.unknown(len(rows), len(rows[0].verdict_T) if rows else 0, cpu_s)
    for row in rows:
        verdicts.verdict_ST[row.index] = list(row.verdict_T)
        verdicts.cpu_us_ST[row.index] = row.cpu_us_T
        verdicts.trust_ST[row.index] = list(row.trust_T)
        if row.held_T:
            verdicts.held_ST[row.index] = list(row.held_T)
        if row.vacuous_T:
            verdicts.vacuous_T[:] |= [bool(v) for v in row.vacuous_T]
    return verdicts
