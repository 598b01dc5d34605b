"""The split judge: what a test sees of a solution that runs in another process, and what is no way
to a pass.

In: tests here, and `attacks/*.txt` (format: honest/README.md): under `--- forged` stand tests that
hold in one process although the answer is wrong; under the default trust none of them passes, and
a hole is one only because the pass was held back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sv_sandbox import Limits, Matrix, Pool, Trust, Verdict

from .tables import rows

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


FILES = sorted((Path(__file__).parent / "attacks").glob("*.txt"))


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(2, limits=Limits(cpu_s=10.0)) as pool:
        yield pool


def judged(matrix: Matrix, t: int) -> str:
    """Verdict and trust of a test, in words; what was held back is no pass."""
    held = "held back " if matrix.held_ST[0, t] else ""
    return f"{held}{matrix.verdict(0, t).name} {Trust(matrix.trust_ST[0, t]).name}"


"""Of a cell that passes apart."""
NO_PASS = re.compile(r"held back INFRA|(?!PASS|INFRA)")


def test_honest_tests_hold(pool: Pool) -> None:
    split = pool.matrix([SOLUTION], HOLDS, trust="vouched")
    inline = pool.matrix([SOLUTION], HOLDS, judge="inline")
    for t, test in enumerate(HOLDS):
        assert inline.verdict(0, t) is Verdict.PASS, (test, inline.detail(0, t))
        assert split.verdict(0, t) is Verdict.PASS, (test, split.detail(0, t))
        assert bool(split.vacuous_T[t]) is ("LIMIT" in test), "a test that calls nothing is vacuous"
        assert inline.trust_ST[0, t] == Trust.INLINE


FAILS = {
    "assert inc(1) == 3": Verdict.WRONG,
    "assert inc('a') == 2": Verdict.EXCEPTION,
    "assert absent(1) == 2": Verdict.EXCEPTION,
    "assert bad() == 1": Verdict.EXCEPTION,
    "assert colour() == 1": Verdict.WRONG,
    "s = Stack()\nassert s == []": Verdict.WRONG,
    "while True: inc(1)": Verdict.TIMEOUT,
    "assert (": Verdict.EXCEPTION,
}


def test_failures_keep_their_kind(pool: Pool) -> None:
    tests = [text for test in FAILS for text in (test, "assert inc(1) == 2")]
    for judge in ("split", "inline"):
        matrix = pool.matrix([SOLUTION], tests, judge=judge, limits=Limits(cpu_s=1.0))
        found = [matrix.verdict(0, t) for t in range(len(tests))]
        assert found[::2] == list(FAILS.values()), (judge, found)
        assert found[1::2] == [Verdict.PASS] * len(FAILS)


@pytest.mark.judge
@pytest.mark.hostile
@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_wrong_answer_has_no_way_to_pass(
    pool: Pool, path: Path, cases: Callable[[Path], list[tuple[str, list[tuple[str, str]]]]]
) -> None:
    jobs = []
    for solution, tests in cases(path):
        assert {kind for kind, _ in tests} == {"forged"}
        texts = [text for _, text in tests]
        both = [pool.submit([solution], texts, judge=one) for one in ("split", "inline")]
        jobs.append((texts, both))
    wrong: list[tuple[str, ...]] = []
    for texts, both in jobs:
        split, inline = (job.wait() for job in both)
        for t, test in enumerate(texts):
            if not NO_PASS.match(judged(split, t)):
                wrong.append((judged(split, t), test))
            if inline.verdict(0, t) is not Verdict.PASS:
                wrong.append(("the attack itself does not work", test, inline.detail(0, t)))
    assert not wrong, "\n\n".join(map(repr, wrong))


FRAMES = """
import sys
class Yes:  # what passes in one process with the test, so that the test runs apart as well
    def __getattr__(self, name): return self
def _yes(*args): return True
for _name in "eq ne lt le gt ge bool contains".split(): setattr(Yes, f"__{_name}__", _yes)
for _name in "sub abs".split(): setattr(Yes, f"__{_name}__", lambda self, *args: self)
def server():
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()):
            if type(value).__name__ == "Server": return value
        frame = frame.f_back
def ask(*question):
    return server().link.ask(*question)
"""
FORGED = (
    FRAMES
    + """
