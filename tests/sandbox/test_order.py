"""A test's verdict does not depend on the tests before it in its row, nor its cost on the codec."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sv_sandbox import Limits, Pool, Trust, Verdict

SOLUTION = "import asyncio\nasync def af(x): return x + 1\ndef f(x): return x + 1\n"
_LOOP = "import asyncio\nassert asyncio.get_event_loop().run_until_complete(af(1)) == 2"
PAIRS = {
    "asyncio-run": ("import asyncio\nassert asyncio.run(af(1)) == 2", _LOOP),
    "loop-closed": (
        "import asyncio\nl = asyncio.new_event_loop()\nasyncio.set_event_loop(l)\n"
        "assert l.run_until_complete(af(1)) == 2\nl.close()",
        _LOOP,
    ),
    "warnings": (
        "import warnings\nwarnings.simplefilter('error')\nassert f(1) == 2",
        "import warnings\nwarnings.warn('x')\nassert f(1) == 2",
    ),
    "seterr": (
        "import numpy as np\nnp.seterr(all='raise')\nassert f(1) == 2",
        "import numpy as np\nassert np.isinf(np.float64(1) / np.float64(0)) and f(1) == 2",
    ),
    "alarm": (
        "import signal\nsignal.alarm(1)\nassert f(1) == 2",
        "import time\nt = time.time()\nwhile time.time() - t < 1.5: pass\nassert f(1) == 2",
    ),
    "handler": (
        "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nassert f(1) == 2",
        "import signal\nassert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL and f(1) == 2",
    ),
    "time": (
        "import time\ntime.time = lambda: 0\nassert f(1) == 2",
        "import time\nassert time.time() > 1e9 and f(1) == 2",
    ),
    "recursion": (
        "import sys\nsys.setrecursionlimit(100)\nassert f(1) == 2",
        "def d(n): return 0 if n == 0 else 1 + d(n - 1)\nassert d(500) == 500 and f(1) == 2",
    ),
    "digits": (
        "import sys\nsys.set_int_max_str_digits(640)\nassert f(1) == 2",
        "assert len(str(10 ** 2000)) == 2001 and f(1) == 2",
    ),
    "environ": (
        "import os\nos.environ['HOME'] = 'x'\nassert f(1) == 2",
        "import os\nassert os.environ.get('HOME') != 'x' and f(1) == 2",
    ),
    "argv": (
        "import sys\nsys.argv.append('x')\nassert f(1) == 2",
        "import sys\nassert 'x' not in sys.argv and f(1) == 2",
    ),
    "random": (
        "import random\nrandom.seed(5)\nassert f(1) == 2",
        "import random\na = random.random()\nrandom.seed(5)\n"
        "assert a != random.random() and f(1) == 2",
    ),
    "threads": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True)"
        ".start()\nassert f(1) == 2",
        "import threading\nassert threading.active_count() == 1 and f(1) == 2",
    ),
    "folder": (
        "import os\nos.mkdir('d')\nos.chdir('d')\nassert f(1) == 2",
        "import os\nassert os.path.basename(os.getcwd()) != 'd' and f(1) == 2",
    ),
    "built-in": (
        "import builtins\nbuiltins.extra = 5\nassert f(1) == 2",
        "import builtins\nassert not hasattr(builtins, 'extra') and f(1) == 2",
    ),
    "trace": (
        "import sys\nsys.settrace(lambda *a: None)\nassert f(1) == 2",
        "import sys\nassert sys.gettrace() is None and f(1) == 2",
    ),
    "decimal": (
        "import decimal\ndecimal.getcontext().prec = 3\nassert f(1) == 2",
        "import decimal\nassert len(str(decimal.Decimal(1) / 3)) == 30 and f(1) == 2",
    ),
    "decimal-traps": (
        "import decimal\ndecimal.getcontext().traps[decimal.Inexact] = True\nassert f(1) == 2",
        "import decimal\nassert str(decimal.Decimal(1) / 3)[:4] == '0.33' and f(1) == 2",
    ),
    "gc": (
        "import gc\ngc.disable()\nassert f(1) == 2",
        "import gc\nassert gc.isenabled() and f(1) == 2",
    ),
    "logging": (
        "import logging\nlogging.disable(50)\nassert f(1) == 2",
        "import logging\nassert logging.root.manager.disable == 0 and f(1) == 2",
    ),
    "blocked-import": (
        "import sys\nsys.modules['json'] = None\nassert f(1) == 2",
        "import json\nassert f(1) == 2",
    ),
    "file": (
        "open('a', 'w').close()\nassert f(1) == 2",
        "import os\nassert not os.path.exists('a') and f(1) == 2",
    ),
    "umask": (
        "import os\nos.umask(0o777)\nassert f(1) == 2",
        "with open('q', 'w') as q: q.write('1')\nassert open('q').read() == '1' and f(1) == 2",
    ),
    "noise-on-descriptors": (
        "import os\nassert f(1) == 2\nfor i in range(3, 50):\n"
        "    try: os.write(i, b'\\xff' * 100)\n    except OSError: pass",
        "x = 1\nassert f(x) == 2",
    ),
    "closed-descriptors": (
        "import os\nassert f(1) == 2\nos.closerange(3, 50)",
        "x = 1\nassert f(x) == 2",
    ),
}

KEEPING = {
    "a handler of a logger": (
        "import logging\ndef f():\n    log = logging.getLogger('app')\n"
        "    log.addHandler(logging.NullHandler())\n    return len(log.handlers)",
        "assert f() == 1",
    ),
    "a level's name": (
        "import logging\ndef f():\n    old = logging.getLevelName(31)\n"
        "    logging.addLevelName(31, 'X')\n    return old",
        "assert f() == 'Level 31'",
    ),
    "how NumPy prints": (
        "import numpy as np\ndef f():\n    text = str(np.array([1.23456]))\n"
        "    np.set_printoptions(precision=2)\n    return text",
        "assert f() == '[1.23456]'",
    ),
    "a thread's name": (
        "import threading\ndef f():\n    return threading.Thread(target=print).name",
        "assert f() == 'Thread-1 (print)'",
    ),
    "flags of decimal": (
        "from decimal import *\ndef f():\n    was = getcontext().flags[Inexact]\n"
        "    Decimal(1) / 3\n    return was",
        "assert not f()",
    ),
    "a dialect": (
        "import csv\ndef f():\n    csv.register_dialect('x', delimiter=';')\n"
        "    return len(csv.list_dialects())",
        "assert f() == 4",
    ),
    "an attribute of the library's class": (
        "import json\ndef f():\n    old = json.dumps([1, 2])\n"
        "    json.JSONEncoder.item_separator = ';'\n    return old",
        "assert f() == '[1, 2]'",
    ),
    "the switch interval": (
        "import sys\ndef f():\n    old = sys.getswitchinterval()\n"
        "    sys.setswitchinterval(1)\n    return old",
        "assert f() == 0.005",
    ),
    "a module that is none": (
        "import sys\ndef f():\n    was = 'fakecfg' in sys.modules\n"
        "    sys.modules['fakecfg'] = 1\n    return was",
        "assert f() is False",
    ),
    "classes of the solution": (
        "class AppError(Exception): pass\ndef f():\n"
        "    return [c.__name__ for c in Exception.__subclasses__() if c.__module__ == __name__]",
        "assert f() == ['AppError']",
    ),
    "objects of the solution": (
        "import gc\nclass Node: pass\na = Node()\na.a = a\ndef f():\n"
        "    return sum(type(o).__name__ == 'Node' for o in gc.get_objects())",
        "assert f() == 1",
    ),
    "a list of a module's": (
        "import urllib.parse as up\ndef f():\n    up.uses_params.append(7)\n"
        "    return up.uses_params.count(7)",
        "assert f() == 1",
    ),
    "the first day of the week": (
        "import calendar\ndef f():\n    old = calendar.firstweekday()\n"
        "    calendar.setfirstweekday(6)\n    return old",
        "assert f() == 0",
    ),
    "an item of a module's list": (
        "import calendar\ndef f():\n    calendar.mdays[2] += 1\n    return calendar.mdays[2]",
        "assert f() == 29",
    ),
    "a default time-out": (
        "import socket\ndef f():\n    old = socket.getdefaulttimeout()\n"
        "    socket.setdefaulttimeout(9)\n    return old",
        "assert f() is None",
    ),
}
"""Solutions that leave something of their own call for the next, each with its test."""


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(2, limits=Limits(cpu_s=10.0, wall_s=60), trust=Trust.INLINE) as pool:
        yield pool


def test_the_order_of_tests_decides_nothing(pool: Pool) -> None:
    pytest.importorskip("numpy")
    jobs = {
        (kind, judge): (
            pool.submit([SOLUTION], [second], judge=judge),
            pool.submit([SOLUTION], [first, second, second], judge=judge),
        )
        for kind, (first, second) in PAIRS.items()
        for judge in ("split", "inline")
    }
    wrong = []
    for case, (alone, after) in jobs.items():
        one, three = alone.wait(), after.wait()
        found = [three.verdict(0, t).name for t in (1, 2)]
        if found != [one.verdict(0, 0).name] * 2 or one.verdict(0, 0) is not Verdict.PASS:
            wrong.append(
                (case, one.verdict(0, 0).name, one.detail(0, 0), found, three.detail(0, 1))
            )
    assert not wrong, "\n".join(map(repr, wrong))


COSTS = [
    ("def f(a): return len(a)", "assert f(list(range(100_000))) == 100_000"),
    ("def f(n): return list(range(n))", "assert len(f(100_000)) == 100_000"),
    ("def f(n): return [[i, i] for i in range(n)]", "assert len(f(50_000)) == 50_000"),
    ("def f(n): return {str(i): i for i in range(n)}", "assert len(f(50_000)) == 50_000"),
    ("def f(a): return sum(a)", "assert f(list(range(10**6))) == 499999500000"),
    ("def f(a): return [x * 0.5 for x in a]", "assert f(list(range(100_000)))[9] == 4.5"),
    (
        "def f(a): a.sort(); return a",
        "xs = list(range(100_000))[::-1]\nassert f(xs)[0] == 0 == xs[0]",
    ),
]


def test_large_answers_and_arguments_take_no_time_to_speak_of(pool: Pool) -> None:
    """The codec's cost is a fraction of a microsecond an item; the limit leaves a factor of ten."""
    limits = Limits(cpu_s=5.0)
    jobs = [(test, pool.submit([solution], [test], limits=limits)) for solution, test in COSTS]
    for test, job in jobs:
        matrix = job.wait()
        assert matrix.verdict(0, 0) is Verdict.PASS, (test, matrix.detail(0, 0))


