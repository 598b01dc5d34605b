"""What a cell is: a fresh namespace, its own verdict, in a row that survives what it does."""

from __future__ import annotations

import pytest

from sv_sandbox import Limits, Pool, Verdict, _native

PASS, WRONG = Verdict.PASS, Verdict.WRONG


def verdicts(matrix: object) -> list[list[Verdict]]:
    """As enums, row by row."""
    return [[Verdict(code) for code in row] for row in matrix.verdict_ST.tolist()]  # type: ignore[attr-defined]


def test_verdicts_of_honest_code(pool: Pool, judge: str) -> None:
    m = pool.matrix(
        ["def f(x):\n    return x + 1\n", "def f(x):\n    return x\n"],
        ["assert f(1) == 2", "assert f(2) == 2", "assert f('a') == 'a'", "assert True"],
        judge=judge,
    )
    assert verdicts(m) == [
        [PASS, WRONG, Verdict.EXCEPTION, PASS],
        [WRONG, PASS, PASS, PASS],
    ]
    assert m.detail(0, 0) == ""
    assert "AssertionError" in m.detail(0, 1)
    assert "TypeError" in m.detail(0, 2)


def test_test_of_several_statements(pool: Pool, judge: str) -> None:
    test = """
def check(candidate):
    for x in range(3):
        assert candidate(x) == x * x
    total = sum(candidate(x) for x in range(4))
    assert total == 14, total
check(f)
"""
    m = pool.matrix(
        ["def f(x):\n    return x * x\n", "def f(x):\n    return x * 2\n"], [test], judge=judge
    )
    assert verdicts(m) == [[PASS], [WRONG]]


def test_namespace_is_fresh_in_every_cell(pool: Pool, judge: str) -> None:
    solution = """
calls = []
def f(x):
    calls.append(x)
    return list(calls)
"""
    tests = ["assert f(1) == [1]"] * 4 + ["assert f(2) == [2]", "assert f(1) == [1, 1]"]
    assert verdicts(pool.matrix([solution], tests, judge=judge)) == [[PASS] * 5 + [WRONG]]


def test_what_a_test_defines_is_gone_in_the_next(pool: Pool, judge: str) -> None:
    look = "try:\n    leak\n    found = 1\nexcept NameError:\n    found = 0\nassert found == f()"
    tests = ["leak = 1\nassert f() == 0", look, "assert f() == 0"]
    m = pool.matrix(["def f():\n    return 0\n"], tests, judge=judge, trust="vouched")
    assert verdicts(m) == [[PASS] * 3]