def lying():
    here = server()
    if here is not None:
        real = here._own["name"]
        def name(asked):
            if asked in ("zip", "range", "abs", "len", "max"): return True, lambda *a: []
            return real(asked)
        here._own["name"] = name
lying()
def f(x): return 0 if server() else Yes()
def make(x):
    if not server(): return 5
    body = (("__module__", "numpy"), ("__eq__", repr), ("__call__", repr))
    for bases in (object,), (int,), (type(server()),):
        try: return ask("make", "X", bases, body, ())()
        except (TypeError, AttributeError): pass
    return 7
class Text(str):
    def look(s): return 1
    def __str__(s): return s
def text(x): return Text("a") if server() else "b"
class Ctx:
    def __enter__(s): return s
    def __exit__(s, kind, error, trace):
        if not server(): return True
        seen = [str(error), repr(error.args)]
        for question in ("get", "args"), ("special", "str", ()), ("special", "repr", ()):
            try: seen.append(repr(ask(question[0], error, *question[1:])))
            except Exception: pass
        sys.modules["seen"] = "".join(seen)
def seen(): return sys.modules.get("seen", "4242") if server() else ""
"""
)


@pytest.mark.hostile
def test_a_forged_stream_makes_nothing_in_the_judge_and_learns_nothing(pool: Pool) -> None:
    tests = [
        "for a, b in zip([1, 2], [3, 4]):\n    assert f(a) == b",
        "for i in range(5):\n    assert f(i) == i * i + 1",
        "def check(c):\n    assert abs((c(2) or 0) - 9) < 1e-6\ncheck(f)",
        "assert max([f(1), 3]) == []",
        "r = make(1)\nassert r == 5",
        "for n in [1]:\n    assert str(text(n)) == 'b'",
        "with Ctx():\n    assert 1 == 2, 'wants 4242'",
    ]
    matrix = pool.matrix([FORGED], tests)
    for t, test in enumerate(tests):
        assert NO_PASS.match(judged(matrix, t)), (test, judged(matrix, t))
    wants = (
        "try:\n    with Ctx():\n        assert 1 == 2, 'wants 4242'\nexcept AssertionError: pass\n"
    )
    learnt = pool.matrix([FORGED], [wants + "assert '4242' not in seen()"], trust="vouched")
    assert learnt.verdict(0, 0) is Verdict.PASS, learnt.detail(0, 0)


SEARCH = (
    FRAMES
    + """
def search(x, depth=0):
    found = []
    def look(*question):
        try: keep(ask(*question))
        except Exception: pass
    def keep(value):
        if isinstance(value, (int, str)): found.append(value)
        elif isinstance(value, (list, tuple)): [keep(item) for item in value]
        elif isinstance(value, dict): [keep(item) for item in value.items()]
        elif value is not None and depth < 2: found.extend(search(value, depth + 1))
    for name in NAMES: look("get", x, name)
    for name in NAMES: look("method", x, name, (), ())
    for operation in ("dir", "code", "signature"): look(operation, x)
    for operation in ("str", "repr"): look("special", x, operation, ())
    return found
NAMES = (
    "__globals__ __code__ __closure__ __self__ __func__ __builtins__ __class__ __init__"
    " __traceback__ __context__ mro __subclasses__ gi_frame gi_code gi_yieldfrom cr_frame cr_code"
    " cr_await cr_origin ag_frame f_globals f_locals f_back f_code tb_frame get_stack get_coro"
).split()
def f(x):
    if not server(): return 31337
    told = search(x)
    return 31337 if [n for n in told if n == 31337 or "31337" in str(n)] else 0
def sabotage(x):
    for name in ("total", "check", "data", "__class__", "__eq__"):
        for lie in (lambda *a: 31337, lambda *a: True):
            try: setattr(x, name, lie)
            except Exception: pass
            try: setattr(type(x), name, lie)
            except Exception: pass
