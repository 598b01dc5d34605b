"""The split judge: what a test sees of a solution that runs in another process."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sv_sandbox import Limits, Pool, Trust, Verdict

SOLUTION = """
import collections, enum, math
class Stack:
    def __init__(self): self.items = []
    def push(self, x): self.items.append(x)
    def pop(self): return self.items.pop()
    def __len__(self): return len(self.items)
    def __iter__(self): return iter(self.items)
    @property
    def top(self): return self.items[-1]
    @classmethod
    def of(cls, *xs):
        made = cls(); made.items = list(xs); return made
    def __eq__(self, other): return isinstance(other, Stack) and self.items == other.items
    def __add__(self, other): return Stack.of(*self.items, *other.items)
    def __lt__(self, other): return len(self) < len(other)
    def __enter__(self): return self
    def __exit__(self, *error): self.items.clear()
class Trouble(ValueError): pass
class Coded(Exception):
    def __init__(self, code): self.code = code
    def __str__(self): return f"code {self.code}"
def coded(): raise Coded(3)
def missing(): open("/no")
class Colour(enum.Enum):
    RED = 1
Point = collections.namedtuple("Point", "x y")
LIMIT = [1, 2]
def inc(x): return x + 1
def bad(): raise Trouble("no", 3)
def count(n):
    for i in range(n): yield i
def endless():
    i = 0
    while True: yield i; i += 1
def sort(xs): xs.sort(); return xs
def fill(d): d["new"] = [1]
def apply(g, xs): return [g(x) for x in xs]
def adder(n): return lambda x: x + n
def hello(): print("hi")
def colour(): return Colour.RED
def point(): return Point(1, 2)
def catch(g):
    try: g()
    except ValueError as error: return str(error)
def nan(): return math.nan
"""

HOLDS = [
    "assert inc(1) == 2",
    "assert inc(x=1) == 2",
    "assert inc(1.5) > 2.4",
    "assert abs(inc(0.1) - 1.1) < 1e-9",
    "assert not inc(-1)",
    "assert isinstance(inc(1), int)",
    "assert sorted(sort([3, 1])) == [1, 3]",
    "assert 1 < inc(1) <= 2",
    "x = 5\nassert inc(x) == 6",
    "s = Stack(); s.push(1); assert s.pop() == 1 and len(s) == 0",
    "try:\n    bad()\nexcept Trouble as e:\n    assert e.args == ('no', 3)\nelse:\n    assert 0",
    "try:\n    bad()\nexcept ValueError as e:\n    assert 'no' in str(e)\nelse:\n    assert 0",
    "try:\n    coded()\nexcept Coded as e:\n    assert e.code == 3 and str(e) == 'code 3'",
    "try:\n    missing()\nexcept OSError as e:\n    assert [e.errno, e.filename] == [2, '/no']",
    "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(4) as pool:\n"
    "    assert list(pool.map(inc, range(20))) == list(range(1, 21))",
    "assert list(count(3)) == [0, 1, 2]",
    "assert next(endless()) == 0",
    "xs = [3, 1, 2]\nys = sort(xs)\nassert xs == [1, 2, 3] and ys is xs",
    "d = {}\nfill(d)\nassert d == {'new': [1]}",
    "assert apply(lambda v: v * 2, [1, 2]) == [2, 4]",
    "assert apply(str, [1, 2]) == ['1', '2']",
    "def boom(): raise ValueError('inner')\nassert catch(boom) == 'inner'",
    "assert adder(3)(4) == 7",
    "import io, contextlib\nb = io.StringIO()\nwith contextlib.redirect_stdout(b): hello()\n"
    "assert b.getvalue() == 'hi\\n'",
    "assert colour() == Colour.RED",
    "assert Colour.RED.name == 'RED'",
    "assert point().x == 1 and point() == (1, 2)",
    "assert Stack.of(1, 2) == Stack.of(1, 2)",
    "assert Stack.of(1) != Stack.of(2)",
    "assert Stack.of(1) < Stack.of(1, 2)",
    "assert (Stack.of(1) + Stack.of(2)).items == [1, 2]",
    "assert isinstance(Stack(), Stack)",
    "assert 2 in Stack.of(1, 2) and 3 not in Stack.of(1, 2)",
    "assert Stack.of(1, 5).top == 5",
    "with Stack.of(1) as s:\n    assert s.top == 1\nassert len(s) == 0",
    "assert LIMIT == [1, 2]",
    "assert math.floor(inc(1.7)) == 2",
    "assert nan() != nan()",
    "def check(f):\n    for i in range(10):\n        assert f(i) == i + 1\ncheck(inc)",
    "assert [inc(i) for i in range(3)] == [1, 2, 3]",
    "assert inc.__name__ == 'inc'",
    "assert len(sort(list(range(100000)))) == 100000",
]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(2, limits=Limits(cpu_s=2.0)) as pool:
        yield pool


def test_honest_tests_hold(pool: Pool) -> None:
    split = pool.matrix([SOLUTION], HOLDS)
    inline = pool.matrix([SOLUTION], HOLDS, judge="inline")
    for t, test in enumerate(HOLDS):
        assert inline.verdict(0, t) is Verdict.PASS, (test, inline.detail(0, t))
        assert split.verdict(0, t) is Verdict.PASS, (test, split.detail(0, t))
        assert split.trust_ST[0, t] == Trust.SPLIT, test
        assert bool(split.vacuous_T[t]) is ("LIMIT" in test), "a test that calls nothing is vacuous"
        assert inline.trust_ST[0, t] == Trust.INLINE


@pytest.mark.parametrize(
    ("test", "verdict"),
    [
        ("assert inc(1) == 3", Verdict.WRONG),
        ("assert inc('a') == 2", Verdict.EXCEPTION),
        ("assert absent(1) == 2", Verdict.EXCEPTION),
        ("assert bad() == 1", Verdict.EXCEPTION),
        ("assert colour() == 1", Verdict.WRONG),
        ("s = Stack()\nassert s == []", Verdict.WRONG),
        ("while True: inc(1)", Verdict.TIMEOUT),
        ("assert (", Verdict.EXCEPTION),
    ],
)
def test_failures_keep_their_kind(pool: Pool, test: str, verdict: Verdict) -> None:
    limits = Limits(cpu_s=0.5)
    for judge in ("split", "inline"):
        matrix = pool.matrix([SOLUTION], [test, "assert inc(1) == 2"], judge=judge, limits=limits)
        assert matrix.verdict(0, 0) is verdict, (judge, matrix.detail(0, 0))
        assert matrix.verdict(0, 1) is Verdict.PASS


EVIL = """
class Always:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __gt__ = __le__ = __ge__ = __lt__
    def __contains__(self, item): return True
    def __bool__(self): return True
    def __len__(self): return 3
    def __sub__(self, other): return self
    __rsub__ = __add__ = __radd__ = __sub__
    def __abs__(self): return self
    def __getitem__(self, i): return self
    def __iter__(self): return iter([self])
    def __hash__(self): return 0
