"""Jobs with the same tests share what was planned of them, and never anything else."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import time
from collections.abc import Sequence

import psutil
import pytest

from sv_sandbox import Limits, Pool, Verdict

from .tables import rows

PASS, WRONG = Verdict.PASS, Verdict.WRONG
RIGHT, OTHER = "def f(x): return x + 1", "def f(x): return x + 2"
TESTS = [
    "assert f(1) == 2",
    "assert f(1) == 3",
    "x = f(1)\nfor i in range(2): x += 0\nassert x == 2",
]


@pytest.fixture
def one() -> object:
    """A pool of one worker: what it has planned, the next job finds."""
    with Pool(1, limits=Limits(cpu_s=2)) as pool:
        yield pool


def verdicts(pool: Pool, solution: str, tests: Sequence[str], **options: object) -> list[int]:
    """Of one solution."""
    row: list[int] = rows(pool.matrix([solution], tests, **options).verdict_ST)[0]  # type: ignore[arg-type]
    return row


def plans(pool: Pool) -> int:
    """How many were made so far."""
    return pool.statistics()["plans"]


def test_the_same_tests_are_planned_once(one: Pool) -> None:
    for _ in range(4):
        assert verdicts(one, RIGHT, TESTS) == [PASS, WRONG, PASS]
        assert verdicts(one, OTHER, TESTS) == [WRONG, PASS, WRONG]
    assert plans(one) == 1
    both = rows(one.matrix([RIGHT, OTHER], TESTS).verdict_ST)
    assert both == [[PASS, WRONG, PASS], [WRONG, PASS, WRONG]]
    assert plans(one) == 1


OTHERS = {
    "fewer": TESTS[:2],
    "more": [*TESTS, "assert f(0) == 1"],
    "another order": TESTS[::-1],
    "one byte": ["assert f(1) == 2", "assert f(1) == 2", TESTS[2]],
    "one byte more": [*TESTS[:2], TESTS[2] + " "],
    "other borders": ["assert f(1) == 2\n", "assert f(1) == 3"],
    "none of them": ["assert f(2) == 3"],
}


@pytest.mark.parametrize("tests", OTHERS.values(), ids=list(OTHERS))
def test_other_tests_are_planned_anew(one: Pool, tests: list[str]) -> None:
    assert verdicts(one, RIGHT, TESTS) == [PASS, WRONG, PASS]
    with Pool(1, limits=Limits(cpu_s=2)) as fresh:
        assert verdicts(one, RIGHT, tests) == verdicts(fresh, RIGHT, tests)
    assert plans(one) == 2
    assert verdicts(one, OTHER, TESTS) == [WRONG, PASS, WRONG]
    assert plans(one) == 3


def test_what_is_large_is_not_taken_for_its_beginning(one: Pool) -> None:
    padding = "#" * (300 << 10)
    tests = [f"assert f(1) == {n}  {padding}" for n in range(6)]
    assert verdicts(one, RIGHT, tests) == [WRONG, WRONG, PASS, WRONG, WRONG, WRONG]
    for count in (1, 2, 3, 4, 5):
        expected = [WRONG, WRONG, PASS, WRONG, WRONG][:count]
        assert verdicts(one, RIGHT, tests[:count]) == expected
    assert plans(one) == 6


def test_other_limits_are_another_plan(one: Pool) -> None:
    big = f"assert f(1) == {'1' * 5000}"
    few, many = Limits(cpu_s=2, int_digits=4300), Limits(cpu_s=2, int_digits=6000)
    for _ in range(2):
        assert verdicts(one, RIGHT, [big], limits=many) == [WRONG]
        before = plans(one)
        one.matrix([RIGHT], [big], limits=few)
        assert plans(one) == before + 1


def test_another_entry_point_is_another_plan(one: Pool) -> None:
    solution = "def sorted(x): return 7"
    unnamed = verdicts(one, solution, ["assert sorted([2, 1]) == [1, 2]"])
    assert unnamed == [WRONG]  # Python's own apart, the solution's in one process
    named = verdicts(one, solution, ["assert sorted([2, 1]) == [1, 2]"], entry_point="sorted")
    assert named == [WRONG]
    assert verdicts(one, solution, ["assert sorted([2, 1]) == [1, 2]"]) == unnamed


def test_every_job_knows_what_is_vacuous(one: Pool) -> None:
    tests = ["assert f", "assert 1 == 1", "assert f(1) == 2", "try:\n    f(1)\nexcept: pass"]
    first = one.matrix([RIGHT], tests)
    again = one.matrix([OTHER], tests)
    assert list(again.vacuous_T) == list(first.vacuous_T)
    assert any(first.vacuous_T)
    assert plans(one) == 1


def test_a_test_that_could_not_be_planned_is_tried_again(one: Pool) -> None:
    """What failed once may have been the machine's doing: another job does not inherit it."""
    tests = ["assert f(1) == 2", "assert f(1) == 9 ** 9 ** 9 ** 9"]
    rows = [verdicts(one, RIGHT, tests) for _ in range(2)]
    assert rows[0] == rows[1]
    assert rows[0][0] == PASS
    assert rows[0][1] not in (PASS, Verdict.INFRA)


