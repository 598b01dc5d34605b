"""Jobs in flight: many at once, awaited, cancelled, interrupted, abandoned; clients that die."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from sv_sandbox import Limits, Pool, SandboxError, Verdict

from .tables import rows

pytestmark = pytest.mark.usefixtures("nothing_left")

ADD = [f"def f(x):\n    return x + {n}\n" for n in range(5)]
LOOP = "def f():\n    while True: pass\n"


def test_many_jobs_in_flight() -> None:
    with Pool(2, limits=Limits(cpu_s=1)) as pool:
        jobs = [
            pool.submit(ADD[: 1 + n % 5], [f"assert f(1) == {1 + n % 5}", "assert f(0) == 0"])
            for n in range(200)
        ]
        for n, job in reversed(list(enumerate(jobs))):
            m = job.wait()
            assert job.done
            assert job.rows == job.rows_done == 1 + n % 5
            for s in range(job.rows):
                expected = Verdict.PASS if s == n % 5 else Verdict.WRONG
                assert m.verdict(s, 0) is expected
                assert m.verdict(s, 1) is (Verdict.PASS if s == 0 else Verdict.WRONG)


def test_awaiting() -> None:
    async def main() -> list[int]:
        async with Pool(2, limits=Limits(cpu_s=1)) as pool:
            jobs = [pool.submit(ADD, ["assert f(1) == 1"]) for _ in range(50)]

            async def one(job: Any) -> int:
                return int((await job).verdict(0, 0))

            verdicts = await asyncio.gather(*map(one, jobs))
            programs = await asyncio.gather(
                *(pool.run_async("print(input())", stdin=str(n)) for n in range(20))
            )
            assert [int(p.stdout) for p in programs] == list(range(20))
            return verdicts

    assert asyncio.run(main()) == [Verdict.PASS] * 50


@pytest.mark.parametrize("waiting", [1, 2, 1000])
def test_no_job_holds_a_descriptor(waiting: int) -> None:
    """Neither while it waits in the queue nor while somebody awaits it; its input neither."""

    async def main(pool: Pool) -> None:
        async with pool:
            await pool.run_async("print(1)")
            blocked = pool.submit([LOOP], ["f()"])
            before = len(os.listdir("/proc/self/fd"))
            tasks = [
                asyncio.ensure_future(pool.run_async("print(input())", stdin=str(n)))
                for n in range(waiting)
            ]
            await asyncio.sleep(0)
            assert len(os.listdir("/proc/self/fd")) <= before + 12  # a bell, and rows that run
            blocked.cancel()
            results = await asyncio.gather(*tasks)
            assert [int(r.stdout) for r in results] == list(range(waiting))

    asyncio.run(main(Pool(1, limits=Limits(cpu_s=2))))


def test_one_pool_in_many_event_loops() -> None:
    with Pool(2, limits=Limits(cpu_s=2)) as pool:

        async def some(base: int) -> list[bytes]:
            programs = (f"print({base + n})" for n in range(10))
            return [r.stdout for r in await asyncio.gather(*map(pool.run_async, programs))]

        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda base: asyncio.run(some(base)), range(0, 160, 10)))
        assert [int(line) for lines in found for line in lines] == list(range(160))


def test_one_job_awaited_by_many() -> None:
    async def main() -> None:
        with Pool(1, limits=Limits(cpu_s=2)) as pool:
            job = pool.submit(ADD, ["assert f(1) == 1"])
            cut_short = asyncio.ensure_future(_await(pool.submit([LOOP], ["f()"])))
            seen = await asyncio.gather(*(_await(job) for _ in range(20)))
            cut_short.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await cut_short
            assert {bytes(m.verdict_ST) for m in seen} == {bytes([1, 2, 2, 2, 2])}
            assert bytes((await job).verdict_ST) == bytes([1, 2, 2, 2, 2])  # it has ended

    asyncio.run(main())


def test_waiting_in_many_threads() -> None:
    with Pool(2, limits=Limits(cpu_s=2)) as pool, ThreadPoolExecutor(32) as threads:
        job = pool.submit(ADD, ["assert f(1) == 1"])
        waits = [threads.submit(job.wait, 60) for _ in range(32)]
        assert {bytes(wait.result().verdict_ST) for wait in waits} == {bytes([1, 2, 2, 2, 2])}


def test_the_event_loop_is_free_while_a_job_runs() -> None:
    async def main() -> int:
        ticks = 0
        async with Pool(1, limits=Limits(cpu_s=0.4)) as pool:
            job = asyncio.ensure_future(_await(pool.submit([LOOP], ["f()"])))
            while not job.done():
                await asyncio.sleep(0.005)
                ticks += 1
            assert job.result().verdict(0, 0) is Verdict.TIMEOUT
        return ticks

    assert asyncio.run(main()) > 10


async def _await(job: Any) -> Any:
    return await job


def test_cancelling_a_task_cancels_its_job() -> None:
    async def main() -> float:
        async with Pool(1, limits=Limits(cpu_s=2)) as pool:
            job = pool.submit([LOOP] * 50, ["f()"] * 50)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(_await(job), 0.2)
            began = time.monotonic()
            result = await pool.run_async("print(1)")
            assert result.stdout == b"1\n"
            return time.monotonic() - began

    assert asyncio.run(main()) < 10


def test_cancel_keeps_what_is_done() -> None:
    with Pool(1, limits=Limits(cpu_s=3)) as pool:
        job = pool.submit(["def f():\n    return 1\n"] * 5 + [LOOP] * 50, ["f()"])
        end = time.monotonic() + 20
        while job.rows_done < 5 and time.monotonic() < end:
            time.sleep(0.01)
        job.cancel()
        m = job.wait(10)
        assert [m.verdict(s, 0) for s in range(5)] == [Verdict.PASS] * 5
        assert {m.verdict(s, 0) for s in range(6, 55)} == {Verdict.INFRA}
        job.cancel()
        assert pool.run("print(1)").stdout == b"1\n"


def test_wait_times_out_and_may_be_repeated() -> None:
    with Pool(1, limits=Limits(cpu_s=0.5)) as pool:
        job = pool.submit([LOOP], ["f()"])
        with pytest.raises(TimeoutError, match="1 rows"):
            job.wait(0.05)
        assert job.wait(20).verdict(0, 0) is Verdict.TIMEOUT
        assert job.wait().verdict(0, 0) is Verdict.TIMEOUT


def test_a_dropped_job_is_no_trouble() -> None:
    with Pool(1, limits=Limits(cpu_s=2)) as pool:
        for _ in range(20):
            pool.submit([LOOP] * 20, ["f()"] * 20)
        gc.collect()
        assert pool.run("print(1)").stdout == b"1\n"


def test_results_outlive_their_pool() -> None:
    with Pool(1) as pool:
        m = pool.matrix(ADD, ["assert f(1) == 1"])
    del pool
    gc.collect()
    assert [m.verdict(s, 0) for s in range(5)] == [Verdict.PASS] + [Verdict.WRONG] * 4
    assert "AssertionError" in m.detail(1, 0)


def test_a_pool_that_nobody_closes() -> None:
    pool = Pool(2)
    assert pool.run("print(1)").stdout == b"1\n"
    del pool
    gc.collect()


def test_a_pool_that_nobody_closes_with_a_job_in_flight() -> None:
    pool = Pool(1, limits=Limits(cpu_s=2))
    job = pool.submit([LOOP] * 20, ["f()"])
    del pool
    gc.collect()
    with contextlib.suppress(SandboxError):
        job.wait(20)
    assert job.done


def test_pools_side_by_side() -> None:
    with Pool(1) as one, Pool(1) as two, Pool(1) as three:
        jobs = [pool.submit(ADD, ["assert f(1) == 1"]) for pool in (one, two, three)]
        assert {bytes(job.wait().verdict_ST) for job in jobs} == {bytes([1, 2, 2, 2, 2])}
        two.close()
        assert one.run("print(1)").stdout == three.run("print(1)").stdout == b"1\n"


def test_a_child_of_the_client_does_not_end_its_pool() -> None:
    """A fork of the client has the pool's objects, not its threads: it must not end the pool."""
    with Pool(1) as pool:
        assert pool.run("print(1)").stdout == b"1\n"
        job = pool.submit(ADD, ["assert f(1) == 1"])
        pid = os.fork()
        if pid == 0:
            status = 1
            with contextlib.suppress(BaseException):
                with pytest.raises(ValueError, match="fork"):
                    pool.submit(ADD, ["f(1)"])
                del job
                gc.collect()
                pool.close()
                status = 0
            os._exit(status)
        end = time.monotonic() + 10
        ended: int | None = None
        while ended is None and time.monotonic() < end:
            done, code = os.waitpid(pid, os.WNOHANG)
            ended = code if done else None
            time.sleep(0.01)
        if ended is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        assert ended == 0
        assert bytes(job.wait().verdict_ST) == bytes([1, 2, 2, 2, 2])
        assert pool.run("print(1)").stdout == b"1\n"
        assert pool.statistics()["retried"] == 0
        assert os.path.isdir(pool._scratch)


