"""Test code runs in one process as well."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sv_sandbox import Layer, Limits, Pool, Trust, Verdict

from .tables import rows

pytestmark = pytest.mark.judge
VIEW = "class View:\n    def __init__(self, rows): self.rows = rows\n    def size(self): return "
LARGE = "rows = list(range(3000))\nview = View(rows)\nrows.append(1)\nassert view.size() == 3001"
"""More than two ends share: whoever looks at it here sees a copy."""


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(1, limits=Limits(cpu_s=1.0)) as pool:
        yield pool


def both_ways(pool: Pool) -> int:
    return pool.statistics()["both_ways"]


@pytest.mark.parametrize(
    "test",
    [
        "for x in [1, 2]:\n    assert f(x) == x + 1",
        "import math\nassert math.isclose(f(1), 2)\nassert f(2) == 3",
        "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n"
        "        self.assertEqual(f(1), 2)",
        "from pytest import mark\n@mark.parametrize('x', [1])\ndef test(x): assert f(x) == 2",
    ],
)
def test_code_runs_both_ways(pool: Pool, test: str) -> None:
    before = both_ways(pool)
    matrix = pool.matrix(["def f(x): return x + 1", "def f(x): return x"], [test])
    assert rows(matrix.verdict_ST) == [[Verdict.PASS], [Verdict.WRONG]]
    assert both_ways(pool) == before + 2


PLANNED = ["assert f(1) == 2", "def check(c):\n    assert c(1) == 2\ncheck(f)"]


@pytest.mark.parametrize("test", PLANNED)
def test_a_planned_test_has_one_way(pool: Pool, test: str) -> None:
    before = both_ways(pool)
    matrix = pool.matrix(["def f(x): return x + 1", "def f(x): return x"], [test])
    assert rows(matrix.verdict_ST) == [[Verdict.PASS], [Verdict.WRONG]]
    assert both_ways(pool) == before


@pytest.mark.parametrize(
    ("solution", "test"),
    [
        ("import math\ndef f(x):\n    math.pi = 3\n    return x + 1", PLANNED[0]),
        ("def f(x):\n    return x + 1 if x is x else 0", PLANNED[0]),
        ("def f(x):\n    import sys\n    sys.setrecursionlimit(900)\n    return 2", PLANNED[0]),
        ("def f(x): return len(x)", "assert f([float('nan')]) == 1"),
        ("def f(x): return 2\ndef check(x): pass", PLANNED[1]),
        ("def f(x): return 2 if '{0.__globals__}'.format(f) else 3", PLANNED[0]),
        ("def f(x): return 2 if (i for i in ()).gi_frame else 3", PLANNED[0]),
        ("def g(): 1 / 0\ndef f(x):\n    try: g()\n    except Exception as error:\n"
        "        return 2 if error.__traceback__ else 3", PLANNED[0]),
        ("def f(x): return 3 if __doc__ else 2", PLANNED[0]),
        ("def f(x):\n    match f:\n        case object(__globals__=names): return 2", PLANNED[0]),
    ],
)  # fmt: skip
def test_but_for_a_solution_that_may_see_where_it_runs(
    pool: Pool, solution: str, test: str
) -> None:
    before = both_ways(pool)
    matrix = pool.matrix([solution], [test])
    assert rows(matrix.verdict_ST) == [[Verdict.PASS]]
    assert rows(matrix.trust_ST) == [[Trust.PROVEN]]
    assert both_ways(pool) == before + 1


def test_what_fails_apart_and_passes_together_is_held_back(pool: Pool) -> None:
    right, wrong = VIEW + "len(self.rows)", VIEW + "3001 if len(self.rows) == 3000 else 0"
    tests = [LARGE, "view = View([1, 2])\nassert view.size() == 2"]
    held = pool.matrix([right, wrong], tests)
    assert rows(held.verdict_ST) == [
        [Verdict.INFRA, Verdict.PASS],
        [Verdict.WRONG, Verdict.WRONG],
    ]
    assert held.trust_ST[0, 0] == Trust.INLINE
    assert rows(held.held_ST) == [[1, 0], [0, 0]]
    assert held.detail(0, 0) == "held back (inline): in one process it passes: AssertionError"
    failed = pool.matrix([right, wrong], tests, below="fail")
    assert rows(failed.verdict_ST) == [
        [Verdict.WRONG, Verdict.PASS],
        [Verdict.WRONG, Verdict.WRONG],
    ]


ONLY_TOGETHER = """
import os, time
class Box:
    def __init__(self, x): self.x = x
    def get(self):
        if "marker" in globals(): {}
        return self.x