@pytest.mark.parametrize("trust", ["proven", "inline"])
@pytest.mark.parametrize("kind", KEEPING)
def test_what_a_solution_keeps_is_gone_with_its_cell(pool: Pool, kind: str, trust: str) -> None:
    pytest.importorskip("numpy")
    solution, test = KEEPING[kind]
    matrix = pool.matrix(
        [solution], [test, test, f"r = f()\n{test.replace('f()', 'r')}"], trust=trust
    )
    found = [matrix.detail(0, t) for t in range(3) if matrix.verdict(0, t) is not Verdict.PASS]
    assert not found


_F = "def f(n): return n\n"
POISON = {
    "an assertion of unittest's": (
        _F,
        "import unittest\nclass T(unittest.TestCase):\n"
        "    def test(self): self.assertEqual(f(0), 0)\n"
        "unittest.TestCase.assertEqual = lambda self, a, b, msg=None: None",
        "import unittest\nclass T(unittest.TestCase):\n"
        "    def test(self): self.assertEqual(f(3), 9)",
    ),
    "by a test's own class": (
        _F,
        "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n"
        "        self.assertEqual(f(0), 0)\n"
        "        type(self).__mro__[1].assertTrue = lambda *a: None",
        "import unittest\nclass T(unittest.TestCase):\n"
        "    def test(self): self.assertTrue(f(3) == 9)",
    ),
    "an equality of the library's": (
        "from fractions import Fraction\ndef f(n): return Fraction(n)\n",
        "from fractions import Fraction\nr = f(1)\nassert r == 1\n"
        "Fraction.__eq__ = lambda a, b: True",
        "from fractions import Fraction\nr = f(3)\nassert r == Fraction(1, 3)",
    ),
    "by setattr": (
        _F,
        "from collections import Counter\nr = f(0)\nassert r == 0\n"
        "setattr(Counter, '__eq__', lambda *a: True)",
        "from collections import Counter\nr = Counter(a=f(3))\nassert r == Counter(a=9)",
    ),
    "what waits for an error": (
        _F,
        "import pytest\nr = f(0)\nassert r == 0\n"
        "type(pytest.raises(ValueError)).__exit__ = lambda self, *a: True",
        "import pytest\nwith pytest.raises(ValueError): f(-1)",
    ),
    "a register": (
        _F,
        "import numbers\nr = f(0)\nassert r == 0\nnumbers.Number.register(str)",
        "import numbers\nr = f('a')\nassert isinstance(r, numbers.Number)",
    ),
    "the first day of the week": (
        "import calendar\ndef f(y, m): return calendar.Calendar(6).monthdayscalendar(y, m)\n",
        "import calendar\ncalendar.setfirstweekday(6)\n"
        "assert f(2024, 1) == calendar.monthcalendar(2024, 1)",
        "import calendar\nassert f(2024, 1) == calendar.monthcalendar(2024, 1)",
    ),
    "a table, by another name": (
        "import copy\ndef f(xs): return [[9]]\n",
        "import copy\nd = copy._deepcopy_dispatch\nd[list] = lambda x, memo: [[9]]\n"
        "assert f([[1]]) == [[9]]",
        "import copy\nassert f([[1]]) == copy.deepcopy([[1]])",
    ),
    "a list of a module's": (
        "import keyword\ndef f(x): return True\n",
        "import keyword\nkeyword.kwlist.append('print')\nassert f('print') == True",
        "import keyword\nassert f('print') == ('print' in keyword.kwlist)",
    ),
    "the judge's own sites": (
        _F,
        "r = f(0)\n__sv_sites__.__class__.holds = "
        "lambda self, kind, value: (self.left(kind), True)[1]\nassert r == 0",
        "r = f(3)\nassert r == 9",
    ),
}
"""A wrong solution, a test that changes what others judge by, and one that the solution fails."""


