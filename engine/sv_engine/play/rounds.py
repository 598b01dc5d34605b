"""Test time: one problem, many programs and tests, a choice, and rounds that look where it is
unsure.

In: a problem without ground truth. Out: `Solved`: the outcome of all rounds, the selector's belief,
and the groups of programs that no test tells apart. The first round is that of self-play
(`pipeline.play`). A further one asks for two things (after CoSPlay, arXiv 2605.23491): tests that
tell the two best groups apart, asked with a program of each; and the expected values of tests that
lost, asked again, each answer a test of its own. Only the new tests run. Rounds end when no two
groups are left, or when a round brought no test that was not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np

from sv_engine.config.sections import Execute
from sv_engine.generate.protocol import GenerationRequest, sampling_of, seed_of
from sv_engine.play.pipeline import CellRunner, Hooks, Player, play
from sv_engine.prompts.roles import Template, call_of, read_tests
from sv_engine.records import Candidates, Outcome, Problem, Selection, Test, Verdicts
from sv_engine.selection import agreement, select
from sv_engine.selection.arrays import groups_of_equal_rows

ASKED_AGAIN = 4
"""Losing tests per round whose expected value is asked again, those of most weight."""


@dataclass(frozen=True, slots=True)
class Group:
    """Programs that no test tells apart."""

    program: str
    """Of the samples the most frequent."""
    samples: int
    passed: int
    """Distinct tests with weight that they pass."""
    believed: int
    """And of these the ones that the selector believes."""
    agreement: float
    """`selection.agreement` of these programs."""
    score: float


@dataclass(frozen=True, slots=True)
class Solved:
    """What is believed about a problem, and why."""

    outcome: Outcome
    selection: Selection
    groups: tuple[Group, ...]
    """The best score first, of equals the most samples."""
    samples: int
    """Readable programs."""
    tests: int
    """Distinct tests with weight."""
    believed: int
    """Tests that the selector accepts."""
    rounds: int

    @property
    def agreement(self) -> float:
        """How sure the choice is, 0 to 1: `selection.agreement` of its group; 0 without a
        program."""
        return self.groups[0].agreement if self.groups else 0.0

    @property
    def program(self) -> str | None:
        """The choice; None where no completion was a program."""
        return self.groups[0].program if self.groups else None


async def solve(
    problem: Problem,
    player: Player,
    executor: CellRunner,
    execute: Execute,
    *,
    selector: str = "b4",
    rounds: int = 1,
) -> Solved:
    """Sample, run, choose; go on for up to `rounds` rounds."""
    outcomes: list[Outcome] = []
    await play([problem], player, executor, execute, Hooks(on_outcome=outcomes.append))
    (outcome,) = outcomes
    found = judged(outcome, selector, 1)
    for number in range(2, rounds + 1):
        fresh = await _new_tests(found, player, number)
        if not fresh:
            break
        outcome = await _extended(outcome, fresh, executor, execute)
        found = judged(outcome, selector, number)
    return found


def judged(outcome: Outcome, selector: str, rounds: int) -> Solved:
    """The selector's belief about an outcome, by groups."""
    evidence = outcome.evidence
    selection, seen = select(selector, evidence), evidence.weighted
    groups = groups_of_equal_rows(seen.passed_ST, seen.known_ST, seen.weight_S)
    accepted_T = selection.accepted_T[evidence.weight_T > 0]
    solutions, found = outcome.candidates.solutions, []
    for g in range(len(groups.weight_G)):
        members = np.flatnonzero(groups.group_S == g).tolist()
        best = max(members, key=lambda s: (selection.score_S[s], solutions[s].weight, -s))
        passed_T = groups.passed_GT[g] > 0
        found.append(
            Group(
                program=solutions[best].source,
                samples=int(groups.weight_G[g]),
                passed=int(passed_T.sum()),
                believed=int((passed_T & accepted_T).sum()),
                agreement=agreement(groups.group_S == g, evidence),
                score=float(selection.score_S[best]),
            )
        )
    found.sort(key=lambda group: (-group.score, -group.samples))
    return Solved(
        outcome=outcome,
        selection=selection,
        groups=tuple(found),
        samples=int(seen.weight_S.sum()),
        tests=len(seen.weight_T),
        believed=int(accepted_T.sum()),
        rounds=rounds,
    )


async def _new_tests(found: Solved, player: Player, number: int) -> Counter[str]:
    """Tests that are not in the outcome yet, with how often they were sampled."""
    problem, templates = found.outcome.problem, player.templates
    have = {test.source for test in found.outcome.candidates.tests}
    sampled: Counter[str] = Counter()
    if len(found.groups) > 1:
        first, second = found.groups[0].program, found.groups[1].program
        prompt = templates.apart.fill(problem, first=first, second=second)
        texts = await _ask(player, problem, templates.apart, prompt, player.generate.tests, number)
        for text in texts:
            limit = player.generate.max_asserts
            sampled.update(read_tests(templates.verify, problem, text, limit)[0])
    for argument in _lost(found):
        prompt = templates.derive.fill(problem, argument=argument)
        n = player.generate.derivations
        for text in await _ask(player, problem, templates.derive, prompt, n, number):
            sampled.update(read_tests(templates.derive, problem, text, 1, argument=argument)[0])
    return Counter({test: count for test, count in sampled.items() if test not in have})


def _lost(found: Solved) -> list[str]:
    """Arguments of the tests that are not believed, those of most weight first."""
    candidates, accepted_T = found.outcome.candidates, found.selection.accepted_T
    order = np.argsort(-candidates.weight_T, kind="stable").tolist()
    entry_point = found.outcome.problem.entry_point
    calls = [call_of(candidates.tests[t].source, entry_point) for t in order if not accepted_T[t]]
    return list(dict.fromkeys(call.argument for call in calls if call))[:ASKED_AGAIN]


async def _ask(
    player: Player, problem: Problem, template: Template, prompt: str, n: int, number: int
) -> list[str]:
    generate = player.generate
    seed = seed_of(player.seed, problem.id, prompt, str(number))
    sampling = sampling_of(generate, stop=template.of(problem).stop, seed=seed)
    request = GenerationRequest(problem.id, "verify", prompt, n, sampling)
    async with aclosing(player.generator.generate(request)) as completions:
        found = [completion async for completion in completions]
    return [c.text for c in sorted(found, key=lambda c: c.sample)]


async def _extended(
    outcome: Outcome, fresh: Counter[str], executor: CellRunner, execute: Execute
) -> Outcome:
    """The outcome with more tests; only these run."""
    candidates, problem = outcome.candidates, outcome.problem
    new = [Test(source, count) for source, count in sorted(fresh.items())]
    solutions = [solution.source for solution in candidates.solutions]
    sources: Sequence[str] = [test.source for test in new]
    part = await executor.judge(solutions, sources, execute.cpu_s, problem.entry_point)
    tests = (*candidates.tests, *new)
    verdicts = Verdicts.unknown(len(solutions), len(tests), execute.cpu_s)
    verdicts.put(outcome.tests)
    verdicts.put(part, column=len(candidates.tests))
    more = Candidates(problem, candidates.solutions, tests, candidates.dropped, candidates.suites)
    return Outcome(more, verdicts)