class AlwaysInt(int):
    __eq__ = Always.__eq__; __ne__ = Always.__ne__; __hash__ = int.__hash__
def f(*args): return Always()
def g(*args): return AlwaysInt(7)
"""


@pytest.mark.parametrize(
    "test",
    [
        "assert f(1) == 2",
        "r = f(1)\nassert r == 2",
        "r = f(1)\nassert not (r != 2)",
        "assert 5 in f(1)",
        "r = f(1)\nassert 5 in r",
        "assert abs(f(1) - 2.5) < 1e-6",
        "r = abs(f(1) - 2.5)\nassert r < 1e-6",
        "assert f(1)[0] == 9",
        "assert [f(1)] == [2]",
        "assert g(1) == 2",
        "r = g(1)\nassert r == 2",
        "assert f(1) in (1, 2, 3)",
    ],
)
def test_objects_that_equal_everything_do_not_pass(pool: Pool, test: str) -> None:
    matrix = pool.matrix([EVIL], [test])
    assert matrix.verdict(0, 0) is not Verdict.PASS
    assert matrix.trust_ST[0, 0] == Trust.SPLIT
    assert pool.matrix([EVIL], [test], judge="inline").verdict(0, 0) is Verdict.PASS, (
        "the attack itself works, or this test proves nothing"
    )


HIDDEN = """
import sys
frame, server = sys._getframe(), None
while frame:
    for value in list(frame.f_locals.values()):
        if type(value).__name__ == "Server":
            server = value
    frame = frame.f_back
if server is not None:
    kind = type(server.channel)
    encode = kind.encode
    def lying(self, value, known=None):
        if type(value) is tuple and len(value) == 4 and type(value[1]) is dict and "f" in value[1]:
            value[1]["zip"] = value[1]["range"] = ("value", lambda *a: [])
            value[1]["__builtins__"] = ("value", {"abs": lambda *a: 0, "len": lambda *a: 3})
        return encode(self, value, known)
    kind.encode = lying
def f(x): return 0
"""
CLASSES = """
class Meta(type):
    def __sub__(s, o): return 0
    def __contains__(s, o): return True
    def __len__(s): return 3
    def __getitem__(s, i): return Liar
class Liar(metaclass=Meta): pass
def f(x): return Liar
def g(x): return [Liar]
class Answer:
    def __sub__(s, o): return 0
    def __contains__(s, o): return True
    def __len__(s): return 3
class F:
    def __new__(c, x): return Answer()
h = F
class Circle:
    def __init__(s, r): pass
    def area(s): return Answer()
    p = property(lambda s: Answer())
"""
SAME = """
class Ring:
    def __init__(s, r): pass
    def area(s): return s
    def areas(s): return [s]
    def __sub__(s, o): return 0
    def __contains__(s, o): return True
    def __enter__(s): return Liar()
class Liar(int):
    def __sub__(s, o): return 0
    def __lt__(s, o): return True
    def __eq__(s, o): return True
    def look(s): return 1
class Many(list):
    def __init__(s, *x): super().__init__([0])
    def __eq__(s, o): return True
    def __lt__(s, o): return True
    def look(s): return 1
class Wrong(Exception):
    def __init__(s, *a): pass
    def __eq__(s, o): return True
    n = Liar(3)
def f(x): return Liar(7)
def g(x): return Many()
def h(x): raise Wrong(x)
"""
DEEP = """
class Liar:
    def __eq__(s, o): return True
def decode(x): return Liar()
class encode(Exception): pass
async def encode2(s): return s
def encode3(s):
    r = []
    for _ in range(98): r = [r]
    return r
def f(x):
    return Liar() if isinstance(x, list) else encode3(x)
