"""Held-out evaluation of both roles.

In: a generator with the weights to be measured, problems with references and frozen banks of wrong
programs. Out: figures, each a ratio over problems with its standard error. Held-out problems come
only here; what the model is shown of them is their prompt. The same seeds are used at every
iteration, so differences between iterations are paired.

Code, P problems with n samples each:
    code_pass_at_k   unbiased pass@k (Chen et al. 2021, arXiv 2107.03374)
    code_uniqueness  distinct programs / programs
Tests; a completion without a readable assert counts as one invalid assert:
    test_validity             asserts that the reference passes / asserts
    test_suite_validity       completions whose asserts the reference all passes / completions
    test_false_positive_rate  completions with an assert that the reference fails / readable ones
    test_kill_rate            (valid assert, wrong program) pairs in which it fails / such pairs
    test_mutation_score       wrong programs that some valid assert of the problem kills / programs
    test_uniqueness           distinct asserts / asserts
    test_parse_rate           completions with a readable assert / completions
    test_input_size           elements in the input of an assert (a length, not a share)
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sv_engine.evaluate.metrics import Z_95, Estimate, pass_at_k
from sv_engine.execute.executor import Judged
from sv_engine.execute.timeouts import Grid, settle
from sv_engine.generate.protocol import GenerationRequest, Generator, Sampling
from sv_engine.play.pipeline import CellRunner, without_ground_truth
from sv_engine.play.tasks import one_error
from sv_engine.problems.distinct import distinct_solutions, distinct_tests
from sv_engine.problems.extract import Drop
from sv_engine.prompts.roles import RoleTemplates, call_of, read_solution, read_tests
from sv_engine.records import INFRA_CODE, PASS_CODE, Completion, Problem, Rollout

Sums = dict[str, list[tuple[float, float]]]
"""Figure -> (numerator, denominator) of each problem."""


@dataclass(frozen=True, slots=True)
class Heldout:
    """A problem with what only the evaluation may see."""

    problem: Problem
    """With reference solution and reference test."""
    wrong_solutions: tuple[str, ...] = ()
    """The frozen bank: programs that the reference test refutes."""

    @property
    def has_reference(self) -> bool:
        """Whether it can be judged."""
        problem = self.problem
        return None not in (problem.reference_solution, problem.reference_test)


@dataclass(frozen=True, slots=True)
class Setting:
    """How one evaluation samples."""

    temperature: float
    samples: int
    """Completions per problem and role; 1 where greedy."""
    k: tuple[int, ...]
    max_tokens: int
    top_p: float = 1.0


@dataclass(frozen=True, slots=True)
class Bench:
    """What an evaluation needs besides the problems."""

    generator: Generator
    executor: CellRunner
    templates: RoleTemplates
    cpu_s: float
    """CPU time of a test that the model wrote."""
    reference_cpu_s: float
    """CPU time of a reference test, which is many asserts in one."""
    problems_in_flight: int = 64
    on_completion: Callable[[GenerationRequest, int, Completion], None] = lambda *_: None
    on_matrix: Callable[[Rollout, NDArray[np.uint8], NDArray[np.uint32]], None] = lambda *_: None
    on_problem: Callable[[], None] = lambda: None


@dataclass(slots=True)
class _Answers:
    solutions: list[str] = field(default_factory=list)
    suites: list[list[str]] = field(default_factory=list)
    """One list of asserts per completion, empty where none was readable."""


@dataclass(frozen=True, slots=True)
class _Cells:
    """A matrix with its limit."""

    rollout: Rollout
    cpu_s: float
    judged: Judged

    @property
    def verdict_ST(self) -> NDArray[np.uint8]:
        return self.judged.evidence_ST

    @property
    def refuted(self) -> tuple[str, ...]:
        """The programs that fail the first test."""
        verdicts = zip(self.rollout.solutions, self.verdict_ST[:, 0], strict=True)
        return tuple(solution.source for solution, code in verdicts if code > PASS_CODE)


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything about one problem."""

    answers: _Answers
    code: _Cells
    tests: _Cells


