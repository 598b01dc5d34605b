"""What is believed about a problem -> what the model learns from it.

In: an `Outcome` and a `Selection` on its evidence. Out: a `TrainingData` of supervised examples and
preference pairs for both roles, or the reason why the problem teaches nothing. No ground truth is
in reach here. The guards against collapse are part of the method: without them the verifier
drifts to trivial tests that everything passes (docs/self_play.md has the figures).

Two recipes. `consensus`: the accepted group of programs, and single tests it passes, drawn by how
many sampled programs they reject; a refuted test is paired with an accepted one of the same input
size. `sol-ver` (Lin et al. 2025, arXiv 2502.14948): programs that pass all accepted tests, and
whole suites as they were sampled, those that hold on accepted programs over those that do not.
And one control, `ssd` (simple self-distillation, arXiv 2604.01193): readable samples of both roles
as they came, drawn by how often they were sampled, no pair, no guard; the matrix is not looked at.

Axes: S distinct solutions, T distinct tests of one problem. A test of weight 0 (it lost the vote
on its expected value) is never chosen and carries no evidence; it may be refuted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from random import Random
from typing import TypeVar

import numpy as np

from sv_engine.config.sections import Recipe, RecipeName, Select, TestPairing
from sv_engine.prompts.roles import RoleTemplates, Template, answer, call_of
from sv_engine.records import (
    Bools,
    Evidence,
    Example,
    Floats,
    Outcome,
    PreferencePair,
    Problem,
    Selection,
    Solution,
)
from sv_engine.selection import agreement, select
from sv_engine.selection.quality import Degeneracy, degeneracy

Item = TypeVar("Item")


class Refusal(StrEnum):
    """Why a problem gives no training data."""

    DEGENERATE = "degenerate matrix"
    FEW_SOLUTIONS = "too few samples agree"
    FEW_TESTS = "too few tests accepted"
    LITTLE_AGREEMENT = "programs and tests agree too little"


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Training data."""

    examples: tuple[Example, ...] = ()
    hardness: tuple[float, ...] = ()
    """Per example: the share of sampled programs that its tests reject; 0 for programs."""
    pairs: tuple[PreferencePair, ...] = ()


@dataclass(frozen=True, slots=True)
class _Unit:
    """Tests that make one answer of the verifier."""

    prompt: str
    columns: tuple[int, ...]
    kill: float
    size: int = 0
    argument: str | None = None


@dataclass(slots=True)
class _Case:
    """One problem while it is made into lessons."""

    outcome: Outcome
    evidence: Evidence
    selection: Selection
    recipe: Recipe
    solve: Template
    verify: Template
    rng: Random
    examples: list[Example] = field(default_factory=list)
    hardness: list[float] = field(default_factory=list)
    pairs: list[PreferencePair] = field(default_factory=list)


def believe(evidence: Evidence, believing: Select, rng: Random) -> Selection:
    """Run the selector on the tests that carry weight.

    `random` draws one sampled program and believes it and what it passes: the control.
    """
    if believing.selector == "random":
        return select(partial(_random, rng=rng), evidence)
    return select(believing.selector, evidence, **believing.options)


def refusal(outcome: Outcome, selection: Selection, recipe: Recipe) -> Refusal | None:
    """The guards on a whole problem; None if it may teach."""
    if recipe.name is RecipeName.SSD:
        return None if outcome.candidates.solutions else Refusal.FEW_SOLUTIONS
    evidence = outcome.evidence
    weighted = evidence.weighted
    if degeneracy(weighted.passed_ST, weighted.known_ST) is not Degeneracy.NONE:
        return Refusal.DEGENERATE
    if evidence.weight_S[selection.accepted_S].sum() < recipe.min_solution_samples:
        return Refusal.FEW_SOLUTIONS
    inputs = {_call(outcome, int(t))[0] for t in np.flatnonzero(selection.accepted_T)}
    if len(inputs) < recipe.min_tests:
        return Refusal.FEW_TESTS
    agreed = agreement(selection.accepted_S, evidence) >= recipe.min_agreement
    return None if agreed else Refusal.LITTLE_AGREEMENT


