"""Recycled subjects: rows find nothing of one another, and get the verdicts of forked subjects.

The pool `recycling` tries every row of planned calls in a recycled subject, and compares all of its
writable memory and what the kernel shows of it after each row; what differs would be a hole.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from sv_sandbox import Limits, Matrix, Pool, doctor

LIMITS = Limits(cpu_s=0.5, wall_s=10)
Shown = list[list[tuple[str, str, int]]]


def shown(matrix: Matrix) -> Shown:
    rows, cells = matrix.shape
    return [
        [
            (matrix.verdict(s, t).name, matrix.detail(s, t), int(matrix.trust_ST[s, t]))
            for t in range(cells)
        ]
        for s in range(rows)
    ]


def verdicts(found: Shown) -> list[list[str]]:
    """Without details: of what is not plain the test's code runs, but where all is checked."""
    return [[verdict for verdict, *_ in row] for row in found]


def counted(pool: Pool, act: Callable[[], Shown]) -> tuple[Shown, int, int]:
    """What `act` shows; how many rows were judged in a recycled subject, how many handed on."""
    before = pool.statistics()
    result = act()
    after = pool.statistics()
    recycled, handed_on = (after[name] - before[name] for name in ("recycled_rows", "handed_on"))
    return result, recycled, handed_on


# -- nothing is left

LEAVERS = {
    # what a row leaves: (how, what another row sees of it)
    "a built-in function": ("import builtins; builtins.len = lambda x: 99", "len([])"),
    "a new built-in name": ("import builtins; builtins.leak = 1", "'leak' in dir(__builtins__)"),
    "a library function": ("import json; json.loads = None", "repr(__import__('json').loads)[:9]"),
    "a name in a module": ("import sys; sys.leak = 1", "hasattr(__import__('sys'), 'leak')"),
    "a module": ("import sys; sys.modules['leak'] = 1", "'leak' in __import__('sys').modules"),
    "a missing module": (
        "import sys; sys.modules['re'] = None",
        "__import__('sys').modules.get('re') is None",
    ),
    "the path": ("import sys; sys.path.append('leak')", "'leak' in __import__('sys').path"),
    "an import hook": (
        "import sys; sys.meta_path.insert(0, 1)",
        "1 in __import__('sys').meta_path",
    ),
    "the environment's dict": (
        "import os; os.environ._data[b'LEAK'] = b'1'",
        "'LEAK' in __import__('os').environ",
    ),
    "random numbers": ("import random; random.seed(5)", "__import__('random').random()"),
    "the recursion limit": (
        "import sys; sys.setrecursionlimit(5000)",
        "__import__('sys').getrecursionlimit()",
    ),
    "digits of numbers": (
        "import sys; sys.set_int_max_str_digits(0)",
        "__import__('sys').get_int_max_str_digits()",
    ),
    "the switch interval": (
        "import sys; sys.setswitchinterval(0.5)",
        "__import__('sys').getswitchinterval()",
    ),
    "the collector": ("import gc; gc.disable()", "__import__('gc').isenabled()"),
    "its thresholds": (
        "import gc; gc.set_threshold(1, 1, 1)",
        "__import__('gc').get_threshold()",
    ),
    "a trace function": (
        "import sys; sys.settrace(lambda *a: None)",
        "__import__('sys').gettrace()",
    ),
    "decimal's precision": (
        "import decimal; decimal.getcontext().prec = 3",
        "__import__('decimal').getcontext().prec",
    ),
    "warning filters": (
        "import warnings; warnings.simplefilter('error')",
        "len(__import__('warnings').filters)",
    ),
    "cached expressions": (
        "import re; re.compile('leak.*x')",
        "any('leak' in str(k) for k in __import__('re')._cache)",
    ),
    "a class of a library": (
        "import fractions; fractions.Fraction.leak = 1",
        "hasattr(__import__('fractions').Fraction, 'leak')",
    ),
    "a default argument": (
        "import textwrap; textwrap.indent.__defaults__ = (1,)",
        "__import__('textwrap').indent.__defaults__",
    ),
    "code of a function": (
        "import statistics; statistics.mean.__code__ = (lambda data: 7).__code__",
        "__import__('statistics').mean([1, 3])",
    ),
    "a registered codec": (
        "import codecs; codecs.register_error('leak', lambda e: ('', e.end))",
        "b'\\xff'.decode('ascii', 'leak')",
    ),
    "pickling": (
        "import copyreg; copyreg.dispatch_table[complex] = 1",
        "repr(__import__('copyreg').dispatch_table[complex])[:9]",
    ),
    "the streams": (
        "import sys; sys.stdout = sys.stderr = None",
        "__import__('sys').stdout is None",
    ),
    "exit handlers": (
        "import atexit; atexit.register(print)",
        "__import__('atexit')._ncallbacks()",
    ),
    "our own modules' names": (
        "import sys; sys._getframe(1).f_globals['PASS'] = 7",
        "__import__('sys')._getframe(2).f_globals.get('PASS')",
    ),
    "our own functions": (
        "import sys; sys._getframe(1).f_globals['verdict_of'] = lambda e: (1, b'')",
        "__import__('sys')._getframe(2).f_globals['verdict_of'].__name__",
    ),
    "an object in memory": (
        "import gc; gc.kept = [bytearray(b'leak' * 25000)]",
        "any(type(o) is bytearray for o in gc.get_objects()) if (gc := __import__('gc')) else 0",
    ),
    "a deep stack": (
        "def deep(n):\n    return deep(n - 1) if n else 0\ndeep(800)",
        "__import__('sys')._getframe(0).f_lineno",
    ),
}