"""


@pytest.mark.parametrize(
    ("solution", "test"),
    [
        (HIDDEN, "for a, b in zip([1, 2], [3, 4]):\n    assert f(a) == b"),
        (HIDDEN, "for i in range(5):\n    assert f(i) == i * i + 1"),
        (HIDDEN, "def check(c):\n    assert abs((c(2) or 0) - 9) < 1e-6\ncheck(f)"),
        (CLASSES, "assert abs(f(1) - 5.5) < 1e-6"),
        (CLASSES, "r = f(1)\nassert abs(r - 5.5) < 1e-6"),
        (CLASSES, "r = f(1)\nassert 5 in r"),
        (CLASSES, "r = f(1)\nassert len(r) == 3"),
        (CLASSES, "r = g(1)\nassert abs(r[0] - 5.5) < 1e-6"),
        (CLASSES, "r = h(1)\nassert abs(r - 5.5) < 1e-6"),
        (CLASSES, "r = h(1)\nassert 7 in r"),
        (CLASSES, "assert abs(Circle(1).area() - 3.14159) < 1e-6"),
        (CLASSES, "assert abs(Circle(1).p - 3.14159) < 1e-6"),
        (SAME, "assert abs(Ring(1).area() - 3.14159) < 1e-6"),
        (SAME, "r = Ring(1)\nassert abs(r.areas()[0] - 3.14159) < 1e-6"),
        (SAME, "assert 3 in Ring(1).area()"),
        (SAME, "with Ring(1) as r:\n    assert abs(r - 3) < 1e-6"),
        (SAME, "assert f(1) == 5"),
        (SAME, "r = f(1)\nassert r == 5 or r < 5 or abs(r - 5) < 1"),
        (SAME, "assert Liar(7) == 5"),
        (SAME, "assert f(type(f(3))) == 5"),
        (SAME, "assert f(type(h)) == 5"),
        (SAME, "try: h(1)\nexcept Exception as e: assert f(e) == 5"),
        (SAME, "try: h(1)\nexcept Exception as e: assert f(type(e)) == 5"),
        (SAME, "import inspect\nassert f(iter(inspect.signature(f).parameters).__next__) == 5"),
        (SAME, "r = f(1)\nassert r == Liar(5) or r < Liar(5)"),
        (SAME, "r = Liar(7)\nassert r == 5 or r < 5"),
        (SAME, "r = g(1)\nassert r == [1]"),
        (SAME, "r = Many()\nassert r == [1] or r < [0]"),
        (SAME, "try: h(1)\nexcept Wrong as e: assert e.n == 5 or e == 5"),
        (DEEP, "assert decode(encode('abc')) == 'abc'"),
        (DEEP, "assert decode(encode2('abc')) == 'abc'"),
        (DEEP, "assert decode(encode3('abc')) == 'abc'"),
        (DEEP, "assert f(f(3)) == 3"),
    ],
)
def test_a_solution_chooses_neither_its_names_nor_its_judge(
    pool: Pool, solution: str, test: str
) -> None:
    matrix = pool.matrix([solution], [test, "x = 1\nassert x == 1"])
    assert matrix.verdict(0, 0) not in (Verdict.PASS, Verdict.INFRA), matrix.detail(0, 0)
    assert matrix.trust_ST[0, 0] == Trust.SPLIT


SWALLOWS = """
class L(int):
    def __contains__(s, o): return True
    def __enter__(s): return s
    def __exit__(s, *a): return True
    def look(s): return 1
class Ctx:
    def __enter__(s): return s
    def __exit__(s, *a): return True
    async def __aenter__(s): return s
    async def __aexit__(s, *a): return True
    def value(s): return 0
    def bad(s): raise ValueError
    def odd(s): return s
passed = 0
ok = False
def exit(*a): pass
def f(x):
    global passed, ok
    passed += 1; ok = True
    return L(7)
def stop(x): raise StopIteration
class Liar:
    def __eq__(s, o): return True
def liar(x): return Liar()
def kind(x): return StopIteration
"""
SHADOWS = """
import numpy
class math:
    isclose = staticmethod(lambda *a, **k: True)
class np:
    allclose = staticmethod(lambda *a, **k: True)
class statistics:
    mean = staticmethod(lambda *a: 2.5)
class hashlib:
    md5 = lambda *a: hashlib
    hexdigest = lambda: "5d41402abc4b2a76b9719d911017c592"
class unittest:
    class TestCase:
        def __init__(s, *a): pass
        def debug(s): pass
        def assertEqual(s, *a): pass
def isclose(*a, **k): return True
class Counter:
    def __init__(s, *a): pass
    def __eq__(s, o): return True
def f(x): return 0.0
def g(x): return b"no"
"""
ARRAYS = """
import numpy
class Liar:
    def __eq__(s, o): return True
def liar(x): return Liar()
def long(x): return numpy.zeros(3, dtype=numpy.longdouble)
"""


@pytest.mark.parametrize(
    ("solution", "test"),
    [
        (SWALLOWS, "r = f(1)\nassert 5 in r"),
        (SWALLOWS, "with f(1) as r:\n    assert r == 3"),
        (SWALLOWS, "with Ctx() as c:\n    assert c.value() == 5"),
        (SWALLOWS, "with Ctx() as c:\n    if c.value() != 5: raise SystemExit(1)"),
        (SWALLOWS, "with Ctx() as c:\n    assert c.bad() == 5"),
        (SWALLOWS, "with Ctx() as c:\n    assert c.odd() < 5"),
        (SWALLOWS, "with Ctx() as c:\n    r = c.bad()\n    assert r == 5"),
        (SWALLOWS, "with Ctx() as c:\n    for i in (0, 1):\n        assert i < 2\n        c.bad()"),
        (SWALLOWS, "def look(c):\n    r = c.bad()\n    assert r == 5\nwith Ctx() as c: look(c)"),
        (
            SWALLOWS,
            "import asyncio\nasync def main():\n    async with Ctx() as c:\n"
            "        assert c.value() == 5\nasyncio.run(main())",
        ),
        (SWALLOWS, "if f(1) != 5: exit(1)"),
        (SWALLOWS, "assert all(map(lambda x: stop(x) == 5, [1, 2]))"),
        (SWALLOWS, "for got, want in zip(map(stop, [1]), [2]): assert got == want"),
        (
            SWALLOWS,
            "passed = 0\nfor x in (1, 2):\n    if f(x) == 50: passed += 1\nassert passed == 2",
        ),
        (SWALLOWS, "ok = False\nfor x in (1, 2):\n    if f(x) == 50: ok = True\nassert ok"),
        (SHADOWS, "x = f(1)\nassert math.isclose(x, 3.5)"),
        (SHADOWS, "for x in (1, 2):\n    assert np.allclose(f(x), [1.0, 2.0])"),
        (SHADOWS, "assert isclose(f(1), 2.5)"),
        (SHADOWS, "t = unittest.TestCase()\nt.assertEqual(f(1), 2.5)"),
        (
            SHADOWS,
            "class T(unittest.TestCase):\n    def test(self): self.assertEqual(f(1), 2.5)\n"
            "T('test').debug()",
        ),
        (SHADOWS, "assert Counter([f(1)]) == Counter([2.5])"),
        (SHADOWS, "assert hashlib.md5(g(1)).hexdigest() == '5d41402abc4b2a76b9719d911017c592'"),
        (SWALLOWS, "import pickle\nr = liar(1)\nassert pickle.dumps(r) and r == 5"),
        (SWALLOWS, "assert liar(kind(1).value) == 5"),
        (ARRAYS, "assert liar(long(1)[0]) == 5"),
        (ARRAYS, "assert liar(long(1).data) == 5"),
        (ARRAYS, "assert liar(type(long(1))) == 5"),
    ],
)
def test_a_solution_swallows_no_failure_and_chooses_no_judge(
    pool: Pool, solution: str, test: str
) -> None:
    matrix = pool.matrix([solution], [test])
    assert matrix.verdict(0, 0) not in (Verdict.PASS, Verdict.INFRA)
    assert matrix.trust_ST[0, 0] == Trust.SPLIT
    assert pool.matrix([solution], [test], judge="inline").verdict(0, 0) is Verdict.PASS, (
        "the attack itself works, or this test proves nothing"
    )


LENT = """
import sys
def server():
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()):
            if type(value).__name__ == "Server": return value
        frame = frame.f_back