def training_data(
    outcome: Outcome,
    selection: Selection,
    refusal: Refusal | None,
    recipe: Recipe,
    templates: RoleTemplates,
    rng: Random,
) -> TrainingData:
    """The lessons of one problem; one that is refused teaches at most what its tests agree on."""
    solve, verify = templates.solve, templates.verify
    case = _Case(outcome, outcome.evidence, selection, recipe, solve, verify, rng)
    if refusal is not None:
        if recipe.min_votes and recipe.name is RecipeName.CONSENSUS:
            _teach_tests(case, *_voted_T(case))
    elif recipe.name is RecipeName.SSD:
        _teach_samples(case)
    elif recipe.name is RecipeName.SOL_VER:
        _teach_solver(case, _passing_all_accepted(case))
        _teach_suites(case)
    else:
        _teach_solver(case, selection.accepted_S)
        _teach_tests(case, selection.accepted_T, _refuted_T(case))
    return TrainingData(tuple(case.examples), tuple(case.hardness), tuple(case.pairs))


def gather(parts: Sequence[TrainingData]) -> TrainingData:
    """All lessons in one."""
    return TrainingData(
        examples=tuple(e for h in parts for e in h.examples),
        hardness=tuple(x for h in parts for x in h.hardness),
        pairs=tuple(p for h in parts for p in h.pairs),
    )


def with_replay(
    fresh: TrainingData, earlier: TrainingData, share: float, rng: Random
) -> TrainingData:
    """`fresh` with earlier examples, `share` times as many, the harder tests the likelier."""
    count = min(round(share * len(fresh.examples)), len(earlier.examples))
    weights = [hardness + 0.05 for hardness in earlier.hardness]
    drawn = _draw(rng, range(len(earlier.examples)), weights, count)
    replayed = TrainingData(
        tuple(earlier.examples[i] for i in drawn), tuple(earlier.hardness[i] for i in drawn)
    )
    return gather([fresh, replayed])


def distinct(data: TrainingData) -> TrainingData:
    """The same without repetitions: a problem that is played again may teach the same again."""
    hardness = dict(zip(data.examples, data.hardness, strict=True))
    pairs = tuple(dict.fromkeys(data.pairs))
    return TrainingData(tuple(hardness), tuple(hardness.values()), pairs)


def _teach_samples(case: _Case) -> None:
    """Self-distillation: samples as they came."""
    outcome, recipe = case.outcome, case.recipe
    problem, candidates = outcome.problem, outcome.candidates
    prompt = case.solve.fill(problem)
    weights = [float(solution.weight) for solution in candidates.solutions]
    drawn = _draw(case.rng, candidates.solutions, weights, recipe.solutions_per_problem)
    for text in (program_text(solution, case.solve, problem) for solution in drawn):
        if text is not None:
            case.examples.append(Example(problem.id, "solve", prompt, text))
            case.hardness.append(0.0)
    suites = list(dict.fromkeys(candidates.suites))
    often = [float(candidates.suites.count(suite)) for suite in suites]
    for suite in _draw(case.rng, suites, often, recipe.tests_per_problem):
        _add_example(case, [_Unit(suite.prompt, suite.tests, 0.0)])


def _teach_solver(case: _Case, accepted_S: Bools) -> None:
    """Accepted programs as examples; each refuted one paired with an accepted one."""
    outcome, evidence, recipe = case.outcome, case.evidence, case.recipe
    problem, weight_S = outcome.problem, evidence.weight_S
    solutions = outcome.candidates.solutions
    prompt = case.solve.fill(problem)
    by_weight = sorted(np.flatnonzero(accepted_S).tolist(), key=lambda s: -weight_S[s])
    texts = [program_text(solutions[s], case.solve, problem) for s in by_weight]
    chosen = [text for text in texts if text is not None][: recipe.solutions_per_problem]
    for text in chosen:
        case.examples.append(Example(problem.id, "solve", prompt, text))
        case.hardness.append(0.0)
    accepted_T = case.selection.accepted_T
    refuted = np.flatnonzero(~accepted_S & evidence.failed_ST[:, accepted_T].any(axis=1))
    if not chosen or not refuted.size:
        return
    # Near misses teach most: the more accepted tests a wrong program passes, the likelier it is.
    closeness_S = evidence.passed_ST[:, accepted_T].mean(axis=1)
    weights = [closeness_S[s] + recipe.kill_floor for s in refuted]
    for s in _draw(case.rng, refuted.tolist(), weights, recipe.solution_pairs_per_problem):
        rejected = program_text(solutions[s], case.solve, problem)
        if rejected is not None:
            pick = case.rng.choice(chosen)
            case.pairs.append(PreferencePair(problem.id, "solve", prompt, pick, rejected))


