"""What is suspicious about a problem, why a text was accepted or refused, and the order of axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import ArrayLike

from sv_engine.records import (
    Candidates,
    Outcome,
    Problem,
    Recheck,
    Repeat,
    Solution,
    Test,
    Verdicts,
)
from sv_engine.report.pack import LARGEST_AXIS, Block, sorted_axes
from sv_engine.report.problems import see
from sv_engine.selection import select


def judged(
    verdict_ST: ArrayLike,
    weight_S: Sequence[int] | None = None,
    weight_T: Sequence[int] | None = None,
) -> Outcome:
    """An outcome of these verdicts; everything that passes is proven."""
    codes = np.array(verdict_ST, np.uint8)
    solutions, tests = codes.shape
    verdicts = Verdicts.unknown(solutions, tests, 1.0)
    verdicts.verdict_ST[:] = codes
    verdicts.trust_ST[:] = 3 * (codes > 0)
    weights = (weight_S or [1] * solutions, weight_T or [1] * tests)
    programs = tuple(Solution(f"def f(): return {s}", w) for s, w in enumerate(weights[0]))
    asserts = tuple(Test(f"assert f() == {t}", w) for t, w in enumerate(weights[1]))
    return Outcome(Candidates(Problem("p", "say something", "f"), programs, asserts), verdicts)


GROUPS = [[1, 1, 1, 2], [1, 1, 1, 2], [2, 2, 1, 1], [3, 2, 2, 2]]


def why(outcome: Outcome, selector: str = "maxpass") -> str:
    return " | ".join(
        t for _, t in see(outcome, select(selector, outcome.evidence), "used").suspicions
    )


def test_groups_stand_together_and_the_accepted_first() -> None:
    order = [2, 0, 3, 1]
    outcome = judged([GROUPS[i] for i in order], [1, 3, 1, 2])
    chosen = select("maxpass", outcome.evidence)
    rows, columns, group_S = sorted_axes(outcome.tests, outcome.candidates.weight_S, chosen)
    assert [order[row] for row in rows] == [0, 1, 2, 3]
    assert group_S.tolist() == [0, 0, 1, 2]
    accepted = outcome.tests.passed_ST[rows][:, columns][:2, : int(chosen.accepted_T.sum())]
    assert accepted.all()


@pytest.mark.parametrize("seed", range(5))
def test_axes_are_permutations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    outcome = judged(rng.integers(0, 9, rng.integers(1, 90, 2)))
    chosen = select("b4", outcome.evidence)
    rows, columns, group_S = sorted_axes(outcome.tests, outcome.candidates.weight_S, chosen)
    assert sorted(rows.tolist()) == list(range(len(rows)))
    assert sorted(columns.tolist()) == list(range(len(columns)))
    assert (np.diff(group_S) >= 0).all()


def test_a_matrix_that_is_too_large_is_cut_and_says_so() -> None:
    outcome = judged(np.ones((LARGEST_AXIS + 9, 3), np.uint8))
    seen = see(outcome, select("b4", outcome.evidence), "used")
    assert seen.shape == (LARGEST_AXIS, 3)
    assert seen.whole == (LARGEST_AXIS + 9, 3)
    assert len(seen.cells) == LARGEST_AXIS * 3


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_a_problem_without_programs_or_tests_is_shown(shape: tuple[int, int]) -> None:
    outcome = judged(np.ones(shape, np.uint8))
    seen = see(outcome, select("b4", outcome.evidence), "nothing accepted")
    assert seen.cells == b""
    assert "says nothing" in why(outcome)


def test_a_quiet_problem_has_no_suspicion() -> None:
    assert why(judged(GROUPS)) == ""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda v: v.repeat_ST.__setitem__((0, 3), Repeat.FLIPPED), "1 pass flipped"),
        (lambda v: v.held_ST.__setitem__((3, 3), 1), "1 pass held back"),
        (lambda v: v.verdict_ST.__setitem__((3, 3), 0), "1 cell could not be judged"),
        (lambda v: v.vacuous_T.__setitem__(3, True), "vacuous: 1 of 4 tests"),
        (lambda v: v.recheck_ST.__setitem__((3, 3), Recheck.NOT_CONFIRMED), "1 timeout"),
        (lambda v: v.verdict_ST.__setitem__((slice(0, 2), 3), 8), "ended with early exit"),
        (lambda v: v.verdict_ST.__setitem__((slice(0, 2), 3), 7), "ended with forbidden"),
        (lambda v: v.verdict_ST.__setitem__(slice(None), 1), "says nothing: all pass"),
        (lambda v: v.verdict_ST.__setitem__(slice(None), 2), "says nothing: all fail"),
    ],
)
def test_what_is_suspicious(change: Callable[[Verdicts], None], expected: str) -> None:
    outcome = judged(GROUPS)
    change(outcome.tests)
    assert expected in why(outcome)


def test_a_minority_that_is_believed_is_suspicious() -> None:
    assert "against a group of 9" in why(judged(GROUPS, [1, 1, 9, 1]))
    assert "near tie" in why(judged(GROUPS, [5, 5, 9, 1]))
    assert why(judged(GROUPS, [1, 1, 1, 9])) == ""  # those pass nothing


def test_what_a_guard_refused_is_not_believed() -> None:
    outcome = judged(GROUPS, [1, 1, 9, 1])
    chosen = select("maxpass", outcome.evidence)
    assert see(outcome, chosen, "too few samples agree").suspicions == []


@pytest.mark.parametrize(
    "trick",
    [
        "import os; os._exit(0)",
        "__eq__ = 1",
        "import sys; sys.settrace",
        "import inspect; inspect.x",
    ],
)
def test_a_program_that_reaches_inside_is_suspicious(trick: str) -> None:
    outcome = judged(GROUPS)
    programs = (Solution(trick), *outcome.candidates.solutions[1:])
    changed = Candidates(outcome.problem, programs, outcome.candidates.tests)
    assert "interpreter's insides" in why(Outcome(changed, outcome.tests))


def test_each_text_has_its_reason() -> None:
    outcome = judged(GROUPS, weight_T=[1, 1, 1, 0])
    seen = see(outcome, select("maxpass", outcome.evidence), "used")
    programs = {t.source: (t.accepted, t.reason) for t in seen.solutions}
    assert programs["def f(): return 0"] == (True, "passes all 3 accepted tests")
    assert programs["def f(): return 2"] == (False, "fails 2 of 3 accepted tests: wrong x 2")
    assert programs["def f(): return 3"] == (
        False,
        "fails 3 of 3 accepted tests: wrong x 2, exception",
    )
    tests = {t.source: (t.accepted, t.reason) for t in seen.tests}
    assert tests["assert f() == 3"] == (False, "its expected value lost the vote")
    assert tests["assert f() == 0"][1].endswith("it rejects 50% of the samples")


def test_a_refused_test_names_what_the_accepted_programs_did() -> None:
    outcome = judged([[1, 1, 1, 4], [1, 1, 1, 4], [2, 2, 1, 1]])
    seen = see(outcome, select("maxpass", outcome.evidence), "used")
    reasons = {t.source: t.reason for t in seen.tests}
    assert reasons["assert f() == 3"] == "the accepted programs fail it: timeout x 2"


def test_a_block_never_grows_beyond_its_size() -> None:
    block, rng = Block(1000), np.random.default_rng(0)
    places = [block.add(rng.bytes(200)) for _ in range(9)]
    assert len(block.text()) <= 1000
    assert block.left_out == places.count(None) > 0
    assert block.add(b"small") is not None
