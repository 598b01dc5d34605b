"""The trust that a caller wants, what becomes of less, and what a matrix tells of it."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from sv_sandbox import Below, Limits, Matrix, Pool, Trust, Verdict

from .tables import rows

SOLUTION = """
class Money:
    def __init__(self, n): self.n = n
    def __eq__(self, other): return self.n == other.n
def f(x): return x + 1
def sorted(xs): return xs[::-1]
"""
TESTS = [
    "assert f(1) == 2",
    "assert Money(1) == Money(1)",
    "from unittest.mock import patch\nwith patch('random.random', lambda: 2): assert f(1) == 2",
    "assert f(1) == 3",
    "assert Money(1) == Money(2)",
    "assert absent(1)",
]
PROVEN, VOUCHED, INLINE = Trust.PROVEN, Trust.VOUCHED, Trust.INLINE
PASS, WRONG, HOLE, EXCEPTION = Verdict.PASS, Verdict.WRONG, Verdict.INFRA, Verdict.EXCEPTION
FAILED = [WRONG, WRONG, EXCEPTION]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(1, limits=Limits(cpu_s=10.0)) as pool:
        yield pool


def row(matrix: Matrix) -> tuple[list[Verdict], list[int]]:
    """Verdicts and what was held back, of the first solution."""
    return [Verdict(v) for v in rows(matrix.verdict_ST)[0]], rows(matrix.held_ST)[0]


@pytest.mark.parametrize(
    ("trust", "below", "verdicts", "held"),
    [
        ("proven", "hole", [PASS, HOLE, HOLE, *FAILED], [0, 1, 1, 0, 0, 0]),
        ("proven", "fail", [PASS, WRONG, HOLE, *FAILED], [0, 1, 1, 0, 0, 0]),
        ("vouched", "hole", [PASS, PASS, HOLE, *FAILED], [0, 0, 1, 0, 0, 0]),
        ("vouched", "fail", [PASS, PASS, HOLE, *FAILED], [0, 0, 1, 0, 0, 0]),
        ("inline", "hole", [PASS, PASS, PASS, *FAILED], [0] * 6),
        (Trust.INLINE, Below.FAIL, [PASS, PASS, PASS, *FAILED], [0] * 6),
        (Trust.PROVEN, Below.HOLE, [PASS, HOLE, HOLE, *FAILED], [0, 1, 1, 0, 0, 0]),
    ],
)
def test_what_becomes_of_a_pass(
    pool: Pool, trust: str, below: str, verdicts: list[Verdict], held: list[int]
) -> None:
    matrix = pool.matrix([SOLUTION], TESTS, trust=trust, below=below)
    assert row(matrix) == (verdicts, held)
    assert matrix.held_back == sum(held)
    together = trust in ("inline", INLINE)
    wanted = [INLINE] * 3 if together else [PROVEN, VOUCHED, INLINE]
    assert rows(matrix.trust_ST)[0][:3] == wanted


def test_the_pools_own_is_used_where_a_job_names_none() -> None:
    with Pool(1, limits=Limits(cpu_s=10.0), trust="vouched", below="fail") as pool:
        assert row(pool.matrix([SOLUTION], TESTS))[0][:3] == [PASS, PASS, HOLE]
        assert row(pool.matrix([SOLUTION], TESTS, trust="proven"))[0][:3] == [PASS, WRONG, HOLE]
        found = pool.matrix([SOLUTION], TESTS, trust="proven", below="hole")
        assert row(found)[0][:3] == [PASS, HOLE, HOLE]
        assert row(pool.submit([SOLUTION], TESTS).wait())[0][:3] == [PASS, PASS, HOLE]


def test_details_say_what_a_pass_rests_on(pool: Pool) -> None:
    for below in Below:
        matrix = pool.matrix([SOLUTION], TESTS, below=below)
        assert matrix.detail(0, 0) == ""
        assert matrix.detail(0, 1).startswith("held back (vouched): it rests on __eq__")
        assert matrix.detail(0, 2).startswith("held back (inline): ")
        assert "random" in matrix.detail(0, 2)
        assert "AssertionError" in matrix.detail(0, 3)
        assert "NameError" in matrix.detail(0, 5)
    assert pool.matrix([SOLUTION], TESTS, trust="vouched").detail(0, 1) == ""


def test_a_matrix_pickles_with_all_of_it(pool: Pool) -> None:
    matrix = pool.matrix([SOLUTION] * 2, TESTS)
    again = pickle.loads(pickle.dumps(matrix))
    for name in ("verdict_ST", "trust_ST", "held_ST", "cpu_us_ST"):
        assert getattr(again, name).tolist() == getattr(matrix, name).tolist()
    assert list(again.vacuous_T) == list(matrix.vacuous_T)
    assert (again.shape, again.held_back) == (matrix.shape, matrix.held_back)
    for t in range(len(TESTS)):
        assert again.detail(1, t) == matrix.detail(1, t)
    assert rows(pickle.loads(pickle.dumps(again)).held_ST) == rows(matrix.held_ST)
    empty = pickle.loads(pickle.dumps(pool.matrix([], TESTS)))
    assert (empty.shape, empty.held_back) == ((0, len(TESTS)), 0)


def test_everything_in_one_process_holds_nothing_back(pool: Pool) -> None:
    matrix = pool.matrix([SOLUTION], TESTS, judge="inline")
    assert row(matrix) == ([PASS, PASS, PASS, *FAILED], [0] * 6)
    assert set(rows(matrix.trust_ST)[0]) == {INLINE}


@pytest.mark.parametrize("trust", ["none", "split", "", "PASS", 0, Trust.NONE])
def test_unknown_trust_is_refused(pool: Pool, trust: str) -> None:
    with pytest.raises(ValueError, match="trust"):
        pool.submit([SOLUTION], TESTS, trust=trust)


@pytest.mark.parametrize("below", ["mask", "count", "", "HOLE!"])
def test_unknown_below_is_refused(pool: Pool, below: str) -> None:
    with pytest.raises(ValueError, match=below or "valid"):
        pool.submit([SOLUTION], TESTS, below=below)


ENTRY = {
    "sorted": ("def sorted(xs): return xs[::-1]", "sorted([1, 2])", "[2, 1]"),
    "all": ("def all(xs): return 5", "all([1])", "5"),
    "sum": ("def sum(*xs): return len(xs)", "sum(1, 2, 3)", "3"),
    "max": ("def max(xs): return 'm'", "max([1, 2])", "'m'"),
    "pow": ("def pow(a, b): return a - b", "pow(5, 2)", "3"),
    "len": ("def len(x): return 'l'", "len('')", "'l'"),
}


@pytest.mark.parametrize("name", ENTRY)
def test_a_built_in_name_is_the_solutions_where_it_is_the_entry_point(
    pool: Pool, name: str
) -> None:
    solution, call, value = ENTRY[name]
    tests = [
        f"assert {call} == {value}",
        f"r = {call}\nassert r == {value}",
        f"def check(c):\n    assert c({call[len(name) + 1 : -1]}) == {value}\ncheck({name})",
    ]
    named = pool.matrix([solution], tests, entry_point=name)
    assert row(named)[0] == [PASS] * 3, [named.detail(0, t) for t in range(3)]
    assert PASS not in row(pool.matrix([solution], tests))[0], "else it is the test's own"
    assert PASS not in row(pool.matrix([solution], tests, entry_point="f"))[0]


FILES = {
    "shop/__init__.py": "from .cart import Cart\n",
    "shop/cart.py": "class Cart:\n    def total(self, xs): return sum(xs)\n",
    "rates.py": b"RATE = 3\ndef rate(x): return x * RATE\n",
    "data/table.csv": "a,1\nb,2\n",
}
BESIDE = """
import rates
from shop import Cart
def f(x): return rates.rate(x)
def total(xs): return Cart().total(xs)
def read():
    with open('data/table.csv') as file: return file.read()