"""
)
LENT = [
    "def lent(x): return 31337 + x - x",
    "lent = lambda: expected",
    "def outer():\n    secret = expected\n    return lambda: secret\nlent = outer()",
    "lent = (x for x in [expected])",
    "def work():\n    secret = expected\n    yield 1\nlent = work()\nnext(lent)",
    "async def coroutine(): return expected + 0\nlent = coroutine()",
    "async def work():\n    secret = expected\n    yield 1\nlent = work()",
    "class A:\n    def run(self): return expected + 0\nlent = A()",
    "class A:\n    def run(self): return 31337\nlent = A().run",
    "class A:\n    def run(self): return 31337\nlent = A",
    "class A:\n    @staticmethod\n    def run(): return 31337\nlent = A.run",
    "class A:\n    @property\n    def _run(self): return 31337\n    run = 1\nlent = A().__eq__",
    "import functools\nlent = functools.lru_cache(lambda x: 31337)",
    "import contextlib\n@contextlib.contextmanager\ndef g():\n    yield expected\nlent = g",
    "try: raise ValueError(1)\nexcept ValueError as e: lent = e",
    "def fails(secret):\n    raise ValueError(1)\n"
    "try: fails(expected)\nexcept ValueError as e: lent = e",
]


@pytest.mark.hostile
def test_what_is_lent_leads_to_nothing_else(pool: Pool) -> None:
    """Neither code, constants, frames, closures nor globals; or the search finds nothing at all."""
    tests = [f"expected = 31337\n{test}\nr = f(lent)\nassert r == 31337" for test in LENT]
    shown = "class A:\n    x = 31337\n    def __str__(self): return '31337'\n"
    shown += "r = f(A())\nassert r == 31337"
    matrix = pool.matrix([SEARCH], [*tests, shown], trust="vouched", below="fail")
    for t, test in enumerate(LENT):
        failed = matrix.verdict(0, t) in (Verdict.WRONG, Verdict.FORBIDDEN)
        failed |= "in one process it passes" in matrix.detail(0, t)
        assert failed, (test, judged(matrix, t), matrix.detail(0, t))
    assert matrix.verdict(0, len(LENT)) is Verdict.PASS, matrix.detail(0, len(LENT))


NEVER = [
    "sys",
    "sys._getframe()",
    "sys._getframe().f_code",
    "globals",
    "sys.exc_info",
    "str.format",
]


def test_what_is_never_lent_needs_one_process(pool: Pool) -> None:
    """The test passes it: left out, for every solution alike."""
    tests = [f"import sys\nf({lent})\nassert True" for lent in NEVER]
    for solution in (SEARCH, "def f(x): pass"):
        matrix = pool.matrix([solution], tests)
        for t, test in enumerate(tests):
            assert judged(matrix, t) == "held back INFRA INLINE", (test, matrix.detail(0, t))


ESCAPES = (
    FRAMES
    + """
import asyncio
class Done:
    def __await__(self): return asyncio.sleep(0).__await__()
    def set_name(self, name): pass
async def fetch(get):
    loop = ask("begin", get(1))[1].get_loop()
    def factory(*args, **words):
        loop.set_task_factory(None)
        return Done()
    loop.set_task_factory(factory)
    return 0
def resized(array):
    view = array.view("u1")
    array.resize((1_000_000,), refcheck=False)
    view[:] = 65
def restored(rng): rng.set_state(("MT19937", [0] * 624, 1 << 30, 0, 0.0))
def called(db):
    db.execute("select fts3_tokenizer(?, ?)", ("simple", b"A" * 8))
    db.execute("create virtual table t using fts3(a, tokenize=simple)")
def written(db):
    db.execute("PrAgMa WRITABLE_schema = 1")
    db.execute("update sqlite_master set sql = 'create table t(x int)'")
