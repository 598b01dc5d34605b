"""The split judge beside the inline judge: CPU time of a cell, and every verdict that differs.

    python -m bench.judges [--problems N] [--solutions N] [--out bench/results/judges.json]

Each chunk (one problem, some solutions, all its tests) runs under both judges in turn, one worker
each, so that a busy moment of the machine hits both; which goes first alternates. CPU is that of
every process involved. Besides all chunks, those without a timeout are summed up on their own: a
cell that runs into its limit costs the limit under either judge and would flatter the ratio.
Cells that time out under either judge are left out of the comparison of verdicts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from bench.contenders import cpu_s
from bench.workloads import cruxeval
from rich.console import Console
from rich.progress import track
from rich.table import Table

from sv_engine.problems.formats import RolloutFile
from sv_sandbox import Limits, Matrix, Pool, Trust, Verdict

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data"
JUDGES = ("split", "inline")
CHUNK = 20  # solutions


@dataclass(frozen=True)
class Chunk:
    """Solutions of one problem and all its tests."""

    problem: str
    solutions: list[str]
    tests: list[str]


@dataclass
class Tally:
    """What one workload came to."""

    cells: int = 0
    unsplit: int = 0
    compared: int = 0
    passed: int = 0
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    differences: list[dict[str, str]] = field(default_factory=list)
    cpu: list[tuple[float, float, bool]] = field(default_factory=list)
    """Per chunk: CPU seconds under split and inline, and whether a cell timed out."""

    def add(self, chunk: Chunk, split: Matrix, inline: Matrix, cpu: dict[str, float]) -> None:
        """One chunk."""
        timed_out = False
        for s in range(len(chunk.solutions)):
            for t, test in enumerate(chunk.tests):
                a, b = split.verdict(s, t), inline.verdict(s, t)
                self.cells += 1
                self.unsplit += split.trust_ST[s, t] == Trust.INLINE
                if Verdict.TIMEOUT in (a, b):
                    timed_out = True
                    continue
                self.compared += 1
                self.passed += b is Verdict.PASS
                if a is not b:
                    self.kinds[b.name.lower(), a.name.lower()] += 1
                if (a is Verdict.PASS) != (b is Verdict.PASS):
                    self.differences.append(
                        {
                            "problem": chunk.problem,
                            "test": test[:300],
                            "solution": chunk.solutions[s][:2000],
                            "inline": f"{b.name.lower()} {inline.detail(s, t)}".strip(),
                            "split": f"{a.name.lower()} {split.detail(s, t)}".strip(),
                        }
                    )
        self.cpu.append((cpu["split"], cpu["inline"], timed_out))

    def report(self) -> dict[str, Any]:
        """As stored."""
        calm = [part for part in self.cpu if not part[2]] or self.cpu
        return {
            "cells": self.cells,
            "inline_fallback": self.unsplit,
            "split_cpu_ms_per_cell": 1000 * sum(part[0] for part in self.cpu) / self.cells,
            "inline_cpu_ms_per_cell": 1000 * sum(part[1] for part in self.cpu) / self.cells,
            "ratio_all": sum(part[0] for part in self.cpu) / sum(part[1] for part in self.cpu),
            "ratio_without_timeouts": sum(p[0] for p in calm) / sum(p[1] for p in calm),
            "ratio_median_chunk": statistics.median(p[0] / max(p[1], 1e-3) for p in calm),
            "chunks": len(self.cpu),
            "chunks_with_timeouts": sum(part[2] for part in self.cpu),
            "compared": self.compared,
            "passed_inline": self.passed,
            "pass_differs": len(self.differences),
            "kinds_that_differ": {f"{b} -> {a}": n for (b, a), n in self.kinds.most_common()},
            "differences": self.differences[:50],
        }


def reference_chunks(path: Path) -> Iterator[Chunk]:
    """A benchmark's own solutions on its own tests, as code."""
    for rollout in RolloutFile(path):
        problem = rollout.problem
        if problem.reference_solution is not None and problem.reference_test is not None:
            sources = [problem.reference_test, *(test.source for test in rollout.tests)]
            yield Chunk(problem.id, [problem.reference_solution], sources)


