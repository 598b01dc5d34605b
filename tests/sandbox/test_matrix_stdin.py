"""Standard input of a solution that is judged on a test."""

from __future__ import annotations

import pytest

from sv_sandbox import Pool, Verdict

from .tables import rows


@pytest.fixture(scope="module")
def pool():  # type: ignore[no-untyped-def]
    with Pool(1) as pool:
        yield pool


@pytest.mark.parametrize(
    ("solution", "test", "stdin"),
    [
        ("n = int(input())", "assert n == 7", "7"),
        ("n = int(input())", "assert n == 7\nassert n + 1 == 8", b"7\n8\n"),
        ("import sys\nn = sys.stdin.read()", "assert n == 'é\\n'", "é\n"),
        ("def f():\n    return input()", "assert f() == 'a'\nassert f() == 'b'", "a\nb\n"),
        ("n = len(open(0, 'rb').read())", "assert n == 2_000_000", b"x" * 2_000_000),
        ("import sys\nn = list(sys.stdin)", "assert n == []", ""),
        ("n = 1", "assert input() == '7'", "7"),
    ],
)
def test_a_solution_and_its_test_find_it(
    pool: Pool, solution: str, test: str, stdin: str | bytes
) -> None:
    for _ in range(12):  # forks first, recycled subjects then
        matrix = pool.submit([solution, solution], [test], stdin=stdin).wait()
        assert {v for row in rows(matrix.verdict_ST) for v in row} == {Verdict.PASS}


def test_what_one_has_read_the_other_does_not_find(pool: Pool) -> None:
    matrix = pool.submit(["n = int(input())"], ["assert int(input()) == n"], stdin="7").wait()
    assert matrix.verdict_ST[0, 0] == Verdict.EXCEPTION  # apart, each would find it
    assert "EOFError" in matrix.detail(0, 0)


def test_nothing_of_it_is_left_for_the_next(pool: Pool) -> None:
    solution = "import sys\nn = sys.stdin.read()"
    for text in ("a" * 1000, "b", "", "cc"):
        matrix = pool.submit([solution], [f"assert n == {text!r}"], stdin=text).wait()
        assert matrix.verdict_ST[0, 0] == Verdict.PASS


def test_it_is_for_one_test(pool: Pool) -> None:
    with pytest.raises(ValueError, match="one test"):
        pool.submit(["n = input()"], ["assert n", "assert n"], stdin="7")
