"""Every verdict with recycled subjects beside the same one with forked subjects, each twice.

    python -m bench.recycling [--problems N] [--limit 0.3] [--only NAME]
                              [--out bench/results/recycling.json]

In: HumanEval, MBPP, CRUXEval, CodeGen-16B, all cells. Each of two passes opens two pools, one that
recycles and one that forks; each chunk (some solutions, all their tests) runs in both, so that a
busy moment of the machine hits both; the second pass goes through the chunks from the last to the
first, so that a recycled subject has other rows behind it. Out: how many cells there are in which
verdict, trust, being held back, or detail is not the same four times, by what differs:

- `recycling`: the two recycled runs agree, the two forked runs agree, and they differ: a defect;
- `addresses`: as that, but for addresses in a detail (SECURITY.md: not promised);
- `unsteady`: two runs of one kind differ: a cell near its limit, or a random one.

Exit code 1 where there is a defect. With the limit of 0.3 s the last set takes an hour of two
cores, most of it in programs that never end.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from bench import machine
from bench.judges import DATA, Chunk, cruxeval_chunks, reference_chunks, sample_chunks
from rich.console import Console
from rich.progress import track
from rich.table import Table

from sv_sandbox import Limits, Matrix, Pool, Trust, Verdict

KINDS = ("recycled", "forked")
WINDOW = 8  # chunks that one pool runs before the other
SHOWN = 50  # differing cells that are stored
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")

Cell = tuple[int, int, int, str]
"""Verdict, trust, held back, detail."""
Cells = list[Cell]
"""Those of a chunk, row by row."""


def cells_of(matrix: Matrix) -> Cells:
    """What is compared; equal details are one string."""
    found: Cells = []
    for s in range(matrix.shape[0]):
        details = matrix.details(s)
        found += [
            (
                matrix.verdict_ST[s, t],
                matrix.trust_ST[s, t],
                matrix.held_ST[s, t],
                sys.intern(details.get(t, "")),
            )
            for t in range(matrix.shape[1])
        ]
    return found


def windows(chunks: list[Chunk], backwards: bool) -> Iterator[list[int]]:
    """Numbers of chunks that are in flight together."""
    numbers = iter(reversed(range(len(chunks))) if backwards else range(len(chunks)))
    while part := list(islice(numbers, WINDOW)):
        yield part


def one_pass(
    name: str, chunks: list[Chunk], limits: Limits, workers: int, backwards: bool
) -> tuple[dict[str, list[Cells]], dict[str, dict[str, int]]]:
    """Cells by kind and chunk, and what the two pools counted."""
    found: dict[str, list[Cells]] = {kind: [[]] * len(chunks) for kind in KINDS}
    with (
        Pool(workers, limits=limits, trust=Trust.VOUCHED) as recycled,
        Pool(workers, limits=limits, trust=Trust.VOUCHED, recycle=False) as forked,
    ):
        pools = dict(zip(KINDS, (recycled, forked), strict=True))
        parts = list(windows(chunks, backwards))
        for part in track(parts, name, console=Console(stderr=True)):
            for kind, pool in pools.items():
                asked = [chunks[number] for number in part]
                jobs = [pool.submit(c.solutions, c.tests, entry_point=c.entry_point) for c in asked]
                for number, job in zip(part, jobs, strict=True):
                    found[kind][number] = cells_of(job.wait())
        return found, {kind: pool.statistics() for kind, pool in pools.items()}


def kind_of(runs: dict[str, list[Cell]]) -> str:
    """What the four runs of a cell differ in; empty: nothing."""
    recycled, forked = runs["recycled"], runs["forked"]
    if len({*recycled, *forked}) == 1:
        return ""
    if len({*recycled}) > 1 or len({*forked}) > 1:
        return "unsteady"
    shown = [(*cell[:3], ADDRESS.sub("0x", cell[3])) for cell in (recycled[0], forked[0])]
    return "addresses" if shown[0] == shown[1] else "recycling"


def told(cell: Cell) -> str:
    """A cell in words."""
    held = " held back" if cell[2] else ""
    return f"{Verdict(cell[0]).name.lower()} {Trust(cell[1]).name.lower()}{held} {cell[3]}".strip()


def compare(name: str, chunks: list[Chunk], limits: Limits, workers: int) -> dict[str, Any]:
    """All four runs of a set."""
    passes = [one_pass(name, chunks, limits, workers, backwards) for backwards in (False, True)]
    counts, verdicts, differing = Counter[str](), Counter[str](), list[dict[str, Any]]()
    for number, chunk in enumerate(chunks):
        runs = {kind: [found[kind][number] for found, _ in passes] for kind in KINDS}
        for at, cell in enumerate(runs["recycled"][0]):
            verdicts[Verdict(cell[0]).name.lower()] += 1
            four = {kind: [cells[at] for cells in runs[kind]] for kind in KINDS}
            what = kind_of(four)
            counts[what] += 1
            if what:
                s, t = divmod(at, len(chunk.tests))
                differing.append(
                    {"kind": what, "problem": chunk.problem, "test": chunk.tests[t][:300]}
                    | {"solution": chunk.solutions[s][:2000]}
                    | {kind: [told(c) for c in cells] for kind, cells in four.items()}
                )
    differing.sort(key=lambda each: "recycling addresses unsteady".index(each["kind"]))
    recycled = [counted["recycled"] for _, counted in passes]
    return {
        "limit_cpu_s": limits.cpu_s,
        "cells": sum(counts.values()),
        "rows": sum(len(chunk.solutions) for chunk in chunks),
        "verdicts": dict(verdicts.most_common()),
        "same_four_times": counts[""],
        **{what: counts[what] for what in ("recycling", "addresses", "unsteady")},
        "recycled_rows": [statistics["recycled_rows"] for statistics in recycled],
        "handed_on": [statistics["handed_on"] for statistics in recycled],
        "keepers": [statistics["keepers"] for statistics in recycled],
        "differing": differing[:SHOWN],
    }


def main() -> int:
    """Every set; prints a table and stores the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=None, help="of the CodeGen-16B file")
    parser.add_argument("--limit", type=float, default=0.3, help="CPU seconds of its cells")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="sets whose name contains this")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    if not (options.data / "cruxeval.jsonl").exists():
        parser.error(f"no cruxeval.jsonl in {options.data}: say where it is with --data")
    samples = options.data / "humaneval_codegen16b.jsonl"
    sets: dict[str, tuple[float, Callable[[], Iterator[Chunk]]]] = {
        "humaneval": (10.0, lambda: reference_chunks(options.data / "humaneval.jsonl")),
        "mbpp": (10.0, lambda: reference_chunks(options.data / "mbpp.jsonl")),
        "cruxeval, five tests": (0.3, lambda: cruxeval_chunks(options.data / "cruxeval.jsonl")),
        "codegen-16b": (options.limit, lambda: sample_chunks(samples, options.problems, None)),
    }
    chosen = [name for name in sets if options.only in name]
    if not chosen:
        parser.error(f"--only {options.only!r}: none of {', '.join(sets)}")
    report: dict[str, Any] = {"machine": machine.describe(), "sets": {}}
    table = Table(title="recycled beside forked, two runs of each")
    columns = ("cells", "same_four_times", "recycling", "addresses", "unsteady", "recycled_rows")
    for title in ("set", *columns):
        table.add_column(title.replace("_", " "), justify="left" if title == "set" else "right")
    for name in chosen:
        limit_s, chunks = sets[name]
        result = report["sets"][name] = compare(
            name, list(chunks()), Limits(cpu_s=limit_s), options.workers
        )
        table.add_row(name, *(str(result[column]) for column in columns))
        if options.out:  # after each set: the last one takes most of an hour
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(report, indent=1) + "\n")
    Console(width=120).print(table)
    return int(any(result["recycling"] for result in report["sets"].values()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