@pytest.mark.parametrize("trust", ["proven", "inline"])
@pytest.mark.parametrize("kind", POISON)
def test_what_a_test_leaves_in_the_library_decides_nothing(
    pool: Pool, kind: str, trust: str
) -> None:
    solution, poison, test = POISON[kind]
    matrix = pool.matrix([solution], [poison, test, poison, test], trust=trust)
    for t in (1, 3):
        assert matrix.verdict(0, t) not in (Verdict.PASS, Verdict.INFRA), matrix.detail(0, t)


HELD = {
    "a large table": "TABLE = bytearray(100_000_000)\ndef f(x): return x + TABLE[x]",
    "a table of each cell": "S = [True] * (10**6 + 1)\ndef f(x): return x * S[x]",
    "what a closure holds": (
        "def outer():\n    seen = {}\n    def go(n):\n        seen[n] = bytearray(60_000_000)\n"
        "        return go(n - 1) if n else 0\n    return go\ndef f(x): return outer()(1) + x"
    ),
    "descriptors": (
        "H = []\ndef f(x):\n    H.append([open('/dev/null') for _ in range(40)])\n    return x"
    ),
    "standard input is let go": "data = open(0).read().split()\ndef f(x): return x",
    "a folder of its own": "import os\nos.mkdir('out')\ndef f(x): return x",
    "standard output is closed": "import os\nos.close(1)\ndef f(x): return x",
    "arguments of its own": "import sys\nsys.argv.pop()\ndef f(x): return x",
}
"""What one cell takes is there for the next."""


