"""Each limit has its verdict, and whatever hits one ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sv_sandbox import Layer, Limits, Pool, Verdict

from .tables import rows

ENDS_WITHIN_S = 5.0  # beyond its limit; generous, because the machine may be busy


SHORT = Limits(cpu_s=0.2)


@dataclass(frozen=True)
class Case:
    """A solution whose `f()` runs into `limits`."""

    name: str
    body: str
    verdict: Verdict
    limits: Limits = SHORT


CASES = [
    Case("loop", "while True: pass", Verdict.TIMEOUT),
    Case("loop-in-c", "return sum(range(10**12))", Verdict.TIMEOUT),
    Case("power", "return len(str(3 ** (10**8)))", Verdict.TIMEOUT),
    Case("regex", "import re; return re.match('(a+)+$', 'a' * 40 + 'b') is None", Verdict.TIMEOUT),
    Case(
        "ignores-signals",
        """
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    try:
        while True: pass
    except BaseException:
        pass""",
        Verdict.TIMEOUT,
    ),
    Case("sleeps", "import time; time.sleep(60)", Verdict.TIMEOUT, Limits(cpu_s=5, wall_s=0.3)),
    Case(
        "stops-itself",
        "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
        Verdict.TIMEOUT,
        Limits(cpu_s=5, wall_s=0.3),
    ),
    Case(
        "waits-for-thread",
        "import threading; threading.Event().wait()",
        Verdict.TIMEOUT,
        Limits(cpu_s=5, wall_s=0.3),
    ),
    Case(
        "burns-in-threads",
        """
import threading
def burn():
    while True: pass
for _ in range(4): threading.Thread(target=burn, daemon=True).start()
burn()""",
        Verdict.TIMEOUT,
    ),
    Case("one-allocation", "return len(bytearray(4 << 30))", Verdict.MEMORY),
    Case(
        "many-allocations",
        "return len([bytes(1 << 20) + bytes([i % 256]) for i in range(10**6)])",
        Verdict.MEMORY,
        Limits(cpu_s=5, memory_bytes=64 << 20),
    ),
    Case(
        "prints",
        "while True: print('x' * 1000)",
        Verdict.OUTPUT,
        Limits(cpu_s=5, output_bytes=10_000),
    ),
    Case(
        "writes-to-stderr",
        "import os\nwhile True: os.write(2, b'x' * 65536)",
        Verdict.OUTPUT,
        Limits(cpu_s=5, output_bytes=100_000),
    ),
    Case(
        "large-file",
        "with open('f', 'wb') as f: f.write(bytes(8 << 20))",
        Verdict.OUTPUT,
        Limits(cpu_s=5, file_bytes=1 << 20),
    ),
    Case("forks", "import os; return os.fork() >= 0", Verdict.FORBIDDEN),
    Case("executes", "import os; os.execv('/bin/true', ['true'])", Verdict.FORBIDDEN),
    Case(
        "spawns",
        "import subprocess; return subprocess.run(['/bin/true']).returncode",
        Verdict.FORBIDDEN,
    ),
    Case("network", "import socket; socket.create_connection(('127.0.0.1', 9))", Verdict.FORBIDDEN),
    Case(
        "threads",
        """
