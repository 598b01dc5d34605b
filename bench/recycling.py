"""Recycled and forked subjects beside the least that a fork costs (floor.c), on one core.

    taskset -c 0 python -m bench.recycling [--rows 389] [--rounds 3] [--out FILE.json]

Every executor gets the same rows in turn, slice by slice; CPU is that of every process, per
row. Verdicts are compared with the known ones in every round. The floor runs in a warm interpreter
with the modules and limits of ours, without a sandbox.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.contenders import cpu_s, warm
from bench.workloads import Row, cruxeval
from rich.console import Console
from rich.table import Table

from sv_sandbox import Limits, Pool

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data"
SLICE = 64
Run = Callable[[list[Row]], list[list[bool]]]


def floor(folder: Path) -> Any:
    """floor.c as a module."""
    file = folder / "floor.so"
    include = sysconfig.get_paths()["include"]
    command = ["cc", "-O2", "-shared", "-fPIC", f"-I{include}", str(HERE / "floor.c")]
    subprocess.run([*command, "-o", str(file)], check=True)
    spec = importlib.util.spec_from_file_location("floor", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def forked(judge: Callable[[bytes, list[bytes]], int]) -> Run:
    """A fork for each row."""

    def run(rows: list[Row]) -> list[list[bool]]:
        found = []
        for row in rows:
            bits = judge(row.solution.encode(), [test.encode() for test in row.tests])
            found.append([bool(bits >> t & 1) for t in range(len(row.tests))])
        return found

    return run


def pooled(pool: Pool) -> Run:
    """A job for each row, all of them at once."""

    def run(rows: list[Row]) -> list[list[bool]]:
        jobs = [pool.submit([row.solution], row.tests, entry_point="f") for row in rows]
        return [[code == 1 for code in job.wait().verdict_ST.tolist()[0]] for job in jobs]

    return run


def measure(runs: dict[str, Run], rows: list[Row], rounds: int) -> dict[str, float]:
    """CPU us per row of each. Raises RuntimeError for a wrong verdict."""
    spent = dict.fromkeys(runs, 0.0)
    for run in runs.values():
        run(rows[:SLICE])
    for turn in range(rounds):
        for at in range(0, len(rows), SLICE):
            part = rows[at : at + SLICE]
            order = list(runs.items())
            for name, run in order if (turn + at // SLICE) % 2 else reversed(order):
                began = cpu_s()
                found = run(part)
                spent[name] += cpu_s() - began
                if found != [row.passes for row in part]:
                    raise RuntimeError(f"{name}: a wrong verdict in rows {at} to {at + len(part)}")
    return {name: 1e6 * seconds / (rounds * len(rows)) for name, seconds in spent.items()}


def main() -> int:
    """One table, two workloads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    report: dict[str, Any] = {
        "kernel": platform.release(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": os.getloadavg()[0],
        "cpu_us_per_row": {},
    }
    table = Table(title="CPU us per row")
    for title in ("tests", "C floor", "forked", "recycled", "floor / forked", "floor / recycled"):
        table.add_column(title, justify="right")
    limits = Limits(cpu_s=0.3)
    with (
        tempfile.TemporaryDirectory() as folder,
        Pool(1, limits=limits, recycle=False) as off,
        Pool(1, limits=limits) as on,
    ):
        if not on.recycles:
            print(f"no recycled subjects here: {on.why_not_recycled}", file=sys.stderr)
            return 2
        judge = floor(Path(folder)).judge
        warm()
        for tests in (1, 5):
            rows = cruxeval(options.data / "cruxeval.jsonl", tests)[: options.rows]
            runs = {"C floor": forked(judge), "forked": pooled(off), "recycled": pooled(on)}
            us = measure(runs, rows, options.rounds)
            report["cpu_us_per_row"][f"{tests} tests"] = us
            ratios = (us["C floor"] / us["forked"], us["C floor"] / us["recycled"])
            table.add_row(
                str(tests), *(f"{u:,.0f}" for u in us.values()), *(f"{r:.2f}" for r in ratios)
            )
        report["statistics"] = on.statistics()
    Console(width=100).print(table)
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