def program_text(solution: Solution, template: Template, problem: Problem) -> str | None:
    """What the solver is taught of a program: a text that it sampled, in normal form."""
    return solution.written or answer(template, problem, [solution.source])


def _teach_tests(case: _Case, accepted_T: Bools, refuted_T: Bools) -> None:
    """Consensus: single tests, accepted ones by their power, refuted ones against their like."""
    recipe, kill_T = case.recipe, _kill_T(case)
    accepted = [_unit(case, t, kill_T) for t in np.flatnonzero(accepted_T).tolist()]
    accepted = [u for u in accepted if u.size >= recipe.min_input_size]
    refuted = [_unit(case, t, kill_T) for t in np.flatnonzero(refuted_T).tolist()]
    drawn = _draw(case.rng, accepted, _power(accepted, recipe), recipe.tests_per_problem)
    for units in _answers(drawn, recipe.tests_per_example):
        _add_example(case, units)
    case.rng.shuffle(refuted)
    matched: list[tuple[_Unit, _Unit]] = []
    for wrong in refuted:
        likes = [u for u in accepted if _pairs_with(u, wrong, recipe.pair_tests)]
        if likes and len(matched) < recipe.test_pairs_per_problem:
            matched += [(_draw(case.rng, likes, _power(likes, recipe), 1)[0], wrong)]
    for prompt in dict.fromkeys(right.prompt for right, _ in matched):
        same = [pair for pair in matched if pair[0].prompt == prompt]
        for some in _batched(same, recipe.tests_per_example):
            _add_pair(case, [right for right, _ in some], [wrong for _, wrong in some])


def _teach_suites(case: _Case) -> None:
    """Sol-Ver: suites as they were sampled."""
    recipe, accepted_T = case.recipe, case.selection.accepted_T
    kill_T, refuted_T = _kill_T(case), _refuted_T(case)
    holding, broken = [], []
    for suite in dict.fromkeys(case.outcome.candidates.suites):
        columns = list(suite.tests)
        size = min(_call(case.outcome, t)[1] for t in columns)
        unit = _Unit(suite.prompt, suite.tests, float(kill_T[columns].max()), size)
        if accepted_T[columns].all() and size >= recipe.min_input_size:
            holding.append(unit)
        elif refuted_T[columns].any():
            broken.append(unit)
    for unit in _draw(case.rng, holding, _power(holding, recipe), recipe.tests_per_problem):
        _add_example(case, [unit])
    case.rng.shuffle(broken)
    for wrong in broken[: recipe.test_pairs_per_problem]:
        likes = [u for u in holding if u.prompt == wrong.prompt]
        if likes:
            _add_pair(case, _draw(case.rng, likes, _power(likes, recipe), 1), [wrong])


def _add_example(case: _Case, units: Sequence[_Unit]) -> None:
    text = _text(case, units)
    if text is not None:
        problem_id = case.outcome.problem.id
        case.examples.append(Example(problem_id, "verify", units[0].prompt, text))
        case.hardness.append(max(unit.kill for unit in units))


def _add_pair(case: _Case, right: Sequence[_Unit], wrong: Sequence[_Unit]) -> None:
    chosen, rejected = _text(case, right), _text(case, wrong)
    if chosen is not None and rejected is not None and chosen != rejected:
        problem_id, prompt = case.outcome.problem.id, right[0].prompt
        case.pairs.append(PreferencePair(problem_id, "verify", prompt, chosen, rejected))


def _text(case: _Case, units: Sequence[_Unit]) -> str | None:
    tests = case.outcome.candidates.tests
    sources = [tests[t].source for unit in units for t in unit.columns]
    return answer(case.verify, case.outcome.problem, sources)


def _answers(units: Sequence[_Unit], per_answer: int) -> Iterator[Sequence[_Unit]]:
    for prompt in dict.fromkeys(unit.prompt for unit in units):
        yield from _batched([unit for unit in units if unit.prompt == prompt], per_answer)