@pytest.mark.judge
@pytest.mark.parametrize("name", LEAVERS)
def test_a_row_finds_nothing_of_the_one_before(recycling: Pool, name: str) -> None:
    """What the next row sees is what it sees in a pool that has run nothing else."""
    leave, look = LEAVERS[name]
    leaver = f"{leave}\ndef f(x):\n    return x\n"
    finder = f"def f(x):\n    return repr({look})\n"
    tests = ["assert f(1) == 0"]

    def rows(*solutions: str) -> Shown:
        return shown(recycling.matrix(solutions, tests))

    alone, recycled, _ = counted(recycling, lambda: rows(finder))
    assert recycled == 1, "the finder was not recycled"
    after, recycled, handed_on = counted(recycling, lambda: rows(leaver, finder, leaver, finder))
    assert (recycled, handed_on) == (4, 0)
    assert [after[1], after[3]] == [*alone, *alone]


def test_nothing_is_left_by_rows_of_all_kinds_mixed(recycling: Pool) -> None:
    leavers = [f"{how}\ndef f(x):\n    return x\n" for how, _ in LEAVERS.values()]
    finders = [f"def f(x):\n    return repr({look})\n" for _, look in LEAVERS.values()]
    tests = ["assert f(1) == 0"]
    alone = shown(recycling.matrix(finders, tests))
    mixed = shown(recycling.matrix([*leavers, *finders, *leavers, *finders], tests))
    assert mixed[len(leavers) : 2 * len(leavers)] == alone
    assert mixed[-len(finders) :] == alone


def test_many_rows_leave_no_mark(recycling: Pool) -> None:
    """Long after the pages that most rows write are known."""
    solutions = [
        f"import random\nkept = [random.random() for _ in range({10 * n})]\n"
        f"def f(x):\n    return x + {n}\n"
        for n in range(150)
    ]
    tests = [f"assert f(0) == {n}" for n in (3, 77)]
    matrix, recycled, handed_on = counted(
        recycling, lambda: shown(recycling.matrix(solutions, tests))
    )
    assert (recycled, handed_on) == (150 * (1 + len(tests)), 0)  # `random` is not tidy
    for n, row in enumerate(matrix):
        assert [cell[0] for cell in row] == ["PASS" if n == t else "WRONG" for t in (3, 77)]


