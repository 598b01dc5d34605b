"""A failure of the sandbox, at any stage, is a hole or an exception, and never a wrong answer.

Faults are injected natively: at a stage, fail with an errno, or (negative) die by a signal.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from sv_sandbox import Layer, Level, Limits, Pool, SandboxError, Verdict, _native, opening

from .tables import rows

SPAWN_STAGES = [
    "clone",
    "idmap",
    "region",
    "mount",
    "pivot",
    "identity",
    "capabilities",
    "rlimit",
    "landlock",
    "seccomp",
    "ready",
]
RECYCLE_STAGES = [stage for stage in _native.STAGES if stage.startswith("recycle-")]
"""Their subject is tests/sandbox/test_recycle.py: none of these costs a cell its verdict."""
SUBJECT_STAGES = [
    stage for stage in _native.STAGES if stage not in ("none", *SPAWN_STAGES, *RECYCLE_STAGES)
]
FAILURES = [errno.ENOMEM, errno.EPERM, -signal.SIGKILL, -signal.SIGSEGV]
# "clone" and "idmap" are steps of the zygote: its death is another test's subject.
SPAWN_FAILURES = [
    (stage, failure)
    for stage in SPAWN_STAGES
    for failure in (errno.ENOMEM, -signal.SIGKILL)
    if failure > 0 or stage not in ("clone", "idmap")
]
SOLUTIONS = [f"def f(x):\n    return x + {n}\n" for n in range(4)]
TESTS = ["assert f(0) == 0", "assert f(0) == 1", "assert f(0) == 2"]
EXPECTED = [[Verdict.PASS if s == t else Verdict.WRONG for t in range(3)] for s in range(4)]

clean = pytest.mark.usefixtures("nothing_left")


def test_every_stage_is_covered() -> None:
    assert {*SPAWN_STAGES, *SUBJECT_STAGES, *RECYCLE_STAGES, "none"} == set(_native.STAGES)
    assert {"fork", "payload", "reply"} <= set(SUBJECT_STAGES)


def honest(matrix: Any) -> int:
    """Asserts that every cell is right or a hole; how many holes there are."""
    holes = 0
    for s, row in enumerate(rows(matrix.verdict_ST)):
        for t, code in enumerate(row):
            if code == Verdict.INFRA:
                holes += 1
                assert matrix.detail(s, t)
            else:
                assert code == EXPECTED[s][t], (s, t, Verdict(code), matrix.detail(s, t))
    return holes


@clean
@pytest.mark.parametrize(("stage", "failure"), SPAWN_FAILURES)
def test_a_spawn_that_fails_once(stage: str, failure: int) -> None:
    """The pool's first template meets the fault: starting refuses, or a job goes on."""
    try:
        pool = Pool(2, limits=Limits(cpu_s=0.5), _fault=(stage, failure, 1))
    except SandboxError as error:
        # The probe is the first spawn; a template that was killed cannot say where.
        where = [stage] if failure > 0 and stage != "ready" else ["ready", "clone", "idmap", stage]
        if not any(name in str(error) for name in where):
            pytest.fail(f"a fault at {stage} was reported as {error}")
        return
    with pool:
        # The first is no failure, the second is tried again, and the others are never reached where
        # there is no private root.
        reached = pool.level == Level.ISOLATED
        assert stage in ("landlock", "ready") or (stage in ("mount", "pivot") and not reached)
        assert honest(pool.matrix(SOLUTIONS, TESTS)) == 0


@clean
@pytest.mark.parametrize(("stage", "failure"), SPAWN_FAILURES)
def test_a_spawn_that_fails_again_and_again(stage: str, failure: int) -> None:
    """A running pool whose templates are killed and cannot be had anew for a while."""
    with Flaky(stage, failure) as pool:
        job = pool.submit(SOLUTIONS, TESTS)
        with contextlib.suppress(SandboxError):
            honest(job.wait(30))
        assert job.done
        # The faults are used up by now or soon: the pool heals.
        for _ in range(40):
            with contextlib.suppress(SandboxError):
                if honest(pool.submit(SOLUTIONS, TESTS).wait(30)) == 0:
                    break
        else:
            pytest.fail("the pool did not recover")


class Flaky(contextlib.AbstractContextManager[Pool]):
    """A pool that meets `stage` failing 40 times after it has started."""

    def __init__(self, stage: str, failure: int):
        self.stage, self.failure = stage, failure

    def __enter__(self) -> Pool:
        probe = opening.probe
        fault = _native.STAGES.index(self.stage), self.failure, 40
        new: Any = _native.pool_new

        def pool_new(*given: Any) -> Any:
            return new(*given[:4], fault, *given[5:])

        # The probe would meet the first fault: leave it out, and take it as passed.
        _native.pool_new = pool_new
        opening.probe = lambda *_: _passed()
        try:
            self.pool = Pool(2, limits=Limits(cpu_s=0.5))
        finally:
            _native.pool_new = new
            opening.probe = probe
        return self.pool

    def __exit__(self, *_: object) -> None:
        self.pool.close()