def _unit(case: _Case, column: int, kill_T: Floats) -> _Unit:
    argument, size = _call(case.outcome, int(column))
    prompt = case.outcome.candidates.tests[column].prompt
    return _Unit(prompt, (int(column),), float(kill_T[column]), size, argument)


def _pairs_with(right: _Unit, wrong: _Unit, pairing: TestPairing) -> bool:
    match pairing:
        case TestPairing.SAME_SIZE:
            alike = right.size == wrong.size
        case TestPairing.SAME_CALL:
            alike = right.argument == wrong.argument
        case TestPairing.ANY:
            alike = True
    return alike and right.prompt == wrong.prompt


def _power(units: Sequence[_Unit], recipe: Recipe) -> list[float]:
    return [unit.kill + recipe.kill_floor for unit in units]


def _passing_all_accepted(case: _Case) -> Bools:
    passed_ST, accepted_T = case.evidence.passed_ST, case.selection.accepted_T
    return np.asarray(case.selection.accepted_S & passed_ST[:, accepted_T].all(axis=1))


def _kill_T(case: _Case) -> Floats:
    """Share of all sampled programs that fail each test."""
    weight_S = case.evidence.weight_S
    return np.asarray(weight_S @ case.evidence.failed_ST / max(weight_S.sum(), 1.0))


def _refuted_T(case: _Case) -> Bools:
    """Tests that some accepted program fails and that are not accepted themselves."""
    selection, failed_ST = case.selection, case.evidence.failed_ST
    return np.asarray(failed_ST[selection.accepted_S].any(axis=0) & ~selection.accepted_T)


def _voted_T(case: _Case) -> tuple[Bools, Bools]:
    """Tests whose expected value wins the vote on its call, and those that lose to one of them."""
    recipe, tests = case.recipe, case.outcome.candidates.tests
    calls = [call_of(test.source, case.outcome.problem.entry_point) for test in tests]
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for call, test in zip(calls, tests, strict=True):
        if call is not None:
            votes[call.argument][call.value] += test.weight
    kill_T = _kill_T(case)
    wins: dict[str, str] = {}
    for call, kill in zip(calls, kill_T, strict=True):
        if call is not None and kill <= recipe.max_kill:
            count, counts = votes[call.argument][call.value], votes[call.argument]
            if count >= max(recipe.min_votes, recipe.min_vote_share * counts.total()):
                wins[call.argument] = call.value
    voted_T = [call is not None and wins.get(call.argument) == call.value for call in calls]
    lost_T = [
        call is not None and wins.get(call.argument, call.value) != call.value for call in calls
    ]
    return np.array(voted_T, np.bool_), np.array(lost_T, np.bool_)


def _call(outcome: Outcome, column: int) -> tuple[str, int]:
    """Argument and size of a test's input; a test of another form is its own input, of size 0."""
    test = outcome.candidates.tests[column].source
    call = call_of(test, outcome.problem.entry_point)
    return (call.argument, call.size) if call else (test, 0)


def _random(
    passed_ST: Bools, known_ST: Bools, weight_S: Floats, weight_T: Floats, *, rng: Random
) -> Selection:
    solutions, tests = passed_ST.shape
    accepted_S, accepted_T = np.zeros(solutions, np.bool_), np.zeros(tests, np.bool_)
    if solutions:
        (drawn,) = rng.choices(range(solutions), weight_S.tolist())
        accepted_S = (passed_ST == passed_ST[drawn]).all(axis=1)
        accepted_T = passed_ST[drawn].copy()
    return Selection(
        "random", accepted_S.astype(float), accepted_T.astype(float), accepted_S, accepted_T
    )


def _draw(rng: Random, items: Sequence[Item], weights: Sequence[float], count: int) -> list[Item]:
    """Up to `count` different items, each draw in proportion to the weights that are left."""
    # The largest keys u^(1/w) are such a sample (Efraimidis and Spirakis 2006).
    keys = [rng.random() ** (1 / weight) for weight in weights]
    order = sorted(range(len(items)), key=lambda i: -keys[i])
    return [items[i] for i in order[:count]]


def _batched(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    return (items[i : i + size] for i in range(0, len(items), size))
