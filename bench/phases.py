"""Where a row's CPU time goes: by process of the pool, and within the subject by what it does.

    python -m bench.phases [--rows 400] [--data DIR] [--out FILE]

In: rows of CRUXEval (one test, five tests), of CodeGen-16B without time-outs and of NumPy. Out: CPU
microseconds per row, with recycled subjects and with forked ones: of the client (queue, results,
supervision), of the judge (planning a job's tests), of its process that compares (and makes answers
of data), of the template (forks and reaps), of the keeper (puts pages and registers back), of the
subject. By difference: the same rows with a function that does nothing in the place of the solution
(what a row costs that computes nothing: faults, frames, the codec), and behind it (what compiling
and running the module adds).
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
from bench import machine
from bench.cells import DATA
from bench.workloads import Row, codegen, cruxeval, numpy_functions, without_timeouts
from rich.console import Console
from rich.table import Table

from sv_sandbox import Limits, Pool

NAMES = {"sv-task": "compare", "sv-recycled": "subject", "sv-reference": "keeper"}
PARTS = ("client", "zygote", "judge", "compare", "template", "keeper", "subject")


def _part(process: psutil.Process, zygotes: set[int], judge: int, keeper: int) -> str:
    if process.pid in zygotes:
        return "zygote"
    if process.pid in (judge, keeper):
        return "judge" if process.pid == judge else "keeper"
    return NAMES.get(process.name(), "template")


def cpu_us(pool: Pool) -> dict[str, float]:
    """CPU time so far, by part; what has ended counts as its parent's children (`forked`)."""
    zygotes = set(pool.zygotes().values())
    found = [psutil.Process(), *psutil.Process().children(recursive=True)]
    parent = {process.name(): process.ppid() for process in found}
    judge, keeper = parent.get("sv-task", 0), parent.get("sv-recycled", 0)
    told = dict.fromkeys((*PARTS, "forked"), 0.0)
    for process in found:
        own = process.pid == found[0].pid
        part = "client" if own else _part(process, zygotes, judge, keeper)
        times = process.cpu_times()
        told[part] += 1e6 * (times.user + times.system)
        if part == "template":  # its subjects, reaped
            told["forked"] += 1e6 * (times.children_user + times.children_system)
    return told


def profile(rows: Sequence[Row], limit_s: float, recycle: bool) -> dict[str, float]:
    """CPU microseconds per row, by part."""
    jobs: dict[int, list[Row]] = {}
    for row in rows:
        jobs.setdefault(row.group, []).append(row)
    with Pool(1, limits=Limits(cpu_s=limit_s), recycle=recycle) as pool:

        def once() -> None:
            for job in jobs.values():
                pool.matrix([row.solution for row in job], job[0].tests)

        once()  # templates and a keeper are started, pages are touched
        before = cpu_us(pool)
        repeats = 0
        begin = time.process_time()
        while not repeats or time.process_time() - begin < 0.5:  # clocks tick in hundredths
            once()
            repeats += 1
        after = cpu_us(pool)
    return {part: (after[part] - before[part]) / (repeats * len(rows)) for part in after}


def without_calls(rows: Sequence[Row], behind: bool) -> list[Row]:
    """Rows whose tests call a function that does nothing, in the solution's place or behind it."""
    found = []
    for row in rows:
        called = re.search(r"(\w+)\(", row.tests[0])
        idle = f"def {called.group(1) if called else 'f'}(*args, **more): pass\n"
        found.append(replace(row, solution=f"{row.solution}\n{idle}" if behind else idle))
    return found


CASES: dict[str, Callable[[Path], list[Row]]] = {
    "cruxeval, one test": lambda data: cruxeval(data / "cruxeval.jsonl", 1),
    "cruxeval, five tests": lambda data: cruxeval(data / "cruxeval.jsonl", 5),
    "codegen-16b without time-outs": lambda data: without_timeouts(
        codegen(data / "humaneval_codegen16b.jsonl", 8, 25, 25), 0.1
    ),
    "numpy": lambda data: numpy_functions(),
}


def measure(rows: Sequence[Row], recycle: bool) -> dict[str, float]:
    """By part, and what is left of the sum when nothing is called, and nothing compiled."""
    told = profile(rows, 1.0, recycle)
    told["all"] = sum(told.values())
    for name, behind in (("module only", True), ("nothing", False)):
        told[name] = sum(profile(without_calls(rows, behind), 1.0, recycle).values())
    return told


def main() -> int:
    """Print a table and store it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    report: dict[str, object] = {"machine": machine.describe(), "unit": "CPU us per row"}
    table = Table(title="CPU microseconds per row")
    parts = (*PARTS, "forked", "all", "module only", "nothing")
    for title in ("case", *parts):
        table.add_column(title, justify="left" if title == "case" else "right")
    for name, rows_of in CASES.items():
        rows = rows_of(options.data)[: options.rows]
        for recycle in (True, False):
            told = measure(rows, recycle)
            title = f"{name}, {'recycled' if recycle else 'forked'}"
            report[title] = {part: round(told[part], 1) for part in parts}
            table.add_row(title, *(f"{told[part]:,.0f}" for part in parts))
    Console(width=150).print(table)
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