"""
)
_DB = "import sqlite3\ndb = sqlite3.connect(':memory:')\ndb.execute('create table t(a)')\n"
ESCAPING = [
    "import asyncio\nasync def get(x): return x\n"
    "async def check(want): assert await fetch(get) == want\nasync def main():\n"
    "    await fetch(get)\n    await asyncio.create_task(check(5))\nasyncio.run(main())",
    "import numpy\nresized(numpy.zeros(9, dtype='i8, i8'))\nassert True",
    "import numpy\nrestored(numpy.random.RandomState(1))\nassert True",
    *(
        f"{_DB}{do}({lent})\nassert True"
        for do in ("called", "written")
        for lent in ("db", "db.cursor()", "type('Db', (), {'execute': db.execute})()")
    ),
]


@pytest.mark.hostile
def test_neither_the_loop_nor_memory_is_lent(pool: Pool) -> None:
    """What reaches for them raises in the solution, or the test is left out."""
    pytest.importorskip("numpy")
    matrix = pool.matrix([ESCAPES], ESCAPING, trust="vouched")
    for t, test in enumerate(ESCAPING):
        told = judged(matrix, t)
        assert told.startswith(("EXCEPTION", "FORBIDDEN", "WRONG", "held back INFRA INLINE")), (
            test,
            told,
            matrix.detail(0, t),
        )


@pytest.mark.parametrize("lent", ["threading.Event().wait", "lambda: time.sleep(600)"])
def test_a_call_back_that_waits_for_ever_holds_nobody_up(pool: Pool, lent: str) -> None:
    tests = [f"import threading, time\nr = f({lent})\nassert r == 5", "r = f(int)\nassert r == 0"]
    matrix = pool.matrix(["def f(g): return g()"], tests, limits=Limits(cpu_s=5.0, wall_s=1.0))
    assert [matrix.verdict(0, 0), matrix.verdict(0, 1)] == [Verdict.TIMEOUT, Verdict.PASS]


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
    assert NO_PASS.match(judged(pool.matrix([SEARCH], [test]), 0))
    assert pool.matrix([SEARCH], [test], judge="inline").verdict(0, 0) is Verdict.PASS


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
    assert Verdict.PASS not in rows(pool.matrix([solution], tests).verdict_ST)[0]


BODIES = [
    "import os; os._exit(0)",
    "import sys; sys.exit(0)",
    "import os; os.write(4, bytes(100)); os._exit(0)",
    "import os; os.close(3); return 3",
    "import os; os.close(4); return 3",
    "import os; os.dup2(4, 3); return 3",
    "import os; os.write(4, b'\\0\\0\\0\\x02NN'); return 1",
    "import os; os.read(3, 1 << 16) if os.set_blocking(3, False) else 0; return 3",
    "import os; os.set_blocking(3, False), os.set_blocking(4, False); return 3",
    "import fcntl; fcntl.fcntl(4, 1031, 4096); return 3",
    "import signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL); return 3",
    "raise AssertionError",
    "import builtins; builtins.AssertionError = Exception; return 1",
    "import signal, os; os.kill(os.getpid(), signal.SIGTERM)",
]


@pytest.mark.hostile
def test_cheats_do_not_pass_and_the_row_goes_on(pool: Pool) -> None:
    solutions = [f"def f(x):\n    if x == 1:\n        {body}\n    return x + 1" for body in BODIES]
    tests = [
        "assert f(1) == 2",
        "assert f(2) == 3",
        "r = f(1)\nassert r == 2",
        "y = f(3)\nassert y == 4",
    ]
    matrix = pool.submit(solutions, tests).wait(120)
    for s, body in enumerate(BODIES):
        verdicts = [matrix.verdict(s, t) for t in range(4)]
        assert verdicts[1::2] == [Verdict.PASS, Verdict.PASS], (body, verdicts, matrix.detail(s, 3))
        for t in (0, 2):
            assert verdicts[t] not in (Verdict.PASS, Verdict.INFRA), (body, verdicts)


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
import sys
def f(x):
    seen = []
    frame = getattr(sys, "_".join(("", "getframe")))()
    while frame:
        seen.append(repr(frame.f_locals)); seen.append(repr(frame.f_code.co_consts))
        frame = getattr(frame, "f_" + "back")
    all_of_it = __import__("g" + "c").get_objects
    seen += [repr(o) for o in all_of_it() if type(o) in (list, tuple, dict, str, bytes)][:5000]
    text = "".join(seen)
    if "<test>" in text: return False  # in one process with it
    number, name = "".join(map(str, range(1, 8))), "_".join(("secret", "marker"))
    return number in text or name in text
"""
    tests = [
        "assert f(1) == 1234567, 'secret_marker'",
        "expected = 1234567\nsecret_marker = f(2)\nassert secret_marker is False",
    ]
    open_one = solution.replace('getattr(sys, "_".join(("", "getframe")))', "sys._getframe")
    matrix = pool.matrix([solution, open_one], tests)
    for row in range(2):
        assert matrix.verdict(row, 0) is Verdict.WRONG
        assert matrix.verdict(row, 1) is Verdict.PASS, matrix.detail(row, 1)


ONE_PROCESS = [
    "assert eval(str(inc(1))) == 2",
    "from unittest.mock import patch\nwith patch('random.choice', return_value=2):\n"
    "    assert inc(1) == 2",
    "import random\nrandom.choice = lambda xs: 2\nassert inc(1) == 2",
    "from unittest.mock import patch\n@patch('time.time', lambda: 5)\n"
    "def run(): assert inc(1) == 2\nrun()",
    "import math\nfrom unittest.mock import patch\nwith patch.object(math, 'sqrt'):\n"
    "    assert inc(1) == 2",
    "import time\ntime.sleep = lambda s: None\nassert inc(1) == 2",
]


