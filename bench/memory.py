"""What a pool costs in memory, by process and per worker, and whether it grows over many cells.

    python -m bench.memory [--cells 1000000] [--workers 4] [--out bench/results/memory.json]

In: cheap cells, run in recycled subjects and, with `--forked`, in forked ones. Out: PSS of every
process of the pool from /proc/PID/smaps_rollup (which for a template only root may read) and the
files of memory that they hold, whether mapped or not, in KiB: after a first fifth of the cells,
when allocators and keepers are warm, and after the last. A worker's share is what each further
worker adds to a pool of one; the zygote, which all share, is no part of it. The slope is a least-
squares line through the sums, in KiB per million cells.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from bench import machine
from rich.console import Console

from sv_sandbox import Limits, Pool

KINDS = {"sv-task": "compare", "sv-recycled": "subject", "sv-reference": "reference"}
BODIES = (
    "return x + {n}",
    "return sorted([x, {n}, 3])[0] + len(str(x))",
    "return sum(i * {n} for i in range(x % 7))",
    "return len({{'a': x, 'b': {n}}}) + ord('a')",
    "import math\n    return math.gcd(x, {n}) + int(x / 3)",
)
SOLUTIONS = [f"def f(x):\n    {BODIES[n % len(BODIES)].format(n=n)}\n" for n in range(20)]
TESTS = [f"assert f({n % 9}) == {n}" for n in range(50)]
POINTS = 40


def pss_kib(pid: int) -> int:
    """What is mapped, shared pages divided among those that map them; without files of memory."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return sizes["Pss"] - sizes["Pss_Shmem"]


def files_kib(pid: int, seen: set[int]) -> int:
    """Files of memory that this process holds and none before it did."""
    found = 0
    for entry in list(Path(f"/proc/{pid}/fd").iterdir()):
        with contextlib.suppress(OSError):  # the listing's own descriptor
            if "/memfd:" in os.readlink(entry) and (stat := entry.stat()).st_ino not in seen:
                seen.add(stat.st_ino)
                found += stat.st_blocks // 2
    return found


def account(pool: Pool) -> dict[str, int]:
    """KiB by kind of process, `files`, and their sum without the client's own memory."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    keepers = {process.ppid() for process in processes if process.name() == "sv-recycled"}
    kinds = {process.pid: KINDS.get(process.name(), "template") for process in processes}
    kinds |= dict.fromkeys(pool.zygotes().values(), "zygote") | dict.fromkeys(keepers, "keeper")
    kinds[os.getpid()] = "client"
    found = Counter[str]()
    seen = set[int]()
    for pid, kind in kinds.items():
        found["files"] += files_kib(pid, seen)
        found[kind] += pss_kib(pid)
    found["pool"] = found.total() - found["client"]
    return dict(found)


def run(workers: int, cells: int, recycle: bool) -> dict[str, Any]:
    """A pool over so many cells: its accounts at the beginning and at the end, and the slope."""
    points: list[tuple[int, dict[str, int]]] = []
    with Pool(workers, limits=Limits(cpu_s=1), recycle=recycle) as pool:
        per_round = workers * len(SOLUTIONS) * len(TESTS)
        rounds = max(5, cells // per_round)
        for number in range(rounds):
            jobs = [pool.submit(SOLUTIONS, TESTS) for _ in range(workers)]
            for job in jobs:
                job.wait()
            if number >= rounds // 5 and (number * POINTS // rounds) > len(points) - 1:
                points.append(((number + 1) * per_round, account(pool)))
        statistics = pool.statistics()
    xs = np.array([at for at, _ in points], dtype=float) / 1e6
    report: dict[str, Any] = {"cells": rounds * per_round, "statistics": statistics}
    for who in ("client", "pool"):
        ys = [kib[who] for _, kib in points]
        report[f"{who}_kib_per_million_cells"] = round(float(np.polyfit(xs, ys, 1)[0]), 1)
    return report | {"first_kib": points[0][1], "last_kib": points[-1][1]}


def main() -> int:
    """One worker for a share of the cells, then all workers for the rest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--forked", action="store_true", help="no recycled subjects")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.workers < 2:
        parser.error("--workers must be at least 2: a share is a difference")
    report: dict[str, Any] = {"machine": machine.describe(), "recycled": not options.forked}
    began = time.monotonic()
    one = run(1, options.cells // 10, not options.forked)
    many = run(options.workers, options.cells, not options.forked)
    further = options.workers - 1
    report |= {
        f"mib_per_worker_{when}": round(
            (many[f"{when}_kib"]["pool"] - one[f"{when}_kib"]["pool"]) / further / 1024, 2
        )
        for when in ("first", "last")
    }
    report |= {"one_worker": one, f"{options.workers}_workers": many}
    report["seconds"] = round(time.monotonic() - began, 1)
    Console(width=110).print_json(json.dumps(report))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
