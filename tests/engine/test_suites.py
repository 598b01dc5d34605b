"""Tests come out of a reply one by one, each able to fail, whatever style they are written in."""

from __future__ import annotations

import pytest

from sv_engine.problems.extract import Drop, extract_tests
from sv_sandbox import Limits, Pool, SandboxError, Verdict

F = "```"
RIGHT = (
    "def f(x, *more):\n    if x == -1:\n        raise ValueError\n    return x + 1 + sum(more)\n"
)
WRONG = "def f(x, *more):\n    return 99\n"
CLASS = "class Solution:\n    def inc(self, x):\n        return x + {}\n"


def judged(test: str, program: str) -> bool:
    """Whether `program` passes `test`."""
    names: dict[str, object] = {"__name__": "test"}
    exec(program, names)
    try:
        exec(test, names)
    except BaseException:  # pytest's `Failed` is no Exception
        return False
    return True


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
def test_every_style_comes_through(style: str, wrapper: str) -> None:
    count, text = STYLES[style]
    tests, dropped = extract_tests(WRAPPERS[wrapper].format(text.strip("\n")), entry_point="f")
    assert len(tests) == count, (tests, dropped)
    for test in tests:
        assert judged(test, RIGHT), test
        assert not judged(test, WRONG), test


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
def test_tests_of_a_method(count: int, text: str) -> None:
    tests, _ = extract_tests(f"{F}python\n{text}\n{F}", entry_point="Solution().inc")
    assert len(tests) == count, tests
    for test in tests:
        assert judged(test, CLASS.format(1)), test
        assert not judged(test, CLASS.format(7)), test


def test_an_object_with_state_keeps_its_history() -> None:
    text = "s = f()\ns.append(1)\nassert s.pop() == 1\ns.append(2)\nassert s == [2]\n"
    tests, _ = extract_tests(text, entry_point="f")
    assert len(tests) == 2
    for test in tests:
        assert judged(test, "def f():\n    return []\n"), test
    assert not judged(tests[1], "def f():\n    return [0]\n")


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


def test_the_sandbox_judges_every_style() -> None:
    try:
        pool = Pool(workers=1, limits=Limits(cpu_s=5.0))
    except SandboxError as fault:
        pytest.skip(f"the sandbox does not run here: {fault}")
    with pool:
        for style, (_, text) in STYLES.items():
            tests, _ = extract_tests(f"{F}python\n{text}\n{F}", entry_point="f")
            matrix = pool.matrix([RIGHT, WRONG], tests)
            for test in range(len(tests)):
                assert matrix.verdict(0, test) == Verdict.PASS, (style, matrix.detail(0, test))
                assert matrix.verdict(1, test) != Verdict.PASS, style