def search(x, depth=0):
    found, s = [], server()
    def ask(*question):
        try: keep(s.call_back(*question))
        except Exception: pass
    def keep(value):
        if isinstance(value, (int, str)): found.append(value)
        elif isinstance(value, (list, tuple)): [keep(item) for item in value]
        elif isinstance(value, dict): [keep(item) for item in value.items()]
        elif value is not None and depth < 2: found.extend(search(value, depth + 1))
    for name in NAMES: ask("getattr", x, name)
    for operation in ("dict", "about"): ask(operation, x)
    for operation in ("dir", "str", "repr"): ask("op", x, operation, (x,))
    return found
NAMES = (
    "__globals__ __code__ __closure__ __defaults__ __kwdefaults__ __self__ __func__ __dict__ _x"
    " __class__ __init__ __traceback__ __context__ __wrapped__ mro func args keywords gi_frame"
    " gi_code gi_yieldfrom cr_frame cr_code cr_await ag_frame f_globals f_locals f_back tb_frame"
    " get_stack get_coro"
).split()
def f(x):
    numbers = [n for n in search(x) if type(n) is int and n > 30_000]
    texts = [t for t in search(x) if type(t) is str and "31337" in t]
    return 31337 if numbers or texts else 0
def sabotage(x):
    for name in ("total", "check", "data", "__class__", "__eq__"):
        for lie in (lambda *a: 31337, lambda *a: True):
            try: setattr(x, name, lie)
            except Exception: pass
            try: setattr(type(x), name, lie)
            except Exception: pass
"""


@pytest.mark.parametrize(
    "test",
    [
        "def lent(x, y=31337): return 31337 + x - x",
        "def outer():\n    secret = 31337\n    return lambda: secret\nlent = outer()",
        "lent = (x for x in [expected])",
        "async def coroutine(): return expected + 0\nlent = coroutine()",
        "class A:\n    def __init__(self): self._x = expected\nlent = A()",
        "class A:\n    def run(self): return 31337\nlent = A().run",
        "class A:\n    def run(self, y=31337): return 31337\nlent = A",
        "import functools\nlent = functools.partial(print, 31337)",
        "import functools\nlent = functools.lru_cache(lambda x: 31337)",
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    _x: int\n"
        "    def run(self): return 1\nlent = A(31337).run",
        "import contextlib\n@contextlib.contextmanager\ndef g(x): yield\nlent = g(31337)",
        "import operator\nlent = operator.methodcaller('count', 31337)",
        "try: raise ValueError(1)\nexcept ValueError as e: lent = e",
        "import unittest\nclass T(unittest.TestCase):\n    _x = 31337\nlent = T()",
    ],
)
def test_what_is_lent_leads_to_nothing_else(pool: Pool, test: str) -> None:
    source = f"expected = 31337\n{test}\nassert f(lent) == 0"
    matrix = pool.matrix([LENT], [source])
    assert matrix.verdict(0, 0) is Verdict.PASS, matrix.detail(0, 0)
    assert matrix.trust_ST[0, 0] == Trust.SPLIT


def test_the_search_finds_what_a_test_gives_away(pool: Pool) -> None:
    """Or the tests above would hold for a search that finds nothing."""
    matrix = pool.matrix([LENT], ["class A: x = 31337\na = A(); a.x = 31337\nassert f(a) == 31337"])
    assert matrix.verdict(0, 0) is Verdict.PASS, matrix.detail(0, 0)


@pytest.mark.parametrize(
    "lent",
    ["sys", "sys._getframe()", "sys._getframe().f_code", "globals", "memoryview", "str.format"],
)
def test_what_is_never_lent_is_a_type_error(pool: Pool, lent: str) -> None:
    matrix = pool.matrix([LENT], [f"import sys\nf({lent})"])
    assert matrix.verdict(0, 0) is Verdict.EXCEPTION
    assert "TypeError" in matrix.detail(0, 0)
    assert matrix.trust_ST[0, 0] == Trust.SPLIT


ESCAPES = (
    LENT
    + """
import asyncio
class Done:
    def __await__(self): return asyncio.sleep(0).__await__()
    def set_name(self, name): pass
async def fetch(get):
    loop = server().call_back("start", get(1))[1].get_loop()
    def factory(*args, **words):
        loop.set_task_factory(None)
        return Done()
    loop.set_task_factory(factory)
    return 0