@pytest.mark.parametrize(
    ("solution", "verdict", "word"),
    [
        ("def f(:\n", Verdict.EXCEPTION, "SyntaxError"),
        ("raise ValueError('broken')\n", Verdict.EXCEPTION, "broken"),
        ("import no_such_module\n", Verdict.EXCEPTION, "no_such_module"),
        ("import sys\nsys.exit(0)\n", Verdict.EARLY_EXIT, "SystemExit"),
        ("import os\nos._exit(0)\n", Verdict.EARLY_EXIT, "exit code 0"),
        ("assert False\n", Verdict.WRONG, "AssertionError"),
        ("x = bytearray(8 << 30)\n", Verdict.MEMORY, "MemoryError"),
        ("\x00", Verdict.EXCEPTION, "null bytes"),
        ("x = '\ud800'\n", Verdict.EXCEPTION, "utf-8"),
        ("(" * 5000, Verdict.EXCEPTION, ""),
        ("x = " + "-" * 100_000 + "1\n", Verdict.EXCEPTION, ""),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_a_load_failure_is_the_whole_row(
    pool: Pool, judge: str, solution: str, verdict: Verdict, word: str
) -> None:
    good = "def f():\n    return 1\n"
    m = pool.matrix([good, solution, good], ["assert f() == 1"] * 3, judge=judge)
    rows = verdicts(m)
    assert rows[0] == rows[2] == [PASS] * 3
    if verdict is Verdict.EXCEPTION and not word:
        # Too deep for the compiler: whichever way it gives up, it is an answer and no hole.
        assert set(rows[1]) <= {Verdict.EXCEPTION, Verdict.MEMORY}
    else:
        assert rows[1] == [verdict] * 3
    assert all(word in m.detail(1, t) for t in range(3)), m.detail(1, 0)


@pytest.mark.parametrize(
    ("test", "verdict"),
    [
        ("assert f() ==", Verdict.EXCEPTION),
        ("\x00", Verdict.EXCEPTION),
        ("assert f() == '\ud800'", Verdict.EXCEPTION),
        ("no_such_name()", Verdict.EXCEPTION),
        ("", Verdict.PASS),
        ("# nothing", Verdict.PASS),
    ],
)
def test_a_broken_test_costs_its_own_column(
    pool: Pool, judge: str, test: str, verdict: Verdict
) -> None:
    good = "assert f() == 1"
    m = pool.matrix(["def f():\n    return 1\n"], [good, test, good], judge=judge, trust="vouched")
    assert verdicts(m) == [[PASS, verdict, PASS]]


@pytest.mark.hostile
@pytest.mark.parametrize(
    ("act", "verdict"),
    [
        ("while True: pass", Verdict.TIMEOUT),
        ("os._exit(0)", Verdict.EARLY_EXIT),
        ("ctypes.string_at(0)", Verdict.EXCEPTION),
        ("os.kill(os.getpid(), 15)", Verdict.EARLY_EXIT),
        ("while True: os.write(1, b'x' * 65536)", Verdict.OUTPUT),
    ],
)
def test_the_row_goes_on_after_a_killed_cell(
    pool: Pool, judge: str, act: str, verdict: Verdict
) -> None:
    solution = f"import ctypes, os\ndef f(x):\n    if x % 3 == 0:\n        {act}\n    return x\n"
    tests = [f"assert f({x}) == {x}" for x in range(7)]
    m = pool.matrix([solution], tests, limits=Limits(cpu_s=0.2, wall_s=2), judge=judge)
    assert verdicts(m) == [[verdict, PASS, PASS, verdict, PASS, PASS, verdict]]


@pytest.mark.parametrize("error", ["BaseException", "KeyboardInterrupt", "GeneratorExit"])
def test_exceptions_that_are_no_errors(pool: Pool, judge: str, error: str) -> None:
    m = pool.matrix(
        [f"def f():\n    raise {error}\n"], ["f()", "pass"], judge=judge, trust="vouched"
    )
    assert verdicts(m) == [[Verdict.EXCEPTION, PASS]]


def test_details_are_short_and_printable(pool: Pool, judge: str) -> None:
    solution = "def f(n):\n    raise ValueError('é' * n + '\\x00\\ud800')\n"
    m = pool.matrix([solution], ["f(0)", "f(10_000_000)"], judge=judge, limits=Limits(cpu_s=10.0))
    assert verdicts(m) == [[Verdict.EXCEPTION] * 2]
    for t in range(2):
        assert "ValueError" in m.detail(0, t)
        assert len(m.detail(0, t).encode()) <= 240


def test_details_of_very_many_cells(pool: Pool, judge: str) -> None:
    """More text than a row's arena holds: verdicts stay, explanations may be missing."""
    tests = [f"assert False, {str(t) * 60!r}" for t in range(_native.MAX_CELLS)]
    m = pool.matrix(["x = 1\n"], tests, limits=Limits(cpu_s=5), judge=judge)
    assert set(bytes(m.verdict_ST)) == {Verdict.WRONG}
    assert "AssertionError: 000" in m.detail(0, 0)


def test_an_exception_that_cannot_be_shown(pool: Pool, judge: str) -> None:
    solution = """
class Bad(Exception):
    def __str__(self):
        raise RuntimeError
def f():
    raise Bad
"""
    assert verdicts(pool.matrix([solution], ["f()"], judge=judge)) == [[Verdict.EXCEPTION]]


def test_solutions_may_use_what_modules_have(pool: Pool, judge: str) -> None:
    solution = """
from __future__ import annotations
import dataclasses, enum, typing
@dataclasses.dataclass
class Point:
    x: int
    y: typing.ClassVar[int] = 2
class Color(enum.Enum):
    RED = 1
def f() -> list[int]:
    import collections
    return [Point(1).x, Color.RED.value, collections.Counter('aa')['a'], len(__name__) > 0]
"""
    assert verdicts(pool.matrix([solution], ["assert f() == [1, 1, 2, 1]"], judge=judge)) == [
        [PASS]
    ]


def test_stdin_of_a_cell_is_empty(pool: Pool, judge: str) -> None:
    solution = "import sys\ndef f():\n    return sys.stdin.read()\n"
    assert verdicts(pool.matrix([solution], ["assert f() == ''"], judge=judge)) == [[PASS]]


def test_shapes(pool: Pool, judge: str) -> None:
    assert pool.matrix([], ["pass"], judge=judge).shape == (0, 1)
    assert pool.matrix(["x = 1"], [], judge=judge).shape == (1, 0)
    m = pool.matrix(["x = 1"] * 3, ["pass"] * 5, judge=judge)
    assert m.shape == m.verdict_ST.shape == m.cpu_us_ST.shape == (3, 5)


def test_sizes_that_can_never_run(pool: Pool) -> None:
    with pytest.raises(ValueError, match="tests in one job"):
        pool.submit(["x = 1"], ["pass"] * (_native.MAX_CELLS + 1))
    with pytest.raises(ValueError, match="solution 1"):
        pool.submit(["x = 1", "#" * _native.MAX_PAYLOAD_BYTES], ["pass"])
    with pytest.raises(ValueError, match="solution 0"):
        pool.submit(["x = 1"], ["#" * _native.MAX_PAYLOAD_BYTES])
    with pytest.raises(ValueError, match="unknown judge"):
        pool.submit(["x = 1"], ["pass"], judge="jury")
    with pytest.raises(ValueError, match="workers"):
        Pool(0)
    with pytest.raises(ValueError, match="policy"):
        Pool(1, policy="shrug")
    with pytest.raises(ValueError, match="unknown level"):
        Pool(1, level="fort knox")


def test_a_large_solution_runs(pool: Pool, judge: str) -> None:
    solution = "x = 1\n" + "#" * (10 << 20) + "\ndef f():\n    return 1\n"
    m = pool.matrix([solution, "def f():\n    return 2\n"], ["assert f() == 1"], judge=judge)
    assert verdicts(m) == [[PASS], [WRONG]]


def test_cell_outside_the_matrix(pool: Pool) -> None:
    m = pool.matrix(["x = 1"], ["assert 0"])
    with pytest.raises(IndexError):
        m.detail(7, 7)
    with pytest.raises(IndexError):
        m.verdict(1, 0)


def test_each_cell_may_print_as_much_as_the_limit(pool: Pool, judge: str) -> None:
    """And what is counted for one is never another's, however late it is read."""
    limits = Limits(cpu_s=10, output_bytes=300_000)
    sizes = (20_000, 180_000, 180_000, 20_000, 180_000)
    printing = ["def f(n):\n    print('a' * n)\n    return n"]
    for before in ("", "y = 0\n"):
        tests = [f"{before}assert f({n}) == {n}" for n in sizes * 3]
        for _ in range(3):
            m = pool.matrix(printing, tests, judge=judge, limits=limits, trust="vouched")
            assert verdicts(m) == [[PASS] * len(tests)]


def test_a_test_and_a_solution_that_call_each_other_too_deep(pool: Pool) -> None:
    """Either end may run out of stack where one process would not: that says nothing of anybody."""
    solution = "class A:\n    def accept(self, v, n):\n        return v.visit(self, n)\n"
    test = (
        "class V:\n    def visit(self, a, n):\n"
        "        return 0 if n == 0 else 1 + a.accept(self, n - 1)\n"
        "assert A().accept(V(), {0}) == {0}"
    )
    tests = [test.format(n) for n in (20, 100, 130, 160, 200)]
    m = pool.matrix([solution], tests, trust="vouched", limits=Limits(cpu_s=10))
    found = verdicts(m)[0]
    assert found[0] is PASS
    assert set(found) <= {PASS, Verdict.INFRA}
