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
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sv_engine.errors import RunStopped
from sv_engine.evaluate.metrics import Estimate, pass_at_k, ratio_estimates
from sv_engine.execute.timeouts import recheck
from sv_engine.generate.protocol import GenerationRequest, Sampler, Sampling, seed_of
from sv_engine.play.pipeline import CellRunner, without_ground_truth
from sv_engine.play.tasks import one_error
from sv_engine.problems.distinct import distinct_solutions, distinct_tests
from sv_engine.problems.extract import Drop
from sv_engine.prompts.roles import RoleTemplates, Template, call_of, read_solution, read_tests
from sv_engine.records import Candidates, Heldout, Outcome, Problem, Verdicts


@dataclass(frozen=True, slots=True)
class Setting:
    """How one evaluation samples."""

    temperature: float
    samples: int
    """Completions per problem and role; 1 where greedy."""
    k: tuple[int, ...]
    max_tokens: int
    top_p: float = 1.0
    min_p: float = 0.0


@dataclass(frozen=True, slots=True)
class Bench:
    """What an evaluation needs besides the problems."""

    generator: Sampler
    executor: CellRunner
    templates: RoleTemplates
    cpu_s: float
    """CPU time of a test that the model wrote."""
    reference_cpu_s: float
    """CPU time of a reference test, which is many asserts in one."""
    verifier_sees: Literal["problem", "solution"] = "problem"
    """As in self-play: suite i is asked for with program i, where that can be read."""
    problems_in_flight: int = 64
    stored: Callable[[str, Candidates], Outcome | None] = lambda *_: None
    """`code` or `tests`, and what is to be judged -> the outcome, if it was judged before."""
    stopping: Callable[[], bool] = lambda: False
    """Whether no further problem is to be begun."""
    on_outcome: Callable[[str, Outcome], None] = lambda *_: None
    """`code` or `tests`, and what was judged."""
    on_problem: Callable[[], None] = lambda: None


