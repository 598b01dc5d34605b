"""Nothing passes from one row to another, and nothing from outside is there to see.

One worker, so that every row runs in the same template as the one before; the inline judge, so that
tests run beside the solution and see what it sees.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from sv_sandbox import Layer, Limits, Matrix, Pool, Verdict


@pytest.fixture(scope="module")
def lone_pool() -> Iterator[Pool]:
    """One worker."""
    with Pool(1, limits=Limits(cpu_s=1)) as pool:
        yield pool


@pytest.fixture
def private_root(lone_pool: Pool) -> None:
    """Skips where programs run on the host's root, and so have no /tmp."""
    if Layer.MOUNT_NAMESPACE not in lone_pool.layers:
        pytest.skip("no private root here")


def inline(pool: Pool, solutions: list[str], tests: list[str], **options: Any) -> Matrix:
    """The matrix with tests in the subject."""
    return pool.matrix(solutions, tests, judge="inline", **options)


VANDAL = """
import builtins, ctypes, gc, os, random, signal, sys, tempfile
open('/tmp/left', 'w').write('x')
os.mkdir('/tmp/folder')
os.symlink('/etc', '/tmp/folder/link')
os.utime('/tmp/folder', (1, 1))
os.chmod('/tmp/left', 0)
os.environ['LEFT'] = 'x'
os.chdir('/')
os.umask(0)
random.seed(99)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
sys.setrecursionlimit(50000)
sys.modules['math'] = None
builtins.len = lambda x: 7
sys.path.append('/tmp')
gc.disable()
libc = ctypes.CDLL(None)
try:
    libc.shmget(1234, 4096, 0o1666)
    libc.mq_open(b'/left', os.O_CREAT | os.O_RDWR, 0o666, None)
except AttributeError:
    pass
def f():
    return 1
"""

WITNESS = """
import gc, os, random, signal, sys
import math
def f():
    return {
        'files': sorted(os.listdir('/tmp')),
        'env': 'LEFT' in os.environ,
        'cwd': os.getcwd(),
        'umask': os.umask(0o22),
        'mask': sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
        'handler': signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL,
        'recursion': sys.getrecursionlimit(),
        'len': len('abcd'),
        'path': '/tmp' in sys.path,
        'gc': gc.isenabled(),
        'random': random.random(),
        'math': math.floor(1.5),
        'mtime': int(os.stat('/tmp').st_mtime_ns),
    }
"""

SHOW = "raise ValueError(repr(f()))"


@pytest.mark.usefixtures("private_root")
def test_a_row_finds_nothing_of_the_row_before(lone_pool: Pool, untouched: list[str]) -> None:
    before = inline(lone_pool, [WITNESS], [SHOW]).detail(0, 0)
    show_mtime = "assert f()['mtime'] > 10**18, f()['mtime']"
    assert inline(lone_pool, [VANDAL], ["assert f() == 1"]).verdict(0, 0) is Verdict.PASS
    m = inline(lone_pool, [WITNESS], [SHOW, show_mtime])
    assert m.detail(0, 0) == before
    assert f"'files': {untouched}" in before
    assert m.verdict(0, 1) is Verdict.PASS, m.detail(0, 1)


@pytest.mark.usefixtures("private_root")
def test_the_rest_of_the_witness(lone_pool: Pool, untouched: list[str]) -> None:
    """The detail above is cut short; these are the entries behind the cut, in full."""
    tests = [
        f"assert f()[{key!r}] == {value!r}, f()[{key!r}]"
        for key, value in {
            "files": untouched,
            "env": False,
            "cwd": "/tmp",
            "umask": 0o22,
            "mask": [],
            "handler": True,
            "recursion": 1000,
            "len": 4,
            "path": False,
            "gc": True,
            "math": 1,
        }.items()
    ]
    assert inline(lone_pool, [VANDAL], ["f()"]).verdict(0, 0) is Verdict.PASS
    m = inline(lone_pool, [WITNESS], tests)
    assert [m.detail(0, t) for t in range(len(tests))] == [""] * len(tests)
    assert set(bytes(m.verdict_ST)) == {Verdict.PASS}


FIND = """
import ctypes, mmap, os
PAGE, STEP, BIG, SPAN = 4096, 1 << 20, 60 << 20, 1 << 30
libc = ctypes.CDLL(None, use_errno=True)
libc.read.argtypes = libc.write.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
zeros, (reader, writer) = os.open('/dev/zero', os.O_RDONLY), os.pipe()
def region():
    # The only 60 MiB that are mapped in one piece, and can be written. The kernel tries for us:
    # EFAULT, where we would die of SIGSEGV.
    probe = mmap.mmap(-1, PAGE)
    middle = ctypes.addressof(ctypes.c_char.from_buffer(probe)) & ~(PAGE - 1)
    mapped = 0
    for at in range(middle - SPAN, middle + SPAN, STEP):
        mapped = mapped + STEP if libc.write(writer, at, 1) == 1 and os.read(reader, 1) else 0
        if mapped > BIG and libc.read(zeros, at - PAGE, 1) == 1:
            return at - BIG
    raise LookupError('no region')
"""


