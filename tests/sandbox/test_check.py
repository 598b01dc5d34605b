"""Programs that read stdin and write stdout: what counts as the right output."""

from __future__ import annotations

import asyncio

import pytest

from sv_sandbox import Limits, Pool, Verdict
from sv_sandbox.check import CHECKS, difference, floats

# what was expected, what was written, and the checks that accept it
PAIRS = [
    (b"1 2\n", b"1 2\n", "exact lines tokens floats"),
    (b"1 2\n", b"1 2", "lines tokens floats"),
    (b"1 2\n", b"1 2  \r\n\n\n", "lines tokens floats"),
    (b"1 2", b"1  2", "tokens floats"),
    (b"1 2", b"1\n2", "tokens floats"),
    (b"a\n\nb", b"a\nb", "tokens floats"),
    (b" a", b"a", "tokens floats"),
    (b"0.5", b"0.50000004", "floats"),
    (b"0.5", b".5", "floats"),
    (b"1e3", b"1000", "floats"),
    (b"-0", b"0.0", "floats"),
    (b"0.5", b"0.51", ""),
    (b"1000", b"1_000", ""),
    (b"inf", b"Infinity", ""),
    (b"nan", b"nan", "exact lines tokens floats"),
    (b"nan", b"1", ""),
    (b"1", b"nan", ""),
    (b"1", "\N{FULLWIDTH DIGIT ONE}".encode(), ""),
    (b"9" * 500, b"9" * 499 + b"8", ""),
    (b"Yes", b"yes", ""),
    (b"1", b"1 2", ""),
    (b"1 2", b"1", ""),
    (b"", b"", "exact lines tokens floats"),
    (b"", b"\n", "lines tokens floats"),
    (b"1", b"", ""),
    (b"\xff\x00", b"\xff\x00", "exact lines tokens floats"),
]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(("expected", "output", "accepted"), PAIRS)
def test_checks(expected: bytes, output: bytes, accepted: str, check: str) -> None:
    assert CHECKS[check](b"", expected, output) is (check in accepted.split())


def test_tolerances() -> None:
    assert floats(rel_tol=0.1)(b"", b"100.0", b"109")
    assert not floats(rel_tol=0.01, abs_tol=0)(b"", b"100.0", b"109")
    assert floats(rel_tol=0, abs_tol=10)(b"", b"100", b"109.0")
    assert not floats(rel_tol=0.1)(b"", b"1000000", b"1000001"), "whole numbers are exact"
    assert floats()(b"", b"007", b"7")
    assert not floats()(b"", b"1e500", b"1e400")


def test_where_they_differ() -> None:
    assert difference(b"1\n2\n3", b"1\n5\n3") == "line 2: expected '2', got '5'"
    assert difference(b"1\n2\n3", b"1\n2") == "expected 3 lines, got 2"
    assert len(difference(b"x" * 9999, b"y" * 9999)) < 240


DOUBLE = "print(int(input()) * 2)"


def test_verdicts(pool: Pool) -> None:
    right = pool.run(DOUBLE, stdin="21", expected="42\n")
    assert (right.verdict, right.detail) == (Verdict.PASS, "")
    wrong = pool.run(DOUBLE, stdin="21", expected="43")
    assert (wrong.verdict, wrong.detail) == (Verdict.WRONG, "line 1: expected '43', got '42'")
    assert wrong.exit_code == 0
    assert pool.run(DOUBLE, stdin="21", expected="42", check="exact").verdict is Verdict.WRONG
    assert pool.run(DOUBLE, stdin="21").verdict is Verdict.PASS


def test_how_a_program_ends_comes_first(pool: Pool) -> None:
    crashed = pool.run("print(42)\n1 / 0", expected="42")
    assert crashed.verdict is Verdict.EXCEPTION
    assert pool.run("print(42)\nexit(1)", expected="42").verdict is Verdict.EXCEPTION
    assert pool.run("print(42)\nexit()", expected="42").verdict is Verdict.PASS
    hurried = "import os, sys\nprint({})\nsys.stdout.flush()\nos._exit(0)"
    assert pool.run(hurried.format(42), expected="42").verdict is Verdict.PASS
    assert pool.run(hurried.format(41), expected="42").verdict is Verdict.WRONG
    assert pool.run("import os\nos._exit(0)", expected="42").verdict is Verdict.WRONG
    endless = pool.run("print(42, flush=True)\nwhile True: pass", expected="42")
    assert endless.verdict is Verdict.TIMEOUT
    limits = Limits(output_bytes=10)
    assert pool.run("print('1' * 100)", expected="1" * 10, limits=limits).verdict is Verdict.OUTPUT


def test_a_check_of_the_callers_own(pool: Pool) -> None:
    def divides(stdin: bytes, expected: bytes, output: bytes) -> bool:
        return int(stdin) % int(output) == 0 and expected == b"any"

    assert pool.run("print(7)", stdin="21", expected="any", check=divides).verdict is Verdict.PASS
    assert pool.run("print(8)", stdin="21", expected="any", check=divides).verdict is Verdict.WRONG
    with pytest.raises(ValueError, match="invalid literal"):
        pool.run("print('x')", stdin="21", expected="any", check=divides)
    with pytest.raises(ValueError, match="one of exact, lines, tokens, floats"):
        pool.run("print(1)", expected="1", check="fuzzy")


def test_asynchronously(pool: Pool) -> None:
    async def both() -> list[Verdict]:
        runs = [pool.run_async(DOUBLE, stdin=f"{n}", expected="42") for n in (21, 22)]
        return [result.verdict for result in await asyncio.gather(*runs)]

    assert asyncio.run(both()) == [Verdict.PASS, Verdict.WRONG]