CLIENT = """
import json, sys, time
from sv_sandbox import Limits, Pool
pool = Pool(2, limits=Limits(cpu_s=20, wall_s=40))
job = pool.submit(["def f():\\n    while True: pass\\n"] * 9, ["f()"] * 9)
time.sleep(0.3)
try:
    print(json.dumps(list(pool.zygotes().values())), flush=True)
    job.wait()
except KeyboardInterrupt:
    pool.close()
    sys.exit(130)
"""


def start_client(scratch_root: Path) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """A client in the middle of a job, and every process below it."""
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(scratch_root)},
    )
    assert client.stdout is not None
    json.loads(client.stdout.readline())
    client.stdout.close()
    below = psutil.Process(client.pid).children(recursive=True)
    assert len(below) >= 5  # a zygote, two templates, two subjects
    return client, below


def all_gone(processes: list[psutil.Process]) -> bool:
    """Whether these processes end soon."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        alive = []
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    alive.append(process)
        if not alive:
            return True
        time.sleep(0.02)
    return False


def test_interrupt(scratch_root: Path) -> None:
    client, below = start_client(scratch_root)
    client.send_signal(signal.SIGINT)
    assert client.wait(20) == 130
    assert all_gone(below)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_client_killed(scratch_root: Path, number: int) -> None:
    """Processes go with the client; its scratch folder stays, as for anything killed."""
    client, below = start_client(scratch_root)
    client.send_signal(number)
    assert client.wait(20) == -number
    assert all_gone(below)
    for folder in scratch_root.glob("sv-sandbox-*"):
        folder.rmdir()  # empty, or this raises


def test_exit_without_close(script: Any) -> None:
    source = """
        from sv_sandbox import Limits, Pool
        pool = Pool(2, limits=Limits(cpu_s=20))
        print(pool.run("print(1)").stdout)
        job = pool.submit(["def f():\\n    while True: pass\\n"] * 9, ["f()"] * 9)
    """
    done = script(source)
    assert (done.returncode, done.stdout, done.stderr) == (0, "b'1\\n'\n", "")


def test_exit_by_exception_in_the_middle(script: Any) -> None:
    source = """
        from sv_sandbox import Limits, Pool
        with Pool(2, limits=Limits(cpu_s=20)) as pool:
            job = pool.submit(["def f():\\n    while True: pass\\n"] * 9, ["f()"] * 9)
            raise RuntimeError("on purpose")
    """
    done = script(source)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("RuntimeError: on purpose")


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])
def test_a_service_without_standard_streams(
    script: Any, tmp_path: Path, closed: tuple[int, ...]
) -> None:
    """Nothing of a pool lands on descriptors 0 to 2, and nothing that is printed on a pool's."""
    out = tmp_path / "out"
    source = f"""
        import os
        for fd in {closed}: os.close(fd)
        from sv_sandbox import Pool
        with Pool(1) as pool:
            for fd in (1, 2):
                os.write(fd, b"noise" * 1000)
            seen = [pool.run("print(input())", stdin=str(n), expected=str(n)) for n in range(3)]
            m = pool.matrix(["def f(x): return x"], ["assert f(1) == 1", "x = f(2); assert x == 2"])
        with open({str(out)!r}, "w") as file:
            print([r.verdict.name for r in seen], m.verdict_ST.tolist(), file=file)
    """
    script(source)
    assert out.read_text() == "['PASS', 'PASS', 'PASS'] [[1, 1]]\n"