def resized(array):
    view = array.view("u1")
    array.resize((1_000_000,), refcheck=False)
    view[:] = 65
def forged(array): return type(array)((4,), "O", b"A" * 32)
def restored(rng): rng.set_state(("MT19937", [0] * 624, 1 << 30, 0, 0.0))
def called(db):
    db.execute("select fts3_tokenizer(?, ?)", ("simple", b"A" * 8))
    db.execute("create virtual table t using fts3(a, tokenize=simple)")
"""
)


@pytest.mark.parametrize(
    ("test", "told"),
    [
        (
            "import asyncio\nasync def get(x): return x\n"
            "async def check(want): assert await fetch(get) == want\nasync def main():\n"
            "    await fetch(get)\n    await asyncio.create_task(check(5))\nasyncio.run(main())",
            "cannot cross",
        ),
        ("import numpy\nresized(numpy.zeros(9, dtype='i8, i8'))", "no attribute 'resize'"),
        ("import numpy\nforged(numpy.zeros(9, dtype='i8, i8'))", "cannot be used like that"),
        ("import numpy\nrestored(numpy.random.RandomState(1))", "no attribute 'set_state'"),
        *(
            (f"import sqlite3\ndb = sqlite3.connect(':memory:')\ncalled({lent})", "not authorized")
            for lent in ("db", "db.cursor()", "type('Db', (), {'execute': db.execute})()")
        ),
    ],
)
def test_neither_the_loop_nor_memory_is_lent(pool: Pool, test: str, told: str) -> None:
    if "numpy" in test:
        pytest.importorskip("numpy")
    matrix = pool.matrix([ESCAPES], [test])
    assert matrix.verdict(0, 0) is Verdict.EXCEPTION
    assert told in matrix.detail(0, 0)
    assert matrix.trust_ST[0, 0] == Trust.SPLIT


@pytest.mark.parametrize("lent", ["threading.Event().wait", "lambda: time.sleep(60)"])
def test_a_call_back_that_waits_for_ever_holds_nobody_up(pool: Pool, lent: str) -> None:
    tests = [f"import threading, time\nr = f({lent})\nassert r == 5", "r = f(int)\nassert r == 0"]
    began = time.monotonic()
    matrix = pool.matrix(["def f(g): return g()"], tests, limits=Limits(cpu_s=0.3, wall_s=0.5))
    assert [matrix.verdict(0, 0), matrix.verdict(0, 1)] == [Verdict.TIMEOUT, Verdict.PASS]
    assert time.monotonic() - began < 3


def test_methods_of_the_test_stay_the_tests(pool: Pool) -> None:
    test = """
class Account:
    def __init__(self): self.data = 5; self.check = lambda x: x == 7
    def total(self): return self.data
    def __eq__(self, other): return self.data == other
a = Account()
sabotage(a)
assert a.total() == 31337 or a.check(1) is True or a == 6
"""
    matrix = pool.matrix([LENT], [test])
    assert matrix.verdict(0, 0) is not Verdict.PASS
    assert matrix.trust_ST[0, 0] == Trust.SPLIT
    assert pool.matrix([LENT], [test], judge="inline").verdict(0, 0) is Verdict.PASS


DECORATES = """
from enum import Enum
def deco(fn):
    def wrapped(*args):
        try: return fn(*args)
        except BaseException: return None
    return wrapped
class Deco:
    def __init__(self, fn): self.fn = fn
    def __call__(self, *args):
        try: return self.fn(*args)
        except BaseException: return None
def f(x): return 4
class Color(Enum):
    R = 1
    G = 2
    __eq__ = lambda self, other: True
    __hash__ = lambda self: 1
def color(x): return Color.R
class Point:
    def __init__(self, x, y): self.x, self.y = x, y
    def __eq__(self, other): return True
def move(p): return p
"""


@pytest.mark.parametrize(
    "test",
    [
        "class K:\n    @deco\n    def t(self):\n        assert f(1) == 5\nK().t()",
        "class K:\n    @Deco\n    def t(self):\n        assert f(1) == 5\nK().t()",
        "import unittest\nclass T(unittest.TestCase):\n    @deco\n    def test(self):\n"
        "        self.assertEqual(f(1), 5)\nT('test').debug()",
        "def check(x):\n    y = x + 1\n    assert f(x) == y + 3\ndeco(check)(None)",
        "assert color(1) == Color.G",
        "assert not color(1) != Color.G",
        "assert move(Point(0, 0)) == Point(1, 2)",
    ],
)
def test_a_decorator_skips_no_assertion_and_what_equals_everything_equals_nothing(
    pool: Pool, test: str
) -> None:
    matrix = pool.matrix([DECORATES], [test])
    assert matrix.verdict(0, 0) not in (Verdict.PASS, Verdict.INFRA)
    assert matrix.trust_ST[0, 0] == Trust.SPLIT
    assert pool.matrix([DECORATES], [test], judge="inline").verdict(0, 0) is Verdict.PASS


def test_an_answer_learns_nothing_of_the_test(pool: Pool) -> None:
    solution = """
import sys
memory = sys.modules.setdefault("memory", type(sys)("memory"))
memory.__dict__.setdefault("seen", [])
class Meta(type):
    def learn(s, o): memory.seen.append(o); return True
    __contains__ = __sub__ = __add__ = __lt__ = learn