"""


@pytest.mark.parametrize(
    ("does", "verdict"),
    [
        ("[0 for _ in iter(int, 1)]", Verdict.TIMEOUT),
        ("time.sleep(100)", Verdict.TIMEOUT),
        ("[0] * 10**12", Verdict.MEMORY),
        ("1 / 0", Verdict.EXCEPTION),
        ("os._exit(0)", Verdict.EARLY_EXIT),
    ],
)
def test_what_happens_in_one_process_alone_ends_nothing_else(
    pool: Pool, does: str, verdict: Verdict
) -> None:
    tests = ["marker = 1\nassert Box(2).get() == 2", "assert Box(2).get() == 2"]
    matrix = pool.matrix([ONLY_TOGETHER.format(does), ONLY_TOGETHER.format("pass")], tests)
    assert rows(matrix.verdict_ST) == [
        [verdict, Verdict.PASS],
        [Verdict.PASS, Verdict.PASS],
    ]


def test_a_test_that_leaves_by_itself_has_passed(pool: Pool) -> None:
    """As it has in a process of its own."""
    tests = ["import sys\nassert Box(2).get() == 2\nsys.exit(0)"]
    tests.append("assert f(1) == 2\nexit()")
    matrix = pool.matrix(
        [ONLY_TOGETHER.format("pass") + "def f(x): return 2"], tests, trust="vouched"
    )
    assert rows(matrix.verdict_ST) == [[Verdict.PASS, Verdict.PASS]]
    assert rows(matrix.trust_ST) == [[Trust.PROVEN, Trust.PROVEN]]


def test_what_it_sees_of_its_tests_in_one_process_helps_it_nowhere_else(pool: Pool) -> None:
    """Not in the same cell apart, in no cell of the row, and in no row after it."""
    notes = """
import gc, os
def find():
    for value in gc.get_objects():
        if type(value) is dict and "expected" in value: return value["expected"]
class Spy:
    def get(self):
        found = find()
        if found is not None:
            for folder in (".", "/tmp", "/dev/shm", "/var/tmp"):
                try: open(folder + "/note", "w").write(str(found))
                except OSError: pass
            os.environ["note"] = str(found)
            return found
        for folder in (".", "/tmp", "/dev/shm", "/var/tmp"):
            try: return int(open(folder + "/note").read())
            except OSError: pass
        return int(os.environ.get("note", 0))
"""
    tests = [
        "expected = 4242\nassert Spy().get() == expected",
        "assert Spy().get() == 4242",
        "for expected in [4243]:\n    assert Spy().get() == 4243",
    ]
    for _ in range(3):
        matrix = pool.matrix([notes, notes], tests)
        assert Verdict.PASS not in [v for row in rows(matrix.verdict_ST) for v in row]
        assert "in one process it passes" in matrix.detail(0, 0)


def test_the_number_of_its_process_does_not_tell_whether_its_template_is_new() -> None:
    solution = "import os\ndef f(x): raise ValueError(os.getpid())"
    with Pool(1, limits=Limits(cpu_s=1.0)) as pool:
        if Layer.PID_NAMESPACE not in pool.layers:
            pytest.skip("numbers are the machine's")
        if not os.access("/proc/sys/kernel/ns_last_pid", os.W_OK):
            pytest.skip("/proc/sys cannot be written here")
        told = pool.matrix([solution], ["for x in [1]:\n    f(x)"]).detail(0, 0)
    assert int(told.removeprefix("ValueError: ")) >= 300