def test_a_waiting_job_that_nobody_wants_ends_at_once_though_all_workers_are_busy() -> None:
    """A server gives up requests that wait; their end must not hang on those that run."""
    with Pool(1, limits=Limits(cpu_s=60, wall_s=600)) as pool:
        busy = pool.submit(["import time\ndef f(): time.sleep(300)"], ["assert f() is None"])
        waiting = [pool.submit(["def f(): return 1"] * 3, ["assert f() == 1"]) for _ in range(4)]
        waiting[1].cancel()
        assert rows(waiting[1].wait(30).verdict_ST) == [[Verdict.INFRA]] * 3
        del waiting[3], waiting[0]  # the last of the queue, and the first
        last = pool.submit(["def f(): return 1"], ["assert f() == 1"])
        busy.cancel()
        assert rows(busy.wait(30).verdict_ST) == [[Verdict.INFRA]]
        assert [v for (v,) in rows(waiting[1].wait(60).verdict_ST)] == [Verdict.PASS] * 3
        assert rows(last.wait(60).verdict_ST) == [[Verdict.PASS]]


def test_a_job_with_one_worker_leaves_the_others_free() -> None:
    with Pool(2, limits=Limits(cpu_s=60, wall_s=600)) as pool:
        sleeping = ["import time\ndef f(): time.sleep(300)"] * 4
        slow = pool.submit(sleeping, ["assert f() is None"], workers=1)
        behind = pool.submit(sleeping, ["assert f() is None"], workers=1)
        behind.cancel()
        jobs = [
            pool.submit(ADD, ["assert f(1) == 1", "assert f(0) == 1"], workers=n % 3)
            for n in range(40)
        ]
        for job in jobs:
            verdicts = rows(job.wait(200).verdict_ST)
            assert (
                verdicts
                == [[Verdict.PASS, Verdict.WRONG], [Verdict.WRONG, Verdict.PASS]]
                + [[Verdict.WRONG] * 2] * 3
            )
        assert behind.done
        assert slow.rows_done == 0
        slow.cancel()
    with pytest.raises(ValueError, match="workers -1"):
        pool.submit(ADD, ["assert f(1) == 1"], workers=-1)


def test_giving_up_a_waiting_program_does_not_stop_the_event_loop() -> None:
    async def main(pool: Pool) -> bytes:
        busy = asyncio.create_task(pool.run_async("import time; time.sleep(300)"))
        await asyncio.sleep(0.5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pool.run_async("print(1)"), 0.2)
        gc.collect()
        busy.cancel()
        with pytest.raises(asyncio.CancelledError):
            await busy
        return (await asyncio.wait_for(pool.run_async("print(1)"), 60)).stdout

    with Pool(1, limits=Limits(cpu_s=60, wall_s=600)) as pool:
        assert asyncio.run(main(pool)) == b"1\n"
