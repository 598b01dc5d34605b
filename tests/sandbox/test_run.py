"""`run`: one program with stdin, files, exit code, both outputs, as an interpreter would run it."""

from __future__ import annotations

import pytest

from sv_sandbox import Layer, Limits, Pool, Verdict, run


def test_stdin_to_stdout(pool: Pool) -> None:
    result = pool.run("print(sum(map(int, input().split())))", stdin="1 2 3\n")
    assert (result.verdict, result.exit_code) == (Verdict.PASS, 0)
    assert (result.stdout, result.stderr, result.detail) == (b"6\n", b"", "")
    assert 0 < result.cpu_s <= result.wall_s + 0.05
    assert result.max_rss_bytes > 1 << 20


def test_bytes_pass_unchanged(pool: Pool) -> None:
    data = bytes(range(256)) * 4000
    limits = Limits(output_bytes=4 << 20)
    source = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
    assert pool.run(source, stdin=data, limits=limits).stdout == data


def test_output_larger_than_a_pipe(pool: Pool) -> None:
    source = "import sys\nsys.stdout.write('o' * 300000)\nsys.stderr.write('e' * 300000)\n"
    result = pool.run(source, limits=Limits(cpu_s=2))
    assert result.verdict is Verdict.PASS
    assert (result.stdout, result.stderr) == (b"o" * 300_000, b"e" * 300_000)


def test_output_is_cut_at_its_limit(pool: Pool) -> None:
    result = pool.run("while True: print('x')", limits=Limits(cpu_s=5, output_bytes=1000))
    assert result.verdict is Verdict.OUTPUT
    assert result.stdout == b"x\n" * 500


def test_files(pool: Pool, untouched: list[str]) -> None:
    files: dict[str, str | bytes] = {"a.txt": "text", "sub/dir/b.bin": b"\x00\xff"}
    source = """
import os
print(open('a.txt').read(), open('sub/dir/b.bin', 'rb').read(), sorted(os.listdir('.')))
open('out.txt', 'w').write('mine')
print(open('out.txt').read())
"""
    result = pool.run(source, files=files)
    if Layer.MOUNT_NAMESPACE not in pool.layers:
        untouched = []  # nothing is mounted into a folder of the host's
    shown = sorted(["a.txt", "sub", *untouched])
    assert result.stdout.decode() == f"text b'\\x00\\xff' {shown}\nmine\n", result
    again = pool.run("import os; print(sorted(os.listdir('.')))")
    assert again.stdout.decode() == f"{untouched}\n"


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../b"])
def test_files_stay_below_the_folder(pool: Pool, path: str) -> None:
    with pytest.raises(ValueError, match="below the program's folder"):
        pool.run("pass", files={path: ""})


@pytest.mark.parametrize(
    ("source", "verdict", "code", "stderr"),
    [
        ("import sys; sys.exit()", Verdict.PASS, 0, b""),
        ("import sys; sys.exit(0)", Verdict.PASS, 0, b""),
        ("import sys; sys.exit(3)", Verdict.EXCEPTION, 3, b""),
        ("import sys; sys.exit('bye')", Verdict.EXCEPTION, 1, b"bye\n"),
        ("import sys; sys.exit(256 + 7)", Verdict.EXCEPTION, 7, b""),
        ("assert False", Verdict.EXCEPTION, 1, b"AssertionError\n"),
        ("import os; os._exit(5)", Verdict.EARLY_EXIT, 5, b""),
    ],
)
def test_exit_codes(pool: Pool, source: str, verdict: Verdict, code: int, stderr: bytes) -> None:
    result = pool.run(source)
    assert (result.verdict, result.exit_code) == (verdict, code), result
    assert result.stderr.endswith(stderr)
    assert bool(stderr) == bool(result.stderr)


def test_death_by_signal_has_no_exit_code(pool: Pool) -> None:
    result = pool.run("import ctypes; ctypes.string_at(0)")
    assert (result.verdict, result.exit_code) == (Verdict.EXCEPTION, None)
    assert "SIGSEGV" in result.detail


def test_traceback_shows_the_program_alone(pool: Pool) -> None:
    result = pool.run("def f():\n    raise KeyError('here')\nf()\n")
    text = result.stderr.decode()
    assert text.startswith("Traceback (most recent call last):\n")
    assert 'File "program.py", line 3' in text
    assert 'File "program.py", line 2' in text
    assert text.count("File ") == 2
    assert "KeyError: 'here'" in text


def test_syntax_error(pool: Pool) -> None:
    result = pool.run("def f(:\n")
    assert (result.verdict, result.exit_code) == (Verdict.EXCEPTION, 1)
    assert b"SyntaxError" in result.stderr


def test_the_end_of_an_interpreter(pool: Pool) -> None:
    """Threads are joined, then exit functions run, then buffers are flushed."""
    source = """
import atexit, threading, time
atexit.register(print, 'exit function')
def late():
    time.sleep(0.05)
    print('thread')
threading.Thread(target=late).start()
print('main', end=' ')
"""
    assert pool.run(source).stdout == b"main thread\nexit function\n"


def test_it_is_main(pool: Pool) -> None:
    source = """
import sys, __main__, pickle
class Here: pass
print(__name__, sys.argv, __main__.Here is Here, type(pickle.loads(pickle.dumps(Here()))) is Here)
"""
    assert pool.run(source).stdout == b"__main__ ['program.py'] True True\n"


def test_asyncio_works_inside(pool: Pool) -> None:
    source = """
import asyncio
async def main():
    await asyncio.sleep(0.01)
    return await asyncio.gather(*(asyncio.sleep(0, x) for x in range(3)))
print(asyncio.run(main()))
"""
    result = pool.run(source)
    assert result.stdout == b"[0, 1, 2]\n", result


def test_threads_work_inside(pool: Pool) -> None:
    source = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as threads:
    print(list(threads.map(lambda x: x * x, range(5))))
"""
    result = pool.run(source)
    assert result.stdout == b"[0, 1, 4, 9, 16]\n", result


def test_temporary_files_work_inside(pool: Pool) -> None:
    source = """
import os, shutil, tempfile
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, 'a')
    open(path, 'w').write('x')
    shutil.copy(path, path + 'b')
    print(sorted(os.listdir(folder)))
"""
    result = pool.run(source)
    assert result.stdout == b"['a', 'ab']\n", result


def test_module_level_run() -> None:
    assert run("print(input())", stdin="hello").stdout == b"hello\n"


def test_numpy_template(pool: Pool) -> None:
    pytest.importorskip("numpy", reason="NumPy is not installed")
    source = "import numpy as np\nprint(np.arange(3).sum(), np.linalg.inv(np.eye(2)).sum())"
    result = pool.run(source, limits=Limits(cpu_s=2))
    assert result.stdout == b"3 2.0\n", result
    m = pool.matrix(
        ["import numpy as np\ndef f(x):\n    return int(np.sum(x))\n", "def f(x): return sum(x)\n"],
        ["assert f([1, 2]) == 3"],
    )
    assert bytes(m.verdict_ST) == bytes([Verdict.PASS, Verdict.PASS])