def _passed() -> Any:
    return opening.Probe(Layer((1 << 12) - 1), 0, 0)


@pytest.fixture(scope="module")
def worn_pool(machine: Any) -> Iterator[Pool]:
    """One pool for all subject faults: it must stay usable after each, and leave nothing."""
    before = machine.traces()
    with Pool(2, limits=Limits(cpu_s=0.5)) as pool:
        pool.matrix(SOLUTIONS, TESTS)
        yield pool
        del pool
    assert machine.left(before) == {}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("stage", SUBJECT_STAGES)
def test_a_subject_that_always_fails(worn_pool: Pool, judge: str, stage: str, failure: int) -> None:
    job = worn_pool.submit(SOLUTIONS, TESTS, judge=judge, _fault=(stage, failure))
    with pytest.raises(SandboxError, match="no cell could be judged: sandbox failed at"):
        job.wait(60)
    assert honest(job._matrix) == 12
    if failure > 0 and stage != "reply":
        assert stage in job._matrix.detail(0, 0)
    assert honest(worn_pool.matrix(SOLUTIONS, TESTS, judge=judge)) == 0


@pytest.mark.parametrize("stage", SUBJECT_STAGES)
def test_programs_meet_faults_too(
    worn_pool: Pool, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    with monkeypatch.context() as patch:
        faulty = functools.partial(worn_pool._submit, fault=(stage, errno.EIO))
        patch.setattr(worn_pool, "_submit", faulty)
        with pytest.raises(SandboxError, match="no cell could be judged"):
            worn_pool.run("print(1)")
    assert worn_pool.run("print(1)").stdout == b"1\n"


def templates(pool: Pool) -> list[psutil.Process]:
    """The templates of a pool: children of its zygotes that are alive."""
    found = []
    for zygote in pool.zygotes().values():
        for child in psutil.Process(zygote).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.status() != psutil.STATUS_ZOMBIE:
                    found.append(child)
    return found


def children_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    """The subjects that run in these templates."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found += process.children()
    return found


SLOW = [
    "import time\ndef f(x):\n    end = time.thread_time() + 0.02\n"
    f"    while time.thread_time() < end: pass\n    return x + {n % 4}\n"
    for n in range(16)
]


def slow_is_honest(matrix: Any) -> int:
    """Like `honest`, for SLOW."""
    holes = 0
    for s, row in enumerate(rows(matrix.verdict_ST)):
        for t, code in enumerate(row):
            if code == Verdict.INFRA:
                holes += 1
            else:
                assert code == EXPECTED[s % 4][t], (s, t, Verdict(code), matrix.detail(s, t))
    return holes


def reached(job: Any, rows: int) -> None:
    """Waits until so many rows of the job are done."""
    end = time.monotonic() + 30
    while job.rows_done < rows and time.monotonic() < end:
        time.sleep(0.005)
    assert job.rows_done >= rows


@clean
@pytest.mark.parametrize("whom", ["templates", "subjects"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_killed_from_outside_in_the_middle(whom: str, number: int) -> None:
    if number != signal.SIGKILL and whom == "subjects":
        pytest.skip("a signal that a program may send to itself is taken for its own")
    with Pool(2, limits=Limits(cpu_s=1)) as pool:
        job = pool.submit(SLOW, TESTS)
        reached(job, 1)
        for _ in range(3):
            targets = templates(pool)
            for process in targets if whom == "templates" else children_of(targets):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
            time.sleep(0.05)
        matrix = job.wait(60)
        assert slow_is_honest(matrix) < 48  # three attempts a row, two workers, three blows
        assert honest(pool.matrix(SOLUTIONS, TESTS)) == 0


@clean
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_the_process_that_compares_is_killed_from_outside(number: int) -> None:
    """Between two rows, or in the middle of one: what it planned is planned again.

    Two blows, since a row has three attempts and on a loaded machine all may meet the same one."""
    with Pool(2, limits=Limits(cpu_s=10)) as pool:
        job = pool.submit(SLOW, TESTS)
        killed = 0
        while not job.done:
            for process in children_of(templates(pool)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if process.name() == "sv-task" and killed < 2:
                        process.send_signal(number)
                        killed += 1
            time.sleep(0.05)
        matrix = job.wait(60)
        assert killed > 0
        holes = sum(code == Verdict.INFRA for row in rows(matrix.verdict_ST) for code in row)
        assert holes == 0
        assert honest(pool.matrix(SOLUTIONS, TESTS)) == 0
        if number == signal.SIGKILL:  # what it may send to itself could be a cell's own doing
            assert slow_is_honest(matrix) == 0


@pytest.mark.slow
@clean
def test_a_template_that_is_stopped_is_replaced() -> None:
    with Pool(1, limits=Limits(cpu_s=1)) as pool:
        job = pool.submit(SLOW[:12], TESTS)
        reached(job, 1)
        for process in templates(pool):
            process.suspend()
        matrix = job.wait(60)
        assert slow_is_honest(matrix) == 0


@clean
@pytest.mark.parametrize("wait_first", [False, True])
def test_close_in_the_middle(wait_first: bool) -> None:
    """A closed pool ends what runs at once; its jobs complete with holes."""
    pool = Pool(2, limits=Limits(cpu_s=3))
    job = pool.submit(["def f():\n    while True: pass\n"] * 20, ["f()"] * 20)
    if wait_first:
        time.sleep(0.3)
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < 3 + 5
    assert job.done
    with contextlib.suppress(SandboxError):
        job.wait()
    with pytest.raises(ValueError, match="closed"):
        pool.submit(["x = 1"], ["pass"])
    pool.close()


@clean
def test_close_from_another_thread() -> None:
    pool = Pool(2, limits=Limits(cpu_s=1))
    job = pool.submit(SLOW, TESTS)
    closer = threading.Timer(0.1, pool.close)
    closer.start()
    with contextlib.suppress(SandboxError):
        slow_is_honest(job.wait(30))
    closer.join()
    assert job.done


@clean
def test_no_room_for_a_scratch_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/nonexistent-folder")
    with pytest.raises(OSError, match="nonexistent"):
        Pool(1)


@contextlib.contextmanager
def descriptors_free(count: int) -> Iterator[None]:
    """Within, this process can open so many more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 64, hard)
    )
    held = []
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        for _ in range(count):
            os.close(held.pop())
        yield
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


