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
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sv_engine.distinct import distinct_solutions, distinct_tests
from sv_engine.extract import Drop
from sv_engine.generate.protocol import GenerationRequest, Generator, Sampling
from sv_engine.metrics import Z_95, Estimate, pass_at_k
from sv_engine.pipeline import CellRunner, without_ground_truth
from sv_engine.records import INFRA_CODE, PASS_CODE, Completion, Problem, Rollout
from sv_engine.roles import RoleTemplates, call_of, read_solution, read_tests
from sv_engine.tasks import one_error

Sums = dict[str, list[tuple[float, float]]]
"""Figure -> (numerator, denominator) of each problem."""


@dataclass(frozen=True, slots=True)
class Heldout:
    """A problem with what only the evaluation may see."""

    problem: Problem
    """With reference solution and reference test."""
    wrong_solutions: tuple[str, ...] = ()
    """The frozen bank: programs that the reference test refutes."""


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


async def verified(heldout: Sequence[Heldout], bench: Bench) -> list[Heldout]:
    """The problems whose reference passes its own test, each with those of its bank that fail it.

    A wrong entry would bias every figure in the same direction, so the files are not trusted.
    """

    async def check(item: Heldout) -> Heldout | None:
        problem = item.problem
        if problem.reference_solution is None or problem.reference_test is None:
            return None
        programs = [problem.reference_solution, *item.wrong_solutions]
        verdict_ST, _ = await bench.executor.matrix(
            programs, [problem.reference_test], bench.reference_cpu_s
        )
        if verdict_ST[0, 0] != PASS_CODE:
            return None
        wrong = [p for p, v in zip(programs, verdict_ST[:, 0], strict=True) if v > PASS_CODE]
        return Heldout(problem, tuple(wrong))

    checked = await asyncio.gather(*(check(item) for item in heldout))
    return [item for item in checked if item is not None]


async def evaluate(
    heldout: Sequence[Heldout], setting: Setting, bench: Bench
) -> dict[str, Estimate]:
    """All figures at one setting; figures without any evidence are left out."""
    room = asyncio.Semaphore(bench.problems_in_flight)

    async def one(item: Heldout) -> dict[str, tuple[float, float]]:
        async with room:
            answers = await _sample(without_ground_truth(item.problem), setting, bench)
            sums = await _judge(item, answers, setting, bench)
            bench.on_problem()
            return sums

    async with one_error(), asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(item)) for item in heldout]
    by_name: Sums = defaultdict(list)
    for task in tasks:
        for name, sums in task.result().items():
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


async def _judge(
    item: Heldout, answers: _Answers, setting: Setting, bench: Bench
) -> dict[str, tuple[float, float]]:
    """The problem's share of every figure."""
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
    return {
        **_code_sums(code, judging_code.result(), len(answers.solutions), setting.k),
        **_test_sums(tests, judging_tests.result(), answers.suites),
    }


async def _run(rollout: Rollout, cpu_s: float, bench: Bench) -> NDArray[np.uint8]:
    """Verdicts (S, T) of all cells."""
    solutions = [s.source for s in rollout.solutions]
    tests = [t.source for t in rollout.tests]
    if not solutions or not tests:
        return np.zeros((len(solutions), len(tests)), np.uint8)
    verdict_ST, cpu_us_ST = await bench.executor.matrix(solutions, tests, cpu_s)
    bench.on_matrix(rollout, verdict_ST, cpu_us_ST)
    return verdict_ST


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
