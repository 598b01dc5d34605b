"""Values that cannot cross between the two processes, and tests of several planned assertions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sv_sandbox import Limits, Pool, Trust, Verdict

NESTED = """
def nest(n):
    x = frozenset()
    for _ in range(n):
        x = frozenset([x])
    return x
"""
TEXT = "def text(n):\n    return 'a' * n\n"


def itself(kind: str, put: str) -> str:
    head = f"from collections import *\nfrom types import *\n{kind}\n"
    return f"{head}def f():\n    x = C()\n    {put}\n    return x\n"


ANSWERS = {
    "a long text": (TEXT, "assert len(text(10**8)) == 10**8"),
    "a long text, compared by code": (TEXT, "r = text(10**8)\nassert r == 'a' * 10**8"),
    "several texts": (TEXT, "def f(): return [text(4 * 10**7)] * 2 + [text(4 * 10**7)]\n"),
    "frozen sets in each other": (NESTED, "x = nest(300)\nassert len(x) == 1"),
    "a deep key": (NESTED, "assert len(nest(300)) == 1"),
    "a list that holds itself": (
        itself("class C(list): pass", "x.append(x)"),
        "assert len(f()) == 1",
    ),
    "a dict that holds itself": (
        itself("class C(dict): pass", "x['x'] = x"),
        "r = f()\nassert r['x'] is r",
    ),
    "a deque that holds itself": (itself("C = deque", "x.append(x)"), "assert len(f()) == 1"),
    "a namespace that holds itself": (
        itself("C = SimpleNamespace", "x.me = x"),
        "r = f()\nassert r.me is r",
    ),
    "lists in each other": (
        "def f():\n    x = []\n    for _ in range(3000):\n        x = [x]\n    return x\n",
        "assert len(f()) == 1",
    ),
    "what an object holds": (TEXT + "class C:\n    text = text(10**8)", "assert len(C().text) > 9"),
    "what an error says": (
        TEXT + "def f():\n    raise ValueError(text(10**8))",
        "try:\n    f()\n    assert False\nexcept ValueError as e:\n    assert len(str(e)) > 9",
    ),
    "what a generator yields": (
        TEXT + "def f():\n    yield text(10**8)",
        "assert len(next(f())) == 10**8",
    ),
    "what a callback is given": (
        TEXT + "def f(g):\n    return g(text(10**8))",
        "assert f(lambda s: len(s)) == 10**8",
    ),
    "what a callback returns": (
        TEXT + "def f(g):\n    return len(g(10**8))",
        "assert f(lambda n: 'a' * n) == 10**8",
    ),
    "what is put into a list of the test's": (
        TEXT + "def f(x):\n    x.append(text(10**8))",
        "x = []\nf(x)\nassert len(x[0]) == 10**8",
    ),
}
ANSWERS["several texts"] = (
    TEXT + ANSWERS["several texts"][1],
    "assert [len(one) for one in f()] == [4 * 10**7] * 3",
)
ARGUMENTS = {
    "a long text": ("def f(x): return len(x)", "x = 'a' * 10**8\nassert f(x) == 10**8"),
    "long bytes": ("def f(x): return len(x)", "x = b'a' * 10**8\nassert f(x) == 10**8"),
    "frozen sets in each other": (
        "def f(x): return len(x)",
        "x = frozenset()\nfor _ in range(300):\n    x = frozenset([x])\nassert f(x) == 1",
    ),
    "a list that holds itself": (
        "def f(x): return len(x)",
        "class L(list): pass\nx = L()\nx.append(x)\nassert f(x) == 1",
    ),
    "lists in each other": (
        "def f(x): return len(x)",
        "x = []\nfor _ in range(3000):\n    x = [x]\nassert f(x) == 1",
    ),
}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(1, limits=Limits(cpu_s=20, memory_bytes=2 << 30), trust="vouched") as pool:
        yield pool


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_cannot_cross_is_no_failure_and_no_gain(pool: Pool, name: str) -> None:
    solution, test = ANSWERS[name]
    matrix = pool.matrix([solution], [test])
    assert (matrix.verdict(0, 0), matrix.held_ST[0, 0]) == (Verdict.INFRA, True), matrix.detail(
        0, 0
    )
    assert "cannot cross" in matrix.detail(0, 0)
    strict = pool.matrix([solution], [test], below="fail")
    assert strict.verdict(0, 0) is Verdict.WRONG  # as for an answer that says yes to everything
    assert pool.matrix([solution], [test], judge="inline").verdict(0, 0) is Verdict.PASS


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_argument_that_cannot_cross_is_a_hole(pool: Pool, name: str) -> None:
    """Nothing of the solution's doing: a hole, whatever becomes of passes without trust."""
    for below in ("hole", "fail"):
        matrix = pool.matrix([ARGUMENTS[name][0]], [ARGUMENTS[name][1]], below=below)
        assert (matrix.verdict(0, 0), matrix.held_ST[0, 0]) == (Verdict.INFRA, True), (
            below,
            matrix.detail(0, 0),
        )