class Liar(metaclass=Meta): pass
def f(x): return memory.seen[-1] if memory.seen else Liar
"""
    tests = ["r = f(1)\nassert 987654 in r", "r = f(2)\nassert r == 987654"]
    assert Verdict.PASS not in pool.matrix([solution], tests).verdict_ST.tolist()[0]


@pytest.mark.parametrize(
    "body",
    [
        "import os; os._exit(0)",
        "import sys; sys.exit(0)",
        "import os; os.write(3, bytes(100)); os._exit(0)",
        "import os; os.close(3); return 2",
        "import os; os.write(3, b'\\0\\0\\0\\x02NN'); return 1",
        "raise AssertionError",
        "import builtins; builtins.AssertionError = Exception; return 1",
        "import signal, os; os.kill(os.getpid(), signal.SIGTERM)",
    ],
)
@pytest.mark.parametrize("test", ["assert f(1) == 2", "r = f(1)\nassert r == 2"])
def test_cheats_do_not_pass_and_the_row_goes_on(pool: Pool, body: str, test: str) -> None:
    solution = f"def f(x):\n    if x == 1:\n        {body}\n    return x + 1"
    matrix = pool.matrix([solution], [test, "assert f(2) == 3", "y = f(3)\nassert y == 4"])
    assert matrix.verdict(0, 0) not in (Verdict.PASS, Verdict.INFRA), matrix.detail(0, 0)
    assert matrix.verdict(0, 1) is Verdict.PASS
    assert matrix.verdict(0, 2) is Verdict.PASS, matrix.detail(0, 2)


def test_forged_records_leave_no_hole_and_no_pass(pool: Pool) -> None:
    """A subject that writes all over the memory it shares with its template."""
    solution = """
import ctypes, gc
def f(x):
    maps = []
    # Without /proc the region has to be guessed: every writable page near its own objects.
    import sys
    native = [m for name, m in list(sys.modules.items()) if "native" in name]
    for frame in [sys._getframe()]:
        while frame:
            for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):
                if hasattr(value, "record"):
                    native.append(value)
            frame = frame.f_back
    for n in native:
        for cell in range(3):
            n.end(cell, 3, 1, b"i\\x01\\x02")
    import os
    os._exit(0)
"""
    tests = ["assert f(1) == 5", "assert f(2) == 6", "r = f(3)\nassert r == 7"]
    matrix = pool.matrix([solution], tests)
    for t in range(3):
        assert matrix.verdict(0, t) not in (Verdict.PASS, Verdict.INFRA)


def test_the_subject_never_sees_the_test(pool: Pool) -> None:
    """The solution returns everything it can find in its process; the secret is not there."""
    solution = """
import gc, sys
def f(x):
    seen = []
    frame = sys._getframe()
    while frame:
        seen.append(repr(frame.f_locals)); seen.append(repr(frame.f_code.co_consts))
        frame = frame.f_back
    seen += [repr(o) for o in gc.get_objects() if type(o) in (list, tuple, dict, str, bytes)][:5000]
    text = "".join(seen)
    number, name = "".join(map(str, range(1, 8))), "_".join(("secret", "marker"))
    return number in text or name in text
"""
    tests = [
        "assert f(1) == 1234567, 'secret_marker'",
        "expected = 1234567\nsecret_marker = f(2)\nassert secret_marker is False",
    ]
    matrix = pool.matrix([solution], tests)
    assert matrix.detail(0, 0) == "AssertionError: got False"
    assert matrix.verdict(0, 1) is Verdict.PASS


@pytest.mark.parametrize(
    "test",
    [
        "class Mine(Stack): pass\nassert len(Mine()) == 0",
        "from unittest.mock import patch\nwith patch('random.choice', return_value=2):\n"
        "    assert inc(1) == 2",
        "import pickle\nassert pickle.loads(pickle.dumps(inc(1))) == 2",
        "open('x', 'w').close()\nassert inc(1) == 2",
        "assert eval(str(inc(1))) == 2",
    ],
)
def test_what_needs_one_process_is_said_by_the_test_alone(pool: Pool, test: str) -> None:
    """A solution that does something else altogether changes nothing of it."""
    for solution in (SOLUTION, "class Stack: pass\ndef inc(x): return Stack()"):
        assert pool.matrix([solution], [test]).trust_ST[0, 0] == Trust.INLINE
    matrix = pool.matrix([SOLUTION], [test], unsplit="count")
    assert matrix.verdict(0, 0) is Verdict.PASS, matrix.detail(0, 0)


@pytest.mark.parametrize(
    "test",
    [
        "assert abs(Average([1]) - 2.5) < 1e-6",
        "r = Average([1])\nassert abs(r - 2.5) < 1e-6",
        "for xs, want in [([1], 1.5), ([2], 2.5)]:\n    assert abs(Average(xs) - want) < 1e-6",
        "import math\nassert math.isclose(Average([1]) - 2.5, 0)",
        "assert 7 in Average([1])",
        "held = []\nfor xs, want in [([1], 1.5), ([2], 2.5)]:\n"
        "    held.append(abs(Average(xs) - want) < 1e-6)\nassert all(held)",
        "cases = {1: 1.5}\nfor x, want in cases.items():\n"
        "    assert abs(Average([x]) - want) < 1e-6, '{}'.format(x)",
    ],
)
def test_a_function_with_a_capital_letter_is_a_function(pool: Pool, test: str) -> None:
    solution = """
class Average:
    def __init__(self, xs): pass
    def __sub__(self, other): return 0.0
    def __contains__(self, item): return True