async def verified(heldout: Sequence[Heldout], bench: Bench) -> list[Heldout]:
    """The problems whose reference passes its own test, each with those of its bank that fail it.

    A wrong entry would bias every figure in the same direction, so the files are not trusted.
    """

    quiet = replace(bench, on_matrix=lambda *_: None)

    async def check(problem: Problem, wrong: Sequence[str]) -> _Cells:
        programs = distinct_solutions([problem.reference_solution or "", *wrong])
        rollout = Rollout(problem, programs, distinct_tests([problem.reference_test or ""]))
        return await _run(rollout, quiet.reference_cpu_s, quiet)

    checked = await asyncio.gather(
        *(check(item.problem, item.wrong_solutions) for item in heldout if item.has_reference)
    )
    await _settle(checked, quiet)
    return [
        Heldout(cells.rollout.problem, cells.refuted)
        for cells in checked
        if cells.verdict_ST[0, 0] == PASS_CODE
    ]


async def evaluate(
    heldout: Sequence[Heldout], setting: Setting, bench: Bench
) -> dict[str, Estimate]:
    """All figures at one setting; figures without any evidence are left out."""
    room = asyncio.Semaphore(bench.problems_in_flight)

    async def one(item: Heldout) -> _Case:
        async with room:
            answers = await _sample(without_ground_truth(item.problem), setting, bench)
            case = await _judge(item, answers, bench)
            bench.on_problem()
            return case

    async with one_error(), asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(item)) for item in heldout]
    cases = [task.result() for task in tasks]
    await _settle([cells for case in cases for cells in (case.code, case.tests)], bench)
    by_name: Sums = defaultdict(list)
    for case in cases:
        for name, sums in _sums(case, setting.k).items():
            by_name[name].append(sums)
    estimates = {name: ratio_estimate(sums) for name, sums in by_name.items()}
    return {name: e for name, e in estimates.items() if e is not None}


def ratio_estimate(sums: Sequence[tuple[float, float]]) -> Estimate | None:
    """sum of numerators / sum of denominators over problems; None where that is 0 / 0.

    The standard error is the linearised one of a ratio of sums over P independent problems,
    sqrt(P / (P - 1) * sum((y - r x)^2)) / sum(x); with x = 1 it is s / sqrt(P).
    """
    y_P, x_P = np.array([s for s in sums if s[1] > 0], dtype=np.float64).reshape(-1, 2).T
    count = len(x_P)
    if not count:
        return None
    ratio = float(y_P.sum() / x_P.sum())
    residual = float(((y_P - ratio * x_P) ** 2).sum())
    se = float(np.sqrt(count / (count - 1) * residual) / x_P.sum()) if count > 1 else float("nan")
    reach = 0.0 if np.isnan(se) else Z_95 * se
    return Estimate(ratio, se, ratio - reach, ratio + reach, count)


async def _sample(problem: Problem, setting: Setting, bench: Bench) -> _Answers:
    """Both roles; `problem` has no reference."""
    answers = _Answers()
    solve, verify = bench.templates.solve, bench.templates.verify

    async def sample(role: str, prompt: str, read: Callable[[str], None]) -> None:
        key = f"{problem.id}\0{role}\0{setting.temperature}"
        seed = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest()) >> 1
        sampling = Sampling(setting.temperature, setting.top_p, setting.max_tokens, seed=seed)
        request = GenerationRequest(problem.id, role, prompt, setting.samples, sampling)
        index = 0
        async with aclosing(bench.generator.generate(request)) as completions:
            async for completion in completions:
                bench.on_completion(request, index, completion)
                index += 1
                read(completion.text)

    def read_one_solution(text: str) -> None:
        source = read_solution(solve, problem, text)
        answers.solutions.append("" if isinstance(source, Drop) else source)

    def read_one_suite(text: str) -> None:
        answers.suites.append(read_tests(verify, problem, text)[0])

    async with asyncio.TaskGroup() as group:
        group.create_task(sample("solve", solve.fill(problem), read_one_solution))
        group.create_task(sample("verify", verify.fill(problem), read_one_suite))
    return answers


async def _judge(item: Heldout, answers: _Answers, bench: Bench) -> _Case:
    """All cells of one problem."""
    problem = item.problem
    assert problem.reference_solution is not None
    assert problem.reference_test is not None
    programs = distinct_solutions(s for s in answers.solutions if s)
    code = Rollout(problem, programs, distinct_tests([problem.reference_test]))
    references = (problem.reference_solution, *item.wrong_solutions)
    asserts = distinct_tests(test for suite in answers.suites for test in suite)
    tests = Rollout(problem, distinct_solutions(references), asserts)
    async with asyncio.TaskGroup() as group:
        judging_code = group.create_task(_run(code, bench.reference_cpu_s, bench))
        judging_tests = group.create_task(_run(tests, bench.cpu_s, bench))
    return _Case(answers, judging_code.result(), judging_tests.result())