def test_what_has_failed_stays_failed_whatever_comes_after(pool: Pool) -> None:
    solution = TEXT + "def f(x): return x\n"
    for test in (
        "try:\n    assert f(1) == 2\nexcept: pass\nassert len(text(10**8)) == 3",
        "import unittest\nclass T(unittest.TestCase):\n"
        "    def test_a(self): self.assertEqual(f(1), 2)\n"
        "    def test_b(self): self.assertEqual(len(text(10**8)), 3)",
        "def test_a():\n    assert f(1) == 2\ndef test_b():\n    assert len(text(10**8)) == 3",
        "try:\n    assert f(1) == 2\nexcept BaseException:\n    x = text(10**8)",
        "assert f(1) == 2\nassert len(text(10**8)) == 3",
    ):
        matrix = pool.matrix([solution], [test])
        taken_back = "x = text" in test  # by the test, so that it passes in one process
        expected = Verdict.INFRA if taken_back else Verdict.WRONG
        assert matrix.verdict(0, 0) is expected, (test, matrix.detail(0, 0))


def test_the_next_cells_are_judged_after_one_that_cannot_cross(pool: Pool) -> None:
    tests = [
        "assert len(text(10**8)) == 10**8",
        "x = text(2)\nassert x == 'aa'",
        "assert text(1) == 'a'",
    ]
    matrix = pool.matrix([TEXT], tests)
    assert [matrix.verdict(0, t).name for t in range(3)] == ["INFRA", "PASS", "PASS"]


# ---- several assertions, planned as one is ---

SOLUTION = """
calls, kept = [0], []
def f(x): return x + 1
def g(x):
    if x > 2: raise ValueError
    return x
def count():
    calls[0] += 1
    return calls[0]
def same(x):
    kept.append(x)
    return kept
def replace(x):
    global replace
    replace = f
    return x
def early(x):
    if x: raise SystemExit
    return 0
"""
SEVERAL = {
    "assert f(1) == 2\nassert f(2) == 3": "PASS PROVEN",
    "assert f(1) == 2\nassert f(2) == 4\nassert g(3) == 3": "WRONG",
    "assert g(1) == 2\nassert g(3) == 3": "WRONG",
    "assert g(1) == 1\nassert g(3) == 3": "EXCEPTION",
    "assert g(3) == 3\nassert g(1) == 2": "EXCEPTION",
    "assert count() == 1\nassert count() == 2\nassert count() == 3": "PASS PROVEN",
    "assert count() == 1\nassert count() == 1": "WRONG",
    "assert same(1) == [1]\nassert same(2) == [1, 2]": "PASS PROVEN",
    "assert early(0) == 0\nassert early(1) == 0": "EARLY_EXIT",
    "def check(c):\n    assert c(1) == 2\n    assert True, 'said'\n"
    "    assert abs(c(2)) == 3\ncheck(f)": "PASS PROVEN",
    "assert replace(1) == 1\nassert replace(2) == 3": "PASS PROVEN",
    "M = {'a': 1}\ndef check(c):\n    'text'\n    x = 3\n"
    "    assert c(1) == 1\n    assert c(2) == 2\ncheck(replace)": "PASS PROVEN",
    "def check(c):\n    assert c(1) == 2\n    assert not c(1) == 2\ncheck(f)": "WRONG",
    "def check(c):\n    assert c(1) == 2\n    assert c(1) == 2\ncheck(missing)": "EXCEPTION",
    "def check(f):\n    assert f(1) == 1\n    assert f(2) == 2\ncheck(g)": "PASS PROVEN",
    "def check(c):\n    assert c(1) == 1\n    assert f(2) == 3\ncheck(g)": "PASS PROVEN",
    "def check(c):\n    c = g\n    assert c(2) == 2\ncheck(f)": "PASS PROVEN",
    "f = g\ndef check(c):\n    assert c(2) == 2\ncheck(f)": "PASS PROVEN",
    "def check(c):\n    abs = len\n    assert abs(same(1)) == 1\n"
    "    assert c(1) == 2\ncheck(f)": "PASS PROVEN",
    "def check(c, n=2):\n    assert c(1) == n\ncheck(f)": "PASS PROVEN",
    "def check(c):\n    assert c(1) == 2\n    return\n"
    "    assert c(1) == 3\ncheck(f)": "PASS VOUCHED",
    "def check(c):\n    assert c(1) == 2\ncheck(f)\ncheck(g)": "WRONG",
    "def check(c):\n    assert c(3) == 4\ndef check(c):\n"
    "    assert c(1) == 1\ncheck(g)": "PASS VOUCHED",
}