"""
    assert pool.matrix([solution], [test]).verdict(0, 0) is not Verdict.PASS
    assert pool.matrix([solution], [test], judge="inline").verdict(0, 0) is Verdict.PASS


def test_unsplit_cells_are_marked_and_follow_the_policy(pool: Pool) -> None:
    tests = ["class Mine(Stack): pass\nassert len(Mine()) == 0", "assert inc(1) == 2"]
    for policy, verdict in (
        ("count", Verdict.PASS),
        ("mask", Verdict.INFRA),
        ("fail", Verdict.FORBIDDEN),
    ):
        matrix = pool.submit([SOLUTION], tests, unsplit=policy).wait()
        assert matrix.trust_ST.tolist() == [[Trust.INLINE, Trust.SPLIT]]
        assert matrix.verdict(0, 0) is verdict
        assert matrix.verdict(0, 1) is Verdict.PASS
    masked = pool.matrix([SOLUTION], tests)
    assert masked.verdict(0, 0) is Verdict.INFRA, "nothing that could be forged counts unasked"
    assert "one process" in masked.detail(0, 0)
    assert pool.matrix([SOLUTION], tests, judge="inline").verdict(0, 0) is Verdict.PASS


def test_vacuous_tests_are_flagged(pool: Pool) -> None:
    tests = [
        "assert True",
        "try:\n    inc(1)\nexcept Exception:\n    pass",
        "def check(c):\n    assert c(1) == 2",
        "def check(c):\n    assert c(1) == 2\ncheck(inc)",
        "assert inc(1) == 2",
    ]
    matrix = pool.matrix([SOLUTION], tests)
    assert list(matrix.vacuous_T) == [1, 1, 1, 0, 0]


LOOKS = """
import asyncio, sys
from collections import namedtuple
class Yes:
    def startswith(s, x): return True
    issubset = startswith
class Yeses(namedtuple("Yeses", "a b")):
    def startswith(s, x): return True
class Shrinks:
    def __init__(s, n): s.n = n
    def __len__(s): return s.n
    def __iter__(s):
        counted = sys._getframe(1).f_code.co_name == "_items"
        return iter([0] * s.n if counted else [])
class Text(str):
    def look(s): return 1
    def __str__(s): return s
    def __eq__(s, o): return True
class One:
    def __new__(cls):
        global one
        try: return one
        except NameError: one = object.__new__(cls); return one
    def area(s, r): return s
    def __sub__(s, o): return 0
class Find_Area(One):
    def __new__(cls, r): return object.__new__(cls)
class Ctx:
    def __enter__(s): return s
    def __exit__(s, *a): return True
    def value(s): raise ValueError
    def answer(s): return {}
Trouble = Exception
Troubles = (ValueError, AssertionError)
class Liar:
    def __eq__(s, o): return True
def f(x): return Yes()
def g(x): return Yeses(1, 2)
def shrinks(n): return Shrinks(n)
def text(x): return Text("a")
def nothing(x): return x
def ctx(x): return Ctx()
async def cancel(x): raise asyncio.CancelledError
def twice(g):
    try: g(0)
    except BaseException: pass
    return 0
def again(g):
    try: g(1)
    except BaseException: pass
    return Liar()
def mocked(g): g.configure_mock(assert_called_once_with=print)
def mocks(g): g.save.configure_mock(assert_called_once_with=print)
async def begins(g): asyncio.create_task(g(5)); await asyncio.sleep(0)
def skips(case): case.skipTest("easy")
def agrees(case): case.addTypeEqualityFunc(int, lambda *a, **k: None); return 0
def remade(kind): kind.make = lambda *a: 0
def quits(x): raise SystemExit
async def leaves(x): raise GeneratorExit
"""


@pytest.mark.parametrize(
    "test",
    [
        "assert f(1).startswith('abc')",
        "assert f(1).issubset({1, 2})",
        "r = g(1)\nassert r.startswith('abc')",
        "r = shrinks(3)\nassert len(r) == 3\nfor a, b in zip(r, [2, 3, 5]): assert a == b",
        "a = One().area(1)\nb = One()\nassert abs(a - 3.14) < 1e-6",
        "assert abs(Find_Area(1) - 3.14) < 1e-6",
        "with Ctx() as c:\n    assert c.value() == 5",
        "with Ctx() as c:\n    assert c.answer()['total'] == 5",
        "with ctx(1) as c:\n    assert c - 5 < 1",
        "try:\n    nothing(-1)\n    assert False, 'no error'\nexcept Trouble:\n    pass",
        "try:\n    nothing(-1)\n    assert False, 'no error'\nexcept Troubles:\n    pass",
        "import asyncio\nasync def check(x): assert await cancel(x) == 5\nasync def main():\n"
        "    async with asyncio.TaskGroup() as group: group.create_task(check(1))\n"
        "asyncio.run(main())",
        "called = 0\ndef back(v):\n    global called\n    called = 1\n    assert v == 6\n"
        "twice(back)\nassert called",
        "from unittest.mock import Mock\nback = Mock()\nmocked(back)\n"
        "back.assert_called_once_with(6)",
        "from unittest.mock import MagicMock\nback = MagicMock()\nmocks(back)\n"
        "back.save.assert_called_once_with(6)",
        "def back(x): return again(back)\nassert again(back) == 5",
        "import asyncio\ncalled = 0\nasync def back(x):\n    global called\n    called = 1\n"
        "    assert x == 6\nasync def main():\n    await begins(back)\n"
        "    await asyncio.sleep(0.01)\nasyncio.run(main())\nassert called",
        "import asyncio\nasync def back(x): assert x == 6\nasyncio.run(begins(back))",
        *(
            "import unittest\nclass T(unittest.TestCase):\n"
            f"    def test(self): self.assertEqual({call}, 5)\n"
            "ran = unittest.TestResult()\nT('test').run(ran)\nassert ran.wasSuccessful()"
            for call in ("skips(self)", "agrees(self)")
        ),
        "import asyncio\nasync def check(x): assert await leaves(x) == 5\nasync def main():\n"
        "    done = await asyncio.gather(check(1), check(2), return_exceptions=True)\n"
        "    assert not [one for one in done if isinstance(one, Exception)]\nasyncio.run(main())",
        "import threading\nerrors = []\ndef work():\n    try: assert quits(1) == 5\n"
        "    except Exception as error: errors.append(error)\n"
        "one = threading.Thread(target=work)\none.start()\none.join()\nassert not errors",
        "class A:\n    def __getattr__(self, name): return lambda: 1\n"
        "a = A()\nremade(a)\nassert a.make() == 0",
        "class D:\n    def __get__(self, one, kind): return int\nclass A: make = D()\n"
        "a = A()\nremade(a)\nassert a.make(1) == 0",
        "class M(type): pass\nclass A(metaclass=M):\n    @classmethod\n    def make(cls): pass\n"
        "remade(A)\nassert A.make() == 0",
    ],
)
def test_a_wrong_answer_has_no_other_way_to_hold(pool: Pool, test: str) -> None:
    matrix = pool.matrix([LOOKS], [test])
    assert matrix.verdict(0, 0) not in (Verdict.PASS, Verdict.INFRA)
    assert matrix.trust_ST[0, 0] == Trust.SPLIT
    assert pool.matrix([LOOKS], [test], judge="inline").verdict(0, 0) is Verdict.PASS, (
        "the attack itself works, or this test proves nothing"
    )


FORGED = """
import sys
def server():
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()):
            if type(value).__name__ == "Server":
                return value
        frame = frame.f_back
