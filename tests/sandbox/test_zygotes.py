"""A zygote or a template that is killed costs time, and no cell; one that cannot live does."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from sv_sandbox import Limits, Pool, SandboxError, Verdict, opening

from .tables import rows

pytestmark = pytest.mark.usefixtures("nothing_left")

TESTS = [
    "assert f(0) == 0",
    "assert f(0) == 1",
    "y = f(0)\nfor i in range(2): y += 0\nassert y == 2",
]
ROWS = 200


def solutions(rows: int = ROWS) -> list[str]:
    """Each takes a moment, so that a kill meets some of them in the middle."""
    return [
        "import time\ndef f(x):\n    end = time.thread_time() + 0.001\n"
        f"    while time.thread_time() < end: pass\n    return x + {n % 4}\n"
        for n in range(rows)
    ]


def assert_whole(matrix: Any) -> None:
    """No hole, and nothing wrong."""
    for s, row in enumerate(rows(matrix.verdict_ST)):
        wanted = [Verdict.PASS if s % 4 == t else Verdict.WRONG for t in range(len(TESTS))]
        assert row == wanted, (s, [matrix.detail(s, t) for t in range(len(TESTS))])


def kill(pid: int) -> None:
    """SIGKILL; it may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def reached(job: Any, rows: int) -> None:
    """Waits until so many rows are done."""
    end = time.monotonic() + 120
    while job.rows_done < min(rows, job.rows) and time.monotonic() < end:
        time.sleep(0.002)
    assert job.rows_done >= min(rows, job.rows)