@pytest.mark.parametrize("trust", ["proven", "inline"])
@pytest.mark.parametrize("kind", HELD)
def test_what_a_cell_holds_is_let_go(pool: Pool, kind: str, trust: str) -> None:
    for form in ("assert f({0}) == {0}", "x = {0}\nassert f(x) == {0}"):
        tests = [form.format(i) for i in range(90 if kind == "a table of each cell" else 12)]
        matrix = pool.matrix([HELD[kind]], tests, trust=trust)
        found = {Verdict(matrix.verdict_ST[0, t]).name for t in range(len(tests))}
        assert found == {"PASS"}, [matrix.detail(0, t) for t in range(len(tests))]


FILES = (
    "import os\ndef save(p, x):\n    with open(p, 'w') as h: h.write(x)\n    return len(x)\n"
    "def load(p):\n    if not os.path.exists(p): return ''\n"
    "    with open(p) as h: return h.read()\n"
)


@pytest.mark.parametrize("trust", ["proven", "inline"])
@pytest.mark.parametrize("path", ["d.txt", "sub/d.txt"])
def test_each_test_finds_the_files_as_they_were_given(pool: Pool, path: str, trust: str) -> None:
    tests = [
        f"assert save({path!r}, 'xyz') == 3",
        f"assert load({path!r}) == 'abc'",
        f"assert load({path!r}) == 'xyz'",
    ]
    matrix = pool.matrix([FILES], tests, files={path: "abc"}, trust=trust)
    found = [Verdict(matrix.verdict_ST[0, t]).name for t in range(3)]
    assert found == ["PASS", "PASS", "WRONG"]