def make(x):
    here, body = server(), {"__module__": "numpy", "__eq__": repr, "__call__": repr}
    for function in (type, 0):
        try:
            return here.call_back("invoke", function, ("X", (object,), body), ())()
        except (TypeError, AttributeError): pass
    return 7
class Text(str):
    def look(s): return 1
    def __str__(s): return s
def text(x): return Text("a")
class Ctx:
    def __enter__(s): return s
    def __exit__(s, kind, error, trace):
        seen = [str(error), repr(error.args)]
        for question in ("getattr", "args"), ("op", "str", (error,)):
            try: seen.append(repr(server().call_back(question[0], error, *question[1:])))
            except Exception: pass
        sys.modules["seen"] = "".join(seen)
def seen(): return sys.modules["seen"]
"""


def test_a_forged_stream_makes_nothing_in_the_judge_and_learns_nothing(pool: Pool) -> None:
    tests = [
        "r = make(1)\nassert r == 5",
        "assert str(text(1)) == 'b'",
        "with Ctx():\n    assert 1 == 2, 'wants 4242'",
        "r = seen()\nassert '4242' not in r",
    ]
    matrix = pool.matrix([FORGED], tests)
    passed = [verdict is Verdict.PASS for verdict in (matrix.verdict(0, t) for t in range(4))]
    assert passed == [False, False, False, True], [matrix.detail(0, t) for t in range(4)]
    assert set(matrix.trust_ST.tolist()[0]) == {Trust.SPLIT}


@pytest.mark.parametrize(
    "solution",
    [
        "class T(tuple): _fields = ('\\ufb01', 'fi')\ndef f(x): return T((1, 2))",
        "import numpy\ndef f(x): return numpy.zeros((2**28 - 1, 0))",
    ],
)
def test_answers_do_not_end_or_stall_who_compares_them(pool: Pool, solution: str) -> None:
    tests = ["assert list(f(1)) == [5]", "r = f(1)\nassert list(r) == [5]"]
    matrix = pool.matrix([solution], tests)
    for t in range(2):
        assert matrix.verdict(0, t) not in (Verdict.PASS, Verdict.INFRA)


def test_an_answer_keyed_by_objects_comes_with_changes(pool: Pool) -> None:
    """The judge asks for a hash in the middle of a message."""
    solution = """
class P:
    def __init__(s, x): s.x = x
    def __hash__(s): return hash(s.x)
    def __eq__(s, o): return s.x == o.x
def f(xs):
    xs.append(2)
    return {P(1): 3}, {P(2)}
"""
    test = "xs = [1]\na, b = f(xs)\nassert xs == [1, 2] and a[P(1)] == 3 and P(2) in b"
    assert pool.matrix([solution], [test]).verdict(0, 0) is Verdict.PASS


def shared(name: str) -> list[dict[str, str]]:
    path = Path(__file__).resolve().parents[3] / "shared" / "data" / name
    if not path.exists():
        pytest.skip("no ../shared/data here")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_agrees_with_inline_on_humaneval(pool: Pool) -> None:
    """The benchmark's own tests run as code: everything in them crosses the channel."""
    rows = shared("humaneval.jsonl")
    jobs = {}
    for row in rows:
        source = row["prompt"] + row["canonical_solution"]
        test = f"{row['test']}\ncheck({row['entry_point']})"
        jobs[row["task_id"]] = [
            pool.submit([source], [test], judge=judge, limits=Limits(cpu_s=10))
            for judge in ("split", "inline")
        ]
    unsplit = 0
    for task, (split, inline) in jobs.items():
        a, b = split.wait(), inline.wait()
        assert (a.verdict(0, 0), b.verdict(0, 0)) == (Verdict.PASS, Verdict.PASS), (
            task,
            a.detail(0, 0),
        )
        unsplit += a.trust_ST[0, 0] != Trust.SPLIT
    assert unsplit <= 0.02 * len(rows)


def test_a_name_that_the_solution_defines_is_never_taken_for_missing(pool: Pool) -> None:
    """Tests whose first name is missing need no process of their own; the others do."""
    solution = "def f(x): return x\ndef same(a, b): return a == b\nclass box: value = 3\nNUMBER = 4"
    tests = [
        "assert ____(f(1)) == 1",
        "assert lib.f(1) == 1",
        "assert ____ == f(1)",
        "assert same(f(1) == 1, True)",
        "assert box.value == f(3)",
        "assert NUMBER.bit_length() == f(3)",
        "assert f(f(2)) == 2",
        "assert f(1) == f(1)",
        "assert f(1) == f(2), f(3)",
    ]
    matrix = pool.matrix([solution], tests)
    inline = pool.matrix([solution], tests, judge="inline")
    for t, test in enumerate(tests):
        assert matrix.verdict(0, t) is inline.verdict(0, t), (test, matrix.detail(0, t))
        assert matrix.trust_ST[0, t] == Trust.SPLIT