FREE = range(14)
"""From none at all to more than any row needs."""


def use(pool: Pool, what: str, loop: asyncio.AbstractEventLoop) -> None:
    """Something that takes descriptors; it is right, or raises."""
    if what == "program":
        result = pool.run("print(int(input()) * 2)", stdin="21", expected="42")
        assert result.verdict is Verdict.PASS
    elif what == "awaited":
        result = loop.run_until_complete(
            pool.run_async("print(int(input()))", stdin="21", expected="21")
        )
        assert result.verdict is Verdict.PASS
    elif what == "channel":
        m = pool.matrix(SOLUTIONS[:1], ["x = f(0)\nassert x == 0 and f(x) == 0"])
        assert m.verdict(0, 0) is Verdict.PASS, m.detail(0, 0)
    else:
        assert honest(pool.matrix(SOLUTIONS, TESTS, judge=what)) in (0, 12)


@clean
@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("what", ["program", "awaited", "split", "inline", "channel"])
def test_descriptors_run_out(what: str, warm: bool) -> None:
    """However many are left: a right answer or an error that says so, never a hang."""
    fared = []
    with Pool(1) as pool, contextlib.closing(asyncio.new_event_loop()) as loop:
        for free in FREE:
            if warm:
                use(pool, what, loop)
            else:
                for template in templates(pool):
                    template.kill()
            with descriptors_free(free):
                try:
                    use(pool, what, loop)
                    fared.append("well")
                except OSError as error:
                    fared.append(os.strerror(error.errno or 0))
                except SandboxError as error:
                    fared.append(str(error))
        use(pool, what, loop)
    assert fared[-1] == "well"
    assert warm or fared[0] != "well"
    for outcome in fared:
        assert outcome in ("well", "Too many open files") or "RLIMIT_NOFILE" in outcome


@clean
@pytest.mark.parametrize("free", FREE)
def test_a_template_that_was_lost_leaves_the_next_ones_region_alone(free: int) -> None:
    """Its worker had no descriptor left for its pidfd, when it wanted one that recycles: after
    eight rows. It must not rehearse where the next row is."""
    with Pool(1) as pool, contextlib.closing(asyncio.new_event_loop()) as loop:
        for _ in range(8):
            use(pool, "program", loop)
        with descriptors_free(free), contextlib.suppress(OSError, SandboxError):
            for _ in range(3):
                use(pool, "program", loop)
        use(pool, "program", loop)


@clean
@pytest.mark.parametrize("free", [0, 2, 5, 9, 13])
def test_a_pool_closes_without_descriptors(free: int) -> None:
    pool = Pool(2)
    with descriptors_free(free):
        jobs = [pool.submit(SOLUTIONS, TESTS) for _ in range(20)]
        for job in jobs[:10]:
            with contextlib.suppress(SandboxError):
                assert honest(job.wait(60)) in range(13)
        pool.close()
        assert all(job.done for job in jobs)


@clean
def test_descriptors_run_out_for_a_pool() -> None:
    for free in (0, 1, 3, 5, 8):
        with descriptors_free(free), pytest.raises((OSError, SandboxError), match="Too many open"):
            Pool(2)