"""


def test_modules_and_data_lie_beside_the_solution(pool: Pool) -> None:
    tests = [
        "assert f(2) == 6",
        "assert total([1, 2]) == 3",
        "assert read() == 'a,1\\nb,2\\n'",
        "import rates\nassert rates.rate(1) == 3 and rates.RATE == 3",
        "from shop.cart import Cart\nassert Cart().total([4]) == 4",
        "from shop import Cart\nassert Cart().total([1]) == 1",
        "assert f(2) == 7",
    ]
    for options in ({}, {"judge": "inline"}):
        matrix = pool.matrix([BESIDE, "x ="], tests, files=FILES, **options)  # type: ignore[arg-type]
        found = [matrix.verdict(0, t) for t in range(len(tests))]
        assert found == [PASS] * 6 + [WRONG], [matrix.detail(0, t) for t in range(len(tests))]
        assert PASS not in rows(matrix.verdict_ST)[1][:3]
    alone = pool.matrix([BESIDE], tests)
    assert PASS not in row(alone)[0]


def test_what_lies_beside_is_fresh_for_each_test_and_comes_before_what_is_installed(
    pool: Pool,
) -> None:
    files = {
        "shop/__init__.py": "from .cart import *\nfrom .bill import total",
        "shop/cart.py": "import os\nseen = []\ndef path(): return os.path.dirname(__file__)",
        "shop/bill.py": "from .cart import seen\ndef total(x):\n    seen.append(x)\n"
        "    return len(seen)",
        "iniconfig.py": "ours = 7",  # pytest comes with one
    }
    tests = [
        "from shop.bill import *\nassert total(1) == 1 and total(1) == 2",
        "from shop.bill import *\nassert total(1) == 1",
        "import shop.cart\nassert shop.cart.path().endswith('shop')",
        "import iniconfig\nassert iniconfig.ours == 7",
        "assert ours() == 7",
        "from shop.bill import *\nassert total(1) == 2",
    ]
    solution = "def ours():\n    import iniconfig\n    return iniconfig.ours"
    for judge in ("split", "inline"):
        matrix = pool.matrix([solution], tests, files=files, trust="vouched", judge=judge)
        found = [matrix.verdict(0, t) for t in range(len(tests))]
        assert found == [PASS] * 5 + [WRONG], [matrix.detail(0, t) for t in range(len(tests))]


@pytest.mark.parametrize("path", ["/etc/x.py", "../x.py", "a/../../x.py", "", "a\0b", "x" * 300])
def test_paths_that_lie_elsewhere_are_refused(pool: Pool, path: str) -> None:
    with pytest.raises(ValueError, match="file"):
        pool.submit([BESIDE], TESTS, files={path: ""})