@dataclass(slots=True)
class _Answers:
    solutions: list[str]
    """One per completion, in the order of the samples, empty where none was readable."""
    suites: list[list[str]]
    """One list of asserts per completion, empty where none was readable."""


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything about one problem."""

    answers: _Answers
    code: Outcome
    """The sampled programs, judged by the reference test."""
    tests: Outcome
    """The reference and the bank of wrong programs, judged by the sampled asserts."""


def to_verify(item: Heldout) -> Candidates:
    """What `verified` judges of a problem: its reference, and its bank."""
    programs = distinct_solutions([item.problem.reference_solution or "", *item.wrong_solutions])
    return Candidates(item.problem, programs, ())


async def verified(heldout: Sequence[Heldout], bench: Bench) -> list[Heldout]:
    """The problems whose reference passes its own test, each with those of its bank that fail it.

    A wrong entry would bias every figure in the same direction, so the files are not trusted.
    """

    checked = await asyncio.gather(
        *(_run(to_verify(item), bench) for item in heldout if item.has_reference)
    )
    await _recheck(checked, bench)
    return [
        Heldout(outcome.problem, _refuted(outcome))
        for outcome in checked
        if _reference(outcome).passed_ST[0, 0]
    ]


def _refuted(outcome: Outcome) -> tuple[str, ...]:
    """The programs that fail the reference test."""
    failed_S = _reference(outcome).failed_ST[:, 0]
    solutions = outcome.candidates.solutions
    return tuple(s.source for s, failed in zip(solutions, failed_S, strict=True) if failed)


def _reference(outcome: Outcome) -> Verdicts:
    assert outcome.reference is not None
    return outcome.reference


async def evaluate(
    heldout: Sequence[Heldout], setting: Setting, bench: Bench
) -> dict[str, Estimate]:
    """All figures at one setting; figures without any evidence are left out."""
    room = asyncio.Semaphore(bench.problems_in_flight)

    async def one(item: Heldout) -> _Case:
        async with room:
            if bench.stopping():
                raise RunStopped
            answers = await _sample(without_ground_truth(item.problem), setting, bench)
            case = await _judge(item, answers, bench)
            bench.on_problem()
            return case

    async with one_error(), asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(item)) for item in heldout]
    cases = [task.result() for task in tasks]
    await _recheck([outcome for case in cases for outcome in (case.code, case.tests)], bench)
    return ratio_estimates([_sums(case, setting.k) for case in cases])


async def _sample(problem: Problem, setting: Setting, bench: Bench) -> _Answers:
    """Both roles; `problem` has no reference."""
    solve, verify = bench.templates.solve, bench.templates.verify

    async def sample(role: str, asking: Template, prompt: str, n: int, salt: str = "") -> list[str]:
        seed = seed_of(problem.id, role, f"{setting.temperature}{salt}")
        sampling = Sampling(
            temperature=setting.temperature,
            top_p=setting.top_p,
            max_tokens=setting.max_tokens,
            stop=asking.of(problem).stop,
            seed=seed,
            min_p=setting.min_p,
        )
        request = GenerationRequest(problem.id, role, prompt, n, sampling)
        async with aclosing(bench.generator.generate(request)) as completions:
            found = [completion async for completion in completions]
        return [c.text for c in sorted(found, key=lambda c: c.sample)]

    async def sample_programs() -> list[str]:
        texts = await sample("solve", solve, solve.fill(problem), setting.samples)
        found = [read_solution(solve, problem, text) for text in texts]
        return ["" if isinstance(source, Drop) else source for source in found]

    async def sample_with(number: int, program: str) -> list[str]:
        asked = verify.fill(problem, solution=program)
        return await sample("verify", verify, asked, 1, salt=f"\0{number}")

    async with asyncio.TaskGroup() as group:
        programs = group.create_task(sample_programs())
        if bench.verifier_sees == "solution":
            seen = [source for source in await programs if source] or [""]
            asked = [sample_with(i, seen[i % len(seen)]) for i in range(setting.samples)]
            texts = [text for one in await asyncio.gather(*asked) for text in one]
        else:
            texts = await sample("verify", verify, verify.fill(problem), setting.samples)
    suites = [read_tests(verify, problem, text)[0] for text in texts]
    return _Answers(programs.result(), suites)


async def _judge(item: Heldout, answers: _Answers, bench: Bench) -> _Case:
    """All cells of one problem."""
    problem = item.problem
    assert problem.reference_solution is not None
    assert problem.reference_test is not None
    programs = distinct_solutions(s for s in answers.solutions if s)
    references = distinct_solutions([problem.reference_solution, *item.wrong_solutions])
    asserts = distinct_tests(test for suite in answers.suites for test in suite)
    unlabelled = without_ground_truth(problem)
    async with asyncio.TaskGroup() as group:
        code = group.create_task(_run(Candidates(problem, programs, ()), bench))
        tests = group.create_task(_run(Candidates(unlabelled, references, asserts), bench))
    return _Case(answers, code.result(), tests.result())


async def _run(candidates: Candidates, bench: Bench) -> Outcome:
    """Run all cells, or find them; what is not doubtful is final."""
    if found := bench.stored(_kind(candidates), candidates):
        return found
    problem, (solutions, tests) = candidates.problem, candidates.sources()
    judge, entry_point = bench.executor.judge, problem.entry_point
    verdicts = await judge(solutions, tests, bench.cpu_s, entry_point)
    reference = None
    if problem.reference_test is not None:
        own = [problem.reference_test]
        reference = await judge(solutions, own, bench.reference_cpu_s, entry_point)
    outcome = Outcome(candidates, verdicts, reference)
    if not outcome.is_doubtful:
        bench.on_outcome(_kind(outcome.candidates), outcome)
    return outcome


async def _recheck(outcomes: Sequence[Outcome], bench: Bench) -> None:
    """Run timeouts that an overload may have caused again, now that nothing is in flight."""
    doubtful = [outcome for outcome in outcomes if outcome.is_doubtful]
    await recheck([block for o in doubtful for block in o.blocks()], bench.executor)
    for outcome in doubtful:
        bench.on_outcome(_kind(outcome.candidates), outcome)


def _kind(candidates: Candidates) -> str:
    return "tests" if candidates.problem.reference_test is None else "code"


def _sums(case: _Case, ks: Sequence[int]) -> dict[str, tuple[float, float]]:
    """The problem's share of every figure."""
    answers, code, tests = case.answers, case.code, case.tests
    return {
        **_code_sums(code, len(answers.solutions), ks),
        **test_sums(tests, answers.suites),
    }


def _code_sums(code: Outcome, samples: int, ks: Sequence[int]) -> dict[str, tuple[float, float]]:
    verdicts, weight_S = _reference(code), code.candidates.weight_S
    correct = int(weight_S[verdicts.passed_ST[:, 0]].sum())
    judged = samples - int(weight_S[~verdicts.known_ST[:, 0]].sum())  # a hole is no sample
    sums = {
        f"code_pass_at_{k}": (float(pass_at_k(judged, correct, k)[()]), 1.0)
        for k in ks
        if k <= judged
    }
    sums["code_uniqueness"] = (float(len(weight_S)), float(weight_S.sum()))
    return sums


def test_sums(outcome: Outcome, suites: Sequence[Sequence[str]]) -> dict[str, tuple[float, float]]:
    """Row 0 of the matrix is the reference, the others are the bank."""
    tests, verdicts = outcome.candidates.tests, outcome.tests
    column = {test.source: t for t, test in enumerate(tests)}
    known_T, valid_T = verdicts.known_ST[0], verdicts.passed_ST[0]
    weight_T = outcome.candidates.weight_T
    bank_known_ST, killed_ST = verdicts.known_ST[1:], verdicts.failed_ST[1:]
    readable = [[column[test] for test in suite] for suite in suites if suite]
    judged = [suite for suite in readable if known_T[suite].all()]
    unreadable = len(suites) - len(readable)
    holding = sum(bool(valid_T[suite].all()) for suite in judged)
    sizes = [call_of(test.source, outcome.problem.entry_point) for test in tests]
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