def is_gone(pid: int) -> bool:
    """Whether the process has ended, collected or not."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("judge", ["split", "inline"])
def test_killed_with_two_hundred_rows_queued(judge: str) -> None:
    with Pool(2, limits=Limits(cpu_s=2)) as pool:
        job = pool.submit(solutions(), TESTS, judge=judge)
        reached(job, 5)
        before = pool.zygotes()["plain"]
        kill(before)
        assert_whole(job.wait(120))
        assert pool.zygotes()["plain"] != before
        assert pool.statistics()["infra_rows"] == 0


@pytest.mark.parametrize("what", ["zygote", "templates", "both"])
def test_killed_ten_times(what: str) -> None:
    with Pool(2, limits=Limits(cpu_s=2)) as pool:
        job = pool.submit(solutions(300), TESTS)
        for blow in range(10):  # so far apart that none meets a row three times
            reached(job, 3 + 25 * blow)
            for zygote in pool.zygotes().values():
                templates = []
                with contextlib.suppress(psutil.NoSuchProcess):
                    templates = [child.pid for child in psutil.Process(zygote).children()]
                for pid in [zygote] * (what != "templates") + templates * (what != "zygote"):
                    kill(pid)
        assert_whole(job.wait(120))


@pytest.mark.parametrize("times", [1, 3])
def test_killed_while_idle(times: int) -> None:
    with Pool(2) as pool:
        pool.matrix(solutions(12), TESTS)
        retried = pool.statistics()["retried"]
        for _ in range(times):
            zygote = pool.zygotes()["plain"]
            below = [zygote, *(child.pid for child in psutil.Process(zygote).children())]
            kill(zygote)
            end = time.monotonic() + 30
            while not all(map(is_gone, below)) and time.monotonic() < end:
                time.sleep(0.005)
            assert_whole(pool.matrix(solutions(12), TESTS))
            assert pool.run("print(1)").stdout == b"1\n"
        assert pool.statistics()["infra_rows"] == 0
        assert pool.statistics()["retried"] == retried


def test_that_with_libraries_killed() -> None:
    pytest.importorskip("numpy")
    rows = ["import numpy as np\n" + text for text in solutions(20)]
    with Pool(2, limits=Limits(cpu_s=5)) as pool:
        assert list(pool.zygotes()) == ["plain"]
        job = pool.submit(rows, TESTS)
        reached(job, 2)
        kill(pool.zygotes()["libraries"])
        kill(pool.zygotes()["plain"])
        assert_whole(job.wait(120))
        assert pool.run("import numpy; print(2)").stdout == b"2\n"


def test_a_program_meets_it() -> None:
    source = "import time\nprint(input())\nend = time.thread_time() + 0.5\n"
    source += "while time.thread_time() < end: pass\n"
    with Pool(1, limits=Limits(cpu_s=10)) as pool:
        timer = threading.Timer(0.2, lambda: kill(pool.zygotes()["plain"]))
        timer.start()
        result = pool.run(source, stdin="well")
        timer.join()
        assert (result.verdict, result.stdout) == (Verdict.PASS, b"well\n")


@contextmanager
def murderer(pool: Pool) -> Iterator[threading.Event]:
    """Kills every zygote as soon as it sees one."""
    enough = threading.Event()

    def work() -> None:
        while not enough.is_set():
            for pid in pool.zygotes().values():
                kill(pid)
            time.sleep(0.001)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield enough
    finally:
        enough.set()
        thread.join()


@pytest.mark.parametrize("rows", [1, ROWS])
def test_killed_again_and_again(rows: int) -> None:
    """Tries are bounded: what is left are holes that say why. And the pool is well when it ends."""
    with Pool(2, limits=Limits(cpu_s=2)) as pool:
        with murderer(pool):
            job = pool.submit(solutions(rows), TESTS)
            with pytest.raises(SandboxError, match="sandbox failed at"):
                job.wait(120)
            assert job.done
        assert_whole(pool.matrix(solutions(8), TESTS))


def test_closed_while_it_is_replaced() -> None:
    for delay in range(8):
        pool = Pool(2, limits=Limits(cpu_s=2))
        job = pool.submit(solutions(), TESTS)
        reached(job, 1)
        zygote = pool.zygotes()["plain"]
        kill(zygote)
        time.sleep(delay / 100)
        pool.close()
        assert job.done
        with pytest.raises(ValueError, match="closed"):
            pool.zygotes()


def test_closed_while_one_imports() -> None:
    """A zygote that has not come up is not waited for, and whoever waits for it is woken."""
    with Pool(1) as pool:
        before = pool.zygotes()["plain"]
        kill(before)
        job = pool.submit(solutions(1), TESTS)
        while pool.zygotes().get("plain", before) == before:
            time.sleep(0.001)
        os.kill(pool.zygotes()["plain"], signal.SIGSTOP)
    assert job.done


def test_cancelled_while_it_is_replaced() -> None:
    with Pool(1, limits=Limits(cpu_s=2)) as pool:
        job = pool.submit(solutions(), TESTS)
        reached(job, 1)
        kill(pool.zygotes()["plain"])
        job.cancel()
        job.wait(60)
        assert_whole(pool.matrix(solutions(4), TESTS))


def test_a_pool_that_nobody_holds_ends_with_its_replaced_zygote() -> None:
    pool = Pool(1)
    kill(pool.zygotes()["plain"])
    pool.run("pass")
    zygote = pool.zygotes()["plain"]
    del pool
    assert is_gone(zygote)


def test_without_descriptors() -> None:
    """A zygote that cannot be replaced for want of descriptors: holes that say so, until it can."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Pool(1) as pool:
        pool.matrix(solutions(2), TESTS)
        kill(pool.zygotes()["plain"])
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 1, hard)
        )
        held = []
        try:
            with contextlib.suppress(OSError):
                while True:
                    held.append(os.open(os.devnull, os.O_RDONLY))
            job = pool.submit(solutions(2), TESTS)
            with pytest.raises(SandboxError, match="RLIMIT_NOFILE"):
                job.wait(60)
        finally:
            for fd in held:
                os.close(fd)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert_whole(pool.matrix(solutions(4), TESTS))


HEAD = """
import json, os, signal, sys
from sv_sandbox import Pool
SOLUTION, TESTS = "def f(x): return x + 1", ["assert f(1) == 2", "assert f(1) == 3"]
def check(pool):
    assert bytes(pool.matrix([SOLUTION], TESTS).verdict_ST) == bytes([1, 2])
"""


