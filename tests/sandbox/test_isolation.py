"""Nothing passes from one row to another, and nothing from outside is there to see.

One worker, so that every row runs in the same template as the one before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from sv_sandbox import Layer, Limits, Pool, Verdict


@pytest.fixture(scope="module")
def lone_pool() -> Iterator[Pool]:
    """One worker."""
    with Pool(1, limits=Limits(cpu_s=1)) as pool:
        yield pool


VANDAL = """
import builtins, ctypes, gc, os, random, signal, sys, tempfile
open('/tmp/left', 'w').write('x')
os.mkdir('/tmp/folder')
os.symlink('/etc', '/tmp/folder/link')
os.utime('/tmp', (1, 1))
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


def test_a_row_finds_nothing_of_the_row_before(lone_pool: Pool) -> None:
    before = lone_pool.matrix([WITNESS], [SHOW]).detail(0, 0)
    show_mtime = "assert f()['mtime'] > 10**18, f()['mtime']"
    assert lone_pool.matrix([VANDAL], ["assert f() == 1"]).verdict(0, 0) is Verdict.PASS
    m = lone_pool.matrix([WITNESS], [SHOW, show_mtime])
    assert m.detail(0, 0) == before
    assert "'files': []" in before
    assert m.verdict(0, 1) is Verdict.PASS, m.detail(0, 1)


def test_the_rest_of_the_witness(lone_pool: Pool) -> None:
    """The detail above is cut short; these are the entries behind the cut, in full."""
    tests = [
        f"assert f()[{key!r}] == {value!r}, f()[{key!r}]"
        for key, value in {
            "files": [],
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
    assert lone_pool.matrix([VANDAL], ["f()"]).verdict(0, 0) is Verdict.PASS
    m = lone_pool.matrix([WITNESS], tests)
    assert [m.detail(0, t) for t in range(len(tests))] == [""] * len(tests)
    assert set(bytes(m.verdict_ST)) == {Verdict.PASS}


def test_shared_memory_holds_nothing_of_the_row_before(lone_pool: Pool) -> None:
    """The subject can read all memory it shares with its template; the last row is not in it.

    There is no /proc inside, so the scan walks pages and asks mincore whether they are mapped.
    """
    secret = "correct-horse-" + os.urandom(8).hex()
    long_ago = f"x = {secret!r}\ndef f(): raise ValueError(x)\n" + "#" * 200_000 + secret
    m = lone_pool.matrix([long_ago] * 2, [f"f() # {secret}"] * 3)
    assert secret in m.detail(1, 2)
    halves = secret[: len(secret) // 2], secret[len(secret) // 2 :]
    scan = f"""
import ctypes, mmap
libc = ctypes.CDLL(None, use_errno=True)
libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
libc.write.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
def regions():
    # Mappings made by mmap lie in the terabytes below the stack.
    page, vector = mmap.PAGESIZE, ctypes.create_string_buffer(1 << 14)
    here = ctypes.addressof(vector) & ~(page - 1)
    step = len(vector) * page
    probe = mmap.mmap(-1, page)
    base = ctypes.addressof(ctypes.c_char.from_buffer(probe)) & ~(page - 1)
    at = base - (256 << 20)
    while at < base + (512 << 20):
        if libc.mincore(at, page, vector) == 0:
            yield at
        at += page
def f():
    word = {halves[0]!r}.encode() + {halves[1]!r}.encode()
    seen = pages = 0
    for at in regions():
        try:
            text = ctypes.string_at(at, 4096)
        except OSError:
            continue
        pages += 1
        seen += text.count(word)
    return [seen, pages > 500]
"""
    m = lone_pool.matrix([scan], ["assert f() == [0, True], f()"], limits=Limits(cpu_s=20))
    assert m.verdict(0, 0) is Verdict.PASS or "Error" not in m.detail(0, 0), m.detail(0, 0)
    assert m.verdict(0, 0) is Verdict.PASS, m.detail(0, 0)


@pytest.mark.hostile
def test_marks_in_unused_parts_of_the_region_do_not_last(lone_pool: Pool) -> None:
    """A subject fills every page of every writable shared mapping it can find; the next sees zeros."""
    find = """
import ctypes, mmap
libc = ctypes.CDLL(None, use_errno=True)
libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
def region():
    # The largest run of mapped pages near the top: 65 MiB of payload and more.
    page = mmap.PAGESIZE
    probe = mmap.mmap(-1, page)
    base = ctypes.addressof(ctypes.c_char.from_buffer(probe)) & ~(page - 1)
    vector = ctypes.create_string_buffer(1)
    big = 16 << 20
    at, best = base - (512 << 20), None
    many = ctypes.create_string_buffer(big // page)
    while at < base + (1 << 30):
        if libc.mincore(at, big, many) == 0:
            return at
        at += big // 4
    return None
"""
    write = find + """
def f():
    at = region()
    if at is None:
        return 'no region'
    for page in range(0, 16 << 20, 4096):
        ctypes.memmove(at + page + 2048, b'MARKMARK', 8)
    return 'marked'
"""
    read = find + """
def f():
    at = region()
    if at is None:
        return 'no region'
    return ctypes.string_at(at, 16 << 20).count(b'MARK' + b'MARK')
"""
    first = lone_pool.matrix([write], ["raise ValueError(f())"], limits=Limits(cpu_s=20))
    if "no region" in first.detail(0, 0):
        pytest.skip("the region was not found by this scan")
    second = lone_pool.matrix([read], ["assert f() == 0, f()"], limits=Limits(cpu_s=20))
    assert second.verdict(0, 0) is Verdict.PASS, (first.detail(0, 0), second.detail(0, 0))


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
    assert lone_pool.matrix([solution], ["assert f() == [0, 1, 2], f()"]).detail(0, 0) == ""


def test_the_environment_is_not_the_callers(
    lone_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "do-not-show")
    with Pool(1) as pool:
        shown = pool.run("import os; print(sorted(os.environ), os.environ['HOME'])").stdout
    assert b"SECRET_TOKEN" not in shown
    assert b"PYTHONHASHSEED" in shown


def test_what_a_program_sees_of_the_machine(lone_pool: Pool) -> None:
    if Layer.MOUNT_NAMESPACE not in lone_pool.layers:
        pytest.skip("no private root here")
    source = """
import os
print(os.getuid(), os.getpid() < 100_000, os.path.exists('/proc/1'), os.path.exists('/sys/kernel'))
print(sorted(set(os.listdir('/')) - set('bin dev etc lib lib64 lib32 libx32 usr tmp root opt home work'.split())))
print(os.listdir('/tmp'), os.access('/usr', os.W_OK), os.path.exists('/etc/passwd'))
"""
    lines = lone_pool.run(source).stdout.decode().splitlines()
    assert lines[0] == "1000 True False False"
    assert lines[2] == "[] False False"


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
def test_two_rows_at_once_do_not_see_each_other() -> None:
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
        m = pool.matrix([solution] * 4, ["assert f() == ['me'], f()"])
    assert bytes(m.verdict_ST) == bytes([Verdict.PASS] * 4), [m.detail(s, 0) for s in range(4)]
