"""Timeouts under overload: which cells run again, and what becomes of the others."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from sv_engine.execute import overload
from sv_engine.execute.overload import MAX_PRESSURE_PERCENT, overloaded, some_avg10
from sv_engine.execute.timeouts import Allowance, Doubt, recheck
from sv_engine.records import Candidates, Outcome, Problem, Recheck, Solution, Test, Verdicts

INFRA, PASS, WRONG, TIMEOUT = 0, 1, 2, 4
NONE, NOT_CONFIRMED, CONFIRMED, OVERTURNED, _ = Recheck
CUT_US, NEAR_US = 360_000, 310_000


class QuietMachine:
    """Judges one cell at a time, as scripted: (solution, test) -> verdict, else a timeout."""

    def __init__(self, verdicts: dict[tuple[str, str], int] | None = None) -> None:
        self.verdicts = verdicts or {}
        self.asked: list[tuple[str, str, float]] = []

    async def judge(
        self,
        solutions: Sequence[str],
        tests: Sequence[str],
        cpu_s: float,
        entry_point: str | None = None,
    ) -> Verdicts:
        (solution,), (test,) = solutions, tests
        self.asked.append((solution, test, cpu_s))
        judged = Verdicts.unknown(1, 1, cpu_s)
        judged.verdict_ST[0, 0] = self.verdicts.get((solution, test), TIMEOUT)
        judged.cpu_us_ST[0, 0] = CUT_US if judged.verdict_ST[0, 0] == TIMEOUT else 100
        return judged


def judged(cpu_us_ST: list[list[int]], recheck_ST: list[list[Recheck]]) -> Outcome:
    """Timeouts everywhere, with two solutions; the own test timed out and is not doubtful."""
    rows, columns = np.array(recheck_ST).shape
    tests = Verdicts.unknown(rows, columns, 0.3)
    tests.verdict_ST[:] = TIMEOUT
    tests.cpu_us_ST[:], tests.recheck_ST[:] = cpu_us_ST, recheck_ST
    reference = Verdicts.unknown(rows, 1, 1.0)
    reference.verdict_ST[:], reference.cpu_us_ST[:] = TIMEOUT, 1_100_000
    candidates = Candidates(
        Problem("p", "", "f", reference_test="own"),
        tuple(Solution(f"s{i}") for i in range(rows)),
        tuple(Test(f"t{i}") for i in range(columns)),
    )
    return Outcome(candidates, tests, reference)


def own(given: Outcome) -> Verdicts:
    assert given.reference is not None
    return given.reference


def run(
    given: Outcome, doubt: Doubt, machine: QuietMachine, allowance: Allowance | None = None
) -> None:
    asyncio.run(recheck(list(given.blocks()), machine, allowance, [doubt]))


def test_one_endless_cell_of_a_row_speaks_for_the_others() -> None:
    given = judged([[CUT_US] * 3] * 2, [[NOT_CONFIRMED] * 3, [NONE, NOT_CONFIRMED, NONE]])
    machine = QuietMachine()
    run(given, Doubt.ENDLESS, machine)
    assert machine.asked == [("s0", "t0", 0.3), ("s1", "t1", 0.3)]
    assert given.tests.recheck_ST.tolist() == [[CONFIRMED] * 3, [NONE, CONFIRMED, NONE]]
    assert (given.tests.verdict_ST == TIMEOUT).all()


def test_an_overturned_endless_cell_speaks_for_itself_only() -> None:
    given = judged([[CUT_US] * 3], [[NOT_CONFIRMED] * 3])
    machine = QuietMachine({("s0", "t0"): PASS, ("s0", "t1"): WRONG, ("s0", "t2"): PASS})
    run(given, Doubt.ENDLESS, machine)
    assert given.tests.recheck_ST.tolist() == [[OVERTURNED] * 3]
    assert given.tests.verdict_ST.tolist() == [[PASS, WRONG, PASS]]
    assert given.tests.cpu_us_ST.tolist() == [[100] * 3]
    assert not given.is_doubtful


def test_every_cell_near_its_limit_is_run() -> None:
    given = judged([[NEAR_US, CUT_US, NEAR_US]], [[NOT_CONFIRMED] * 3])
    machine = QuietMachine({("s0", "t2"): PASS})
    run(given, Doubt.NEAR_LIMIT, machine)
    assert [test for _, test, _ in machine.asked] == ["t0", "t2"]
    assert given.tests.recheck_ST.tolist() == [[CONFIRMED, NOT_CONFIRMED, OVERTURNED]]
    assert given.tests.near_limit_ST.tolist() == [[False, False, True]]  # or overturned
    run(given, Doubt.ENDLESS, machine)
    assert [test for _, test, _ in machine.asked] == ["t0", "t2", "t1"]


def test_the_benchmarks_own_test_runs_under_its_own_limit() -> None:
    given = judged([[CUT_US]], [[NONE]])
    own(given).recheck_ST[:] = NOT_CONFIRMED
    machine = QuietMachine({("s0", "own"): PASS})
    run(given, Doubt.ENDLESS, machine)
    assert machine.asked == [("s0", "own", 1.0)]
    assert own(given).verdict_ST.tolist() == [[PASS]]
    assert own(given).recheck_ST.tolist() == [[OVERTURNED]]


def test_a_hole_changes_nothing() -> None:
    given = judged([[CUT_US] * 2], [[NOT_CONFIRMED] * 2])
    run(given, Doubt.ENDLESS, QuietMachine({("s0", "t0"): INFRA}))
    assert given.tests.recheck_ST.tolist() == [[NOT_CONFIRMED, CONFIRMED]]
    assert given.tests.verdict_ST.tolist() == [[TIMEOUT] * 2]


def test_nothing_is_run_beyond_the_allowance() -> None:
    given = judged([[NEAR_US] * 4], [[NOT_CONFIRMED] * 4])
    own(given).recheck_ST[:] = NOT_CONFIRMED
    allowance, machine = Allowance(0.7), QuietMachine()
    run(given, Doubt.NEAR_LIMIT, machine, allowance)
    assert len(machine.asked) == 2
    assert given.tests.recheck_ST.tolist() == [[CONFIRMED] * 2 + [NOT_CONFIRMED] * 2]
    assert allowance.spent
    assert not allowance.take(0.05)  # the rest is not for whoever asks for less


# ---- overload -----------------------------------------------------------------------------------


def pressure(avg10: float) -> str:
    return (
        f"some avg10={avg10:.2f} avg60=1.00 avg300=2.00 total=34\n"
        "full avg10=99.00 avg60=0.00 avg300=0.00 total=0\n"
    )


def test_the_figure_is_that_of_the_last_ten_seconds() -> None:
    assert some_avg10(pressure(12.34)) == 12.34
    with pytest.raises(ValueError, match="some"):
        some_avg10("full avg10=1.00\n")


@pytest.mark.parametrize("more", [-0.01, 0.01])
def test_pressure_above_the_limit_is_overload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: float
) -> None:
    (tmp_path / "cpu").write_text(pressure(MAX_PRESSURE_PERCENT + more))
    monkeypatch.setattr(overload, "PRESSURE", tmp_path / "cpu")
    assert overloaded() == (more > 0)


@pytest.mark.parametrize("more", [0.0, 0.01])
def test_without_pressure_figures_load_above_the_cores_is_overload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: float
) -> None:
    monkeypatch.setattr(overload, "PRESSURE", tmp_path / "absent")
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(os, "getloadavg", lambda: (4 + more, 0.0, 0.0))
    assert overloaded() == (more > 0)
