"""Programs in recycled subjects: each ends as in a fork, and finds nothing of the one before.

The pool `recycling` tries every program in a recycled subject, and compares all of its memory and
what the kernel shows of it after each; what differs would be a hole.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from sv_sandbox import Limits, Pool, Verdict
from sv_sandbox.program import result_of

Run = tuple[str, int | None, bytes, bytes, str]
PLAIN = "print(input()[::-1])"


def run(pool: Pool, source: str, stdin: str | bytes = "", **options: Any) -> Run:
    """All of a result but its times and memory."""
    result = pool.run(source, stdin=stdin, **options)
    ended = result.verdict.name, result.exit_code
    return *ended, result.stdout, result.stderr, result.detail


def counted(
    pool: Pool, source: str, stdin: str | bytes = "", **options: Any
) -> tuple[Run, int, int]:
    """And how many were recycled, and handed on."""
    before = pool.statistics()
    result = run(pool, source, stdin, **options)
    after = pool.statistics()
    recycled, handed_on = (after[name] - before[name] for name in ("recycled_rows", "handed_on"))
    return result, recycled, handed_on


# -- each ends as in a fork

LINES = "3 4\nzwei\n\nlast"
OF_FRAMES = "import sys\nframe = sys._getframe()\nwhile frame.f_back:\n    frame = frame.f_back\n"
NATIVE = (
    "import sys\nframe = sys._getframe()\nwhile 'native' not in frame.f_globals:\n"
    "    frame = frame.f_back\nnative = frame.f_globals['native']\n"
)
RECYCLED: dict[str, tuple[str, str | bytes]] = {
    # reading
    "a line": (PLAIN, LINES),
    "all lines": ("while True:\n    print(input())", LINES),
    "nothing to read": ("print(input())", ""),
    "lines until the end": ("import sys\nfor line in sys.stdin:\n    print(repr(line))", LINES),
    "a list of lines": ("import sys\nprint(sys.stdin.readlines())", LINES),
    "all of it": ("import sys\nprint(repr(sys.stdin.read()), repr(sys.stdin.read()))", LINES),
    "all of nothing": ("import sys\nprint(repr(sys.stdin.read()))", ""),
    "bytes": ("import sys\nprint(sys.stdin.buffer.readline(), sys.stdin.buffer.read())", LINES),
    "no text": ("import sys\nprint(ascii(sys.stdin.read()))", b"a\xff\xfe\n\x00"),
    "ends of lines": ("import sys\nprint([*sys.stdin])", "a\r\nb\rc\n\r"),
    "raw": (
        "import sys, os\nprint(sys.stdin.buffer.raw.read(2), os.read(0, 5), os.read(0, 99))",
        LINES,
    ),
    "size and place": (
        "import os\nprint(os.fstat(0).st_size, os.lseek(0, 3, 0), os.read(0, 2))",
        LINES,
    ),
    "from its beginning again": (
        "import sys\nprint(input(), sys.stdin.tell(), sys.stdin.seek(0), input())",
        LINES,
    ),
    "read ahead": ("import os\nprint(input(), os.read(0, 9))", LINES),
    "much": ("import sys\nprint(len(sys.stdin.read().split()))", "1234567 " * 20_000),
    "a fast reader": (
        "import os\nfrom io import BytesIO\n"
        "line = BytesIO(os.read(0, os.fstat(0).st_size)).readline\nprint(line(), line())",
        LINES,
    ),
    "the stream's own": (
        "import sys\ns = sys.stdin\nprint(s.name, s.mode, s.encoding, s.errors, s.fileno(),\n"
        "    s.isatty(), s.seekable(), s.readable(), s.writable(), s.closed, type(s),\n"
        "    type(s.buffer), type(s.buffer.raw), s.buffer.raw.mode, s.buffer.raw.closefd)\n"
        "print(s is sys.__stdin__)",
        "",
    ),
    "the others' own": (
        "import sys\nfor s in (sys.stdout, sys.stderr):\n"
        "    print(s.name, s.mode, s.encoding, s.errors, s.fileno(), s.isatty(), s.seekable(),\n"
        "    s.closed, s.line_buffering, s.write_through, type(s),\n"
        "    type(s.buffer), type(s.buffer.raw))",
        "",
    ),
    "closed": ("import sys\nsys.stdin.close()\nprint(input())", LINES),
    "replaced": (
        "import sys, io\nsys.stdin = io.StringIO('x\\ny')\nprint(input(), input())",
        LINES,
    ),
    "missing": ("import sys\nsys.stdin = None\nprint(input())", LINES),
    "its attributes": ("import os\nprint(os.listxattr(0))", LINES),
    # printing
    "text": ("print('ä', 1, None, sep='-', end='')", ""),
    "nothing": ("", ""),
    "on both": ("import sys\nprint(1)\nprint(2, file=sys.stderr)\nprint(3, flush=True)", ""),
    "by number": ("import os\nprint('late')\nos.write(1, b'early ')\nos.write(2, b'other')", ""),
    "a prompt": ("x = input('> ')\nprint(x)", LINES),
    "much more than a buffer": ("for i in range(30_000):\n    print(i)", ""),
    "what no encoding has": ("print('\\ud800')", ""),
    "to a closed stream": ("import sys\nsys.stdout.close()\nprint(1)", ""),
    "to a detached one": (
        "import sys\nprint('lost?')\nout = sys.stdout.detach()\nout.write(b'kept')",
        "",
    ),
    "to none": ("import sys\nsys.stdout = None\nprint(1)", ""),
    "to one in its place": ("import sys, io\nsys.stdout = io.StringIO()\nprint(1)", ""),
    "a broken stream in its place": (
        "import sys\nclass Out:\n    def write(self, text): pass\n"
        "    def flush(self): raise OSError\n"
        "sys.stdout = Out()\nprint(1)",
        "",
    ),
    # ending
    "exit()": ("print(1)\nexit()", ""),
    "quit(7)": ("quit(7)", ""),
    "sys.exit()": ("import sys\nprint(1)\nsys.exit()", ""),
    "sys.exit of a large number": ("import sys\nsys.exit(256 + 7)", ""),
    "sys.exit of 256": ("import sys\nsys.exit(256)", ""),
    "sys.exit of a negative number": ("import sys\nsys.exit(-1)", ""),
    "sys.exit of a text": ("import sys\nsys.exit('bye')", ""),
    "sys.exit of a list": ("import sys\nsys.exit([1])", ""),
    "a raised SystemExit": ("raise SystemExit(3)", ""),
    "an exception": ("def f():\n    raise KeyError('here')\nf()", ""),
    "one after another": ("try:\n    1 / 0\nexcept ZeroDivisionError:\n    [][1]", ""),
    "a group": ("raise ExceptionGroup('g', [ValueError(1), TypeError(2)])", ""),
    "with notes": ("e = ValueError(1)\ne.add_note('note')\nraise e", ""),
    "an interrupt": ("raise KeyboardInterrupt", ""),
    "a broken exception": ("class E(Exception):\n    def __str__(self): return 1 / 0\nraise E", ""),
    "an assertion": ("assert input() == 'no', 'text'", LINES),
    "a syntax error": ("def f(:\n", ""),
    "an indentation": ("if True:\nprint(1)", ""),
    "no text at all": ("print('\x00')", ""),
    "too deep": ("def f(): return f()\nf()", ""),
    "how deep": (
        "def f(n):\n    try: return f(n + 1)\n    except RecursionError: return n\nprint(f(0))",
        "",
    ),
    "exit functions": (
        "import atexit\natexit.register(print, 'a')\natexit.register(print, 'b')\nprint('c')",
        "",
    ),
    "an exit function that reads": (
        "import atexit\natexit.register(lambda: print(input()))",
        LINES,
    ),
    "a destructor": ("class A:\n    def __del__(self): print('gone')\na = A()\nprint('here')", ""),
    "a generator that is left": (
        "def g():\n    try: yield 1\n    finally: print('closed')\nh = g()\nprint(next(h))",
        "",
    ),
    "an excepthook": ("import sys\nsys.excepthook = lambda *e: print('hooked')\n1 / 0", ""),
    # being
    "what is counted": (
        "import sys, threading, re, linecache\nprint(threading.Thread().name, len(sys.modules),\n"
        "    sys.getrecursionlimit(), len(re._cache), len(linecache.cache))",
        "",
    ),
    "its name": ("import sys\nprint(__name__, __file__, sys.argv, sorted(globals()))", ""),
    "its path": ("import sys, os\nprint(sys.path, os.getcwd())", ""),
    "its modules": ("import sys\nprint(sorted(sys.modules))", ""),
    "its module": ("import __main__\nclass A: pass\nprint(__main__.A is A)", ""),
    "its frames": (OF_FRAMES + "print(frame.f_code.co_name, sorted(frame.f_locals))", ""),
    "random numbers": ("import random\nprint(random.random(), random.randrange(9))", ""),
    "its environment": ("import os\nprint(sorted(os.environ.items()))", ""),
    "libraries": (
        "import math, re, heapq, bisect, decimal, fractions, itertools, functools, json, datetime\n"
        "print(math.pi, re.findall('.', input()), decimal.Decimal(1) / 3,\n"
        "    fractions.Fraction(1, 3),\n"
        "    json.dumps({'a': [1]}), datetime.date(2020, 1, 2), [*itertools.accumulate(range(5))])",
        LINES,
    ),
    "a handler of its own": ("import signal\nprint(signal.getsignal(signal.SIGINT).__name__)", ""),
    # lying
    "that it passed": (NATIVE + "native.end(0, 1, 1, b'')\n1 / 0", ""),
    "that it failed": (NATIVE + "native.end(0, 1, 2, b'detail')", ""),
    "that it is no verdict": (NATIVE + "native.end(0, 1, 77, b'x')\nsys.exit(1)", ""),
}


@pytest.mark.parametrize("name", RECYCLED)
def test_a_program_ends_as_in_a_fork(recycling: Pool, forking: Pool, name: str) -> None:
    source, stdin = RECYCLED[name]
    expected = run(forking, source, stdin)
    assert counted(recycling, source, stdin) == (expected, 1, 0)
    assert counted(recycling, PLAIN, "abc") == (("PASS", 0, b"cba\n", b"", ""), 1, 0)


HANDED_ON: dict[str, tuple[str, str | bytes]] = {
    "another encoding": (
        "import sys\nsys.stdin.reconfigure(encoding='latin-1')\nprint(ascii(input()))",
        "ä",
    ),
    "to one over it": (
        "import sys, io\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, 'utf-16')\nprint('x')",
        "",
    ),
    "an exit function that fails": (
        "import atexit\natexit.register(lambda: 1 / 0)\nprint('c')",
        "",
    ),
    "an exit function that leaves": ("import atexit, sys\natexit.register(sys.exit, 5)", ""),
    "a destructor that fails": (
        "class A:\n    def __del__(self): 1 / 0\na = A()\nprint('here')",
        "",
    ),
    "its source": ("import inspect\ndef f(): return 1\nprint(inspect.getsource(f))", ""),
    "a file is read": ("print(open('/etc/passwd').read()[:0])", ""),
    "a file is written": ("open('a', 'w').write('b')\nprint(open('a').read())", ""),
    "its own file is looked for": ("import os\nprint(os.path.exists('program.py'))", ""),
    "its own file is made": (
        "open('program.py', 'w').write('1')\nprint(open('program.py').read())",
        "",
    ),
    "standard input is opened again": ("print(open(0).read())", LINES),
    "by its name": ("print(open('/dev/stdin').read())", LINES),
    "it is closed": ("import os\nos.close(0)\nprint(input())", LINES),
    "it is copied": ("import os\nprint(os.read(os.dup(0), 3))", LINES),
    "it is written to": ("import os\nos.write(0, b'x')", LINES),
    "it is cut": ("import os\nos.truncate(0, 1)", LINES),
    "it is mapped": ("import mmap\nprint(mmap.mmap(0, 2, prot=mmap.PROT_READ)[:])", LINES),
    "its flags": ("import os\nprint(os.get_blocking(0))\nos.set_blocking(0, False)", LINES),
    "its mode": ("import os\nos.chmod(0, 0o777)\nprint(oct(os.fstat(0).st_mode))", LINES),
    "how much is left": (
        "import fcntl, termios\nprint(fcntl.ioctl(0, termios.FIONREAD, b'0000'))",
        LINES,
    ),
    "waiting for it": ("import select\nprint(select.select([0], [], [], 0)[0])", LINES),
    "output is read": ("import os\nprint(1, flush=True)\nprint(os.read(1, 5))", ""),
    "its place": ("import os\nprint(os.lseek(1, 0, 1))", ""),
    "its kind": ("import os, stat\nprint(stat.S_ISFIFO(os.fstat(1).st_mode))", ""),
    "it is cut to nothing": ("import os\nprint('x', flush=True)\nos.ftruncate(1, 0)", ""),
    "it is closed by number": ("import os\nprint('x', flush=True)\nos.close(1)\nprint('y')", ""),
    "one for the other": ("import os\nos.dup2(2, 1)\nprint('x')", ""),
    "it leaves at once": ("import os\nprint('lost')\nos._exit(0)", ""),
    "with a code": ("import os\nos.write(1, b'x')\nos._exit(5)", ""),
    "after a lie": (NATIVE + "import os\nnative.end(0, 1, 1, b'')\nos._exit(3)", ""),
    "after no verdict": (NATIVE + "import os\nnative.end(0, 1, 0, b'')\nos._exit(0)", ""),
    "by a signal": ("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)", ""),
    "by a wrong address": ("import ctypes\nctypes.string_at(0)", ""),
    "a thread": (
        "import threading\nt = threading.Thread(target=print, args=[1])\nt.start()\nprint(2)",
        "",
    ),
    "an exit function that starts one": (
        "import atexit, threading\natexit.register(lambda: threading.Thread(target=print).start())",
        "",
    ),
    "a pause": ("import time\ntime.sleep(0.01)\nprint(1)", ""),
    "a module that is not there yet": ("import colorsys\nprint(colorsys.rgb_to_hsv(1, 0, 0))", ""),
    "a module that there is not": ("import nowhere", ""),
    "a large list": ("print(len([*range(300_000)]))", ""),
    "deep recursion": (
        "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return n and f(n - 1)\n"
        "print(f(20_000))",
        "",
    ),
    "a library's line in a traceback": ("import json\njson.loads('{')", ""),
    "no end": ("while True: pass", ""),
    "a flood": ("while True: print('x')", ""),
    "the rest of our own": (NATIVE + "native.park()", ""),
}


@pytest.mark.parametrize("name", HANDED_ON)
def test_what_is_handed_on_ends_as_in_a_fork(recycling: Pool, forking: Pool, name: str) -> None:
    source, stdin = HANDED_ON[name]
    expected = run(forking, source, stdin)
    found, recycled, handed_on = counted(recycling, source, stdin)
    assert (found, recycled) == (expected, 0)
    assert handed_on >= 1  # again where its forked subject is started twice
    assert counted(recycling, PLAIN, "abc")[:2] == (("PASS", 0, b"cba\n", b"", ""), 1)


def test_much_time(recycling: Pool, forking: Pool) -> None:
    source, limits = "n = 0\nwhile n < 20_000_000: n += 1\nprint(n)", Limits(cpu_s=20, wall_s=200)
    expected = run(forking, source, limits=limits)
    assert expected[0] == "PASS"
    assert counted(recycling, source, limits=limits)[:2] == (expected, 0)


@pytest.mark.parametrize(
    ("options", "recycled"),
    [
        ({"limits": Limits(output_bytes=5)}, 1),
        ({"limits": Limits(output_bytes=5 << 20)}, 1),
        ({"limits": Limits(int_digits=700)}, 1),
        ({"limits": Limits(stack_bytes=1 << 20)}, 1),
        ({"limits": Limits(memory_bytes=64 << 20)}, 1),
        ({"limits": Limits(processes=True)}, 0),
        ({"limits": Limits(memory_bytes=32 << 20)}, 0),
        ({"files": {"data.txt": "x"}}, 0),
        ({"files": {"helper.py": "x = 1"}}, 0),
        ({"expected": "4300"}, 1),
        ({"expected": "abc"}, 1),
    ],
)
def test_options(recycling: Pool, forking: Pool, options: dict[str, Any], recycled: int) -> None:
    source = "import sys\nprint(str(sys.get_int_max_str_digits()).zfill(4))"
    expected = run(forking, source, **options)
    assert counted(recycling, source, **options)[:2] == (expected, recycled)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize(
    ("size", "limit", "recycled"),
    [
        (100, 100, 1),
        (101, 100, 0),
        (200_000, 300_000, 1),
        (1 << 20, 2 << 20, 0),
        (3 << 20, 4 << 20, 0),
    ],
)
def test_much_output(
    recycling: Pool, forking: Pool, stream: str, size: int, limit: int, recycled: int
) -> None:
    source = f"import sys\nsys.{stream}.write('x' * {size})"
    options: dict[str, Any] = {"limits": Limits(output_bytes=limit)}
    expected = run(forking, source, **options)
    found, whole, _ = counted(recycling, source, **options)
    assert whole == recycled
    assert found[2:] == expected[2:]
    assert size > limit or found == expected  # else it may have ended unkilled


def test_input_larger_than_is_kept(recycling: Pool, forking: Pool) -> None:
    source, stdin = "import sys\nprint(len(sys.stdin.read()))", "x" * (1 << 20)
    expected = run(forking, source, stdin)
    assert counted(recycling, source, stdin) == (expected, 0, 0)
    assert counted(recycling, source, stdin[: 1 << 19])[1] == 1


# -- nothing is left

LOOK_AT_STREAMS = (
    "import os, sys\nprint(sys.stdin.closed, sys.stdin is sys.__stdin__, sys.stdin.encoding,\n"
    "    sys.stdout.closed, sys.stdout is sys.__stdout__, os.lseek(0, 0, 1), os.fstat(0).st_size,\n"
    "    sys.stdin.buffer.peek(3), sys.stdin.read())\nprint('end', file=sys.stderr)"
)
LEAVERS: dict[str, tuple[str, str]] = {
    # what a program does, and how another one would see it
    "reads half": ("input()", LOOK_AT_STREAMS),
    "reads half, unbuffered": ("import os\nos.read(0, 5)", LOOK_AT_STREAMS),
    "reads nothing": ("pass", LOOK_AT_STREAMS),
    "goes to the end": ("import os\nos.lseek(0, 0, 2)", LOOK_AT_STREAMS),
    "goes far beyond it": ("import os\nos.lseek(0, 1 << 40, 0)", LOOK_AT_STREAMS),
    "closes its input": ("import sys\nsys.stdin.close()", LOOK_AT_STREAMS),
    "detaches it": ("import sys\nsys.stdin.detach()", LOOK_AT_STREAMS),
    "takes it away": ("import sys\nsys.stdin = sys.__stdin__ = None", LOOK_AT_STREAMS),
    "reads it another way": (
        "import sys\nsys.stdin.reconfigure(encoding='utf-16')",
        LOOK_AT_STREAMS,
    ),
    "marks the stream": ("import sys\nsys.stdin.leak = 1", "import sys\nprint(vars(sys.stdin))"),
    "leaves its output unwritten": (
        "import sys\nsys.stdout.write('leak')\nsys.stdout.flush = int",
        "pass",
    ),
    "leaves errors unwritten": (
        "import sys\nsys.stderr.buffer.write(b'leak')\nsys.stderr.flush = int",
        "pass",
    ),
    "writes by number": ("import os\nos.write(1, b'leak' * 5000)\nos.write(2, b'leak')", "pass"),
    "writes, and is handed on": ("import os\nprint('leak', flush=True)\nos.listdir('.')", "pass"),
    "writes, and leaves": ("import os\nprint('leak', flush=True)\nos._exit(0)", "pass"),
    "closes its output": ("import sys\nsys.stdout.close()\nsys.stderr.close()", LOOK_AT_STREAMS),
    "takes the output away": ("import sys\nsys.stdout = sys.__stdout__ = None", LOOK_AT_STREAMS),
    "has an exit function": ("import atexit\natexit.register(print, 'leak')", "pass"),
    "has one that has another": (
        "import atexit\natexit.register(lambda: atexit.register(print, 'leak'))",
        "import atexit\nprint(atexit._ncallbacks())",
    ),
    "changes what prints": ("import builtins\nbuiltins.print = lambda *a: None", "print('seen')"),
    "changes what reads": ("import builtins\nbuiltins.input = lambda: 'leak'", "print(input())"),
    "adds a name": ("import builtins\nbuiltins.leak = 1", "print('leak' in dir(__builtins__))"),
    "adds a module": (
        "import sys\nsys.modules['leak'] = sys",
        "import sys\nprint('leak' in sys.modules)",
    ),
    "is a module": ("leak = 1", "import __main__\nprint(hasattr(__main__, 'leak'))"),
    "changes its module": (
        "import sys\nsys.modules['__main__'].__dict__['__name__'] = 'leak'",
        "print(__name__)",
    ),
    "changes its arguments": ("import sys\nsys.argv.append('leak')", "import sys\nprint(sys.argv)"),
    "changes the path": ("import sys\nsys.path.append('leak')", "import sys\nprint(sys.path)"),
    "changes a library": ("import math\nmath.pi = 3", "import math\nprint(math.pi)"),
    "changes how errors show": (
        "import traceback\ntraceback.print_exception = lambda *a, **k: print('leak')",
        "1 / 0",
    ),
    "keeps lines": (
        "import linecache\nlinecache.cache['program.py'] = 1, None, ['leak'], 'x'",
        "1 / 0",
    ),
    "warns": (
        "import warnings\nwarnings.simplefilter('error')",
        "import warnings\nwarnings.warn('x')",
    ),
    "has a hook": (
        "import sys\nsys.addaudithook(lambda *a: None)\nsys.leak = 1",
        "print(len(__import__('sys').argv))",
    ),
    "has one for printing": (
        "import sys\nsys.displayhook = print",
        "import sys\nprint(sys.displayhook)",
    ),
    "traces": ("import sys\nsys.settrace(lambda *a: print('leak'))", "def f(): pass\nf()"),
    "recurses": ("def f(): return f()\ntry: f()\nexcept RecursionError: pass", "print(1)"),
    "seeds": ("import random\nrandom.seed(7)", "import random\nprint(random.random())"),
    "sets a limit": (
        "import sys\nsys.setrecursionlimit(77)",
        "import sys\nprint(sys.getrecursionlimit())",
    ),
    "turns off the collector": ("import gc\ngc.disable()", "import gc\nprint(gc.isenabled())"),
    "changes our own": (
        OF_FRAMES
        + "import gc\nfor d in gc.get_objects():\n    if type(d) is dict and 'let_go' in d:\n"
        "        d['let_go'] = d['flush'] = lambda: print('leak')",
        "print('seen')",
    ),
    "changes who it is": (
        OF_FRAMES
        + "import gc\nfor d in gc.get_objects():\n    if type(d) is dict and '_owner' in d:\n"
        "        d['_owner'] = 0",
        "import os\nprint(os.getpid() > 1)",
    ),
    "lies in the shared memory": (NATIVE + "native.stage([b'print(1)', b'leak'])", LOOK_AT_STREAMS),
}


@pytest.mark.parametrize("name", LEAVERS)
def test_a_program_finds_nothing_of_the_one_before(recycling: Pool, name: str) -> None:
    """The next one ends as it does alone: with its own input, and nobody else's output."""
    leave, look = LEAVERS[name]
    leave_input, look_input = "leak\n" * 400, "own\n"
    alone, recycled, _ = counted(recycling, look, look_input)
    assert recycled == 1, "it was not recycled"
    for _ in range(2):
        run(recycling, leave, leave_input)
        run(recycling, leave, leave_input)
        assert counted(recycling, look, look_input) == (alone, 1, 0)