async def _run(rollout: Rollout, cpu_s: float, bench: Bench) -> _Cells:
    """Run all cells; what is not doubtful is final."""
    judged = await bench.executor.judge(*rollout.sources(), cpu_s)
    cells = _Cells(rollout, cpu_s, judged)
    if not judged.is_doubtful:
        _tell(cells, bench)
    return cells


async def _settle(all_cells: Sequence[_Cells], bench: Bench) -> None:
    """Run timeouts that an overload may have caused again, now that nothing is in flight."""
    doubtful = [cells for cells in all_cells if cells.judged.is_doubtful]
    grids = [Grid.of(*cells.rollout.sources(), cells.cpu_s, cells.judged) for cells in doubtful]
    await settle(grids, bench.executor)
    for cells in doubtful:
        _tell(cells, bench)


def _tell(cells: _Cells, bench: Bench) -> None:
    if cells.verdict_ST.size:
        bench.on_matrix(cells.rollout, cells.verdict_ST, cells.judged.cpu_us_ST)


def _sums(case: _Case, ks: Sequence[int]) -> dict[str, tuple[float, float]]:
    """The problem's share of every figure."""
    answers, code, tests = case.answers, case.code, case.tests
    return {
        **_code_sums(code.rollout, code.verdict_ST, len(answers.solutions), ks),
        **_test_sums(tests.rollout, tests.verdict_ST, answers.suites),
    }


def _code_sums(
    code: Rollout, verdict_ST: NDArray[np.uint8], samples: int, ks: Sequence[int]
) -> dict[str, tuple[float, float]]:
    weight_S = np.array([s.weight for s in code.solutions], dtype=np.int64)
    known_S = verdict_ST[:, 0] != INFRA_CODE
    correct = int(weight_S[verdict_ST[:, 0] == PASS_CODE].sum())
    judged = samples - int(weight_S[~known_S].sum())  # a hole is no sample
    sums = {
        f"code_pass_at_{k}": (float(pass_at_k(judged, correct, k)[()]), 1.0)
        for k in ks
        if k <= judged
    }
    sums["code_uniqueness"] = (float(len(code.solutions)), float(weight_S.sum()))
    return sums


def _test_sums(
    tests: Rollout, verdict_ST: NDArray[np.uint8], suites: Sequence[Sequence[str]]
) -> dict[str, tuple[float, float]]:
    """Row 0 of the matrix is the reference, the others are the bank."""
    column = {test.source: t for t, test in enumerate(tests.tests)}
    known_T, valid_T = verdict_ST[0] != INFRA_CODE, verdict_ST[0] == PASS_CODE
    weight_T = np.array([t.weight for t in tests.tests], dtype=np.float64)
    bank_ST = verdict_ST[1:]
    bank_known_ST, killed_ST = bank_ST != INFRA_CODE, bank_ST > PASS_CODE
    readable = [[column[test] for test in suite] for suite in suites if suite]
    judged = [suite for suite in readable if known_T[suite].all()]
    unreadable = len(suites) - len(readable)
    holding = sum(bool(valid_T[suite].all()) for suite in judged)
    sizes = [call_of(t.source, tests.problem.entry_point) for t in tests.tests]
    size_T = np.array([call.size if call else np.nan for call in sizes])
    sized_T = ~np.isnan(size_T)
    valid_weight_T = weight_T * valid_T
    return {
        "test_validity": (valid_weight_T.sum(), (weight_T * known_T).sum() + unreadable),
        "test_suite_validity": (holding, len(judged) + unreadable),
        "test_false_positive_rate": (len(judged) - holding, len(judged)),
        "test_kill_rate": (
            float((killed_ST * valid_weight_T).sum()),
            float((bank_known_ST * valid_weight_T).sum()),
        ),
        "test_mutation_score": (
            float((killed_ST & valid_T).any(axis=1).sum()),
            float(bank_known_ST.any(axis=1).sum()),
        ),
        "test_uniqueness": (len(column), weight_T.sum()),
        "test_parse_rate": (len(readable), len(suites)),
        "test_input_size": (
            (weight_T[sized_T] * size_T[sized_T]).sum(),
            weight_T[sized_T].sum(),
        ),
    }