def test_shared_memory_holds_nothing_of_the_row_before(lone_pool: Pool) -> None:
    """A subject can read all memory it shares with its template; the last row is not in it."""
    secret = "correct-horse-" + os.urandom(8).hex()
    row = f"x = {secret!r}\ndef f(): raise ValueError(x)\n" + "#" * 200_000 + secret
    m = inline(lone_pool, [row] * 2, [f"f() # {secret}"] * 3)
    assert secret in m.detail(1, 2)
    search = """
def f(a, b):
    text = ctypes.string_at(region(), BIG)
    return [text.count((a + b).encode()), text.count(b'find the ' + b'region') > 0]
# find the region
"""
    # Split in two, so that this row's own source and test do not hold the word.
    test = f"assert f({secret[:9]!r}, {secret[9:]!r}) == [0, True]"
    seen = inline(lone_pool, [FIND + search], [test], limits=Limits(cpu_s=20))
    assert seen.verdict(0, 0) is Verdict.PASS, seen.detail(0, 0)


@pytest.mark.hostile
def test_marks_in_unused_parts_of_the_region_do_not_last(lone_pool: Pool) -> None:
    """A subject marks every page of its region; the next row finds no mark."""
    write = """
def f():
    at = region()
    for page in range(2 << 20, BIG, PAGE):
        ctypes.memmove(at + page + 2048, b'MARKMARK', 8)
    return ctypes.string_at(at, BIG).count(b'MARK' + b'MARK') > 10_000
"""
    read = """
def f():
    return ctypes.string_at(region(), BIG).count(b'MARK' + b'MARK')
"""
    limits = Limits(cpu_s=20)
    first = inline(lone_pool, [FIND + write], ["assert f()"], limits=limits)
    assert first.verdict(0, 0) is Verdict.PASS, first.detail(0, 0)
    second = inline(lone_pool, [FIND + read], ["assert f() == 0, f()"], limits=limits)
    assert second.verdict(0, 0) is Verdict.PASS, second.detail(0, 0)


def test_no_descriptor_but_the_standard_three(lone_pool: Pool) -> None:
    solution = """
import os
def f():
    open_now = []
    for fd in range(256):
        try:
            os.fstat(fd)
        except OSError:
            continue
        open_now.append(fd)
    return open_now
"""
    assert inline(lone_pool, [solution], ["assert f() == [0, 1, 2], f()"]).detail(0, 0) == ""


def test_the_environment_is_not_the_callers(
    lone_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "do-not-show")
    with Pool(1) as pool:
        shown = pool.run("import os; print(sorted(os.environ), os.environ['HOME'])").stdout
    assert b"SECRET_TOKEN" not in shown
    assert b"PYTHONHASHSEED" in shown


@pytest.mark.usefixtures("private_root")
def test_what_a_program_sees_of_the_machine(lone_pool: Pool, untouched: list[str]) -> None:
    source = """
import os
print(os.getuid(), os.getpid() < 100_000, os.path.exists('/proc/1'), os.path.exists('/sys/kernel'))
print(sorted(os.listdir('/tmp')), os.access('/usr', os.W_OK), os.path.exists('/etc/passwd'))
"""
    lines = lone_pool.run(source).stdout.decode().splitlines()
    assert lines[0] == "1000 True False False"
    assert lines[1] == f"{untouched} False False"


@pytest.mark.hostile
@pytest.mark.parametrize("path", ["/etc/shadow", "/proc/1/environ", "/proc/self/mem", "/dev/mem"])
def test_files_of_the_machine_are_out_of_reach(lone_pool: Pool, path: str) -> None:
    result = lone_pool.run(f"open({path!r}, 'rb').read(1)")
    assert result.verdict in (Verdict.EXCEPTION, Verdict.FORBIDDEN), result


@pytest.mark.hostile
def test_the_template_cannot_be_signalled(lone_pool: Pool) -> None:
    source = """
import os
for pid in (1, os.getppid(), -1, 0):
    for number in (0, 9, 19):
        try:
            if pid:
                os.kill(pid, number)
                print('signalled', pid, number)
        except OSError:
            pass
print('end')
"""
    templates = lone_pool.statistics()["templates"]
    result = lone_pool.run(source)
    assert result.stdout == b"end\n", result
    lone_pool.run("pass")
    assert lone_pool.statistics()["templates"] == templates


@pytest.mark.hostile
@pytest.mark.usefixtures("private_root")
def test_two_rows_at_once_do_not_see_each_other(untouched: list[str]) -> None:
    """Both rows look for files and processes of the other for as long as both run."""
    solution = """
import os, time
def f():
    open('/tmp/me', 'x').close()
    seen = set()
    end = time.monotonic() + 0.4
    while time.monotonic() < end:
        seen.update(os.listdir('/tmp'))
        for pid in range(2, 40):
            if pid != os.getpid():
                try:
                    os.kill(pid, 0)
                    seen.add(pid)
                except OSError:
                    pass
    return sorted(map(str, seen))
"""
    with Pool(2, limits=Limits(cpu_s=2)) as pool:
        m = inline(pool, [solution] * 4, [f"assert f() == {sorted(['me', *untouched])}, f()"])
    assert bytes(m.verdict_ST) == bytes([Verdict.PASS] * 4), [m.detail(s, 0) for s in range(4)]