@pytest.mark.parametrize("trust", ["proven", "inline"])
def test_what_a_module_beside_it_keeps_is_gone_with_its_cell(pool: Pool, trust: str) -> None:
    helper = (
        "import logging\nlog = logging.getLogger('app')\ndef setup():\n"
        "    log.addHandler(logging.NullHandler())\n    return len(log.handlers)\n"
    )
    tests = ["assert setup() == 1", "assert setup() == 1", "x = 1\nassert setup() == x"]
    files = {"helper.py": helper}
    matrix = pool.matrix(["from helper import setup"], tests, files=files, trust=trust)
    assert [Verdict(matrix.verdict_ST[0, t]).name for t in range(3)] == ["PASS"] * 3


@pytest.mark.parametrize(
    "first",
    [
        "import io\ndef test_a(monkeypatch):\n"
        "    monkeypatch.setattr('sys.stdin', io.StringIO('21\\n'))\n    assert ask() == 42",
        "import io, sys\nold = sys.stdin\nsys.stdin = io.StringIO('21\\n')\n"
        "try: assert ask() == 42\nfinally: sys.stdin = old",
        "import io, sys\nsys.stdin = io.StringIO('21\\n')\nassert ask() == 42",
    ],
)
def test_a_stream_of_a_test_is_gone_with_it(pool: Pool, first: str) -> None:
    second = "def test_z():\n    xs = [1]\n    assert callable(ask)\n    assert xs == [1]"
    matrix = pool.matrix(["def ask(): return int(input()) * 2"], [first, second, first, second])
    found = [Verdict(matrix.verdict_ST[0, t]).name for t in range(4)]
    assert found == ["PASS"] * 4, [matrix.detail(0, t) for t in range(4)]


@pytest.mark.parametrize("test", ["assert f({}) == {}", "for x in [{}]: assert f(x) == {}"])
def test_an_attribute_that_the_solution_sets_is_gone_with_its_cell(pool: Pool, test: str) -> None:
    solution = (
        "import json\nK = [json.JSONEncoder]\ndef f(x):\n    for q in K:\n"
        "        if hasattr(q, 'mark'): return 5\n        q.mark = 1\n    return 1\n"
    )
    matrix = pool.matrix([solution], [test.format(1, 1), test.format(2, 5)])
    assert [matrix.verdict(0, t) for t in range(2)] == [Verdict.PASS, Verdict.WRONG]
