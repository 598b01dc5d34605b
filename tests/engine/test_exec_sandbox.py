"""`Executor` on the real sandbox: trust, vacuous tests, flips, timeouts that run again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from sv_engine.execute import executor as execute
from sv_engine.execute.executor import Executor
from sv_engine.execute.sandbox import Budget, SandboxFault, trust_names, verdict_names
from sv_engine.execute.timeouts import recheck
from sv_engine.records import (
    PASS_CODE,
    TIMEOUT_CODE,
    Candidates,
    Outcome,
    Problem,
    Recheck,
    Repeat,
    Solution,
    Test,
)

Open = Callable[[Budget], Executor]

DOUBLE = """
class Base:
    def __eq__(self, other):
        return True

def f(x):
    return 2 * x
"""
VOUCHED_TEST = "assert Base() == f(2)"
INLINE_TEST = "import math\nmath.pi = 3\nassert f(2) == 4"
"""It patches a module, and means the solution's: one process or none."""


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens executors of one worker; skips where the sandbox does not run."""
    with ExitStack() as stack:

        def open_one(budget: Budget) -> Executor:
            try:
                return stack.enter_context(Executor(budget, workers=1))
            except SandboxFault as fault:
                pytest.skip(f"the sandbox does not run here: {fault}")

        yield open_one


def run(executor: Executor, solutions: list[str], tests: list[str]) -> Outcome:
    problem = Problem("p", "", "f")
    given = Candidates(problem, tuple(map(Solution, solutions)), tuple(map(Test, tests)))
    return asyncio.run(executor.execute(given))


def test_codes_are_those_of_the_sandbox() -> None:
    assert verdict_names()[TIMEOUT_CODE] == "timeout"


@pytest.mark.parametrize(
    ("trust", "below", "vouched", "inline"),
    [
        ("inline", "hole", "pass", "pass"),
        ("inline", "fail", "pass", "pass"),
        ("vouched", "hole", "pass", "infra"),
        ("proven", "hole", "infra", "infra"),
        ("proven", "fail", "wrong", "infra"),  # what was not judged apart is no failure
    ],
)
def test_a_pass_with_less_trust_becomes_what_the_budget_says(
    opened: Open, trust: str, below: str, vouched: str, inline: str
) -> None:
    executor = opened(Budget(cpu_s=5.0, trust=trust, below=below))
    tests = ["assert f(2) == 4", VOUCHED_TEST, INLINE_TEST, "assert True or f"]
    found = run(executor, [DOUBLE], tests)
    kinds, names = verdict_names(), trust_names()
    verdicts = [kinds[code] for code in found.tests.verdict_ST[0]]
    assert verdicts == ["pass", vouched, inline, "pass"]
    apart = ["inline"] * 3 if trust == "inline" else ["proven", "vouched", "inline"]
    assert [names[code] for code in found.tests.trust_ST[0, :3]] == apart
    assert found.tests.held_ST[0].tolist() == [0, *(one != "pass" for one in verdicts[1:])]
    assert found.tests.vacuous_T.tolist() == [False, False, False, True]
    assert found.evidence.weight_T.tolist() == [1, 1, 1, 0]


def test_what_hangs_on_the_hash_seed_flips(opened: Open) -> None:
    by_hash = "def f():\n    return hash('a') % 97\n"
    executor = opened(Budget(cpu_s=5.0, confirm=True))
    done = run(
        executor, [by_hash, "def f():\n    return 3"], [f"assert f() == {k}" for k in range(97)]
    )
    assert (done.tests.verdict_ST == PASS_CODE).sum(axis=1).tolist() == [1, 1]
    assert (done.tests.repeat_ST == Repeat.FLIPPED).sum(axis=1).tolist() == [1, 0]
    assert (done.tests.repeat_ST == Repeat.PASSED).sum(axis=1).tolist() == [0, 1]


def test_endless_cells_are_confirmed_alone(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "overloaded", lambda: True)
    budget = Budget(cpu_s=0.2)
    executor = opened(budget)
    done = run(
        executor,
        ["def f(x):\n    while x:\n        pass\n"],
        ["assert f(1) is None", "assert f(0) is None", "assert f(2) is None"],
    )
    mark = Recheck.NOT_CONFIRMED
    assert done.tests.recheck_ST.tolist() == [[mark, Recheck.NONE, mark]]
    judged = executor.cells_done
    asyncio.run(recheck(list(done.blocks()), executor))
    assert done.tests.recheck_ST.tolist() == [[Recheck.CONFIRMED, Recheck.NONE, Recheck.CONFIRMED]]
    assert done.tests.verdict_ST.tolist() == [[TIMEOUT_CODE, PASS_CODE, TIMEOUT_CODE]]
    assert executor.cells_done - judged == 1
