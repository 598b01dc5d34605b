"""A cell finds nothing of those before it: what is not tidy has had a process of its own.

In: pairs whose verdicts hang on what an earlier cell of the row left in a library, by a way that no
list of ours names. Out: each cell as plain Python judges it by itself. Found by readers.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from sv_sandbox import Limits, Pool, Verdict
from sv_sandbox.jailed.tidy import IMPORTS, LOOKS, SETS, UNTIDY, is_untidy, tidiness

PASS, WRONG, EXCEPTION = Verdict.PASS, Verdict.WRONG, Verdict.EXCEPTION
Cells = list[tuple[str, Verdict]]

OF_SOLUTIONS: dict[str, tuple[str, Cells]] = {
    "a class that is registered": (
        "from typing import Sized\n"
        "def f(x):\n    found = isinstance(x, Sized)\n    Sized.register(int)\n    return found",
        [("f(5) == False", PASS), ("f(5) == True", WRONG), ("f(5) == False", PASS)],
    ),
    "the same by another name": (
        "from collections import abc\n"
        "def f(x):\n    found = isinstance(x, abc.Sized)\n    abc.Sized.register(int)\n"
        "    return found",
        [("f(5) == False", PASS), ("f(5) == True", WRONG), ("f(5) == False", PASS)],
    ),
    "an overload": (
        "import typing\n"
        "def f(x):\n    found = bool(typing.get_overloads(f))\n    typing.overload(f)\n"
        "    return found",
        [("f(5) == False", PASS), ("f(5) == True", WRONG), ("f(5) == False", PASS)],
    ),
    "a list of the library's": (
        "from typing import EXCLUDED_ATTRIBUTES as e\n"
        "def f(x):\n    found = x in e\n    e.append(x)\n    return found",
        [("f(5) == False", PASS), ("f(5) == True", WRONG), ("f(5) == False", PASS)],
    ),
    "a cache by what is equal": (
        "from typing import List\ndef f(x): return str(List[x])",
        [
            ("f(1) == 'typing.List[1]'", PASS),
            ("f(True) == 'typing.List[True]'", PASS),
            ("f(True) == 'typing.List[1]'", WRONG),
        ],
    ),
    "the same in a lambda": (
        "from typing import Dict as D\nf = lambda x: str(D[x, x])",
        [("f(1) == 'typing.Dict[1, 1]'", PASS), ("f(True) == 'typing.Dict[1, 1]'", WRONG)],
    ),
    "patterns by their flags": (
        "import re\ndef f(p, s, n): return re.findall(p, s, n)",
        [("f('a', 'A', 2) == ['A']", PASS), ("f('a', 'A', 2.0) == ['A']", EXCEPTION)],
    ),
    "members that are made": (
        "import re\ndef f(n): return str(re.RegexFlag(n))",
        [("f(3) != ''", PASS), ("f(3.0) != ''", EXCEPTION)],
    ),
    "an attribute that nobody sets": (
        "import re\nfrom typing import abstractmethod\n"
        "def f(x):\n    found = hasattr(re.sub, chr(95) * 2 + 'isabstractmethod' + chr(95) * 2)\n"
        "    abstractmethod(re.sub)\n    return found",
        [("f(1) == False", PASS), ("f(1) == False", PASS), ("f(1) == True", WRONG)],
    ),
    "a list in an object": (
        "import calendar\nclass C:\n"
        "    def __init__(self): self.days = calendar.mdays\n"
        "    def n(self, y):\n        if calendar.isleap(y): self.days[2] = 29\n"
        "        return sum(self.days)\n"
        "def f(y): return C().n(y)",
        [("f(2024) == 366", PASS), ("f(2023) == 365", PASS), ("f(2023) == 366", WRONG)],
    ),
    "an attribute of a function": (
        "from heapq import merge\n"
        "def f(x):\n    found = hasattr(merge, 'x')\n    merge.x = 1\n    return found",
        [("f(1) == False", PASS), ("f(1) == True", WRONG), ("f(1) == False", PASS)],
    ),
    "an attribute of a class": (
        "from collections import Counter\n"
        "def f(x):\n    found = hasattr(Counter.elements, 'x')\n"
        "    Counter.elements.x = 1\n    return found",
        [("f(1) == False", PASS), ("f(1) == True", WRONG), ("f(1) == False", PASS)],
    ),
    "the name of a class": (
        "from collections import Counter\n"
        "def f(x):\n    found = Counter.__name__ == 'zz'\n    Counter.__name__ = 'zz'\n"
        "    return found",
        [("f(1) == False", PASS), ("f(1) == True", WRONG), ("f(1) == False", PASS)],
    ),
    "the class of a class": (
        "from typing import List\n"
        "def f(x):\n    found = hasattr(type(List), 'zz')\n    type(List).zz = 1\n"
        "    return found",
        [("f(1) == False", PASS), ("f(1) == True", WRONG), ("f(1) == False", PASS)],
    ),
    "at the end of a generator": (
        "from collections import Counter\n"
        "def g(box, c):\n    try: yield 1\n    finally: c.zz = 1\n"
        "def f(x):\n    box = []\n    box.append(g(box, Counter))\n    next(box[0])\n"
        "    return hasattr(Counter, 'zz')",
        [("f(1) == False", PASS), ("f(1) == True", WRONG), ("f(1) == False", PASS)],
    ),
    "numbers drawn": (
        "import random\ndef f(n): return [random.random() for _ in range(n)]",
        [(f"f(2) == f(2) or {x}", PASS) for x in (1, 2)],
    ),
}
OF_TESTS: dict[str, tuple[str, Cells]] = {
    "a method of unittest": (
        "def f(x): return x",
        [
            (
                "import unittest\ng = getattr(type, chr(95) * 2 + 'setattr' + chr(95) * 2)\n"
                "g(unittest.TestCase, 'assertEqual', lambda s, *a: None)\nassert f(1) == 1",
                PASS,
            ),
            (
                "import unittest\nclass T(unittest.TestCase):\n"
                "    def test(self): self.assertEqual(f(1), 2)",
                WRONG,
            ),
        ],
    ),
    "the judge's own modules": (
        "def f(x): return x",
        [
            (
                "def put(d, k, v): d[k] = v\n"
                "try: 1 / 0\nexcept ZeroDivisionError as e: fr = e.__traceback__.tb_frame\n"
                "while fr is not None:\n    d = fr.f_globals\n"
                "    if 'Sites' in d and 'Hearing' in d:\n"
                "        put(d, 'Sites', type('Sites', (d['Sites'],), {\n"
                "            'holds': lambda s, k, v: (s.left(k), True)[1],"
                " 'trust': lambda s: 3}))\n"
                "    if 'Tests' in d and 'run_row' in d: put(d, 'verdict_of', lambda e: (1, b''))\n"
                "    fr = fr.f_back\n"
                "assert f(1) == 1",
                PASS,
            ),
            ("y = 2\nassert f(1) == y", WRONG),
        ],
    ),
    "a list that the test passes": (
        "def f(xs):\n    s = sum(xs)\n    xs[2] = 29\n    return s",
        [
            ("import calendar\nassert f(calendar.mdays) == 365", PASS),
            ("import calendar\nassert f(calendar.mdays) == 366", WRONG),
            ("import calendar\nassert sum(calendar.mdays) == 365 and f([1, 2, 3]) == 6", PASS),
        ],
    ),
    "an attribute of a class": (
        "def f(x): return x",
        [
            ("import unittest\nunittest.TestCase.assertEqual = print\nassert f(1) == 1", PASS),
            (
                "import unittest\nclass T(unittest.TestCase):\n"
                "    def test(self): self.assertEqual(f(1), 2)",
                WRONG,
            ),
        ],
    ),
    "a function in a module": (
        "def f(x): return x",
        [
            ("import math\nmath.floor = lambda x: 2\nassert f(math.floor(1.5)) == 2", PASS),
            ("import math\nassert f(math.floor(1.5)) == 2", WRONG),
            ("import math\nassert f(math.floor(1.5)) == 1", PASS),
        ],
    ),
    "an attribute of what the solution imports": (
        "from collections import Counter\ndef f(x): return Counter.__name__",
        [
            ("Counter.__name__ = 'zz'\nassert f(1) == 'zz'", PASS),
            ("y = 'zz'\nassert f(1) == y", WRONG),
            ("y = 'Counter'\nassert f(1) == y", PASS),
        ],
    ),
    "what the solution sets of what the test imports": (
        "def f(c):\n    c.zz = 1\n    return hasattr(c, 'zz')",
        [
            ("from heapq import merge\nassert f(merge)", PASS),
            ("from heapq import merge\nassert hasattr(merge, 'zz')", WRONG),
        ],
    ),
    "how a context of unittest ends": (
        "def f(x): return x",
        [
            (
                "import unittest\n"
                "type(unittest.TestCase().assertRaises(ValueError)).__exit__ = lambda *a: True\n"
                "assert f(1) == 1",
                PASS,
            ),
            (
                "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n"
                "        with self.assertRaises(ValueError): f(1)",
                WRONG,
            ),
        ],
    ),
    "the folder of a fixture": (
        "def f(x): return x",
        [
            (
                "def test_x(tmp_path):\n    assert f(1) == 1\n"
                "    assert [p.name for p in tmp_path.parent.iterdir()] == [tmp_path.name]",
                PASS,
            )
        ]
        * 2,
    ),
    "the class of what the solution is given": (
        "def f(c):\n    found = hasattr(type(c), 'zz')\n    type(c).zz = 1\n    return found",
        [("from collections import Counter\nassert f(Counter('a')) == False", PASS)] * 2,
    ),
    "a list in a class": (
        "def f(y): return 365 if y % 4 else 366",
        [
            (
                "import calendar\nclass C:\n    def __init__(self): self.days = calendar.mdays\n"
                "C().days[2] = 29\nassert f(2024) == 366",
                PASS,
            ),
            ("import calendar\nassert sum(calendar.mdays) == f(2024)", WRONG),
            ("import calendar\nassert sum(calendar.mdays) == f(2023)", PASS),
        ],
    ),
}


@pytest.mark.parametrize("recycle", [False, True])
@pytest.mark.parametrize("name", OF_SOLUTIONS)
def test_what_a_solution_leaves_is_not_there_for_the_next_cell(name: str, recycle: bool) -> None:
    solution, cells = OF_SOLUTIONS[name]
    with Pool(1, limits=Limits(cpu_s=2.0), recycle=recycle) as pool:
        for _ in range(10 if recycle else 1):  # the first rows of a pool are forked
            matrix = pool.matrix([solution], [f"assert {test}" for test, _ in cells])
            found = [matrix.verdict(0, t) for t in range(len(cells))]
            assert found == [verdict for _, verdict in cells]
        assert not recycle or not pool.recycles or pool.statistics()["recycled_rows"] > 0
        code = [f"y = 0\nassert {test}" for test, _ in cells]  # apart, and in one process
        matrix = pool.matrix([solution], code, trust="vouched")
        assert [matrix.verdict(0, t) for t in range(len(cells))] == [v for _, v in cells]


@pytest.mark.parametrize("trust", ["proven", "vouched", "inline"])
@pytest.mark.parametrize("name", OF_TESTS)
def test_what_a_test_leaves_is_not_there_for_the_next_one(name: str, trust: str) -> None:
    solution, cells = OF_TESTS[name]
    with Pool(1, limits=Limits(cpu_s=2.0), trust=trust) as pool:
        matrix = pool.matrix([solution] * 2, [test for test, _ in cells])
        for row in range(2):
            for t, (_, verdict) in enumerate(cells):
                held = verdict is PASS and matrix.verdict(row, t) is Verdict.INFRA
                assert held or matrix.verdict(row, t) is verdict


TIDY = {
    "nothing": ("x = 1", 0),
    "calls and loops": ("for _ in range(3):\n    assert f(_) == [_ ** 2]", 0),
    "what is raised": ("try:\n    f(None)\n    assert False\nexcept TypeError: pass", 0),
    "types": ("assert type(f(1)) is int and isinstance(f(1), (int, float))", LOOKS),
    "a function": ("def test_f():\n    assert f(1) == f'{1}'", 0),
    "modules that keep nothing": (
        "import math\nfrom collections import Counter, deque\n"
        "assert Counter(f(1)) == Counter('a') and deque([math.pi]) and math.floor(2.5) == 2",
        IMPORTS,
    ),
    "a gap": ("assert ____(f(1)) == 2, _____", 0),
    "a class": (
        "class A:\n    def __init__(self): self._x = 1\n    def __len__(self): return 1",
        SETS,
    ),
    "one that sets nothing": ("class A:\n    def f(self, x): return x", 0),
    "an attribute": ("f.x = 1\ndel f.y", SETS),
    "annotations": (
        "from typing import List\ndef f(xs: List[int]) -> List[List[int]]: return [xs]",
        IMPORTS,
    ),
    "types made as it runs": ("from typing import List as L\ndef f(x): return L[x]", IMPORTS),
    "a text that is filled in": ("assert '{}'.format(f(1)) == format(1)", 0),
    "a generator": ("def f(x):\n    yield x", 0),
    "what is caught": ("def f(x):\n    try: return x[0]\n    except IndexError: return 0", 0),
}
UNTIDY_CODE = {
    "another module": "import re",
    "all of one": "from os import *",
    "a part of one": "import collections.abc",
    "unittest": "import unittest",
    "what leads to another": "import string\nstring.Formatter",
    "an attribute beside what it imports": "from heapq import merge\nmerge.x = 1",
    "a class beside what it imports": "import math\nclass A:\n    def __init__(self): self.x = 1",
    "a class that it sets": "type(x).y = 1",
    "a group of exceptions": "ExceptionGroup.x = 1",
    "its handler": "try: f()\nexcept* ValueError as e: pass",
    "what a class begins with": "from typing import List\nList.__init__(dict, 2)",
    "a fixture": "def test_f(tmp_path): assert f(1)",
    "the class of what it imports": "from typing import List\ntype(List)",
    "a private name beside what it imports": "from typing import List\nList._name",
    "by its name": "setattr(f, 'x', 1)",
    "what leads anywhere": "getattr(f, 'x')",
    "our own": "f._sv_link",
    "a special name": "f.__globals__",
    "in a text": "g(f, '__globals__')",
    "a frame": "e.tb_frame",
    "what a pattern reads": "match x:\n    case A(v): pass",
    "code": "exec('1')",
    "code that is made": "compile('1', '', 'exec')",
    "a table of names": "globals()['f'] = 1",
    "input": "input()",
    "a file": "open('x', 'w')",
    "how a class is made": "class A:\n    def __init_subclass__(cls): pass",
    "a last word": "class A:\n    def __del__(self): pass",
    "what a class says of others": "from typing import Iterable\nIterable.register(int)",
    "a generator that does something at its end": (
        "def g():\n    try: yield 1\n    finally: print()"
    ),
    "one that holds something": "def g(x):\n    with x: yield 1",
}


@pytest.mark.parametrize("name", TIDY)
def test_the_next_cell_runs_beside(name: str) -> None:
    text, expected = TIDY[name]
    assert tidiness(compile(text, "<test>", "exec", dont_inherit=True)) == expected


@pytest.mark.parametrize("name", UNTIDY_CODE)
def test_the_next_cell_has_a_process_of_its_own(name: str) -> None:
    assert tidiness(compile(UNTIDY_CODE[name], "<test>", "exec", dont_inherit=True)) == UNTIDY


def test_two_are_tidy_together_where_they_do_the_same() -> None:
    for one in (0, IMPORTS, SETS, LOOKS):
        assert not is_untidy(one | one)
        assert not is_untidy(one | 0)
        assert is_untidy(one | UNTIDY)
    assert is_untidy(IMPORTS | SETS)
    assert is_untidy(SETS | LOOKS)


def test_what_a_failing_cell_held_is_free_for_the_next() -> None:
    solution = "def f(x):\n    a = [b'a' * 300_000_000]\n    a.append(a)\n    return {}[x]"
    with Pool(1, limits=Limits(cpu_s=10, memory_bytes=512 << 20)) as pool:
        for judge in ("split", "inline"):
            matrix = pool.matrix([solution], ["assert f(1) == 1"] * 4, judge=judge)
            assert [matrix.verdict(0, t) for t in range(4)] == [EXCEPTION] * 4


def test_one_that_ends_late_does_so_in_its_own_time() -> None:
    """A generator that the solution keeps, and whose end has no end."""
    solution = (
        "kept = []\ndef g():\n    try: yield 1\n    finally:\n        while True: pass\n"
        "def f(x):\n    if x == 1:\n        kept.append(g())\n        next(kept[0])\n    return x"
    )
    cells = [1, 2, 1, 3]
    with Pool(1, limits=Limits(cpu_s=0.3)) as pool:
        matrix = pool.matrix([solution], [f"assert f({x}) == {x}" for x in cells])
        found = [matrix.verdict(0, t) for t in range(len(cells))]
        assert found == [Verdict.TIMEOUT, PASS, Verdict.TIMEOUT, PASS]


def test_no_two_of_these_are_the_same() -> None:
    texts = sorted([*(text for text, _ in TIDY.values()), *UNTIDY_CODE.values()])
    assert all(one != other for one, other in pairwise(texts))