@pytest.mark.parametrize("test", SEVERAL)
def test_several_assertions_are_judged_as_in_one_process(pool: Pool, test: str) -> None:
    verdict, *trust = SEVERAL[test].split()
    matrix = pool.matrix([SOLUTION], [test])
    inline = pool.matrix([SOLUTION], [test], judge="inline")
    assert (matrix.verdict(0, 0).name, inline.verdict(0, 0).name) == (verdict, verdict), (
        matrix.detail(0, 0),
        inline.detail(0, 0),
    )
    if trust:
        assert Trust(matrix.trust_ST[0, 0]).name == trust[0]


@pytest.mark.parametrize(
    ("vacuous", "test"),
    [
        (False, "def check(c):\n    for x in [1]:\n        assert c(x) == 2\n    c(1)\ncheck(f)"),
        (False, "x = [f(n) for n in f(3)]\nassert x"),
        (False, "import math\ny = math.floor(f(2))\nassert y == 3"),
        (
            False,
            "def check(c):\n    y = c(1)\n    assert y == 2\ndef run(d):\n    check(d)\nrun(f)",
        ),
        (
            True,
            "def check(c):\n    try:\n        c(1)\n    except Exception:\n        pass\ncheck(f)",
        ),
        (True, "def check(c):\n    if False:\n        c(1)\n    return\n    c(1)\ncheck(f)"),
        (True, "def check(c, d):\n    d(1)\na = (f, int)\ncheck(*a)"),
        (True, "def check(c):\n    def c(x): return x\n    assert c(1) == 1\ncheck(f)"),
        (True, "def check(c):\n    c = int\n    assert c(1) == 1\ncheck(f)"),
        (True, "import sys\nsys.exit()\nf(1)"),
        (True, "x = False and f(1)\ny = [f(n) for n in []]\nz = lambda: f(1)\nassert not x"),
        (True, "from contextlib import suppress\nwith suppress(Exception):\n    f(1)"),
        (True, "def f(x): return x\nassert f(1) == 1"),
        (True, "class A:\n    def check(self): f(1)\nA()\nassert True"),
        (True, "def gen(c):\n    yield c(1)\ngen(f)\nassert True"),
        (True, 'globals()["f"] = lambda x: 2\nassert f(1) == 2'),
        (True, "globals().update(f=lambda x: 2)\nassert f(1) == 2"),
        (True, 'vars()["f"] = lambda x: 2\nassert f(1) == 2'),
        (True, 'locals().setdefault("f", lambda x: 2)\nassert f(1) == 2'),
        (True, 'import sys\nsetattr(sys.modules[__name__], "f", lambda x: 2)\nassert f(1) == 2'),
        (True, 'def g(): pass\ng.__globals__["f"] = lambda x: 2\nassert f(1) == 2'),
        (
            True,
            "import operator\ndef g(): pass\n"
            'operator.attrgetter("__globals__")(g)["f"] = lambda x: 2\nassert f(1) == 2',
        ),
        (False, 'assert globals()["f"](1) == 2'),
        (False, 'if __name__ == "__main__":\n    pass\nassert f(1) == 2'),
        (True, "async def go(c):\n    c(1)\ngo(f).close()\nassert True"),
    ],
)
def test_vacuous_tests_are_found_whether_they_are_tried_or_not(
    pool: Pool, vacuous: bool, test: str
) -> None:
    matrix = pool.matrix([SOLUTION], [test])
    assert bool(matrix.vacuous_T[0]) is vacuous