def sample_chunks(path: Path, problems: int | None, solutions: int | None) -> Iterator[Chunk]:
    """A model's programs on the same model's tests."""
    for rollout in islice(RolloutFile(path), problems):
        texts = [solution.source for solution in rollout.solutions[:solutions]]
        tests = [test.source for test in rollout.tests]
        for at in range(0, len(texts), CHUNK):
            yield Chunk(rollout.problem.id, texts[at : at + CHUNK], tests)


def cruxeval_chunks(path: Path) -> Iterator[Chunk]:
    """Short functions with five tests each, in turn right and wrong."""
    for row in cruxeval(path, 5):
        yield Chunk(f"cruxeval {row.group}", [row.solution], row.tests)


def measure(name: str, chunks: list[Chunk], limits: Limits, batch: int) -> Tally:
    """Both judges on every chunk; `batch` of them between two looks at the clock."""
    tally = Tally()
    with Pool(1, limits=limits) as first, Pool(1, limits=limits) as second:
        pools = dict(zip(JUDGES, (first, second), strict=True))
        for number in track(range(0, len(chunks), batch), name, console=Console(stderr=True)):
            part = chunks[number : number + batch]
            cpu, found = {}, {}
            for judge in JUDGES if number // batch % 2 else reversed(JUDGES):
                began = cpu_s()
                jobs = [
                    pools[judge].submit(c.solutions, c.tests, judge=judge, unsplit="count")
                    for c in part
                ]
                found[judge] = [job.wait() for job in jobs]
                cpu[judge] = (cpu_s() - began) / len(part)
            for chunk, split, inline in zip(part, found["split"], found["inline"], strict=True):
                tally.add(chunk, split, inline, cpu)
    return tally


def main() -> int:
    """Run it all; exit code 1 when a cell passes under one judge only."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=None, help="of the CodeGen-16B file")
    parser.add_argument("--solutions", type=int, default=None, help="of each of its problems")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    for name in ("problems", "solutions"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1")
    if not (options.data / "cruxeval.jsonl").exists():
        print(f"no cruxeval.jsonl in {options.data}: say where it is with --data", file=sys.stderr)
        return 2
    samples = options.data / "humaneval_codegen16b.jsonl"
    work: dict[str, Any] = {
        "humaneval": lambda: reference_chunks(options.data / "humaneval.jsonl"),
        "mbpp": lambda: reference_chunks(options.data / "mbpp.jsonl"),
        "cruxeval, five tests": lambda: cruxeval_chunks(options.data / "cruxeval.jsonl"),
        "codegen-16b": lambda: sample_chunks(samples, options.problems, options.solutions),
    }
    if not any(options.only in name for name in work):
        parser.error(f"--only {options.only!r}: none of {', '.join(work)}")
    report: dict[str, Any] = {
        "machine": {
            "cpu": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "kernel": platform.release(),
            "load_before": os.getloadavg()[0],
        },
        "taken": time.strftime("%Y-%m-%d"),
        "workloads": {},
    }
    table = Table(title="split beside inline")
    for title in ("workload", "cells", "fallback", "CPU x", "without timeouts", "pass differs"):
        table.add_column(title, justify="left" if title == "workload" else "right")
    for name, make in work.items():
        if options.only not in name:
            continue
        own = name in ("humaneval", "mbpp")
        limits = Limits(cpu_s=10.0 if own else 0.3)
        tally = measure(name, list(make()), limits, 1 if name == "codegen-16b" else 10)
        r = report["workloads"][name] = tally.report()
        table.add_row(
            name,
            f"{r['cells']:,}",
            str(r["inline_fallback"]),
            f"{r['ratio_all']:.2f}",
            f"{r['ratio_without_timeouts']:.2f}",
            f"{r['pass_differs']} of {r['compared']:,}",
        )
    Console(width=100).print(table)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    return int(any(r["pass_differs"] for r in report["workloads"].values()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