import threading
for _ in range(64): threading.Thread(target=threading.Event().wait, daemon=True).start()""",
        Verdict.EXCEPTION,
        Limits(cpu_s=1, threads=8),
    ),
    Case(
        "open-files",
        "return len([open('/dev/null') for _ in range(200)])",
        Verdict.EXCEPTION,
        Limits(cpu_s=1, open_files=32),
    ),
    Case("recursion", "return f()", Verdict.EXCEPTION),
    Case("null-pointer", "import ctypes; return ctypes.string_at(0)", Verdict.EXCEPTION),
    Case("abort", "import os; os.abort()", Verdict.EXCEPTION),
    Case("exit", "raise SystemExit(0)", Verdict.EARLY_EXIT),
    Case("os-exit", "import os; os._exit(0)", Verdict.EARLY_EXIT),
    Case(
        "terminates-itself",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        Verdict.EARLY_EXIT,
    ),
]


@pytest.fixture(scope="module")
def lone() -> Iterator[Pool]:
    """One worker, so that what a row leaves meets the next one; limits as they are by default."""
    with Pool(1) as pool:
        yield pool


def function(body: str) -> str:
    """`body` as the function f."""
    lines = "\n".join("    " + line for line in body.strip("\n").splitlines())
    return f"def f():\n{lines}\n"


@pytest.mark.hostile
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_limit_has_its_verdict(pool: Pool, judge: str, case: Case) -> None:
    began = time.monotonic()
    m = pool.matrix(
        [function(case.body)], ["f()", "assert 1 + 1 == 2"], limits=case.limits, judge=judge
    )
    assert m.verdict(0, 0) is case.verdict, m.detail(0, 0)
    assert m.detail(0, 0) or case.verdict in (Verdict.TIMEOUT, Verdict.OUTPUT)
    assert m.verdict(0, 1) is Verdict.PASS, m.detail(0, 1)
    assert time.monotonic() - began < case.limits.wall_guard_s + ENDS_WITHIN_S


@pytest.mark.hostile
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_limit_holds_while_the_solution_loads(pool: Pool, judge: str, case: Case) -> None:
    if case.name == "recursion":
        pytest.skip("a module body cannot recurse into itself")
    solution = function(case.body) + "f()\n"
    began = time.monotonic()
    m = pool.matrix([solution], ["pass", "pass"], limits=case.limits, judge=judge)
    assert [m.verdict(0, 0), m.verdict(0, 1)] == [case.verdict] * 2, m.detail(0, 0)
    assert time.monotonic() - began < case.limits.wall_guard_s + ENDS_WITHIN_S


@pytest.mark.hostile
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.verdict is not Verdict.EARLY_EXIT], ids=lambda c: c.name
)
def test_limit_of_a_program(pool: Pool, case: Case) -> None:
    began = time.monotonic()
    result = pool.run(function(case.body) + "f()\n", limits=case.limits)
    assert result.verdict is case.verdict, result
    assert result.exit_code != 0
    assert time.monotonic() - began < case.limits.wall_guard_s + ENDS_WITHIN_S


def test_cpu_time_is_counted_per_cell(pool: Pool, judge: str) -> None:
    spin = """
