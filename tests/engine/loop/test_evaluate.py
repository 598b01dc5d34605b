"""Evaluation: every figure against a count by hand, and against ground truth of the grammar."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sv_engine.evaluate.heldout import Bench, Setting, evaluate, verified
from sv_engine.evaluate.metrics import Estimate, ratio_estimates, relative_change
from sv_engine.generate import EngineDiedError, GenerationRequest
from sv_engine.pocket import grammar
from sv_engine.prompts.roles import POCKET
from sv_engine.records import TIMEOUT_CODE, Heldout, Problem, Verdicts

FIRST = Heldout(
    Problem(
        "first",
        "take the first.",
        "f",
        "def f(xs):\n    return xs[:1]",
        "assert f([]) == []\nassert f([1, 2]) == [1]",
    ),
    ("def f(xs):\n    return xs[-1:]", "def f(xs):\n    return xs"),
)
SOLUTIONS = [
    "\n    return xs[:1]",
    "\n    return xs[:1]",
    "\n    return xs[0:1]",
    "\n    return xs[1:]",
]
TESTS = [
    "[1, 2]) == [1]",  # valid, kills both
    "[3, 3]) == [3]",  # valid, kills the second
    "[1, 2, 3]) == [2]",  # wrong
    "nonsense",
]
SETTING = Setting(temperature=1.0, samples=4, k=(1, 4), max_tokens=64)
Scripted = Callable[[Callable[[GenerationRequest, int], str]], Any]


def measure(
    generator: Any, cells: Any, heldout: list[Heldout], setting: Setting = SETTING, **hooks: Any
) -> dict[str, Estimate]:
    async def main() -> dict[str, Estimate]:
        async with generator:
            bench = Bench(generator, cells, POCKET, 1.0, 1.0, **hooks)
            return await evaluate(heldout, setting, bench)

    return asyncio.run(main())


def write(request: GenerationRequest, index: int) -> str:
    return (SOLUTIONS if request.role == "solve" else TESTS)[index]


def test_figures_of_one_problem_by_hand(scripted: Scripted, cells: Any) -> None:
    figures = {k: v.mean for k, v in measure(scripted(write), cells, [FIRST]).items()}
    assert figures == pytest.approx(
        {
            "code_pass_at_1": 3 / 4,
            "code_pass_at_4": 1,
            "code_uniqueness": 3 / 4,
            "test_validity": 2 / 4,
            "test_suite_validity": 2 / 4,
            "test_false_positive_rate": 1 / 3,
            "test_kill_rate": 3 / 4,
            "test_mutation_score": 1,
            "test_uniqueness": 1,
            "test_parse_rate": 3 / 4,
            "test_input_size": 7 / 3,
        }
    )


def test_the_model_sees_prompts_and_nothing_else(scripted: Scripted, cells: Any) -> None:
    generator = scripted(write)
    measure(generator, cells, [FIRST])
    assert {r.prompt for r in generator.requests} == {
        POCKET.solve.fill(FIRST.problem),
        POCKET.verify.fill(FIRST.problem),
    }
    assert not any("xs[:1]" in r.prompt or "[1, 2]" in r.prompt for r in generator.requests)


def test_iterations_are_paired_by_their_seeds(scripted: Scripted, cells: Any) -> None:
    first, second = scripted(write), scripted(write)
    measure(first, cells, [FIRST])
    measure(second, cells, [FIRST])
    assert [r.sampling for r in first.requests] == [r.sampling for r in second.requests]
    assert len({r.sampling.seed for r in first.requests}) == 2


@pytest.mark.parametrize(("solver", "tester"), [(1.0, 1.0), (0.6, 0.5), (0.0, 0.0)])
def test_figures_find_the_truth_of_the_grammar(
    scripted: Scripted, cells: Any, solver: float, tester: float
) -> None:
    """A player that is right at a known rate is measured at that rate."""
    items = [Heldout(h.problem, h.wrong_solutions) for h in grammar.heldout_problems(40, seed=5)]
    by_id = {item.problem.id: item for item in items}

    def player(request: GenerationRequest, index: int) -> str:
        item, rng = by_id[request.problem_id], random.Random(f"{request}-{index}")
        reference = item.problem.reference_solution or ""
        if request.role == "solve":
            right = rng.random() < solver
            source = reference if right else rng.choice(item.wrong_solutions)
            return source.removeprefix("def f(xs):")
        asserts = (item.problem.reference_test or "").splitlines()
        argument, _, value = rng.choice(asserts).removeprefix("assert f(").rpartition(") == ")
        if rng.random() >= tester:
            value = f"[{value}]"
        return f"{argument}) == ({value})"

    setting = Setting(temperature=1.0, samples=8, k=(1,), max_tokens=64)
    figures = measure(scripted(player), cells, items, setting)
    for name, rate in (("code_pass_at_1", solver), ("test_validity", tester)):
        assert figures[name].count == 40
        assert figures[name].mean == pytest.approx(rate, abs=4 * math.sqrt(0.25 / 320))
    if tester == 0:
        assert "test_kill_rate" not in figures
    else:
        assert 0.2 < figures["test_kill_rate"].mean < 1


def test_references_and_banks_are_checked_before_they_judge(scripted: Scripted, cells: Any) -> None:
    problem = FIRST.problem
    broken = Heldout(Problem("b", "", "f", "def f(xs): return 1", problem.reference_test))
    mislabelled = Heldout(problem, (*FIRST.wrong_solutions, "def f(xs):\n    return xs[0:1]"))
    unlabelled = Heldout(Problem("u", "", "f"))
    bench = Bench(scripted(write), cells, POCKET, 1.0, 1.0)
    assert asyncio.run(verified([broken, mislabelled, unlabelled], bench)) == [FIRST]


def test_the_pocket_set_is_sound(scripted: Scripted, cells: Any) -> None:
    items = [Heldout(h.problem, h.wrong_solutions) for h in grammar.heldout_problems(60)]
    bench = Bench(scripted(write), cells, POCKET, 1.0, 1.0)
    assert asyncio.run(verified(items, bench)) == items


def test_holes_are_no_evidence(scripted: Scripted) -> None:
    class Lost:
        async def judge(
            self,
            solutions: list[str],
            tests: list[str],
            cpu_s: float,
            entry_point: str | None = None,
        ) -> Verdicts:
            return Verdicts.unknown(len(solutions), len(tests), cpu_s)

    figures = measure(scripted(write), Lost(), [FIRST])
    assert "code_pass_at_1" not in figures
    assert figures["test_validity"].mean == 0  # the unreadable one is judged without a sandbox
    assert "test_kill_rate" not in figures


def test_timeouts_of_an_overload_are_run_again_alone(
    scripted: Scripted, cells: Any, overloaded: Any
) -> None:
    told: list[Any] = []
    found = measure(scripted(write), overloaded, [FIRST], on_outcome=lambda *m: told.append(m))
    quiet = measure(scripted(write), cells, [FIRST])
    assert {k: v.mean for k, v in found.items()} == {k: v.mean for k, v in quiet.items()}
    verdicts = [block.verdicts for _, outcome in told for block in outcome.blocks()]
    assert not any((part.verdict_ST == TIMEOUT_CODE).any() for part in verdicts)
    assert sorted(kind for kind, _ in told) == ["code", "tests"]
    bench = Bench(scripted(write), overloaded, POCKET, 1.0, 1.0)
    assert asyncio.run(verified([FIRST], bench)) == [FIRST]


def test_a_dying_engine_is_the_one_error(scripted: Scripted, cells: Any) -> None:
    generator = scripted(write)
    generator.fail_after = 1
    with pytest.raises(EngineDiedError):
        measure(generator, cells, [FIRST])


def ratio(*sums_P: tuple[float, float]) -> Estimate | None:
    return ratio_estimates([{"figure": sums} for sums in sums_P]).get("figure")


def test_ratio_estimate_is_the_usual_one_for_equal_denominators() -> None:
    values = np.random.default_rng(0).random(50)
    found = ratio(*((v, 1.0) for v in values))
    assert found is not None
    assert found.mean == pytest.approx(values.mean())
    assert found.standard_error == pytest.approx(values.std(ddof=1) / np.sqrt(50))
    assert found.count == 50


def test_standard_error_of_a_ratio_covers_the_truth() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        x = rng.integers(1, 9, size=60)
        y = rng.binomial(x, 0.3)
        found = ratio(*zip(y.tolist(), x.tolist(), strict=True))
        assert found is not None
        covered += found.low <= 0.3 <= found.high
    assert 0.91 < covered / 400 < 0.98


def test_ratio_of_nothing() -> None:
    assert ratio() is None
    assert ratio((0.0, 0.0)) is None
    found = ratio((1.0, 2.0), (0.0, 0.0))
    assert found is not None
    assert np.isnan(found.standard_error)
    assert (found.mean, found.low, found.high, found.count) == (0.5, 0.5, 0.5, 1)


def test_a_figure_of_some_problems_keeps_their_places() -> None:
    found = ratio_estimates([{"a": (1.0, 1.0)}, {"b": (1.0, 2.0)}, {"a": (0.0, 1.0), "b": (2, 2)}])
    assert {name: e.mean for name, e in found.items()} == {"a": 0.5, "b": 0.75}
    assert [e.influence_P is not None and e.influence_P.shape for e in found.values()] == [(3,)] * 2
    assert found["a"].influence_P is not None
    assert found["a"].influence_P[1] == 0


def test_the_paired_interval_covers_the_true_change_and_is_the_shorter_one() -> None:
    """Problems differ much in difficulty, which both models share."""
    rng = np.random.default_rng(2)
    covered, shorter = 0, 0
    for _ in range(400):
        hard_P = rng.beta(0.4, 1.0, size=120)
        before_P, after_P = (rng.binomial(8, hard_P * share) / 8 for share in (0.5, 0.75))
        before, after = (ratio(*((v, 1.0) for v in v_P.tolist())) for v_P in (before_P, after_P))
        change = relative_change(before, after)
        assert before is not None
        assert after is not None
        assert change is not None
        covered += change.low <= 0.5 <= change.high
        errors = before.standard_error / before.mean, after.standard_error / after.mean
        shorter += change.standard_error < (1 + change.mean) * np.hypot(*errors)
    assert 0.91 < covered / 400 < 0.98
    assert shorter > 390


@pytest.mark.parametrize(
    ("before", "after", "mean"),
    [
        ([(0.0, 1.0), (0.0, 1.0)], [(1.0, 1.0), (0.0, 1.0)], None),
        ([], [(1.0, 1.0)], None),
        ([(1.0, 1.0)], [], None),
        ([(1.0, 1.0)], [(1.0, 2.0)], -0.5),
        ([(1.0, 1.0), (1.0, 1.0)], [(1.0, 2.0)], -0.5),
    ],
    ids=["nothing before", "none before", "none after", "one problem", "other problems"],
)
def test_a_change_that_cannot_be_told(
    before: list[tuple[float, float]], after: list[tuple[float, float]], mean: float | None
) -> None:
    change = relative_change(ratio(*before), ratio(*after))
    assert (change is None) == (mean is None)
    if change is not None:
        assert change.mean == mean
        assert np.isnan([change.standard_error, change.low, change.high]).all()
