"""`Executor` on the real sandbox: trust, vacuous tests, flips, timeouts that run again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from sv_engine.execute import executor as execute
from sv_engine.execute.executor import Budget, Executor, SandboxFault, trust_names, verdict_names
from sv_engine.execute.timeouts import Allowance, Doubt, recheck
from sv_engine.records import (
    INLINE_CODE,
    PASS_CODE,
    TIMEOUT_CODE,
    Executed,
    Problem,
    Recheck,
    Rollout,
    Solution,
    Test,
)

Open = Callable[[Budget], Executor]

DOUBLE = "class Base:\n    pass\n\ndef f(x):\n    return 2 * x\n"
INLINE_TEST = "class Mine(Base):\n    pass\nassert isinstance(Mine(), Base)"


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


def run(executor: Executor, solutions: list[str], tests: list[str]) -> Executed:
    given = Rollout(Problem("p", "", "f"), tuple(map(Solution, solutions)), tuple(map(Test, tests)))
    return asyncio.run(executor.execute(given))


def test_codes_are_those_of_the_sandbox() -> None:
    assert trust_names()[INLINE_CODE] == "inline"
    assert verdict_names()[TIMEOUT_CODE] == "timeout"


@pytest.mark.parametrize(
    ("unsplit", "verdict"), [("count", "pass"), ("mask", "infra"), ("fail", "forbidden")]
)
def test_unsplit_cells_become_what_the_budget_says(
    opened: Open, unsplit: str, verdict: str
) -> None:
    executor = opened(Budget(cpu_s=5.0, unsplit=unsplit))
    done = run(executor, [DOUBLE], ["assert f(2) == 4", INLINE_TEST, "assert True or f"])
    kinds, trust = verdict_names(), trust_names()
    assert [kinds[code] for code in done.matrix.verdict_ST[0]] == ["pass", verdict, "pass"]
    assert [trust[code] for code in done.trust_ST[0]] == ["split", "inline", "split"]
    assert done.vacuous_T.tolist() == [False, False, True]
    assert done.evidence.weight_T.tolist() == [1, 1, 0]


def test_what_hangs_on_the_hash_seed_flips(opened: Open) -> None:
    by_hash = "def f():\n    return hash('a') % 97\n"
    executor = opened(Budget(cpu_s=5.0, confirm=True))
    done = run(
        executor, [by_hash, "def f():\n    return 3"], [f"assert f() == {k}" for k in range(97)]
    )
    assert done.matrix.passed_ST.sum(axis=1).tolist() == [1, 1]
    assert np.array_equal(done.repeated_ST, done.matrix.passed_ST)
    assert done.flipped_ST.sum(axis=1).tolist() == [1, 0]


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
    assert done.recheck_ST.tolist() == [[mark, Recheck.NONE, mark]]
    judged = executor.cells_done
    for doubt in Doubt:
        asyncio.run(recheck(done, doubt, executor, budget, Allowance()))
    assert done.recheck_ST.tolist() == [[Recheck.CONFIRMED, Recheck.NONE, Recheck.CONFIRMED]]
    assert done.matrix.verdict_ST.tolist() == [[TIMEOUT_CODE, PASS_CODE, TIMEOUT_CODE]]
    assert executor.cells_done - judged == 1