import time
def f(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end: pass
    return True
"""
    m = pool.matrix([spin], ["assert f(0.0)", "assert f(0.2)", "assert f(0.0)"], judge=judge)
    assert bytes(m.verdict_ST) == bytes([Verdict.PASS] * 3)
    idle, busy, after = rows(m.cpu_us_ST)[0]
    assert idle < 150_000
    assert after < 150_000
    assert 190_000 <= busy < 450_000


def test_budget_is_fresh_for_every_cell(pool: Pool, judge: str) -> None:
    spin = """
import time
def f():
    end = time.thread_time() + 0.15
    while time.thread_time() < end: pass
    return True
"""
    m = pool.matrix([spin], ["assert f()"] * 4, limits=Limits(cpu_s=0.4), judge=judge)
    assert bytes(m.verdict_ST) == bytes([Verdict.PASS] * 4)


def test_children_are_allowed_on_request_and_end_with_their_row(pool: Pool) -> None:
    if Layer.PID_NAMESPACE not in pool.layers:
        pytest.skip("children need a private pid namespace")
    limits = Limits(cpu_s=1, processes=True)
    source = """
import subprocess
print(subprocess.run(['/bin/echo', 'child'], capture_output=True, text=True).stdout, end='')
subprocess.Popen(['/bin/sleep', '60'])
"""
    result = pool.run(source, limits=limits)
    assert (result.verdict, result.stdout) == (Verdict.PASS, b"child\n"), result
    assert pool.run("print(1)").stdout == b"1\n"


@pytest.mark.hostile
def test_fork_bomb_ends(pool: Pool) -> None:
    if Layer.PID_NAMESPACE not in pool.layers:
        pytest.skip("children need a private pid namespace")
    source = """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
    result = pool.run(source, limits=Limits(cpu_s=0.3, wall_s=1, processes=True))
    assert result.verdict is Verdict.TIMEOUT, result
    assert pool.run("print(1)").stdout == b"1\n"


FLOODS = {
    "calls": "assert f(1) == 1",
    "code": "for x in (1, 2):\n    assert f(x) == x",
}


@pytest.mark.parametrize("test", FLOODS.values(), ids=FLOODS)
def test_a_flood_that_ends_by_itself(pool: Pool, judge: str, test: str) -> None:
    """A little more than the limit, written and done before anybody could stop it."""
    solution = "def f(x):\n    print('y' * 3000)\n    return x\n"
    for _ in range(5):
        m = pool.matrix([solution], [test], judge=judge, limits=Limits(output_bytes=2000))
        assert m.verdict(0, 0) is Verdict.OUTPUT
        m = pool.matrix([solution], [test], judge=judge, limits=Limits(output_bytes=20_000))
        assert m.verdict(0, 0) is Verdict.PASS
        result = pool.run("print('y' * 3000)", limits=Limits(output_bytes=2000))
        assert (result.verdict, len(result.stdout)) == (Verdict.OUTPUT, 2000)


# ---- what is planned and compared, and who waits for whom ----------------------------------------

PLAIN_TEST = "assert f(1) == 2"
ADD_ONE = "def f(x):\n    return x + 1\n"
COLLISIONS = "def f(i):\n    return [k * (2**61 - 1) for k in range(1 + i, 5401 + i)]\n"
SHAPES = """
import numpy as np
def f(i):
    return np.zeros((30000, 1)) if i % 2 else np.zeros((1, 30000))
"""
COSTLY_ANSWERS = [
    ("collisions", COLLISIONS, "assert set(f({i})) == {{1}}"),
    ("collisions-twice", COLLISIONS, "assert set(f({i})) | set(f({i})) == {{1}}"),
    ("shapes", SHAPES, "assert abs(f({i}) - f({i} + 1)).sum() < 1e-9"),
    ("difference", SHAPES, "assert abs(f({i}) - f({i} + 1)) < 1e-9"),
    ("repeated", "def f(i):\n    return 'a' * 60000\n", "assert f({i}) * 10**6 == 3"),
    ("power", "def f(i):\n    return 10**9\n", "assert 10 ** f({i}) == 5"),
    ("range", "def f(i):\n    return 10**11\n", "assert list(range(f({i}))) == []"),
    ("sum", "def f(i):\n    return 10**11\n", "assert sum(range(f({i}))) == 5"),
]


@pytest.mark.hostile
@pytest.mark.parametrize(
    ("solution", "test"),
    [case[1:] for case in COSTLY_ANSWERS],
    ids=[case[0] for case in COSTLY_ANSWERS],
)
def test_an_answer_that_is_costly_to_compare_costs_only_its_own_cell(
    solution: str, test: str
) -> None:
    tests = [test.format(i=i) for i in range(10)] + [PLAIN_TEST]  # more than a row has attempts
    with Pool(1, limits=Limits(cpu_s=0.15)) as pool:
        m = pool.matrix([solution, ADD_ONE], tests)
        assert m.verdict(1, 10) is Verdict.PASS
        assert Verdict.INFRA not in rows(m.verdict_ST)[0]
        assert Verdict.PASS not in rows(m.verdict_ST)[0]
        assert pool.statistics()["retried"] == 0


COSTLY_TESTS = [
    "assert f(list(range(10**7))) == 3",
    "assert f([0] * 10**9) == 3",
    "assert f('a' * 10**11) == 3",
    "assert f(10**10**10) == 3",
    "assert f(2) == 7**7**7**7",
    "assert f([" + "0, " * 300_000 + "]) == 3",
    "assert f(" + "[" * 5000 + "]" * 5000 + ") == 3",
    "assert f(0) == " + " + ".join(["1"] * 20_000),
]


@pytest.mark.hostile
@pytest.mark.parametrize("test", COSTLY_TESTS, ids=[test[:30] for test in COSTLY_TESTS])
def test_a_test_that_is_costly_to_plan_fails_alone(test: str) -> None:
    with Pool(1, limits=Limits(cpu_s=0.5)) as pool:
        m = pool.matrix([ADD_ONE, ADD_ONE + "0 / 0"], [PLAIN_TEST, test, PLAIN_TEST])
        assert (m.verdict(0, 0), m.verdict(0, 2)) == (Verdict.PASS, Verdict.PASS)
        for s in (0, 1):  # it fails, or is a hole of its own: a value that cannot cross
            verdict = m.verdict(s, 1)
            assert verdict is not Verdict.PASS
            assert verdict is not Verdict.INFRA or m.held_ST[s, 1], m.detail(s, 1)


@pytest.mark.judge
@pytest.mark.parametrize(
    ("count", "argument", "answer"),
    [
        (2300, "'a' * 0 + " + repr("a" * 15_000), "len(x)"),
        (2300, repr("a" * 15_000), "len(x)"),
        (1200, repr("a" * 30_000), "len(x)"),
        (2300, "15000", "'a' * x"),
        (1200, repr("a" * 30_000), "x + 'a'"),
    ],
    ids=["expression", "requests", "longer-requests", "answers", "both"],
)
def test_a_row_larger_than_its_arena(count: int, argument: str, answer: str) -> None:
    """Requests or answers of a row that do not fit go another way, and are never wrong."""
    right = eval(answer, {"x": eval(argument)})
    tests = [f"assert f({argument}) == {right!r}", f"assert f({argument}) == None"] * (count // 2)
    solution = f"def f(x):\n    return {answer}\n"
    with Pool(1, limits=Limits(cpu_s=1)) as pool:
        m = pool.matrix([solution], [*tests[:-1], "assert f('zz') == 5"])
        assert bytes(m.verdict_ST)[:-1] == (bytes([1, 2]) * (count // 2))[:-1]


@pytest.mark.parametrize("judge", ["split", "inline"])
def test_no_test_pays_for_another_to_be_read(judge: str) -> None:
    lines = "".join(f"    x{n} = [{n}, ({n}, '{n}'), lambda a: a + {n}]\n" for n in range(60_000))
    long = f"assert f(1) == 1\ndef g():\n{lines}"  # a second and more to compile
    tests = ["import math\nassert f(1) == math.floor(1.5)", "x = f(2)\nassert x == 2", long]
    with Pool(1, limits=Limits(cpu_s=0.5)) as pool:
        m = pool.matrix(["def f(x): return x"], [*tests, tests[1]], trust="inline", judge=judge)
    assert rows(m.verdict_ST) == [[Verdict.PASS, Verdict.PASS, Verdict.TIMEOUT, Verdict.PASS]]


@pytest.mark.judge
@pytest.mark.parametrize(
    "work",
    [
        "f(0); work(1.5)",
        "[work(0.5) for _ in range(3)]",
    ],
)
def test_a_subject_may_wait_for_its_judge(work: str) -> None:
    """A test that works long between two calls: the subject's idle guard is not for that."""
    test = f"""
import time
def work(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end: pass
f(1)
{work}
assert f(1) == 2
"""
    with Pool(1, limits=Limits(cpu_s=60, wall_s=1)) as pool:
        m = pool.matrix([ADD_ONE], [test, "x = f(1)\nassert [x, f(3)] == [2, 4]", PLAIN_TEST])
        assert rows(m.verdict_ST) == [[Verdict.PASS] * 3], [m.detail(0, t) for t in range(3)]


# ---- stacks, digits, room for what is expected ---------------------------------------------------

DEEP = """
import functools, sys, threading
sys.setrecursionlimit(10**7)
threading.stack_size({size})
{cache}
def d(n): return 0 if n == 0 else 1 + d(n - 1)
def main(): print(d({depth}))
t = threading.Thread(target=main)
t.start()
t.join()
"""


@pytest.mark.parametrize(
    ("size", "depth", "cache", "limits"),
    [
        *((mb << 20, 100_000, "", Limits(cpu_s=10)) for mb in (64, 128, 256, 512, 1023)),
        (512 << 20, 500_000, "", Limits(cpu_s=10)),
        (512 << 20, 100_000, "", Limits(cpu_s=10, memory_bytes=2 << 30)),
        (512 << 20, 30_000, "@functools.lru_cache(None)", Limits(cpu_s=10)),
        (2**30 + 4096, 10_000, "", Limits(cpu_s=10, memory_bytes=128 << 20)),
        (64 << 20, 10_000, "", Limits(cpu_s=10, stack_bytes=4 << 20)),
        (0, 5_000, "", Limits(cpu_s=10)),
    ],
)
def test_stacks_that_contest_programs_ask_for(
    lone: Pool, size: int, depth: int, cache: str, limits: Limits
) -> None:
    program = DEEP.format(size=size, depth=depth, cache=cache)
    result = lone.run(program, expected=str(depth), limits=limits)
    assert result.verdict is Verdict.PASS, result


def test_stack_sizes_behave_as_documented(pool: Pool) -> None:
    source = """
import _thread, threading
assert threading.stack_size() == 0
assert threading.stack_size(512 << 20) == 0
assert threading.stack_size(64 << 20) == 512 << 20
assert threading.stack_size() == 64 << 20 and _thread.stack_size() == 0
for wrong in (1, -1, '1', None):
    try:
        threading.stack_size(wrong)
    except (TypeError, ValueError):
        continue
    raise AssertionError(wrong)
import resource
soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
assert soft == 96 << 20, soft
resource.setrlimit(resource.RLIMIT_STACK, (hard, hard))
"""
    result = pool.run(source, limits=Limits(stack_bytes=96 << 20))
    assert result.verdict is Verdict.PASS, result


@pytest.mark.parametrize(
    ("digits", "length", "verdict"),
    [
        (4300, 4300, Verdict.PASS),
        (4300, 4301, Verdict.EXCEPTION),
        (640, 641, Verdict.EXCEPTION),
        (10_000, 10_000, Verdict.PASS),
        (0, 50_000, Verdict.PASS),
    ],
)
@pytest.mark.parametrize("test", ["assert f({n}) == '1' * {n}", "x = f({n})\nassert len(x) == {n}"])
def test_digits(
    lone: Pool, judge: str, test: str, digits: int, length: int, verdict: Verdict
) -> None:
    solution = "def f(n):\n    return str(int('1' * n))\n"
    limits = Limits(cpu_s=5, int_digits=digits)
    m = lone.matrix([solution], [test.format(n=length)], limits=limits, judge=judge)
    assert m.verdict(0, 0) is verdict, m.detail(0, 0)
    result = lone.run(f"print(int('1' * {length}))", limits=limits)
    assert result.verdict is verdict, result
    assert lone.run("print(10**4299 % 7)").verdict is Verdict.PASS  # the next has its own


LONG = "\n".join(map(str, range(300_000)))


@pytest.mark.parametrize("check", ["exact", "lines", "tokens"])
@pytest.mark.parametrize(
    ("expected", "limit"), [(LONG, 1 << 20), ("x" * 101, 100), ("ä" * 51, 100), (b"x" * 101, 100)]
)
def test_more_is_expected_than_may_be_printed(
    pool: Pool, check: str, expected: str | bytes, limit: int
) -> None:
    with pytest.raises(ValueError, match="no program could pass"):
        pool.run("pass", expected=expected, check=check, limits=Limits(output_bytes=limit))


@pytest.mark.parametrize(
    ("expected", "check"),
    [
        ("x" * 100, "exact"),
        ("x" * 100 + "\n" * 50, "lines"),
        ("x" + " " * 200 + "x", "tokens"),
        ("1." + "0" * 200, "floats"),
        ("x" * 500, lambda stdin, expected, output: output == b"fine\n"),
    ],
)
def test_what_fits_may_be_expected(pool: Pool, expected: str, check: Any) -> None:
    shorter = {"floats": "1.0", "tokens": "x x", "lines": "x" * 100}
    program = "print('fine')"
    if isinstance(check, str):
        program = f"print({shorter.get(check, expected)!r}, end='')"
    result = pool.run(program, expected=expected, check=check, limits=Limits(output_bytes=100))
    assert result.verdict is Verdict.PASS, result
