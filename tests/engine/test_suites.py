"""Tests come out of a reply one by one, each able to fail, whatever style they are written in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sv_engine.problems.extract import Drop, extract_tests
from sv_sandbox import Limits, Pool, Verdict

F = "```"
RIGHT = (
    "def f(x, *more):\n    if x == -1:\n        raise ValueError\n    return x + 1 + sum(more)\n"
)
WRONG = "def f(x, *more):\n    return 99\n"
CLASS = "class Solution:\n    def inc(self, x):\n        return x + {}\n"


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(workers=1, require="none", limits=Limits(cpu_s=5.0)) as pool:
        yield pool


def assert_tells_apart(pool: Pool, tests: list[str], right: str, wrong: str) -> None:
    """The right program passes every test, the wrong one none."""
    matrix = pool.matrix([right, wrong], tests)
    for t, test in enumerate(tests):
        assert matrix.verdict(0, t) == Verdict.PASS, (test, matrix.detail(0, t))
        assert matrix.verdict(1, t) not in (Verdict.PASS, Verdict.INFRA), test


STYLES: dict[str, tuple[int, str]] = {
    "asserts": (2, "assert f(1) == 2\nassert f(2) == 3, 'two'"),
    "numbered": (2, "1. `assert f(1) == 2`\n2. `assert f(2) == 3`"),
    "bullets": (2, "- assert f(1) == 2\n- assert f(2) == 3"),
    "inputs in variables": (2, "xs = 1\nassert f(xs) == 2\nxs = 2\nassert f(xs) == 3"),
    "name of a builtin": (1, "input = 1\nassert f(input) == 2"),
    "result in a variable": (1, "result = f(1)\nassert result == 2"),
    "result and expected": (1, "x = 1\nexpected = 2\nactual = f(x)\nassert actual == expected"),
    "table and loop": (1, "cases = [(1, 2), (2, 3)]\nfor a, b in cases:\n    assert f(a) == b"),
    "loop over a literal": (1, "for a, b in [(1, 2), (2, 3)]:\n    assert f(a) == b, (a, b)"),
    "while": (1, "i = 0\nwhile i < 3:\n    assert f(i) == i + 1\n    i += 1"),
    "constant and function": (1, "K = 2\ndef test_f():\n    a = 1\n    assert f(a) == K"),
    "helper": (2, "def same(a, b):\n    return a == b\nassert same(f(1), 2)\nassert same(f(2), 3)"),
    "helper with assert": (
        2,
        "def case(a, b):\n    assert f(a) == b\n\ncase(1, 2)\ncase(2, 3)",
    ),
    "check": (1, "def check(candidate):\n    x = 1\n    assert candidate(x) == 2\n\ncheck(f)"),
    "check without call": (1, "def check(candidate):\n    assert candidate(1) == 2\n"),
    "import and helper": (1, "import math\nfrom math import pi\nassert f(math.floor(pi)) == 4"),
    "raises": (1, "try:\n    f(-1)\n    assert False\nexcept ValueError:\n    pass"),
    "raises, else": (
        1,
        "def test_f():\n    try:\n        f(-1)\n    except ValueError:\n        return\n"
        "    raise AssertionError('no error')",
    ),
    "pytest functions": (
        2,
        "def test_a():\n    x = 1\n    assert f(x) == 2\n\ndef test_b():\n"
        "    for i in range(3):\n        assert f(i) == i + 1\n",
    ),
    "pytest raises": (
        1,
        "import pytest\n\ndef test_f():\n    with pytest.raises(ValueError):\n        f(-1)\n",
    ),
    "parametrize": (
        1,
        "import pytest\n\n@pytest.mark.parametrize('a, b', [(1, 2), (2, 3)])\n"
        "def test_f(a, b):\n    assert f(a) == b\n",
    ),
    "parametrize one": (
        1,
        "import pytest\n\n@pytest.mark.parametrize('a', [1, 2])\n"
        "def test_f(a):\n    assert f(a) == a + 1\n",
    ),
    "pytest approx": (
        1,
        "import pytest\ndef test_f():\n    y = f(0.1)\n    assert y == pytest.approx(1.1)\n",
    ),
    "test class": (
        2,
        "class TestF:\n    def test_a(self):\n        assert f(1) == 2\n\n"
        "    def test_b(self):\n        assert f(2) == 3\n",
    ),
    "test class with set-up": (
        1,
        "class TestF:\n    def setup_method(self):\n        self.x = 1\n\n"
        "    def test_b(self):\n        assert f(self.x) == 2\n",
    ),
    "unittest": (
        1,
        "import unittest\n\nclass TestF(unittest.TestCase):\n    def test_a(self):\n"
        "        self.assertEqual(f(1), 2)\n\n    def test_b(self):\n"
        "        self.assertTrue(f(2) == 3)\n\nif __name__ == '__main__':\n    unittest.main()\n",
    ),
    "unittest, set-up": (
        1,
        "from unittest import TestCase, main\nK = 2\nclass TestF(TestCase):\n    def setUp(self):\n"
        "        self.x = 1\n\n    def test_a(self):\n        self.assertEqual(f(self.x), K)\n\n"
        "main()\n",
    ),
    "unittest, subTest": (
        1,
        "import unittest\nclass TestF(unittest.TestCase):\n    def test_a(self):\n"
        "        for a, b in [(1, 2), (2, 3)]:\n            with self.subTest(a=a):\n"
        "                self.assertEqual(f(a), b)\n\nunittest.main(argv=[''], exit=False)\n",
    ),
    "two TestCases": (
        2,
        "import unittest\nclass A(unittest.TestCase):\n    def test_a(self):\n"
        "        self.assertEqual(f(1), 2)\nclass B(unittest.TestCase):\n    def test_b(self):\n"
        "        self.assertRaises(ValueError, f, -1)\n",
    ),
    "fixture": (
        1,
        "import pytest\n\n@pytest.fixture\ndef one():\n    return 1\n\n"
        "def test_f(one):\n    assert f(one) == 2\n",
    ),
    "fixture of a fixture": (
        1,
        "import pytest\n@pytest.fixture\ndef one():\n    return 1\n@pytest.fixture\ndef two(one):\n"
        "    return one + 1\n\n"
        "class TestF:\n    def test_f(self, two):\n        assert f(two) == 3\n",
    ),
    "fixture for all": (
        1,
        "import pytest\nxs = []\n@pytest.fixture(autouse=True)\ndef fill():\n    xs.append(1)\n\n"
        "def test_f():\n    for x in xs:\n        assert f(x) == 2\n    assert len(xs) > 0\n",
    ),
    "set-up of the module": (
        1,
        "xs = []\ndef setup_module():\n    xs.append(1)\n\ndef test_f():\n    x = xs[0]\n"
        "    assert f(x) == 2\n",
    ),
    "a local name like a global one": (
        1,
        "x = 5\nassert x == 5\ndef test_f():\n    x = 1\n    assert f(x) == 2\n",
    ),
    "two parametrize": (
        1,
        "import pytest\n@pytest.mark.parametrize('a', [1, 2])\n"
        "@pytest.mark.parametrize('b', [pytest.param(0), 5])\n"
        "def test_f(a, b):\n    assert f(a, b) == a + b + 1\n",
    ),
    "base of two TestCases": (
        2,
        "import unittest\nclass Base(unittest.TestCase):\n    def same(self, a, b):\n"
        "        self.assertEqual(f(a), b)\nclass TestA(Base):\n    def test_a(self):\n"
        "        self.same(1, 2)\nclass TestB(Base):\n    def test_b(self):\n"
        "        self.same(2, 3)\n",
    ),
    "async": (1, "async def test_f():\n    x = 1\n    assert f(x) == 2\n"),
    "doctest": (2, ">>> f(1)\n2\n>>> f(2)\n3\n"),
    "doctest with set-up": (1, ">>> x = 1\n>>> f(x)\n2\n"),
    "doctest, printed": (1, ">>> print(f(1))\n2\n"),
    "doctest, repr": (1, ">>> {f(1)}\n{2}\n"),
    "doctest, error": (
        1,
        ">>> f(-1)\nTraceback (most recent call last):\n    ...\nValueError\n",
    ),
    "JSON objects": (2, '[{"input": 1, "output": 2}, {"input": 2, "output": 3}]'),
    "JSON, expected": (1, '[{"input": 1, "expected_output": 2}]'),
    "JSON, arguments": (1, '{"tests": [{"args": [1, 2], "expected": 4}]}'),
    "JSON, keywords": (1, '[{"input": {"x": 1}, "output": 2}]'),
    "JSON, source": (1, '[{"input": "x = 1", "output": 2}]'),
    "JSON pairs": (2, "[[1, 2], [2, 3]]"),
    "JSON lines": (2, '{"input": 1, "output": 2}\n{"input": 2, "output": 3}'),
    "main block": (2, "if __name__ == '__main__':\n    assert f(1) == 2\n    assert f(2) == 3\n"),
    "called in main": (
        1,
        "def test_f():\n    x = 1\n    assert f(x) == 2\n\ndef main():\n    test_f()\n\n"
        "if __name__ == '__main__':\n    main()\n    print('ok')",
    ),
    "imports of the solution": (2, "from solution import f\n\nassert f(1) == 2\nassert f(2) == 3"),
    "the solution again": (2, f"{RIGHT}\nassert f(1) == 2\nassert f(2) == 3"),
    "comments between": (2, "# one\nassert f(1) == 2  # two\n\n# next\nassert f(2) == 3"),
    "over lines": (1, "assert f(\n    1\n) == (\n    2\n)"),
    "semicolons": (2, "assert f(1) == 2; assert f(2) == 3"),
    "truncated": (2, "assert f(1) == 2\nassert f(2) == 3\nassert f(3"),
    "truncated function": (
        1,
        "def test_a():\n    x = 1\n    assert f(x) == 2\n\ndef test_b():\n   ",
    ),
    "print and assert": (1, "print('testing')\nassert f(1) == 2\nprint('ok')"),
}
"""Name -> how many tests, and the text. The right program passes each, the wrong one none."""

WRAPPERS = {
    "bare": "{}",
    "fence": "Tests:\n\n" + F + "python\n{}\n" + F + "\nDone.",
    "thought": "<think>\n" + F + "python\nassert f(0) == 99\n</think>\n" + F + "\n{}\n" + F,
    "unclosed": F + "python\n{}\n",
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("style", STYLES)
def test_every_style_comes_through(pool: Pool, style: str, wrapper: str) -> None:
    count, text = STYLES[style]
    tests, dropped = extract_tests(WRAPPERS[wrapper].format(text.strip("\n")), entry_point="f")
    assert len(tests) == count, (tests, dropped)
    assert_tells_apart(pool, tests, RIGHT, WRONG)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (2, "s = Solution()\nassert s.inc(1) == 2\nassert s.inc(2) == 3"),
        (2, "assert Solution().inc(1) == 2\nassert Solution().inc(2) == 3"),
        (1, "s = Solution()\nfor x in range(3):\n    assert s.inc(x) == x + 1"),
        (1, "def test_inc():\n    s = Solution()\n    assert s.inc(1) == 2"),
        (
            1,
            "import unittest\nclass T(unittest.TestCase):\n    def setUp(self):\n"
            "        self.s = Solution()\n    def test(self):\n"
            "        self.assertEqual(self.s.inc(1), 2)\n",
        ),
        (1, ">>> s = Solution()\n>>> s.inc(1)\n2"),
        (1, "[[1, 2]]"),
        (1, "def check(candidate):\n    assert candidate(1) == 2\n\ncheck(Solution().inc)"),
    ],
)
def test_tests_of_a_method(pool: Pool, count: int, text: str) -> None:
    tests, _ = extract_tests(f"{F}python\n{text}\n{F}", entry_point="Solution().inc")
    assert len(tests) == count, tests
    assert_tells_apart(pool, tests, CLASS.format(1), CLASS.format(7))


def test_an_object_with_state_keeps_its_history(pool: Pool) -> None:
    text = "s = f()\ns.append(1)\nassert s.pop() == 1\ns.append(2)\nassert s == [2]\n"
    tests, _ = extract_tests(text, entry_point="f")
    assert len(tests) == 2
    matrix = pool.matrix(["def f():\n    return []\n", "def f():\n    return [0]\n"], tests)
    verdicts = [[matrix.verdict(s, t) for t in range(2)] for s in range(2)]
    assert verdicts == [[Verdict.PASS, Verdict.PASS], [Verdict.PASS, Verdict.WRONG]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("print('no tests')", Drop.NO_ASSERT),
        ("print(f(1) == 2)", Drop.NO_ASSERT),
        ("def f(x):\n    return x + 1", Drop.NO_ASSERT),
        ("assert g(1) == 2", Drop.NO_ASSERT),
        ("assert f(unknown) == 2", Drop.NEEDS_CONTEXT),
        ("[1, 2, 3]", Drop.NO_ASSERT),
        ('{"a": 1}', Drop.NO_ASSERT),
    ],
)
def test_what_is_no_test_says_why(text: str, reason: Drop) -> None:
    for reply in (text, f"{F}python\n{text}\n{F}"):
        assert extract_tests(reply, entry_point="f") == ([], {reason: 1})


def test_a_thought_without_answer_has_no_test() -> None:
    thought = f"<think>\n{F}python\nassert f(1) == 2\n{F}\n"
    assert extract_tests(thought, entry_point="f") == ([], {Drop.ONLY_THOUGHT: 1})


def test_a_limit_takes_the_first() -> None:
    text = "\n".join(f"x = {i}\nassert f(x) == {i + 1}" for i in range(9))
    tests, _ = extract_tests(text, entry_point="f", limit=3)
    assert [test.split("\n")[0] for test in tests] == ["x = 0", "x = 1", "x = 2"]
