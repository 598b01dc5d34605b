"""Where a text that holds a program and its test is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sv_engine.serve.split_text import Swallowed, cuts

PROGRAM = "def f(x):\n    return x + 1\n"


@pytest.mark.parametrize(
    ("test", "parts"),
    [
        ("assert f(1) == 2", 1),
        ("assert f(1) == 2\nassert f(2) == 3", 2),
        ("assert f(1) == 2, 'message'", 1),
        ("assert (f(1)\n    == 2)", 1),
        ("assert f(1) == 2; assert f(2) == 3", 2),
        ("assert f('é') == 'ü'; assert f('漢') == 2  # comment", 2),
    ],
)
@pytest.mark.parametrize("between", ["", "\n", "\n\n", "\n# a remark\n\n"])
def test_assertions_at_the_end_are_tests(test: str, parts: int, between: str) -> None:
    found = cuts(PROGRAM + between + test)
    assert len(found) == 1
    solution, tests = found[0]
    assert solution == PROGRAM + between
    assert len(tests) == parts
    assert "".join(tests) == test


@pytest.mark.parametrize(
    "test",
    [
        "x = [1]\nf(x)\nassert x == [2]",
        "import math\nassert math.isclose(f(1), 2)",
        "for x in range(3):\n    assert f(x) == x + 1",
        "try:\n    f(None)\n    assert False\nexcept TypeError:\n    pass",
        "with open_(f) as g:\n    assert g == 2",
        "def check(candidate):\n    assert candidate(1) == 2\n\ncheck(f)",
        "s = Solution()\nassert s.f(1) == 2",
        "if f(1) != 2:\n    raise AssertionError('no')",
    ],
)
def test_a_block_that_prepares_or_checks_is_the_test(test: str) -> None:
    assert (PROGRAM + "\n\n", [test]) in cuts(PROGRAM + "\n\n" + test)


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        ("from collections import Counter", True),
        ("from math import pi\nfrom collections import deque, Counter", True),
        ("from collections import abc as Counter", False),
        ("from collections import OrderedDict as Counter, Counter", False),
        ("from collections import *", False),
        ("from unittest.mock import Counter", False),
        ("from mine import Counter", False),
        ("from .collections import Counter", False),
        ("from collections import Counter\nCounter = 3", False),
        ("from collections import Counter\nclass Counter: pass", False),
        ("def g():\n    from collections import Counter", False),
        ("from collections import Counter\ndef g():\n    global Counter\n    Counter = 1", False),
    ],
)
def test_an_assertion_has_names_of_the_library_from_there(line: str, taken: bool) -> None:
    test = "assert f('a') == Counter('a')\n"
    solution, tests = cuts(f"{line}\n{PROGRAM}{test}assert f(2) == 3")[0]
    assert solution == f"{line}\n{PROGRAM}"
    begun = "from collections import Counter\n" if taken else ""
    assert tests == [begun + test, "assert f(2) == 3"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "print(1)\n",
        PROGRAM,
        "assert True\nprint(2)\n",
        PROGRAM + "\n\nprint(f(int(input())))",
        "def f(:",
        "x = 1\0",
        "def f(x):\n    assert x > 0\n    return x\n\nprint(f(1))\n",
        "class T:\n    def t(self):\n        assert True\n",
    ],
)
def test_a_program_without_a_test_has_no_cut(text: str) -> None:
    assert cuts(text) == []


@pytest.mark.parametrize("quote", ['"""', "'''", 'f"""', 'b"""', "rb'''"])
def test_assertions_inside_a_string_are_not_taken_for_reached(quote: str) -> None:
    mark = quote[-3:]
    with pytest.raises(Swallowed):
        cuts(f"x = {quote}\n\nassert f(1) == 2{mark}")


def test_a_docstring_that_shows_an_assertion_is_a_docstring() -> None:
    text = f'"""Write f.\nassert f(1) == 2\n"""\n{PROGRAM}\n\nassert f(3) == 4'
    assert [tests for _, tests in cuts(text)] == [["assert f(3) == 4"]]


@pytest.mark.parametrize(
    "own",
    [
        "g = 1",
        "f = E()",
        "assert True",
        "assert globals().update(f=1) is None",
        "if True:\n    f = 1",
        "import sys as f",
        "cache = {1: 2}",
    ],
)
def test_what_a_program_brings_along_stays_apart_from_the_callers_test(own: str) -> None:
    for solution, tests in cuts(f"{PROGRAM}\n{own}\n\n\nassert f(1) == 2"):
        assert "assert f(1) == 2" not in solution
        assert tests[-1] == "assert f(1) == 2"


@given(st.text(alphabet="ab=()[]'\"\n\r\f\x0b\u2028#;: éassert", max_size=60))
def test_a_cut_loses_nothing(text: str) -> None:
    try:
        found = cuts(text)
    except Swallowed:
        return
    for solution, tests in found:
        assert solution + "".join(tests) == text