def kill_who_compares(pool: Pool) -> int:
    """How many there were."""
    killed = 0
    for template in psutil.Process(pool.zygotes()["plain"]).children():
        for child in template.children():
            if child.name() == "sv-task":
                child.kill()
                while child.status() != psutil.STATUS_ZOMBIE:  # its template looks when it needs it
                    time.sleep(0.01)
                killed += 1
    return killed


KNOWN_TO_PASS = {
    "a number": ("2", "assert f(1) == 2"),
    "several": ("x + 1", "assert f(1) == 2\nassert f(4) == 5"),
    "in a function": ("[x]", "def check(g):\n    assert g(1) == [1]\ncheck(f)"),
    "a container": (
        "{'a': [x, (2.5, None)], 'b': {}}",
        "assert f(1) == {'a': [1, (2.5, None)], 'b': {}}",
    ),
}
COMPARED = {
    "another kind": ("2.0", "assert f(1) == 2"),
    "another order": ("{'b': 1, 'a': 2}", "assert f(1) == {'a': 2, 'b': 1}"),
    "not an equality": ("2", "assert f(1) > 1"),
    "not the answer itself": ("[3, 2]", "assert sorted(f(1)) == [2, 3]"),
}


@pytest.mark.parametrize(
    ("answer", "test", "plans_again"),
    [*((*one, 0) for one in KNOWN_TO_PASS.values()), *((*one, 1) for one in COMPARED.values())],
    ids=[*KNOWN_TO_PASS, *COMPARED],
)
def test_what_is_known_to_pass_is_not_compared(
    one: Pool, answer: str, test: str, plans_again: int
) -> None:
    """Whoever gives the very bytes that are expected needs no process that compares."""
    solution = f"def f(x): return {answer}"
    assert verdicts(one, solution, [test]) == [PASS]
    assert kill_who_compares(one) == 1
    assert verdicts(one, solution, [test]) == [PASS]
    assert plans(one) == 1 + plans_again
    assert verdicts(one, "def f(x): return 'wrong'", [test])[0] != PASS


@pytest.mark.parametrize("whom", ["the process that compares", "its template", "all"])
def test_a_plan_is_lost_between_two_jobs(one: Pool, whom: str) -> None:
    for _ in range(3):
        assert verdicts(one, RIGHT, TESTS) == [PASS, WRONG, PASS]
        assert verdicts(one, OTHER, TESTS) == [WRONG, PASS, WRONG]
        for template in psutil.Process(one.zygotes()["plain"]).children():
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                tasks = [child for child in template.children() if child.name() == "sv-task"]
                for process in [*tasks, template] if whom == "all" else tasks:
                    os.kill(process.pid, signal.SIGKILL)
                if tasks and whom == "its template":
                    os.kill(template.pid, signal.SIGKILL)
    assert one.statistics()["infra_rows"] == 0
    assert plans(one) >= 3


def test_details_of_a_row_are_those_of_its_cells(pool: Pool) -> None:
    solutions = [RIGHT, OTHER, "def f(x): raise ValueError(x)", "syntax error", "class f: pass"]
    tests = [*TESTS, "assert f(1)", "assert 1", "import os\nassert os.getpid() and f(1) == 2"]
    for trust in ("proven", "vouched"):
        matrix = pool.matrix(solutions, tests, trust=trust)
        for m in (matrix, pickle.loads(pickle.dumps(matrix))):
            for s in range(len(solutions)):
                each = {t: m.detail(s, t) for t in range(len(tests)) if m.detail(s, t)}
                assert m.details(s) == each == matrix.details(s)
                passed = [t for t in range(len(tests)) if m.verdict(s, t) is PASS]
                assert not set(passed) & set(each)
    with pytest.raises(IndexError):
        matrix.details(len(solutions))