def test_input_is_new_for_each(recycling: Pool) -> None:
    """Not even when another one read is told."""
    run(recycling, "print(input())", LINES)
    time.sleep(0.05)
    now_ns = time.time_ns()
    source = (
        "import os\ns = os.fstat(0)\nprint(s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns, s.st_size)"
    )
    for stdin in ("", "x", ""):
        *times_ns, size = map(int, run(recycling, source, stdin)[2].split())
        assert size == len(stdin)
        assert min(times_ns) > now_ns - 20_000_000  # the kernel's coarse clock


def test_programs_and_planned_tests_in_turn(recycling: Pool) -> None:
    """A solution reads nothing of a program's, prints nothing into one, and the other way round."""
    solution = (
        "import sys\nprint('leak')\ndef f(x):\n    print('leak')\n    return sys.stdin.read()"
    )
    before = recycling.statistics()["recycled_rows"]
    for _ in range(3):
        assert run(recycling, "print(input())", LINES)[2] == b"3 4\n"
        matrix = recycling.matrix([solution], ["assert f(1) == ''"])
        assert matrix.verdict(0, 0) is Verdict.PASS
    assert run(recycling, "print(input())", LINES)[2] == b"3 4\n"
    assert recycling.statistics()["recycled_rows"] == before + 7