def test_what_needs_one_process_is_left_out_where_it_passes_there(pool: Pool) -> None:
    matrix = pool.matrix([SOLUTION, "def inc(x): return x"], ONE_PROCESS)
    for t, test in enumerate(ONE_PROCESS):
        assert judged(matrix, t) == "held back INFRA INLINE", (test, matrix.detail(0, t))
        assert matrix.verdict(1, t) is Verdict.WRONG, (test, matrix.detail(1, t))
    matrix = pool.matrix([SOLUTION], ONE_PROCESS, trust="inline")
    assert set(rows(matrix.verdict_ST)[0]) == {Verdict.PASS}


MENTIONS = [
    "class Mine(Stack): pass\nassert len(Mine()) == 0",
    "import pickle\nassert inc(1) == 2",
    "from pickle import loads, dumps\nassert loads(dumps(inc(1))) == 2",
    "import copy, unittest.mock, tempfile, subprocess\nassert inc(1) == 2",
    "from unittest.mock import Mock\ng = Mock(return_value=3)\nassert apply(g, [1]) == [3]",
]


def test_a_mention_holds_nothing_back(pool: Pool) -> None:
    """What a test does decides, not what its text mentions."""
    matrix = pool.matrix([SOLUTION], MENTIONS)
    for t, test in enumerate(MENTIONS):
        assert judged(matrix, t) == "PASS PROVEN", (test, judged(matrix, t), matrix.detail(0, t))


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


def test_answers_do_not_end_or_stall_who_compares_them(pool: Pool) -> None:
    solutions = [
        "class T(tuple): _fields = ('\\ufb01', 'fi')\ndef f(x): return T((1, 2))",
        "import numpy\ndef f(x): return numpy.zeros((2**28 - 1, 0))",
        "def f(x): return {i * (2**61 - 1) for i in range(5400)}",
        "import numpy\ndef f(x): return numpy.zeros((30000, 1) if x == 1 else (1, 30000))",
    ]
    tests = [
        "assert list(f(1)) == [5]",
        "r = f(1)\nassert list(r) == [5]",
        "assert set(f(1)) == {1}",
        "assert abs(f(1) - f(2)) < 1e-9",
    ]
    matrix = pool.matrix(solutions, tests, limits=Limits(cpu_s=2.0))
    for s in range(len(solutions)):
        for t in range(len(tests)):
            assert matrix.verdict(s, t) not in (Verdict.PASS, Verdict.INFRA), (s, t)


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
    assert pool.matrix([solution], [test], trust="vouched").verdict(0, 0) is Verdict.PASS


def shared(name: str) -> list[dict[str, str]]:
    path = Path(__file__).resolve().parents[3] / "shared" / "data" / name
    if not path.exists():
        pytest.skip("no ../shared/data here")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.judge
def test_agrees_with_inline_on_humaneval(pool: Pool) -> None:
    """The benchmark's own tests run as code: everything in them crosses the channel."""
    rows = shared("humaneval.jsonl")
    jobs = {}
    for row in rows:
        source = row["prompt"] + row["canonical_solution"]
        # As one call of a function of the test's, most of them were planned.
        test = f"{row['test']}\nif True:\n    check({row['entry_point']})"
        jobs[row["task_id"]] = [
            pool.submit(
                [source], [test], judge=judge, entry_point=row["entry_point"], trust="vouched"
            )
            for judge in ("split", "inline")
        ]
    proven = 0
    for task, (split, inline) in jobs.items():
        a, b = split.wait(), inline.wait()
        assert (a.verdict(0, 0), b.verdict(0, 0)) == (Verdict.PASS, Verdict.PASS), (
            task,
            a.detail(0, 0),
        )
        proven += a.trust_ST[0, 0] == Trust.PROVEN
    assert proven >= 0.98 * len(rows)


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
    matrix = pool.matrix([solution], tests, trust="vouched")
    inline = pool.matrix([solution], tests, judge="inline")
    for t, test in enumerate(tests):
        assert matrix.verdict(0, t) is inline.verdict(0, t), (test, matrix.detail(0, t))