def test_registers_memory_and_calls(recycling: Pool, repository: Path, tmp_path: Path) -> None:
    """The keeper's own test, in C: what Python cannot change, or look at."""
    program, native = tmp_path / "test_keeper", repository / "native"
    files = (
        "region wire filter jail zygote template subject task watch keeper recycled registers pages"
    ).split()
    sources = [str(native / "tests" / "test_keeper.c"), *(str(native / f"{f}.c") for f in files)]
    options = ["-std=gnu11", "-O1", f"-I{native}", "-o", str(program)]
    subprocess.run(["cc", *options, *sources, "-lpthread"], check=True)
    done = subprocess.run([str(program)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# -- the verdicts are those of a forked subject

HANDED_ON = {
    "a file of that name is made": "def f(x):\n    open('<solution>', 'w').close()\n    return x",
    "a file is written": "def f(x):\n    open('a', 'w').write('b')\n    return x",
    "a file is read": "def f(x):\n    return open('/etc/passwd').read()",
    "a folder is listed": "import os\ndef f(x):\n    return os.listdir('.')",
    "a folder is entered": "import os\ndef f(x):\n    os.chdir('/')\n    return x",
    "a module is loaded": "import colorsys\ndef f(x):\n    return x",
    "a pause": "import time\ndef f(x):\n    time.sleep(0.01)\n    return x",
    "CPU time is asked for": "import time\ndef f(x):\n    return time.process_time() > -1 and x",
    "a thread's time is asked for": "import time\ndef f(x):\n    return time.thread_time() < 9",
    "usage is asked for": "import os\ndef f(x):\n    return os.times()[0] > -1 and x",
    "a thread": (
        "import threading\ndef f(x):\n    t = threading.Thread(target=print)\n    t.start()\n"
        "    t.join()\n    return x"
    ),
    "a process": "import os\ndef f(x):\n    return os.fork()",
    "a handler": "import signal\ndef f(x):\n    signal.signal(signal.SIGALRM, print)\n    return x",
    "a timer": "import signal\ndef f(x):\n    signal.alarm(9)\n    return x",
    "a signal to itself": "import os\ndef f(x):\n    os.kill(os.getpid(), 15)\n    return x",
    "a mask": "import os\ndef f(x):\n    return os.umask(7)",
    "a variable of the environment that C sees": (
        "import time, os\ndef f(x):\n    os.environ['TZ'] = 'EST5EDT'\n    time.tzset()\n"
        "    return x"
    ),
    "a descriptor is closed": "import os\ndef f(x):\n    os.close(1)\n    return x",
    "a descriptor is copied": "import os\ndef f(x):\n    return os.dup(0)",
    "a socket": "import socket\ndef f(x):\n    return socket.socket()",
    "a program": "import os\ndef f(x):\n    os.execv('/bin/true', ['true'])",
    "more memory than is free": "def f(x):\n    return len([0] * 10_000_000)",
    "many objects": "def f(x):\n    return len([(i,) for i in range(200_000)])",
    "all memory": "def f(x):\n    y = [0]\n    while True:\n        y += y",
    "deep recursion": (
        "import sys\nsys.setrecursionlimit(10**6)\ndef f(x):\n"
        "    return 0 if x > 20_000 else f(x + 1)"
    ),
    "endless recursion in C": (
        "import sys\nsys.setrecursionlimit(10**9)\nclass A:\n    def __repr__(self):\n"
        "        return repr([self])\ndef f(x):\n    return repr(A())"
    ),
    "too slow": "def f(x):\n    while True:\n        pass",
    "it leaves": "import os\ndef f(x):\n    os._exit(3)",
    "it leaves as if all were well": "import os\ndef f(x):\n    os._exit(0)",
    "it leaves while it is loaded": "import os\nos._exit(0)",
    "a flood": "def f(x):\n    while True:\n        print('x' * 1000)",
    "a file of ours": "import os\ndef f(x):\n    return os.stat('/usr')",
    "who it is": "import os\ndef f(x):\n    return os.getgroups()",
    "scheduling": "import os\ndef f(x):\n    return os.sched_getaffinity(0)",
    "priority": "import os\ndef f(x):\n    return os.nice(3)",
    "a lock that nobody gives back": (
        "import threading\ndef f(x):\n    lock = threading.Lock()\n    lock.acquire()\n"
        "    lock.acquire()"
    ),
    "its own last filter again": (
        "import sys\ndef f(x):\n    frame = getattr(sys, '_'.join(['', 'getframe']))(2)\n"
        "    frame.f_globals['native'].park()\n    return x"
    ),
}
RECYCLED = {
    "its source is looked for": "def f(x):\n    return open('<solution>').read()",
    "a syntax error": "def f(x:\n    return x",
    "another syntax error": "def f(x):\nreturn x",
    "an unfinished text": "def f(x):\n    return '''x",
    "a character that is none": "def f(x):\n    return \x00",
    "a syntax error when called": "def f(x):\n    return eval('1 +')",
    "its source is not found": (
        "def f(x):\n    for _ in range(50):\n        try:\n"
        "            compile('1 +', '<solution>', 'eval')\n"
        "        except SyntaxError:\n            pass\n    return x"
    ),
    "nothing": "def f(x):\n    return x",
    "standard input": "def f(x):\n    return input()",
    "all of standard input": "import sys\ndef f(x):\n    return x + len(sys.stdin.read())",
    "standard input's kind": (
        "import os\ndef f(x):\n    return (os.fstat(0).st_mode, os.lseek(0, 5, 0))"
    ),
    "wrong": "def f(x):\n    return -x",
    "an error when loaded": "raise OSError(13, 'no')",
    "an error when called": "def f(x):\n    return x / 0",
    "sys.exit": "import sys\ndef f(x):\n    sys.exit(0)",
    "sys.exit when loaded": "import sys\nsys.exit(0)",
    "no function": "x = 1",
    "an interrupt": "def f(x):\n    raise KeyboardInterrupt",
    "not plain data": "def f(x):\n    return object()",
    "a long answer": "def f(x):\n    return 'x' * 70_000",
    "printing": "def f(x):\n    print(x, flush=True)\n    return x",
    "recursion without end": "def f(x):\n    return f(x)",
    "recursion as deep as it may be": (
        "def g(n):\n    return 0 if n == 0 else g(n - 1)\ndef f(x):\n    return g(900) or x"
    ),
    "how deep it may be": (
        "def g(n):\n    try:\n        return g(n + 1)\n    except RecursionError:\n"
        "        return n\n"
        "def f(x):\n    return g(0)"
    ),
    "a number with many digits": "def f(x):\n    return len(str(10 ** 5000))",
    "a warning": "def f(x):\n    return x is 1",
    "the clock": "import time\ndef f(x):\n    return time.time() + time.monotonic() > 1 and x",
    "random numbers": "import random\ndef f(x):\n    return random.random()",
    "randomness": "import os\ndef f(x):\n    return len(os.urandom(8)) and x",
    "its number": "import os\ndef f(x):\n    return os.getpid() > 0 and x",
    "a generator that is not finished": (
        "def g():\n    try:\n        yield 1\n    finally:\n        print('closed')\n"
        "def f(x):\n    return next(g())"
    ),
    "a destructor": (
        "class A:\n    def __del__(self):\n        raise ValueError\n"
        "def f(x):\n    A()\n    return x"
    ),
}
TESTS = ["assert f(1) == 1", "assert f(2) == 2", "assert f(1) in (1, 0.5)"]


@pytest.mark.parametrize("name", [*HANDED_ON, *RECYCLED])
def test_the_verdict_is_that_of_a_forked_subject(recycling: Pool, forking: Pool, name: str) -> None:
    """Where the row is handed on, and where it is not; and the next row finds all well."""
    solution = (HANDED_ON | RECYCLED)[name]
    tests = TESTS[: 1 if "lock" in name else 3]  # each waits for its wall time
    expected = shown(forking.matrix([solution], tests))
    found, recycled, handed_on = counted(
        recycling, lambda: shown(recycling.matrix([solution], tests))
    )
    assert verdicts(found) == verdicts(expected)
    if name in HANDED_ON:
        assert recycled <= 1 + len(tests)  # to say what the solution is; it judged none
        assert handed_on >= 1  # again where its forked subject is started twice
    else:
        assert handed_on == 0
        assert recycled in (1, 1 + len(tests))
    plain = RECYCLED["nothing"]
    after, recycled, _ = counted(recycling, lambda: shown(recycling.matrix([plain] * 2, TESTS)))
    assert [[cell[0] for cell in row] for row in after] == [["PASS"] * 3] * 2
    assert recycled == 2


def test_slow_but_in_time(recycling: Pool, forking: Pool) -> None:
    slow = "def f(x):\n    n = 0\n    while n < 10_000_000:\n        n += 1\n    return x"
    limits = Limits(cpu_s=20, wall_s=200)
    expected = shown(forking.matrix([slow], TESTS, limits=limits))
    assert [cell[0] for cell in expected[0]] == ["PASS"] * 3
    found, recycled, handed_on = counted(
        recycling, lambda: shown(recycling.matrix([slow], TESTS, limits=limits))
    )
    assert (found, recycled, handed_on) == (expected, 0, 1)


@pytest.mark.parametrize(
    ("limits", "is_recycled"),
    [
        (Limits(cpu_s=0.5, wall_s=10), True),
        (Limits(cpu_s=0.5, wall_s=10, int_digits=2000), True),
        (Limits(cpu_s=0.5, wall_s=10, stack_bytes=1 << 20), True),
        (Limits(cpu_s=0.5, wall_s=10, memory_bytes=64 << 20), True),
        (Limits(cpu_s=0.5, wall_s=10, memory_bytes=48 << 20), False),
        (Limits(cpu_s=0.5, wall_s=10, processes=True), False),
    ],
)
def test_limits_are_those_of_the_job(
    recycling: Pool, forking: Pool, limits: Limits, is_recycled: bool
) -> None:
    solutions = [
        "def f(x):\n    return len(str(10 ** 3000))",
        "import sys\ndef f(x):\n    return sys.get_int_max_str_digits()",
        RECYCLED["how deep it may be"],
    ]
    expected = shown(forking.matrix(solutions, TESTS, limits=limits))
    found, recycled, _ = counted(
        recycling, lambda: shown(recycling.matrix(solutions, TESTS, limits=limits))
    )
    assert verdicts(found) == verdicts(expected)
    assert recycled == (3 + len(TESTS) if is_recycled else 0)  # `sys` is not tidy


def test_files_beside_a_solution(recycling: Pool, forking: Pool) -> None:
    """Looking for modules is a question to the file system."""
    solution = "from helper import g\ndef f(x):\n    return g(x)"
    files = {"helper.py": "def g(x):\n    return x", "data.txt": "1"}
    expected = shown(forking.matrix([solution], TESTS, files=files))
    found, _, handed_on = counted(
        recycling, lambda: shown(recycling.matrix([solution], TESTS, files=files))
    )
    assert found == expected
    assert handed_on >= 1


def test_cells_that_leave_something_for_the_next(recycling: Pool, forking: Pool) -> None:
    solution = (
        "import json\ndef f(x):\n    json.seen = getattr(json, 'seen', 0) + 1\n    return json.seen"
    )
    tests = ["assert f(1) == 1"] * 3
    expected = shown(forking.matrix([solution], tests))
    found, recycled, handed_on = counted(
        recycling, lambda: shown(recycling.matrix([solution], tests))
    )
    assert found == expected
    assert (recycled, handed_on) == (1 + len(tests), 0)  # each in a process of its own


# -- what it costs, and what is left of it


def test_the_time_of_cells(recycling: Pool) -> None:
    """Of each its own part, and together not more than the row used."""
    busy = "def f(x):\n    n = 0\n    while n < 30_000 * (x > 1):\n        n += 1\n    return x"
    matrix = recycling.matrix([busy], TESTS)
    cpu_us = [int(matrix.cpu_us_ST[0, t]) for t in range(3)]
    assert cpu_us[1] > 2 * cpu_us[2]
    assert sum(cpu_us) < 1e6


def test_times_do_not_run_on(recycling: Pool) -> None:
    """The CPU time of a row is its own, however many rows the same process ran before."""
    busy = "def f(x):\n    n = 0\n    while n < 30_000:\n        n += 1\n    return x"
    matrix = recycling.matrix([busy] * 60, TESTS[:1])
    cpu_us = sorted(int(matrix.cpu_us_ST[s, 0]) for s in range(60))
    assert cpu_us[-1] < 0.5e6
    assert cpu_us[50] < 20 * cpu_us[5]


def test_switched_off() -> None:
    with Pool(1, recycle=False) as pool:
        assert not pool.recycles
        assert pool.why_not_recycled == "switched off"
        pool.matrix([RECYCLED["nothing"]] * 20, TESTS)
        assert pool.statistics()["recycled_rows"] == 0
        assert pool.statistics()["keepers"] == 0


def test_chosen_by_itself_after_a_few_rows(recycling: Pool) -> None:
    with Pool(1) as pool:
        pool.matrix([RECYCLED["nothing"]], TESTS)
        assert pool.statistics()["keepers"] == 0
        pool.matrix([RECYCLED["nothing"]] * 40, TESTS)
        assert pool.statistics()["recycled_rows"] > 20


def test_rows_that_are_always_handed_on_are_not_tried_for_ever(recycling: Pool) -> None:
    with Pool(1) as pool:
        pool.matrix([HANDED_ON["many objects"]] * 200, TESTS[:1])
        assert 0 < pool.statistics()["handed_on"] < 60


def test_a_lower_level_has_none() -> None:
    with Pool(1, level="confined") as pool:
        assert not pool.recycles
        assert "recycle-jail" in pool.why_not_recycled
        matrix = pool.matrix([RECYCLED["nothing"]] * 20, TESTS)
        assert {cell[0] for row in shown(matrix) for cell in row} == {"PASS"}
        assert pool.statistics()["recycled_rows"] == 0


@pytest.mark.parametrize("victim", ["keeper", "subject"])
def test_killed_from_outside(recycling: Pool, victim: str) -> None:
    """The row is judged all the same, and a new one takes the place."""
    recycling.matrix([RECYCLED["nothing"]], TESTS)
    kept = [p for p in psutil.Process().children(recursive=True) if p.name() == "sv-recycled"]
    assert kept
    for process in kept:
        (process if victim == "subject" else process.parent() or process).kill()
    for _ in range(3):
        matrix = shown(recycling.matrix([RECYCLED["nothing"]] * 3, TESTS))
        assert {cell[0] for row in matrix for cell in row} == {"PASS"}
    before = recycling.statistics()["recycled_rows"]
    recycling.matrix([RECYCLED["nothing"]], TESTS)
    assert recycling.statistics()["recycled_rows"] == before + 1


BEGINNINGS = ["recycle-jail", "recycle-ptrace", "recycle-rehearsal", "recycle-pages"]


@pytest.mark.parametrize("failure", [errno.ENOMEM, errno.EPERM, -signal.SIGKILL])
@pytest.mark.parametrize("stage", BEGINNINGS)
def test_a_beginning_that_fails(recycling: Pool, stage: str, failure: int) -> None:
    """Every row is forked, and the doctor's question is answered with the place of the failure."""
    with Pool(1, limits=LIMITS, _fault=(stage, failure, 9), _check_recycled=True) as pool:
        assert not pool.recycles
        assert failure < 0 or stage in pool.why_not_recycled
        for _ in range(3):
            matrix = shown(pool.matrix([RECYCLED["nothing"]] * 4, TESTS))
            assert {cell[0] for row in matrix for cell in row} == {"PASS"}
        counters = pool.statistics()
        assert (counters["recycled_rows"], counters["retried"], counters["infra_rows"]) == (0, 0, 0)


def test_a_beginning_that_fails_once(recycling: Pool) -> None:
    """The next row has a keeper."""
    with Pool(
        1, limits=LIMITS, _fault=("recycle-pages", errno.ENOMEM, 1), _check_recycled=True
    ) as p:
        p.matrix([RECYCLED["nothing"]] * 4, TESTS)
        assert p.statistics()["recycled_rows"] == 3


@pytest.mark.parametrize("failure", [errno.ENOMEM, errno.ESRCH, -signal.SIGKILL])
@pytest.mark.parametrize("stage", ["recycle-ptrace", "recycle-pages"])
def test_a_row_on_which_the_keeper_fails(recycling: Pool, stage: str, failure: int) -> None:
    """It is judged in a forked subject, and the keeper and its subject are not used again."""
    solutions = [RECYCLED["nothing"], RECYCLED["wrong"]]
    job = recycling.submit(solutions, TESTS, _fault=(stage, failure))
    before = recycling.statistics()
    matrix = shown(job.wait())
    assert [row[0][0] for row in matrix] == ["PASS", "WRONG"]
    recycling.matrix([RECYCLED["nothing"]], TESTS)
    after = recycling.statistics()
    assert after["keepers"] > before["keepers"] or after["recycled_rows"] > before["recycled_rows"]


def test_nothing_is_left_of_the_pool(recycling: Pool, nothing_left: None) -> None:
    with Pool(2, _check_recycled=True) as pool:
        pool.matrix([RECYCLED["nothing"]] * 20, TESTS)
        names = [p.name() for p in psutil.Process().children(recursive=True)]
        assert names.count("sv-recycled") >= 2
    gc.collect()


def test_memory_does_not_grow(recycling: Pool) -> None:
    """Rows that touch ever other pages take no more than there is."""
    solution = "def f(x):\n    return len([bytes(i % 400) for i in range(2000)])"

    def resident() -> int:
        children = psutil.Process(os.getpid()).children(recursive=True)
        return sum(p.memory_info().rss for p in children if p.name() == "sv-recycled")

    recycling.matrix([solution] * 40, TESTS)
    before = resident()
    recycling.matrix([solution] * 200, TESTS)
    assert resident() <= before + (4 << 20)


def test_the_doctor_tells(recycling: Pool) -> None:
    assert doctor.report().recycling == ""
    assert "recycled subjects: on" in doctor.report().text()
    low = doctor.report("confined")
    assert "recycle-jail" in low.recycling
    assert low.recycling in low.text()