def test_many_programs_leave_no_mark(recycling: Pool) -> None:
    """Long after the pages that most of them write are known."""
    before = recycling.statistics()
    for n in range(120):
        source = f"import sys\nkept = [object()] * {50 * n}\nprint(input(), {n})\nsys.exit({n % 3})"
        ended = run(recycling, source, f"{n}" * (n + 1))
        assert ended[1:3] == (n % 3, f"{str(n) * (n + 1)} {n}\n".encode())
    after = recycling.statistics()
    assert after["recycled_rows"] - before["recycled_rows"] == 120
    assert after["infra_rows"] == before["infra_rows"]


# -- what it costs, and when it is tried


def test_figures(recycling: Pool) -> None:
    """Of the program alone, however many the same process ran before."""
    busy = "n = 0\nwhile n < 60_000: n += 1\nprint(n)"
    results = [recycling.run(source) for source in (busy, "pass", busy, "pass")]
    assert results[0].cpu_s > results[1].cpu_s > 0
    assert results[2].cpu_s > results[3].cpu_s > 0
    for result in results:
        assert result.cpu_s <= result.wall_s + 0.05 < 10
        assert 1 << 20 < result.max_rss_bytes < 1 << 30


def test_chosen_by_itself_after_a_few(recycling: Pool) -> None:
    with Pool(1) as pool:
        pool.run(PLAIN, stdin="abc")
        assert pool.statistics()["keepers"] == 0
        for _ in range(20):
            assert pool.run(PLAIN, stdin="abc").stdout == b"cba\n"
        assert pool.statistics()["recycled_rows"] > 5


def test_programs_that_are_always_handed_on_are_not_tried_for_ever(recycling: Pool) -> None:
    with Pool(1) as pool:
        for _ in range(120):
            pool.run("import os\nos.listdir('.')")
        assert 0 < pool.statistics()["handed_on"] < 60


def test_side_by_side(recycling: Pool) -> None:
    """Workers have streams of their own."""
    with Pool(2, _check_recycled=True) as pool:
        jobs = [pool._submit_program("print(input())", str(n), {}, pool.limits) for n in range(40)]
        outputs = []
        for job in jobs:
            job.wait()
            outputs.append(result_of(job).stdout)
        assert outputs == [f"{n}\n".encode() for n in range(40)]
        assert pool.statistics()["recycled_rows"] == 40