@pytest.mark.parametrize(
    "source",
    [
        # no standard streams when it is replaced
        """
        with Pool(1) as pool:
            for fd in range(3):
                os.close(fd)
            os.kill(pool.zygotes()["plain"], signal.SIGKILL)
            check(pool)
        os._exit(0)
        """,
        # an interpreter that leaves with its pool open, after the kill, and after a row
        """
        pool = Pool(1)
        os.kill(pool.zygotes()["plain"], signal.SIGKILL)
        """,
        """
        pool = Pool(1)
        os.kill(pool.zygotes()["plain"], signal.SIGKILL)
        check(pool)
        """,
        # signals that the client ignores, and its collecting of children, are its own affair
        """
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        with Pool(1) as pool:
            os.kill(pool.zygotes()["plain"], signal.SIGKILL)
            check(pool)
            check(pool)
        """,
        """
        with Pool(1) as pool:
            os.kill(pool.zygotes()["plain"], signal.SIGKILL)
            os.waitpid(-1, 0)
            check(pool)
        """,
        # a fork of the client, which holds copies of all descriptors, and outlives the pool
        """
        pool = Pool(1)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(reader, 1)
            try:
                pool.zygotes()
            except ValueError:
                os._exit(0)
            os._exit(1)
        os.kill(pool.zygotes()["plain"], signal.SIGKILL)
        check(pool)
        pool.close()
        os.write(writer, b"x")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        """,
        # from a thread, whose signals are blocked
        """
        import threading
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        with Pool(1) as pool:
            def work():
                os.kill(pool.zygotes()["plain"], signal.SIGKILL)
                check(pool)
                state = open(f"/proc/{pool.zygotes()['plain']}/status").read()
                blocked = next(l for l in state.splitlines() if l.startswith("SigBlk"))
                global well
                well = int(blocked.split()[1], 16) == 0
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            assert well
        """,
    ],
)
def test_clients_of_every_kind(script: Any, source: str) -> None:
    done: subprocess.CompletedProcess[str] = script(HEAD + textwrap.dedent(source))
    assert done.returncode == 0, done.stderr


def test_nothing_of_the_client_is_open_in_a_new_zygote() -> None:
    with open(os.devnull) as file:
        os.set_inheritable(file.fileno(), True)
        with Pool(1) as pool:
            kill(pool.zygotes()["plain"])
            pool.run("pass")
            zygote = psutil.Process(pool.zygotes()["plain"])
            assert zygote.num_fds() == 4
            assert zygote.cwd() == "/"
            assert os.getsid(zygote.pid) == zygote.pid


@pytest.mark.parametrize("may", [True, False])
def test_what_runs_in_the_jail_is_compiled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, may: bool
) -> None:
    """Where Python may write at all; again when a source has changed."""
    monkeypatch.setattr(sys, "dont_write_bytecode", not may)
    source, cache = tmp_path / "a.py", tmp_path / "__pycache__"
    source.write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("(\n")
    opening.keep_compiled(tmp_path)
    assert cache.exists() is may
    if may:
        (compiled,) = cache.iterdir()
        before = compiled.read_bytes()
        source.write_text("x = 2\n")
        os.utime(source, (2e9, 2e9))
        opening.keep_compiled(tmp_path)
        assert compiled.read_bytes() != before


def test_addresses_are_the_same_in_every_zygote() -> None:
    """And those of the client stay its own affair."""
    program = "print(id(object), id([]), hash('a'))"
    with Pool(1) as pool:
        seen = {pool.run(program).stdout}
        for _ in range(3):
            kill(pool.zygotes()["plain"])
            seen.add(pool.run(program).stdout)
    assert len(seen) == 1
    persona = Path(f"/proc/{os.getpid()}/personality")
    if persona.exists():
        assert int(persona.read_text(), 16) & 0x40000 == 0
